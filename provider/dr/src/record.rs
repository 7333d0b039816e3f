//! The DR record as the decisions need it. Where it lies and how it is written is not this crate's business.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::topology::{BrokerId, RegionId, Topology};

/// What was last written down about the installation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Name of the installation.
    pub group: String,
    /// Number of the decision; each claim takes the next.
    pub epoch: u64,
    /// Number of the writing.
    pub revision: u64,
    /// What it says.
    pub state: RecordState,
    /// The region that it calls lost.
    pub lost: Option<RegionId>,
    /// UID of each region's cluster.
    pub cluster_uids: BTreeMap<RegionId, String>,
    /// UID of each broker's volume claim at the last HEALTHY.
    pub disks: BTreeMap<BrokerId, String>,
    /// The ledger of a transition with temporary brokers: disks (UID of the volume claim) that were proven to hold the log since
    /// the last HEALTHY.
    pub proven: BTreeMap<BrokerId, String>,
    /// Pod and node ranges of each region.
    pub ranges: BTreeMap<RegionId, Vec<String>>,
    /// Network tags of each region's nodes.
    pub tags: BTreeMap<RegionId, Vec<String>>,
    /// Sizes.
    pub sizes: Option<Topology>,
    /// Camunda version.
    pub version: Option<String>,
    /// What is known of the fence.
    pub fence: FenceNote,
    /// Unix seconds of the last HEALTHY.
    pub last_healthy: Option<i64>,
}

/// The state that a record states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Both regions were active and all was well.
    #[default]
    Healthy,
    /// The decision to live without the lost region was taken.
    FailingOver,
    /// The survivor was seen to commit and export alone.
    FailedOver,
    /// The rebuilt region's store was restored; its exporter was about to be enabled.
    FailingBack,
    /// `c8_failover` was destroyed: nobody watches.
    Released,
}

impl RecordState {
    /// The installation lives, or is about to live, in one region.
    pub fn is_failed_over(self) -> bool {
        matches!(self, Self::FailingOver | Self::FailedOver | Self::FailingBack)
    }
}

/// What was found out about the fence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceNote {
    /// Never fenced in this epoch.
    #[default]
    None,
    /// A pod of the survivor was refused where it was answered before.
    Proven,
    /// In place, but the lost region is silent anyway.
    Unproven,
    /// Taken away, and a pod of the rebuilt region got through.
    Lifted,
}

impl Record {
    /// Equal but for timestamps.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let strip = |record: &Self| Self { last_healthy: None, ..record.clone() };
        strip(self) == strip(other)
    }
}
