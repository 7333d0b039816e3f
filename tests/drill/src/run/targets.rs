//! Where clients and the audit find real gateways and real stores: the addresses of pods, which are routed to this host.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::users::settled;
use crate::setup::images;

/// Cluster and namespace of each region of the example.
pub const REGIONS: [(&str, &str); 2] = [("camunda-zero", "camunda-ew4"), ("camunda-one", "camunda-ew1")];

/// StatefulSet of the brokers.
const BROKERS: &str = "camunda-zeebe";

/// After that, an API server counts as one that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pods of both regions, asked for anew each time.
#[derive(Debug, Clone)]
pub struct Targets {
    kubeconfig: PathBuf,
}

impl Targets {
    /// Of a drill, as it describes itself.
    ///
    /// # Errors
    /// It names no kubeconfig.
    pub fn of(drill: &Value) -> Result<Self> {
        let path = drill["kubeconfig"].as_str().context("the drill names no kubeconfig")?;
        Ok(Self { kubeconfig: path.into() })
    }

    /// A client for the objects of a region.
    async fn objects<K>(&self, region: usize) -> Result<Api<K>>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        let (cluster, namespace) = REGIONS[region];
        let options = KubeConfigOptions { context: Some(cluster.into()), ..KubeConfigOptions::default() };
        let mut config =
            kube::Config::from_custom_kubeconfig(Kubeconfig::read_from(&self.kubeconfig)?, &options).await?;
        config.connect_timeout = Some(PATIENCE);
        config.read_timeout = Some(PATIENCE);
        Ok(Api::namespaced(kube::Client::try_from(config)?, namespace))
    }

    async fn list(&self, region: usize, component: &str) -> Result<Vec<Pod>> {
        let selected = ListParams::default().labels(&format!("app.kubernetes.io/component={component}"));
        let pods: Api<Pod> = self.objects(region).await?;
        Ok(tokio::time::timeout(PATIENCE, pods.list(&selected)).await.context("the API server is silent")??.items)
    }

    async fn addresses(&self, region: usize, component: &str) -> Result<Vec<String>> {
        let pods = self.list(region, component).await?;
        let running = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        Ok(running.filter_map(|pod| pod.status?.pod_ip).collect())
    }

    /// `host:port` of the gateways of some regions; a region that does not answer has none.
    pub async fn gateways(&self, regions: &[usize]) -> Vec<String> {
        let mut found = Vec::new();
        for region in regions {
            let addresses = self.addresses(*region, "zeebe-gateway").await.unwrap_or_default();
            found.extend(addresses.into_iter().map(|address| format!("{address}:26500")));
        }
        found
    }

    /// Base URL of each store by namespace; a region that does not answer has none.
    pub async fn stores(&self, regions: &[usize]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for region in regions {
            let addresses = self.addresses(*region, "elasticsearch").await.unwrap_or_default();
            if let Some(address) = addresses.first() {
                found.insert(REGIONS[*region].1.to_owned(), format!("http://{address}:9200"));
            }
        }
        found
    }

    /// Whether the brokers are real ones, and not the sandbox's: their image says so.
    ///
    /// # Errors
    /// No region shows a broker.
    pub async fn brokers_are_real(&self) -> Result<bool> {
        for region in 0..REGIONS.len() {
            let pods = self.list(region, "zeebe-broker").await.unwrap_or_default();
            let containers = pods.iter().filter_map(|pod| pod.spec.as_ref()).flat_map(|spec| &spec.containers);
            let images: Vec<&str> = containers.filter_map(|container| container.image.as_deref()).collect();
            if !images.is_empty() {
                return Ok(images.contains(&images::ZEEBE));
            }
        }
        bail!("no region shows a broker")
    }

    /// Has a region run only the brokers of some ordinals, one after the other, and waits until it does; the disks of the others stay.
    ///
    /// # Errors
    /// They do not start or end.
    pub async fn only_brokers(&self, region: usize, ordinals: Range<u32>) -> Result<()> {
        let sets: Api<StatefulSet> = self.objects(region).await?;
        let patch = json!({"spec": {"replicas": ordinals.len(), "ordinals": {"start": ordinals.start}}});
        sets.patch(BROKERS, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        settled(Duration::from_millis(500), async || {
            let pods = self.list(region, "zeebe-broker").await?;
            let running: BTreeSet<u32> = pods.iter().filter(|pod| runs(pod)).filter_map(ordinal).collect();
            Ok(match pods.len() == running.len() && running == ordinals.clone().collect() {
                true => Ok(()),
                false => Err(format!("region {region} runs the brokers of the ordinals {running:?}, not {ordinals:?}")),
            })
        })
        .await
    }

    /// Admits an empty broker, as a person would who does not read what the gate says.
    ///
    /// # Errors
    /// The API server says no.
    pub async fn admit(&self, region: usize, broker: u32) -> Result<()> {
        let services: Api<Service> = self.objects(region).await?;
        let service = json!({"metadata": {"name": format!("c8-admit-{broker}")}, "spec": {"ports": [{"port": 26502}]}});
        services.create(&PostParams::default(), &serde_json::from_value(service)?).await?;
        Ok(())
    }

    /// Deletes the first broker's pod of a region and waits until its successor's container runs.
    ///
    /// # Errors
    /// It does not come back.
    pub async fn kill_a_broker(&self, region: usize, back: impl Fn(&Pod) -> bool) -> Result<String> {
        let pods: Api<Pod> = self.objects(region).await?;
        let victim = self.list(region, "zeebe-broker").await?.into_iter().next().context("there is no broker")?;
        let name = victim.metadata.name.clone().unwrap_or_default();
        pods.delete(&name, &DeleteParams::default().grace_period(0)).await?;
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let seen = pods.get_opt(&name).await?;
            if seen.is_some_and(|pod| pod.metadata.uid != victim.metadata.uid && back(&pod)) {
                return Ok(format!("{name} came back by itself"));
            }
            if Instant::now() > until {
                bail!("{name} was killed and does not come back");
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

fn ordinal(pod: &Pod) -> Option<u32> {
    pod.metadata.name.as_deref()?.rsplit_once('-')?.1.parse().ok()
}

/// All its containers run.
pub fn runs(pod: &Pod) -> bool {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    containers.is_some_and(|all| {
        !all.is_empty() && all.iter().all(|one| one.state.as_ref().is_some_and(|state| state.running.is_some()))
    })
}

/// It is ready: its partitions are led.
pub fn serves(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
