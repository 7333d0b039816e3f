//! Deployments: one ReplicaSet a template, rolled over within surge and unavailability.

use serde_json::{Value, json};

use super::replicas;
use crate::kubernetes::stamp;
use crate::kubernetes::store::{Object, Store};
use crate::kubernetes::views::{deleting, name, namespace, number, owner_reference, set_condition, uid};

const MANAGER: &str = "kube-controller-manager";

pub fn tick(store: &mut Store) {
    for deployment in store.list("Deployment", None) {
        if !deleting(&deployment) {
            roll(store, &deployment);
            status(store, &deployment);
        }
    }
}

fn sets(store: &Store, deployment: &Value) -> Vec<Object> {
    let owner = uid(deployment).to_owned();
    store
        .list("ReplicaSet", Some(namespace(deployment)))
        .into_iter()
        .filter(|set| crate::kubernetes::views::controller(set).is_some_and(|(_, _, uid)| uid == owner))
        .collect()
}

fn count(object: &Value, pointer: &str) -> i64 {
    number(object, pointer).unwrap_or(0)
}

/// A number or a percentage of `total`.
fn share(value: &Value, total: i64, up: bool) -> i64 {
    let Some(percent) =
        value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok())
    else {
        return value.as_i64().unwrap_or(0);
    };
    if up { (total * percent + 99) / 100 } else { total * percent / 100 }
}

fn limits(deployment: &Value) -> (i64, i64) {
    let replicas = count(deployment, "/spec/replicas");
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let surge = share(&rolling["maxSurge"], replicas, true);
    let unavailable = share(&rolling["maxUnavailable"], replicas, false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

fn resize(store: &mut Store, set: &Value, replicas: i64) {
    if count(set, "/spec/replicas") != replicas {
        store.edit("ReplicaSet", namespace(set), name(set), MANAGER, |set| set["spec"]["replicas"] = json!(replicas));
    }
}

fn roll(store: &mut Store, deployment: &Value) {
    let wanted = count(deployment, "/spec/replicas");
    let hash = stamp::hash(&deployment["spec"]["template"]);
    let all = sets(store, deployment);
    let current = all.iter().find(|set| set["metadata"]["labels"]["pod-template-hash"] == hash.as_str()).cloned();
    let old: Vec<Object> = all.iter().filter(|set| Some(name(set)) != current.as_deref().map(name)).cloned().collect();
    let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";

    if recreate {
        let mut left = 0;
        for set in &old {
            resize(store, set, 0);
            left += replicas::owned(store, set).len();
        }
        if left > 0 {
            return;
        }
    }
    let (surge, unavailable) = limits(deployment);
    let old_size: i64 = old.iter().map(|set| count(set, "/spec/replicas")).sum();
    let Some(current) = current else {
        let size = if recreate || old_size == 0 { wanted } else { (wanted + surge - old_size).clamp(0, wanted) };
        create(store, deployment, &hash, size, all.len());
        return;
    };
    let size = count(&current, "/spec/replicas");
    if size > wanted {
        resize(store, &current, wanted);
    } else if size < wanted {
        let room = if old_size == 0 { wanted - size } else { (wanted + surge - old_size - size).max(0) };
        resize(store, &current, size + room.min(wanted - size));
    }
    let ready = count(&current, "/status/readyReplicas");
    let mut spare = old_size + size - (wanted - unavailable) - (size - ready).max(0);
    for set in &old {
        let own = count(set, "/spec/replicas");
        let cut = own.min(spare.max(0));
        spare -= cut;
        resize(store, set, own - cut);
    }
}

fn create(store: &mut Store, deployment: &Value, hash: &str, size: i64, revision: usize) {
    let spec = &deployment["spec"];
    let mut template = spec["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut selector = spec["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": format!("{}-{hash}", name(deployment)), "namespace": namespace(deployment), "labels": template["metadata"]["labels"],
            "annotations": {"deployment.kubernetes.io/revision": (revision + 1).to_string()},
            "ownerReferences": [owner_reference(deployment)]},
        "spec": {"replicas": size, "selector": selector, "template": template}});
    if store.create(MANAGER, set).is_ok() {
        store.edit("Deployment", namespace(deployment), name(deployment), MANAGER, |object| {
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!((revision + 1).to_string());
        });
    }
}

fn status(store: &mut Store, deployment: &Value) {
    let hash = stamp::hash(&deployment["spec"]["template"]);
    let all = sets(store, deployment);
    let sum = |pointer: &str| all.iter().map(|set| count(set, pointer)).sum::<i64>();
    let updated: i64 = all
        .iter()
        .filter(|set| set["metadata"]["labels"]["pod-template-hash"] == hash.as_str())
        .map(|set| count(set, "/status/replicas"))
        .sum();
    let (total, ready, wanted) =
        (sum("/status/replicas"), sum("/status/readyReplicas"), count(deployment, "/spec/replicas"));
    let (_, unavailable) = limits(deployment);
    let available = ready >= wanted - unavailable;
    let complete = updated == wanted && total == wanted && ready == wanted;
    let own = name(deployment).to_owned();
    let set_name = format!("{own}-{hash}");
    store.edit_status("Deployment", namespace(deployment), &own, MANAGER, |object| {
        let conditions = object["status"]["conditions"].clone();
        let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
        for (field, value) in [
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
            ("unavailableReplicas", (wanted - ready).max(0)),
        ] {
            if value > 0 {
                status[field] = json!(value);
            }
        }
        status["conditions"] = conditions;
        object["status"] = status;
        if available {
            set_condition(
                object,
                "Available",
                true,
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            );
        } else {
            set_condition(
                object,
                "Available",
                false,
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            );
        }
        if complete {
            set_condition(
                object,
                "Progressing",
                true,
                "NewReplicaSetAvailable",
                &format!("ReplicaSet {set_name:?} has successfully progressed."),
            );
        } else {
            set_condition(
                object,
                "Progressing",
                true,
                "ReplicaSetUpdated",
                &format!("ReplicaSet {set_name:?} is progressing."),
            );
        }
    });
}
