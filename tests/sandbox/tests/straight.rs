//! The right way through a fail-over and a fail-back audits clean.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use c8_sandbox::Power;
use serde_json::{Value, json};
use support::{Regions, drain, led};

#[tokio::test(flavor = "multi_thread")]
async fn fail_over_and_back() {
    let mut regions = Regions::start().await;
    let report = regions.work(30).await;
    assert_eq!((report.acknowledged, report.completed), (30, 30), "{report:?}");
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");
    assert!(audit.compared.values().all(|count| *count > 0), "{audit:#?}");

    // the outage: nothing can be started, the coordinator (0) still answers
    regions.with(|world| world.set_power("camunda-one", Power::Lost { hang: false }));
    regions.until("no partition is led", |world| !led(world, 1) && !led(world, 2) && !led(world, 3)).await;
    let report = regions.work(5).await;
    assert_eq!((report.refused, report.acknowledged), (5, 0), "{report:?}");
    let (status, paused) = regions.manage(0, "POST", "/actuator/exporting/pause", Value::Null).await;
    assert_eq!((status, &paused["status"]), (200, &json!(500)), "{paused}");

    regions.fence(0);
    let (status, plan) =
        regions.manage(0, "POST", "/actuator/cluster/brokers?force=true&dryRun=true", json!(["0", "2"])).await;
    assert_eq!(
        (status, &plan["plannedChanges"][0]["operation"]),
        (202, &json!("PARTITION_FORCE_RECONFIGURE")),
        "{plan}"
    );
    regions.fail_over().await;
    let (_, topology) = regions.http(0, "gateway", 8080, "GET", "/v2/topology", Value::Null).await;
    assert_eq!((&topology["clusterSize"], &topology["replicationFactor"]), (&json!(2), &json!(2)), "{topology}");
    let (_, exporters) = regions.manage(0, "GET", "/actuator/exporters", Value::Null).await;
    assert_eq!(
        exporters,
        json!([{"exporterId": "elasticsearchregion0", "status": "ENABLED"}, {"exporterId": "elasticsearchregion1", "status": "DISABLED"}])
    );
    let report = regions.work(20).await;
    assert_eq!((report.acknowledged, report.completed), (20, 20), "{report:?}");
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");

    regions.rebuild().await;
    let broker = regions.http(1, "zeebe", 9600, "GET", "/actuator/partitions", Value::Null).await;
    assert_eq!(broker, (200, json!({})), "no member yet");
    assert_eq!(regions.http(1, "zeebe", 9600, "GET", "/ready", Value::Null).await.0, 503);
    regions.work(5).await;
    regions.exporting(0, "pause").await;
    drain().await;
    regions.work(7).await;
    regions.copy_store().await;
    regions.enable().await;
    regions.exporting(0, "resume").await;
    regions.add_brokers().await;
    let report = regions.work(20).await;
    assert_eq!((report.acknowledged, report.completed, report.gateways), (20, 20, 2), "{report:?}");
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");
    assert_eq!(audit.lost, 0);
    let counts: Vec<usize> = audit.compared.values().copied().collect();
    assert_eq!(counts[0], counts[1], "both stores hold the same: {audit:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returning_region_takes_part_again() {
    let regions = Regions::start().await;
    regions.work(10).await;
    regions.with(|world| world.set_power("camunda-zero", Power::Lost { hang: true }));
    // region 0 holds the coordinator: the management API is blind
    regions.until("no partition is led", |world| !led(world, 1) && !led(world, 2) && !led(world, 3)).await;
    assert_eq!(regions.manage(1, "GET", "/actuator/cluster", Value::Null).await.0, 502);
    regions.with(|world| world.set_power("camunda-zero", Power::Up));
    regions
        .until("every partition is led again", |world| world.zeebe.brokers.len() == 4 && support::all_ready(world))
        .await;
    regions.work(10).await;
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");
    assert_eq!(audit.acknowledged, 20);
}
