//! The stages of a run: their time, what they saw, and the table at the end.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::{Value, json};

/// A stage that ended.
#[derive(Debug, Clone, Serialize)]
struct Stage {
    name: String,
    seconds: f64,
    ok: bool,
    /// What it saw, or why it failed.
    said: String,
}

/// From the loss of a region until clients are served on all partitions.
#[derive(Debug, Clone, Serialize)]
pub struct Recovery {
    /// The lost region.
    pub region: usize,
    /// How it was lost.
    pub how: String,
    /// Seconds from the loss.
    pub from_loss: f64,
    /// Seconds from the start of the apply.
    pub from_apply: f64,
}

/// All stages so far.
#[derive(Debug)]
pub struct Stages {
    began: Instant,
    until: Option<String>,
    ended: bool,
    done: Vec<Stage>,
    recoveries: Vec<Recovery>,
    audits: Vec<Value>,
}

/// Prints a line.
pub fn say(line: &str) {
    println!("{line}");
}

impl Stages {
    /// None yet; ends early after the stage whose name begins with `until`.
    pub fn new(until: Option<String>) -> Self {
        Self { began: Instant::now(), until, ended: false, done: vec![], recoveries: vec![], audits: vec![] }
    }

    /// Whether the stage was reached after which nothing more was wanted.
    pub fn ended_early(&self) -> bool {
        self.ended
    }

    /// Runs a stage; the text is what it saw.
    ///
    /// # Errors
    /// It failed, or nothing more was wanted.
    pub async fn stage<T>(&mut self, name: &str, work: impl Future<Output = Result<(T, String)>>) -> Result<T> {
        let result = self.note(name, work).await?;
        if self.until.as_deref().is_some_and(|until| name.starts_with(until)) {
            self.ended = true;
            return Err(anyhow!("ended after {name}, as wanted"));
        }
        Ok(result)
    }

    /// Runs a stage whose text is all that it gives.
    ///
    /// # Errors
    /// It failed, or nothing more was wanted.
    pub async fn told(&mut self, name: &str, work: impl Future<Output = Result<String>>) -> Result<()> {
        self.stage(name, async { Ok(((), work.await?)) }).await
    }

    /// The same for what is done in any case.
    ///
    /// # Errors
    /// It failed.
    pub async fn last(&mut self, name: &str, work: impl Future<Output = Result<((), String)>>) -> Result<()> {
        self.note(name, work).await
    }

    async fn note<T>(&mut self, name: &str, work: impl Future<Output = Result<(T, String)>>) -> Result<T> {
        let start = Instant::now();
        let (ok, said, result) = match work.await {
            Ok((value, said)) => (true, said, Ok(value)),
            Err(error) => (false, format!("{error:#}"), Err(error.context(format!("stage \"{name}\"")))),
        };
        let stage = Stage { name: name.to_owned(), seconds: start.elapsed().as_secs_f64(), ok, said };
        say(&line(&stage));
        self.done.push(stage);
        result
    }

    /// Notes a recovery.
    pub fn recovered(&mut self, recovery: Recovery) {
        self.recoveries.push(recovery);
    }

    /// Notes a verdict of the audit.
    pub fn audited(&mut self, verdict: Value) {
        self.audits.push(verdict);
    }

    fn count(&self, what: &str) -> u64 {
        self.audits.iter().filter_map(|audit| audit[what].as_u64()).max().unwrap_or(0)
    }

    /// The result for machines.
    pub fn json(&self) -> Value {
        json!({
            "ok": self.done.iter().all(|stage| stage.ok),
            "seconds": self.began.elapsed().as_secs_f64(),
            "stages": self.done,
            "recoveries": self.recoveries,
            "lostInstances": self.count("lost"),
            "doubledInstances": self.count("doubled"),
            "missingDocuments": self.count("missing"),
            "foreignDocuments": self.count("foreign"),
            "audits": self.audits,
        })
    }

    /// The result for people.
    pub fn print(&self) {
        say("");
        for stage in &self.done {
            say(&line(stage));
        }
        for recovery in &self.recoveries {
            say(&format!(
                "region {} lost ({}): all partitions serve after {:.1} s, {:.1} s from the start of the apply",
                recovery.region, recovery.how, recovery.from_loss, recovery.from_apply
            ));
        }
        if !self.audits.is_empty() {
            say(&format!(
                "instances lost {}, doubled {}; documents missing {}, foreign or doubled {}",
                self.count("lost"),
                self.count("doubled"),
                self.count("missing"),
                self.count("foreign")
            ));
        }
        say(&format!("{:.0} s in all", self.began.elapsed().as_secs_f64()));
    }
}

fn line(stage: &Stage) -> String {
    let first = stage.said.lines().next().unwrap_or_default();
    let mark = if stage.ok { "ok    " } else { "FAILED" };
    format!("{mark} {:<44} {:>7.1} s  {first}", stage.name, stage.seconds)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn a_failed_stage_is_in_the_result_and_the_wanted_end_is_none() {
        let mut stages = Stages::new(Some("two".into()));
        assert_eq!(stages.stage("one", async { Ok((7, "seen".into())) }).await.unwrap(), 7);
        assert!(stages.stage("two, the last", async { Ok(((), String::new())) }).await.is_err());
        assert!(stages.ended_early());
        assert_eq!(stages.json()["ok"], true);
        let failed: Result<()> = stages.last("three", async { bail!("no room") }).await;
        assert!(format!("{:#}", failed.unwrap_err()).contains("three"));
        assert_eq!((&stages.json()["ok"], &stages.json()["stages"][2]["said"]), (&json!(false), &json!("no room")));
    }

    #[test]
    fn the_worst_audit_counts() {
        let mut stages = Stages::new(None);
        stages.audited(json!({"lost": 2, "missing": 0}));
        stages.audited(json!({"lost": 0, "missing": 1}));
        let json = stages.json();
        assert_eq!((&json["lostInstances"], &json["missingDocuments"]), (&json!(2), &json!(1)));
    }
}
