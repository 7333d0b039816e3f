//! ReplicaSets, and what all workloads need: pods from templates.

use serde_json::{Value, json};

use crate::kubernetes::pods::Pod;
use crate::kubernetes::store::Store;
use crate::kubernetes::views::{deleting, name, namespace, number, owner_reference, uid};

const MANAGER: &str = "kube-controller-manager";

/// The pods that an object controls.
pub fn owned(store: &Store, owner: &Value) -> Vec<Pod> {
    let owner_uid = uid(owner);
    store
        .pods()
        .into_iter()
        .filter(|pod| crate::kubernetes::views::controller(pod.object()).is_some_and(|(_, _, uid)| uid == owner_uid))
        .collect()
}

/// A pod from the owner's template.
pub fn from_template(owner: &Value) -> Value {
    let template = &owner["spec"]["template"];
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace(owner)}, "spec": template["spec"]});
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field) {
            pod["metadata"][field] = value.clone();
        }
    }
    pod["metadata"]["ownerReferences"] = json!([owner_reference(owner)]);
    pod
}

/// Whether a pod runs, is ready and stays.
pub fn healthy(pod: &Pod) -> bool {
    pod.phase() == "Running" && pod.ready() && !pod.deleting()
}

pub fn tick(store: &mut Store) {
    for set in store.list("ReplicaSet", None) {
        let (ns, own) = (namespace(&set).to_owned(), name(&set).to_owned());
        if !deleting(&set) {
            scale(store, &set);
        }
        let pods: Vec<Pod> = owned(store, &set)
            .into_iter()
            .filter(|pod| !matches!(pod.phase(), "Failed" | "Succeeded") && !pod.deleting())
            .collect();
        let ready = pods.iter().filter(|pod| healthy(pod)).count();
        let labelled = pods.len();
        store.edit_status("ReplicaSet", &ns, &own, MANAGER, |set| {
            let mut status = json!({"replicas": labelled, "observedGeneration": set["metadata"]["generation"]});
            if labelled > 0 {
                status["fullyLabeledReplicas"] = json!(labelled);
            }
            if ready > 0 {
                status["readyReplicas"] = json!(ready);
                status["availableReplicas"] = json!(ready);
            }
            set["status"] = status;
        });
    }
}

fn scale(store: &mut Store, set: &Value) {
    let ns = namespace(set).to_owned();
    let wanted = usize::try_from(number(set, "/spec/replicas").unwrap_or(1)).unwrap_or(0);
    let mut pods: Vec<Pod> = owned(store, set)
        .into_iter()
        .filter(|pod| !pod.deleting() && !matches!(pod.phase(), "Failed" | "Succeeded"))
        .collect();
    for _ in pods.len()..wanted {
        let mut pod = from_template(set);
        pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
        let _ = store.create(MANAGER, pod);
    }
    // those that aren't ready go first
    pods.sort_by_key(healthy);
    let surplus = pods.len().saturating_sub(wanted);
    for pod in pods.iter().take(surplus) {
        store.delete("Pod", &ns, pod.name());
    }
}
