//! GKE's machines: what stands behind the clusters that the sandbox's GKE API hands out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use c8_sandbox::world::host::{ClusterHost, HostedCluster};
use c8_sandbox::{NewCluster, Power, Shared, World};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::balancers::Balancer;
use super::firewall::Site;
use super::objects::{self, text};
use super::{addons, balancers, volumes};
use crate::drill::EXAMPLE;
use crate::ledger::Ledger;
use crate::place::{Place, SERVICE_CIDR, SLOTS};
use crate::region::{Cluster, Region};

/// How often provisioner and balancers look.
const LOOK: Duration = Duration::from_millis(300);
/// How long a new cluster may take until its node and its DNS are ready, after its API server is.
const READY: Duration = Duration::from_secs(180);

/// The clusters of a drill.
#[derive(Debug, Clone)]
pub struct Cloud(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    ledger: Arc<Mutex<Ledger>>,
    reviews: String,
    /// The machines; locked while one starts or ends.
    machines: Vec<Arc<tokio::sync::Mutex<Option<Region>>>>,
    /// What is known without waiting.
    seen: Mutex<BTreeMap<u8, Seen>>,
}

/// A cluster, as far as it is known without asking it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it is.
    pub cluster: Cluster,
    /// UID of its namespace `kube-system`, once it is ready.
    pub uid: Option<String>,
    /// Whether it runs.
    pub power: Power,
    /// Its load balancers.
    pub balancers: Vec<Balancer>,
}

impl Cloud {
    /// A cloud without clusters. `reviews`: where API servers have tokens reviewed.
    pub fn new(place: &Place, ledger: &Arc<Mutex<Ledger>>, reviews: String) -> Self {
        let machines = (0..SLOTS).map(|_| Arc::default()).collect();
        Self(Arc::new(Inner {
            place: place.clone(),
            ledger: ledger.clone(),
            reviews,
            machines,
            seen: Mutex::default(),
        }))
    }

    /// All clusters by slot.
    pub fn clusters(&self) -> BTreeMap<u8, Seen> {
        self.0.seen.lock().clone()
    }

    /// The slot of a cluster, by UID, by name, or by the slot itself.
    pub fn slot(&self, cluster: &str) -> Option<u8> {
        let seen = self.0.seen.lock();
        let known = |(slot, one): (&u8, &Seen)| {
            (one.cluster.name == cluster || one.uid.as_deref() == Some(cluster) || slot.to_string() == cluster)
                .then_some(*slot)
        };
        seen.iter().find_map(known)
    }

    /// The machine in a slot. Locked for as long as the caller holds it: nobody starts or ends it meanwhile.
    pub fn machine(&self, slot: u8) -> Option<Arc<tokio::sync::Mutex<Option<Region>>>> {
        self.0.machines.get(usize::from(slot)).cloned()
    }

    /// A client with all rights for the cluster in a slot.
    ///
    /// # Errors
    /// There is no such cluster.
    pub async fn client(&self, slot: u8) -> Result<kube::Client> {
        let machine = self.machine(slot).context("no such slot")?;
        let machine = machine.lock().await;
        machine.as_ref().context("there is no cluster in this slot")?.client().await
    }

    /// The regions as the firewall sees them.
    pub fn sites(&self) -> Vec<Site> {
        let seen = self.0.seen.lock();
        seen.iter()
            .map(|(slot, one)| Site {
                addresses: self.0.place.addresses(*slot),
                tags: one.cluster.node_tags.clone(),
                network: one.cluster.network.clone(),
                isolated: one.power == Power::Isolated,
                silent: one.power == Power::Lost { hang: true },
                balancers: one.balancers.clone(),
            })
            .collect()
    }

    async fn make(&self, cluster: Cluster) -> Result<HostedCluster> {
        let slot = self.reserve(&cluster)?;
        let made = self.make_in(slot, cluster).await;
        if made.is_err() {
            self.0.seen.lock().remove(&slot);
        }
        made
    }

    fn reserve(&self, cluster: &Cluster) -> Result<u8> {
        let mut seen = self.0.seen.lock();
        let slot = slot_for(&cluster.name, |slot| !seen.contains_key(&slot));
        let slot = slot.with_context(|| format!("a drill holds {SLOTS} clusters at most"))?;
        let power = Power::Lost { hang: false };
        seen.insert(slot, Seen { cluster: cluster.clone(), uid: None, power, balancers: vec![] });
        Ok(slot)
    }

    async fn make_in(&self, slot: u8, cluster: Cluster) -> Result<HostedCluster> {
        let inner = &self.0;
        let machine = self.machine(slot).context("no such slot")?;
        let mut machine = machine.lock().await;
        if let Some(mut old) = machine.take() {
            old.remove().await?;
        }
        let node_tags = cluster.node_tags.clone();
        let region = Region::make(&inner.place, &inner.ledger, slot, cluster, &inner.reviews).await?;
        // kept also if it does not start: its logs say why, and the next one in the slot removes it
        let region = machine.insert(region);
        region.start().await?;
        let client = region.client().await?;
        let cloud = inner.place.backbone().host();
        until_ok(READY, || addons::install(&client, &cloud))
            .await
            .context("what every cluster contains can't be put into it")?;
        if let Some(seen) = inner.seen.lock().get_mut(&slot) {
            seen.power = Power::Up;
        }
        tokio::spawn(self.clone().control(slot, client.clone(), region.disks()));
        until_ok(READY, || is_ready(&client)).await?;
        let namespace = objects::get(&client, "/api/v1/namespaces/kube-system").await?;
        let uid = text(&namespace, "/metadata/uid").to_owned();
        if let Some(seen) = inner.seen.lock().get_mut(&slot) {
            seen.uid = Some(uid.clone());
        }
        let ca_pem = region.certificates()?.ca_pem()?;
        drop(machine);
        self.write_kubeconfig().await?;
        let addresses = inner.place.addresses(slot);
        Ok(HostedCluster {
            uid,
            endpoint: addresses.api(),
            ca_pem,
            pod_cidr: addresses.pod_cidr(),
            node_cidr: addresses.node_cidr(),
            service_cidr: SERVICE_CIDR.into(),
            node_tags,
        })
    }

    /// The controllers of one cluster, for as long as it exists.
    async fn control(self, slot: u8, client: kube::Client, disks: std::path::PathBuf) {
        let addresses = self.0.place.addresses(slot);
        let name = self.0.seen.lock().get(&slot).map(|seen| seen.cluster.name.clone());
        loop {
            tokio::time::sleep(LOOK).await;
            let power = match self.0.seen.lock().get(&slot) {
                Some(seen) if Some(&seen.cluster.name) == name.as_ref() => seen.power,
                _ => return,
            };
            if !power.runs() {
                continue;
            }
            if let Err(error) = volumes::look(&client, &disks).await {
                tracing::debug!(slot, "volumes: {error:#}");
            }
            match balancers::look(&client, addresses).await {
                Ok(found) => {
                    if let Some(seen) = self.0.seen.lock().get_mut(&slot) {
                        seen.balancers = found;
                    }
                }
                Err(error) => tracing::debug!(slot, "load balancers: {error:#}"),
            }
        }
    }

    /// Loses a cluster or brings it back.
    ///
    /// # Errors
    /// It does not end, or does not start.
    pub async fn set_power(&self, cluster: &str, power: Power, empty_disks: bool) -> Result<bool> {
        let Some(slot) = self.slot(cluster) else { return Ok(false) };
        let machine = self.machine(slot).context("no such slot")?;
        let mut machine = machine.lock().await;
        let Some(region) = machine.as_mut() else { return Ok(false) };
        if power.runs() {
            if empty_disks {
                region.crash().await?;
                region.empty_disks()?;
            }
            region.start().await?;
            self.note_power(slot, power);
        } else {
            // what hangs does so from the first moment on
            self.note_power(slot, power);
            region.crash().await?;
        }
        Ok(true)
    }

    fn note_power(&self, slot: u8, power: Power) {
        if let Some(seen) = self.0.seen.lock().get_mut(&slot) {
            seen.power = power;
        }
    }

    async fn end(&self, uid: &str) -> Result<()> {
        let Some(slot) = self.slot(uid) else { return Ok(()) };
        let machine = self.machine(slot).context("no such slot")?;
        let mut machine = machine.lock().await;
        if let Some(region) = machine.as_mut() {
            region.remove().await?;
        }
        *machine = None;
        self.0.seen.lock().remove(&slot);
        drop(machine);
        self.write_kubeconfig().await
    }

    /// One file for kubectl, with a context for each cluster.
    async fn write_kubeconfig(&self) -> Result<()> {
        let mut all = json!({"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": [], "current-context": ""});
        for machine in &self.0.machines {
            // one that is being made adds itself when it is ready
            let Ok(machine) = machine.try_lock() else { continue };
            let Some(region) = machine.as_ref() else { continue };
            let api = self.0.place.addresses(region.slot).api();
            let mut one = region.certificates()?.kubeconfig("admin", &api, &region.cluster.name)?;
            for list in ["clusters", "users", "contexts"] {
                if let (Some(all), Value::Array(one)) = (all[list].as_array_mut(), one[list].take()) {
                    all.extend(one);
                }
            }
            if all["current-context"] == "" {
                all["current-context"] = json!(region.cluster.name);
            }
        }
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.0.place.kubeconfig();
        let fresh = path.with_extension("new");
        let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
        file.write_all(serde_json::to_string_pretty(&all)?.as_bytes())?;
        Ok(std::fs::rename(fresh, path)?)
    }
}

/// The regions of the example have the slots of their numbers, whichever is made first: a person loses region 1 and means that one.
fn slot_for(name: &str, is_free: impl Fn(u8) -> bool) -> Option<u8> {
    let own = EXAMPLE.iter().zip(0..SLOTS).find(|((_, example), _)| *example == name).map(|(_, slot)| slot);
    own.into_iter().chain(0..SLOTS).find(|slot| is_free(*slot))
}

/// Node and DNS are ready, or what is not.
async fn is_ready(client: &kube::Client) -> Result<()> {
    let nodes = objects::list(client, "/api/v1/nodes").await?;
    let ready = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    if nodes.is_empty() || !nodes.iter().all(ready) {
        bail!("the node is not ready");
    }
    let dns = objects::get(client, "/apis/apps/v1/namespaces/kube-system/deployments/coredns").await?;
    let (wanted, there) = (&dns["spec"]["replicas"], &dns["status"]["readyReplicas"]);
    if wanted != there {
        bail!("the cluster's DNS is not ready: {there} of {wanted} pods");
    }
    Ok(())
}

/// Tries until it is done or too late; the last failure is the error.
async fn until_ok<F: Future<Output = Result<()>>>(patience: Duration, mut what: impl FnMut() -> F) -> Result<()> {
    let until = Instant::now() + patience;
    loop {
        match what().await {
            Err(_) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(300)).await,
            done => return done,
        }
    }
}

/// The text of an error with its causes.
fn whole<T>(result: Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{error:#}"))
}

impl ClusterHost for Cloud {
    fn create(&self, _: Shared, spec: NewCluster) -> BoxFuture<'static, Result<HostedCluster, String>> {
        let this = self.clone();
        let NewCluster { project, location, name, network, node_tags, .. } = spec;
        Box::pin(async move { whole(this.make(Cluster { project, location, name, network, node_tags }).await) })
    }

    fn delete(&self, _: Shared, uid: String) -> BoxFuture<'static, Result<(), String>> {
        let this = self.clone();
        Box::pin(async move { whole(this.end(&uid).await) })
    }

    fn power(&self, _: &World, uid: &str) -> Option<Power> {
        self.0.seen.lock().values().find(|seen| seen.uid.as_deref() == Some(uid)).map(|seen| seen.power)
    }

    fn set_power(
        &self,
        _: Shared,
        cluster: String,
        power: Power,
        empty_disks: bool,
    ) -> BoxFuture<'static, Result<bool, String>> {
        let this = self.clone();
        Box::pin(async move { whole(Cloud::set_power(&this, &cluster, power, empty_disks).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_of_the_example_has_the_slot_of_its_number_if_that_is_free() {
        assert_eq!(slot_for("camunda-one", |_| true), Some(1));
        assert_eq!(slot_for("camunda-zero", |_| true), Some(0));
        assert_eq!(slot_for("another", |_| true), Some(0));
        // the replacement is made before the old one goes
        assert_eq!(slot_for("camunda-one", |slot| slot > 1), Some(2));
        assert_eq!(slot_for("camunda-one", |_| false), None);
    }
}
