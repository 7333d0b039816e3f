//! Scheduler and kubelet as far as no process is concerned: node, address, mounts, first init container, end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kubernetes::bootstrap::nth_address;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::pods::Pod;
use crate::kubernetes::stamp;
use crate::kubernetes::store::{Store, key};
use crate::kubernetes::views::{self, items, name, number, set_condition, text};

pub fn tick(store: &mut Store, now: Instant) {
    for pod in store.pods() {
        if pod.deleting() {
            stop(store, &pod, now);
        } else if matches!(pod.phase(), "Succeeded" | "Failed") {
            // nothing more to do
        } else if pod.node().is_none() {
            if !store.is_mirror() {
                schedule(store, &pod, now);
            }
        } else if pod.ip().is_none() {
            start(store, &pod, now);
        } else if pod.phase() == "Pending" && (store.autorun_all || pod.namespace() == "kube-system") {
            autorun(store, &pod);
        }
    }
}

fn stop(store: &mut Store, pod: &Pod, now: Instant) {
    let grace = number(pod.object(), "/metadata/deletionGracePeriodSeconds").unwrap_or(30);
    let delay = store.settings.speeds.pod_stop.min(Duration::from_secs(u64::try_from(grace).unwrap_or(0)));
    if store.due(&format!("stop {}", pod.uid()), delay, now) && items(pod.object(), "/metadata/finalizers").is_empty() {
        if let Some(kind) = Kind::named("Pod") {
            if store.is_mirror() {
                store.send_delete(kind, pod.namespace(), pod.name());
            } else {
                store.erase(&key(kind, pod.namespace(), pod.name()));
            }
        }
        store.logs.retain(|(uid, _), _| uid != pod.uid());
    }
}

fn schedule(store: &mut Store, pod: &Pod, now: Instant) {
    for volume in items(pod.object(), "/spec/volumes") {
        let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() else { continue };
        let found = store.get("PersistentVolumeClaim", pod.namespace(), claim);
        let why = match found {
            None => format!("persistentvolumeclaim {claim:?} not found"),
            Some(found) if views::deleting(&found) => format!("persistentvolumeclaim {claim:?} is being deleted"),
            Some(found) if text(&found, "/status/phase") != "Bound" => {
                "pod has unbound immediate PersistentVolumeClaims".to_owned()
            }
            Some(_) => continue,
        };
        let nodes = store.list("Node", None).len();
        let message = format!("0/{nodes} nodes are available: {why}.");
        store.edit_status("Pod", pod.namespace(), pod.name(), "kube-scheduler", |object| {
            set_condition(object, "PodScheduled", false, "Unschedulable", &message);
        });
        return;
    }
    let delay = store.settings.speeds.schedule;
    if !store.due(&format!("schedule {}", pod.uid()), delay, now) {
        return;
    }
    let pods = store.pods();
    let selector = pod.object()["spec"]["nodeSelector"].as_object().cloned().unwrap_or_default();
    let fits = |node: &Value| {
        node["spec"]["unschedulable"] != true && selector.iter().all(|(k, v)| views::label(node, k) == v.as_str())
    };
    let load = |node: &str| pods.iter().filter(|p| p.node() == Some(node)).count();
    let nodes = store.list("Node", None);
    let Some(node) =
        nodes.iter().filter(|node| fits(node)).min_by_key(|node| load(name(node))).map(|node| name(node).to_owned())
    else {
        return;
    };
    store.edit("Pod", pod.namespace(), pod.name(), "kube-scheduler", |object| object["spec"]["nodeName"] = json!(node));
    store.edit_status("Pod", pod.namespace(), pod.name(), "kube-scheduler", |object| {
        set_condition(object, "PodScheduled", true, "", "")
    });
}

/// ConfigMaps and Secrets that must exist before a container can be made.
fn missing(store: &Store, pod: &Pod) -> Option<String> {
    let ns = pod.namespace();
    let absent = |kind: &str, source: &Value| {
        let own = source["name"].as_str().or_else(|| source["secretName"].as_str()).unwrap_or("");
        (!own.is_empty() && source["optional"] != true && store.get(kind, ns, own).is_none())
            .then(|| format!("{} {own:?} not found", kind.to_lowercase()))
    };
    for volume in items(pod.object(), "/spec/volumes") {
        if let Some(why) = absent("ConfigMap", &volume["configMap"]).or_else(|| absent("Secret", &volume["secret"])) {
            return Some(why);
        }
    }
    for list in ["/spec/initContainers", "/spec/containers"] {
        for container in items(pod.object(), list) {
            for source in items(container, "/envFrom") {
                if let Some(why) =
                    absent("ConfigMap", &source["configMapRef"]).or_else(|| absent("Secret", &source["secretRef"]))
                {
                    return Some(why);
                }
            }
            for entry in items(container, "/env") {
                let from = &entry["valueFrom"];
                if let Some(why) =
                    absent("ConfigMap", &from["configMapKeyRef"]).or_else(|| absent("Secret", &from["secretKeyRef"]))
                {
                    return Some(why);
                }
            }
        }
    }
    None
}

fn statuses(pod: &Pod, list: &str, reason: &str, first_runs: bool) -> Value {
    let mut first = first_runs;
    let all: Vec<Value> = items(pod.object(), &format!("/spec/{list}"))
        .iter()
        .map(|container| {
            let state = if std::mem::take(&mut first) { json!({"running": {"startedAt": stamp::now()}}) } else { json!({"waiting": {"reason": reason}}) };
            json!({"name": container["name"], "image": container["image"], "imageID": "", "ready": false, "started": false, "restartCount": 0,
                "state": state, "lastState": {}})
        })
        .collect();
    Value::Array(all)
}

fn start(store: &mut Store, pod: &Pod, now: Instant) {
    let host = pod.node().and_then(|node| store.get("Node", "", node));
    let Some(host) = host else { return };
    if let Some(why) = missing(store, pod) {
        let waiting = statuses(pod, "containers", "ContainerCreating", false);
        store.kubelet(pod.namespace(), pod.name(), |object| {
            object["status"]["containerStatuses"] = waiting;
            set_condition(object, "PodReadyToStartContainers", false, "FailedMount", &why);
        });
        return;
    }
    let delay = store.settings.speeds.pod_start;
    if !store.due(&format!("start {}", pod.uid()), delay, now) {
        return;
    }
    let host_ip = items(&host, "/status/addresses")
        .iter()
        .find(|a| a["type"] == "InternalIP")
        .and_then(|a| a["address"].as_str())
        .unwrap_or("")
        .to_owned();
    let ip = if pod.object()["spec"]["hostNetwork"] == true {
        host_ip.clone()
    } else {
        address(store, text(&host, "/spec/podCIDR"))
    };
    let init = !pod.init_containers().is_empty();
    let init_statuses = statuses(pod, "initContainers", "PodInitializing", true);
    let waiting = statuses(pod, "containers", if init { "PodInitializing" } else { "ContainerCreating" }, false);
    store.kubelet(pod.namespace(), pod.name(), |object| {
        let status = &mut object["status"];
        status["hostIP"] = json!(host_ip);
        status["hostIPs"] = json!([{"ip": host_ip}]);
        status["podIP"] = json!(ip);
        status["podIPs"] = json!([{"ip": ip}]);
        status["startTime"] = json!(stamp::now());
        if init {
            status["initContainerStatuses"] = init_statuses;
        }
        status["containerStatuses"] = waiting;
        set_condition(object, "PodReadyToStartContainers", true, "", "");
        let message = "containers with incomplete status";
        set_condition(
            object,
            "Initialized",
            !init,
            if init { "ContainersNotInitialized" } else { "" },
            if init { message } else { "" },
        );
        set_condition(object, "ContainersReady", false, "ContainersNotReady", "containers with unready status");
        set_condition(object, "Ready", false, "ContainersNotReady", "containers with unready status");
    });
}

/// A free address of the node's range. Addresses are not handed out again at once, as with real IPAM.
fn address(store: &mut Store, range: &str) -> String {
    let used: Vec<String> = store.pods().iter().filter_map(|pod| pod.ip().map(str::to_owned)).collect();
    for _ in 0..250 {
        store.addresses = store.addresses.wrapping_add(1);
        let candidate = nth_address(range, 2 + store.addresses % 250).unwrap_or_default();
        if !used.contains(&candidate) {
            return candidate;
        }
    }
    String::new()
}

/// Plays pods that the world doesn't: up at once.
fn autorun(store: &mut Store, pod: &Pod) {
    let (ns, own) = (pod.namespace().to_owned(), pod.name().to_owned());
    for container in pod.init_containers() {
        store.finish_init(&ns, &own, container);
    }
    store.start_pod(&ns, &own);
    store.set_ready(&ns, &own, true);
}
