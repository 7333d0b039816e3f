//! Pods as the world sees and plays them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::stamp;
use super::store::{Object, Store};
use super::views::{self, items, text};

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Not started.
    Waiting,
    /// Running.
    Running,
    /// Ended with this exit code.
    Terminated(i32),
}

/// A pod at one moment.
#[derive(Debug, Clone)]
pub struct Pod(Object);

/// A persistent disk in the project. It outlives the cluster if its volume was not deleted first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Name, `pvc-<uid of the claim>`.
    pub name: String,
    /// Zone.
    pub zone: String,
    /// Requested size.
    pub size: String,
    /// Namespace of the claim.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
    /// UID of the claim.
    pub claim_uid: String,
}

impl Pod {
    /// The whole object.
    #[must_use]
    pub fn object(&self) -> &Value {
        &self.0
    }

    /// Namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        views::namespace(&self.0)
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        views::name(&self.0)
    }

    /// UID; a re-created pod has another one.
    #[must_use]
    pub fn uid(&self) -> &str {
        views::uid(&self.0)
    }

    /// A label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        views::label(&self.0, key)
    }

    /// Address, once it has one.
    #[must_use]
    pub fn ip(&self) -> Option<&str> {
        Some(text(&self.0, "/status/podIP")).filter(|ip| !ip.is_empty())
    }

    /// Node, once it is scheduled.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        Some(text(&self.0, "/spec/nodeName")).filter(|node| !node.is_empty())
    }

    /// Address of the node.
    #[must_use]
    pub fn host_ip(&self) -> Option<&str> {
        Some(text(&self.0, "/status/hostIP")).filter(|ip| !ip.is_empty())
    }

    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    #[must_use]
    pub fn phase(&self) -> &str {
        text(&self.0, "/status/phase")
    }

    /// Whether it is being deleted; its processes got SIGTERM.
    #[must_use]
    pub fn deleting(&self) -> bool {
        views::deleting(&self.0)
    }

    /// Condition Ready.
    #[must_use]
    pub fn ready(&self) -> bool {
        views::condition(&self.0, "Ready")
    }

    /// Controlling owner: (kind, name).
    #[must_use]
    pub fn owner(&self) -> Option<(&str, &str)> {
        views::controller(&self.0).map(|(kind, name, _)| (kind, name))
    }

    /// Ordinal of a StatefulSet's pod.
    #[must_use]
    pub fn ordinal(&self) -> Option<u32> {
        self.owner().filter(|(kind, _)| *kind == "StatefulSet")?;
        self.name().rsplit_once('-')?.1.parse().ok()
    }

    /// Names of the init containers, in order.
    #[must_use]
    pub fn init_containers(&self) -> Vec<&str> {
        items(&self.0, "/spec/initContainers").iter().filter_map(|c| c["name"].as_str()).collect()
    }

    /// Names of the containers.
    #[must_use]
    pub fn containers(&self) -> Vec<&str> {
        items(&self.0, "/spec/containers").iter().filter_map(|c| c["name"].as_str()).collect()
    }

    /// A container's or init container's spec.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Value> {
        items(&self.0, "/spec/initContainers")
            .iter()
            .chain(items(&self.0, "/spec/containers"))
            .find(|c| c["name"] == name)
    }

    /// A container's image; empty if there is none of that name.
    #[must_use]
    pub fn image(&self, container: &str) -> &str {
        self.container(container).and_then(|c| c["image"].as_str()).unwrap_or("")
    }

    /// State of a container or init container.
    #[must_use]
    pub fn state(&self, container: &str) -> ContainerState {
        let statuses =
            items(&self.0, "/status/initContainerStatuses").iter().chain(items(&self.0, "/status/containerStatuses"));
        let Some(status) = statuses.into_iter().find(|s| s["name"] == container) else {
            return ContainerState::Waiting;
        };
        if status["state"].get("running").is_some() {
            ContainerState::Running
        } else if let Some(ended) = status["state"].get("terminated") {
            ContainerState::Terminated(
                ended["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(0),
            )
        } else {
            ContainerState::Waiting
        }
    }

    /// The init container that runs now. The kubelet starts the first by itself, and each next when the one before is finished.
    #[must_use]
    pub fn running_init(&self) -> Option<&str> {
        self.init_containers().into_iter().find(|name| self.state(name) == ContainerState::Running)
    }

    /// Whether the world may start its containers now: it has an address, all init containers are done, and nothing runs yet.
    #[must_use]
    pub fn startable(&self) -> bool {
        !self.deleting() && self.phase() == "Pending" && self.ip().is_some() && views::condition(&self.0, "Initialized")
    }

    /// Name of the claim that a container mounts at `path`.
    #[must_use]
    pub fn claim_at(&self, container: &str, path: &str) -> Option<&str> {
        let mounts = self.container(container)?.get("volumeMounts")?.as_array()?;
        let volume = mounts.iter().find(|m| m["mountPath"] == path)?["name"].as_str()?;
        items(&self.0, "/spec/volumes").iter().find(|v| v["name"] == volume)?["persistentVolumeClaim"]["claimName"]
            .as_str()
    }
}

impl Store {
    /// All pods.
    #[must_use]
    pub fn pods(&self) -> Vec<Pod> {
        self.list("Pod", None).into_iter().map(Pod).collect()
    }

    /// One pod.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<Pod> {
        self.get("Pod", namespace, name).map(Pod)
    }

    /// The environment of a container as its process sees it: `env` and `envFrom`, references resolved, `$(NAME)` expanded.
    #[must_use]
    pub fn env(&self, pod: &Pod, container: &str) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let Some(spec) = pod.container(container) else { return env };
        for source in items(spec, "/envFrom") {
            let prefix = source["prefix"].as_str().unwrap_or("");
            for (kind, field) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
                let Some(object) =
                    source[field]["name"].as_str().and_then(|name| self.get(kind, pod.namespace(), name))
                else {
                    continue;
                };
                for (name, value) in object["data"].as_object().into_iter().flatten() {
                    let value = value.as_str().unwrap_or("");
                    let value =
                        if kind == "Secret" { views::decode(value).unwrap_or_default() } else { value.to_owned() };
                    env.insert(format!("{prefix}{name}"), value);
                }
            }
        }
        for entry in items(spec, "/env") {
            let Some(name) = entry["name"].as_str() else { continue };
            let value = if let Some(value) = entry["value"].as_str() {
                Some(expand(value, &env))
            } else if let Some(path) = text_of(entry, "/valueFrom/fieldRef/fieldPath") {
                Some(field(pod.object(), path))
            } else if let Some(from) = entry["valueFrom"].get("configMapKeyRef") {
                self.data("ConfigMap", pod.namespace(), text(from, "/name"), text(from, "/key"))
            } else if let Some(from) = entry["valueFrom"].get("secretKeyRef") {
                self.data("Secret", pod.namespace(), text(from, "/name"), text(from, "/key"))
            } else {
                Some(String::new())
            };
            if let Some(value) = value {
                env.insert(name.to_owned(), value);
            }
        }
        env
    }

    /// UID of a claim; the identity of a disk's content.
    #[must_use]
    pub fn claim_uid(&self, namespace: &str, claim: &str) -> Option<String> {
        self.get("PersistentVolumeClaim", namespace, claim).map(|pvc| views::uid(&pvc).to_owned())
    }

    /// The disks that this cluster's provisioner made and has not deleted.
    #[must_use]
    pub fn disks(&self) -> Vec<Disk> {
        self.disks.values().cloned().collect()
    }

    /// Names and addresses of the load balancers that exist: (namespace, service, address).
    #[must_use]
    pub fn load_balancers(&self) -> Vec<(String, String, String)> {
        self.list("Service", None)
            .iter()
            .filter_map(|svc| {
                let ip = text(svc, "/status/loadBalancer/ingress/0/ip");
                (!ip.is_empty()).then(|| (views::namespace(svc).to_owned(), views::name(svc).to_owned(), ip.to_owned()))
            })
            .collect()
    }

    /// What the cluster's DNS answers for `<service>.<namespace>.svc`: its address, or the pods of a headless Service. `None` = NXDOMAIN.
    #[must_use]
    pub fn resolve_service(&self, namespace: &str, service: &str) -> Option<Vec<String>> {
        let svc = self.get("Service", namespace, service)?;
        let ip = text(&svc, "/spec/clusterIP");
        if !ip.is_empty() && ip != "None" {
            return Some(vec![ip.to_owned()]);
        }
        let pods: Vec<String> = self.backends(&svc).iter().filter_map(|pod| pod.ip().map(str::to_owned)).collect();
        (!pods.is_empty()).then_some(pods)
    }

    /// What the cluster's DNS answers for `<pod>.<service>.<namespace>.svc` of a headless Service.
    #[must_use]
    pub fn resolve_pod(&self, namespace: &str, service: &str, host: &str) -> Option<String> {
        let svc = self.get("Service", namespace, service)?;
        if text(&svc, "/spec/clusterIP") != "None" {
            return None;
        }
        let named = |pod: &Pod| {
            let hostname = text(pod.object(), "/spec/hostname");
            let subdomain = text(pod.object(), "/spec/subdomain");
            (if hostname.is_empty() { pod.name() } else { hostname }) == host && subdomain == service
        };
        self.backends(&svc).iter().find(|pod| named(pod)).and_then(|pod| pod.ip().map(str::to_owned))
    }

    /// The pods behind a Service that get traffic (also those not ready, if it publishes them).
    #[must_use]
    pub fn backends(&self, service: &Value) -> Vec<Pod> {
        let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object).filter(|s| !s.is_empty())
        else {
            return Vec::new();
        };
        let unready = service.pointer("/spec/publishNotReadyAddresses") == Some(&json!(true));
        self.list("Pod", Some(views::namespace(service)))
            .into_iter()
            .map(Pod)
            .filter(|pod| selector.iter().all(|(k, v)| pod.label(k) == v.as_str()))
            .filter(|pod| pod.ip().is_some() && !matches!(pod.phase(), "Succeeded" | "Failed"))
            .filter(|pod| unready || (pod.ready() && !pod.deleting()))
            .collect()
    }

    /// The pod that has this address, if any.
    #[must_use]
    pub fn pod_with_ip(&self, ip: &str) -> Option<Pod> {
        self.pods().into_iter().find(|pod| pod.ip() == Some(ip) && !matches!(pod.phase(), "Succeeded" | "Failed"))
    }

    /// The running init container ends well; the kubelet starts the next one.
    pub fn finish_init(&mut self, namespace: &str, pod: &str, container: &str) -> bool {
        self.kubelet(namespace, pod, |object| {
            let now = stamp::now();
            let mut next = false;
            let Some(list) = object["status"]["initContainerStatuses"].as_array_mut() else { return };
            for status in list {
                if status["name"] == container {
                    let started = status["state"]["running"]["startedAt"].clone();
                    status["state"] = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now}});
                    status["ready"] = json!(true);
                    next = true;
                } else if next && status["state"].get("waiting").is_some() {
                    status["state"] = json!({"running": {"startedAt": now}});
                    return;
                }
            }
            if items(object, "/status/initContainerStatuses").iter().all(|s| s["state"].get("terminated").is_some()) {
                views::set_condition(object, "Initialized", true, "", "");
            }
        })
    }

    /// An init container fails; with a restart policy other than Never it is started again at once and counted.
    pub fn fail_init(&mut self, namespace: &str, pod: &str, container: &str, code: i32, message: &str) -> bool {
        self.kubelet(namespace, pod, |object| {
            let never = object["spec"]["restartPolicy"] == "Never";
            let Some(list) = object["status"]["initContainerStatuses"].as_array_mut() else { return };
            for status in list.iter_mut().filter(|s| s["name"] == container) {
                let ended = ended(code, message);
                if never {
                    status["state"] = ended;
                } else {
                    status["lastState"] = ended;
                    status["restartCount"] = json!(status["restartCount"].as_i64().unwrap_or(0) + 1);
                    status["state"] = json!({"running": {"startedAt": stamp::now()}});
                }
            }
            if never {
                object["status"]["phase"] = json!("Failed");
            }
        })
    }

    /// All containers run: phase Running, not ready yet.
    pub fn start_pod(&mut self, namespace: &str, pod: &str) -> bool {
        self.kubelet(namespace, pod, |object| {
            object["status"]["phase"] = json!("Running");
            let now = stamp::now();
            for status in object["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
                if status["state"].get("running").is_none() {
                    status["state"] = json!({"running": {"startedAt": now}});
                }
                status["started"] = json!(true);
            }
        })
    }

    /// Whether the pod is ready.
    pub fn set_ready(&mut self, namespace: &str, pod: &str, ready: bool) -> bool {
        self.kubelet(namespace, pod, |object| {
            for status in object["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
                status["ready"] = json!(ready);
            }
            let (reason, message) =
                if ready { ("", "") } else { ("ContainersNotReady", "containers with unready status") };
            views::set_condition(object, "ContainersReady", ready, reason, message);
            views::set_condition(object, "Ready", ready, reason, message);
        })
    }

    /// All containers end with this code and termination message (4096 bytes at most). By the restart policy the pod is then Succeeded,
    /// Failed, or in CrashLoopBackOff until [`Store::start_pod`].
    pub fn terminate_pod(&mut self, namespace: &str, pod: &str, code: i32, message: &str) -> bool {
        let message: String = message.chars().take(4096).collect();
        self.kubelet(namespace, pod, |object| {
            let policy = text(object, "/spec/restartPolicy").to_owned();
            let restarts = policy == "Always" || (policy == "OnFailure" && code != 0);
            for status in object["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
                status["ready"] = json!(false);
                status["started"] = json!(false);
                if restarts {
                    status["lastState"] = ended(code, &message);
                    status["restartCount"] = json!(status["restartCount"].as_i64().unwrap_or(0) + 1);
                    status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}});
                } else {
                    status["state"] = ended(code, &message);
                }
            }
            if !restarts {
                object["status"]["phase"] = json!(if code == 0 { "Succeeded" } else { "Failed" });
            }
            let reason = if code == 0 && !restarts { "PodCompleted" } else { "ContainersNotReady" };
            views::set_condition(object, "ContainersReady", false, reason, "");
            views::set_condition(object, "Ready", false, reason, "");
        })
    }

    /// Sets the phase alone.
    pub fn set_pod_phase(&mut self, namespace: &str, pod: &str, phase: &str) -> bool {
        self.kubelet(namespace, pod, |object| object["status"]["phase"] = json!(phase))
    }

    /// Appends a line to a container's log.
    pub fn log(&mut self, namespace: &str, pod: &str, container: &str, line: &str) {
        let Some(uid) = self.pod(namespace, pod).map(|pod| pod.uid().to_owned()) else { return };
        let log = self.logs.entry((uid, container.to_owned())).or_default();
        log.push_str(line);
        log.push('\n');
        if log.len() > 65_536 {
            let cut = log.char_indices().map(|(at, _)| at).find(|at| *at >= 32_768).unwrap_or(0);
            log.drain(..cut);
        }
    }

    /// The log of a container, or its last lines.
    #[must_use]
    pub fn logged(&self, uid: &str, container: &str, tail: Option<usize>) -> String {
        let text = self.logs.get(&(uid.to_owned(), container.to_owned())).cloned().unwrap_or_default();
        let Some(count) = tail else { return text };
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| format!("{line}\n")).collect()
    }

    /// Gives a LoadBalancer Service an address (the controller does so by itself after a while).
    pub fn set_load_balancer_address(&mut self, namespace: &str, service: &str, ip: &str) -> bool {
        self.edit_status("Service", namespace, service, "cloud-controller-manager", |svc| {
            svc["status"]["loadBalancer"] = json!({"ingress": [{"ip": ip, "ipMode": "VIP"}]});
        })
    }

    pub(crate) fn kubelet(&mut self, namespace: &str, pod: &str, change: impl FnOnce(&mut Value)) -> bool {
        self.edit_status("Pod", namespace, pod, "kubelet", change)
    }
}

fn ended(code: i32, message: &str) -> Value {
    let now = stamp::now();
    let mut ended = json!({"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }, "startedAt": now, "finishedAt": now});
    if !message.is_empty() {
        ended["message"] = json!(message);
    }
    json!({"terminated": ended})
}

fn text_of<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// A field of the downward API.
fn field(pod: &Value, path: &str) -> String {
    if let Some(key) = path.strip_prefix("metadata.labels['").and_then(|rest| rest.strip_suffix("']")) {
        return views::label(pod, key).unwrap_or("").to_owned();
    }
    if let Some(key) = path.strip_prefix("metadata.annotations['").and_then(|rest| rest.strip_suffix("']")) {
        return pod["metadata"]["annotations"][key].as_str().unwrap_or("").to_owned();
    }
    text(pod, &format!("/{}", path.replace('.', "/"))).to_owned()
}

/// `$(NAME)` becomes the value of a variable defined before; an unknown name stays; `$$` is a dollar.
fn expand(value: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix("$(").and_then(|inner| inner.split_once(')')) {
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion() {
        let env = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        assert_eq!(expand("$(A).$(B)-$$(A)$", &env), "x.$(B)-$(A)$");
    }
}
