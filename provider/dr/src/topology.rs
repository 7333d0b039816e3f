//! Which broker is where, and what a loss leaves (dual-region.md 9).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Number of a region: 0 or 1.
pub type RegionId = u32;
/// Node id of a broker, unique over both regions.
pub type BrokerId = u32;
/// Number of a partition, from 1.
pub type PartitionId = u32;

/// The other region.
pub fn peer(region: RegionId) -> RegionId {
    1 - region.min(1)
}

/// The sizes of a Zeebe cluster over two regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Brokers in both regions together; even.
    pub cluster_size: u32,
    /// Partitions.
    pub partition_count: u32,
    /// Replicas of each partition; 4 in a dual-region installation.
    pub replication_factor: u32,
}

impl Topology {
    /// A dual-region installation has two regions.
    pub const REGIONS: u32 = 2;

    /// All broker ids.
    pub fn all(&self) -> BTreeSet<BrokerId> {
        (0..self.cluster_size).collect()
    }

    /// The brokers of one region: every id with the region's parity.
    pub fn brokers(&self, region: RegionId) -> BTreeSet<BrokerId> {
        (0..self.cluster_size).filter(|id| Self::region_of(*id) == region).collect()
    }

    /// The ids of a lost region that temporary brokers take: every other one, so that each partition gets exactly one of them
    /// as long as the number of brokers is a multiple of 4 (dual-region.md 3.1).
    pub fn temporary(&self, lost: RegionId) -> BTreeSet<BrokerId> {
        self.brokers(lost).into_iter().filter(|id| Self::ordinal(*id).is_multiple_of(2)).collect()
    }

    /// The other ids of a lost region: its brokers that come back while the temporary ones still run.
    pub fn beside_temporary(&self, lost: RegionId) -> BTreeSet<BrokerId> {
        self.brokers(lost).difference(&self.temporary(lost)).copied().collect()
    }

    /// The region of a broker.
    pub fn region_of(broker: BrokerId) -> RegionId {
        broker % Self::REGIONS
    }

    /// The ordinal of the broker's pod within its region.
    pub fn ordinal(broker: BrokerId) -> u32 {
        broker / Self::REGIONS
    }

    /// The node id of the pod with this ordinal.
    pub fn broker(region: RegionId, ordinal: u32) -> BrokerId {
        ordinal * Self::REGIONS + region
    }

    /// All partition ids.
    pub fn partitions(&self) -> std::ops::RangeInclusive<PartitionId> {
        1..=self.partition_count
    }

    /// Replicas of a partition with the round-robin distribution.
    pub fn replicas(&self, partition: PartitionId) -> BTreeSet<BrokerId> {
        if self.cluster_size == 0 {
            return BTreeSet::new();
        }
        (0..self.replication_factor).map(|k| (partition.saturating_sub(1) + k) % self.cluster_size).collect()
    }

    /// Replicas that must agree: a majority.
    pub fn quorum(&self) -> u32 {
        self.replication_factor / 2 + 1
    }

    /// Replicas of a partition that outlive the loss of `lost`.
    pub fn survivors(&self, partition: PartitionId, lost: RegionId) -> BTreeSet<BrokerId> {
        self.replicas(partition).into_iter().filter(|id| Self::region_of(*id) != lost).collect()
    }

    /// Whether the sizes fit two regions: an even number of brokers, four replicas (two a region), at least one partition.
    pub fn is_dual_region(&self) -> bool {
        self.cluster_size >= 4
            && self.cluster_size.is_multiple_of(2)
            && self.replication_factor == 4
            && self.partition_count >= 1
    }
}

/// `1, 3, 5 and 7` without the "and": `1, 3, 5, 7`.
pub fn list<'a>(ids: impl IntoIterator<Item = &'a u32>) -> String {
    ids.into_iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const EIGHT: Topology = Topology { cluster_size: 8, partition_count: 8, replication_factor: 4 };

    #[test]
    fn replica_sets_are_those_of_the_round_robin_distribution() {
        assert_eq!(EIGHT.replicas(1), BTreeSet::from([0, 1, 2, 3]));
        assert_eq!(EIGHT.replicas(6), BTreeSet::from([5, 6, 7, 0]));
        assert_eq!(EIGHT.replicas(8), BTreeSet::from([7, 0, 1, 2]));
    }

    #[test]
    fn every_partition_keeps_two_replicas_and_no_quorum_when_a_region_is_lost() {
        for lost in [0, 1] {
            for partition in EIGHT.partitions() {
                let left = EIGHT.survivors(partition, lost);
                assert_eq!(left.len(), 2);
                assert!((left.len() as u32) < EIGHT.quorum());
            }
        }
    }

    #[test]
    fn node_ids_and_ordinals_are_inverse() {
        for id in EIGHT.all() {
            assert_eq!(Topology::broker(Topology::region_of(id), Topology::ordinal(id)), id);
        }
        assert_eq!(EIGHT.brokers(1), BTreeSet::from([1, 3, 5, 7]));
    }

    #[test]
    fn odd_sizes_are_no_dual_region() {
        assert!(EIGHT.is_dual_region());
        assert!(!Topology { cluster_size: 7, ..EIGHT }.is_dual_region());
        assert!(!Topology { replication_factor: 3, ..EIGHT }.is_dual_region());
    }
}
