//! The world itself: one lock, one clock, clusters that can lose their power, and the processes in their pods.

pub mod calls;
pub mod clock;
mod cluster;
pub mod dial;
pub mod faults;
pub mod host;
pub mod kubelet;
pub mod objects;
pub mod options;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use cluster::{add_cluster, provision_cluster, remove_cluster};
pub(crate) use cluster::{insert_cluster, settings};
pub use dial::dial;
use kubelet::Process;
use options::Options;

use crate::{elasticsearch, gcp, kubernetes, outside, webapps, workload, zeebe};

/// The world behind its lock. Never held over an `await`.
#[derive(Clone)]
pub struct Shared(Arc<parking_lot::Mutex<World>>);

impl Shared {
    /// A world with nothing in it.
    pub fn new(options: Options) -> Self {
        Self(Arc::new(parking_lot::Mutex::new(World::new(options))))
    }

    /// Takes the lock.
    pub fn lock(&self) -> parking_lot::MutexGuard<'_, World> {
        self.0.lock()
    }
}

/// Everything that exists.
pub struct World {
    /// The settings.
    pub options: Options,
    /// What the Google Cloud APIs remember.
    pub gcp: gcp::Gcp,
    /// Clusters by the UID of their namespace `kube-system`.
    pub clusters: BTreeMap<String, Cluster>,
    /// Running containers by the UID of their pod.
    pub processes: BTreeMap<String, Process>,
    /// Brokers, gateways and their disks.
    pub zeebe: zeebe::Engine,
    /// Search stores and their disks.
    pub stores: elasticsearch::Stores,
    /// What web applications hold in memory.
    pub webapps: webapps::WebApps,
    /// Brokers and gateways that run elsewhere, as real processes.
    pub outside: outside::Outside,
    /// The clients' and workers' own log.
    pub ledger: workload::Ledger,
    /// Faults to come.
    pub faults: Vec<faults::FaultSpec>,
    /// Calls so far.
    pub calls: Vec<calls::Call>,
    /// What outlived its cluster.
    pub orphans: Orphans,
    /// How long the last tick took.
    pub last_tick: Duration,
    /// Clusters made so far: their address ranges are never used twice.
    pub(crate) serial: u8,
}

/// A Kubernetes cluster.
pub struct Cluster {
    /// UID of the namespace `kube-system`.
    pub uid: String,
    /// GCP project.
    pub project: String,
    /// Zone or region.
    pub location: String,
    /// Name in GKE.
    pub name: String,
    /// Whether it runs.
    pub power: Power,
    /// What its API server holds.
    pub store: kubernetes::Store,
    /// Range of the pods' addresses.
    pub pod_cidr: String,
    /// Range of the nodes' addresses.
    pub node_cidr: String,
    /// Range of the Services' addresses.
    pub service_cidr: String,
    /// Network tags of the nodes.
    pub node_tags: Vec<String>,
    /// Last segment of the network's URL.
    pub network: String,
    /// `127.0.0.1:port` of its API server.
    pub endpoint: String,
    /// The CA that signed the API server's certificate.
    pub ca_pem: String,
}

/// Whether a cluster runs and who reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    Up,
    /// It crashed: every process stopped, disks are kept.
    Lost {
        /// The API server accepts connections and never answers, instead of refusing them.
        hang: bool,
    },
    /// It runs, its API answers, but no packet passes between it and other clusters.
    Isolated,
}

impl Power {
    /// Whether processes in it run.
    pub fn runs(self) -> bool {
        matches!(self, Self::Up | Self::Isolated)
    }
}

/// What a deleted cluster left in the project.
#[derive(Debug, Clone, Default)]
pub struct Orphans {
    /// Disks of volumes that somebody could have deleted first: the cluster was running.
    pub disks: Vec<String>,
    /// Load balancers that somebody could have deleted first.
    pub load_balancers: Vec<String>,
    /// Disks and load balancers of clusters that were lost when they were deleted: nobody could ask them.
    pub of_lost_clusters: Vec<String>,
}

/// What GKE asks for when a create operation finishes.
#[derive(Debug, Clone)]
pub struct NewCluster {
    /// GCP project.
    pub project: String,
    /// Zone or region.
    pub location: String,
    /// Name in GKE.
    pub name: String,
    /// Last segment of the network's URL.
    pub network: String,
    /// Network tags of the nodes.
    pub node_tags: Vec<String>,
    /// Nodes to begin with.
    pub node_count: usize,
}

impl World {
    fn new(options: Options) -> Self {
        Self {
            options,
            gcp: gcp::Gcp::default(),
            clusters: BTreeMap::new(),
            processes: BTreeMap::new(),
            zeebe: zeebe::Engine::default(),
            stores: elasticsearch::Stores::default(),
            webapps: webapps::WebApps::default(),
            outside: outside::Outside::default(),
            ledger: workload::Ledger::default(),
            faults: Vec::new(),
            calls: Vec::new(),
            orphans: Orphans::default(),
            last_tick: Duration::ZERO,
            serial: 0,
        }
    }

    /// Moves everything on to `now`.
    pub fn tick(&mut self, now: Instant) {
        let start = Instant::now();
        gcp::tick(self);
        for cluster in self.clusters.values_mut().filter(|cluster| cluster.power.runs()) {
            kubernetes::controllers::tick(&mut cluster.store, now);
        }
        kubelet::tick(self, now);
        outside::tick(self, now);
        zeebe::tick(self, now);
        webapps::tick(self, now);
        self.last_tick = start.elapsed();
    }

    /// The cluster with this UID, or with this name in GKE.
    pub fn cluster(&self, uid_or_name: &str) -> Option<&Cluster> {
        self.clusters.get(uid_or_name).or_else(|| self.clusters.values().find(|cluster| cluster.name == uid_or_name))
    }
}
