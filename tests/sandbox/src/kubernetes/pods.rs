//! Pods as the world sees and plays them.

use serde_json::{Value, json};

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

pub(super) fn text_of<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}
