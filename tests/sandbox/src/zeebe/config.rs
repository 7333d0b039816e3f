//! The dynamic cluster configuration: members, their partitions, exporters, and the change under way (dual-region.md 2.3, 4.5).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::clock;

/// `.topology.meta`: kept on every broker, spread by gossip; the higher version wins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterConfig {
    /// Grows with every modification.
    pub version: u64,
    /// Members by broker id.
    pub members: BTreeMap<u32, Member>,
    /// The last change that ended.
    pub last_change: Option<EndedChange>,
    /// The change under way.
    pub pending: Option<PendingChange>,
    /// Changes so far; the id of the last one.
    pub change_count: u64,
}

/// A broker that is a member.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Member {
    /// Grows with every modification of this member.
    pub version: u64,
    /// When it was last modified; 0 = never.
    pub updated: u64,
    /// Its replicas by partition.
    pub partitions: BTreeMap<u32, PartitionMember>,
}

/// A replica as the configuration knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PartitionMember {
    /// The highest one is the preferred leader.
    pub priority: u32,
    /// Exporters by id.
    pub exporters: BTreeMap<String, ExporterConfig>,
}

/// An exporter of a replica.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExporterConfig {
    /// ENABLED or DISABLED.
    pub enabled: bool,
    /// Grows with each enable.
    pub metadata_version: u64,
    /// From which exporter an enable takes position and sequence.
    pub initialize_from: Option<String>,
}

/// A change that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedChange {
    /// Id.
    pub id: u64,
    /// `COMPLETED`, `CANCELLED` or `FAILED`.
    pub status: &'static str,
    /// Seconds since 1970.
    pub started: u64,
    /// Seconds since 1970.
    pub completed: u64,
}

/// A change under way.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingChange {
    /// Id.
    pub id: u64,
    /// Operations to come; the first one is worked on.
    pub pending: Vec<Operation>,
    /// Operations that are done, with the time.
    pub completed: Vec<(Operation, u64)>,
    /// Seconds since 1970.
    pub started: u64,
}

/// One step of a change. `broker` is who has to do it: if it is dead, the change hangs.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Operation {
    ForceReconfigure { broker: u32, partition: u32, brokers: Vec<u32> },
    BrokerAdd { broker: u32 },
    BrokerRemove { broker: u32, brokers: Vec<u32> },
    Join { broker: u32, partition: u32, priority: u32 },
    Leave { broker: u32, partition: u32 },
    Priority { broker: u32, partition: u32, priority: u32 },
    DisableExporter { broker: u32, partition: u32, exporter: String },
    EnableExporter { broker: u32, partition: u32, exporter: String, initialize_from: Option<String> },
}

impl Operation {
    /// Who has to do it.
    pub fn broker(&self) -> u32 {
        match self {
            Self::ForceReconfigure { broker, .. }
            | Self::BrokerAdd { broker }
            | Self::BrokerRemove { broker, .. }
            | Self::Join { broker, .. }
            | Self::Leave { broker, .. }
            | Self::Priority { broker, .. }
            | Self::DisableExporter { broker, .. }
            | Self::EnableExporter { broker, .. } => *broker,
        }
    }

    /// As the management API shows it.
    pub fn json(&self) -> Value {
        match self {
            Self::ForceReconfigure { broker, partition, brokers } => {
                json!({"operation": "PARTITION_FORCE_RECONFIGURE", "brokerId": broker, "partitionId": partition, "brokers": brokers})
            }
            Self::BrokerAdd { broker } => json!({"operation": "BROKER_ADD", "brokerId": broker, "brokers": []}),
            Self::BrokerRemove { broker, brokers } => {
                json!({"operation": "BROKER_REMOVE", "brokerId": broker, "brokers": brokers})
            }
            Self::Join { broker, partition, priority } => {
                json!({"operation": "PARTITION_JOIN", "brokerId": broker, "partitionId": partition, "priority": priority, "brokers": []})
            }
            Self::Leave { broker, partition } => {
                json!({"operation": "PARTITION_LEAVE", "brokerId": broker, "partitionId": partition, "brokers": []})
            }
            Self::Priority { broker, partition, priority } => {
                json!({"operation": "PARTITION_RECONFIGURE_PRIORITY", "brokerId": broker, "partitionId": partition, "priority": priority, "brokers": []})
            }
            Self::DisableExporter { broker, partition, exporter } => {
                json!({"operation": "PARTITION_DISABLE_EXPORTER", "brokerId": broker, "partitionId": partition, "exporterId": exporter, "brokers": []})
            }
            Self::EnableExporter { broker, partition, exporter, .. } => {
                json!({"operation": "PARTITION_ENABLE_EXPORTER", "brokerId": broker, "partitionId": partition, "exporterId": exporter, "brokers": []})
            }
        }
    }
}

impl ClusterConfig {
    /// What the coordinator writes when nobody knows a configuration: all brokers, partitions round robin, all exporters enabled.
    pub fn initial(size: u32, partitions: u32, replication_factor: u32, exporters: &[String]) -> Self {
        let ids: Vec<u32> = (0..size).collect();
        let mut config = Self { version: 1, ..Self::default() };
        for id in &ids {
            config.members.insert(*id, Member { version: 1, ..Member::default() });
        }
        for partition in 1..=partitions {
            for (id, priority) in distribution(&ids, partition, replication_factor) {
                let exporters = exporters
                    .iter()
                    .map(|name| (name.clone(), ExporterConfig { enabled: true, ..ExporterConfig::default() }))
                    .collect();
                if let Some(member) = config.members.get_mut(&id) {
                    member.partitions.insert(partition, PartitionMember { priority, exporters });
                }
            }
        }
        config
    }

    /// The partitions that exist.
    pub fn partitions(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.members.values().flat_map(|member| member.partitions.keys().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The brokers that replicate `partition`.
    pub fn replicas(&self, partition: u32) -> Vec<u32> {
        self.members
            .iter()
            .filter(|(_, member)| member.partitions.contains_key(&partition))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The smallest number of replicas of any partition.
    pub fn replication_factor(&self) -> usize {
        self.partitions().into_iter().map(|partition| self.replicas(partition).len()).min().unwrap_or(0)
    }

    /// The exporters that any replica knows.
    pub fn exporter_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .members
            .values()
            .flat_map(|m| m.partitions.values())
            .flat_map(|p| p.exporters.keys().cloned())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// `ENABLED`, `DISABLED`, `ENABLING`, `DISABLING` or `UNKNOWN` for mixtures.
    pub fn exporter_status(&self, id: &str) -> &'static str {
        for operation in self.pending.iter().flat_map(|change| &change.pending) {
            match operation {
                Operation::DisableExporter { exporter, .. } if exporter == id => return "DISABLING",
                Operation::EnableExporter { exporter, .. } if exporter == id => return "ENABLING",
                _ => {}
            }
        }
        let states: Vec<Option<bool>> = self
            .members
            .values()
            .flat_map(|m| m.partitions.values())
            .map(|partition| partition.exporters.get(id).map(|exporter| exporter.enabled))
            .collect();
        match states.first() {
            Some(first) if states.iter().all(|state| state == first) => match first {
                Some(true) => "ENABLED",
                Some(false) => "DISABLED",
                None => "CONFIG_NOT_FOUND",
            },
            _ => "UNKNOWN",
        }
    }

    /// Does one operation to the configuration (not to the replicas).
    pub fn apply(&mut self, operation: &Operation) {
        let now = clock::unix_millis() / 1000;
        match operation {
            Operation::ForceReconfigure { partition, brokers, .. } => {
                for (id, member) in &mut self.members {
                    if !brokers.contains(id) && member.partitions.remove(partition).is_some() {
                        member.version += 1;
                        member.updated = now;
                    }
                }
            }
            Operation::BrokerAdd { broker } => {
                self.members.entry(*broker).or_default();
            }
            Operation::BrokerRemove { brokers, .. } => self.members.retain(|id, _| !brokers.contains(id)),
            Operation::Join { broker, partition, priority } => {
                // a newcomer takes the exporters' states from those that are there
                let exporters = self
                    .members
                    .values()
                    .find_map(|m| m.partitions.get(partition))
                    .map(|p| p.exporters.clone())
                    .unwrap_or_default();
                self.members
                    .entry(*broker)
                    .or_default()
                    .partitions
                    .insert(*partition, PartitionMember { priority: *priority, exporters });
            }
            Operation::Leave { broker, partition } => {
                if let Some(member) = self.members.get_mut(broker) {
                    member.partitions.remove(partition);
                }
            }
            Operation::Priority { broker, partition, priority } => {
                if let Some(replica) = self.members.get_mut(broker).and_then(|m| m.partitions.get_mut(partition)) {
                    replica.priority = *priority;
                }
            }
            Operation::DisableExporter { broker, partition, exporter } => {
                if let Some(exporter) = self
                    .members
                    .get_mut(broker)
                    .and_then(|m| m.partitions.get_mut(partition))
                    .and_then(|p| p.exporters.get_mut(exporter))
                {
                    exporter.enabled = false;
                }
            }
            Operation::EnableExporter { broker, partition, exporter, initialize_from } => {
                if let Some(exporter) = self
                    .members
                    .get_mut(broker)
                    .and_then(|m| m.partitions.get_mut(partition))
                    .and_then(|p| p.exporters.get_mut(exporter))
                {
                    exporter.enabled = true;
                    exporter.metadata_version += 1;
                    exporter.initialize_from.clone_from(initialize_from);
                }
            }
        }
        if let Some(member) = self.members.get_mut(&operation.broker()) {
            member.version += 1;
            member.updated = now;
        }
    }

    /// The brokers as `GET /actuator/cluster` lists them: not sorted by id.
    pub fn brokers_json(&self) -> Value {
        self.members
            .iter()
            .rev()
            .map(|(id, member)| {
                let partitions: Vec<Value> = member
                    .partitions
                    .iter()
                    .map(|(partition, replica)| {
                        let exporters: Vec<Value> = replica
                            .exporters
                            .iter()
                            .map(|(name, exporter)| json!({"id": name, "state": if exporter.enabled { "ENABLED" } else { "DISABLED" }}))
                            .collect();
                        json!({"id": partition, "state": "ACTIVE", "priority": replica.priority, "config": {"exporting": {"exporters": exporters}}})
                    })
                    .collect();
                let updated = if member.updated == 0 { "0000-01-01T00:00:00Z".to_owned() } else { clock::format(member.updated) };
                json!({"id": id, "state": "ACTIVE", "version": member.version, "lastUpdatedAt": updated, "partitions": partitions})
            })
            .collect()
    }

    /// The body of `GET /actuator/cluster`. `pendingChange` and `lastChange` are absent, not null, when there is none.
    pub fn json(&self) -> Value {
        let mut body = json!({"version": self.version, "brokers": self.brokers_json(), "routing": {
            "version": 1, "requestHandling": {"strategy": "AllPartitions", "partitionCount": self.partitions().len()},
            "messageCorrelation": {"strategy": "HashMod", "partitionCount": self.partitions().len()},
        }});
        if let Some(change) = &self.last_change {
            body["lastChange"] = json!({"id": change.id, "status": change.status,
                "startedAt": clock::format(change.started), "completedAt": clock::format(change.completed)});
        }
        if let Some(change) = &self.pending {
            let completed: Vec<Value> = change
                .completed
                .iter()
                .map(|(operation, at)| {
                    let mut value = operation.json();
                    value["completedAt"] = json!(clock::format(*at));
                    value
                })
                .collect();
            body["pendingChange"] = json!({"id": change.id, "status": "IN_PROGRESS",
                "pending": change.pending.iter().map(Operation::json).collect::<Vec<_>>(), "completed": completed});
        }
        body
    }
}

/// Who replicates `partition`, with priorities: round robin over the sorted `ids` (dual-region.md 9).
pub fn distribution(ids: &[u32], partition: u32, replication_factor: u32) -> Vec<(u32, u32)> {
    if ids.is_empty() {
        return vec![];
    }
    (0..replication_factor.min(ids.len() as u32))
        .map(|k| (ids[(partition - 1 + k) as usize % ids.len()], replication_factor - k))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_puts_two_replicas_into_each_region() {
        let ids: Vec<u32> = (0..8).collect();
        assert_eq!(distribution(&ids, 7, 4), vec![(6, 4), (7, 3), (0, 2), (1, 1)]);
        let config = ClusterConfig::initial(8, 8, 4, &["elasticsearchregion0".into()]);
        for partition in 1..=8 {
            let even = config.replicas(partition).iter().filter(|id| *id % 2 == 0).count();
            assert_eq!(even, 2);
        }
        assert_eq!(config.replication_factor(), 4);
        assert_eq!(config.exporter_status("elasticsearchregion0"), "ENABLED");
        assert!(config.json().get("pendingChange").is_none());
    }
}
