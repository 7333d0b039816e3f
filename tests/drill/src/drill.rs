//! A running drill, in this process: the cloud, and the regions that it is told to make.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use c8_sandbox::{Endpoints, Options, Power, Sandbox};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::clean;
use crate::cloud::host::{Cloud, Seen};
use crate::cloud::latency::Latency;
use crate::cloud::{firewall, objects};
use crate::ledger::{Ledger, Made};
use crate::place::{MARK, Place};
use crate::region::{images, network};
use crate::{look, setup, status};

/// Port of the Google Cloud APIs on the drill's own address.
const GCP_PORT: u16 = 8600;
/// How often the firewall looks for changed rules.
const LOOK: Duration = Duration::from_millis(50);

/// The two regions of the example configuration.
pub const EXAMPLE: [(&str, &str); 2] = [("europe-west4-b", "camunda-zero"), ("europe-west1-b", "camunda-one")];

/// A drill that runs until it is taken down.
pub struct Drill {
    place: Place,
    cloud: Cloud,
    sandbox: Sandbox,
    firewall: JoinHandle<()>,
    latency: tokio::sync::Mutex<Option<Latency>>,
}

impl Drill {
    /// Starts the cloud, without any region. What an earlier drill at this place left is removed first.
    ///
    /// # Errors
    /// The machine lacks something, or a step fails.
    pub async fn up(place: &Place) -> Result<Self> {
        setup::needs::check()?;
        if !setup::programs::are_built(place) {
            bail!("something is not built yet: run `cargo drill setup`");
        }
        clean::clean(place).await.context("an earlier drill left something that can't be removed")?;
        let ledger = Arc::new(Mutex::new(Ledger::open(&place.ledger())?));
        ledger.lock().note(Made::Processes { mark: place.mark() })?;
        ledger.lock().note(Made::Mounts { folder: place.run() })?;
        ledger.lock().note(Made::Folder { path: place.run() })?;
        std::fs::create_dir_all(place.run())?;
        network::make_backbone(place, &ledger).await?;
        let address: Ipv4Addr = place.backbone().host().parse()?;
        let reviews = format!("http://{address}:{GCP_PORT}{}", c8_sandbox::gcp::TOKEN_REVIEW_PATH);
        let cloud = Cloud::new(place, &ledger, reviews);
        let options = Options {
            kubernetes: Arc::new(cloud.clone()),
            gcp_address: address.into(),
            gcp_port: GCP_PORT,
            cluster_create: Duration::ZERO,
            outside: Some(place.world().parse()?),
            // brokers that share two cores with two whole clusters are late now and then
            election: Duration::from_secs(1),
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.context("the cloud does not start")?;
        ledger.lock().note(Made::Folder { path: sandbox.folder().to_owned() })?;
        let firewall = tokio::spawn(keep_firewall(place.clone(), cloud.clone(), sandbox.shared().clone()));
        Ok(Self { place: place.clone(), cloud, sandbox, firewall, latency: tokio::sync::Mutex::default() })
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The world with the Google Cloud APIs; its Kubernetes half is empty.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The Google Cloud endpoints.
    pub fn endpoints(&self) -> Endpoints {
        self.sandbox.endpoints()
    }

    /// The clusters.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// `KUBECONFIG` with a context for each cluster, named after it; full rights.
    pub fn kubeconfig(&self) -> PathBuf {
        self.place.kubeconfig()
    }

    /// Imports an image archive (OCI or docker) into all clusters that run, and into those to come.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn import_image(&self, archive: &Path) -> Result<()> {
        let name = archive.file_name().context("an archive has a name")?;
        let kept = self.place.images().join(name);
        if kept != archive {
            std::fs::create_dir_all(self.place.images())?;
            std::fs::copy(archive, &kept)?;
        }
        for slot in self.cloud.clusters().into_keys() {
            let Some(machine) = self.cloud.machine(slot) else { continue };
            if let Some(region) = machine.lock().await.as_mut()
                && region.runs()
            {
                images::import_all(region).await?;
            }
        }
        Ok(())
    }

    /// Makes a cluster through the GKE API, as a user of it would, and waits until it is ready.
    ///
    /// # Errors
    /// GKE says no, or the operation fails.
    pub async fn create_cluster(&self, location: &str, name: &str) -> Result<()> {
        let base = self.endpoints().container;
        let project = self.sandbox.shared().lock().options.project.clone();
        let token =
            self.sandbox.shared().lock().gcp.issue_token(&format!("terraform@{project}.iam.gserviceaccount.com"));
        let place = format!("{base}/v1/projects/{project}/locations/{location}");
        let client = reqwest::Client::new();
        let body = json!({"cluster": {"name": name, "initialNodeCount": 1, "nodePools": [{"name": "default-pool", "initialNodeCount": 1}]}});
        let answer = client.post(format!("{place}/clusters")).bearer_auth(&token).json(&body).send().await?;
        let status = answer.status();
        let begun: Value = answer.json().await?;
        if !status.is_success() {
            bail!("GKE refuses {name}: {}", begun["error"]["message"]);
        }
        let operation = begun["name"].as_str().unwrap_or_default();
        loop {
            let url = format!("{place}/operations/{operation}");
            let seen: Value = client.get(url).bearer_auth(&token).send().await?.json().await?;
            if let Some(message) = seen["error"]["message"].as_str() {
                bail!("{name} can't be made: {message}");
            }
            if seen["status"] == 3 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Loses a region or brings it back, on request with empty volumes.
    ///
    /// # Errors
    /// There is no such region, or it does not end or start.
    pub async fn set_power(&self, region: &str, power: Power, empty_disks: bool) -> Result<()> {
        if !self.cloud.set_power(region, power, empty_disks).await? {
            let known: Vec<String> = self.cloud.clusters().into_values().map(|seen| seen.cluster.name).collect();
            bail!("there is no region {region}: there are {}", known.join(", "));
        }
        Ok(())
    }

    /// Sets the round trip between the regions; zero is none.
    ///
    /// # Errors
    /// The device that delays can't be made.
    pub async fn set_latency(&self, round_trip: Duration) -> Result<()> {
        let mut latency = self.latency.lock().await;
        if let Some(old) = latency.take() {
            old.stop(&self.place).await?;
        }
        if !round_trip.is_zero() {
            *latency = Some(Latency::start(&self.place, round_trip).await?);
        }
        Ok(())
    }

    /// Removes all firewall rules that deny, the claims apart; how many.
    pub fn remove_denials(&self) -> usize {
        let rules = &mut self.sandbox.shared().lock().gcp.firewalls;
        let before = rules.len();
        rules.retain(|_, rule| rule.allow || rule.disabled);
        before - rules.len()
    }

    /// Ends it: nothing is left. The same as [`clean::clean`] after a crash.
    ///
    /// # Errors
    /// Something can't be taken away.
    pub async fn down(self) -> Result<()> {
        let place = self.place.clone();
        self.firewall.abort();
        drop(self);
        clean::clean(&place).await.map(drop)
    }

    /// What runs, with the pods of every cluster that answers.
    pub async fn describe_with_pods(&self) -> Value {
        let mut described = self.describe();
        let http = reqwest::Client::new();
        for cluster in described["clusters"].as_array_mut().into_iter().flatten() {
            let slot = cluster["slot"].as_u64().and_then(|slot| u8::try_from(slot).ok());
            let Some(slot) = slot.filter(|_| cluster["power"] == "Up" || cluster["power"] == "Isolated") else {
                continue;
            };
            let asked = async { objects::list(&self.cloud.client(slot).await?, "/api/v1/pods").await };
            // a page that waits for a dying region shows nothing at all
            if let Ok(Ok(list)) = tokio::time::timeout(Duration::from_secs(2), asked).await {
                let mut pods = status::pods(&list);
                let says = futures::future::join_all(pods.iter().map(|pod| look::at(&http, pod))).await;
                for (pod, says) in pods.iter_mut().zip(says) {
                    pod["says"] = json!(says);
                }
                cluster["pods"] = json!(pods);
            }
        }
        described
    }

    /// What runs, without asking any cluster.
    pub fn describe(&self) -> Value {
        let clusters = self.cloud.clusters().into_iter().map(|(slot, seen)| {
            let Seen { cluster, uid, power, balancers } = seen;
            let balancers: Vec<String> =
                balancers.iter().map(|balancer| format!("{} {}", balancer.service, balancer.address)).collect();
            json!({"slot": slot, "name": cluster.name, "location": cluster.location, "uid": uid, "power": format!("{power:?}"),
                "endpoint": self.place.addresses(slot).api(), "node": cluster.node(), "nodeTags": cluster.node_tags, "loadBalancers": balancers})
        });
        let clusters: Vec<Value> = clusters.collect();
        let rules: Vec<Value> =
            self.sandbox.shared().lock().gcp.firewalls.values().map(|rule| rule.body.clone()).collect();
        json!({"clusters": clusters, "firewalls": rules, "kubeconfig": self.kubeconfig(), "control": self.sandbox.control_url(),
            "gcp": self.endpoints().container, "credentials": self.sandbox.credentials_path()})
    }
}

/// Tells a process, by its environment, to which drill it belongs.
pub fn mark(command: &mut std::process::Command, place: &Place) {
    command.env(MARK, place.mark());
}

/// Puts the firewall's rules in force as they change.
async fn keep_firewall(place: Place, cloud: Cloud, shared: c8_sandbox::Shared) {
    let mut current = String::new();
    loop {
        let rules: Vec<_> = shared.lock().gcp.rules_in_force(Instant::now()).into_iter().cloned().collect();
        let wanted = firewall::compile(&cloud.sites(), &rules);
        if wanted != current {
            match firewall::enforce(place.backbone(), &wanted).await {
                Ok(()) => current = wanted,
                Err(error) => tracing::error!("the firewall can't be set: {error:#}"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
