//! Brokers with fixed members: temporary ones on empty disks restore the quorum, and what goes wrong when they are used wrongly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use c8_sandbox::audit::Report;
use c8_sandbox::{Power, World};
use serde_json::{Value, json};
use support::{NAMESPACES, Regions, drain, led};

const STAND_IN: &str = "http://stand-in.camunda-ew4.svc.cluster.local:9200";

fn assert_finds(audit: &Report, words: &str) {
    assert!(!audit.ok, "the audit found nothing");
    assert!(audit.findings.iter().any(|finding| finding.contains(words)), "no finding with {words:?}: {audit:#?}");
}

fn runs(world: &World, ids: &[u32]) -> bool {
    ids.iter().all(|id| world.zeebe.brokers.values().any(|broker| broker.id == *id))
}

fn leaderless(world: &World) -> bool {
    !led(world, 1) && !led(world, 2) && !led(world, 3)
}

fn store<R>(regions: &Regions, region: usize, edit: impl FnOnce(&mut c8_sandbox::kubernetes::Store) -> R) -> R {
    regions.with(|world| edit(&mut world.clusters.get_mut(&regions.uids[region]).unwrap().store))
}

/// A store in region 0 that takes what is meant for region 1's.
fn stand_in(regions: &Regions) {
    store(regions, 0, |store| {
        for manifest in [
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "stand-in", "namespace": NAMESPACES[0]},
                "spec": {"clusterIP": "None", "selector": {"app": "stand-in"}, "ports": [{"port": 9200}]}}),
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "stand-in", "namespace": NAMESPACES[0]},
                "spec": {"replicas": 1, "serviceName": "stand-in", "selector": {"matchLabels": {"app": "stand-in"}},
                    "template": {"metadata": {"labels": {"app": "stand-in"}}, "spec": {
                        "containers": [{"name": "elasticsearch", "image": "elasticsearch:7.17.10"}]}}}}),
        ] {
            store.create("test", manifest).unwrap();
        }
    });
}

/// Tells region 0's brokers (or the temporary ones) where to export what is meant for region 1, and waits until they were restarted.
///
/// Kubernetes rolls the set by itself from the highest ordinal down, but waits at a broker that does not get ready, as none does without
/// a quorum. Those that it has not taken yet are deleted here: told from its own successors by the UID, and counted before it begins.
async fn divert(regions: &Regions, set: &str, url: Option<&str>) {
    let (before, had, mut pods) = regions.with(|world| {
        let (brokers, leaderless) = (world.zeebe.brokers.len(), leaderless(world));
        let store = &mut world.clusters.get_mut(&regions.uids[0]).unwrap().store;
        store.edit("StatefulSet", NAMESPACES[0], set, "test", |object| {
            object["spec"]["template"]["metadata"]["annotations"] =
                url.map_or_else(|| json!({}), |url| json!({"c8-store-1": url}));
        });
        let pods = store.pods();
        let own = pods.iter().filter(|pod| pod.name().rsplit_once('-').is_some_and(|(own, _)| own == set));
        let pods: Vec<(String, String)> = own.map(|pod| (pod.name().to_owned(), pod.uid().to_owned())).collect();
        (brokers, leaderless, pods)
    });
    pods.sort_by(|one, other| other.cmp(one));
    for (pod, old) in pods {
        store(regions, 0, |store| {
            if store.pod(NAMESPACES[0], &pod).is_some_and(|found| found.uid() == old) {
                store.delete("Pod", NAMESPACES[0], &pod);
            }
        });
        regions
            .until("the broker runs as it was told", |world| {
                world.zeebe.brokers.len() == before
                    && world.zeebe.brokers.values().any(|b| {
                        b.node.pod == pod
                            && b.node.namespace == NAMESPACES[0]
                            && b.node.key != old
                            && b.node.settings.diverted.is_empty() == url.is_none()
                    })
                    && (had || led(world, 3))
            })
            .await;
    }
}

fn leaderless_now(regions: &Regions) -> bool {
    regions.with(|world| leaderless(world))
}

/// Brokers with the ids `1, 5, …` (or with both ids of the two that are lost) on empty disks in region 0.
fn temporary(regions: &Regions, step: u32, replicas: u32) {
    store(regions, 0, |store| {
        let mut set = (*store.get("StatefulSet", NAMESPACES[0], "camunda-zeebe").unwrap()).clone();
        set["metadata"] = json!({"name": "camunda-zeebe-temporary", "namespace": NAMESPACES[0]});
        set.as_object_mut().unwrap().remove("status");
        let spec = &mut set["spec"];
        spec["replicas"] = json!(replicas);
        spec["serviceName"] = json!("camunda-zeebe-temporary");
        spec["selector"] = json!({"matchLabels": {"app": "temporary"}});
        spec["template"]["metadata"]["labels"] = json!({"app": "temporary"});
        spec["template"]["spec"]["initContainers"] = json!([]);
        for entry in spec["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap() {
            match entry["name"].as_str().unwrap() {
                "C8_REGIONS" => entry["value"] = json!(step.to_string()),
                "C8_REGION_ID" => entry["value"] = json!("1"),
                "ZEEBE_BROKER_NETWORK_ADVERTISEDHOST" => {
                    entry["value"] = json!(format!("$(K8S_NAME).camunda-zeebe-temporary.{}.svc", NAMESPACES[0]));
                }
                _ => {}
            }
        }
        store.create("test", set).unwrap();
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "camunda-zeebe-temporary", "namespace": NAMESPACES[0]},
            "spec": {"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"app": "temporary"}, "ports": [{"port": 26502}]}});
        store.create("test", service).unwrap();
    });
}

/// Region 1 crashed behind a fence, and what is meant for its store goes elsewhere.
async fn lost() -> Regions {
    let mut regions = Regions::start_fixed().await;
    let report = regions.work(20).await;
    assert_eq!(report.acknowledged, 20, "{report:?}");
    regions.with(|world| world.set_power("camunda-one", Power::Lost { hang: false }));
    regions.until("no partition is led", leaderless).await;
    regions.fence(0);
    stand_in(&regions);
    regions.until("the store runs", |world| world.stores.nodes.values().any(|node| node.pod == "stand-in-0")).await;
    divert(&regions, "camunda-zeebe", Some(STAND_IN)).await;
    assert_eq!(regions.work(2).await.acknowledged, 0, "two of four replicas are no quorum");
    regions
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_cluster_api() {
    let regions = Regions::start_fixed().await;
    for path in ["/actuator/cluster", "/actuator/exporters"] {
        assert_eq!(regions.manage(0, "GET", path, Value::Null).await.0, 404, "{path}");
    }
    assert!(
        c8_sandbox::world::dial(
            regions.sandbox.shared(),
            &regions.uids[0],
            NAMESPACES[0],
            &regions.pod(0, "gateway"),
            8080
        )
        .is_err()
    );
    assert_eq!(regions.manage(0, "POST", "/actuator/exporting/pause", Value::Null).await, (204, Value::Null));
    let (_, own) = regions.http(0, "zeebe", 9600, "GET", "/actuator/partitions", Value::Null).await;
    let replicas = own.as_object().unwrap();
    for replica in replicas.values() {
        let phase = if replica["role"] == "LEADER" { json!("PAUSED") } else { Value::Null };
        assert_eq!(replica["exporterPhase"], phase, "{own}");
    }
    regions.with(|world| world.kill_broker(3, true, false));
    drain().await;
    let (status, answer) = regions.manage(0, "POST", "/actuator/exporting/resume", Value::Null).await;
    assert_eq!(status, 500, "{answer}");
}

/// Pauses or resumes. The gateway may not have heard of restarted brokers yet: then it refuses, as a real one does.
async fn all_exporters(regions: &Regions, what: &str) {
    let mut answer = (0, Value::Null);
    for _ in 0..50 {
        answer = regions.manage(0, "POST", &format!("/actuator/exporting/{what}"), Value::Null).await;
        if answer.0 == 204 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{what}: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_over_and_back() {
    let mut regions = lost().await;
    temporary(&regions, 4, 1);
    regions.until("every partition is led", |world| led(world, 3)).await;
    let report = regions.work(20).await;
    assert_eq!((report.acknowledged, report.completed), (20, 20), "{report:?}");
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");

    regions.withdraw(0);
    regions.replace(1).await;
    regions.lift_fence();
    regions.install_diverted(1, Some(STAND_IN));
    regions.admit(0, &[3]);
    regions.until("four brokers run", |world| runs(world, &[0, 1, 2, 3])).await;
    regions.work(5).await;
    all_exporters(&regions, "pause").await;
    drain().await;
    regions.work(3).await;
    regions.copy_store().await;
    divert(&regions, "camunda-zeebe", None).await;
    divert(&regions, "camunda-zeebe-temporary", None).await;
    store(&regions, 1, |store| {
        store.edit("StatefulSet", NAMESPACES[1], "camunda-zeebe", "test", |object| {
            object["spec"]["template"]["metadata"]["annotations"] = json!({});
        });
        store.delete("Pod", NAMESPACES[1], "camunda-zeebe-1");
        store.delete("Pod", NAMESPACES[1], "camunda-zeebe-0");
    });
    regions
        .until("nothing is diverted", |world| {
            runs(world, &[0, 1, 2, 3])
                && world.zeebe.brokers.values().all(|broker| broker.node.settings.diverted.is_empty())
                && led(world, 3)
        })
        .await;
    all_exporters(&regions, "resume").await;
    store(&regions, 0, |store| {
        store.edit("StatefulSet", NAMESPACES[0], "camunda-zeebe-temporary", "test", |object| {
            object["spec"]["replicas"] = json!(0)
        });
    });
    regions.until("three brokers run", |world| world.zeebe.brokers.len() == 3 && led(world, 3)).await;
    assert_eq!(regions.work(5).await.acknowledged, 5);
    store(&regions, 0, |store| {
        store.delete("StatefulSet", NAMESPACES[0], "camunda-zeebe-temporary");
        store.delete("PersistentVolumeClaim", NAMESPACES[0], "data-camunda-zeebe-temporary-0");
    });
    regions.admit(0, &[1]);
    regions.until("four brokers run", |world| runs(world, &[0, 1, 2, 3]) && support::all_ready(world)).await;
    let report = regions.work(20).await;
    assert_eq!((report.acknowledged, report.gateways), (20, 2), "{report:?}");
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");
    let counts: Vec<usize> = audit.compared.values().copied().collect();
    assert_eq!(counts[0], counts[1], "both stores hold the same: {audit:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fence_and_the_lost_region_returns() {
    let regions = Regions::start_fixed().await;
    regions.work(10).await;
    regions.with(|world| world.set_power("camunda-one", Power::Isolated));
    regions.until("no partition is led", leaderless).await;
    temporary(&regions, 4, 1);
    regions.until("every partition is led", |world| led(world, 3)).await;
    regions.work(5).await;
    regions.with(|world| world.set_power("camunda-one", Power::Up));
    assert_finds(&regions.audit().await, "two live brokers with id 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fresh_replicas_forget_what_was_promised() {
    let regions = Regions::start_fixed().await;
    regions.work(10).await;
    // broker 0 sleeps through some instances; 1, 2 and 3 promise them
    regions.with(|world| world.kill_broker(0, true, false));
    regions.until("every partition is led", |world| led(world, 3)).await;
    assert_eq!(regions.work(10).await.acknowledged, 10);
    regions.with(|world| {
        world.set_power("camunda-one", Power::Lost { hang: false });
        world.kill_broker(2, true, false);
        world.revive_broker(0);
    });
    regions.until("broker 0 runs", |world| runs(world, &[0])).await;
    // both lost ids on empty disks: with 0 they outvote 2, which holds the rest
    temporary(&regions, 2, 2);
    regions.until("every partition is led", |world| led(world, 3)).await;
    regions.with(|world| world.revive_broker(2));
    regions.until("broker 2 runs", |world| runs(world, &[2])).await;
    let audit = regions.audit().await;
    assert!(audit.lost > 0, "{audit:#?}");
    assert_finds(&audit, "is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fresh_replica_and_one_that_sleeps_are_no_quorum() {
    let regions = Regions::start_fixed().await;
    regions.work(10).await;
    regions.with(|world| {
        world.set_power("camunda-one", Power::Lost { hang: false });
        world.kill_broker(2, true, false);
    });
    temporary(&regions, 4, 1);
    regions.until("the temporary broker runs", |world| runs(world, &[0, 1])).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(leaderless_now(&regions), "two of four replicas lead");
    regions.with(|world| world.revive_broker(2));
    regions.until("every partition is led", |world| led(world, 3)).await;
    assert_eq!(regions.work(5).await.acknowledged, 5);
    let audit = regions.audit().await;
    assert_eq!(audit.lost, 0, "{audit:#?}");
}
