//! What a broker's disk holds: replicas with their logs, exporter positions, the pause flag, and the cluster configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::ClusterConfig;

/// Command, event or rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordType {
    /// What a client asked.
    Command,
    /// What followed from it. Only events are exported.
    Event,
    /// Why it was refused.
    Rejection,
}

/// A record of the stream processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Place in the partition's stream; grows by one.
    pub position: u64,
    /// `(partition << 51) | counter`.
    pub key: i64,
    /// Command, event or rejection.
    pub kind: RecordType,
    /// `PROCESS_INSTANCE`, `JOB`, …
    pub value_type: &'static str,
    /// `ELEMENT_ACTIVATED`, …
    pub intent: &'static str,
    /// The process instance that it belongs to.
    pub instance: i64,
    /// The client's own unique key, where the record starts an instance.
    pub business: Option<String>,
    /// Milliseconds since 1970.
    pub timestamp: u64,
}

/// An entry of the Raft log. The first entry of each term carries no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The term in which it was appended.
    pub term: u64,
    /// The record, if it carries one.
    pub record: Option<Record>,
}

/// How far one exporter came on one partition: replicated state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExporterPosition {
    /// The last record that the store acknowledged; 0 = none.
    pub position: u64,
    /// Sequence counter of the exported documents.
    pub sequence: u64,
    /// Grows with each enable; says whether `initializeFrom` was already obeyed.
    pub metadata_version: u64,
}

/// A replica of a partition, as it lies on a disk.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    /// Raft term.
    pub term: u64,
    /// The log, compared by (index, term).
    pub log: Vec<Arc<Entry>>,
    /// Entries known to be committed.
    pub commit: usize,
    /// Voting members by broker id: Raft's own configuration.
    pub members: Vec<u32>,
    /// The former members while a change of members is under way: both majorities count.
    pub joint: Option<Vec<u32>>,
    /// Exporter positions as far as this replica knows them.
    pub exporters: BTreeMap<String, ExporterPosition>,
    /// The file `.exporterPaused`.
    pub paused: bool,
}

impl Replica {
    /// A replica with an empty log.
    pub fn fresh(members: Vec<u32>) -> Self {
        Self { members, ..Self::default() }
    }

    /// (term of the last entry, length): the greater one is more up to date.
    pub fn progress(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |entry| entry.term), self.log.len())
    }

    /// Whether `ids` are a quorum of the voting members.
    pub fn is_quorum(&self, ids: &dyn Fn(u32) -> bool) -> bool {
        let majority = |members: &[u32]| members.iter().filter(|&&id| ids(id)).count() > members.len() / 2;
        majority(&self.members) && self.joint.as_deref().is_none_or(majority)
    }

    /// All ids that get entries and may vote.
    pub fn voters(&self) -> Vec<u32> {
        let mut ids = self.members.clone();
        ids.extend(self.joint.iter().flatten());
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The highest position in the log.
    pub fn last_position(&self) -> u64 {
        self.log.iter().rev().find_map(|entry| entry.record.as_ref()).map_or(0, |record| record.position)
    }

    /// The highest committed position.
    pub fn committed_position(&self) -> u64 {
        self.committed().iter().rev().find_map(|entry| entry.record.as_ref()).map_or(0, |record| record.position)
    }

    /// The committed part of the log.
    pub fn committed(&self) -> &[Arc<Entry>] {
        &self.log[..self.commit.min(self.log.len())]
    }
}

/// A broker's volume. It outlives the pod and dies with the PVC.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// UID of the cluster that it lies in.
    pub cluster: String,
    /// Namespace of the PVC.
    pub namespace: String,
    /// The broker that wrote to it.
    pub broker: Option<u32>,
    /// Which brokers belong together: see [`super::Settings::installation`].
    pub installation: String,
    /// `.topology.meta`.
    pub config: Option<Arc<ClusterConfig>>,
    /// Replicas by partition.
    pub replicas: BTreeMap<u32, Replica>,
}

impl Disk {
    /// Whether a broker ever wrote to it: what the gate looks at.
    pub fn is_initialised(&self) -> bool {
        self.config.is_some() || !self.replicas.is_empty()
    }
}
