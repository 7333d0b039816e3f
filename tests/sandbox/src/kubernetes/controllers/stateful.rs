//! StatefulSets: ordinals, claims, ordered or parallel management, rolling update from the highest ordinal down.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::replicas::{from_template, healthy, owned};
use crate::kubernetes::pods::Pod;
use crate::kubernetes::stamp;
use crate::kubernetes::store::Store;
use crate::kubernetes::views::{deleting, items, name, namespace, number, owner_reference};

const MANAGER: &str = "kube-controller-manager";

pub fn tick(store: &mut Store) {
    for set in store.list("StatefulSet", None) {
        let revision = format!("{}-{}", name(&set), stamp::hash(&set["spec"]["template"]));
        if !deleting(&set) {
            record(store, &set, &revision);
            let _ = manage(store, &set, &revision);
        }
        status(store, &set, &revision);
    }
}

fn record(store: &mut Store, set: &Value, revision: &str) {
    if store.get("ControllerRevision", namespace(set), revision).is_some() {
        return;
    }
    let known = store
        .list("ControllerRevision", Some(namespace(set)))
        .iter()
        .filter(|r| crate::kubernetes::lifecycle::owned_by(r, crate::kubernetes::views::uid(set)))
        .count();
    let object = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {"name": revision, "namespace": namespace(set), "labels": set["spec"]["template"]["metadata"]["labels"], "ownerReferences": [owner_reference(set)]},
        "data": {"spec": {"template": set["spec"]["template"]}}, "revision": known + 1});
    let _ = store.create(MANAGER, object);
}

fn by_ordinal(store: &Store, set: &Value) -> BTreeMap<i64, Pod> {
    owned(store, set).into_iter().filter_map(|pod| Some((i64::from(pod.ordinal()?), pod))).collect()
}

/// One round; `None` where an ordered set has to wait for the pod it just looked at.
fn manage(store: &mut Store, set: &Value, revision: &str) -> Option<()> {
    let ns = namespace(set).to_owned();
    let ordered = set["spec"]["podManagementPolicy"] != "Parallel";
    let start = number(set, "/spec/ordinals/start").unwrap_or(0);
    let end = start + number(set, "/spec/replicas").unwrap_or(1);
    let pods = by_ordinal(store, set);

    for ordinal in start..end {
        match pods.get(&ordinal) {
            None => {
                if claims(store, set, ordinal) {
                    let _ = store.create(MANAGER, pod(set, ordinal, revision));
                }
                if ordered {
                    return None;
                }
            }
            Some(pod) if matches!(pod.phase(), "Failed" | "Succeeded") && !pod.deleting() => {
                store.delete("Pod", &ns, pod.name());
                return None;
            }
            Some(pod) if ordered && !healthy(pod) && revision_of(pod) == revision => return None,
            Some(pod) if ordered && pod.deleting() => return None,
            Some(_) => {}
        }
    }
    for (_, pod) in pods.iter().rev().filter(|(ordinal, _)| **ordinal < start || **ordinal >= end) {
        if !pod.deleting() {
            store.delete("Pod", &ns, pod.name());
        }
        if ordered {
            return None;
        }
    }
    if set["spec"]["updateStrategy"]["type"] != "RollingUpdate" {
        return Some(());
    }
    let partition = number(set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    for ordinal in (start.max(partition)..end).rev() {
        let pod = pods.get(&ordinal)?;
        if revision_of(pod) != revision && !pod.deleting() {
            store.delete("Pod", &ns, pod.name());
            return None;
        }
        if !healthy(pod) {
            return None;
        }
    }
    Some(())
}

fn revision_of(pod: &Pod) -> &str {
    pod.label("controller-revision-hash").unwrap_or("")
}

fn pod(set: &Value, ordinal: i64, revision: &str) -> Value {
    let own = format!("{}-{ordinal}", name(set));
    let mut pod = from_template(set);
    pod["metadata"]["name"] = json!(own);
    pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(own);
    pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
    pod["metadata"]["labels"]["controller-revision-hash"] = json!(revision);
    pod["spec"]["hostname"] = json!(own);
    if let Some(service) = set["spec"]["serviceName"].as_str().filter(|s| !s.is_empty()) {
        pod["spec"]["subdomain"] = json!(service);
    }
    for template in items(set, "/spec/volumeClaimTemplates") {
        let volume = json!({"name": name(template), "persistentVolumeClaim": {"claimName": format!("{}-{own}", name(template))}});
        if !pod["spec"]["volumes"].is_array() {
            pod["spec"]["volumes"] = json!([]);
        }
        if let Some(list) = pod["spec"]["volumes"].as_array_mut() {
            list.retain(|v| v["name"] != volume["name"]);
            list.push(volume);
        }
    }
    pod
}

/// Makes sure that the claims of an ordinal exist; false while one of them is being deleted.
fn claims(store: &mut Store, set: &Value, ordinal: i64) -> bool {
    let ns = namespace(set).to_owned();
    for template in items(set, "/spec/volumeClaimTemplates") {
        let own = format!("{}-{}-{ordinal}", name(template), name(set));
        match store.get("PersistentVolumeClaim", &ns, &own) {
            Some(claim) if deleting(&claim) => return false,
            Some(_) => {}
            None => {
                let mut labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
                labels.extend(set["spec"]["selector"]["matchLabels"].as_object().cloned().unwrap_or_default());
                let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "metadata": {"name": own, "namespace": ns, "labels": labels}, "spec": template["spec"]});
                if let Some(annotations) = template["metadata"].get("annotations") {
                    claim["metadata"]["annotations"] = annotations.clone();
                }
                if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
                    claim["metadata"]["ownerReferences"] = json!([owner_reference(set)]);
                }
                if store.create(MANAGER, claim).is_err() {
                    return false;
                }
            }
        }
    }
    true
}

fn status(store: &mut Store, set: &Value, revision: &str) {
    let pods = by_ordinal(store, set);
    let replicas = number(set, "/spec/replicas").unwrap_or(1);
    let count = |test: &dyn Fn(&Pod) -> bool| i64::try_from(pods.values().filter(|pod| test(pod)).count()).unwrap_or(0);
    let total = count(&|_| true);
    let ready = count(&healthy);
    let updated = count(&|pod| !pod.deleting() && revision_of(pod) == revision);
    store.edit_status("StatefulSet", namespace(set), name(set), MANAGER, |object| {
        let before = object["status"]["currentRevision"].as_str().map(str::to_owned);
        let complete = updated == total && ready == total && total == replicas;
        let current = match before {
            Some(before) if !complete => before,
            _ => revision.to_owned(),
        };
        let on_current = count(&|pod| !pod.deleting() && revision_of(pod) == current);
        let mut status = json!({
            "observedGeneration": object["metadata"]["generation"], "replicas": total, "currentRevision": current, "updateRevision": revision,
            "availableReplicas": ready, "collisionCount": 0
        });
        for (field, value) in [("readyReplicas", ready), ("currentReplicas", on_current), ("updatedReplicas", updated)] {
            if value > 0 {
                status[field] = json!(value);
            }
        }
        object["status"] = status;
    });
}
