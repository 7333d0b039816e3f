//! Data source `c8_topology`.

use std::collections::BTreeMap;

use terraform_plugin::{Attr, Model, Object};

use crate::topology::TopologyEntry;

/// The installation as its regions show it right now: brokers, partitions and their leaders, health, exporters, stores. It
/// changes nothing.
///
/// A region that does not answer is no error: `regions` says why, and the rest is what the other region knows. What can't be
/// known then is null.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct ClusterTopology {
    /// The whole installation, as in `c8_region`.
    #[tf(required)]
    pub topology: Attr<Vec<Attr<TopologyEntry>>>,
    /// Name of the installation. Derived from the namespaces if not set.
    #[tf(optional, computed)]
    pub group: Attr<String>,
    /// Name of the Camunda release; `camunda` if not set.
    #[tf(optional)]
    pub release: Attr<String>,

    /// Number of brokers that the cluster is made of.
    #[tf(computed)]
    pub cluster_size: Attr<i64>,
    /// Number of partitions.
    #[tf(computed)]
    pub partition_count: Attr<i64>,
    /// Replicas of a partition.
    #[tf(computed)]
    pub replication_factor: Attr<i64>,
    /// Both regions, by number.
    #[tf(computed)]
    pub regions: Attr<Vec<Attr<RegionView>>>,
    /// The brokers, by node id.
    #[tf(computed)]
    pub brokers: Attr<Vec<Attr<BrokerView>>>,
    /// The partitions, by number.
    #[tf(computed)]
    pub partitions: Attr<Vec<Attr<PartitionView>>>,
    /// The exporters by name: `ENABLED`, `DISABLED`, `MIXED` if partitions differ, or `UNKNOWN`.
    #[tf(computed)]
    pub exporters: Attr<BTreeMap<String, String>>,
    /// The search stores, by region.
    #[tf(computed)]
    pub stores: Attr<Vec<Attr<StoreView>>>,
    /// Id of the change of the cluster that is in progress, if one is.
    #[tf(computed)]
    pub pending_change: Attr<i64>,
}

/// One region.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct RegionView {
    /// Number of the region, 0 or 1.
    pub region_id: Attr<i64>,
    /// Namespace of Camunda.
    pub namespace: Attr<String>,
    /// Whether its Kubernetes API answers.
    pub reachable: Attr<bool>,
    /// Why it does not; null if it does.
    pub reason: Attr<String>,
    /// Camunda version of the release.
    pub version: Attr<String>,
    /// What its brokers do: `EXPORTING`, `PAUSED`, `MIXED` or `UNKNOWN`.
    pub exporting: Attr<String>,
}

/// One broker.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct BrokerView {
    /// Node id.
    pub id: Attr<i64>,
    /// Number of its region.
    pub region_id: Attr<i64>,
    /// Whether the other brokers see it.
    pub seen: Attr<bool>,
    /// Whether it is a member of the cluster: a fail-over removes the brokers of the lost region.
    pub member: Attr<bool>,
    /// Host under which it is reached.
    pub host: Attr<String>,
    /// Whether all its replicas are healthy.
    pub healthy: Attr<bool>,
    /// Partitions that it leads.
    pub leads: Attr<Vec<i64>>,
    /// Partitions that it follows.
    pub follows: Attr<Vec<i64>>,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct PartitionView {
    /// Number of the partition, from 1.
    pub id: Attr<i64>,
    /// Broker that leads it; null if there is none, or more than one claims to.
    pub leader: Attr<i64>,
    /// Brokers that are seen with a replica.
    pub replicas: Attr<Vec<i64>>,
    /// Whether it has one leader, and all replicas that are seen are healthy.
    pub healthy: Attr<bool>,
}

/// One search store.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct StoreView {
    /// Number of its region.
    pub region_id: Attr<i64>,
    /// Whether it answers.
    pub reachable: Attr<bool>,
    /// Why it does not; null if it does.
    pub reason: Attr<String>,
    /// `green`, `yellow`, `red` or `unknown`.
    pub status: Attr<String>,
    /// Number of its nodes.
    pub nodes: Attr<i64>,
}
