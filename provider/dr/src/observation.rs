//! What was seen of both regions, and what could not be seen (dual-region.md 5.1).
//!
//! An observation is data: it is kept in Terraform's private state, and planning is a function of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::topology::{BrokerId, PartitionId, RegionId, Topology};

/// One thing that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Part<T> {
    /// It answered.
    Known(T),
    /// It did not answer; why.
    Unreachable(String),
    /// It answered that there is no such thing, or nobody looked.
    #[default]
    Absent,
}

impl<T> Part<T> {
    /// The value if it answered.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it answered.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Why it did not answer.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Unreachable(why) => Some(why),
            _ => None,
        }
    }
}

/// Everything that was seen at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    /// Unix seconds.
    pub at: i64,
    /// Sizes, from the record or the releases.
    pub sizes: Option<Topology>,
    /// Both regions, by id.
    pub regions: [Region; 2],
    /// Firewall rules that fence.
    pub fence: Part<Fence>,
    /// The newest claim; `None` if there is none, or nobody could look.
    pub claim: Option<Claim>,
    /// Where what runs in the regions does not fit together; a sentence each.
    pub disagreements: Vec<String>,
    /// Since when (Unix seconds) all brokers of a region are missing in the peer's view.
    pub missing_since: [Option<i64>; 2],
}

/// What was seen of one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// 0 or 1.
    pub id: RegionId,
    /// Namespace of the release.
    pub namespace: String,
    /// Location, as an operator calls it.
    pub location: String,
    /// Name of the GKE cluster or of the kubeconfig context.
    pub cluster: String,
    /// Kubernetes API: the UID of namespace kube-system when it answers; absent when the cluster does not exist.
    pub api: Part<String>,
    /// The API answers, but does not let us look: never evidence of a loss, but of a control plane that lives.
    pub forbidden: bool,
    /// Some of its objects could not be listed; why. Then the lists below say nothing when they are empty.
    pub unread: Option<String>,
    /// Status of the GKE cluster.
    pub gke: Part<String>,
    /// Camunda version of the release.
    pub version: Option<String>,
    /// Broker pods.
    pub pods: Vec<BrokerPod>,
    /// UID of each broker's volume claim.
    pub disks: BTreeMap<BrokerId, String>,
    /// ConfigMap `c8-mode`.
    pub mode: Option<Mode>,
    /// Web apps and connectors that still run (pods).
    pub web_apps_running: Option<bool>,
    /// Brokers that this namespace admits: the *peer's* ids.
    pub admits: BTreeSet<BrokerId>,
    /// The DR record that lies in this region.
    pub record: Part<Record>,
    /// The topology as this region's gateway sees it.
    pub view: Part<View>,
    /// The cluster configuration, read through this region's gateway.
    pub configuration: Part<Configuration>,
    /// Exporting state of this region's brokers.
    pub exporting: Part<Exporting>,
    /// This region's Elasticsearch.
    pub store: Part<Store>,
    /// Exporters, by the region of their store, that this region's brokers are told to send to a store that stands in for it.
    pub diverted: BTreeSet<RegionId>,
    /// Brokers that still run as they were told before.
    pub stale: BTreeSet<BrokerId>,
    /// Temporary brokers in this region, with ids of the other; `None` if nothing of them is there.
    pub temporary: Option<Temporary>,
    /// Pod and node ranges.
    pub ranges: Vec<String>,
    /// Network tags of the nodes.
    pub tags: Vec<String>,
}

/// A broker's pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrokerPod {
    /// Node id.
    pub id: BrokerId,
    /// Its broker container runs.
    pub running: bool,
    /// Kubernetes calls it Ready.
    pub ready: bool,
    /// It waits at the gate.
    pub waiting: bool,
}

/// Temporary brokers, and the store that stands in for the lost region's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Temporary {
    /// How many are meant to run.
    pub replicas: u32,
    /// Their pods.
    pub pods: Vec<BrokerPod>,
    /// UID of each one's volume claim.
    pub disks: BTreeMap<BrokerId, String>,
    /// As [`Region::diverted`].
    pub diverted: BTreeSet<RegionId>,
    /// As [`Region::stale`].
    pub stale: BTreeSet<BrokerId>,
    /// The store that stands in is there.
    pub store: bool,
}

/// ConfigMap `c8-mode`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mode {
    /// `normal`, `hold` or `failback`.
    pub mode: String,
    /// Gates are shut.
    pub hold: bool,
    /// Web apps and connectors are meant to run.
    pub web_apps: bool,
}

/// `GET /v2/topology`: the gossip view. A missing broker proves loss, a listed one does not prove life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Brokers listed.
    pub brokers: BTreeMap<BrokerId, Seen>,
    /// Current sizes.
    pub cluster_size: u32,
    /// Partitions.
    pub partition_count: u32,
    /// Current replication factor.
    pub replication_factor: u32,
}

/// A broker in the gossip view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Advertised host; holds the namespace.
    pub host: String,
    /// Its replicas.
    pub partitions: BTreeMap<PartitionId, Replica>,
}

/// A replica in the gossip view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica {
    /// It leads.
    pub leader: bool,
    /// It says it is healthy.
    pub healthy: bool,
}

/// `GET /actuator/cluster` (and `/actuator/exporters` where it exists).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Member brokers.
    pub members: BTreeSet<BrokerId>,
    /// Replicas per partition.
    pub replicas: BTreeMap<PartitionId, BTreeSet<BrokerId>>,
    /// State per exporter id.
    pub exporters: BTreeMap<String, ExporterState>,
    /// A change in progress.
    pub pending: Option<Pending>,
}

/// State of an exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExporterState {
    /// Exports.
    Enabled,
    /// Does not export.
    Disabled,
    /// On the way, or different on different partitions.
    Mixed,
    /// Not configured on some broker, or a state this version does not know.
    Unknown,
}

/// A cluster change in progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pending {
    /// Its id.
    pub id: i64,
    /// Names of the operations that are open.
    pub operations: Vec<String>,
}

/// What a region's brokers say about exporting (`/actuator/partitions` of each).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exporting {
    /// All brokers together.
    pub phase: Phase,
    /// Exported position of each partition that is led in this region.
    pub positions: BTreeMap<PartitionId, i64>,
}

/// Whether exporters run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// All export.
    Exporting,
    /// All are paused.
    Paused,
    /// Some are paused.
    Mixed,
    /// None says anything.
    #[default]
    Unknown,
}

/// A region's Elasticsearch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    /// Health is green or yellow, and all nodes answer.
    pub healthy: bool,
    /// Camunda's indices with their number of documents.
    pub indices: BTreeMap<String, u64>,
    /// Exported records per partition, up to the exported position of the snapshot when there is one.
    pub partitions: BTreeMap<PartitionId, Sum>,
    /// Newest complete snapshot for fail-back in this region's own repository.
    pub snapshot: Option<Snapshot>,
}

/// Count, smallest, largest and sum of positions: equal sums mean equal sets for all practical purposes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sum {
    /// Documents.
    pub count: u64,
    /// Smallest position.
    pub min: i64,
    /// Largest position.
    pub max: i64,
    /// Sum of positions, as text: it may exceed what JSON numbers hold exactly.
    pub sum: String,
}

/// A snapshot taken for a fail-back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// Epoch it was taken for.
    pub epoch: u64,
    /// Exported positions right before it was taken.
    pub positions: BTreeMap<PartitionId, i64>,
}

/// Fencing rules that exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fence {
    /// Both broker rules are there and enabled.
    pub brokers: bool,
    /// At least one broker rule is there.
    pub any: bool,
    /// The store rule is there.
    pub store: bool,
}

/// The decision that a region is given up, as the medium of claims holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its number.
    pub epoch: u64,
    /// The region that is given up.
    pub lost: RegionId,
}

impl Observation {
    /// A claim that no record knows: whoever took it was interrupted before anything was changed, or is about to go on.
    pub fn open_claim(&self) -> Option<Claim> {
        self.claim.filter(|claim| claim.epoch > self.record().map_or(0, |record| record.epoch))
    }

    /// Region `id`.
    pub fn region(&self, id: RegionId) -> &Region {
        &self.regions[id.min(1) as usize]
    }

    /// Region `id`, for building an observation.
    pub fn region_mut(&mut self, id: RegionId) -> &mut Region {
        &mut self.regions[id.min(1) as usize]
    }

    /// The winning record: the highest (epoch, revision) among those that are not void.
    pub fn record(&self) -> Option<&Record> {
        self.records().max_by_key(|record| (record.epoch, record.revision))
    }

    /// Records that count: a record is void if the cluster it lies in is not the one it names for that region.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.regions.iter().filter_map(|region| {
            let record = region.record.known()?;
            let here = region.api.known()?;
            match record.cluster_uids.get(&region.id) {
                Some(named) if named != here => None,
                _ => Some(record),
            }
        })
    }

    /// Two records of the same age that say different things.
    pub fn records_contradict(&self) -> bool {
        let newest: Vec<_> = self.records().collect();
        match newest.as_slice() {
            [a, b] => (a.epoch, a.revision) == (b.epoch, b.revision) && !a.says_the_same(b),
            _ => false,
        }
    }

    /// The gossip view of one region, else of the other.
    pub fn view_from(&self, region: RegionId) -> Option<&View> {
        self.region(region).view.known()
    }

    /// The gossip view that lists most brokers.
    pub fn best_view(&self) -> Option<(RegionId, &View)> {
        let zero = self.view_from(0).map(|view| (0, view));
        let one = self.view_from(1).map(|view| (1, view));
        match (zero, one) {
            (Some(a), Some(b)) if b.1.brokers.len() > a.1.brokers.len() => Some(b),
            (Some(a), _) => Some(a),
            (None, b) => b,
        }
    }

    /// The configuration, as the survivor of `lost` reads it, else as anybody does.
    pub fn configuration(&self, lost: Option<RegionId>) -> Option<&Configuration> {
        let order = match lost {
            Some(0) => [1, 0],
            _ => [0, 1],
        };
        // while a region is lost only the other one's answer counts
        let take = if lost.is_some() { 1 } else { 2 };
        order.iter().take(take).find_map(|id| self.region(*id).configuration.known())
    }

    /// The configuration, whoever reads it.
    pub fn best_configuration(&self) -> Option<&Configuration> {
        self.configuration(self.record().filter(|r| r.state.is_failed_over()).and_then(|r| r.lost))
    }

    /// Whether the recorded cluster of a region is the one that answers.
    pub fn is_recorded_cluster(&self, region: RegionId) -> Option<bool> {
        let here = self.region(region).api.known()?;
        let named = self.record()?.cluster_uids.get(&region)?;
        Some(here == named)
    }

    /// Disks of a region that the record already knew: an old disk must never start again after a fail-over.
    pub fn old_disks(&self, region: RegionId) -> Vec<BrokerId> {
        let Some(record) = self.record() else {
            return Vec::new();
        };
        self.region(region)
            .disks
            .iter()
            .filter(|(id, uid)| record.disks.get(id) == Some(uid))
            .map(|(id, _)| *id)
            .collect()
    }
}

impl View {
    /// Partitions with exactly one leader.
    pub fn led(&self) -> BTreeSet<PartitionId> {
        let mut leaders: BTreeMap<PartitionId, u32> = BTreeMap::new();
        for seen in self.brokers.values() {
            for (partition, replica) in &seen.partitions {
                if replica.leader {
                    *leaders.entry(*partition).or_default() += 1;
                }
            }
        }
        leaders.into_iter().filter(|(_, count)| *count == 1).map(|(partition, _)| partition).collect()
    }

    /// Whether any replica says that it is not healthy.
    pub fn all_healthy(&self) -> bool {
        self.brokers.values().flat_map(|seen| seen.partitions.values()).all(|replica| replica.healthy)
    }

    /// Whether the broker is listed.
    pub fn lists(&self, broker: BrokerId) -> bool {
        self.brokers.contains_key(&broker)
    }
}
