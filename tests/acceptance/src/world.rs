//! The sandbox of one test, driven through its control API.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use c8_sandbox::real::{self, RealHost};
use c8_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Real control planes are heavy: one world at a time has them.
static PLANES: Semaphore = Semaphore::const_new(1);

/// A running sandbox.
pub struct World {
    sandbox: Sandbox,
    client: reqwest::Client,
    // after the sandbox: the next world starts when this one's control planes have ended
    _planes: Option<SemaphorePermit<'static>>,
}

impl World {
    /// Starts a sandbox with default speeds.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        Self::with(Options::default()).await
    }

    /// Starts a sandbox; with real kube-apiservers, if `C8_KUBERNETES=real` asks for them.
    ///
    /// # Errors
    /// No port is free, or the real components are not there.
    pub async fn with(mut options: Options) -> Result<Self> {
        let mut planes = None;
        if real::wanted() {
            let binary = real::hyperkube().map_err(|why| anyhow!("C8_KUBERNETES=real: {why}"))?;
            planes = Some(PLANES.acquire().await?);
            options.kubernetes = Arc::new(RealHost::new(binary));
        }
        let sandbox = Sandbox::start(options).await.context("the sandbox does not start")?;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { sandbox, client, _planes: planes })
    }

    /// The sandbox itself.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The provider block that points at this sandbox.
    pub fn provider_block(&self) -> String {
        self.sandbox.provider_block()
    }

    /// `GET` of the control API.
    ///
    /// # Errors
    /// It does not answer with success.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.client.get(format!("{}{path}", self.sandbox.control_url())).send().await?;
        Self::body(path, answer).await
    }

    /// `POST` to the control API.
    ///
    /// # Errors
    /// It does not answer with success.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let answer = self.client.post(format!("{}{path}", self.sandbox.control_url())).json(&body).send().await?;
        Self::body(path, answer).await
    }

    /// `DELETE` of the control API.
    ///
    /// # Errors
    /// It does not answer with success.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        let answer = self.client.delete(format!("{}{path}", self.sandbox.control_url())).send().await?;
        Self::body(path, answer).await
    }

    async fn body(path: &str, answer: reqwest::Response) -> Result<Value> {
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("the control API answers {status} to {path}: {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("the control API answers {path} with {text}"))
    }

    /// Loses a region: `crash` (everything in it stops, its API refuses), `hang` (the same, its API hangs) or `network`
    /// (it lives, cut off from its peer).
    ///
    /// # Errors
    /// No such cluster.
    pub async fn lose(&self, cluster: &str, mode: &str) -> Result<()> {
        self.post(&format!("/regions/{cluster}/lose"), json!({"mode": mode})).await.map(drop)
    }

    /// Brings a region back, with its `old` disks or with `empty` ones.
    ///
    /// # Errors
    /// No such cluster.
    pub async fn bring_back(&self, cluster: &str, disks: &str) -> Result<()> {
        self.post(&format!("/regions/{cluster}/return"), json!({"disks": disks})).await.map(drop)
    }

    /// Starts instances and works on their jobs; how many were acknowledged, refused and ambiguous.
    ///
    /// # Errors
    /// The control API says no.
    pub async fn workload(&self, instances: u64) -> Result<Value> {
        self.post("/workload", json!({"instances": instances})).await
    }

    /// How many calls of APIs the sandbox has seen that hold `call` in `METHOD path`.
    ///
    /// # Errors
    /// The control API says no.
    pub async fn seen(&self, call: &str) -> Result<usize> {
        let calls = self.get("/calls").await?;
        let text = |c: &Value| {
            format!("{} {}", c["method"].as_str().unwrap_or_default(), c["path"].as_str().unwrap_or_default())
        };
        Ok(calls.as_array().into_iter().flatten().filter(|c| text(c).contains(call)).count())
    }

    /// The audit by the outside oracle.
    ///
    /// # Errors
    /// It found something; the findings are in the text.
    pub async fn audit(&self) -> Result<Value> {
        let audit = self.get("/audit").await?;
        if audit["ok"] == true { Ok(audit) } else { bail!("the audit found: {audit:#}") }
    }

    /// Nothing is left of clusters, rules, buckets, accounts and disks, but what belonged to a cluster that had crashed:
    /// nobody could release it. Returns how much of that there is.
    ///
    /// # Errors
    /// Something else is left; the text lists it.
    pub async fn nothing_is_left(&self) -> Result<usize> {
        let mut left = self.get("/leftovers").await?;
        let orphans = left.as_object_mut().and_then(|parts| parts.remove("ofLostClusters")).unwrap_or_default();
        if is_empty(&left) { Ok(count(&orphans)) } else { bail!("something was left behind: {left:#}") }
    }
}

/// Whether every part of a list of leftovers is empty.
fn is_empty(left: &Value) -> bool {
    count(left) == 0
}

/// How many things a list of leftovers names.
fn count(left: &Value) -> usize {
    match left {
        Value::Object(parts) => parts.values().map(count).sum(),
        Value::Array(list) => list.len(),
        Value::Number(number) => number.as_u64().map_or(1, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        Value::Null => 0,
        Value::Bool(_) | Value::String(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_empty_only_if_every_part_is() {
        assert!(is_empty(&json!({"clusters": [], "disks": 0, "gcp": {"buckets": []}})));
        assert!(!is_empty(&json!({"clusters": ["a"], "disks": 0})));
        assert_eq!(count(&json!({"clusters": ["a"], "disks": 2})), 3);
    }
}
