//! The DR record: ConfigMap `c8-dr`, JSON under the key `record`, in every living region.
//!
//! `c8_failover` writes it; `c8_region` reads it to decide between a first installation and a hold, and
//! before it deletes anything. Both use this shape. Fields that a newer provider added are kept as
//! they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Name of the ConfigMap (and of the Lease) in the namespace of each region.
pub const NAME: &str = "c8-dr";
/// Key of the JSON text in the ConfigMap's data.
pub const KEY: &str = "record";

/// What the installation was when the record was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Both regions active, all replicas healthy.
    #[default]
    Healthy,
    /// A loss was claimed; nothing has been changed yet.
    RegionLost,
    /// The steps of the fail-over are being run.
    FailingOver,
    /// The surviving region runs alone.
    FailedOver,
    /// The steps of the fail-back are being run.
    FailingBack,
    /// `c8_failover` was destroyed: the regions may go in any order.
    Released,
    /// A state that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// The content of the record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the installation.
    pub group: String,
    /// Number of the last claim; 0 before the first.
    #[serde(default)]
    pub epoch: u64,
    /// Grows with every write. The highest (epoch, revision) wins.
    #[serde(default)]
    pub revision: u64,
    /// State at the time of the write.
    #[serde(default)]
    pub state: RecordState,
    /// The lost region while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u8>,
    /// Cluster UID (UID of the namespace kube-system) by region id.
    #[serde(default)]
    pub cluster_uids: BTreeMap<String, String>,
    /// PVC UID by broker id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pvc_uids: BTreeMap<String, String>,
    /// Pod and node ranges by region id, as last seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ranges: BTreeMap<String, Vec<String>>,
    /// Node tags by region id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
    /// Camunda version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When the installation was last seen healthy, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_healthy: Option<String>,
    /// Whatever else a writer has put here.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl Record {
    /// Reads the text under [`KEY`].
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The text to store under [`KEY`].
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The cluster UID that the record names for a region.
    pub fn cluster_uid(&self, region: u8) -> Option<&str> {
        self.cluster_uids.get(&region.to_string()).map(String::as_str)
    }

    /// The region that carries the installation alone, if the record says that one does.
    pub fn survivor(&self) -> Option<u8> {
        match (&self.state, self.lost) {
            (RecordState::Healthy | RecordState::Released, _) | (_, None) => None,
            (_, Some(lost)) => Some(1_u8.saturating_sub(lost)),
        }
    }

    /// Order of two records: the newer is the greater.
    pub fn version_order(&self) -> (u64, u64) {
        (self.epoch, self.revision)
    }

    /// A record lies about the past if the cluster that it *lies in* is not the one that it names for
    /// that region: such a record is void. A peer's new UID only means that the peer was rebuilt.
    pub fn is_void_in(&self, region: u8, cluster_uid: &str) -> bool {
        self.cluster_uid(region).is_some_and(|named| named != cluster_uid)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn unknown_fields_and_states_survive_a_round_trip() {
        let text = r#"{"group":"g","epoch":3,"revision":7,"state":"draining","lost":1,"cluster_uids":{"0":"a","1":"b"},"ledger":{"0":"x"}}"#;
        let record = Record::parse(text).unwrap();
        assert_eq!(record.state, RecordState::Other("draining".into()));
        assert_eq!(record.survivor(), Some(0));
        let again = Record::parse(&record.to_json().unwrap()).unwrap();
        assert_eq!(again, record);
        assert_eq!(again.extra["ledger"]["0"], "x");
    }

    #[test]
    fn nobody_survives_a_healthy_or_released_installation() {
        for state in [RecordState::Healthy, RecordState::Released] {
            let record = Record { lost: Some(1), state, ..Record::default() };
            assert_eq!(record.survivor(), None);
        }
        let record = Record { lost: Some(0), state: RecordState::FailedOver, ..Record::default() };
        assert_eq!(record.survivor(), Some(1));
    }

    #[test]
    fn a_record_is_void_only_where_it_lies() {
        let record = Record { cluster_uids: [("0".into(), "a".into())].into(), ..Record::default() };
        assert!(!record.is_void_in(0, "a"));
        assert!(record.is_void_in(0, "new"));
        assert!(!record.is_void_in(1, "whatever"));
    }
}
