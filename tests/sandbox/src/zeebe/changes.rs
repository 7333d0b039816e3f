//! Changes of the cluster: planning as the coordinator does, and the slow way through their operations.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::Engine;
use super::config::{ClusterConfig, EndedChange, Operation, PendingChange, distribution};
use super::log::Replica;
use crate::world::clock;
use crate::world::options::Options;

/// Why a change was refused: HTTP status and message (dual-region.md 4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// 400, 404, 409, 500, 502.
    pub status: u16,
    /// For the body's `message`.
    pub message: String,
}

impl Refused {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

/// Operations that make `keep` the only members, whatever the others think of it.
pub fn plan_force(config: &ClusterConfig, keep: &BTreeSet<u32>) -> Result<Vec<Operation>, Refused> {
    if keep.is_empty() {
        return Err(Refused::new(400, "Must provide a set of brokers to force remove."));
    }
    if let Some(unknown) = keep.iter().find(|id| !config.members.contains_key(id)) {
        return Err(Refused::new(
            400,
            format!("Cannot force add brokers: broker {unknown} is not a member of the cluster"),
        ));
    }
    let coordinator = keep.iter().next().copied().unwrap_or_default();
    let mut operations = Vec::new();
    for partition in config.partitions() {
        let mut remaining: Vec<u32> = config.replicas(partition).into_iter().filter(|id| keep.contains(id)).collect();
        let priority = |id: &u32| config.members[id].partitions[&partition].priority;
        remaining.sort_by_key(|id| std::cmp::Reverse(priority(id)));
        let Some(first) = remaining.first() else {
            return Err(Refused::new(
                400,
                format!("Cannot force remove brokers: partition {partition} would have no replicas left"),
            ));
        };
        operations.push(Operation::ForceReconfigure { broker: *first, partition, brokers: remaining });
    }
    for id in config.members.keys().filter(|id| !keep.contains(id)) {
        operations.push(Operation::BrokerRemove { broker: coordinator, brokers: vec![*id] });
    }
    Ok(operations)
}

/// Operations towards the members `target` with `replication_factor` replicas of each partition.
pub fn plan_scale(
    config: &ClusterConfig,
    target: &BTreeSet<u32>,
    replication_factor: Option<u32>,
) -> Result<Vec<Operation>, Refused> {
    let replication_factor = replication_factor.unwrap_or(config.replication_factor() as u32);
    if target.len() < replication_factor as usize {
        return Err(Refused::new(
            400,
            format!("Number of brokers [{}] is less than the replication factor [{replication_factor}]", target.len()),
        ));
    }
    if replication_factor == 0 {
        return Err(Refused::new(400, "Replication factor [0] must be greater than 0"));
    }
    let ids: Vec<u32> = target.iter().copied().collect();
    let mut operations: Vec<Operation> = ids
        .iter()
        .filter(|id| !config.members.contains_key(id))
        .map(|id| Operation::BrokerAdd { broker: *id })
        .collect();
    for partition in config.partitions() {
        let present = config.replicas(partition);
        let wanted = distribution(&ids, partition, replication_factor);
        for (broker, priority) in &wanted {
            if !present.contains(broker) {
                operations.push(Operation::Join { broker: *broker, partition, priority: *priority });
            }
        }
        for broker in present.iter().filter(|id| !wanted.iter().any(|(wanted, _)| wanted == *id)) {
            operations.push(Operation::Leave { broker: *broker, partition });
        }
        for (broker, priority) in &wanted {
            let now = config.members.get(broker).and_then(|m| m.partitions.get(&partition)).map(|p| p.priority);
            if now.is_some_and(|now| now != *priority) {
                operations.push(Operation::Priority { broker: *broker, partition, priority: *priority });
            }
        }
    }
    for id in config.members.keys().filter(|id| !target.contains(id)) {
        operations.push(Operation::BrokerRemove { broker: *id, brokers: vec![*id] });
    }
    Ok(operations)
}

/// Operations that disable or enable an exporter on each replica.
pub fn plan_exporter(
    config: &ClusterConfig,
    exporter: &str,
    enable: bool,
    initialize_from: Option<&str>,
) -> Result<Vec<Operation>, Refused> {
    if !config.exporter_ids().iter().any(|id| id == exporter) {
        return Err(Refused::new(404, format!("Exporter '{exporter}' does not exist")));
    }
    if let Some(source) = initialize_from {
        if !config.exporter_ids().iter().any(|id| id == source) {
            return Err(Refused::new(
                400,
                format!("Cannot initialize exporter '{exporter}' from '{source}': it does not exist"),
            ));
        }
        if config.exporter_status(source) == "DISABLED" {
            return Err(Refused::new(
                400,
                format!("Cannot initialize exporter '{exporter}' from '{source}': it is disabled"),
            ));
        }
    }
    let mut operations = Vec::new();
    for (broker, member) in &config.members {
        for partition in member.partitions.keys() {
            let (broker, partition, exporter) = (*broker, *partition, exporter.to_owned());
            operations.push(if enable {
                Operation::EnableExporter {
                    broker,
                    partition,
                    exporter,
                    initialize_from: initialize_from.map(str::to_owned),
                }
            } else {
                Operation::DisableExporter { broker, partition, exporter }
            });
        }
    }
    Ok(operations)
}

impl Engine {
    /// The coordinator takes a change. Returns the body of the 202.
    pub fn begin_change(
        &mut self,
        coordinator: &str,
        operations: Vec<Operation>,
        dry_run: bool,
    ) -> Result<Value, Refused> {
        let disk = self.brokers.get(coordinator).map(|broker| broker.disk.clone()).unwrap_or_default();
        let Some(config) = self.disks.get(&disk).and_then(|disk| disk.config.clone()) else {
            return Err(Refused::new(500, "The cluster configuration is not known yet"));
        };
        if let Some(pending) = &config.pending
            && !dry_run
        {
            return Err(Refused::new(
                409,
                format!(
                    "Cannot apply configuration change. Another configuration change [ClusterChangePlan[id={}, status=IN_PROGRESS, pendingOperations={}]] is in progress.",
                    pending.id,
                    pending.pending.len()
                ),
            ));
        }
        let mut expected = (*config).clone();
        for operation in &operations {
            expected.apply(operation);
        }
        let id = config.change_count + 1;
        let body = json!({
            "changeId": id,
            "currentTopology": config.brokers_json(),
            "plannedChanges": operations.iter().map(Operation::json).collect::<Vec<_>>(),
            "expectedTopology": expected.brokers_json(),
        });
        if !dry_run {
            let mut next = (*config).clone();
            let now = clock::unix_millis() / 1000;
            next.version += 1;
            next.change_count = id;
            if operations.is_empty() {
                next.last_change = Some(EndedChange { id, status: "COMPLETED", started: now, completed: now });
            } else {
                next.pending = Some(PendingChange { id, pending: operations, completed: vec![], started: now });
            }
            self.write_config(&disk, next);
        }
        Ok(body)
    }

    /// Cancels a pending change; what was done of it stays.
    pub fn cancel_change(&mut self, coordinator: &str, id: u64) -> Result<Value, Refused> {
        let disk = self.brokers.get(coordinator).map(|broker| broker.disk.clone()).unwrap_or_default();
        let Some(config) = self.disks.get(&disk).and_then(|disk| disk.config.clone()) else {
            return Err(Refused::new(500, "The cluster configuration is not known yet"));
        };
        let Some(pending) = config.pending.as_ref().filter(|pending| pending.id == id) else {
            return Err(Refused::new(404, format!("No pending change with id {id}")));
        };
        let mut next = (*config).clone();
        next.version += 1;
        next.last_change = Some(EndedChange {
            id,
            status: "CANCELLED",
            started: pending.started,
            completed: clock::unix_millis() / 1000,
        });
        next.pending = None;
        self.write_config(&disk, next);
        Ok(
            json!({"changeId": id, "currentTopology": config.brokers_json(), "plannedChanges": [], "expectedTopology": config.brokers_json()}),
        )
    }

    fn write_config(&mut self, disk: &str, config: ClusterConfig) {
        if let Some(disk) = self.disks.get_mut(disk) {
            disk.config = Some(Arc::new(config));
        }
    }

    /// Each broker looks whether the first open operation is its own.
    pub(super) fn work_on_changes(&mut self, options: &Options, now: Instant) {
        let pods: Vec<String> = self.brokers.keys().cloned().collect();
        for pod in pods {
            let Some(config) = self.config_of(&self.brokers[&pod]).cloned() else { continue };
            let own = self.brokers[&pod].id;
            let first = config
                .pending
                .as_ref()
                .and_then(|pending| pending.pending.first())
                .filter(|operation| operation.broker() == own);
            let Some(operation) = first else { continue };
            // gossip is about to bring a newer one: wait for it
            let newer = self.brokers.iter().any(|(other, broker)| {
                self.connected(&pod, other)
                    && self.config_of(broker).is_some_and(|theirs| theirs.version > config.version)
            });
            let Some(broker) = self.brokers.get_mut(&pod) else { continue };
            let since = match broker.working {
                Some((version, since)) if version == config.version => since,
                _ => {
                    broker.working = Some((config.version, now));
                    now
                }
            };
            if newer || now.duration_since(since) < options.change_operation || !self.perform(&pod, operation, now) {
                continue;
            }
            let disk = self.brokers[&pod].disk.clone();
            let mut next = (*config).clone();
            next.version += 1;
            next.apply(operation);
            let seconds = clock::unix_millis() / 1000;
            if let Some(mut pending) = next.pending.take() {
                let done = pending.pending.remove(0);
                pending.completed.push((done, seconds));
                if pending.pending.is_empty() {
                    next.last_change = Some(EndedChange {
                        id: pending.id,
                        status: "COMPLETED",
                        started: pending.started,
                        completed: seconds,
                    });
                } else {
                    next.pending = Some(pending);
                }
            }
            self.write_config(&disk, next);
        }
    }

    /// Does an operation to the replicas; false = not yet.
    fn perform(&mut self, pod: &str, operation: &Operation, now: Instant) -> bool {
        match operation {
            Operation::ForceReconfigure { partition, brokers, .. } => {
                let kept: Vec<String> =
                    brokers.iter().filter_map(|id| self.peer(pod, *id).map(str::to_owned)).collect();
                if kept.len() < brokers.len() {
                    return false;
                }
                let term = kept
                    .iter()
                    .filter_map(|peer| self.replica(peer, *partition))
                    .map(|replica| replica.term)
                    .max()
                    .unwrap_or(0)
                    + 1;
                for peer in kept {
                    if let Some(replica) = self.replica_mut(&peer, *partition) {
                        replica.members.clone_from(brokers);
                        replica.joint = None;
                        replica.term = term;
                    }
                    self.step_down(&peer, *partition, now);
                }
                true
            }
            Operation::Join { broker, partition, .. } => self.join(pod, *broker, *partition, now),
            Operation::Leave { broker, partition } => {
                let Some(leader) = self.leader(pod, *partition).map(str::to_owned) else { return false };
                if let Some(replica) = self.replica_mut(&leader, *partition) {
                    replica.members.retain(|id| id != broker);
                }
                if leader == pod {
                    self.step_down(pod, *partition, now);
                }
                if let Some(replicas) = self.disks.get_mut(&self.brokers[pod].disk).map(|disk| &mut disk.replicas) {
                    replicas.remove(partition);
                }
                true
            }
            Operation::DisableExporter { .. }
            | Operation::EnableExporter { .. }
            | Operation::BrokerAdd { .. }
            | Operation::BrokerRemove { .. }
            | Operation::Priority { .. } => true,
        }
    }

    /// A broker becomes a voter: both majorities count until it has caught up.
    fn join(&mut self, pod: &str, broker: u32, partition: u32, now: Instant) -> bool {
        let Some(leader) = self.leader(pod, partition).map(str::to_owned) else { return false };
        let Some(lead) = self.replica(&leader, partition) else { return false };
        let (members, commit, exporters) = (lead.members.clone(), lead.commit, lead.exporters.clone());
        if !members.contains(&broker) {
            if lead.joint.is_some() {
                return false;
            }
            let disk = self.brokers[pod].disk.clone();
            if let Some(disk) = self.disks.get_mut(&disk) {
                let mut replica = disk.replicas.remove(&partition).unwrap_or_default();
                replica.exporters = exporters;
                let mut joined = members.clone();
                joined.push(broker);
                disk.replicas
                    .insert(partition, Replica { members: joined.clone(), joint: Some(members.clone()), ..replica });
                if let Some(lead) = self.replica_mut(&leader, partition) {
                    lead.joint = Some(members);
                    lead.members = joined;
                }
            }
            self.open_replicas(now);
            return false;
        }
        let Some(own) = self.replica(pod, partition) else { return false };
        if own.commit < commit || own.log.len() < commit {
            return false;
        }
        if let Some(lead) = self.replica_mut(&leader, partition) {
            lead.joint = None;
        }
        true
    }

    /// Nudges the leadership of each partition back to its preferred broker.
    pub fn rebalance(&mut self, gateway: &str, now: Instant) {
        let Some(config) = self.gateways.get(gateway).and_then(|gateway| gateway.config.clone()) else { return };
        for partition in config.partitions() {
            let preferred = config
                .members
                .iter()
                .filter_map(|(id, member)| member.partitions.get(&partition).map(|replica| (replica.priority, *id)))
                .max()
                .map(|(_, id)| id);
            let Some(leader) = self.leader(gateway, partition).map(str::to_owned) else { continue };
            let reachable = preferred.and_then(|id| self.peer(&leader, id)).is_some();
            if reachable && Some(self.brokers[&leader].id) != preferred {
                self.step_down(&leader, partition, now);
            }
        }
    }
}
