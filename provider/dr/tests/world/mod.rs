//! A very small world: enough of brokers, stores, fences and records that a wrong order of steps loses documents, splits the
//! cluster or never ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

mod temporary;

use c8_dr::{
    BrokerPod, Configuration, ExporterState, Exporting, Fence, FenceNote, Mode, Observation, Part, Phase, Record,
    RecordState, Replica, Seen, Snapshot, Step, Store, Sum, Topology, View, peer,
};

pub const SIZES: Topology = Topology { cluster_size: 8, partition_count: 8, replication_factor: 4 };

#[derive(Clone, Debug)]
pub struct World {
    pub alive: [bool; 2],
    pub uids: [String; 2],
    pub disks: BTreeMap<u32, String>,
    pub started: BTreeSet<u32>,
    pub members: BTreeSet<u32>,
    pub enabled: [bool; 2],
    pub paused: bool,
    pub log: i64,
    pub exported: [i64; 2],
    pub store: [BTreeSet<i64>; 2],
    pub snapshot: Option<(Snapshot, BTreeSet<i64>)>,
    pub fence: Fence,
    pub admits: [BTreeSet<u32>; 2],
    pub hold: [bool; 2],
    pub apps: [bool; 2],
    pub records: [Option<Record>; 2],
    pub time: i64,
    pub version: &'static str,
    /// Temporary brokers, as told and as they run.
    pub temporary: Option<temporary::Temporary>,
    /// Whether a region's brokers are told to export to the store that stands in.
    pub told: [bool; 2],
    /// Brokers of the regions (not temporary ones) that run as told so.
    pub diverted: BTreeSet<u32>,
    /// How much of the log each disk holds.
    pub held: BTreeMap<String, i64>,
    /// Disks made so far.
    pub made: u32,
}

impl World {
    /// Both regions installed, nothing started.
    pub fn new() -> Self {
        Self {
            alive: [true; 2],
            uids: ["zero-1".into(), "one-1".into()],
            disks: SIZES.all().into_iter().map(|id| (id, format!("disk-{id}-1"))).collect(),
            started: BTreeSet::new(),
            members: SIZES.all(),
            enabled: [true; 2],
            paused: false,
            log: 0,
            exported: [0; 2],
            store: Default::default(),
            snapshot: None,
            fence: Fence::default(),
            admits: [SIZES.brokers(1), SIZES.brokers(0)],
            hold: [false; 2],
            apps: [true; 2],
            records: [None, None],
            time: 1_000,
            version: "8.7.2",
            temporary: None,
            told: [false; 2],
            diverted: BTreeSet::new(),
            held: BTreeMap::new(),
            made: 0,
        }
    }

    /// The same, of a version without a cluster API.
    pub fn fixed() -> Self {
        Self { version: "8.2.25", ..Self::new() }
    }

    pub fn is_fixed(&self) -> bool {
        self.version != "8.7.2"
    }

    pub fn live(&self, id: u32) -> bool {
        self.alive[Topology::region_of(id) as usize] && self.started.contains(&id)
    }

    pub fn led(&self, partition: u32) -> bool {
        if self.is_fixed() {
            return self.led_by_voters(partition);
        }
        let replicas: Vec<u32> = SIZES.replicas(partition).into_iter().filter(|id| self.members.contains(id)).collect();
        let live = |region: Option<u32>| {
            replicas
                .iter()
                .filter(|id| self.live(**id) && region.is_none_or(|r| Topology::region_of(**id) == r))
                .count()
        };
        let most = if self.fence.brokers { live(Some(0)).max(live(Some(1))) } else { live(None) };
        !replicas.is_empty() && most > replicas.len() / 2
    }

    pub fn all_led(&self) -> bool {
        SIZES.partitions().all(|p| self.led(p))
    }

    /// Time passes: gates open, the engine works, exporters export.
    pub fn tick(&mut self) {
        self.time += 1;
        for id in SIZES.all() {
            let region = Topology::region_of(id);
            if self.alive[region as usize]
                && !self.hold[region as usize]
                && self.admits[peer(region) as usize].contains(&id)
            {
                self.started.insert(id);
            }
        }
        if self.is_fixed() {
            return self.tick_fixed();
        }
        if self.all_led() {
            self.log += 1;
        }
        if !self.paused && self.all_led() {
            for region in 0..2 {
                let reachable = self.alive[region] && !(self.fence.store && region == self.lost().unwrap_or(9));
                if self.enabled[region] && reachable {
                    for position in self.exported[region] + 1..=self.log {
                        self.store[region].insert(position);
                    }
                    self.exported[region] = self.log;
                }
            }
        }
    }

    fn lost(&self) -> Option<usize> {
        self.newest().and_then(|r| r.lost).map(|l| l as usize)
    }

    pub fn lose(&mut self, region: u32) {
        self.alive[region as usize] = false;
        self.diverted.retain(|id| Topology::region_of(*id) != region);
        self.started.retain(|id| Topology::region_of(*id) != region);
    }

    /// The region comes back as it was.
    pub fn bring_back(&mut self, region: u32) {
        self.alive[region as usize] = true;
        if !self.fence.brokers {
            self.started.extend(SIZES.brokers(region));
        }
    }

    /// The region is replaced by an empty one that holds.
    pub fn rebuild(&mut self, region: u32) {
        let r = region as usize;
        self.alive[r] = true;
        self.uids[r] = format!("{}-2", self.uids[r]);
        for id in SIZES.brokers(region) {
            self.disks.insert(id, format!("disk-{id}-2"));
            self.started.remove(&id);
        }
        self.hold[r] = true;
        self.apps[r] = false;
        self.records[r] = None;
        self.admits[r].clear();
        self.store[r].clear();
        self.told[r] = false;
        self.diverted.retain(|id| Topology::region_of(*id) != region);
    }

    fn newest(&self) -> Option<&Record> {
        self.records.iter().flatten().max_by_key(|r| (r.epoch, r.revision))
    }

    fn write(&mut self, region: u32, record: &Record) {
        if self.alive[region as usize] {
            self.records[region as usize] = Some(record.clone());
        }
    }

    fn record(&self, change: impl Fn(&mut Record)) -> Record {
        let mut record = self.newest().cloned().unwrap_or_default();
        record.revision += 1;
        record.sizes = Some(SIZES);
        change(&mut record);
        record
    }

    pub fn observe(&self) -> Observation {
        let mut o = Observation { at: self.time, sizes: Some(SIZES), ..Default::default() };
        o.fence = Part::Known(self.fence);
        for id in 0..2u32 {
            let r = id as usize;
            let alive = self.alive[r];
            let region = o.region_mut(id);
            region.id = id;
            region.namespace = ["ns-zero", "ns-one"][r].into();
            region.cluster = format!("cluster-{id}");
            region.ranges = vec![format!("10.{}.0.0/16", id + 1)];
            if !alive {
                let why = || "no answer within 10 s".to_owned();
                region.api = Part::Unreachable(why());
                region.record = Part::Unreachable(why());
                region.view = Part::Unreachable(why());
                region.configuration = Part::Unreachable(why());
                region.exporting = Part::Unreachable(why());
                region.store = Part::Unreachable(why());
                continue;
            }
            region.version = Some(self.version.into());
            region.api = Part::Known(self.uids[r].clone());
            region.record = self.records[r].clone().map_or(Part::Absent, Part::Known);
            region.mode = Some(Mode { mode: "normal".into(), hold: self.hold[r], web_apps: self.apps[r] });
            region.web_apps_running = Some(self.apps[r]);
            region.admits = self.admits[r].clone();
            for broker in SIZES.brokers(id) {
                region.disks.insert(broker, self.disks[&broker].clone());
                let running = self.started.contains(&broker);
                region.pods.push(BrokerPod { id: broker, running, ready: running, waiting: !running });
            }
            let mut led = BTreeSet::new();
            let mut view = View { cluster_size: self.members.len() as u32, partition_count: 8, ..Default::default() };
            let sees = |broker: u32| self.live(broker) && (Topology::region_of(broker) == id || !self.fence.brokers);
            for broker in SIZES.all().into_iter().filter(|b| sees(*b)) {
                let mut seen = Seen {
                    host: format!("b.{}.svc", ["ns-zero", "ns-one"][(broker % 2) as usize]),
                    ..Default::default()
                };
                for partition in SIZES.partitions() {
                    if self.members.contains(&broker) && SIZES.replicas(partition).contains(&broker) {
                        let leader = self.led(partition) && led.insert(partition);
                        seen.partitions.insert(partition, Replica { leader, healthy: true });
                    }
                }
                view.brokers.insert(broker, seen);
            }
            let coordinator = self.members.first().copied().is_some_and(|c| self.live(c));
            region.view = Part::Known(view);
            region.configuration = if coordinator {
                let state = |on: bool| if on { ExporterState::Enabled } else { ExporterState::Disabled };
                Part::Known(Configuration {
                    members: self.members.clone(),
                    replicas: SIZES
                        .partitions()
                        .map(|p| (p, SIZES.replicas(p).intersection(&self.members).copied().collect()))
                        .collect(),
                    exporters: (0..2).map(|r| (format!("elasticsearchregion{r}"), state(self.enabled[r]))).collect(),
                    pending: None,
                })
            } else {
                Part::Unreachable("502".into())
            };
            let phase = match (self.started.iter().any(|b| Topology::region_of(*b) == id), self.paused) {
                (false, _) => Phase::Unknown,
                (true, true) => Phase::Paused,
                (true, false) => Phase::Exporting,
            };
            region.exporting = Part::Known(Exporting {
                phase,
                positions: if phase == Phase::Unknown {
                    BTreeMap::new()
                } else {
                    BTreeMap::from([(1, self.exported[r])])
                },
            });
            let set = &self.store[r];
            region.store = Part::Known(Store {
                healthy: true,
                indices: if set.is_empty() {
                    BTreeMap::new()
                } else {
                    BTreeMap::from([("zeebe-record".into(), set.len() as u64)])
                },
                partitions: if set.is_empty() {
                    BTreeMap::new()
                } else {
                    BTreeMap::from([(
                        1,
                        Sum {
                            count: set.len() as u64,
                            min: *set.first().unwrap(),
                            max: *set.last().unwrap(),
                            sum: set.iter().sum::<i64>().to_string(),
                        },
                    )])
                },
                snapshot: None,
            });
        }
        if self.is_fixed() {
            self.observe_fixed(&mut o);
        }
        if let (Some((snapshot, _)), Some(lost)) = (&self.snapshot, self.lost())
            && let Part::Known(store) = &mut o.region_mut(peer(lost as u32)).store
        {
            store.snapshot = Some(snapshot.clone());
        }
        o
    }

    /// Does the first `until` parts of a step; `true` if it was done completely.
    pub fn act(&mut self, step: &Step, until: usize) -> bool {
        let parts = parts(step, self);
        let count = parts.len();
        for part in parts.into_iter().take(until) {
            part(self);
            self.tick();
        }
        until >= count
    }
}

type Action = Box<dyn Fn(&mut World)>;

fn part(action: impl Fn(&mut World) + 'static) -> Action {
    Box::new(action)
}

fn write_both(survivor: u32, change: impl Fn(&World, &mut Record) + 'static) -> Vec<Action> {
    let first = part(move |w: &mut World| {
        let world = w.clone();
        let record = w.record(|r| change(&world, r));
        w.write(survivor, &record);
    });
    let copy = part(move |w: &mut World| {
        if let Some(record) = w.newest().cloned() {
            w.write(peer(survivor), &record);
        }
    });
    vec![first, copy]
}

#[allow(clippy::too_many_lines)]
fn parts(step: &Step, world: &World) -> Vec<Action> {
    match step.clone() {
        Step::Claim { lost, epoch } => write_both(peer(lost), move |_, r| {
            r.epoch = epoch;
            r.lost = Some(lost);
            r.state = RecordState::FailingOver;
            r.fence = FenceNote::None;
        }),
        Step::Fence { lost } => {
            let mut all = vec![
                part(|w| {
                    w.fence.any = true;
                    w.fence.brokers = true;
                }),
                part(|w| w.fence.store = true),
            ];
            all.extend(write_both(peer(lost), |_, r| r.fence = FenceNote::Unproven));
            all
        }
        Step::Withdraw { brokers } => brokers
            .into_iter()
            .map(|id| {
                part(move |w| {
                    w.admits[peer(id % 2) as usize].remove(&id);
                })
            })
            .collect(),
        Step::Divert { .. }
        | Step::StartTemporary { .. }
        | Step::DivertRebuilt { .. }
        | Step::CatchUp { .. }
        | Step::PointBack { .. }
        | Step::StopTemporary { .. }
        | Step::DeleteTemporary { .. } => temporary::parts(step, world),
        Step::VerifyFailOver { lost } if world.is_fixed() => write_both(peer(lost), |w, r| {
            r.state = RecordState::FailedOver;
            r.proven.extend(w.temporary.as_ref().map(|t| t.disks.clone()).unwrap_or_default());
        }),
        Step::ForceRemove { lost } => vec![part(move |w| w.members = SIZES.brokers(peer(lost)))],
        Step::DisableExporter { lost } => vec![part(move |w| w.enabled[lost as usize] = false)],
        Step::ResumeSurvivor { lost } => {
            vec![part(|w| w.paused = false), part(move |w| w.apps[peer(lost) as usize] = true)]
        }
        Step::Resume { .. } => vec![part(|w| w.paused = false)],
        Step::VerifyFailOver { lost } => write_both(peer(lost), |_, r| r.state = RecordState::FailedOver),
        Step::CheckRebuilt { .. } | Step::AwaitHealthy => vec![part(|_| ())],
        Step::WebAppsOff => vec![part(|w| w.apps[0] = false), part(|w| w.apps[1] = false)],
        Step::WebAppsOn => vec![part(|w| w.apps[0] = true), part(|w| w.apps[1] = true)],
        Step::LiftFence { lost } => {
            let mut all = vec![part(|w| {
                w.fence.any = false;
                w.fence.brokers = false;
                // a region that came back waits behind the fence with its old disks
                for region in 0..2 {
                    if w.alive[region] && !w.hold[region] && w.uids[region].ends_with("-1") {
                        w.started.extend(SIZES.brokers(region as u32));
                    }
                }
            })];
            all.extend(write_both(peer(lost), |_, r| r.fence = FenceNote::Lifted));
            all
        }
        Step::Pause { .. } => vec![part(|w| w.paused = true)],
        Step::Snapshot { lost } => vec![part(move |w| {
            let s = peer(lost) as usize;
            let epoch = w.newest().map_or(0, |r| r.epoch);
            let positions = BTreeMap::from([(1, w.exported[s])]);
            w.snapshot = Some((Snapshot { name: "s".into(), epoch, positions }, w.store[s].clone()));
        })],
        Step::Restore { lost } => vec![
            part(move |w| w.store[lost as usize].clear()),
            part(move |w| w.store[lost as usize] = w.snapshot.clone().unwrap().1),
        ],
        Step::LiftStoreFence { .. } => vec![part(|w| w.fence.store = false)],
        Step::EnableExporter { lost } => {
            let mut all = write_both(peer(lost), |_, r| r.state = RecordState::FailingBack);
            all.push(part(move |w| {
                w.enabled[lost as usize] = true;
                w.exported[lost as usize] = w.exported[peer(lost) as usize];
            }));
            all
        }
        Step::OpenGates { region } => vec![part(move |w| w.hold[region as usize] = false)],
        Step::Admit { brokers } => brokers
            .into_iter()
            .map(|id| {
                part(move |w| {
                    w.admits[peer(id % 2) as usize].insert(id);
                })
            })
            .collect(),
        Step::AddBrokers { .. } => vec![part(|w| w.members = SIZES.all())],
        Step::RecordHealthy => write_both(0, |w, r| {
            r.state = RecordState::Healthy;
            r.lost = None;
            r.fence = FenceNote::None;
            r.cluster_uids = BTreeMap::from([(0, w.uids[0].clone()), (1, w.uids[1].clone())]);
            r.disks = w.disks.clone();
            r.proven.clear();
            r.last_healthy = Some(w.time);
        }),
    }
}
