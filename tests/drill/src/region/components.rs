//! What runs in a cluster, with its settings. Each setting that is not obvious says what happens without it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::certificates::Certificates;
use crate::place::{Addresses, DNS_SERVICE, Place, SERVICE_CIDR};

/// What a cluster is asked to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// GCP project.
    pub project: String,
    /// Zone or region.
    pub location: String,
    /// Name in GKE; its context in the kubeconfig too.
    pub name: String,
    /// Last segment of the network's URL.
    pub network: String,
    /// Network tags of the nodes.
    pub node_tags: Vec<String>,
}

impl Cluster {
    /// Name of its node.
    pub fn node(&self) -> String {
        format!("gke-{}-default-pool-0", self.name)
    }

    /// The zone of its node: a region's nodes sit in its zone `-b`.
    pub fn zone(&self) -> String {
        if self.location.matches('-').count() >= 2 { self.location.clone() } else { format!("{}-b", self.location) }
    }

    /// The region.
    pub fn region(&self) -> String {
        let zone = self.zone();
        zone.rsplit_once('-').map_or(zone.clone(), |(region, _)| region.to_owned())
    }
}

/// A process that has to run, for the machine's first process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Component {
    /// Name of its log.
    pub name: String,
    /// Program.
    pub program: PathBuf,
    /// Arguments.
    pub arguments: Vec<String>,
}

/// What a machine is made of: mounts, and processes in the order of their start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Folder on the disk, path in the machine.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Processes.
    pub components: Vec<Component>,
    /// Where the logs go.
    pub logs: PathBuf,
}

/// Where the containers' runtime listens inside of the machine.
pub const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// Image that holds the namespaces of pods.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// Writes all configuration of a cluster and says what its machine has to run.
///
/// # Errors
/// A file can't be written.
pub fn configure(place: &Place, slot: u8, cluster: &Cluster, reviews: &str) -> Result<Machine> {
    let folder = place.region(slot);
    let addresses = place.addresses(slot);
    let pki = Certificates::provide(&folder.join("pki"), &cluster.node(), addresses)?;
    let disk = |path: &str| -> Result<PathBuf> {
        let path = folder.join(path);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    };
    let logs = disk("log")?;
    let etc = disk("etc")?;
    let images = place.containerd(slot);
    std::fs::create_dir_all(&images)?;
    let binds = vec![
        (disk("var-log")?, "/var/log".into()),
        (disk("var-lib-kubelet")?, "/var/lib/kubelet".into()),
        (disk("var-lib-cni")?, "/var/lib/cni".into()),
        (disk("etc/cni")?, "/etc/cni".into()),
        (images, "/var/lib/containerd".into()),
    ];
    write(&etc.join("containerd.toml"), CONTAINERD_TOML)?;
    write(&etc.join("cni/net.d/10-c8.conflist"), &pod_network(addresses).to_string())?;
    write(&etc.join("kubelet.json"), &kubelet(cluster, addresses, &pki).to_string())?;
    write(&etc.join("reviews.json"), &token_reviews(reviews).to_string())?;

    let bin = |name: &str| place.bin(name);
    let path = |path: PathBuf| path.display().to_string();
    let in_pki = |name: &str| path(pki.file(name));
    let component =
        |name: &str, program: PathBuf, arguments: Vec<String>| Component { name: name.into(), program, arguments };
    let components = vec![
        component(
            "etcd",
            bin("etcd"),
            vec![
                format!("--data-dir={}", path(disk("etcd")?)),
                // a disk that is asked to wait makes two clusters on one machine unbearably slow; a crash here kills
                // processes, not the machine, so nothing is lost
                "--unsafe-no-fsync".into(),
                "--listen-client-urls=http://127.0.0.1:2379".into(),
                "--advertise-client-urls=http://127.0.0.1:2379".into(),
                "--listen-peer-urls=http://127.0.0.1:2380".into(),
                "--log-level=warn".into(),
            ],
        ),
        component("containerd", "containerd".into(), vec![format!("--config={}", path(etc.join("containerd.toml")))]),
        component(
            "apiserver",
            bin("kube-apiserver"),
            vec![
                "--etcd-servers=http://127.0.0.1:2379".into(),
                format!("--advertise-address={}", addresses.node()),
                "--secure-port=6443".into(),
                format!("--tls-cert-file={}", in_pki("apiserver.crt")),
                format!("--tls-private-key-file={}", in_pki("apiserver.key")),
                format!("--client-ca-file={}", in_pki("ca.crt")),
                format!("--service-account-key-file={}", in_pki("service-accounts.pub")),
                format!("--service-account-signing-key-file={}", in_pki("service-accounts.key")),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--service-cluster-ip-range={SERVICE_CIDR}"),
                "--authorization-mode=Node,RBAC".into(),
                "--enable-admission-plugins=NodeRestriction".into(),
                "--allow-privileged=true".into(),
                // else exec, logs and port-forward try to resolve the node's name
                "--kubelet-preferred-address-types=InternalIP".into(),
                format!("--kubelet-client-certificate={}", in_pki("admin.crt")),
                format!("--kubelet-client-key={}", in_pki("admin.key")),
                format!("--authentication-token-webhook-config-file={}", path(etc.join("reviews.json"))),
                "--authentication-token-webhook-version=v1".into(),
                "--authentication-token-webhook-cache-ttl=30s".into(),
                // for the size of the node, see cloud::addons
                "--feature-gates=MutatingAdmissionPolicy=true".into(),
                "--runtime-config=admissionregistration.k8s.io/v1beta1=true".into(),
            ],
        ),
        component(
            "controllers",
            bin("kube-controller-manager"),
            vec![
                format!("--kubeconfig={}", in_pki("controllers.conf")),
                format!("--service-account-private-key-file={}", in_pki("service-accounts.key")),
                format!("--root-ca-file={}", in_pki("ca.crt")),
                "--use-service-account-credentials=true".into(),
                format!("--cluster-cidr={}", addresses.pod_cidr()),
                "--allocate-node-cidrs=true".into(),
                "--leader-elect=false".into(),
                "--node-monitor-grace-period=20s".into(),
            ],
        ),
        component(
            "scheduler",
            bin("kube-scheduler"),
            vec![format!("--kubeconfig={}", in_pki("scheduler.conf")), "--leader-elect=false".into()],
        ),
        component(
            "kubelet",
            bin("kubelet"),
            vec![
                format!("--config={}", path(etc.join("kubelet.json"))),
                format!("--kubeconfig={}", in_pki("kubelet.conf")),
                format!("--hostname-override={}", cluster.node()),
                // must not be loopback
                format!("--node-ip={}", addresses.node()),
                format!(
                    "--node-labels=topology.kubernetes.io/region={},topology.kubernetes.io/zone={},node.kubernetes.io/instance-type=n2-standard-8,cloud.google.com/gke-nodepool=default-pool",
                    cluster.region(),
                    cluster.zone()
                ),
            ],
        ),
        component(
            "proxy",
            bin("kube-proxy"),
            vec![
                format!("--kubeconfig={}", in_pki("proxy.conf")),
                format!("--hostname-override={}", cluster.node()),
                format!("--cluster-cidr={}", addresses.pod_cidr()),
                "--proxy-mode=nftables".into(),
                // these belong to the whole machine and can't be written from a namespace
                "--conntrack-max-per-core=0".into(),
                "--conntrack-tcp-timeout-established=0".into(),
                "--conntrack-tcp-timeout-close-wait=0".into(),
            ],
        ),
    ];
    Ok(Machine { binds, components, logs })
}

fn write(file: &Path, content: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(file, content)?)
}

/// `restrict_oom_score_adj`: without `CAP_SYS_RESOURCE` every pod fails with "can't get final child's PID from pipe: EOF".
const CONTAINERD_TOML: &str = r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "registry.k8s.io/pause:3.10"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
"#;

/// Pods have plain addresses that are routed between the regions.
fn pod_network(addresses: Addresses) -> Value {
    let cidr = addresses.pod_cidr();
    let subnet = cidr.replace("/16", "/24");
    json!({"cniVersion": "0.4.0", "name": "c8", "plugins": [
        {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "portmap", "capabilities": {"portMappings": true}}]})
}

fn kubelet(cluster: &Cluster, addresses: Addresses, pki: &Certificates) -> Value {
    json!({"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": {"clientCAFile": pki.file("ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_SERVICE],
        "resolvConf": "/dev/null",
        "providerID": format!("gce://{}/{}/{}", cluster.project, cluster.zone(), cluster.node()),
        "cgroupDriver": "cgroupfs",
        // one parent for all containers of this cluster; without classes of quality the kubelet would not use it
        "cgroupsPerQOS": true,
        "cgroupRoot": format!("/{}", addresses.cgroup()),
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "failCgroupV1": false,
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD}"),
        "tlsCertFile": pki.file("kubelet.crt"),
        "tlsPrivateKeyFile": pki.file("kubelet.key"),
        // the size of the node is corrected at each report
        "nodeStatusUpdateFrequency": "5s",
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": false})
}

/// The kubeconfig of a webhook: where the API server has tokens reviewed.
fn token_reviews(url: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Config", "current-context": "reviews",
        "clusters": [{"name": "cloud", "cluster": {"server": url}}],
        "users": [{"name": "apiserver", "user": {}}],
        "contexts": [{"name": "reviews", "context": {"cluster": "cloud", "user": "apiserver"}}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(location: &str) -> Cluster {
        Cluster {
            project: "sandbox".into(),
            location: location.into(),
            name: "camunda-one".into(),
            network: "default".into(),
            node_tags: vec![],
        }
    }

    #[test]
    fn the_node_of_a_region_stands_in_one_of_its_zones() {
        assert_eq!(cluster("europe-west1").zone(), "europe-west1-b");
        assert_eq!(cluster("europe-west1-c").zone(), "europe-west1-c");
        assert_eq!(cluster("europe-west1-c").region(), "europe-west1");
    }

    #[test]
    fn a_machine_starts_with_its_store_and_names_every_file_absolutely() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path().into(), 0).unwrap();
        let machine = configure(&place, 1, &cluster("europe-west1-b"), "http://172.30.0.1:1/reviews").unwrap();
        let names: Vec<&str> = machine.components.iter().map(|component| component.name.as_str()).collect();
        assert_eq!(names, ["etcd", "containerd", "apiserver", "controllers", "scheduler", "kubelet", "proxy"]);
        assert!(machine.binds.iter().all(|(disk, path)| disk.is_dir() && path.is_absolute()));
        let kubelet = std::fs::read_to_string(place.region(1).join("etc/kubelet.json")).unwrap();
        assert!(kubelet.contains("\"/c8d0-r1\""));
    }
}
