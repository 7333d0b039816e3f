//! Names, immutability, namespaces, deletion.

use serde_json::json;

use super::{apply, config_map, namespace, run, stateful_set, store};
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::write::{DeleteOptions, WriteOptions};

#[test]
fn immutable_fields() {
    let mut store = store();
    apply(&mut store, "m", false, stateful_set(1, "x:1")).unwrap();
    let mut other = stateful_set(1, "x:1");
    other["spec"]["serviceName"] = json!("t");
    let error = apply(&mut store, "m", false, other).unwrap_err();
    assert_eq!(error.code, 422);
    assert!(error.message.starts_with("StatefulSet.apps \"s\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas'"));
    assert_eq!(error.details["causes"][0]["field"], "spec");

    let service = |ip: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "v", "namespace": "a"},
            "spec": {"clusterIP": ip, "ports": [{"port": 80}]}})
    };
    apply(&mut store, "m", false, service("34.118.224.50")).unwrap();
    assert_eq!(apply(&mut store, "m", false, service("34.118.224.51")).unwrap_err().code, 422);

    let class = |kind: &str| json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c"}, "provisioner": "p", "parameters": {"type": kind}});
    apply(&mut store, "m", false, class("pd-ssd")).unwrap();
    let error = apply(&mut store, "m", false, class("pd-standard")).unwrap_err();
    assert_eq!(
        error.message,
        "StorageClass.storage.k8s.io \"c\" is invalid: parameters: Forbidden: updates to parameters are forbidden."
    );
}

#[test]
fn init_containers_share_the_names_of_the_containers() {
    let mut store = store();
    let mut set = stateful_set(1, "x:1");
    let mut twin = set["spec"]["template"]["spec"]["containers"][0].clone();
    let name = twin["name"].clone();
    set["spec"]["template"]["spec"]["initContainers"] = json!([twin]);
    let error = apply(&mut store, "m", false, set.clone()).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "StatefulSet.apps \"s\" is invalid: spec.template.spec.initContainers[0].name: Duplicate value: {name}"
        )
    );
    twin["name"] = json!("first");
    set["spec"]["template"]["spec"]["initContainers"] = json!([twin]);
    apply(&mut store, "m", false, set).unwrap();
}

#[test]
fn names_and_bodies() {
    let mut store = store();
    for (kind, name, ok) in [
        ("ConfigMap", "a.b", true),
        ("ConfigMap", "A", false),
        ("Service", "a.b", false),
        ("Service", "1a", false),
        ("Namespace", "x.y", false),
    ] {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        if kind != "Namespace" {
            object["metadata"]["namespace"] = json!("a");
        }
        if kind == "Service" {
            object["spec"] = json!({"ports": [{"port": 1}]});
        }
        let result = store.create("m", object);
        assert_eq!(result.is_ok(), ok, "{kind} {name} {result:?}");
    }
    assert_eq!(store.create("m", config_map(json!({"n": 1}))).unwrap_err().code, 400);
    for (pointer, broken) in [
        ("/spec", json!([])),
        ("/spec/template/spec/containers", json!({})),
        ("/spec/template/spec/containers/0/resources", json!("x")),
    ] {
        let mut set = stateful_set(1, "x");
        *set.pointer_mut(pointer).unwrap() = broken;
        assert_eq!(store.create("m", set).unwrap_err().code, 400, "{pointer}");
    }
    let missing = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "nowhere"}});
    let error = store.create("m", missing).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (404, "namespaces \"nowhere\" not found"));
    let mut mismatch = stateful_set(1, "x");
    mismatch["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    assert!(store.create("m", mismatch).unwrap_err().message.contains("`selector` does not match template `labels`"));
}

#[test]
fn a_namespace_terminates_and_goes() {
    let mut store = store();
    apply(&mut store, "m", false, stateful_set(2, "x:1")).unwrap();
    run(&mut store, 2.0);
    assert_eq!((store.list("Pod", Some("a")).len(), store.disks().len()), (2, 2));
    assert!(store.delete("Namespace", "", "a"));
    assert_eq!(store.get("Namespace", "", "a").unwrap()["status"]["phase"], "Terminating");
    let error = store.create("m", config_map(json!({}))).unwrap_err();
    assert_eq!((error.code, error.details["causes"][0]["reason"].as_str()), (403, Some("NamespaceTerminating")));
    run(&mut store, 3.0);
    assert!(store.get("Namespace", "", "a").is_none(), "{:?}", store.contents("a"));
    assert!(store.disks().is_empty() && store.list("PersistentVolume", None).is_empty());
    namespace(&mut store, "a");
}

#[test]
fn preconditions_guard_a_delete() {
    let mut store = store();
    let object = store.create("m", config_map(json!({}))).unwrap();
    let kind = Kind::named("ConfigMap").unwrap();
    let wrong = DeleteOptions { uid: Some("other".to_owned()), ..DeleteOptions::default() };
    let error = store.remove(kind, "a", "m", &wrong).unwrap_err();
    assert_eq!(error.code, 409);
    assert!(error.message.contains("the UID in the precondition (other) does not match"), "{}", error.message);
    let right =
        DeleteOptions { uid: object["metadata"]["uid"].as_str().map(str::to_owned), ..DeleteOptions::default() };
    store.remove(kind, "a", "m", &right).unwrap();
    assert_eq!(store.remove(kind, "a", "m", &right).unwrap_err().code, 404);
}

#[test]
fn stale_writes_are_refused() {
    let mut store = store();
    let lease = |version: Option<&str>, holder: &str| {
        let mut object = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l", "namespace": "a"}, "spec": {"holderIdentity": holder}});
        if let Some(version) = version {
            object["metadata"]["resourceVersion"] = json!(version);
        }
        object
    };
    let made = store.create("m", lease(None, "x")).unwrap();
    let version = made["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let kind = Kind::named("Lease").unwrap();
    let options = WriteOptions::manager("m");
    store.put(kind, "a", "l", lease(Some(&version), "y"), &options).unwrap();
    let error = store.put(kind, "a", "l", lease(Some(&version), "z"), &options).unwrap_err();
    assert_eq!((error.code, error.reason), (409, "Conflict"));
    assert!(error.message.starts_with(
        "Operation cannot be fulfilled on leases.coordination.k8s.io \"l\": the object has been modified"
    ));
    assert_eq!(store.put(kind, "a", "l", lease(None, "z"), &options).unwrap_err().code, 422);
    assert_eq!(store.create("m", lease(None, "x")).unwrap_err().reason, "AlreadyExists");
}
