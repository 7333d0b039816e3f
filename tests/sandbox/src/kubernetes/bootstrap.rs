//! What a new GKE cluster contains.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use super::kinds::Kind;
use super::store::Store;
use super::write::WriteOptions;

/// How long the simulated components take.
#[derive(Debug, Clone)]
pub struct Speeds {
    /// Scheduler: Pending to bound to a node.
    pub schedule: Duration,
    /// Kubelet: bound to address and first container.
    pub pod_start: Duration,
    /// Kubelet: deletion to gone.
    pub pod_stop: Duration,
    /// Provisioner: claim to volume, and volume to deleted.
    pub volume: Duration,
    /// Cloud controller: load balancer to address, and to gone.
    pub load_balancer: Duration,
}

impl Default for Speeds {
    fn default() -> Self {
        let short = Duration::from_millis(20);
        Speeds {
            schedule: short,
            pod_start: short,
            pod_stop: Duration::from_millis(60),
            volume: short,
            load_balancer: Duration::from_millis(120),
        }
    }
}

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// GCP project.
    pub project: String,
    /// Zone or region.
    pub location: String,
    /// Cluster name.
    pub cluster: String,
    /// Range of pod addresses, e.g. `10.8.0.0/14`.
    pub pod_cidr: String,
    /// Range of the nodes' subnet; internal load balancers take their addresses from it too.
    pub node_cidr: String,
    /// Range of Service addresses.
    pub service_cidr: String,
    /// Number of nodes.
    pub node_count: u32,
    /// Machine type of the nodes.
    pub machine_type: String,
    /// `gitVersion` of the server.
    pub version: String,
    /// CA of the API server, for ConfigMap kube-root-ca.crt.
    pub ca_pem: String,
    /// Port on which the nodes' kubelets answer on the loopback; `None` if nobody but this process asks them.
    pub kubelet_port: Option<u16>,
    /// UID of the namespace kube-system, which is the cluster's identity; a new one if `None`.
    pub uid: Option<String>,
    /// Delays.
    pub speeds: Speeds,
}

impl Settings {
    /// Settings with the usual values for the rest.
    #[must_use]
    pub fn new(
        project: &str,
        location: &str,
        cluster: &str,
        pod_cidr: &str,
        node_cidr: &str,
        service_cidr: &str,
    ) -> Settings {
        Settings {
            project: project.to_owned(),
            location: location.to_owned(),
            cluster: cluster.to_owned(),
            pod_cidr: pod_cidr.to_owned(),
            node_cidr: node_cidr.to_owned(),
            service_cidr: service_cidr.to_owned(),
            node_count: 4,
            machine_type: "n2-standard-8".to_owned(),
            version: "v1.33.4-gke.1134000".to_owned(),
            ca_pem: String::new(),
            kubelet_port: None,
            uid: None,
            speeds: Speeds::default(),
        }
    }

    /// The zone of a node: a region's nodes sit in its zone `-b`.
    #[must_use]
    pub fn zone(&self) -> String {
        if self.location.matches('-').count() >= 2 { self.location.clone() } else { format!("{}-b", self.location) }
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> String {
        let zone = self.zone();
        zone.rsplit_once('-').map_or(zone.clone(), |(region, _)| region.to_owned())
    }
}

/// The n-th address of a range; `None` if the range does not parse.
pub(crate) fn nth_address(cidr: &str, n: u32) -> Option<String> {
    let (base, _) = cidr.split_once('/')?;
    let base: Ipv4Addr = base.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(base).wrapping_add(n)).to_string())
}

pub(crate) fn populate(store: &mut Store) {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        put(store, "kube-apiserver", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    if let Some(uid) = store.settings.uid.clone() {
        store.edit("Namespace", "", "kube-system", "kube-apiserver", |ns| ns["metadata"]["uid"] = json!(uid));
    }
    nodes(store);
    storage_classes(store);
    let settings = store.settings.clone();
    let at = |n| nth_address(&settings.service_cidr, n).unwrap_or_default();
    put(
        store,
        "kube-apiserver",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": at(1), "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}]}}),
    );
    kube_dns(store, &at(10));
}

fn put(store: &mut Store, manager: &str, manifest: Value) {
    let Some(kind) = manifest["kind"].as_str().and_then(Kind::named) else { return };
    let namespace = super::views::namespace(&manifest).to_owned();
    let made = store.post(kind, &namespace, manifest, &WriteOptions::manager(manager));
    debug_assert!(made.is_ok(), "{made:?}");
}

fn nodes(store: &mut Store) {
    let settings = store.settings.clone();
    for index in 0..settings.node_count {
        let mut object = node(&settings, index);
        let status = object.as_object_mut().and_then(|object| object.remove("status"));
        let name = super::views::name(&object).to_owned();
        put(store, "gcp-controller-manager", object);
        store.edit_status("Node", "", &name, "kubelet", |node| node["status"] = status.unwrap_or_default());
    }
}

/// The n-th node, as it registers itself.
pub(crate) fn node(settings: &Settings, index: u32) -> Value {
    let name =
        format!("gke-{}-default-pool-{}-{}", settings.cluster, &super::stamp::uid()[..8], super::stamp::suffix());
    let ip = nth_address(&settings.node_cidr, 10 + index).unwrap_or_default();
    let pods = nth_address(&settings.pod_cidr, index * 256).map(|base| format!("{base}/24")).unwrap_or_default();
    let mut object = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": settings.machine_type,
            "topology.kubernetes.io/region": settings.region(), "topology.kubernetes.io/zone": settings.zone(),
            "cloud.google.com/gke-nodepool": "default-pool"}},
        "spec": {"podCIDR": pods, "podCIDRs": [pods], "providerID": format!("gce://{}/{}/{name}", settings.project, settings.zone())},
        "status": {
            "addresses": [{"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}],
            "allocatable": {"cpu": "7910m", "memory": "29152056Ki", "pods": "110"},
            "capacity": {"cpu": "8", "memory": "32869176Ki", "pods": "110"},
            "nodeInfo": {"kubeletVersion": settings.version, "operatingSystem": "linux", "architecture": "amd64",
                "containerRuntimeVersion": "containerd://1.7.27", "kernelVersion": "6.6.87+", "osImage": "Container-Optimized OS from Google"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
                "lastTransitionTime": super::stamp::now()}]}});
    if let Some(port) = settings.kubelet_port {
        object["status"]["addresses"] = json!([{"type": "InternalIP", "address": ip}, {"type": "ExternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]);
        object["status"]["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": port}});
    }
    object
}

/// What GKE puts into a new cluster beside what Kubernetes itself makes, without what only a server sets.
pub(crate) fn manifests(settings: &Settings) -> Vec<Value> {
    let store = Store::new(settings.clone());
    let bare = |object: super::store::Object| {
        let mut object = (*object).clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "labels" | "annotations"));
        }
        if object["kind"] != "Node"
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        object
    };
    let system = Some("kube-system");
    [("Node", None), ("StorageClass", None), ("ConfigMap", system), ("Service", system), ("Deployment", system)]
        .into_iter()
        .flat_map(|(kind, namespace)| store.list(kind, namespace))
        .map(bare)
        .collect()
}

fn storage_classes(store: &mut Store) {
    for (name, disk, default) in
        [("standard", "pd-standard", false), ("standard-rwo", "pd-balanced", true), ("premium-rwo", "pd-ssd", false)]
    {
        let mode = if name == "standard" { "Immediate" } else { "WaitForFirstConsumer" };
        let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": name, "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists", "k8s-app": "gcp-compute-persistent-disk-csi-driver"}},
            "provisioner": "pd.csi.storage.gke.io", "parameters": {"type": disk}, "allowVolumeExpansion": true, "volumeBindingMode": mode});
        if default {
            class["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
        }
        put(store, "kube-addon-manager", class);
    }
}

fn kube_dns(store: &mut Store, ip: &str) {
    let labels = json!({"k8s-app": "kube-dns", "addonmanager.kubernetes.io/mode": "Reconcile"});
    put(
        store,
        "kube-addon-manager",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-dns", "namespace": "kube-system",
            "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"}}}),
    );
    put(
        store,
        "kube-addon-manager",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {"selector": {"k8s-app": "kube-dns"}, "clusterIP": ip, "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}]}}),
    );
    put(
        store,
        "kube-addon-manager",
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}},
                "template": {"metadata": {"labels": {"k8s-app": "kube-dns"}},
                    "spec": {"dnsPolicy": "Default",
                        "volumes": [{"name": "kube-dns-config", "configMap": {"name": "kube-dns", "optional": true}}],
                        "containers": [
                            {"name": "kubedns", "image": "gke.gcr.io/k8s-dns-kube-dns:1.23.0-gke.9", "volumeMounts": [{"name": "kube-dns-config", "mountPath": "/kube-dns-config"}]},
                            {"name": "dnsmasq", "image": "gke.gcr.io/k8s-dns-dnsmasq-nanny:1.23.0-gke.9",
                             "ports": [{"containerPort": 53, "name": "dns", "protocol": "UDP"}, {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"}]}]}}}}),
    );
}
