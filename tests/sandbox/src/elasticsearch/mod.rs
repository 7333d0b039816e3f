//! Elasticsearch: one node per region with indices, documents by `_id`, snapshot repositories in a bucket (real-components.md 2, dual-region.md 6).
//!
//! A second write of a document replaces it; a restore refuses to overwrite an open index; a repository that can't be verified stays registered.

pub mod api;
pub mod query;
mod repositories;
pub mod snapshots;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::network::Host;
use crate::world::objects;
use crate::zeebe::exporting::Document;
use crate::zeebe::log::RecordType;

/// All search stores of the world.
#[derive(Debug, Default)]
pub struct Stores {
    /// Running nodes by pod UID.
    pub nodes: BTreeMap<String, Node>,
    /// Data by claim UID (pod UID for a node without a claim).
    pub disks: BTreeMap<String, Data>,
    /// Google's storage can't be reached from any node; that is said after this time.
    pub storage_away: Option<Duration>,
}

/// A running node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it runs.
    pub host: Host,
    /// Its namespace.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// Its data.
    pub disk: String,
    /// From the image tag.
    pub version: String,
    /// `gcs.client.default.credentials_file` in the keystore, as last loaded.
    pub credentials: Option<String>,
}

/// What lies on a node's disk, the cluster state included.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// UID of the cluster that it lies in.
    pub cluster: String,
    /// Namespace of the claim.
    pub namespace: String,
    /// Indices by name.
    pub indices: BTreeMap<String, Index>,
    /// Snapshot repositories by name.
    pub repositories: BTreeMap<String, snapshots::Repository>,
}

/// An index.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Identity: a restored index has another one.
    pub uuid: String,
    /// Documents by `_id`.
    pub docs: BTreeMap<String, Value>,
}

impl Index {
    /// An index without documents.
    pub fn empty() -> Self {
        Self { uuid: objects::new_uid()[..22].to_owned(), docs: BTreeMap::new() }
    }
}

impl Data {
    /// Indexes a document; the index is made when it is missing.
    pub fn put(&mut self, index: &str, id: &str, document: Value) {
        self.indices.entry(index.to_owned()).or_insert_with(Index::empty).docs.insert(id.to_owned(), document);
    }

    /// Names of the indices that a comma-separated list of names and wildcards means.
    pub fn matching(&self, pattern: &str) -> Vec<String> {
        self.indices
            .keys()
            .filter(|name| pattern.split(',').any(|one| one == "_all" || wildcard(one, name)))
            .cloned()
            .collect()
    }
}

/// `*` means any run of characters.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            tail.is_empty()
                || (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| wildcard(tail, &rest[at..]))
        }),
    }
}

impl Stores {
    /// Starts a node on its disk.
    pub fn start(&mut self, pod_uid: &str, node: Node) {
        let data = self.disks.entry(node.disk.clone()).or_default();
        data.cluster.clone_from(&node.host.cluster);
        data.namespace.clone_from(&node.namespace);
        self.nodes.insert(pod_uid.to_owned(), node);
    }

    /// A node ended; its disk stays.
    pub fn stop(&mut self, pod_uid: &str) {
        self.nodes.remove(pod_uid);
    }

    /// A cluster was deleted with all its claims.
    pub fn forget_cluster(&mut self, uid: &str) {
        self.nodes.retain(|_, node| node.host.cluster != uid);
        self.disks.retain(|_, data| data.cluster != uid);
    }

    /// The data of a running node.
    pub fn data(&self, pod_uid: &str) -> Option<&Data> {
        self.disks.get(&self.nodes.get(pod_uid)?.disk)
    }

    /// The data of a running node.
    pub fn data_mut(&mut self, pod_uid: &str) -> Option<&mut Data> {
        self.disks.get_mut(&self.nodes.get(pod_uid)?.disk)
    }

    /// A bulk request of an exporter.
    pub fn bulk(&mut self, pod_uid: &str, documents: &[Document]) -> bool {
        let Some(data) = self.data_mut(pod_uid) else { return false };
        for document in documents {
            data.put(&document.index, &document.id, body(document));
        }
        true
    }
}

/// A record as the exporter writes it.
pub fn body(document: &Document) -> Value {
    let record = &document.record;
    json!({
        "partitionId": document.partition,
        "position": record.position,
        "key": record.key,
        "valueType": record.value_type,
        "intent": record.intent,
        "recordType": match record.kind {
            RecordType::Command => "COMMAND",
            RecordType::Event => "EVENT",
            RecordType::Rejection => "COMMAND_REJECTION",
        },
        "timestamp": record.timestamp,
        "sequence": document.sequence,
        "value": {"processInstanceKey": record.instance, "businessKey": record.business},
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("zeebe-record*", "zeebe-record_job_8.7.2_2025-01-01", true),
            ("*process*", "a-process-b", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c", "abd", false),
        ] {
            assert_eq!(super::wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }
}
