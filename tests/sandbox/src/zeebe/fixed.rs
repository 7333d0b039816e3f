//! Brokers before 8.6: members, partitions and exporters come from each broker's environment and from nothing else.
//!
//! There is no cluster API: no configuration to gossip, none to change. A broker that finds an empty disk takes the place that its node id
//! gives it, with an empty log, as a full voter. Nobody adds or removes it; a quorum is lost with two of four replicas, and comes back with
//! whoever carries the id of a lost one (real-components.md 3).

use std::fmt::Write as _;
use std::sync::Arc;

use super::config::ClusterConfig;
use super::{Engine, Settings};

/// Major and minor of an image tag; `None` if it is no version.
fn version(tag: &str) -> Option<(u32, u32)> {
    let mut numbers = tag.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Whether this version knows its members from its environment alone.
pub fn is_fixed(tag: &str) -> bool {
    version(tag).is_some_and(|version| version < (8, 6))
}

/// Whether a gateway of this version has a REST API.
pub fn serves_rest(tag: &str) -> bool {
    version(tag).is_none_or(|version| version >= (8, 5))
}

/// What a broker of such a version takes for the configuration.
pub(super) fn configuration(settings: &Settings) -> Arc<ClusterConfig> {
    let exporters: Vec<String> = settings.exporters.keys().cloned().collect();
    Arc::new(ClusterConfig::initial(
        settings.cluster_size,
        settings.partitions,
        settings.replication_factor,
        &exporters,
    ))
}

impl Engine {
    /// Brokers with fixed members write their configuration at their start.
    pub(super) fn read_environments(&mut self) {
        for broker in self.brokers.values() {
            let settings = &broker.node.settings;
            if is_fixed(&settings.version)
                && let Some(disk) = self.disks.get_mut(&broker.disk)
                && disk.config.is_none()
            {
                disk.config = Some(configuration(settings));
            }
        }
    }

    /// Raft's metrics of one broker, in the text format of Prometheus.
    pub fn metrics(&self, pod: &str) -> String {
        let mut text = String::new();
        let Some(broker) = self.brokers.get(pod) else { return text };
        let replicas = self.disks.get(&broker.disk).map(|disk| &disk.replicas);
        let all: Vec<(u32, usize, usize)> = replicas
            .into_iter()
            .flatten()
            .map(|(partition, replica)| (*partition, replica.log.len(), replica.commit.min(replica.log.len())))
            .collect();
        for (name, help, of) in
            [("commit", "The commit index", 1), ("append", "The index of last entry appended to the log", 0)]
        {
            let _ = writeln!(text, "# HELP atomix_partition_raft_{name}_index {help}");
            let _ = writeln!(text, "# TYPE atomix_partition_raft_{name}_index gauge");
            for (partition, appended, committed) in &all {
                let value = if of == 1 { committed } else { appended };
                let labels = format!("partitionGroupName=\"raft-partition\",partition=\"{partition}\",");
                let _ = writeln!(text, "atomix_partition_raft_{name}_index{{{labels}}} {value}.0");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_api_came_with_8_6() {
        assert!(is_fixed("8.0.0") && is_fixed("8.2.25") && is_fixed("8.5.1-SNAPSHOT"));
        assert!(!is_fixed("8.6.0-alpha3") && !is_fixed("8.7.2") && !is_fixed("latest"));
        assert!(serves_rest("8.5.0") && !serves_rest("8.2.0"));
    }
}
