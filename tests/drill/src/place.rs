//! Where the drill keeps things, and the addresses and names it uses.
//!
//! Several drills can run side by side on a machine, each with a number of its own (`--number`, `C8_DRILL_NUMBER`): names, networks and
//! folders are derived from it and never meet.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// How many clusters a drill can hold at once. Two are the installation; the others are for replacements that are made before the old ones go.
pub const SLOTS: u8 = 4;

/// Numbers of drills that may run side by side.
pub const NUMBERS: u8 = 16;

/// The place of one drill.
#[derive(Debug, Clone)]
pub struct Place {
    root: PathBuf,
    number: u8,
}

impl Place {
    /// The place in the workspace's target folder.
    ///
    /// # Errors
    /// The number is too large.
    pub fn of_workspace(number: u8) -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let workspace =
            workspace.canonicalize().context("the workspace is gone: build the drill where its sources are")?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        Self::at(target.join("drill"), number)
    }

    /// A place in any folder.
    ///
    /// # Errors
    /// The number is too large.
    pub fn at(root: PathBuf, number: u8) -> Result<Self> {
        ensure!(number < NUMBERS, "the number of a drill is at most {}", NUMBERS - 1);
        let root = std::path::absolute(root)?;
        Ok(Self { root, number })
    }

    /// The number of this drill.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// What all drills of this workspace share: `bin`, `images`, build caches.
    pub fn shared(&self) -> &Path {
        &self.root
    }

    /// A program that setup built.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(name)
    }

    /// Image archives (OCI or docker), one `NAME.tar` an image: every cluster imports all of them.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// What belongs to this drill alone and is removed by `down`.
    pub fn run(&self) -> PathBuf {
        self.root.join(format!("run{}", self.number))
    }

    /// The list of everything that was made.
    pub fn ledger(&self) -> PathBuf {
        self.root.join(format!("ledger{}.jsonl", self.number))
    }

    /// Image store of the cluster in a slot. Outlives the cluster, so that images are imported once.
    pub fn containerd(&self, slot: u8) -> PathBuf {
        self.root.join(format!("containerd{}", self.number)).join(format!("slot{slot}"))
    }

    /// Folder of the cluster in a slot.
    pub fn region(&self, slot: u8) -> PathBuf {
        self.run().join(format!("slot{slot}"))
    }

    /// `KUBECONFIG` with a context for each cluster, named after it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.run().join("kubeconfig")
    }

    /// What Terraform and the provider log in a run; it outlives the run.
    pub fn terraform_log(&self) -> PathBuf {
        self.shared().join(format!("terraform{}.log", self.number))
    }

    /// What the pods of a run said; it outlives them and the run.
    pub fn pod_logs(&self) -> PathBuf {
        self.shared().join(format!("pods{}", self.number))
    }

    /// Sources of what setup builds.
    pub fn sources(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
    }

    /// The value of [`MARK`] in the environment of all our processes.
    pub fn mark(&self) -> String {
        format!("{}:{}", self.number, self.root.display())
    }

    /// Network of the backbone and the names in it.
    pub fn backbone(&self) -> Backbone {
        Backbone { number: self.number }
    }

    /// Where simulated brokers report to: the host, which no cut between regions concerns.
    pub fn world(&self) -> String {
        format!("{}:{WORLD_PORT}", self.backbone().host())
    }

    /// Addresses of the cluster in a slot.
    pub fn addresses(&self, slot: u8) -> Addresses {
        Addresses { number: self.number, slot }
    }
}

/// Port of the world for brokers that run in pods.
const WORLD_PORT: u16 = 7650;

/// Environment variable that marks our processes.
pub const MARK: &str = "C8_DRILL_PROCESS";

/// The router between the regions, the host and the cloud.
#[derive(Debug, Clone, Copy)]
pub struct Backbone {
    number: u8,
}

impl Backbone {
    /// Network namespace of the router.
    pub fn netns(self) -> String {
        format!("c8d{}-wan", self.number)
    }

    /// Interface of the host that leads to the router.
    pub fn host_link(self) -> String {
        format!("c8d{}", self.number)
    }

    /// The host, where the cloud listens.
    pub fn host(self) -> String {
        format!("172.30.{}.1", self.number * 8)
    }

    /// The router, seen from the host.
    pub fn router(self) -> String {
        format!("172.30.{}.2", self.number * 8)
    }

    /// All node networks of this drill.
    pub fn network(self) -> String {
        format!("172.30.{}.0/21", self.number * 8)
    }

    /// All pod networks of this drill.
    pub fn pods(self) -> String {
        format!("10.{}.0.0/14", 64 + 4 * self.number)
    }
}

/// Addresses and names of one cluster.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    number: u8,
    slot: u8,
}

/// Range of Services, the same in every cluster, as GKE has it: such addresses mean nothing outside of their cluster.
pub const SERVICE_CIDR: &str = "34.118.224.0/20";
/// Address of the Service `kubernetes`.
pub const API_SERVICE: &str = "34.118.224.1";
/// Address of the Service `kube-dns`.
pub const DNS_SERVICE: &str = "34.118.224.10";

impl Addresses {
    fn third(self) -> u8 {
        self.number * 8 + 1 + self.slot
    }

    /// Network namespace of the cluster.
    pub fn netns(self) -> String {
        format!("c8d{}-r{}", self.number, self.slot)
    }

    /// The router's interface towards the cluster.
    pub fn link(self) -> String {
        format!("r{}", self.slot)
    }

    /// Parent of all its containers' cgroups.
    pub fn cgroup(self) -> String {
        format!("c8d{}-r{}", self.number, self.slot)
    }

    /// Range of nodes and internal load balancers.
    pub fn node_cidr(self) -> String {
        format!("172.30.{}.0/24", self.third())
    }

    /// The router, seen from the node.
    pub fn router(self) -> String {
        format!("172.30.{}.1", self.third())
    }

    /// The node.
    pub fn node(self) -> String {
        format!("172.30.{}.10", self.third())
    }

    /// Addresses for load balancers: the upper half of the nodes' range.
    pub fn balancers(self) -> String {
        format!("172.30.{}.128/25", self.third())
    }

    /// The n-th address for a load balancer; `None` when there is no such.
    pub fn balancer(self, n: u8) -> Option<String> {
        (n < 120).then(|| format!("172.30.{}.{}", self.third(), 130 + n))
    }

    /// Range of pods.
    pub fn pod_cidr(self) -> String {
        format!("10.{}.0.0/16", 64 + 4 * self.number + self.slot)
    }

    /// `address:port` of the API server.
    pub fn api(self) -> String {
        format!("{}:6443", self.node())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn drills_and_their_clusters_never_share_a_network_or_a_name() {
        let (mut networks, mut names) = (BTreeSet::new(), BTreeSet::new());
        for number in 0..NUMBERS {
            let place = Place::at("/tmp/drill".into(), number).unwrap();
            assert!(names.insert(place.backbone().netns()));
            assert!(networks.insert(place.backbone().network()));
            assert!(networks.insert(place.backbone().pods()));
            for slot in 0..SLOTS {
                let addresses = place.addresses(slot);
                assert!(names.insert(addresses.netns()));
                assert!(networks.insert(addresses.node_cidr()));
                assert!(networks.insert(addresses.pod_cidr()));
            }
        }
        assert!(Place::at("/tmp/drill".into(), NUMBERS).is_err());
    }

    #[test]
    fn addresses_lie_in_their_ranges() {
        let place = Place::at("/tmp/drill".into(), 2).unwrap();
        let addresses = place.addresses(1);
        assert_eq!(addresses.node_cidr(), "172.30.18.0/24");
        assert_eq!(addresses.node(), "172.30.18.10");
        assert_eq!(addresses.balancer(0).unwrap(), "172.30.18.130");
        assert_eq!(addresses.balancer(120), None);
        assert_eq!(addresses.pod_cidr(), "10.73.0.0/16");
        assert_eq!(place.backbone().network(), "172.30.16.0/21");
        // names of links are at most 15 characters long
        assert!(place.backbone().host_link().len() <= 15 && addresses.link().len() <= 15);
    }
}
