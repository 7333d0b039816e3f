//! What the chart makes: a golden copy, and what must hold whatever the chart looks like.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use c8_release::{Manifest, Mode, Owner, ReleaseConfig, objects, render};
use serde_json::{Value, json};

fn config(region_id: u8) -> ReleaseConfig {
    ReleaseConfig {
        group: "camunda-ew4-camunda-ew1".into(),
        release: "camunda".into(),
        region_id,
        namespaces: ["camunda-ew4".into(), "camunda-ew1".into()],
        version: "8.7.2".into(),
        cluster_size: 8,
        partition_count: 8,
        replication_factor: 4,
        storage_size: "32Gi".into(),
        elasticsearch_storage_size: "64Gi".into(),
        storage_class: "ssd".into(),
        cpu: Some("2".into()),
        memory: Some("4Gi".into()),
        failure_timeout: "10s".into(),
        images: BTreeMap::new(),
    }
}

fn find<'a>(manifests: &'a [Manifest], key: &str) -> &'a Value {
    &manifests.iter().find(|manifest| manifest.key.to_string() == key).unwrap_or_else(|| panic!("no {key}")).content
}

fn container<'a>(workload: &'a Value, list: &str, name: &str) -> &'a Value {
    workload["spec"]["template"]["spec"][list].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()
}

fn env(container: &Value, name: &str) -> String {
    let all: Vec<_> = container["env"].as_array().unwrap().iter().filter(|entry| entry["name"] == name).collect();
    assert_eq!(all.len(), 1, "{name} must be set once: server-side apply merges by name");
    all[0]["value"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn golden() {
    let text: String = render(&config(1), Mode::FirstInstallation)
        .unwrap()
        .iter()
        .map(|manifest| format!("--- # {:?}\n{}", manifest.owner, serde_yaml_ng::to_string(&manifest.content).unwrap()))
        .collect();
    insta::assert_snapshot!(text);
}

#[test]
fn a_mode_changes_only_what_fail_over_switches() {
    let modes = [Mode::FirstInstallation, Mode::Normal, Mode::Hold].map(|mode| render(&config(0), mode).unwrap());
    let owned = |manifests: &[Manifest]| {
        manifests
            .iter()
            .filter(|m| m.owner == Owner::Region)
            .map(|m| (m.key.to_string(), m.content.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(owned(&modes[0]), owned(&modes[1]));
    assert_eq!(owned(&modes[1]), owned(&modes[2]));
    let objects = objects(&config(0)).unwrap();
    assert!(!objects.keys().any(|key| key.contains("c8-mode") || key.contains("c8-admit")));
    for manifest in &modes[2] {
        if manifest.key.kind == "Deployment" {
            assert!(
                manifest.content.pointer("/spec/replicas").is_none() || manifest.key.name == "camunda-zeebe-gateway"
            );
        }
    }
}

#[test]
fn a_held_region_starts_nothing_and_admits_nobody() {
    let held = render(&config(0), Mode::Hold).unwrap();
    assert_eq!(find(&held, "ConfigMap/camunda-ew4/c8-mode")["data"]["hold"], "true");
    assert!(!held.iter().any(|manifest| manifest.key.name.starts_with("c8-admit")));
    for app in ["operate", "tasklist", "connectors"] {
        let app = held.iter().find(|m| m.key.kind == "Deployment" && m.key.name == format!("camunda-{app}")).unwrap();
        assert_eq!(app.at_birth()["spec"]["replicas"], 0);
    }
}

#[test]
fn a_first_installation_admits_the_brokers_of_the_other_region() {
    let admits = |region| {
        render(&config(region), Mode::FirstInstallation)
            .unwrap()
            .into_iter()
            .filter(|m| m.key.name.starts_with("c8-admit"))
            .map(|m| m.key.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(admits(0), [1, 3, 5, 7].map(|id| format!("Service/camunda-ew4/c8-admit-{id}")));
    assert_eq!(admits(1), [0, 2, 4, 6].map(|id| format!("Service/camunda-ew1/c8-admit-{id}")));
}

#[test]
fn both_regions_mean_the_same_store_by_an_exporter_id() {
    let [zero, one] = [0, 1].map(|region| {
        let manifests = render(&config(region), Mode::Normal).unwrap();
        let namespace = config(region).namespace().to_owned();
        let brokers = find(&manifests, &format!("StatefulSet/{namespace}/camunda-zeebe")).clone();
        let zeebe = container(&brokers, "containers", "zeebe").clone();
        let gateway = find(&manifests, &format!("Deployment/{namespace}/camunda-zeebe-gateway")).clone();
        let gateway = container(&gateway, "containers", "zeebe-gateway").clone();
        assert_eq!(env(&zeebe, "C8_REGION_ID"), region.to_string());
        // members with other compression or another cluster name can't talk
        assert_eq!(
            env(&zeebe, "ZEEBE_BROKER_CLUSTER_MESSAGECOMPRESSION"),
            env(&gateway, "ZEEBE_GATEWAY_CLUSTER_MESSAGECOMPRESSION")
        );
        assert_eq!(env(&zeebe, "ZEEBE_BROKER_CLUSTER_CLUSTERNAME"), env(&gateway, "ZEEBE_GATEWAY_CLUSTER_CLUSTERNAME"));
        assert_eq!(
            env(&zeebe, "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS"),
            env(&gateway, "ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS")
        );
        zeebe
    });
    for (name, value) in [
        (
            "ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION0_ARGS_URL",
            "http://camunda-elasticsearch-master-hl.camunda-ew4.svc.cluster.local:9200",
        ),
        (
            "ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION1_ARGS_URL",
            "http://camunda-elasticsearch-master-hl.camunda-ew1.svc.cluster.local:9200",
        ),
        ("ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION0_CLASSNAME", "io.camunda.zeebe.exporter.ElasticsearchExporter"),
        ("ZEEBE_BROKER_CLUSTER_CLUSTERSIZE", "8"),
        ("ZEEBE_BROKER_CLUSTER_MEMBERSHIP_FAILURETIMEOUT", "10s"),
    ] {
        assert_eq!(env(&zero, name), value);
        assert_eq!(env(&one, name), value);
    }
}

#[test]
fn every_broker_has_a_gate_on_its_own_disk() {
    let manifests = render(&config(1), Mode::Normal).unwrap();
    let brokers = find(&manifests, "StatefulSet/camunda-ew1/camunda-zeebe");
    assert_eq!(brokers["spec"]["replicas"], 4);
    assert_eq!(brokers["spec"]["podManagementPolicy"], "Parallel");
    let gate = container(brokers, "initContainers", "gate");
    assert_eq!(env(gate, "C8_PEER_NAMESPACE"), "camunda-ew4");
    let mounts: Vec<_> =
        gate["volumeMounts"].as_array().unwrap().iter().map(|mount| (&mount["name"], &mount["mountPath"])).collect();
    assert_eq!(mounts, [(&json!("data"), &json!("/data")), (&json!("c8-mode"), &json!("/etc/c8-mode"))]);
    assert_eq!(gate["command"][2], c8_release::gate::SCRIPT);
    // Kubernetes replaces $(NAME) of a variable that exists, and $$ by $
    for script in [c8_release::gate::SCRIPT, c8_release::gate::START, c8_release::gate::KEYSTORE] {
        assert!(!script.contains("$$") && !script.contains("$(C8_") && !script.contains("$(K8S_"));
    }
}

/// A real API server refuses a pod in which an init container has the name of a container.
#[test]
fn no_two_containers_of_a_pod_share_a_name() {
    for manifest in render(&config(0), Mode::Normal).unwrap() {
        let pod = &manifest.content["spec"]["template"]["spec"];
        let mut names: Vec<&str> = ["initContainers", "containers"]
            .iter()
            .flat_map(|list| pod[*list].as_array().into_iter().flatten())
            .map(|container| container["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{}", manifest.key);
    }
}

#[test]
fn names_in_the_config_can_not_break_out_of_the_templates() {
    let mut config = config(0);
    config.images.insert("zeebe".into(), "registry/a\":b#c'{{x}}".into());
    let manifests = render(&config, Mode::Normal).unwrap();
    let brokers = find(&manifests, "StatefulSet/camunda-ew4/camunda-zeebe");
    assert_eq!(container(brokers, "containers", "zeebe")["image"], "registry/a\":b#c'{{x}}");
}

#[test]
fn a_storage_class_of_the_users_own_is_used_and_not_made() {
    let mut config = config(0);
    config.storage_class = "premium".into();
    let manifests = render(&config, Mode::Normal).unwrap();
    assert!(!manifests.iter().any(|manifest| manifest.key.kind == "StorageClass"));
    let brokers = find(&manifests, "StatefulSet/camunda-ew4/camunda-zeebe");
    assert_eq!(brokers["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"], "premium");
}

#[test]
fn the_node_id_comes_from_ordinal_and_region() {
    let dir = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let script =
        c8_release::gate::START.replace("exec /usr/local/zeebe/bin/broker", "echo \"$ZEEBE_BROKER_CLUSTER_NODEID\"");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(dir)
        .env("K8S_NAME", "camunda-zeebe-3")
        .env("C8_REGIONS", "2")
        .env("C8_REGION_ID", "1")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "7");
}

#[test]
fn members_do_not_wait_long_for_names_of_a_lost_region() {
    let manifests = render(&config(0), Mode::Normal).unwrap();
    let options = json!([{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "2"}]);
    for member in ["StatefulSet/camunda-ew4/camunda-zeebe", "Deployment/camunda-ew4/camunda-zeebe-gateway"] {
        assert_eq!(find(&manifests, member)["spec"]["template"]["spec"]["dnsConfig"]["options"], options, "{member}");
    }
}

#[test]
fn before_8_6_the_start_script_asks_where_to_export() {
    let mut old = config(0);
    old.version = "8.2.25".into();
    let manifests = render(&old, Mode::Normal).unwrap();
    let set = find(&manifests, "StatefulSet/camunda-ew4/camunda-zeebe");
    assert_eq!(set["metadata"]["labels"]["app.kubernetes.io/version"], "8.2.25");
    let broker = container(set, "containers", "zeebe");
    for region in 0..2 {
        let name = format!("C8_STORE_{region}");
        let entry = broker["env"].as_array().unwrap().iter().find(|entry| entry["name"] == *name).unwrap();
        assert_eq!(entry["valueFrom"]["fieldRef"]["fieldPath"], format!("metadata.annotations['c8-store-{region}']"));
    }
    assert_eq!(broker["readinessProbe"]["httpGet"]["path"], "/ready");
    let new = render(&config(0), Mode::Normal).unwrap();
    let text = find(&new, "StatefulSet/camunda-ew4/camunda-zeebe").to_string();
    assert!(!text.contains("C8_STORE_0\",\"valueFrom"), "nothing to switch where there is a cluster API");
}
