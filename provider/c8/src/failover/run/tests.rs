//! One apply on a world with two clusters and no brokers: who may change something, and what is written where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::Arc,
    time::{Duration, Instant as Clock},
};

use c8_clients::{
    gcp::NewCluster,
    kubernetes::{Apply, CONFIG_MAP, LEASE},
};
use c8_sandbox::{Options, Sandbox, world::faults::FaultSpec};
use c8_schemas::{ProviderConfig, RegionRef, provider::Endpoints};
use rstest::rstest;
use serde_json::{Value, json};
use terraform_plugin::{Attr, Provider, Secret};

use super::*;
use crate::{
    agreement::Agreement,
    failover::{claim, record as dr},
    provider::C8Provider,
};

const CLUSTERS: [&str; 2] = ["camunda-zero", "camunda-one"];
const NAMESPACES: [&str; 2] = ["ns-zero", "ns-one"];
const GROUP: &str = "g";

/// Two empty clusters with a namespace each.
struct World {
    sandbox: Sandbox,
    ctx: Context<C8>,
    installation: Installation,
}

fn text(value: impl Into<String>) -> Attr<String> {
    Attr::Known(value.into())
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let of = sandbox.endpoints();
        let config = ProviderConfig {
            project: text("sandbox"),
            credentials: Attr::Known(Secret::new(sandbox.credentials_path().display().to_string())),
            endpoints: Some(Endpoints {
                container: text(of.container),
                compute: text(of.compute),
                storage: text(of.storage),
                iam: text(of.iam),
            }),
            ..ProviderConfig::default()
        };
        let client = C8Provider::new(Agreement::default()).configure(config, "").await.unwrap();
        let ctx = Context::new(Arc::new(client), Duration::from_secs(60));
        let reference = |id: usize| RegionRef {
            region_id: Attr::Known(i64::from(id != 0)),
            group: text(GROUP),
            location: text("europe-west1-b"),
            cluster: text(CLUSTERS[id]),
            namespace: text(NAMESPACES[id]),
            ..RegionRef::default()
        };
        let regions = Attr::Known(vec![Attr::Known(reference(0)), Attr::Known(reference(1))]);
        let installation = Installation::resolve(&regions, Some("sandbox")).unwrap();
        let wait = crate::provider::wait(&ctx);
        for id in 0..2 {
            let clusters = ctx.client.gcp().clusters();
            let new = NewCluster {
                project: "sandbox".into(),
                location: "europe-west1-b".into(),
                name: CLUSTERS[id].into(),
                owner: GROUP.into(),
                machine_type: "n2-standard-8".into(),
                min_nodes: 1,
                max_nodes: 3,
                disk_type: None,
                disk_size_gb: None,
                spot: false,
                release_channel: None,
                network: None,
                subnetwork: None,
            };
            let operation = clusters.create(&new).await.unwrap();
            clusters.finished(&operation, &wait).await.unwrap();
            let alive = loop {
                match ctx.client.look(&installation.regions[id].place).await {
                    Reach::Alive(alive) => break alive,
                    other => wait.pause(Duration::from_millis(50)).await.unwrap_or_else(|_| panic!("{other:?}")),
                }
            };
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACES[id]}});
            alive.kubernetes.apply(&namespace, Apply::by("test")).await.unwrap();
        }
        Self { sandbox, ctx, installation }
    }

    async fn run(&self) -> Run<'_> {
        Run::start(&self.ctx, &self.installation, None, None).await
    }

    fn fault(&self, pattern: &str, action: &str, status: u16) {
        let spec = json!({"match": pattern, "times": 1_000_000, "action": action, "status": status});
        self.sandbox.shared().lock().faults.push(serde_json::from_value::<FaultSpec>(spec).unwrap());
    }

    /// Calls that change something, but for the Lease, since the last time.
    fn changes(&self) -> Vec<String> {
        let mut world = self.sandbox.shared().lock();
        let calls: Vec<Value> = world.calls.drain(..).map(|call| json!(call)).collect();
        let text = |call: &Value| format!("{} {}", call["method"].as_str().unwrap(), call["path"].as_str().unwrap());
        let changes = calls.iter().map(text).filter(|call| {
            !call.starts_with("GET ")
                && !call.contains("/leases")
                && !call.contains("/token")
                && !call.contains("portforward")
        });
        changes.collect()
    }

    async fn put_record(&self, run: &Run<'_>, region: u8, text: &str) {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": record::NAME, "namespace": NAMESPACES[usize::from(region)]}, "data": {record::KEY: text}});
        let kubernetes = run.kubernetes(u32::from(region)).unwrap();
        kubernetes.apply(&manifest, Apply::by("test").forced()).await.unwrap();
    }

    async fn epoch(&self, run: &Run<'_>, region: u8) -> Option<u64> {
        let map = CONFIG_MAP.named(NAMESPACES[usize::from(region)], record::NAME);
        let map = run.kubernetes(u32::from(region)).unwrap().find(&map).await.unwrap()?;
        Some(record::Record::parse(map["data"][record::KEY].as_str().unwrap()).ok()?.epoch)
    }
}

/// Somebody else takes the Lease, as after a minute in which this process stood still.
async fn steal(run: &Run<'_>, region: u32) {
    let lease = LEASE.named(&run.at(region).namespace, record::NAME);
    let patch = json!({"spec": {"holderIdentity": "somebody else"}});
    run.kubernetes(region).unwrap().merge_patch(&lease, &patch, "test").await.unwrap();
}

/// Whoever lost the Lease changes nothing more, whatever step it is in.
#[rstest]
#[case::fence(Step::Fence { lost: 1 })]
#[case::lift(Step::LiftFence { lost: 1 })]
#[case::lift_store(Step::LiftStoreFence { lost: 1 })]
#[case::withdraw(Step::Withdraw { brokers: vec![1, 3] })]
#[case::admit(Step::Admit { brokers: vec![1, 3] })]
#[case::gates(Step::OpenGates { region: 0 })]
#[case::apps_off(Step::WebAppsOff)]
#[case::apps_on(Step::WebAppsOn)]
#[case::record(Step::RecordHealthy)]
#[tokio::test(flavor = "multi_thread")]
async fn a_step_without_the_lease_changes_nothing(#[case] step: Step) {
    let world = World::start().await;
    let mut run = world.run().await;
    run.acquire_lease(0).await.unwrap();
    steal(&run, 0).await;
    world.changes();
    let fault = run.perform(&step).await.unwrap_err().to_string();
    assert!(fault.contains("somebody else"), "{fault}");
    assert_eq!(world.changes(), [""; 0]);
}

/// And the same steps do change something while the Lease is held: else the test above would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_with_the_lease_changes_something() {
    let world = World::start().await;
    let mut run = world.run().await;
    run.acquire_lease(0).await.unwrap();
    for step in [
        Step::Admit { brokers: vec![1] },
        Step::OpenGates { region: 0 },
        Step::Withdraw { brokers: vec![1] },
        Step::RecordHealthy,
    ] {
        world.changes();
        run.perform(&step).await.unwrap();
        assert_ne!(world.changes(), [""; 0], "{step:?}");
    }
    run.release().await;
    // it is free again for the next one, at once
    let before = Clock::now();
    world.run().await.acquire_lease(0).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

/// A second operator waits, and says for whom.
#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_held_by_one() {
    let world = World::start().await;
    let mut first = world.run().await;
    first.acquire_lease(0).await.unwrap();
    let mut second = world.run().await;
    second.wait = second.wait.within(Duration::from_secs(2));
    let fault = second.acquire_lease(0).await.unwrap_err().to_string();
    assert!(fault.contains("Another operator changes this installation"), "{fault}");
    assert!(fault.contains("terraform-provider-c8/"), "{fault}");
}

/// The record of the region that decides is what counts; the peer's is written over, and the user told.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_whose_record_can_not_be_read_is_no_hindrance() {
    let world = World::start().await;
    let run = world.run().await;
    world.put_record(&run, 0, r#"{"group":"g","epoch":3,"revision":7,"state":"healthy"}"#).await;
    world.put_record(&run, 1, "no record at all").await;
    let living = run.living(0);
    let (written, warnings) = dr::write(&world.installation, &living, |record| record.epoch += 1).await.unwrap();
    assert_eq!((written.epoch, written.revision), (4, 8));
    assert!(warnings.len() == 1 && warnings[0].contains("region 1 can't be read"), "{warnings:?}");
    assert_eq!((world.epoch(&run, 0).await, world.epoch(&run, 1).await), (Some(4), Some(4)));

    // it can't be asked at all
    world.fault("* camunda-one/api/v1/namespaces/ns-one/configmaps", "error", 500);
    let (_, warnings) = dr::write(&world.installation, &living, |record| record.epoch += 1).await.unwrap();
    assert!(warnings.iter().any(|warning| warning.contains("could not be copied to region 1")), "{warnings:?}");
    assert_eq!(world.epoch(&run, 0).await, Some(5));
}

/// Where no record can be read, but one may be, nothing is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_may_be_the_only_one_is_not_ignored() {
    let world = World::start().await;
    let run = world.run().await;
    world.put_record(&run, 1, "no record at all").await;
    let fault = dr::write(&world.installation, &run.living(0), |_| ()).await.unwrap_err().to_string();
    assert!(fault.contains("The DR record can't be read"), "{fault}");
    assert_eq!(world.epoch(&run, 0).await, None);
}

/// Of two that take a decision one wins; the other is told, and whoever took the same one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_taken_once() {
    let world = World::start().await;
    let rules = world.ctx.client.gcp().firewalls("sandbox");
    let wait = crate::provider::wait(&world.ctx);
    let first = claim::take(&rules, "default", GROUP, 4, 1, &wait).await.unwrap();
    // the name is taken, and the rule is not there yet for who reads it
    {
        let spec = json!({"match": "GET /firewalls/c8-claim", "times": 1, "action": "error", "status": 404});
        world.sandbox.shared().lock().faults.push(serde_json::from_value::<FaultSpec>(spec).unwrap());
    }
    let again = claim::take(&rules, "default", GROUP, 4, 1, &wait).await.unwrap();
    assert_eq!(again, first, "the decision is the first one's, nonce and all");
    let other = claim::take(&rules, "default", GROUP, 4, 0, &wait).await.unwrap_err().to_string();
    assert!(other.contains("region 1 was given up in epoch 4"), "{other}");
    let found = claim::newest(&rules.list(&claim::prefix(GROUP)).await.unwrap(), GROUP).unwrap();
    assert_eq!((found.epoch, found.lost), (4, 1));
}

/// What hangs is unreachable, after a while; nobody waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_what_hangs_ends() {
    let world = World::start().await;
    let reach = world.ctx.client.look_at_both(&world.installation).await;
    let delay = json!({"match": "* /namespaces/ns-one/", "times": 1_000_000, "action": "delay", "ms": 120_000});
    world.sandbox.shared().lock().faults.push(serde_json::from_value::<FaultSpec>(delay).unwrap());
    let before = Clock::now();
    let seen = observe(&world.ctx.client, &world.installation, &reach, None, Depth::refresh(false, None)).await;
    assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
    let one = seen.observation.region(1);
    assert!(one.api.is_known() && one.unread.is_some(), "it answers, but says nothing: {one:?}");
    assert_eq!(seen.observation.region(0).unread, None);
}
