//! Processes that never outlive their owner.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Starts `"$@"`, tells its id, and kills it when the pipe to this shell closes: even a test that is killed leaves nothing running.
const GUARD: &str = r#""$@" >&2 & echo $!; exec >/dev/null; cat >/dev/null; kill -KILL $! 2>/dev/null"#;

/// A running component. Ends when it is dropped.
#[derive(Debug)]
pub struct Process {
    id: u32,
    log: PathBuf,
    guard: Child,
    leash: Option<ChildStdin>,
}

impl Process {
    /// Starts `program component …`, its output in `folder/component.log`.
    pub fn start(program: &Path, component: &str, arguments: &[String], folder: &Path) -> std::io::Result<Process> {
        let log = folder.join(format!("{component}.log"));
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(program)
            .arg(component)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut line = String::new();
        if let Some(said) = guard.stdout.take() {
            BufReader::new(said).read_line(&mut line)?;
        }
        let id =
            line.trim().parse().map_err(|_| std::io::Error::other(format!("{component} does not start: {line:?}")))?;
        let leash = guard.stdin.take();
        Ok(Process { id, log, guard, leash })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The last lines of its log.
    pub fn complaint(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.guard.wait();
    }
}

/// Sends a signal: `STOP`, `CONT`.
pub fn signal(id: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).stderr(Stdio::null()).status();
}
