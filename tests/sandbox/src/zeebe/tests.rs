//! The engine alone, on a network that is a set of cuts, in time that a loop makes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::changes::{plan_exporter, plan_force, plan_scale};
use super::commands::{Command, Outcome, Rejection, partition_of};
use super::exporting::{Document, Flush};
use super::{Engine, Node, Settings, Surroundings};
use crate::network::Host;
use crate::world::options::Options;

#[derive(Default)]
struct Fake {
    /// Clusters that no packet enters or leaves.
    cut: BTreeSet<String>,
    /// Stores that don't answer.
    down: BTreeSet<String>,
    /// Documents by store and `_id`.
    stores: BTreeMap<String, BTreeMap<String, Document>>,
    /// Stores keep what they get in flight.
    slow: bool,
    flying: Vec<(String, Vec<Document>)>,
}

impl Surroundings for Fake {
    fn linked(&self, one: &Node, other: &Node) -> bool {
        let (one, other) = (&one.host.cluster, &other.host.cluster);
        one == other || !(self.cut.contains(one) || self.cut.contains(other))
    }

    fn resolves(&self, _: &Node, _: &str) -> bool {
        true
    }

    fn export(&mut self, from: &Node, url: &str, documents: &[Document]) -> Flush {
        let from = &from.host.cluster;
        if self.down.contains(url) || (self.cut.contains(from) && !url.ends_with(from)) {
            return Flush::Refused("unreachable".into());
        }
        if self.slow {
            self.flying.push((url.to_owned(), documents.to_vec()));
            return Flush::UnderWay(self.flying.len() as u64 - 1);
        }
        let store = self.stores.entry(url.to_owned()).or_default();
        store.extend(documents.iter().map(|document| (document.id.clone(), document.clone())));
        Flush::Done
    }

    fn flushed(&mut self, ticket: u64) -> Flush {
        if self.slow {
            return Flush::UnderWay(ticket);
        }
        let (url, documents) = self.flying[ticket as usize].clone();
        let store = self.stores.entry(url).or_default();
        store.extend(documents.into_iter().map(|document| (document.id.clone(), document)));
        Flush::Done
    }
}

struct Bench {
    engine: Engine,
    fake: Fake,
    options: Options,
    now: Instant,
    size: u32,
    partitions: u32,
}

impl Bench {
    fn new(size: u32, partitions: u32) -> Self {
        let mut bench = Self {
            engine: Engine::default(),
            fake: Fake::default(),
            options: Options::default(),
            now: Instant::now(),
            size,
            partitions,
        };
        for id in 0..size {
            bench.start(id, &format!("disk-{id}"));
        }
        for region in 0..2 {
            let node = bench.node(region, "");
            bench.engine.start_gateway(&format!("gateway-{region}"), node);
        }
        bench.run(1500);
        bench
    }

    fn node(&self, region: u32, advertised: &str) -> Node {
        Node {
            key: advertised.to_owned(),
            host: Host { cluster: format!("r{region}"), ip: [10, 0, 0, 1].into() },
            namespace: format!("ns{region}"),
            pod: advertised.to_owned(),
            settings: Settings {
                diverted: BTreeSet::new(),
                cluster_size: self.size,
                partitions: self.partitions,
                replication_factor: 4,
                installation: "ns0,ns1".into(),
                advertised: advertised.to_owned(),
                exporters: (0..2).map(|r| (format!("elasticsearchregion{r}"), format!("http://es.r{r}"))).collect(),
                failure_timeout: Duration::from_millis(500),
                version: "8.7.2".into(),
            },
            since: self.now,
        }
    }

    fn start(&mut self, id: u32, disk: &str) {
        let node = self.node(id % 2, &format!("broker-{id}"));
        self.engine.start_broker(&format!("broker-{id}"), node, id, disk);
    }

    fn stop(&mut self, ids: &[u32]) {
        for id in ids {
            self.engine.stop(&format!("broker-{id}"));
        }
    }

    fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while self.now < end {
            self.now += Duration::from_millis(20);
            self.engine.advance(&mut self.fake, &self.options, self.now);
        }
    }

    fn create(&mut self, gateway: u32, business: &str) -> Result<i64, Rejection> {
        let ticket =
            self.engine.submit(&format!("gateway-{gateway}"), &Command::Create { business: business.to_owned() })?;
        self.run(60);
        match self.engine.outcome(ticket) {
            Outcome::Done(key) => Ok(key),
            other => panic!("{other:?}"),
        }
    }

    fn ids(&self, of: u32) -> BTreeSet<u32> {
        (0..self.size).filter(|id| id % 2 == of).collect()
    }

    fn change(&mut self, coordinator: u32, plan: impl Fn(&super::ClusterConfig) -> Vec<super::config::Operation>) {
        let pod = format!("broker-{coordinator}");
        let config = self.engine.config_of(&self.engine.brokers[&pod]).unwrap().clone();
        self.engine.begin_change(&pod, plan(&config), false).unwrap();
        for _ in 0..200 {
            self.run(100);
            if self.engine.config_of(&self.engine.brokers[&pod]).unwrap().pending.is_none() {
                return;
            }
        }
        panic!(
            "the change hangs: {:#}",
            self.engine.config_of(&self.engine.brokers[&pod]).unwrap().json()["pendingChange"]
        );
    }

    fn leaders(&self) -> usize {
        (1..=self.partitions)
            .filter(|p| self.engine.brokers.values().any(|b| b.roles.get(p).is_some_and(|role| role.leader.is_some())))
            .count()
    }
}

#[test]
fn eight_brokers_lead_eight_partitions_by_priority() {
    let mut bench = Bench::new(8, 8);
    assert_eq!(bench.leaders(), 8);
    let key = bench.create(0, "a").unwrap();
    assert!((1..=8).contains(&partition_of(key)));
    bench.engine.rebalance("gateway-0", bench.now);
    bench.run(600);
    for partition in 1..=8_u32 {
        // the first broker of the list has the highest priority
        assert_eq!(bench.engine.leader("gateway-0", partition), Some(format!("broker-{}", partition - 1).as_str()));
    }
    assert!(bench.engine.violations.found.is_empty(), "{:?}", bench.engine.violations.found);
}

#[test]
fn half_of_the_brokers_are_no_quorum_until_the_others_are_removed_by_force() {
    for lost in [0, 1] {
        let survivor = 1 - lost;
        let mut bench = Bench::new(8, 8);
        let key = bench.create(survivor, "before").unwrap();
        bench.stop(&bench.ids(lost).into_iter().collect::<Vec<_>>());
        bench.run(1000);
        assert_eq!(bench.leaders(), 0);
        assert_eq!(bench.create(survivor, "outage"), Err(Rejection::Exhausted));
        let keep = bench.ids(survivor);
        bench.change(survivor, |config| plan_force(config, &keep).unwrap());
        bench.change(survivor, |config| {
            plan_exporter(config, &format!("elasticsearchregion{lost}"), false, None).unwrap()
        });
        bench.run(500);
        assert_eq!(bench.leaders(), 8);
        bench.create(survivor, "after").unwrap();
        // what was promised before is still there
        let partition = partition_of(key);
        let leader = bench.engine.leader(&format!("gateway-{survivor}"), partition).unwrap().to_owned();
        assert!(bench.engine.leader_mut(&leader, partition).unwrap().state.active.contains_key(&key));

        // the lost ones come back on empty disks: no members until they are added
        for id in bench.ids(lost) {
            bench.start(id, &format!("new-{id}"));
        }
        bench.run(500);
        for id in bench.ids(lost) {
            assert!(!bench.engine.is_ready(&format!("broker-{id}")));
            assert_eq!(bench.engine.partitions_json(&format!("broker-{id}")), serde_json::json!({}));
        }
        let all: BTreeSet<u32> = (0..8).collect();
        bench.change(survivor, |config| plan_scale(config, &all, Some(4)).unwrap());
        bench.run(1000);
        for id in 0..8 {
            assert!(bench.engine.is_ready(&format!("broker-{id}")), "broker {id}");
        }
        bench.create(lost, "at home again").unwrap();
        assert!(bench.engine.violations.found.is_empty(), "{:?}", bench.engine.violations.found);
    }
}

#[test]
fn a_network_cut_stops_both_sides_and_heals() {
    let mut bench = Bench::new(4, 3);
    bench.fake.cut.insert("r1".into());
    bench.run(1000);
    assert_eq!(bench.leaders(), 0);
    bench.fake.cut.clear();
    bench.run(1000);
    assert_eq!(bench.leaders(), 3);
    bench.create(1, "healed").unwrap();
    assert!(bench.engine.violations.found.is_empty(), "{:?}", bench.engine.violations.found);
}

#[test]
fn exporters_go_together_repeat_after_a_change_of_leader_and_never_skip() {
    let mut bench = Bench::new(4, 1);
    for n in 0..5 {
        bench.create(0, &format!("a-{n}")).unwrap();
    }
    bench.run(500);
    bench.fake.down.insert("http://es.r1".into());
    for n in 0..20 {
        bench.create(0, &format!("b-{n}")).unwrap();
    }
    bench.run(500);
    let counts = |bench: &Bench| ["http://es.r0", "http://es.r1"].map(|url| bench.fake.stores[url].len());
    let [own, other] = counts(&bench);
    assert_eq!(other, 15);
    assert!(own < 75, "the blocked store holds the other one back: {own}");
    // the leader dies before it told anybody its positions: the next one begins earlier, and nothing is missing or doubled
    let leader = bench.engine.leader("gateway-0", 1).unwrap().to_owned();
    bench.engine.stop(&leader);
    bench.fake.down.clear();
    bench.run(1500);
    assert_eq!(counts(&bench), [75, 75]);
}

#[test]
fn pausing_lets_the_buffer_out_and_nothing_more() {
    let mut bench = Bench::new(4, 1);
    bench.options.bulk_delay = Duration::from_millis(400);
    bench.create(0, "a").unwrap();
    bench.engine.set_exporting("gateway-0", true).unwrap();
    assert!(bench.fake.stores.is_empty());
    bench.create(0, "b").unwrap();
    bench.run(1000);
    assert_eq!(bench.fake.stores["http://es.r0"].len(), 3, "what was handed out before the pause is flushed after it");
    bench.engine.set_exporting("gateway-0", false).unwrap();
    bench.run(1000);
    assert_eq!(bench.fake.stores["http://es.r0"].len(), 6);
    bench.stop(&[3]);
    bench.run(200);
    let refused = bench.engine.set_exporting("gateway-0", true).unwrap_err();
    assert!(refused.starts_with("Expected 4 members of partition 1 but found 3"), "{refused}");
}

#[test]
fn enabling_an_exporter_begins_where_its_source_stands() {
    let mut bench = Bench::new(4, 1);
    bench.change(0, |config| plan_exporter(config, "elasticsearchregion1", false, None).unwrap());
    for n in 0..3 {
        bench.create(0, &format!("a-{n}")).unwrap();
    }
    bench.run(500);
    bench
        .change(0, |config| plan_exporter(config, "elasticsearchregion1", true, Some("elasticsearchregion0")).unwrap());
    bench.create(0, "b").unwrap();
    bench.run(1000);
    assert_eq!(bench.fake.stores["http://es.r0"].len(), 12);
    assert_eq!(bench.fake.stores["http://es.r1"].len(), 3, "only what came after");
    let sequences = |url: &str| bench.fake.stores[url].values().map(|document| document.sequence).max();
    assert_eq!(sequences("http://es.r0"), sequences("http://es.r1"), "the sequence goes on as well");
    let config = bench.engine.gateways["gateway-0"].config.clone().unwrap();
    assert_eq!(plan_exporter(&config, "elasticsearchregion1", true, Some("nosuch")).unwrap_err().status, 400);
}

#[test]
fn the_world_keeps_up_at_full_size() {
    let mut bench = Bench::new(8, 8);
    for n in 0..200 {
        bench.engine.submit("gateway-0", &Command::Create { business: format!("n-{n}") }).unwrap();
    }
    bench.run(500);
    let start = Instant::now();
    bench.run(1000);
    let each = start.elapsed() / 50;
    assert!(each < Duration::from_millis(20), "a tick takes {each:?}, longer than the time it plays");
}

#[test]
fn a_flush_under_way_moves_no_position_and_is_repeated_by_the_next_leader() {
    let mut bench = Bench::new(4, 1);
    bench.fake.slow = true;
    bench.create(0, "a").unwrap();
    bench.run(1000);
    let positions = |bench: &Bench| -> Vec<u64> {
        let replicas = bench.engine.disks.values().filter_map(|disk| disk.replicas.get(&1));
        replicas.flat_map(|replica| replica.exporters.values()).map(|own| own.position).collect()
    };
    assert!(!bench.fake.flying.is_empty() && positions(&bench).iter().all(|position| *position == 0));
    // the leader dies before the store answers: another one writes the same documents again
    let leader = bench.engine.leader("gateway-0", 1).unwrap().to_owned();
    bench.engine.stop(&leader);
    bench.fake.slow = false;
    bench.run(2000);
    assert_eq!(bench.fake.stores["http://es.r0"].len(), 3, "creation, activation, job");
    assert!(positions(&bench).iter().any(|position| *position >= 4), "{:?}", positions(&bench));
}
