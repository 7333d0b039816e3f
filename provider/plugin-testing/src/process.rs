//! A provider in debug mode: no TLS, no cookie, and it serves until it is dropped.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{Error, io};

/// Time for a process to say where it listens.
const START: Duration = Duration::from_secs(30);
const LINE: &str = "TF_REATTACH_PROVIDERS='";

/// A process that Terraform, or a test, can attach itself to. It is killed when this is dropped.
#[derive(Debug)]
pub struct Attached {
    socket: PathBuf,
    reattach: Value,
    _process: Child,
}

impl Attached {
    /// Starts `binary --debug`, with some more variables in its environment, and waits until it listens.
    ///
    /// # Errors
    /// It can't be started, or it does not serve.
    pub async fn start(binary: &Path, environment: &[(&str, &str)]) -> Result<Self, Error> {
        let mut process = Command::new(binary)
            .arg("--debug")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(io("starting the provider"))?;
        let Some(output) = process.stdout.take() else { return Err(Error::Debug("it has no output".to_owned())) };
        let reattach = timeout(START, announcement(BufReader::new(output)))
            .await
            .map_err(|_| Error::Debug(format!("no word within {} s", START.as_secs())))??;
        let socket = reattach
            .as_object()
            .and_then(|providers| providers.values().next()?.pointer("/Addr/String")?.as_str())
            .map(PathBuf::from)
            .ok_or_else(|| Error::Debug(format!("it does not say where: {reattach}")))?;
        Ok(Self { socket, reattach, _process: process })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What `TF_REATTACH_PROVIDERS` has to be, with another socket in the place of its own.
    #[must_use]
    pub fn reattach_by(&self, socket: &Path) -> String {
        let mut providers = self.reattach.clone();
        for provider in providers.as_object_mut().into_iter().flat_map(|providers| providers.values_mut()) {
            provider["Addr"]["String"] = Value::String(socket.display().to_string());
        }
        providers.to_string()
    }
}

async fn announcement(output: impl tokio::io::AsyncBufRead + Unpin) -> Result<Value, Error> {
    let mut lines = output.lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.map_err(io("reading from the provider"))? {
        if let Some(quoted) = line.trim().strip_prefix(LINE).and_then(|rest| rest.strip_suffix('\'')) {
            // as a shell would read it
            let text = quoted.replace(r"'\''", "'");
            return serde_json::from_str(&text).map_err(|error| Error::Debug(format!("{error} in {text}")));
        }
        said.push_str(&line);
        said.push('\n');
    }
    Err(Error::Debug(format!("it ended after: {said}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_line_is_read_as_a_shell_would() {
        let text =
            b"Provider started.\n\n\tTF_REATTACH_PROVIDERS='{\"a\":{\"Addr\":{\"String\":\"/tmp/it'\\''s\"}}}'\n";
        let found = announcement(&text[..]).await.unwrap();
        assert_eq!(found["a"]["Addr"]["String"], "/tmp/it's");
        let error = announcement(&b"something else\n"[..]).await.unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
    }
}
