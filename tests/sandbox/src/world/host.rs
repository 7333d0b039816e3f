//! Who runs the Kubernetes behind GKE's clusters.
//!
//! By default the sandbox does, in this process ([`Embedded`]). A test bed can put clusters of its own in that place: real API
//! servers, or whole machines. GKE's API, the token reviews and the control API are then in front of those.

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::{NewCluster, Power, Shared, World};

/// A Kubernetes cluster as GKE describes it.
#[derive(Debug, Clone)]
pub struct HostedCluster {
    /// UID of the namespace `kube-system`: the cluster's identity.
    pub uid: String,
    /// `address:port` of the API server.
    pub endpoint: String,
    /// The CA that signed the API server's certificate.
    pub ca_pem: String,
    /// Range of the pods' addresses.
    pub pod_cidr: String,
    /// Range of the nodes' addresses; internal load balancers take theirs from it too.
    pub node_cidr: String,
    /// Range of the Services' addresses.
    pub service_cidr: String,
    /// Network tags of the nodes.
    pub node_tags: Vec<String>,
}

/// Runs clusters for GKE.
///
/// `create` and `delete` are what GKE's long-running operations do: an operation is DONE when they return, and an error is the operation's error.
pub trait ClusterHost: Debug + Send + Sync + 'static {
    /// Makes a cluster that is ready for use: its API server answers and its nodes are there.
    fn create(&self, shared: Shared, spec: NewCluster) -> BoxFuture<'static, Result<HostedCluster, String>>;

    /// Ends a cluster with all that is in it. A cluster that is gone is no error.
    fn delete(&self, shared: Shared, uid: String) -> BoxFuture<'static, Result<(), String>>;

    /// Whether it runs; `None` if there is no such cluster. Called under the world's lock: no waiting here.
    fn power(&self, world: &World, uid: &str) -> Option<Power>;

    /// Loses a cluster ([`Power::Lost`], [`Power::Isolated`]) or brings it back ([`Power::Up`]), on request empty of all data that brokers and
    /// stores had on their disks. By UID or by name in GKE; `false` if there is no such cluster.
    fn set_power(
        &self,
        shared: Shared,
        cluster: String,
        power: Power,
        empty_disks: bool,
    ) -> BoxFuture<'static, Result<bool, String>>;
}

/// The sandbox's own Kubernetes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embedded;

impl ClusterHost for Embedded {
    fn create(&self, shared: Shared, spec: NewCluster) -> BoxFuture<'static, Result<HostedCluster, String>> {
        Box::pin(async move {
            let uid = super::provision_cluster(&shared, spec);
            let world = shared.lock();
            let cluster = world.clusters.get(&uid).ok_or("the cluster vanished while it was made")?;
            Ok(HostedCluster {
                uid,
                endpoint: cluster.endpoint.clone(),
                ca_pem: cluster.ca_pem.clone(),
                pod_cidr: cluster.pod_cidr.clone(),
                node_cidr: cluster.node_cidr.clone(),
                service_cidr: cluster.service_cidr.clone(),
                node_tags: cluster.node_tags.clone(),
            })
        })
    }

    fn delete(&self, shared: Shared, uid: String) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async move {
            super::remove_cluster(&mut shared.lock(), &uid);
            Ok(())
        })
    }

    fn power(&self, world: &World, uid: &str) -> Option<Power> {
        world.clusters.get(uid).map(|cluster| cluster.power)
    }

    fn set_power(
        &self,
        shared: Shared,
        cluster: String,
        power: Power,
        empty_disks: bool,
    ) -> BoxFuture<'static, Result<bool, String>> {
        Box::pin(async move {
            let mut world = shared.lock();
            if empty_disks {
                world.wipe_disks(&cluster);
            }
            Ok(world.set_power(&cluster, power))
        })
    }
}

/// The host of a world. Shared by everything that holds the same options.
pub type Host = Arc<dyn ClusterHost>;

/// A host that keeps what it is told and makes nothing: for tests of GKE's API.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Recorded {
    /// What `create` answers.
    pub answer: parking_lot::Mutex<Option<Result<HostedCluster, String>>>,
    /// UIDs that `delete` was called with.
    pub deleted: parking_lot::Mutex<Vec<String>>,
}

#[cfg(test)]
impl ClusterHost for Arc<Recorded> {
    fn create(&self, _: Shared, _: NewCluster) -> BoxFuture<'static, Result<HostedCluster, String>> {
        let answer = self.answer.lock().clone().unwrap_or_else(|| Err("no answer is set".into()));
        Box::pin(async move { answer })
    }

    fn delete(&self, _: Shared, uid: String) -> BoxFuture<'static, Result<(), String>> {
        self.deleted.lock().push(uid);
        Box::pin(async { Ok(()) })
    }

    fn power(&self, _: &World, _: &str) -> Option<Power> {
        Some(Power::Up)
    }

    fn set_power(&self, _: Shared, _: String, _: Power, _: bool) -> BoxFuture<'static, Result<bool, String>> {
        Box::pin(async { Ok(true) })
    }
}
