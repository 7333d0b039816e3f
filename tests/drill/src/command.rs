//! Running small programs (`ip`, `nft`, `mount`): what they say is in the error.

use std::ffi::OsStr;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// It does not start, or fails; the text has the command line and its complaint.
pub async fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> Result<String> {
    feed(program, arguments, "").await
}

/// The same, with a text on its standard input.
///
/// # Errors
/// As [`run`].
pub async fn feed<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
    input: &str,
) -> Result<String> {
    let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    let line = || {
        let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        format!("{program} {}", words.join(" "))
    };
    let mut child = Command::new(program)
        .args(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("`{}` does not start", line()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // a program that does not read has closed it
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", line(), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `ip` with the words of a line.
///
/// # Errors
/// As [`run`].
pub async fn ip(line: &str) -> Result<String> {
    run("ip", line.split_whitespace()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_says_is_in_the_error() {
        let error = run("sh", ["-c", "echo no such thing >&2; exit 3"]).await.unwrap_err().to_string();
        assert!(error.contains("no such thing") && error.contains("exit status: 3"), "{error}");
        assert_eq!(feed("cat", ["-"], "hello").await.unwrap(), "hello");
    }
}
