//! Snapshots and restores (`dual-region.md 3.2`, `4.1`): success is `SUCCESS` and no shard failed, never an HTTP status.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{BUCKET, Elasticsearch, Error, checked};
use crate::Wait;
use crate::kubernetes::Call;

/// A snapshot to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSnapshot {
    /// Names of indices; empty is all.
    pub indices: Vec<String>,
    /// Templates, policies and persistent settings too.
    pub include_global_state: bool,
    /// What the snapshot is for; comes back with it.
    pub metadata: Value,
}

/// A snapshot as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Name.
    #[serde(rename = "snapshot")]
    pub name: String,
    /// State.
    pub state: SnapshotState,
    /// Names of its indices.
    #[serde(default)]
    pub indices: Vec<String>,
    /// Its shards.
    #[serde(default)]
    pub shards: Shards,
    /// As given when it was taken.
    #[serde(default)]
    pub metadata: Value,
    #[serde(default)]
    failures: Vec<Value>,
}

/// State of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SnapshotState {
    /// Running.
    InProgress,
    /// All shards.
    Success,
    /// Some shards.
    Partial,
    /// Not usable.
    Failed,
    /// Newer than this provider.
    #[serde(other)]
    Unknown,
}

/// Numbers of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shards {
    /// All.
    pub total: u32,
    /// Not done.
    pub failed: u32,
    /// Done.
    pub successful: u32,
}

/// What a restore brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// Names of indices.
    #[serde(default)]
    pub indices: Vec<String>,
    /// Shards; none failed.
    #[serde(default)]
    pub shards: Shards,
}

impl Snapshot {
    /// `SUCCESS` and no shard failed.
    pub fn is_complete(&self) -> bool {
        self.state == SnapshotState::Success && self.shards.failed == 0
    }

    fn complete(self) -> Result<Self, Error> {
        if self.is_complete() {
            return Ok(self);
        }
        let first = self.failures.first().map(|failure| format!(", first: {failure}")).unwrap_or_default();
        Err(Error::Snapshot(format!(
            "{} is {:?}, {} of {} shards failed{first}",
            self.name, self.state, self.shards.failed, self.shards.total
        )))
    }
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    snapshots: Vec<Snapshot>,
}

#[derive(Deserialize)]
struct Restored {
    snapshot: RestoreReport,
}

impl Elasticsearch {
    /// Takes a snapshot and waits for its end by looking at it; it is complete then. A start without an answer is no failure:
    /// the look tells.
    pub async fn take_snapshot(
        &self,
        repository: &str,
        name: &str,
        new: &NewSnapshot,
        wait: &Wait,
    ) -> Result<Snapshot, Error> {
        let mut body = json!({ "include_global_state": new.include_global_state });
        if !new.indices.is_empty() {
            body["indices"] =
                json!(new.indices.iter().map(|index| checked_index(index)).collect::<Result<Vec<_>, _>>()?.join(","));
        }
        if !new.metadata.is_null() {
            body["metadata"] = new.metadata.clone();
        }
        let call =
            Call::put(format!("/_snapshot/{}/{}?wait_for_completion=false", checked(repository)?, checked(name)?))
                .json(body)
                .within(BUCKET);
        match wait.run(self.answer(&call)).await? {
            Ok(_) | Err(Error::NoAnswer(_)) => {}
            Err(error) => return Err(error),
        }
        self.snapshot_finished(repository, name, wait).await
    }

    /// Waits for the end of a snapshot that was started; it is complete then.
    pub async fn snapshot_finished(&self, repository: &str, name: &str, wait: &Wait) -> Result<Snapshot, Error> {
        let look = || async {
            match self.snapshot(repository, name).await {
                Ok(Some(snapshot)) if snapshot.state == SnapshotState::InProgress => Ok(None),
                Ok(Some(snapshot)) => Ok(Some(snapshot)),
                Ok(None) => Err(Error::NotFound(format!("the snapshot {name} was not started"))),
                Err(error) if error.is_silence() => Ok(None),
                Err(error) => Err(error),
            }
        };
        wait.until(look).await?.complete()
    }

    /// A snapshot, or `None`. A repository that is not registered is [`Error::NotFound`].
    pub async fn snapshot(&self, repository: &str, name: &str) -> Result<Option<Snapshot>, Error> {
        checked(name)?;
        // By list: a missing snapshot and a missing repository are both 404 else.
        Ok(self.snapshots(repository).await?.into_iter().find(|snapshot| snapshot.name == name))
    }

    /// All snapshots of a repository. The store reads them out of its bucket; a look that can't wait for that is ended by its caller.
    pub async fn snapshots(&self, repository: &str) -> Result<Vec<Snapshot>, Error> {
        let list: List =
            self.ask(&Call::get(format!("/_snapshot/{}/_all", checked(repository)?)).within(BUCKET)).await?;
        Ok(list.snapshots)
    }

    /// Deletes a snapshot. `false` if there was none.
    pub async fn delete_snapshot(&self, repository: &str, name: &str) -> Result<bool, Error> {
        let call = Call::delete(format!("/_snapshot/{}/{}", checked(repository)?, checked(name)?)).within(BUCKET);
        match self.answer(&call).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Restores indices (empty: all) and waits for the end; no shard failed then. Indices of the same names must be gone
    /// before. After [`Error::NoAnswer`] it is open what was restored: delete and begin anew.
    pub async fn restore(
        &self,
        repository: &str,
        name: &str,
        indices: &[String],
        include_global_state: bool,
        wait: &Wait,
    ) -> Result<RestoreReport, Error> {
        let mut body = json!({ "include_global_state": include_global_state });
        if !indices.is_empty() {
            body["indices"] =
                json!(indices.iter().map(|index| checked_index(index)).collect::<Result<Vec<_>, _>>()?.join(","));
        }
        let path = format!("/_snapshot/{}/{}/_restore?wait_for_completion=true", checked(repository)?, checked(name)?);
        let call = Call::post(path).json(body).within(wait.left());
        let restored: Restored = wait.run(self.ask(&call)).await??;
        complete(restored.snapshot)
    }
}

fn complete(report: RestoreReport) -> Result<RestoreReport, Error> {
    let Shards { total, failed, successful } = report.shards;
    if failed != 0 || successful != total {
        return Err(Error::Restore(format!("{successful} of {total} shards came back, {failed} failed")));
    }
    Ok(report)
}

/// Hidden indices start with a dot.
fn checked_index(name: &str) -> Result<&str, Error> {
    checked(name.strip_prefix('.').unwrap_or(name))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn snapshot(state: &str, failed: u32) -> Snapshot {
        let json = json!({ "snapshot": "failback-1", "state": state, "shards": { "total": 3, "failed": failed, "successful": 3 - failed },
            "indices": ["a"], "metadata": { "epoch": 4 }, "failures": [{ "reason": "r" }] });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_success_without_failed_shards_is_complete() {
        assert_eq!(snapshot("SUCCESS", 0).complete().unwrap().metadata["epoch"], 4);
        assert!(snapshot("PARTIAL", 0).complete().is_err());
        assert!(snapshot("SUCCESS", 1).complete().is_err());
        let error = snapshot("PARTIAL", 1).complete().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"the snapshot failed: failback-1 is Partial, 1 of 3 shards failed, first: {"reason":"r"}"#
        );
    }

    #[test]
    fn a_restore_with_a_failed_shard_is_no_success() {
        let report =
            |failed| RestoreReport { indices: vec![], shards: Shards { total: 3, failed, successful: 3 - failed } };
        assert!(complete(report(0)).is_ok());
        assert!(complete(report(1)).is_err());
    }
}
