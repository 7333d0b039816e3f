//! `c8_region`.

use std::collections::BTreeMap;

use terraform_plugin::{Attr, Model};

use crate::timeouts::Timeouts;
use crate::topology::{RegionRef, TopologyEntry};

/// One region of the installation: its Kubernetes cluster, its namespace and everything of Camunda that runs in it.
///
/// A region is ready when all is applied and its search store answers. It never waits for a quorum of brokers: half of
/// them are in the other region. A region that is lost stays in the state with `phase = "lost"`, so that a fail-over
/// can be planned; rebuild it with `terraform apply -replace`.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Region {
    /// Number of the region: its place in `topology`, 0 or 1.
    #[tf(required, replace, range(0, 1))]
    pub region_id: Attr<i64>,
    /// The whole installation, one object a region in the order of the region numbers. Write literals, not references
    /// to the regions, so that each region knows its peer before that exists. A GKE cluster is named by `location`,
    /// `cluster` and `project`; any other cluster by `kubeconfig_path` and `kubeconfig_context`.
    #[tf(required)]
    pub topology: Attr<Vec<Attr<TopologyEntry>>>,
    /// Name of the installation, used in the names of firewall rules and labels. Derived from the namespaces if not
    /// set.
    #[tf(optional, computed, replace)]
    pub group: Attr<String>,
    /// The GKE cluster to create. Without this block the cluster must exist already, and is never deleted.
    #[tf(block)]
    pub cluster: Option<Cluster>,
    /// What of Camunda runs in the region.
    #[tf(block, required)]
    pub camunda: Option<Camunda>,
    /// Limits for creating, updating and deleting the region.
    #[tf(block)]
    pub timeouts: Option<Timeouts>,

    /// `project/location/cluster/namespace`, or `kubeconfig/context/namespace`.
    #[tf(computed)]
    pub id: Attr<String>,
    /// The reference to this region that the other resources take in `regions`.
    #[tf(computed)]
    pub r#ref: Attr<RegionRef>,
    /// `provisioning`, `installing`, `held` (all is applied, the brokers wait for `c8_failover`), `running`,
    /// `unreachable` (its API does not answer) or `lost` (the rest of the installation misses it as well).
    #[tf(computed)]
    pub phase: Attr<String>,
    /// The Kubernetes objects of the release: `kind/namespace/name` to a digest of what was applied. A fail-over does
    /// not change it.
    #[tf(computed)]
    pub objects: Attr<BTreeMap<String, Attr<String>>>,
    /// Node ids of the region's brokers.
    #[tf(computed)]
    pub broker_ids: Attr<Vec<Attr<i64>>>,
    /// Address range of the cluster's pods.
    #[tf(computed)]
    pub pod_cidr: Attr<String>,
    /// Network tag of the cluster's nodes.
    #[tf(computed)]
    pub node_tag: Attr<String>,
}

/// The GKE cluster to create.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Cluster {
    /// Machine type of the nodes.
    #[tf(optional, default = "n2-standard-8")]
    pub machine_type: Attr<String>,
    /// Fewest nodes that the autoscaler keeps, in each zone.
    #[tf(optional, default = 1)]
    pub min_nodes: Attr<i64>,
    /// Most nodes that the autoscaler starts, in each zone.
    #[tf(optional, default = 24)]
    pub max_nodes: Attr<i64>,
    /// Type of the nodes' boot disks.
    #[tf(optional, default = "pd-ssd")]
    pub disk_type: Attr<String>,
    /// Size of the nodes' boot disks in GiB.
    #[tf(optional, default = 100)]
    pub disk_size_gb: Attr<i64>,
    /// Run on spot machines. A reclaimed machine looks like a lost broker: not for production.
    #[tf(optional, default = false)]
    pub spot: Attr<bool>,
    /// GKE release channel.
    #[tf(optional, default = "REGULAR", one_of("RAPID", "REGULAR", "STABLE", "EXTENDED"))]
    pub release_channel: Attr<String>,
    /// VPC network; the `network` of the topology entry, or `default`, if not set.
    #[tf(optional)]
    pub network: Attr<String>,
    /// Subnetwork of the VPC network.
    #[tf(optional)]
    pub subnetwork: Attr<String>,
}

/// What of Camunda runs in the region. All but the sizes of disks must be the same in both regions.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Camunda {
    /// Version of Camunda, such as `8.7.2`: 8.2 to 8.7. Before 8.6 a fail-over works with temporary brokers.
    #[tf(required)]
    pub version: Attr<String>,
    /// Name of the release: prefix of all its objects.
    #[tf(optional, default = "camunda")]
    pub release: Attr<String>,
    /// Number of brokers in both regions together; even, at least 4. Before Camunda 8.6 a multiple of 4.
    #[tf(optional, default = 8)]
    pub cluster_size: Attr<i64>,
    /// Number of partitions.
    #[tf(optional, default = 8)]
    pub partition_count: Attr<i64>,
    /// Replicas of a partition in both regions together. Two in each region are what makes fail-over possible.
    #[tf(optional, default = 4, range(4, 4))]
    pub replication_factor: Attr<i64>,
    /// Size of a broker's disk.
    #[tf(optional, default = "32Gi")]
    pub storage_size: Attr<String>,
    /// StorageClass of all disks; `ssd` is created by the provider.
    #[tf(optional, default = "ssd")]
    pub storage_class: Attr<String>,
    /// CPU request of a broker, such as `2` or `800m`; none if not set.
    #[tf(optional)]
    pub cpu: Attr<String>,
    /// Memory request and limit of a broker, such as `4Gi`; none if not set.
    #[tf(optional)]
    pub memory: Attr<String>,
    /// How long a broker may be silent before the others count it as gone. Each of them probes another one every fifth of it, but not more often than every 200 ms nor less often than every 2 s.
    #[tf(optional, default = "10s")]
    pub failure_timeout: Attr<String>,
    /// Size of the search store's disk.
    #[tf(optional, default = "64Gi")]
    pub elasticsearch_storage_size: Attr<String>,
    /// Other container images: `zeebe`, `operate`, `tasklist`, `connectors`, `elasticsearch` or `busybox` to an image
    /// with its tag.
    #[tf(optional)]
    pub images: Attr<BTreeMap<String, Attr<String>>>,
}
