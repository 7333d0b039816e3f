//! The oracle outside the stores: did anything get lost, doubled or led twice?
//!
//! It compares the clients' own log with the replica logs on the disks, the replica logs with each other, and each store with what its exporter says it got.
//! It believes nothing that an API says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::elasticsearch::Node;
use crate::network::surroundings::authority;
use crate::workload::Answer;
use crate::world::{Shared, World};
use crate::zeebe::commands::{EngineState, partition_of};
use crate::zeebe::log::{Entry, RecordType, Replica};

/// The verdict.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Nothing was found.
    pub ok: bool,
    /// What was found, in words.
    pub findings: Vec<String>,
    /// Instances that a client was promised.
    pub acknowledged: usize,
    /// Instances that are neither promised nor refused.
    pub ambiguous: usize,
    /// Promised instances that a quorum does not have.
    pub lost: usize,
    /// Unique keys that exist twice.
    pub doubled: usize,
    /// The same for what no client was told about, where the gateways are real: they repeat it themselves.
    pub repeated: usize,
    /// Promised instances that completed.
    pub completed: usize,
    /// Records that an exporter passed and its store does not have.
    pub missing: usize,
    /// Documents that no log knows, that are there twice, or that say something else than the log.
    pub foreign: usize,
    /// Documents compared, by `cluster/namespace`.
    pub compared: BTreeMap<String, usize>,
}

impl Report {
    pub(crate) fn find(&mut self, text: String) {
        if self.findings.len() < 200 {
            self.findings.push(text);
        }
    }
}

/// The committed log of a partition as the audit takes it for true.
struct Truth {
    entries: Vec<Arc<Entry>>,
    led: bool,
    exporters: BTreeMap<String, (u64, bool)>,
}

/// What a store holds: the keys of the documents by partition and position.
pub type Held = BTreeMap<(u64, u64), Vec<i64>>;

/// Documents that were read out of real stores, by namespace, and how far the exporters were before.
#[derive(Debug, Default)]
pub struct Read {
    stores: BTreeMap<String, Held>,
    upto: BTreeMap<(u32, String), u64>,
}

/// Audits the world whose stores, or some of them, are real ones: namespace to base URL. A store that can't be read is a finding.
pub async fn audit_with(shared: &Shared, stores: &BTreeMap<String, String>) -> Report {
    // exporters go on while the documents are read: nobody is blamed for what came later
    let upto = truths(&shared.lock(), &mut Report::default())
        .into_iter()
        .flat_map(|(partition, truth)| {
            truth.exporters.into_iter().map(move |(id, (position, _))| ((partition, id), position))
        })
        .collect();
    match crate::outside::collect(stores).await {
        Ok(stores) => {
            let stores = stores.into_iter().map(|(namespace, told)| (namespace, told.held)).collect();
            audit_read(&shared.lock(), &Read { stores, upto })
        }
        Err(why) => {
            let mut report = audit_read(&shared.lock(), &Read::default());
            report.find(why);
            report.ok = false;
            report
        }
    }
}

/// Audits an installation whose brokers are real as well: by what clients and workers know, and by both stores.
pub async fn audit_by_stores(shared: &Shared, stores: &BTreeMap<String, String>) -> Report {
    match crate::outside::collect(stores).await {
        Ok(told) => crate::outside::verdict(&shared.lock().ledger, &told),
        Err(why) => Report { findings: vec![why], ..Report::default() },
    }
}

/// Audits the whole world.
pub fn audit(world: &World) -> Report {
    audit_read(world, &Read::default())
}

fn audit_read(world: &World, read: &Read) -> Report {
    let mut report = Report { findings: world.zeebe.violations.found.clone(), ..Report::default() };
    let truths = truths(world, &mut report);
    clients(world, &truths, &mut report);
    stores(world, &truths, read, &mut report);
    report.ok = report.findings.is_empty();
    report
}

fn truths(world: &World, report: &mut Report) -> BTreeMap<u32, Truth> {
    let engine = &world.zeebe;
    // the newest configuration of running brokers; without any, of the disks
    let running = engine.brokers.values().filter_map(|broker| engine.config_of(broker));
    let config = running
        .max_by_key(|c| c.version)
        .or_else(|| engine.disks.values().filter_map(|d| d.config.as_ref()).max_by_key(|c| c.version));
    let Some(config) = config else { return BTreeMap::new() };
    let mut truths = BTreeMap::new();
    for partition in config.partitions() {
        let members = config.replicas(partition);
        let leader = engine
            .brokers
            .iter()
            .filter_map(|(pod, broker)| Some((broker.roles.get(&partition)?.leader.as_ref()?.term, pod)))
            .max()
            .and_then(|(_, pod)| engine.replica(pod, partition));
        let on_disks = engine
            .disks
            .values()
            .filter(|disk| disk.broker.is_some_and(|id| members.contains(&id)))
            .filter_map(|d| d.replicas.get(&partition));
        let Some(best) = leader.or_else(|| on_disks.clone().max_by_key(|replica| (replica.progress(), replica.commit)))
        else {
            report.find(format!("partition {partition} has no replica on any disk"));
            continue;
        };
        if leader.is_none() {
            report.find(format!("partition {partition} has no leader"));
        }
        let copies: Vec<&Replica> = members
            .iter()
            .filter_map(|id| {
                // a broker's disk is the one it runs on now; of those at rest, the fullest one
                let live = engine
                    .brokers
                    .values()
                    .find(|broker| broker.id == *id)
                    .and_then(|broker| engine.disks.get(&broker.disk));
                let rest = || {
                    engine
                        .disks
                        .values()
                        .filter(|disk| disk.broker == Some(*id))
                        .max_by_key(|d| d.replicas.get(&partition).map(|r| r.log.len()))
                };
                live.or_else(rest)?.replicas.get(&partition)
            })
            .collect();
        for copy in &copies {
            let both = copy.commit.min(best.commit);
            if copy.log.len() >= both && best.log.len() >= both && copy.log[..both] != best.log[..both] {
                report.find(format!("partition {partition}: committed logs of two replicas differ"));
            }
        }
        let committed = best.committed();
        let holders = copies
            .iter()
            .filter(|copy| copy.log.len() >= committed.len() && copy.log.get(..committed.len()) == Some(committed))
            .count();
        if holders <= members.len() / 2 {
            report.find(format!(
                "partition {partition}: only {holders} of {} members hold what was committed",
                members.len()
            ));
        }
        let configured = config
            .members
            .values()
            .find_map(|member| member.partitions.get(&partition))
            .map(|p| p.exporters.clone())
            .unwrap_or_default();
        let exporters = configured
            .iter()
            .map(|(id, exporter)| {
                (id.clone(), (best.exporters.get(id).map_or(0, |own| own.position), exporter.enabled))
            })
            .collect();
        for (id, own) in &best.exporters {
            if own.position > best.committed_position() {
                report.find(format!(
                    "partition {partition}: exporter {id} is at {}, beyond the last record {}",
                    own.position,
                    best.committed_position()
                ));
            }
        }
        truths.insert(partition, Truth { entries: committed.to_vec(), led: leader.is_some(), exporters });
    }
    truths
}

fn clients(world: &World, truths: &BTreeMap<u32, Truth>, report: &mut Report) {
    let mut created: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut states = BTreeMap::new();
    for (partition, truth) in truths {
        for record in truth.entries.iter().filter_map(|entry| entry.record.as_ref()) {
            if record.kind == RecordType::Event
                && let Some(business) = &record.business
            {
                created.entry(business).or_default().push(record.instance);
            }
        }
        states.insert(*partition, EngineState::replay(*partition, &truth.entries));
    }
    for (business, keys) in &created {
        if keys.len() > 1 {
            report.doubled += 1;
            report.find(format!("{business} was started {} times", keys.len()));
        }
    }
    for (business, answer) in &world.ledger.requests {
        match answer {
            Answer::Refused => {
                if created.contains_key(business.as_str()) {
                    report.find(format!("{business} was refused and exists"));
                }
            }
            Answer::Ambiguous => report.ambiguous += 1,
            Answer::Acknowledged(key) => {
                report.acknowledged += 1;
                if !created.get(business.as_str()).is_some_and(|keys| keys.contains(key)) {
                    report.lost += 1;
                    report.find(format!("{business} was acknowledged as instance {key} and is lost"));
                    continue;
                }
                let Some(state) = states.get(&partition_of(*key)) else { continue };
                let completed = state.completed.contains(key);
                report.completed += usize::from(completed);
                if !completed && !state.active.contains_key(key) && !state.cancelled.contains(key) {
                    report.find(format!("{business} (instance {key}) is neither active nor completed"));
                }
                if world.ledger.completed.contains(key) {
                    if !completed {
                        report.lost += 1;
                        report.find(format!("the acknowledged completion of {business} (instance {key}) is lost"));
                    }
                    if world.ledger.side_effects.get(key).copied().unwrap_or(0) == 0 {
                        report.find(format!("{business} (instance {key}) completed without its side effect"));
                    }
                }
            }
        }
    }
}

fn stores(world: &World, truths: &BTreeMap<u32, Truth>, read: &Read, report: &mut Report) {
    // which exporter id means which store (namespace and Service), according to each running broker
    let mut targets: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut diverted = BTreeSet::new();
    for broker in world.zeebe.brokers.values() {
        for (id, url) in &broker.node.settings.exporters {
            let host = authority(url).map(|(host, _)| host).unwrap_or_default();
            let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
            let namespace = labels.get(1).copied().unwrap_or(broker.node.namespace.as_str()).to_owned();
            let target = (namespace, labels.first().copied().unwrap_or_default().to_owned());
            if broker.node.settings.diverted.contains(id) {
                diverted.insert((id.clone(), target.clone()));
            }
            targets.entry(id.clone()).or_default().insert(target);
        }
    }
    for (id, stores) in &targets {
        if stores.len() > 1 {
            report.find(format!("exporter {id} means the stores {stores:?}, depending on who leads"));
        }
        for target in stores {
            // it stands in for a lost store and begins in the middle: nothing is asked of it but to take what comes
            if diverted.contains(&(id.clone(), target.clone())) {
                continue;
            }
            let (namespace, service) = target;
            let Some((cluster, held)) = held(world, read, namespace, service) else {
                if truths.values().any(|truth| truth.exporters.get(id).is_some_and(|(_, enabled)| *enabled)) {
                    report.find(format!("exporter {id} is enabled and the store of {namespace} does not run"));
                }
                continue;
            };
            let mut compared = 0;
            for (partition, truth) in truths.iter().filter(|(_, truth)| truth.led) {
                let Some((upto, true)) = truth.exporters.get(id) else { continue };
                let earlier = read.upto.get(&(*partition, id.clone())).unwrap_or(upto);
                let upto = upto.min(earlier);
                let mut gaps = Vec::new();
                let mut known = BTreeSet::new();
                for record in truth
                    .entries
                    .iter()
                    .filter_map(|entry| entry.record.as_ref())
                    .filter(|record| record.kind == RecordType::Event)
                {
                    known.insert(record.position);
                    let keys =
                        held.get(&(u64::from(*partition), record.position)).map(Vec::as_slice).unwrap_or_default();
                    compared += keys.len();
                    match keys {
                        [] if record.position <= *upto => gaps.push(record.position),
                        [] => {}
                        [key] if *key == record.key => {}
                        [_] => {
                            report.foreign += 1;
                            report.find(format!(
                                "store of {namespace}: {partition}-{} is another record than in the log",
                                record.position
                            ));
                        }
                        _ => {
                            report.foreign += 1;
                            report.find(format!(
                                "store of {namespace}: {partition}-{} is there {} times",
                                record.position,
                                keys.len()
                            ));
                        }
                    }
                }
                if !gaps.is_empty() {
                    report.missing += gaps.len();
                    report.find(format!(
                        "store of {namespace}: partition {partition} lacks {} records up to {upto} that exporter {id} passed, first at {}",
                        gaps.len(),
                        gaps[0]
                    ));
                }
                let strange = held
                    .keys()
                    .filter(|(p, position)| *p == u64::from(*partition) && !known.contains(position))
                    .count();
                if strange > 0 {
                    report.foreign += strange;
                    report.find(format!(
                        "store of {namespace}: partition {partition} has {strange} records that no log has"
                    ));
                }
            }
            report.compared.insert(format!("{cluster}/{namespace}"), compared);
        }
    }
}

/// The store behind a Service.
fn store_of<'a>(world: &'a World, namespace: &str, service: &str) -> Option<(String, &'a Node)> {
    world.clusters.values().filter(|cluster| cluster.power.runs()).find_map(|cluster| {
        let service = cluster.store.get("Service", namespace, service)?;
        let backends = cluster.store.backends(&service);
        backends.iter().find_map(|pod| Some((pod.uid().to_owned(), world.stores.nodes.get(pod.uid())?)))
    })
}

/// Name of the cluster and documents of the store behind a Service, if there is one that runs.
fn held(world: &World, read: &Read, namespace: &str, service: &str) -> Option<(String, Held)> {
    if let Some(held) = read.stores.get(namespace) {
        return Some(("outside".into(), held.clone()));
    }
    let (pod, node) = store_of(world, namespace, service)?;
    let data = world.stores.data(&pod)?;
    let mut held = Held::new();
    for index in data.matching("zeebe-record*") {
        for document in data.indices[&index].docs.values() {
            let place = (document["partitionId"].as_u64().unwrap_or(0), document["position"].as_u64().unwrap_or(0));
            held.entry(place).or_default().push(document["key"].as_i64().unwrap_or(0));
        }
    }
    let cluster = world.clusters.get(&node.host.cluster).map(|cluster| cluster.name.clone()).unwrap_or_default();
    Some((cluster, held))
}
