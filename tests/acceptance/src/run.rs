//! One finished command of Terraform.

use anyhow::{Result, bail};

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Run {
    /// The command line after `terraform`.
    pub command: String,
    /// Exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// Standard output, without colours.
    pub stdout: String,
    /// Standard error, without colours.
    pub stderr: String,
    /// How long it ran.
    pub took: std::time::Duration,
}

impl Run {
    /// Both streams, for looking for a text.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// All text with every run of blanks, line ends and frame characters as one blank: what Terraform wraps is found
    /// again.
    pub fn flat(&self) -> String {
        let text: String = self.text().chars().map(|c| if matches!(c, '│' | '╷' | '╵') { ' ' } else { c }).collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The run, if it succeeded.
    ///
    /// # Errors
    /// It did not; the text holds all of its output.
    pub fn ok(self) -> Result<Self> {
        if self.code == Some(0) { Ok(self) } else { self.complain("should succeed") }
    }

    /// The run, if it failed (and was not killed).
    ///
    /// # Errors
    /// It succeeded.
    pub fn fails(self) -> Result<Self> {
        if self.code.is_some_and(|code| code != 0) { Ok(self) } else { self.complain("should fail") }
    }

    /// The run, if its exit code is `code`.
    ///
    /// # Errors
    /// It is another one.
    pub fn exits(self, code: i32) -> Result<Self> {
        if self.code == Some(code) { Ok(self) } else { self.complain(&format!("should exit with {code}")) }
    }

    /// The run, if its output holds `text` (however Terraform wrapped it).
    ///
    /// # Errors
    /// It does not.
    pub fn says(self, text: &str) -> Result<Self> {
        let wanted = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if self.flat().contains(&wanted) { Ok(self) } else { self.complain(&format!("should say \"{text}\"")) }
    }

    /// The run, if its output does not hold `text`.
    ///
    /// # Errors
    /// It does.
    pub fn never_says(self, text: &str) -> Result<Self> {
        if self.flat().contains(text) { self.complain(&format!("should not say \"{text}\"")) } else { Ok(self) }
    }

    fn complain(self, what: &str) -> Result<Self> {
        bail!(
            "`terraform {}` {what}, exit code {:?} after {:.1} s\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.code,
            self.took.as_secs_f64(),
            self.stdout,
            self.stderr
        )
    }
}
