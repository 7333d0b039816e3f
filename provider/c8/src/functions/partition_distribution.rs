//! `provider::c8::partition_distribution`.

use c8_dr::Topology;
use terraform_plugin::{Attr, Function, FunctionFault, Object};

use super::argument::{numbers, sizes};

/// Which broker holds which partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartitionDistribution;

/// The sizes of the cluster.
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Arguments {
    /// Number of brokers in both regions together; even, at least 4.
    pub cluster_size: Attr<i64>,
    /// Number of partitions.
    pub partition_count: Attr<i64>,
    /// Replicas of a partition in both regions together; null for 4, what `c8_region` runs.
    #[tf(optional)]
    pub replication_factor: Attr<i64>,
}

/// A partition and its brokers.
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Partition {
    /// Number of the partition, from 1.
    pub partition_id: Attr<i64>,
    /// Brokers that hold a replica.
    pub brokers: Attr<Vec<i64>>,
    /// Those of them in region 0.
    pub region_0: Attr<Vec<i64>>,
    /// Those of them in region 1.
    pub region_1: Attr<Vec<i64>>,
}

impl Function for PartitionDistribution {
    type Arguments = Arguments;
    type Output = Vec<Partition>;

    const NAME: &'static str = "partition_distribution";
    const SUMMARY: &'static str = "Which brokers hold the replicas of each partition.";
    const DESCRIPTION: &'static str = "Which brokers hold the replicas of each partition, with the round-robin distribution of a new \
         cluster: partition 1 on the brokers 0, 1, 2 and 3, partition 2 on 1, 2, 3 and 4, and so on. What a running cluster has \
         after its size was changed is told by the data source `c8_topology`.";

    fn call(&self, arguments: Arguments) -> Result<Vec<Partition>, FunctionFault> {
        let sizes = sizes(&arguments.cluster_size, &arguments.partition_count, &arguments.replication_factor)?;
        let partition = |id: u32| {
            let brokers = sizes.replicas(id);
            let of = |region: u32| numbers(brokers.iter().filter(|broker| Topology::region_of(**broker) == region));
            Partition {
                partition_id: i64::from(id).into(),
                brokers: numbers(&brokers).into(),
                region_0: of(0).into(),
                region_1: of(1).into(),
            }
        };
        Ok(sizes.partitions().map(partition).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn distribution(brokers: i64, partitions: i64, replicas: Option<i64>) -> Result<Vec<Partition>, String> {
        let arguments = Arguments {
            cluster_size: brokers.into(),
            partition_count: partitions.into(),
            replication_factor: replicas.map_or(Attr::Null, Attr::Known),
        };
        PartitionDistribution.call(arguments).map_err(|fault| fault.to_string())
    }

    #[test]
    fn partitions_go_round() {
        let all = distribution(8, 8, None).unwrap();
        assert_eq!(all.len(), 8);
        let sixth = &all[5];
        assert_eq!((&sixth.partition_id, &sixth.brokers), (&6.into(), &vec![0, 5, 6, 7].into()));
        assert_eq!((&sixth.region_0, &sixth.region_1), (&vec![0, 6].into(), &vec![5, 7].into()));
        assert!(distribution(4, 1, Some(3)).unwrap()[0].brokers == vec![0, 1, 2].into());
    }

    #[test]
    fn the_argument_at_fault_is_named() {
        for (brokers, partitions, replicas, expected) in [
            (8, 0, None, "partition_count: must be from 1"),
            (8, 9000, None, "partition_count: must be from 1 to 8192"),
            (4, 4, Some(5), "replication_factor: must not exceed the number of brokers, 4"),
            (4, 4, Some(0), "replication_factor: must be from 1"),
            (5, 4, None, "cluster_size: must be even"),
        ] {
            let fault = distribution(brokers, partitions, replicas).unwrap_err();
            assert!(fault.starts_with(expected), "{brokers}, {partitions}, {replicas:?}: {fault}");
        }
    }
}
