//! What must never happen, noticed while it happens: the audit reports it later.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;

/// The violations so far, each told once.
#[derive(Debug, Default)]
pub struct Violations {
    /// In the order of their first appearance.
    pub found: Vec<String>,
    told: BTreeSet<String>,
    leaders: BTreeMap<(String, u32, u64), String>,
}

impl Violations {
    fn tell(&mut self, text: String) {
        if self.told.insert(text.clone()) {
            self.found.push(text);
        }
    }

    /// Remembers who leads a partition in a term.
    pub(super) fn elected(&mut self, installation: &str, partition: u32, term: u64, pod: &str, id: u32) {
        let first = self.leaders.entry((installation.to_owned(), partition, term)).or_insert_with(|| pod.to_owned());
        if first != pod {
            self.tell(format!("partition {partition} had two leaders in term {term}; the second is broker {id}"));
        }
    }
}

impl Engine {
    pub(super) fn look_for_violations(&mut self) {
        let mut told = Vec::new();
        let brokers: Vec<_> = self.brokers.iter().collect();
        for (index, (pod, broker)) in brokers.iter().enumerate() {
            let config = self.config_of(broker);
            for (other_pod, other) in &brokers[index + 1..] {
                let same_group = super::kin(&broker.node.settings.installation, &other.node.settings.installation);
                if same_group && broker.id == other.id {
                    told.push(format!(
                        "two live brokers with id {}: {} and {} ({}, {})",
                        broker.id,
                        broker.node.settings.advertised,
                        other.node.settings.advertised,
                        broker.node.host.cluster,
                        other.node.host.cluster
                    ));
                }
                if same_group {
                    for (partition, role) in &broker.roles {
                        let both =
                            role.leader.as_ref().zip(other.roles.get(partition).and_then(|role| role.leader.as_ref()));
                        // a deposed leader that has not noticed yet has no quorum: that is no second leader
                        if both.is_some_and(|(one, two)| one.lonely_since.is_none() && two.lonely_since.is_none())
                            && !self.connected(pod, other_pod)
                        {
                            told.push(format!(
                                "partition {partition} is led by broker {} and by broker {} at once",
                                broker.id, other.id
                            ));
                        }
                    }
                }
                // a removed broker that still has its replicas talks to a member
                for (removed, member) in [(broker, other), (other, broker)] {
                    let Some(config) = self.config_of(member) else { continue };
                    let was_member = self
                        .disks
                        .get(&removed.disk)
                        .is_some_and(|disk| disk.replicas.values().any(|replica| !replica.log.is_empty()));
                    if config.members.contains_key(&member.id)
                        && !config.members.contains_key(&removed.id)
                        && was_member
                        && self.connected(pod, other_pod)
                        && config.pending.is_none()
                    {
                        told.push(format!(
                            "broker {} was removed, keeps its old replicas, and reaches members: it is not fenced",
                            removed.id
                        ));
                    }
                }
            }
            if let Some(config) = config {
                for (other_pod, other) in &brokers[index + 1..] {
                    if let Some(theirs) = self.config_of(other)
                        && config.version == theirs.version
                        && config != theirs
                        && self.connected(pod, other_pod)
                    {
                        told.push(format!(
                            "brokers {} and {} hold different configurations of version {}",
                            broker.id, other.id, config.version
                        ));
                    }
                }
            }
        }
        for text in told {
            self.violations.tell(text);
        }
    }
}
