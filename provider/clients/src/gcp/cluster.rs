//! What a GKE cluster is to us: read from the API's model, or written to it (`dual-region.md 1.2`).

use std::collections::BTreeMap;

use google_cloud_container_v1::model;

/// Status of a cluster. Only an observation: a zonal outage and a lost region may look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterStatus {
    /// Being created.
    Provisioning,
    /// Usable.
    Running,
    /// Usable while something is changed.
    Reconciling,
    /// Being deleted.
    Stopping,
    /// Unusable.
    Error,
    /// Usable with restrictions.
    Degraded,
    /// Something that this version does not know.
    Unknown,
}

impl ClusterStatus {
    /// Whether its API server is expected to answer.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Running | Self::Reconciling | Self::Degraded)
    }

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Running => "RUNNING",
            Self::Reconciling => "RECONCILING",
            Self::Stopping => "STOPPING",
            Self::Error => "ERROR",
            Self::Degraded => "DEGRADED",
            Self::Unknown => "STATUS_UNSPECIFIED",
        }
    }
}

impl std::fmt::Display for ClusterStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&model::cluster::Status> for ClusterStatus {
    fn from(status: &model::cluster::Status) -> Self {
        use model::cluster::Status;
        match status {
            Status::Provisioning => Self::Provisioning,
            Status::Running => Self::Running,
            Status::Reconciling => Self::Reconciling,
            Status::Stopping => Self::Stopping,
            Status::Error => Self::Error,
            Status::Degraded => Self::Degraded,
            _ => Self::Unknown,
        }
    }
}

/// What resolves names in a cluster; decides how the DNS chain is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsProvider {
    /// kube-dns, the default.
    KubeDns,
    /// Cloud DNS: stub domains don't apply.
    CloudDns,
}

/// A cluster as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Project it was asked for in.
    pub project: String,
    /// Zone or region.
    pub location: String,
    /// Name, unique in project and location at one time.
    pub name: String,
    /// GKE's own ID; another cluster of the same name has another one. Empty if the API gives none.
    pub id: String,
    /// Status.
    pub status: ClusterStatus,
    /// Why, if it is not running.
    pub status_message: String,
    /// Host, perhaps with port, of the API server. Empty while provisioning.
    pub endpoint: String,
    /// CA of the API server, PEM in base64, as the API gives it.
    pub ca_certificate: String,
    /// `clusterIpv4Cidr`: where its pods are; the source range of the peer's firewall rule.
    pub pod_cidr: String,
    /// `ipAllocationPolicy.nodeIpv4CidrBlock`, if the API names it.
    pub node_cidr: Option<String>,
    /// Network, short name.
    pub network: String,
    /// Subnetwork, short name.
    pub subnetwork: String,
    /// Resource labels.
    pub labels: BTreeMap<String, String>,
    /// Network tags of the node pools, sorted, without doubles.
    pub node_tags: Vec<String>,
    /// DNS of the cluster.
    pub dns: DnsProvider,
    /// Version of the control plane.
    pub version: String,
    /// RFC 3339.
    pub created: String,
}

/// Label that says to which installation a cluster of ours belongs.
pub const OWNER_LABEL: &str = "c8-owner";

impl Cluster {
    /// The installation that created it, if it is one of ours.
    pub fn owner(&self) -> Option<&str> {
        self.labels.get(OWNER_LABEL).map(String::as_str)
    }

    pub(super) fn read(project: &str, location: &str, cluster: &model::Cluster) -> Self {
        let mut node_tags: Vec<String> = cluster
            .node_pools
            .iter()
            .filter_map(|pool| pool.config.as_ref())
            .flat_map(|config| config.tags.clone())
            .collect();
        node_tags.sort();
        node_tags.dedup();
        let allocation = cluster.ip_allocation_policy.as_ref();
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let cloud_dns = cluster
            .network_config
            .as_ref()
            .and_then(|network| network.dns_config.as_ref())
            .is_some_and(|dns| dns.cluster_dns == model::dns_config::Provider::CloudDns);
        Self {
            project: project.to_owned(),
            location: location.to_owned(),
            name: cluster.name.clone(),
            id: cluster.id.clone(),
            status: ClusterStatus::from(&cluster.status),
            status_message: cluster
                .conditions
                .iter()
                .map(|condition| condition.message.as_str())
                .collect::<Vec<_>>()
                .join("; "),
            endpoint: cluster.endpoint.clone(),
            ca_certificate: cluster
                .master_auth
                .as_ref()
                .map(|auth| auth.cluster_ca_certificate.clone())
                .unwrap_or_default(),
            pod_cidr: filled(&cluster.cluster_ipv4_cidr)
                .or_else(|| allocation.and_then(|policy| filled(&policy.cluster_ipv4_cidr_block)))
                .unwrap_or_default(),
            node_cidr: allocation.and_then(|policy| filled(&policy.node_ipv4_cidr_block)),
            network: last_segment(&cluster.network),
            subnetwork: last_segment(&cluster.subnetwork),
            labels: cluster.resource_labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            node_tags,
            dns: if cloud_dns { DnsProvider::CloudDns } else { DnsProvider::KubeDns },
            version: cluster.current_master_version.clone(),
            created: cluster.create_time.clone(),
        }
    }
}

/// `projects/p/global/networks/n` and its URL are `n` to us.
pub(super) fn last_segment(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A cluster to be created: VPC native, with a node tag of its own, on nodes that are not reclaimed unless `spot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCluster {
    /// Project.
    pub project: String,
    /// Zone (zonal control plane, one zone of nodes) or region.
    pub location: String,
    /// Name.
    pub name: String,
    /// The installation, becomes the label `c8-owner`.
    pub owner: String,
    /// Machine type of the nodes.
    pub machine_type: String,
    /// Fewest nodes per zone; also the first number of nodes, at least 1.
    pub min_nodes: i32,
    /// Most nodes per zone.
    pub max_nodes: i32,
    /// Disk type of the nodes.
    pub disk_type: Option<String>,
    /// Disk size of the nodes.
    pub disk_size_gb: Option<i32>,
    /// Reclaimable nodes. A reclaim looks like the loss of a broker.
    pub spot: bool,
    /// `RAPID`, `REGULAR`, `STABLE`, `EXTENDED`.
    pub release_channel: Option<String>,
    /// Network, default `default`.
    pub network: Option<String>,
    /// Subnetwork.
    pub subnetwork: Option<String>,
}

impl NewCluster {
    /// The tag that its nodes get, the target of our firewall rules.
    pub fn node_tag(&self) -> String {
        format!("c8-{}", self.name)
    }

    /// Fields of the table in `dual-region.md 1.2`.
    pub(super) fn to_model(&self) -> model::Cluster {
        use model::maintenance_window::Policy;
        let mut node = model::NodeConfig::new()
            .set_machine_type(&self.machine_type)
            .set_tags([self.node_tag()])
            .set_spot(self.spot)
            .set_kubelet_config(model::NodeKubeletConfig::new().set_insecure_kubelet_readonly_port_enabled(false));
        if let Some(disk_type) = &self.disk_type {
            node = node.set_disk_type(disk_type);
        }
        if let Some(size) = self.disk_size_gb {
            node = node.set_disk_size_gb(size);
        }
        let pool = model::NodePool::new()
            .set_name("default-pool")
            .set_initial_node_count(self.min_nodes.max(1))
            .set_autoscaling(
                model::NodePoolAutoscaling::new()
                    .set_enabled(true)
                    .set_min_node_count(self.min_nodes)
                    .set_max_node_count(self.max_nodes),
            )
            .set_config(node);
        let window = model::DailyMaintenanceWindow::new().set_start_time("04:00");
        let mut cluster = model::Cluster::new()
            .set_name(&self.name)
            .set_resource_labels([(OWNER_LABEL, self.owner.as_str())])
            .set_ip_allocation_policy(model::IPAllocationPolicy::new().set_use_ip_aliases(true))
            .set_maintenance_policy(model::MaintenancePolicy::new().set_window(
                model::MaintenanceWindow::new().set_policy(Policy::DailyMaintenanceWindow(Box::new(window))),
            ))
            .set_workload_identity_config(
                model::WorkloadIdentityConfig::new().set_workload_pool(format!("{}.svc.id.goog", self.project)),
            )
            .set_node_pools([pool]);
        let channel = self.release_channel.as_deref().unwrap_or("REGULAR");
        cluster = cluster.set_release_channel(
            model::ReleaseChannel::new().set_channel(model::release_channel::Channel::from(channel)),
        );
        if let Some(network) = &self.network {
            cluster = cluster.set_network(network);
        }
        if let Some(subnetwork) = &self.subnetwork {
            cluster = cluster.set_subnetwork(subnetwork);
        }
        cluster
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_new_cluster_is_written_as_in_the_table() {
        let new = NewCluster {
            project: "p".into(),
            location: "europe-west1-b".into(),
            name: "camunda-one".into(),
            owner: "g".into(),
            machine_type: "n2-standard-8".into(),
            min_nodes: 0,
            max_nodes: 24,
            disk_type: Some("pd-ssd".into()),
            disk_size_gb: None,
            spot: false,
            release_channel: None,
            network: None,
            subnetwork: None,
        };
        let json = serde_json::to_value(new.to_model()).unwrap();
        let pool = &json["nodePools"][0];
        assert_eq!(pool["config"]["tags"], serde_json::json!(["c8-camunda-one"]));
        assert_eq!(pool["config"]["diskType"], "pd-ssd");
        assert!(pool["config"].get("spot").is_none(), "no spot nodes by default");
        assert_eq!(pool["initialNodeCount"], 1);
        assert_eq!(pool["autoscaling"], serde_json::json!({ "enabled": true, "maxNodeCount": 24 }));
        assert_eq!(json["ipAllocationPolicy"]["useIpAliases"], true);
        assert_eq!(json["resourceLabels"]["c8-owner"], "g");
        assert_eq!(json["maintenancePolicy"]["window"]["dailyMaintenanceWindow"]["startTime"], "04:00");
        assert_eq!(json["workloadIdentityConfig"]["workloadPool"], "p.svc.id.goog");
    }

    #[test]
    fn a_cluster_is_read_with_its_ranges_and_tags() {
        let json = serde_json::json!({
            "name": "camunda-zero", "id": "abc", "status": "RUNNING", "endpoint": "127.0.0.1:6443", "clusterIpv4Cidr": "10.0.0.0/14",
            "network": "default", "ipAllocationPolicy": { "nodeIpv4CidrBlock": "10.132.0.0/20" },
            "masterAuth": { "clusterCaCertificate": "Zm9v" }, "resourceLabels": { "c8-owner": "g" },
            "nodePools": [{ "config": { "tags": ["b", "c8-camunda-zero"] } }, { "config": { "tags": ["b"] } }],
            "networkConfig": { "dnsConfig": { "clusterDns": "CLOUD_DNS" } },
        });
        let model: model::Cluster = serde_json::from_value(json).unwrap();
        let cluster = Cluster::read("p", "europe-west4-b", &model);
        assert_eq!(cluster.status, ClusterStatus::Running);
        assert_eq!((cluster.pod_cidr.as_str(), cluster.node_cidr.as_deref()), ("10.0.0.0/14", Some("10.132.0.0/20")));
        assert_eq!(cluster.node_tags, ["b", "c8-camunda-zero"]);
        assert_eq!(cluster.owner(), Some("g"));
        assert_eq!(cluster.dns, DnsProvider::CloudDns);
    }
}
