//! `provider::c8::quorum_after_loss`.

use std::collections::BTreeSet;

use terraform_plugin::{Attr, Function, FunctionFault, Object, Path};

use super::argument::{numbers, sizes};

/// What a loss of brokers leaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuorumAfterLoss;

/// The sizes of the cluster, and who is lost.
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Arguments {
    /// Number of brokers in both regions together; even, at least 4.
    pub cluster_size: Attr<i64>,
    /// Number of partitions.
    pub partition_count: Attr<i64>,
    /// Replicas of a partition in both regions together; null for 4, what `c8_region` runs.
    #[tf(optional)]
    pub replication_factor: Attr<i64>,
    /// Node ids of the brokers that are lost; `broker_ids(…)...` gives those of a whole region.
    pub lost_brokers: Attr<Vec<i64>>,
}

/// What is left.
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Left {
    /// Replicas of a partition that must be there: a majority.
    pub quorum: Attr<i64>,
    /// Whether every partition still has that many.
    pub available: Attr<bool>,
    /// Partitions that do not: they process nothing.
    pub stopped_partitions: Attr<Vec<i64>>,
    /// Fewest replicas that any partition is left with.
    pub fewest_replicas: Attr<i64>,
}

impl Function for QuorumAfterLoss {
    type Arguments = Arguments;
    type Output = Left;

    const NAME: &'static str = "quorum_after_loss";
    const SUMMARY: &'static str = "Which partitions lose their quorum when brokers are lost.";
    const DESCRIPTION: &'static str = "Which partitions lose their quorum when brokers are lost, with the round-robin distribution of a new \
         cluster. With two replicas in each region every partition outlives the loss of any one broker, and none the loss of a \
         region: that is what `c8_failover` is for.";
    const VARIADIC: bool = true;

    fn call(&self, arguments: Arguments) -> Result<Left, FunctionFault> {
        let sizes = sizes(&arguments.cluster_size, &arguments.partition_count, &arguments.replication_factor)?;
        let mut lost = BTreeSet::new();
        for (index, id) in arguments.lost_brokers.known().into_iter().flatten().enumerate() {
            match u32::try_from(*id) {
                Ok(broker) if broker < sizes.cluster_size => lost.insert(broker),
                _ => {
                    let text = format!("must be the id of a broker: from 0 to {}", sizes.cluster_size - 1);
                    return Err(FunctionFault::at(Path::from("lost_brokers").index(index), text));
                }
            };
        }
        let left = |partition| sizes.replicas(partition).difference(&lost).count();
        let quorum = sizes.quorum();
        let stopped: Vec<_> = sizes.partitions().filter(|partition| left(*partition) < quorum as usize).collect();
        let fewest = sizes.partitions().map(left).min().unwrap_or_default();
        Ok(Left {
            quorum: i64::from(quorum).into(),
            available: stopped.is_empty().into(),
            stopped_partitions: numbers(&stopped).into(),
            fewest_replicas: i64::try_from(fewest).unwrap_or_default().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn after(lost: &[i64]) -> Result<Left, String> {
        let arguments = Arguments {
            cluster_size: 8.into(),
            partition_count: 8.into(),
            replication_factor: Attr::Null,
            lost_brokers: lost.to_vec().into(),
        };
        QuorumAfterLoss.call(arguments).map_err(|fault| fault.to_string())
    }

    #[test]
    fn one_broker_is_outlived_and_a_region_is_not() {
        let one = after(&[3]).unwrap();
        assert_eq!((one.quorum, one.available, one.fewest_replicas), (3.into(), true.into(), 3.into()));
        let region = after(&[1, 3, 5, 7]).unwrap();
        assert_eq!((region.available, region.fewest_replicas), (false.into(), 2.into()));
        assert_eq!(region.stopped_partitions, vec![1, 2, 3, 4, 5, 6, 7, 8].into());
        // 0 and 4 share no partition, 0 and 1 share three
        assert_eq!(after(&[0, 4]).unwrap().available, true.into());
        assert_eq!(after(&[0, 1]).unwrap().stopped_partitions, vec![1, 7, 8].into());
        assert_eq!(after(&[]).unwrap().fewest_replicas, 4.into());
        // said twice, lost once
        assert_eq!(after(&[3, 3]).unwrap().fewest_replicas, 3.into());
    }

    #[test]
    fn the_broker_that_is_none_is_named() {
        assert_eq!(after(&[0, 8]).unwrap_err(), "lost_brokers[1]: must be the id of a broker: from 0 to 7");
        assert_eq!(after(&[-1]).unwrap_err(), "lost_brokers[0]: must be the id of a broker: from 0 to 7");
    }
}
