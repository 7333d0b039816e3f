//! The audit is worth something only if it fails when it must: each test leaves out or misplaces one step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use c8_sandbox::audit::Report;
use c8_sandbox::{Options, Power};
use support::{Regions, drain, led};

fn assert_finds(audit: &Report, words: &str) {
    assert!(!audit.ok, "the audit found nothing");
    assert!(audit.findings.iter().any(|finding| finding.contains(words)), "no finding with {words:?}: {audit:#?}");
}

/// Region 1 crashed, region 0 took over, region 1 is a new cluster.
async fn failed_over() -> Regions {
    let mut regions = Regions::start().await;
    regions.work(20).await;
    regions.with(|world| world.set_power("camunda-one", Power::Lost { hang: false }));
    regions.fence(0);
    regions.until("no partition is led", |world| !led(world, 1) && !led(world, 2) && !led(world, 3)).await;
    regions.fail_over().await;
    regions.work(10).await;
    regions.rebuild().await;
    regions
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fence_and_the_lost_region_lives() {
    let regions = Regions::start().await;
    regions.work(10).await;
    regions.with(|world| world.set_power("camunda-one", Power::Isolated));
    regions.until("no partition is led", |world| !led(world, 1) && !led(world, 2) && !led(world, 3)).await;
    regions.fail_over().await;
    regions.work(5).await;
    regions.with(|world| world.set_power("camunda-one", Power::Up));
    assert_finds(&regions.audit().await, "it is not fenced");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pause() {
    let regions = failed_over().await;
    drain().await;
    regions.copy_store().await;
    // exporting went on: what came after the snapshot is skipped in region 1
    regions.work(10).await;
    drain().await;
    regions.enable().await;
    regions.add_brokers().await;
    regions.work(5).await;
    let audit = regions.audit().await;
    assert_finds(&audit, "lacks");
    assert!(audit.missing > 0, "{audit:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_wait_after_the_pause() {
    let slow = Options { bulk_delay: std::time::Duration::from_millis(900), ..Options::default() };
    let mut regions = Regions::start_with(slow, false).await;
    regions.work(5).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    regions.with(|world| world.set_power("camunda-one", Power::Lost { hang: false }));
    regions.fence(0);
    regions.until("no partition is led", |world| !led(world, 1) && !led(world, 2) && !led(world, 3)).await;
    regions.fail_over().await;
    regions.rebuild().await;
    regions.work(10).await;
    // the snapshot comes before what the exporter still holds is flushed
    regions.exporting(0, "pause").await;
    regions.copy_store().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    regions.enable().await;
    regions.exporting(0, "resume").await;
    regions.add_brokers().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_finds(&regions.audit().await, "lacks");
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_before_pause() {
    let regions = failed_over().await;
    drain().await;
    regions.copy_store().await;
    regions.work(10).await;
    regions.exporting(0, "pause").await;
    drain().await;
    regions.enable().await;
    regions.exporting(0, "resume").await;
    regions.add_brokers().await;
    assert_finds(&regions.audit().await, "lacks");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fresh_replicas() {
    let regions = Regions::start().await;
    regions.work(10).await;
    // broker 2 sleeps through some instances; then 1 and 3 lose their disks while 0 is down, and outvote with 2 what was promised
    regions.with(|world| world.kill_broker(2, true, false));
    regions.until("every partition is led", |world| led(world, 3)).await;
    let report = regions.work(10).await;
    assert_eq!(report.acknowledged, 10, "{report:?}");
    regions.with(|world| {
        world.kill_broker(0, true, false);
        world.kill_broker(1, true, true);
        world.kill_broker(3, true, true);
        world.revive_broker(2);
    });
    // an empty broker learns from 2 that it is a member
    regions.until("broker 2 runs", |world| world.zeebe.brokers.values().any(|broker| broker.id == 2)).await;
    regions.with(|world| [1, 3].map(|id| world.revive_broker(id)));
    regions.until("every partition is led", |world| led(world, 3)).await;
    regions.with(|world| world.revive_broker(0));
    regions.until("broker 0 runs", |world| world.zeebe.brokers.values().any(|broker| broker.id == 0)).await;
    let audit = regions.audit().await;
    assert!(audit.lost > 0, "{audit:#?}");
    assert_finds(&audit, "is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_exporter_ids() {
    let regions = Regions::start_with(Options::default(), true).await;
    regions.work(10).await;
    assert_finds(&regions.audit().await, "depending on who leads");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_set_of_brokers_with_the_same_ids() {
    let mut regions = Regions::start().await;
    regions.work(5).await;
    regions.with(|world| world.set_power("camunda-one", Power::Isolated));
    regions.until("no partition is led", |world| !led(world, 1) && !led(world, 2) && !led(world, 3)).await;
    regions.fail_over().await;
    // the old cluster goes on living in its corner while another one takes its ids
    let old = regions.uids[1].clone();
    regions.withdraw(0);
    regions.uids[1] = c8_sandbox::world::provision_cluster(
        regions.sandbox.shared(),
        c8_sandbox::NewCluster {
            project: "sandbox".into(),
            location: "europe-west1-b".into(),
            name: "camunda-two".into(),
            network: "default".into(),
            node_tags: vec!["c8-camunda-two".into()],
            node_count: 3,
        },
    );
    regions.connect().await;
    regions.install(1);
    regions.admit(0, &[1, 3]);
    regions.until("two more brokers run", |world| world.zeebe.brokers.len() == 6).await;
    assert!(regions.with(|world| world.clusters.contains_key(&old)));
    assert_finds(&regions.audit().await, "two live brokers with id");
}
