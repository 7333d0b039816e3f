//! What is seen of one region through its Kubernetes API: bounded, never an error. What does not answer is said so.

use std::collections::{BTreeMap, BTreeSet};

use c8_clients::kubernetes::{
    CONFIG_MAP, Error, Kubernetes, NODE, PERSISTENT_VOLUME_CLAIM, POD, SERVICE, STATEFUL_SET,
};
use c8_dr::{BrokerId, BrokerPod, Mode, Part, Region, RegionId, Strategy, Temporary, Topology, peer};
use c8_release::{mode::past_gate, names, record, temporary};
use serde_json::Value;

use super::record::to_dr;
use crate::{
    installation::RegionAt,
    provider::{Alive, Reach},
};

/// What the brokers' StatefulSet says of the installation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Release {
    /// Sizes.
    pub sizes: Option<Topology>,
    /// Version.
    pub version: Option<String>,
    /// Environment of the broker container.
    pub env: BTreeMap<String, String>,
}

/// A region as Kubernetes shows it; the engine and the store are not asked here.
pub async fn look(at: &RegionAt, reach: &Reach) -> (Region, Release) {
    let mut region = named(at);
    let alive = match reach {
        Reach::Alive(alive) => alive,
        Reach::Absent => {
            region.gke = Part::Known("NOT FOUND".into());
            return (region, Release::default());
        }
        Reach::Silent(silent) => {
            if let Some(cluster) = &silent.cluster {
                region.gke = Part::Known(cluster.status.to_string());
                region.ranges = cluster_ranges(cluster.pod_cidr.as_str(), cluster.node_cidr.as_deref());
                region.tags.clone_from(&cluster.node_tags);
            }
            region.forbidden = silent.forbidden;
            region.silence(&silent.why);
            return (region, Release::default());
        }
    };
    if let Some(cluster) = &alive.cluster {
        region.gke = Part::Known(cluster.status.to_string());
    }
    region.api = Part::Known(alive.uid.clone());
    let release = objects(at, alive, &mut region).await;
    (region, release)
}

fn named(at: &RegionAt) -> Region {
    Region {
        id: u32::from(at.id),
        namespace: at.namespace.clone(),
        location: location(at),
        cluster: cluster(at),
        ..Region::default()
    }
}

/// A region whose API answers, but not in time.
pub fn silent(at: &RegionAt, reach: &Reach, why: &str) -> Region {
    let mut region = named(at);
    let cluster = match reach {
        Reach::Alive(alive) => alive.cluster.as_ref(),
        Reach::Silent(silent) => silent.cluster.as_ref(),
        Reach::Absent => None,
    };
    if let Some(cluster) = cluster {
        region.gke = Part::Known(cluster.status.to_string());
        region.ranges = cluster_ranges(cluster.pod_cidr.as_str(), cluster.node_cidr.as_deref());
        region.tags.clone_from(&cluster.node_tags);
    }
    region.silence(why);
    if let Reach::Alive(alive) = reach {
        // it lives: silence about its brokers is no evidence of a loss
        region.api = Part::Known(alive.uid.clone());
        region.unread = Some(why.to_owned());
    }
    region
}

/// Marks all parts that need the region's API as unreachable.
trait Silence {
    fn silence(&mut self, why: &str);
}

impl Silence for Region {
    fn silence(&mut self, why: &str) {
        let why = || why.to_owned();
        self.api = Part::Unreachable(why());
        self.record = Part::Unreachable(why());
        self.view = Part::Unreachable(why());
        self.configuration = Part::Unreachable(why());
        self.exporting = Part::Unreachable(why());
        self.store = Part::Unreachable(why());
    }
}

async fn objects(at: &RegionAt, alive: &Alive, region: &mut Region) -> Release {
    let kubernetes = &alive.kubernetes;
    let ns = at.namespace.as_str();
    let set = STATEFUL_SET.named(ns, &names::brokers(&at.release));
    let mode = CONFIG_MAP.named(ns, names::MODE);
    let dr = CONFIG_MAP.named(ns, record::NAME);
    let labels = format!("app.kubernetes.io/instance={}", at.release);
    let (set, pods, claims, services, mode, dr, (ranges, tags)) = futures::join!(
        kubernetes.find(&set),
        kubernetes.list(&POD, ns, &labels),
        kubernetes.list(&PERSISTENT_VOLUME_CLAIM, ns, ""),
        kubernetes.list(&SERVICE, ns, ""),
        kubernetes.find(&mode),
        kubernetes.find(&dr),
        ranges(alive),
    );
    region.ranges = ranges;
    region.tags = tags;
    region.record = match dr {
        Ok(None) => Part::Absent,
        Ok(Some(map)) => match map.pointer("/data/record").and_then(Value::as_str).map(record::Record::parse) {
            Some(Ok(found)) => Part::Known(to_dr(&found)),
            Some(Err(error)) => Part::Unreachable(format!("ConfigMap {} can't be read: {error}", record::NAME)),
            None => Part::Absent,
        },
        Err(error) => Part::Unreachable(error.to_string()),
    };
    // an empty list that was not read must not be taken for an empty region
    let errors = [
        ("the StatefulSet", set.as_ref().err()),
        ("pods", pods.as_ref().err()),
        ("volume claims", claims.as_ref().err()),
        ("services", services.as_ref().err()),
        ("its mode", mode.as_ref().err()),
    ];
    region.unread = errors.into_iter().find_map(|(what, error)| error.map(|error| format!("{what}: {error}")));
    if let Ok(Some(map)) = mode {
        let text =
            |key: &str| map.pointer(&format!("/data/{key}")).and_then(Value::as_str).unwrap_or_default().to_owned();
        region.mode =
            Some(Mode { mode: text("mode"), hold: text("hold") == "true", web_apps: text("webapps") != "off" });
    }
    for service in services.unwrap_or_default() {
        let id = name(&service).strip_prefix("c8-admit-").and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|_| service.pointer("/metadata/deletionTimestamp").is_none()) {
            region.admits.insert(id);
        }
    }
    let claims = claims.unwrap_or_default();
    let own = region.id;
    region.disks = disks(&claims, &names::brokers(&at.release), |ordinal| Topology::broker(own, ordinal));
    if let Ok(pods) = &pods {
        read_pods(at, pods, region);
    }
    let set = set.ok().flatten();
    let release = set.as_ref().map(release).unwrap_or_default();
    if let (Some(set), Ok(pods)) = (&set, &pods)
        && release.version.as_deref().and_then(Strategy::of) == Some(Strategy::TemporaryBrokers)
    {
        (region.diverted, region.stale) =
            stand_ins(set, pods, &names::brokers(&at.release), |ordinal| Topology::broker(own, ordinal));
        match temporaries(at, kubernetes, pods, &claims).await {
            Ok(found) => region.temporary = found,
            Err(error) => region.unread = Some(format!("temporary brokers: {error}")),
        }
    }
    release
}

/// UID of the volume claim of each broker of a StatefulSet.
fn disks(claims: &[Value], set: &str, id: impl Fn(u32) -> BrokerId) -> BTreeMap<BrokerId, String> {
    let prefix = format!("data-{set}-");
    let disk = |claim: &Value| {
        let ordinal = name(claim).strip_prefix(&prefix)?.parse().ok()?;
        Some((id(ordinal), claim.pointer("/metadata/uid")?.as_str()?.to_owned()))
    };
    claims.iter().filter_map(disk).collect()
}

/// Where the exporters of a StatefulSet's brokers are told to write to, by the region of their store; and the brokers that were
/// told something else when they started.
pub fn stand_ins(
    set: &Value,
    pods: &[Value],
    own: &str,
    id: impl Fn(u32) -> BrokerId,
) -> (BTreeSet<RegionId>, BTreeSet<BrokerId>) {
    let told = |object: &Value, place: &str| {
        [0_u32, 1].map(|region| {
            let annotations = object.pointer(place).and_then(|annotations| annotations.get(names::store_of(region)));
            annotations.and_then(Value::as_str).filter(|url| !url.is_empty()).map(str::to_owned)
        })
    };
    let wanted = told(set, "/spec/template/metadata/annotations");
    let prefix = format!("{own}-");
    let stale = pods.iter().filter_map(|pod| {
        let ordinal = name(pod).strip_prefix(&prefix)?.parse().ok()?;
        (told(pod, "/metadata/annotations") != wanted).then(|| id(ordinal))
    });
    let stale = stale.collect();
    let diverted = [0, 1].into_iter().zip(&wanted).filter(|(_, url)| url.is_some()).map(|(region, _)| region);
    (diverted.collect(), stale)
}

/// Temporary brokers in this region, with their disks, and the store that stands in; `None` if nothing of it is there.
async fn temporaries(
    at: &RegionAt,
    kubernetes: &Kubernetes,
    pods: &[Value],
    claims: &[Value],
) -> Result<Option<Temporary>, Error> {
    let own = names::temporary(&at.release);
    let set = STATEFUL_SET.named(&at.namespace, &own);
    let store = STATEFUL_SET.named(&at.namespace, &names::stand_in(&at.release));
    let (set, store) = futures::try_join!(kubernetes.find(&set), kubernetes.find(&store))?;
    let lost = peer(u32::from(at.id));
    let id = |ordinal| temporary::broker_id(lost, ordinal);
    let mut found = Temporary { disks: disks(claims, &own, id), store: store.is_some(), ..Temporary::default() };
    let prefix = format!("{own}-");
    found.pods = pods
        .iter()
        .filter_map(|pod| Some(broker_pod(pod, id(name(pod).strip_prefix(&prefix)?.parse().ok()?))))
        .collect();
    found.pods.sort_by_key(|pod| pod.id);
    if let Some(set) = &set {
        let replicas = set.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        found.replicas = u32::try_from(replicas).unwrap_or_default();
        (found.diverted, found.stale) = stand_ins(set, pods, &own, id);
    }
    let nothing = set.is_none() && found.pods.is_empty() && found.disks.is_empty() && !found.store;
    Ok((!nothing).then_some(found))
}

fn broker_pod(pod: &Value, id: BrokerId) -> BrokerPod {
    let running = container(pod, "containerStatuses", "zeebe", "running");
    BrokerPod {
        id,
        running,
        ready: condition(pod, "Ready"),
        waiting: !running && !past_gate(pod) && container(pod, "initContainerStatuses", "gate", "running"),
    }
}

fn read_pods(at: &RegionAt, pods: &[Value], region: &mut Region) {
    let apps: BTreeSet<&str> = BTreeSet::from(["operate", "tasklist", "connectors"]);
    let mut web_apps_running = false;
    let prefix = format!("{}-", names::brokers(&at.release));
    for pod in pods {
        let component = pod.pointer("/metadata/labels/app.kubernetes.io~1component").and_then(Value::as_str);
        if component.is_some_and(|component| apps.contains(component)) {
            let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
            web_apps_running |= !matches!(phase, "Succeeded" | "Failed");
        }
        if component != Some("zeebe-broker") {
            continue;
        }
        let Some(ordinal) = name(pod).strip_prefix(&prefix).and_then(|ordinal| ordinal.parse().ok()) else { continue };
        region.pods.push(broker_pod(pod, Topology::broker(region.id, ordinal)));
    }
    region.pods.sort_by_key(|pod| pod.id);
    region.web_apps_running = Some(web_apps_running);
}

/// What the brokers' StatefulSet says.
pub fn release(set: &Value) -> Release {
    let containers = set.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let broker = containers.into_iter().flatten().find(|container| container["name"] == "zeebe");
    let Some(broker) = broker else { return Release::default() };
    let env: BTreeMap<String, String> = broker["env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry["name"].as_str()?.to_owned(), entry["value"].as_str()?.to_owned())))
        .collect();
    let number = |key: &str| env.get(key).and_then(|text| text.parse().ok());
    let sizes = match (
        number("ZEEBE_BROKER_CLUSTER_CLUSTERSIZE"),
        number("ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT"),
        number("ZEEBE_BROKER_CLUSTER_REPLICATIONFACTOR"),
    ) {
        (Some(cluster_size), Some(partition_count), Some(replication_factor)) => {
            Some(Topology { cluster_size, partition_count, replication_factor })
        }
        _ => None,
    };
    // the label says what was asked for; another image may have any tag
    let label = set.pointer("/metadata/labels/app.kubernetes.io~1version").and_then(Value::as_str);
    let image = broker["image"].as_str().unwrap_or_default();
    let version = label
        .map(str::to_owned)
        .or_else(|| image.rsplit_once(':').map(|(_, tag)| tag.split('@').next().unwrap_or(tag).to_owned()));
    Release { sizes, version, env }
}

/// Pod and node ranges and the nodes' tags.
async fn ranges(alive: &Alive) -> (Vec<String>, Vec<String>) {
    let (pod_cidr, node_cidr, tags) = alive.cluster.as_ref().map_or_else(
        || (String::new(), None, Vec::new()),
        |cluster| (cluster.pod_cidr.clone(), cluster.node_cidr.clone(), cluster.node_tags.clone()),
    );
    let mut ranges = cluster_ranges(&pod_cidr, node_cidr.as_deref());
    if node_cidr.is_none() || pod_cidr.is_empty() {
        ranges.extend(node_ranges(&alive.kubernetes, pod_cidr.is_empty()).await.unwrap_or_default());
    }
    ranges.sort();
    ranges.dedup();
    (ranges, tags)
}

fn cluster_ranges(pod_cidr: &str, node_cidr: Option<&str>) -> Vec<String> {
    [Some(pod_cidr), node_cidr].into_iter().flatten().filter(|range| !range.is_empty()).map(str::to_owned).collect()
}

async fn node_ranges(kubernetes: &Kubernetes, pods_too: bool) -> Result<Vec<String>, Error> {
    let mut ranges = Vec::new();
    for node in kubernetes.list(&NODE, "", "").await? {
        let addresses = node.pointer("/status/addresses").and_then(Value::as_array);
        for address in addresses.into_iter().flatten().filter(|address| address["type"] == "InternalIP") {
            if let Some(ip) = address["address"].as_str() {
                ranges.push(format!("{ip}/32"));
            }
        }
        if let (true, Some(cidr)) = (pods_too, node.pointer("/spec/podCIDR").and_then(Value::as_str)) {
            ranges.push(cidr.to_owned());
        }
    }
    Ok(ranges)
}

fn location(at: &RegionAt) -> String {
    match &at.place {
        c8_schemas::topology::Place::Gke { location, .. } => location.clone(),
        c8_schemas::topology::Place::Kubeconfig { .. } => String::new(),
    }
}

fn cluster(at: &RegionAt) -> String {
    match &at.place {
        c8_schemas::topology::Place::Gke { cluster, .. } => cluster.clone(),
        place @ c8_schemas::topology::Place::Kubeconfig { .. } => place.to_string(),
    }
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

fn container(pod: &Value, list: &str, name: &str, state: &str) -> bool {
    pod.pointer(&format!("/status/{list}"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|status| status["name"] == name && status.pointer(&format!("/state/{state}")).is_some())
}

fn condition(pod: &Value, kind: &str) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == kind && condition["status"] == "True")
}
