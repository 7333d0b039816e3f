//! Zeebe: brokers with disks, gossip, Raft per partition, exporters, a gateway; with the cluster API and its changes from 8.6 on, with
//! fixed members before ([`fixed`]).
//!
//! What it keeps to, since a wrong order of steps must show:
//! - a broker's disk is its PVC: it survives the pod and vanishes with the claim;
//! - a leader needs a majority of the *current* members of its partition, and the most up-to-date log wins; but an empty replica may vote,
//!   so two of them can outvote what was committed;
//! - a change of the cluster goes operation by operation, each done by the broker it names: a dead one makes it hang, and the next gets 409;
//! - the exporters of a partition go one after another over the same records: one unreachable store stops them all;
//! - what an exporter has in its buffer is still flushed after a pause;
//! - positions live under the exporter's id: an id that means another store in another region skips records.

pub mod broker_api;
pub mod changes;
pub mod commands;
pub mod config;
pub mod exporting;
pub mod fixed;
pub mod gateway_api;
pub mod grpc;
pub mod log;
mod raft;
pub mod settings;
pub mod violations;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::ClusterConfig;
use log::{Disk, Replica};

use crate::network::Host;
use crate::world::World;
use crate::world::options::Options;

pub use settings::Settings;

/// What brokers need from the world around them.
pub trait Surroundings {
    /// Whether packets pass both ways between two processes on the internal port 26502.
    fn linked(&self, one: &Node, other: &Node) -> bool;
    /// Whether a name means something to a process.
    fn resolves(&self, from: &Node, name: &str) -> bool;
    /// Begins to write documents into the store behind `url`.
    fn export(&mut self, from: &Node, url: &str, documents: &[exporting::Document]) -> exporting::Flush;
    /// What became of a flush that is under way.
    fn flushed(&mut self, ticket: u64) -> exporting::Flush;
}

/// A running broker or gateway.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is known by: the UID of its pod, or the key of its session if it runs outside of the world.
    pub key: String,
    /// Where it runs.
    pub host: Host,
    /// Its namespace.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// Its environment.
    pub settings: Settings,
    /// Since when it runs.
    pub since: Instant,
}

/// A running broker.
#[derive(Debug, Clone)]
pub struct Broker {
    /// The process.
    pub node: Node,
    /// Node id.
    pub id: u32,
    /// UID of its claim.
    pub disk: String,
    /// Its partitions in memory.
    pub roles: BTreeMap<u32, Role>,
    /// The operation of a change that it works on: the version at which it saw it first, and since when.
    pub(crate) working: Option<(u64, Instant)>,
}

/// A replica in memory.
#[derive(Debug, Clone)]
pub struct Role {
    /// Leader's state, if it leads.
    pub leader: Option<Leader>,
    /// Since when it knows no leader; `None` = it knows one.
    pub leaderless_since: Option<Instant>,
    /// Whether it knew a leader since the process started: the broker is ready then.
    pub was_led: bool,
}

/// What only a leader has.
#[derive(Debug, Clone)]
pub struct Leader {
    /// Its term.
    pub term: u64,
    /// Since when it can't reach a quorum.
    pub(crate) lonely_since: Option<Instant>,
    /// Engine state, rebuilt from the log on election.
    pub(crate) state: commands::EngineState,
    /// The exporters.
    pub(crate) director: exporting::Director,
    /// When the exporter positions were last told to the followers.
    pub(crate) distributed: Instant,
}

/// A running gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The process.
    pub node: Node,
    /// The configuration that it heard of.
    pub config: Option<Arc<ClusterConfig>>,
    /// When it last heard of each broker (by pod UID), and what.
    pub seen: BTreeMap<String, Seen>,
    /// Round robin over partitions.
    pub(crate) next_partition: u32,
}

/// A broker as a gateway last saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Node id.
    pub id: u32,
    /// Advertised host.
    pub host: String,
    /// Version.
    pub version: String,
    /// Partition to "is leader".
    pub partitions: BTreeMap<u32, bool>,
}

/// All of Zeebe in the world.
#[derive(Debug, Default)]
pub struct Engine {
    /// Running brokers by pod UID.
    pub brokers: BTreeMap<String, Broker>,
    /// Running gateways by pod UID.
    pub gateways: BTreeMap<String, Gateway>,
    /// Disks by claim UID.
    pub disks: BTreeMap<String, Disk>,
    /// What must never happen and did.
    pub violations: violations::Violations,
    /// How many of the next words to all exporters do not reach one follower.
    pub lost_words: u32,
    /// Connections that stand, as pairs of pod UIDs in order.
    pub(crate) links: BTreeSet<(String, String)>,
    pub(crate) tickets: BTreeMap<u64, commands::Ticket>,
    pub(crate) serial: u64,
    last_dial: Option<Instant>,
}

/// How often processes try to connect to those they don't reach.
const RECONNECT: Duration = Duration::from_millis(100);

/// Moves all brokers and gateways on.
pub fn tick(world: &mut World, now: Instant) {
    let options = world.options.clone();
    let mut engine = std::mem::take(&mut world.zeebe);
    engine.advance(world, &options, now);
    world.zeebe = engine;
}

impl Engine {
    /// Starts a broker on its disk.
    pub fn start_broker(&mut self, pod_uid: &str, node: Node, id: u32, disk: &str) {
        let volume = self.disks.entry(disk.to_owned()).or_default();
        volume.cluster.clone_from(&node.host.cluster);
        volume.namespace.clone_from(&node.namespace);
        volume.installation.clone_from(&node.settings.installation);
        volume.broker = Some(id);
        let broker = Broker { node, id, disk: disk.to_owned(), roles: BTreeMap::new(), working: None };
        self.brokers.insert(pod_uid.to_owned(), broker);
    }

    /// Starts a gateway.
    pub fn start_gateway(&mut self, pod_uid: &str, node: Node) {
        self.gateways
            .insert(pod_uid.to_owned(), Gateway { node, config: None, seen: BTreeMap::new(), next_partition: 0 });
    }

    /// A process ended: its memory is gone, its disk stays.
    pub fn stop(&mut self, pod_uid: &str) {
        self.brokers.remove(pod_uid);
        self.gateways.remove(pod_uid);
        self.links.retain(|(one, other)| one != pod_uid && other != pod_uid);
    }

    /// A cluster was deleted with all its claims.
    pub fn forget_cluster(&mut self, uid: &str) {
        let pods: Vec<String> = self
            .brokers
            .iter()
            .map(|(pod, broker)| (pod, &broker.node))
            .chain(self.gateways.iter().map(|(pod, gateway)| (pod, &gateway.node)))
            .filter(|(_, node)| node.host.cluster == uid)
            .map(|(pod, _)| pod.clone())
            .collect();
        for pod in pods {
            self.stop(&pod);
        }
        self.disks.retain(|_, disk| disk.cluster != uid);
    }

    /// Whether the readiness probe of a broker or gateway passes.
    pub fn is_ready(&self, pod_uid: &str) -> bool {
        if let Some(broker) = self.brokers.get(pod_uid) {
            let Some(config) = self.disks.get(&broker.disk).and_then(|disk| disk.config.as_ref()) else { return false };
            let Some(member) = config.members.get(&broker.id) else { return false };
            return !member.partitions.is_empty()
                && member.partitions.keys().all(|p| broker.roles.get(p).is_some_and(|role| role.was_led));
        }
        // a gateway is ready once it knows a broker
        self.gateways.get(pod_uid).is_some_and(|gateway| !gateway.seen.is_empty())
    }

    /// Whether two processes are connected.
    pub fn connected(&self, one: &str, other: &str) -> bool {
        one == other || self.links.contains(&pair(one, other))
    }

    /// The configuration that a broker holds.
    pub fn config_of(&self, broker: &Broker) -> Option<&Arc<ClusterConfig>> {
        self.disks.get(&broker.disk)?.config.as_ref()
    }

    /// The replica of a broker.
    pub fn replica(&self, pod_uid: &str, partition: u32) -> Option<&Replica> {
        self.disks.get(&self.brokers.get(pod_uid)?.disk)?.replicas.get(&partition)
    }

    pub(crate) fn replica_mut(&mut self, pod_uid: &str, partition: u32) -> Option<&mut Replica> {
        self.disks.get_mut(&self.brokers.get(pod_uid)?.disk)?.replicas.get_mut(&partition)
    }

    /// The broker with this id that is connected to `from` (or is it).
    pub(crate) fn peer(&self, from: &str, id: u32) -> Option<&str> {
        self.brokers
            .iter()
            .find(|(pod, broker)| broker.id == id && self.connected(from, pod))
            .map(|(pod, _)| pod.as_str())
    }

    /// The broker that leads `partition` and is connected to `from`.
    pub(crate) fn leader(&self, from: &str, partition: u32) -> Option<&str> {
        self.brokers
            .iter()
            .filter(|(pod, _)| self.connected(from, pod))
            .filter_map(|(pod, broker)| Some((broker.roles.get(&partition)?.leader.as_ref()?.term, pod.as_str())))
            .max()
            .map(|(_, pod)| pod)
    }

    /// Moves everything on to `now`.
    pub fn advance(&mut self, surroundings: &mut dyn Surroundings, options: &Options, now: Instant) {
        self.connect(surroundings, now);
        self.read_environments();
        self.gossip(options, now);
        self.open_replicas(now);
        self.raft(options, now);
        self.work_on_changes(options, now);
        self.answer_commands();
        self.export(surroundings, options, now);
        self.watch_members(now);
        self.look_for_violations();
    }

    fn connect(&mut self, surroundings: &dyn Surroundings, now: Instant) {
        let nodes: Vec<(&String, &Node)> = self
            .brokers
            .iter()
            .map(|(pod, b)| (pod, &b.node))
            .chain(self.gateways.iter().map(|(pod, g)| (pod, &g.node)))
            .collect();
        let dial = self.last_dial.is_none_or(|last| now.duration_since(last) >= RECONNECT);
        let mut links = BTreeSet::new();
        for (index, (one_pod, one)) in nodes.iter().enumerate() {
            for (other_pod, other) in &nodes[index + 1..] {
                if !kin(&one.settings.installation, &other.settings.installation) || !surroundings.linked(one, other) {
                    continue;
                }
                let link = pair(one_pod, other_pod);
                let stands = self.links.contains(&link);
                // a gateway only dials brokers, and nobody dials a gateway
                let names = |from: &Node, to: &Node| {
                    to.settings.advertised.is_empty() || surroundings.resolves(from, &to.settings.advertised)
                };
                if stands || (dial && names(one, other) && names(other, one)) {
                    links.insert(link);
                }
            }
        }
        if dial {
            self.last_dial = Some(now);
        }
        self.links = links;
    }

    /// The higher version of the configuration wins everywhere. Who finds none asks; only the coordinator (id 0) makes one up.
    fn gossip(&mut self, options: &Options, now: Instant) {
        let pods: Vec<String> = self.brokers.keys().cloned().collect();
        for pod in &pods {
            let best = self
                .brokers
                .iter()
                .filter(|(other, _)| self.connected(pod, other))
                .filter_map(|(_, broker)| self.config_of(broker))
                .max_by_key(|config| config.version)
                .cloned();
            let Some(broker) = self.brokers.get(pod) else { continue };
            let settings = &broker.node.settings;
            let patient = now.duration_since(broker.node.since) < options.election;
            let (id, disk) = (broker.id, broker.disk.clone());
            let made_up = (best.is_none() && id == 0 && !patient).then(|| fixed::configuration(settings));
            let Some(volume) = self.disks.get_mut(&disk) else { continue };
            let own = volume.config.as_ref().map_or(0, |config| config.version);
            if let Some(config) = best.or(made_up).filter(|config| config.version > own) {
                volume.config = Some(config);
            }
        }
        let gateways: Vec<String> = self.gateways.keys().cloned().collect();
        for pod in gateways {
            let best = self
                .brokers
                .iter()
                .filter(|(other, _)| self.connected(&pod, other))
                .filter_map(|(_, broker)| self.config_of(broker))
                .max_by_key(|config| config.version)
                .cloned();
            if let (Some(gateway), Some(config)) = (self.gateways.get_mut(&pod), best)
                && gateway.config.as_ref().is_none_or(|own| own.version < config.version)
            {
                gateway.config = Some(config);
            }
        }
    }

    /// A member opens the replicas that the configuration gives it; an empty disk begins with an empty log.
    fn open_replicas(&mut self, now: Instant) {
        for broker in self.brokers.values_mut() {
            let Some(disk) = self.disks.get_mut(&broker.disk) else { continue };
            if let Some(config) = disk.config.clone()
                && let Some(member) = config.members.get(&broker.id)
            {
                for partition in member.partitions.keys() {
                    disk.replicas.entry(*partition).or_insert_with(|| Replica::fresh(config.replicas(*partition)));
                }
            }
            for partition in disk.replicas.keys() {
                broker.roles.entry(*partition).or_insert(Role {
                    leader: None,
                    leaderless_since: Some(now),
                    was_led: false,
                });
            }
            broker.roles.retain(|partition, _| disk.replicas.contains_key(partition));
        }
    }

    /// A gateway remembers whom it heard of, until the failure timeout.
    fn watch_members(&mut self, now: Instant) {
        for (pod, gateway) in &mut self.gateways {
            for (broker_pod, broker) in &self.brokers {
                if !self.links.contains(&pair(pod, broker_pod)) {
                    continue;
                }
                // a restarted broker has another pod, but the same address in the cluster
                gateway.seen.retain(|other, seen| {
                    other == broker_pod || seen.id != broker.id || seen.host != broker.node.settings.advertised
                });
                let member = self
                    .disks
                    .get(&broker.disk)
                    .and_then(|d| d.config.as_ref())
                    .is_some_and(|c| c.members.contains_key(&broker.id));
                let partitions = if member {
                    broker.roles.iter().map(|(p, role)| (*p, role.leader.is_some())).collect()
                } else {
                    BTreeMap::new()
                };
                gateway.seen.insert(
                    broker_pod.clone(),
                    Seen {
                        at: now,
                        id: broker.id,
                        host: broker.node.settings.advertised.clone(),
                        version: broker.node.settings.version.clone(),
                        partitions,
                    },
                );
            }
            let timeout = gateway.node.settings.failure_timeout;
            gateway.seen.retain(|_, seen| now.duration_since(seen.at) <= timeout);
        }
    }
}

pub(crate) fn pair(one: &str, other: &str) -> (String, String) {
    if one <= other { (one.to_owned(), other.to_owned()) } else { (other.to_owned(), one.to_owned()) }
}

/// Whether two processes belong to one installation: their contact points name a common namespace.
pub(crate) fn kin(one: &str, other: &str) -> bool {
    one.split(',').any(|namespace| other.split(',').any(|other| other == namespace))
}
