//! What the world does when something is missing, blocked or dead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::time::Duration;

use c8_sandbox::world;
use c8_sandbox::zeebe::grpc::wire;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use support::{NAMESPACES, Regions, all_ready, drain};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_its_disk_waits_until_it_is_admitted() {
    let mut regions = Regions::start().await;
    regions.work(10).await;
    regions.withdraw(0);
    regions.withdraw(1);
    // with its disk a broker comes back by itself, even without admission
    regions.with(|world| assert!(world.kill_broker(1, false, false)));
    regions.until("broker 1 is back", |world| world.zeebe.brokers.len() == 4 && all_ready(world)).await;

    let gated = |world: &c8_sandbox::World| {
        world.processes.values().any(|process| process.stage == world::kubelet::Stage::Gate)
    };
    let uid = regions.uids[1].clone();
    regions.with(|world| {
        let store = &mut world.clusters.get_mut(&uid).unwrap().store;
        store.delete("PersistentVolumeClaim", NAMESPACES[1], "data-camunda-zeebe-0");
        store.delete("Pod", NAMESPACES[1], "camunda-zeebe-0");
    });
    regions.until("broker 1 waits at its gate", gated).await;
    drain().await;
    regions.with(|world| assert_eq!(world.zeebe.brokers.len(), 3));
    assert_eq!(regions.work(5).await.acknowledged, 5, "three of four go on");
    regions.admit(0, &[1]);
    regions.until("broker 1 takes part", |world| world.zeebe.brokers.len() == 4 && all_ready(world)).await;
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_keeps_even_an_initialised_broker_waiting() {
    let regions = Regions::start().await;
    let uid = regions.uids[1].clone();
    regions.with(|world| {
        let store = &mut world.clusters.get_mut(&uid).unwrap().store;
        let mode = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c8-mode", "namespace": NAMESPACES[1]}, "data": {"hold": "true"}});
        store.create("test", mode).unwrap();
        store.delete("Pod", NAMESPACES[1], "camunda-zeebe-0");
    });
    regions
        .until("it waits", |world| world.processes.values().any(|process| process.stage == world::kubelet::Stage::Gate))
        .await;
    drain().await;
    regions.with(|world| {
        assert_eq!(world.zeebe.brokers.len(), 3);
        let store = &mut world.clusters.get_mut(&uid).unwrap().store;
        store.edit("ConfigMap", NAMESPACES[1], "c8-mode", "test", |object| object["data"]["hold"] = json!("false"));
    });
    regions.until("it starts", |world| world.zeebe.brokers.len() == 4 && all_ready(world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_hangs_at_a_dead_broker_and_blocks_the_next() {
    let regions = Regions::start().await;
    regions.with(|world| assert!(world.kill_broker(3, true, false)));
    let (status, change) =
        regions.manage(0, "POST", "/actuator/exporters/elasticsearchregion1/disable", Value::Null).await;
    assert_eq!(status, 202, "{change}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (_, cluster) = regions.manage(0, "GET", "/actuator/cluster", Value::Null).await;
    assert_eq!(cluster["pendingChange"]["pending"][0]["brokerId"], 3, "{cluster}");
    let (status, refused) = regions.manage(0, "POST", "/actuator/cluster/brokers?force=true", json!(["0", "2"])).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("in progress"));
    let (status, _) =
        regions.manage(0, "DELETE", &format!("/actuator/cluster/changes/{}", change["changeId"]), Value::Null).await;
    assert_eq!(status, 202);
    let (status, refused) = regions.manage(0, "POST", "/actuator/cluster/brokers", json!(["0", "2"])).await;
    assert_eq!(
        (status, refused["message"].as_str().unwrap()),
        (400, "Number of brokers [2] is less than the replication factor [4]")
    );
    let (status, _) = regions.manage(0, "POST", "/actuator/exporters/nosuch/disable", Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unreachable_store_stops_both_exporters_until_it_is_back() {
    let mut regions = Regions::start().await;
    regions.with(|world| {
        // region 1's rule for its peer goes: nothing of region 0 reaches store 1, and the brokers lose each other too
        let rule = world.gcp.firewalls.get_mut("allow-1").unwrap();
        rule.rules = vec![("tcp".into(), vec![(26500, 26502)])];
    });
    regions.work(20).await;
    drain().await;
    let exported = |world: &c8_sandbox::World| -> Vec<usize> {
        world
            .stores
            .nodes
            .keys()
            .map(|pod| world.stores.data(pod).unwrap().indices.values().map(|index| index.docs.len()).sum())
            .collect()
    };
    regions.work(20).await;
    drain().await;
    let before = regions.with(|world| exported(world));
    assert!(before.iter().all(|count| *count < 40 * 5), "something is held back: {before:?}");
    regions.connect().await;
    regions.until("both stores have everything", |world| exported(world).iter().all(|count| *count == 40 * 5)).await;
    let audit = regions.audit().await;
    assert!(audit.ok, "{audit:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_and_restores_fail_as_they_do() {
    let regions = Regions::start().await;
    regions.work(5).await;
    drain().await;
    let es = |region: usize, method: &'static str, path: &'static str, body: Value| {
        regions.http(region, "es", 9200, method, path, body)
    };
    let repository = |bucket: &str| json!({"type": "gcs", "settings": {"bucket": bucket, "base_path": "g/u"}});
    let (status, error) = es(0, "PUT", "/_snapshot/r", repository("nosuch")).await;
    assert_eq!((status, &error["error"]["type"]), (500, &json!("repository_verification_exception")), "{error}");
    let (status, known) = es(0, "GET", "/_snapshot/r", Value::Null).await;
    assert_eq!((status, &known["r"]["settings"]["bucket"]), (200, &json!("nosuch")), "it stays registered");
    assert_eq!(es(0, "PUT", "/_snapshot/r", repository("backup")).await.0, 200);
    assert_eq!(es(0, "POST", "/_snapshot/r/_verify", Value::Null).await.0, 200);

    assert_eq!(
        es(0, "PUT", "/_snapshot/r/s1?wait_for_completion=false", json!({"metadata": {"a": 1}})).await.1,
        json!({"accepted": true})
    );
    let (_, list) = es(0, "GET", "/_snapshot/r/_all", Value::Null).await;
    assert_eq!(list["snapshots"][0]["state"], "IN_PROGRESS", "{list}");
    drain().await;
    let (_, list) = es(0, "GET", "/_snapshot/r/_all", Value::Null).await;
    assert_eq!(
        (&list["snapshots"][0]["state"], &list["snapshots"][0]["metadata"]["a"]),
        (&json!("SUCCESS"), &json!(1)),
        "{list}"
    );
    let (status, error) = es(0, "PUT", "/_snapshot/r/s1?wait_for_completion=true", json!({})).await;
    assert_eq!((status, &error["error"]["type"]), (400, &json!("snapshot_name_already_in_use_exception")));
    let (status, error) = es(0, "POST", "/_snapshot/r/s1/_restore", json!({})).await;
    assert_eq!((status, &error["error"]["type"]), (500, &json!("snapshot_restore_exception")), "{error}");
    assert_eq!(es(0, "GET", "/_snapshot/r/s2", Value::Null).await.1["error"]["type"], "snapshot_missing_exception");
    assert_eq!(es(0, "GET", "/_snapshot/q/_all", Value::Null).await.1["error"]["type"], "repository_missing_exception");
    assert_eq!(es(0, "DELETE", "/zeebe-record*", Value::Null).await.0, 400);
    regions.with(|world| assert!(world.gcp.buckets["backup"].objects.keys().all(|name| name.starts_with("g/u/"))));

    // the key is revoked
    regions.with(|world| world.gcp.accounts.clear());
    assert_eq!(es(0, "POST", "/_snapshot/r/_verify", Value::Null).await.0, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_command_proves_a_leader() {
    let regions = Regions::start().await;
    let pod = regions.pod(0, "gateway");
    let shared = regions.sandbox.shared().clone();
    let uid = regions.uids[0].clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream =
            world::dial(&shared, &uid, NAMESPACES[0], &pod, 26500).map(TokioIo::new).map_err(std::io::Error::other);
        async move { stream }
    });
    let channel =
        tonic::transport::Endpoint::from_static("http://gateway").connect_with_connector(connector).await.unwrap();
    let mut client = wire::gateway_client::GatewayClient::new(channel);
    let topology = client.topology(wire::TopologyRequest {}).await.unwrap().into_inner();
    assert_eq!((topology.brokers.len(), topology.cluster_size, topology.replication_factor), (4, 4, 4));
    for partition in 1..=3_i64 {
        let key = (partition << 51) | 1;
        let request = wire::CancelProcessInstanceRequest { process_instance_key: key };
        let status = client.cancel_process_instance(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::NotFound, "{status:?}");
        assert!(status.message().contains(&key.to_string()));
    }
    regions.with(|world| world.set_power("camunda-one", c8_sandbox::Power::Lost { hang: false }));
    regions
        .until("no partition is led", |world| {
            !support::led(world, 1) && !support::led(world, 2) && !support::led(world, 3)
        })
        .await;
    let mut request = tonic::Request::new(wire::CancelProcessInstanceRequest { process_instance_key: (1 << 51) | 1 });
    request.set_timeout(Duration::from_millis(300));
    let status = client.cancel_process_instance(request).await.unwrap_err();
    assert!(matches!(status.code(), tonic::Code::DeadlineExceeded | tonic::Code::Cancelled), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_breaks_and_tells() {
    let regions = Regions::start().await;
    let url = |path: &str| format!("{}{path}", regions.sandbox.control_url());
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| -> Value {
        client.post(url(path)).json(&body).send().await.unwrap().json().await.unwrap()
    };
    let get = async |path: &str| -> Value { client.get(url(path)).send().await.unwrap().json().await.unwrap() };

    post("/faults", json!({"match": "GET /actuator/cluster", "nth": 2, "action": "error", "status": 504})).await;
    let statuses = [
        regions.manage(0, "GET", "/actuator/cluster", Value::Null).await.0,
        regions.manage(0, "GET", "/actuator/cluster", Value::Null).await.0,
        regions.manage(0, "GET", "/actuator/cluster", Value::Null).await.0,
    ];
    assert_eq!(statuses, [200, 504, 200]);
    let calls = get("/calls").await;
    assert!(
        calls.as_array().unwrap().iter().any(|call| call["path"].as_str().unwrap().ends_with(":9600/actuator/cluster"))
    );

    let report = post("/workload", json!({"instances": 6})).await;
    assert_eq!(report["acknowledged"], 6, "{report}");
    drain().await;
    assert_eq!(get("/audit").await["ok"], true);
    post("/regions/camunda-one/lose", json!({"mode": "crash"})).await;
    let status = get("/status").await;
    assert_eq!(status["brokers"].as_array().unwrap().len(), 2, "{status:#}");
    post("/regions/camunda-one/return", json!({"disks": "old"})).await;
    regions.until("all are back", |world| world.zeebe.brokers.len() == 4 && all_ready(world)).await;
    let left = get("/leftovers").await;
    assert_eq!(left["disks"].as_array().unwrap().len(), 6, "{left:#}");
    assert_eq!(left["loadBalancers"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_pod_sees_what_the_network_lets_through() {
    let mut regions = Regions::start().await;
    let report = probe(&regions, "p1").await;
    let lines: Vec<&str> = report.lines().collect();
    assert!(lines[0].starts_with("0 ok 34.118."), "{report}");
    assert!(lines[1].starts_with("1 fail"), "{report}");
    assert_eq!(lines[2], "2 ok camunda-zeebe-0.camunda-zeebe.camunda-ew1.svc.cluster.local:26502");
    assert!(lines[3].starts_with("3 fail"), "9600 is not open between the regions: {report}");
    regions.fence(0);
    let report = probe(&regions, "p2").await;
    let lines: Vec<&str> = report.lines().collect();
    assert!(lines[0].starts_with("0 ok"), "DNS passes the fence: {report}");
    assert!(lines[2].starts_with("2 fail"), "{report}");
}

async fn probe(regions: &Regions, name: &str) -> String {
    let broker = "camunda-zeebe-0.camunda-zeebe.camunda-ew1.svc.cluster.local";
    let items = json!([{"resolve": "c8-here.camunda-ew1.svc.cluster.local"}, {"resolve": "c8-admit-9.camunda-ew1.svc.cluster.local"},
        {"connect": format!("{broker}:26502")}, {"connect": format!("{broker}:9600")}]);
    regions.with(|world| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACES[0]}, "spec": {"restartPolicy": "Never",
            "containers": [{"name": "probe", "image": "busybox:1.36", "env": [{"name": "C8_PROBE", "value": items.to_string()}]}]}});
        world.clusters.get_mut(&regions.uids[0]).unwrap().store.create("test", pod).unwrap();
    });
    let uid = regions.uids[0].clone();
    regions
        .until("the probe has ended", |world| {
            world.clusters[&uid].store.pod(NAMESPACES[0], name).is_some_and(|pod| pod.phase() == "Succeeded")
        })
        .await;
    regions.with(|world| {
        let pod = world.clusters[&uid].store.pod(NAMESPACES[0], name).unwrap();
        pod.object()["status"]["containerStatuses"][0]["state"]["terminated"]["message"].as_str().unwrap().to_owned()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_application_makes_indices_that_a_restore_trips_over() {
    let regions = Regions::start().await;
    for (region, app) in [(0, "operate"), (1, "operate")] {
        regions.with(|world| {
            let url = format!("http://camunda-elasticsearch-master-hl.{}.svc.cluster.local:9200", NAMESPACES[region]);
            let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": format!("camunda-{app}"), "namespace": NAMESPACES[region]},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": app}}, "template": {"metadata": {"labels": {"app": app}}, "spec": {
                    "containers": [{"name": app, "image": format!("camunda/{app}:8.7.2"), "env": [{"name": "CAMUNDA_OPERATE_ELASTICSEARCH_URL", "value": url}]}]}}}});
            world.clusters.get_mut(&regions.uids[region]).unwrap().store.create("test", deployment).unwrap();
        });
    }
    let made = |world: &c8_sandbox::World| {
        world.stores.nodes.keys().all(|pod| !world.stores.data(pod).unwrap().matching("operate-*").is_empty())
    };
    regions.until("both made their indices", made).await;
    let es = |region: usize, method: &'static str, path: &'static str, body: Value| {
        regions.http(region, "es", 9200, method, path, body)
    };
    for region in 0..2 {
        let body = json!({"type": "gcs", "settings": {"bucket": "backup", "base_path": "g", "readonly": region == 1}});
        assert_eq!(es(region, "PUT", "/_snapshot/r", body).await.0, 200);
    }
    assert_eq!(es(0, "PUT", "/_snapshot/r/s?wait_for_completion=true", json!({})).await.0, 200);
    let (status, error) =
        es(1, "POST", "/_snapshot/r/s/_restore?wait_for_completion=true", json!({"indices": "operate-*"})).await;
    assert_eq!((status, &error["error"]["type"]), (500, &json!("snapshot_restore_exception")), "{error}");
}
