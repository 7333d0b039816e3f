//! The world before there was a cluster API: fixed members, temporary brokers, a store that stands in for a lost one.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use c8_dr::{BrokerPod, Exporting, Observation, Part, Phase, RecordState, Replica, Seen, Step, Topology, peer};

use super::{Action, SIZES, World, part, write_both};

#[derive(Clone, Debug, Default)]
pub struct Temporary {
    pub region: u32,
    pub replicas: u32,
    pub disks: BTreeMap<u32, String>,
    pub running: BTreeSet<u32>,
    pub told: bool,
    pub diverted: BTreeSet<u32>,
}

/// A running broker: id, region in which it runs, disk, temporary or not.
type Carrier = (u32, u32, String, bool);

impl World {
    fn carriers(&self) -> Vec<Carrier> {
        let own = SIZES.all().into_iter().filter(|id| self.live(*id));
        let mut all: Vec<Carrier> =
            own.map(|id| (id, Topology::region_of(id), self.disks[&id].clone(), false)).collect();
        if let Some(temporary) = self.temporary.as_ref().filter(|t| self.alive[t.region as usize]) {
            all.extend(temporary.running.iter().map(|id| (*id, temporary.region, temporary.disks[id].clone(), true)));
        }
        all
    }

    fn voters(&self, partition: u32) -> Vec<Carrier> {
        let replicas = SIZES.replicas(partition);
        let all: Vec<Carrier> = self.carriers().into_iter().filter(|(id, ..)| replicas.contains(id)).collect();
        if !self.fence.brokers {
            return all;
        }
        let of = |region: u32| all.iter().filter(|(_, r, ..)| *r == region).cloned().collect::<Vec<_>>();
        let (zero, one) = (of(0), of(1));
        if zero.len() >= one.len() { zero } else { one }
    }

    pub fn led_by_voters(&self, partition: u32) -> bool {
        self.voters(partition).len() >= 3
    }

    pub fn tick_fixed(&mut self) {
        let carriers = self.carriers();
        for (index, (id, region, ..)) in carriers.iter().enumerate() {
            let twin = carriers[index + 1..].iter().find(|(other, ..)| other == id);
            assert!(twin.is_none_or(|(_, r, ..)| self.fence.brokers && r != region), "two brokers with id {id} live");
        }
        if self.all_led() {
            for partition in SIZES.partitions() {
                let held = self
                    .voters(partition)
                    .iter()
                    .map(|(_, _, disk, _)| self.held.get(disk).copied().unwrap_or(0))
                    .max();
                assert_eq!(
                    held.unwrap(),
                    self.log,
                    "partition {partition} elected a leader that lacks what was promised"
                );
            }
            self.log += 1;
            let holders: Vec<String> =
                SIZES.partitions().flat_map(|p| self.voters(p)).map(|(_, _, disk, _)| disk).collect();
            for disk in holders {
                self.held.insert(disk, self.log);
            }
            if !self.paused {
                self.export_fixed(&carriers);
            }
        }
    }

    fn export_fixed(&mut self, carriers: &[Carrier]) {
        let lost = self.lost_or_told();
        let strays = carriers.iter().any(|(id, _, _, temporary)| {
            if *temporary { self.temporary.as_ref().unwrap().diverted.contains(id) } else { self.diverted.contains(id) }
        });
        let fenced = self.fence.store;
        let reachable = |region: usize| self.alive[region] && !(fenced && Some(region) == lost);
        // one exporter that fails stops the others of its partition
        let blocked = !reachable(0) || !reachable(1);
        if blocked && !strays {
            return;
        }
        for region in 0..2 {
            for position in self.exported[region] + 1..=self.log {
                // whoever leads may be one that was told to export elsewhere: then this store lacks the record
                if !(strays && Some(region) == lost) {
                    self.store[region].insert(position);
                }
            }
            self.exported[region] = self.log;
        }
    }

    fn lost_or_told(&self) -> Option<usize> {
        self.lost()
    }

    pub fn observe_fixed(&self, o: &mut Observation) {
        for id in 0..2u32 {
            let r = id as usize;
            if !self.alive[r] {
                continue;
            }
            let lost = self.lost_or_told().unwrap_or(1) as u32;
            let sees = |carrier: &Carrier| carrier.1 == id || !self.fence.brokers;
            let seen: Vec<Carrier> = self.carriers().into_iter().filter(sees).collect();
            let mut led = BTreeSet::new();
            let region = o.region_mut(id);
            region.configuration = Part::Unreachable("404".into());
            let Part::Known(view) = &mut region.view else { continue };
            view.brokers.clear();
            for (broker, home, _, temporary) in &seen {
                let name = if *temporary { "temporary" } else { "b" };
                let host = format!("{name}.{}.svc", ["ns-zero", "ns-one"][*home as usize]);
                let mut listed = Seen { host, ..Default::default() };
                for partition in SIZES.partitions().filter(|p| SIZES.replicas(*p).contains(broker)) {
                    let leader = self.led(partition) && led.insert(partition);
                    listed.partitions.insert(partition, Replica { leader, healthy: true });
                }
                view.brokers.insert(*broker, listed);
            }
            let phase = match (self.carriers().is_empty(), self.paused) {
                (true, _) => Phase::Unknown,
                (_, true) => Phase::Paused,
                (_, false) => Phase::Exporting,
            };
            let positions = BTreeMap::from([(1, self.exported[0].min(self.exported[1]))]);
            region.exporting = Part::Known(Exporting { phase, positions });
            if self.told[r] {
                region.diverted.insert(lost);
            }
            region.stale = SIZES
                .brokers(id)
                .into_iter()
                .filter(|b| self.started.contains(b) && self.diverted.contains(b) != self.told[r])
                .collect();
            region.temporary = self.temporary.as_ref().filter(|t| t.region == id).map(|t| c8_dr::Temporary {
                replicas: t.replicas,
                pods: t
                    .running
                    .iter()
                    .map(|id| BrokerPod { id: *id, running: true, ready: true, waiting: false })
                    .collect(),
                disks: t.disks.clone(),
                diverted: t.told.then_some(lost).into_iter().collect(),
                stale: t.running.iter().filter(|id| t.diverted.contains(id) != t.told).copied().collect(),
                store: true,
            });
        }
    }

    fn restart_own(&mut self, id: u32) {
        if self.told[Topology::region_of(id) as usize] {
            self.diverted.insert(id);
        } else {
            self.diverted.remove(&id);
        }
    }
}

pub fn parts(step: &Step, world: &World) -> Vec<Action> {
    match step.clone() {
        Step::Divert { lost } => {
            let survivor = peer(lost);
            let mut all = vec![
                part(move |w| {
                    w.temporary.get_or_insert_with(Temporary::default).region = survivor;
                }),
                part(move |w| w.told[survivor as usize] = true),
            ];
            for id in SIZES.brokers(survivor) {
                all.push(part(move |w| w.restart_own(id)));
            }
            all.push(part(|w| {
                if let Some(t) = w.temporary.as_mut().filter(|t| t.replicas > 0) {
                    t.told = true;
                    t.diverted = t.running.clone();
                }
            }));
            all
        }
        Step::StartTemporary { lost } => {
            let mut all = vec![part(move |w| {
                let t = w.temporary.as_mut().unwrap();
                t.replicas = 2;
                t.told = true;
                for id in SIZES.temporary(lost) {
                    t.disks.entry(id).or_insert_with(|| {
                        w.made += 1;
                        format!("temporary-{id}-{}", w.made)
                    });
                }
            })];
            for id in SIZES.temporary(lost) {
                all.push(part(move |w| {
                    let t = w.temporary.as_mut().unwrap();
                    t.running.insert(id);
                    t.diverted.insert(id);
                }));
            }
            all
        }
        Step::DivertRebuilt { lost } => vec![part(move |w| {
            w.told[lost as usize] = true;
            for id in SIZES.brokers(lost) {
                w.diverted.insert(id);
            }
        })],
        Step::CatchUp { brokers } => {
            let survivor = peer(Topology::region_of(brokers[0]));
            let mut all = vec![part(|_| ())];
            all.extend(write_both(survivor, move |w, r| {
                for id in &brokers {
                    assert_eq!(w.held.get(&w.disks[id]), Some(&w.log), "broker {id} has not caught up");
                    r.proven.insert(*id, w.disks[id].clone());
                }
            }));
            all
        }
        Step::PointBack { lost } => {
            let survivor = peer(lost);
            let undo = world.newest().is_some_and(|r| r.state == RecordState::FailingOver);
            let mut all =
                if undo { Vec::new() } else { write_both(survivor, |_, r| r.state = RecordState::FailingBack) };
            all.push(part(move |w| w.told = [false; 2]));
            for id in SIZES.all() {
                all.push(part(move |w| w.restart_own(id)));
            }
            all.push(part(|w| {
                if let Some(t) = w.temporary.as_mut() {
                    t.told = false;
                    t.diverted.clear();
                }
            }));
            all
        }
        Step::StopTemporary { .. } => vec![part(|w| {
            let t = w.temporary.as_mut().unwrap();
            t.replicas = 0;
            t.running.clear();
            t.diverted.clear();
        })],
        Step::DeleteTemporary { .. } => vec![part(|w| {
            assert!(
                w.newest().is_some_and(|r| r.state == RecordState::FailingOver) || w.all_led(),
                "nobody leads without the temporary brokers"
            );
            w.temporary = None;
        })],
        _ => unreachable!(),
    }
}
