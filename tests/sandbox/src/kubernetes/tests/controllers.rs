//! What the controllers make of objects.

use serde_json::json;

use super::{apply, run, stateful_set, store};
use crate::kubernetes::ContainerState;
use crate::kubernetes::store::Store;

fn images(store: &Store) -> Vec<String> {
    store
        .pods()
        .iter()
        .filter(|pod| pod.namespace() == "a")
        .map(|pod| format!("{} {}", pod.name(), pod.image("c")))
        .collect()
}

#[test]
fn a_stateful_set_rolls_and_scales() {
    let mut store = store();
    apply(&mut store, "m", false, stateful_set(3, "x:1")).unwrap();
    run(&mut store, 2.0);
    assert_eq!(images(&store), ["s-0 x:1", "s-1 x:1", "s-2 x:1"]);
    let set = store.get("StatefulSet", "a", "s").unwrap();
    assert_eq!((&set["status"]["readyReplicas"], &set["status"]["observedGeneration"]), (&json!(3), &json!(1)));
    let pod = store.pod("a", "s-1").unwrap();
    assert_eq!(pod.claim_at("c", "/data"), Some("data-s-1"));
    assert_eq!(pod.ordinal(), Some(1));
    assert!(pod.ip().unwrap().starts_with("10.8."));
    assert_eq!(store.resolve_pod("a", "s", "s-1"), None, "no Service yet");
    let headless = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "a"},
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"app": "s"}, "ports": [{"port": 80, "name": "http"}]}});
    apply(&mut store, "m", false, headless).unwrap();
    assert_eq!(store.resolve_pod("a", "s", "s-1").as_deref(), pod.ip());

    let claim = store.claim_uid("a", "data-s-2").unwrap();
    apply(&mut store, "m", false, stateful_set(3, "x:2")).unwrap();
    run(&mut store, 0.05);
    assert!(
        store.pod("a", "s-2").unwrap().deleting() && !store.pod("a", "s-1").unwrap().deleting(),
        "highest first, one at a time"
    );
    run(&mut store, 3.0);
    assert_eq!(images(&store), ["s-0 x:2", "s-1 x:2", "s-2 x:2"]);
    assert_eq!(store.claim_uid("a", "data-s-2").unwrap(), claim, "the disk stays");
    let status = store.get("StatefulSet", "a", "s").unwrap()["status"].clone();
    assert_eq!(status["currentRevision"], status["updateRevision"]);

    apply(&mut store, "m", false, stateful_set(1, "x:2")).unwrap();
    run(&mut store, 2.0);
    assert_eq!(images(&store), ["s-0 x:2"]);
    assert_eq!(store.disks().len(), 3, "claims outlive a scale down");
    store.delete("StatefulSet", "a", "s");
    run(&mut store, 2.0);
    assert!(images(&store).is_empty());
    for ordinal in 0..3 {
        store.delete("PersistentVolumeClaim", "a", &format!("data-s-{ordinal}"));
    }
    run(&mut store, 1.0);
    assert!(store.disks().is_empty());
}

#[test]
fn a_claim_in_use_waits_for_its_pod() {
    let mut store = store();
    apply(&mut store, "m", false, stateful_set(1, "x:1")).unwrap();
    run(&mut store, 1.0);
    store.delete("PersistentVolumeClaim", "a", "data-s-0");
    run(&mut store, 1.0);
    assert!(store.get("PersistentVolumeClaim", "a", "data-s-0").is_some());
    let before = store.claim_uid("a", "data-s-0");
    store.delete("Pod", "a", "s-0");
    run(&mut store, 2.0);
    assert_ne!(store.claim_uid("a", "data-s-0"), before, "a new claim, a new disk");
    assert!(store.pod("a", "s-0").unwrap().ready());
}

#[test]
fn a_deployment_rolls_within_its_limits() {
    let mut store = store();
    let deployment = |image: &str, replicas: u32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "a"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "d"}}, "template": {"metadata": {"labels": {"app": "d"}},
                "spec": {"containers": [{"name": "c", "image": image}]}}}})
    };
    apply(&mut store, "m", false, deployment("x:1", 2)).unwrap();
    run(&mut store, 1.0);
    apply(&mut store, "m", false, deployment("x:2", 2)).unwrap();
    run(&mut store, 3.0);
    let object = store.get("Deployment", "a", "d").unwrap();
    assert_eq!((&object["status"]["readyReplicas"], &object["status"]["updatedReplicas"]), (&json!(2), &json!(2)));
    assert!(store.pods().iter().filter(|pod| pod.namespace() == "a").all(|pod| pod.image("c") == "x:2"));
    apply(&mut store, "m", false, deployment("x:2", 0)).unwrap();
    run(&mut store, 1.0);
    assert!(store.list("Pod", Some("a")).is_empty());
    store.delete("Deployment", "a", "d");
    run(&mut store, 1.0);
    assert!(store.list("ReplicaSet", Some("a")).is_empty());
}

#[test]
fn dns_pods_come_back_and_balancers_get_addresses() {
    let mut store = store();
    run(&mut store, 1.0);
    let dns = |store: &Store| -> Vec<String> {
        store
            .pods()
            .iter()
            .filter(|pod| pod.label("k8s-app") == Some("kube-dns") && pod.ready())
            .map(|pod| pod.name().to_owned())
            .collect()
    };
    let before = dns(&store);
    assert_eq!(before.len(), 2);
    store.delete("Pod", "kube-system", &before[0]);
    run(&mut store, 1.0);
    let after = dns(&store);
    assert!(after.len() == 2 && !after.contains(&before[0]) && after.contains(&before[1]));

    let balancer = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lb", "namespace": "kube-system",
            "annotations": {"networking.gke.io/load-balancer-type": "Internal"}},
        "spec": {"type": "LoadBalancer", "selector": {"k8s-app": "kube-dns"},
            "ports": [{"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53, "protocol": "TCP"}]}});
    let made = apply(&mut store, "m", false, balancer.clone()).unwrap();
    assert!(made["spec"]["ports"][1]["nodePort"].is_i64());
    assert!(store.load_balancers().is_empty());
    run(&mut store, 1.0);
    assert_eq!(store.load_balancers()[0].2, "10.200.0.200");
    let again = apply(&mut store, "m", false, balancer).unwrap();
    assert_eq!(again["spec"]["clusterIP"], made["spec"]["clusterIP"]);
    store.delete("Service", "kube-system", "lb");
    assert!(store.get("Service", "kube-system", "lb").is_some(), "waits for the cleanup");
    run(&mut store, 1.0);
    assert!(store.get("Service", "kube-system", "lb").is_none());
}

#[test]
fn the_world_plays_init_containers_and_ends() {
    let mut store = store();
    store.autorun_all(false);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"},
        "spec": {"restartPolicy": "Never", "initContainers": [{"name": "gate", "image": "busybox:1.36"}],
            "containers": [{"name": "probe", "image": "busybox:1.36", "env": [
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "HOST", "value": "$(POD).x"}]}]}});
    store.create("m", pod).unwrap();
    run(&mut store, 1.0);
    let seen = store.pod("a", "p").unwrap();
    assert_eq!((seen.running_init(), seen.startable(), seen.phase()), (Some("gate"), false, "Pending"));
    assert_eq!(store.env(&seen, "probe")["HOST"], "p.x");
    store.finish_init("a", "p", "gate");
    assert!(store.pod("a", "p").unwrap().startable());
    store.start_pod("a", "p");
    store.set_ready("a", "p", true);
    assert!(store.pod("a", "p").unwrap().ready());
    store.terminate_pod("a", "p", 0, "0 ok 10.0.0.1");
    let seen = store.pod("a", "p").unwrap();
    assert_eq!((seen.phase(), seen.state("probe"), seen.ready()), ("Succeeded", ContainerState::Terminated(0), false));
    assert_eq!(seen.object()["status"]["containerStatuses"][0]["state"]["terminated"]["message"], "0 ok 10.0.0.1");
    store.delete("Pod", "a", "p");
    run(&mut store, 1.0);
    assert!(store.pod("a", "p").is_none());
}

#[test]
fn a_quiet_cluster_costs_nothing() {
    let mut store = store();
    run(&mut store, 2.0);
    let revision = store.revision;
    run(&mut store, 1.0);
    assert_eq!(store.revision, revision);
    assert!(store.timers.is_empty());
}
