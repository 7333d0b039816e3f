//! Health and indices (`dual-region.md 2.4`).

use serde::{Deserialize, Deserializer, Serialize};

use super::{Elasticsearch, Error, checked};
use crate::Wait;
use crate::kubernetes::Call;

/// `GET /_cluster/health`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Traffic light.
    pub status: Status,
    /// Nodes.
    #[serde(default)]
    pub number_of_nodes: u32,
    /// Shards without a place. Replicas on a single node never get one.
    #[serde(default)]
    pub unassigned_shards: u32,
}

/// Traffic light of a cluster or index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All shards are there.
    Green,
    /// Replicas are missing.
    Yellow,
    /// Data is missing.
    Red,
    /// Not told.
    #[serde(other)]
    Unknown,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Name.
    #[serde(rename = "index")]
    pub name: String,
    /// Documents; 0 for one that is closed.
    #[serde(rename = "docs.count", default, deserialize_with = "count")]
    pub documents: u64,
}

/// Numbers in `_cat` are strings, or null.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.as_u64().or_else(|| text.as_str()?.parse().ok())).unwrap_or(0))
}

/// Names of indices in one request; the line of a request is at most 4 KB.
const CHUNK: usize = 20;

impl Elasticsearch {
    /// `GET /_cluster/health`
    pub async fn health(&self) -> Result<Health, Error> {
        self.ask(&Call::get("/_cluster/health")).await
    }

    /// Waits until it is green.
    pub async fn green(&self, wait: &Wait) -> Result<Health, Error> {
        let look = || async {
            match self.health().await {
                Ok(health) => Ok((health.status == Status::Green).then_some(health)),
                Err(error) if error.is_silence() => Ok(None),
                Err(Error::Failed { status: 503 | 408, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        wait.until(look).await
    }

    /// All indices, by name.
    pub async fn indices(&self) -> Result<Vec<Index>, Error> {
        let mut indices: Vec<Index> = self.ask(&Call::get("/_cat/indices?format=json")).await?;
        indices.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(indices)
    }

    /// Deletes indices by their names. Patterns are refused; what is gone already is fine.
    pub async fn delete_indices(&self, names: &[String]) -> Result<(), Error> {
        for name in names {
            // Hidden and system indices start with a dot; those are not ours to delete.
            if checked(name)?.starts_with('.') {
                return Err(Error::Name(name.clone()));
            }
        }
        for chunk in names.chunks(CHUNK) {
            match self.answer(&Call::delete(format!("/{}?ignore_unavailable=true", chunk.join(",")))).await {
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes everything that was written visible to searches, by a pattern of indices.
    pub async fn refresh(&self, indices: &str) -> Result<(), Error> {
        self.answer(&Call::post(format!("/{indices}/_refresh"))).await.map(drop)
    }

    /// Reads the keystore again, after a key was rotated. Secrets that are mounted take their time to arrive.
    pub async fn reload_secure_settings(&self) -> Result<(), Error> {
        self.answer(&Call::post("/_nodes/reload_secure_settings").json(serde_json::json!({}))).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cat_gives_strings_and_nulls() {
        let body = r#"[{"health":"green","index":"zeebe-record_job_8.7.2_2025-01-01","docs.count":"42"},{"index":"closed","docs.count":null},{"index":"x"}]"#;
        let indices: Vec<Index> = serde_json::from_str(body).unwrap();
        assert_eq!(indices.iter().map(|index| index.documents).collect::<Vec<_>>(), [42, 0, 0]);
    }

    #[test]
    fn health() {
        let health: Health =
            serde_json::from_str(r#"{"status":"yellow","number_of_nodes":1,"unassigned_shards":2}"#).unwrap();
        assert_eq!(health.status, Status::Yellow);
    }

    #[test]
    fn patterns_are_no_names() {
        for bad in ["*", "_all", "zeebe-record*", "a,b", "", "-a", "a/b", "a?b"] {
            assert!(checked(bad).is_err(), "{bad}");
        }
        assert!(checked("operate-list-view-8.3.0_").is_ok());
    }
}
