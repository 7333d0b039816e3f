//! The kubelet's other half: what the containers of each pod are and do.
//!
//! The API server's own kubelet gives addresses and statuses; here a container becomes a broker, a gateway, a store, a web application or a probe,
//! by its image and environment as a real image would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Instant;

use super::{World, objects};
use crate::kubernetes::{Pod, Store};
use crate::network::{Host, dns};
use crate::{elasticsearch, probe, webapps, zeebe};

/// What a pod's containers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A kube-dns pod with the stub domains that it loaded at its start.
    Dns {
        /// Domain to addresses.
        stub_domains: BTreeMap<String, Vec<String>>,
    },
    /// A Zeebe broker.
    Broker,
    /// A Zeebe gateway.
    Gateway,
    /// A search store.
    Elasticsearch,
    /// Operate, Tasklist or Connectors.
    WebApp(webapps::Kind),
    /// A probe pod.
    Probe,
    /// Anything else: it runs and does nothing.
    Other,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// An init container waits.
    Gate,
    /// The process starts and answers from the instant on.
    Starting(Instant),
    /// It answers.
    Running,
    /// It was told not to start again until somebody says so (control API).
    Down,
    /// It ended for good.
    Done,
}

/// A pod as the world plays it.
#[derive(Debug, Clone)]
pub struct Process {
    /// UID of the cluster.
    pub cluster: String,
    /// Namespace.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Address.
    pub ip: Option<Ipv4Addr>,
    /// What it is.
    pub role: Role,
    /// Where it is.
    pub stage: Stage,
    /// The node id of a broker that has been running.
    pub broker: Option<u32>,
    /// Readiness as last told to the API server.
    ready: bool,
    /// What the gate said last.
    pub(crate) waiting_for: String,
}

/// Plays all pods of all running clusters.
pub fn tick(world: &mut World, now: Instant) {
    let clusters: Vec<(String, bool)> =
        world.clusters.iter().map(|(uid, cluster)| (uid.clone(), cluster.power.runs())).collect();
    for (uid, runs) in clusters {
        let pods = if runs { world.clusters[&uid].store.pods() } else { vec![] };
        let present: BTreeSet<&str> = pods.iter().filter(|pod| !pod.deleting()).map(Pod::uid).collect();
        let gone: Vec<String> = world
            .processes
            .iter()
            .filter(|(pod, process)| process.cluster == uid && !present.contains(pod.as_str()))
            .map(|(pod, _)| pod.clone())
            .collect();
        for pod in gone {
            stop(world, &pod);
            world.processes.remove(&pod);
        }
        for pod in pods.iter().filter(|pod| !pod.deleting()) {
            play(world, &uid, pod, now);
        }
        if runs {
            forget_disks(world, &uid, &present);
        }
    }
}

/// A disk is gone with its claim (or, without a claim, with its pod).
fn forget_disks(world: &mut World, cluster: &str, pods: &BTreeSet<&str>) {
    let claims = world.clusters[cluster].store.list("PersistentVolumeClaim", None);
    let exists = |key: &str| pods.contains(key) || claims.iter().any(|claim| claim["metadata"]["uid"] == key);
    let used: BTreeSet<String> = world
        .zeebe
        .brokers
        .values()
        .map(|b| b.disk.clone())
        .chain(world.stores.nodes.values().map(|n| n.disk.clone()))
        .collect();
    world.zeebe.disks.retain(|key, disk| disk.cluster != cluster || used.contains(key) || exists(key));
    world.stores.disks.retain(|key, data| data.cluster != cluster || used.contains(key) || exists(key));
}

/// Ends what runs in a pod; its disks stay.
pub fn stop(world: &mut World, pod_uid: &str) {
    world.zeebe.stop(pod_uid);
    world.stores.stop(pod_uid);
    world.webapps.stop(pod_uid);
}

/// Kills the process in a pod. It starts again by itself, unless `stay_down`.
pub fn kill(world: &mut World, pod_uid: &str, stay_down: bool, now: Instant) -> bool {
    stop(world, pod_uid);
    let delay = world.options.process_start;
    let Some(process) = world.processes.get_mut(pod_uid) else { return false };
    process.stage = if stay_down { Stage::Down } else { Stage::Starting(now + delay) };
    process.ready = false;
    let (cluster, namespace, pod) = (process.cluster.clone(), process.namespace.clone(), process.pod.clone());
    if let Some(cluster) = world.clusters.get_mut(&cluster) {
        cluster.store.terminate_pod(&namespace, &pod, 137, "");
        if !stay_down {
            cluster.store.start_pod(&namespace, &pod);
        }
    }
    true
}

/// Lets a process that was killed for good start again.
pub fn revive(world: &mut World, pod_uid: &str, now: Instant) {
    let delay = world.options.process_start;
    let Some(process) = world.processes.get_mut(pod_uid).filter(|process| process.stage == Stage::Down) else { return };
    process.stage = Stage::Starting(now + delay);
    let (cluster, namespace, pod) = (process.cluster.clone(), process.namespace.clone(), process.pod.clone());
    if let Some(cluster) = world.clusters.get_mut(&cluster) {
        cluster.store.start_pod(&namespace, &pod);
    }
}

fn play(world: &mut World, cluster: &str, pod: &Pod, now: Instant) {
    let ip = pod.ip().and_then(|ip| ip.parse().ok());
    if pod.namespace() == "kube-system" {
        // the API server's kubelet runs these; only what kube-dns loaded matters
        if pod.label("k8s-app") == Some("kube-dns")
            && pod.phase() == "Running"
            && !world.processes.contains_key(pod.uid())
        {
            let text = world.clusters[cluster]
                .store
                .data("ConfigMap", "kube-system", "kube-dns", "stubDomains")
                .unwrap_or_default();
            let role = Role::Dns { stub_domains: dns::stub_domains(&text) };
            world.processes.insert(pod.uid().to_owned(), process(cluster, pod, ip, role, Stage::Running));
        }
        return;
    }
    let uid = pod.uid().to_owned();
    let Some(ip) = ip else { return };
    let delay = world.options.process_start;
    let Some(known) = world.processes.get(&uid) else {
        // a pod that was running before the power went finds its init containers run again
        let stage = match pod.phase() {
            "Pending" if pod.startable() && pod.init_containers().is_empty() => Stage::Starting(now + delay),
            "Pending" | "Running" => Stage::Gate,
            _ => Stage::Done,
        };
        let role = role(&world.clusters[cluster].store, pod);
        if pod.phase() == "Running"
            && let Some(cluster) = world.clusters.get_mut(cluster)
        {
            cluster.store.terminate_pod(pod.namespace(), pod.name(), 137, "");
        }
        if matches!(stage, Stage::Starting(_))
            && let Some(cluster) = world.clusters.get_mut(cluster)
        {
            cluster.store.start_pod(pod.namespace(), pod.name());
        }
        world.processes.insert(uid, process(cluster, pod, Some(ip), role, stage));
        return;
    };
    match known.stage {
        Stage::Gate => pass_init(world, cluster, pod, now),
        Stage::Starting(at) if at <= now => boot(world, cluster, pod, ip, now),
        Stage::Running => report_readiness(world, cluster, pod),
        Stage::Starting(_) | Stage::Down | Stage::Done => {}
    }
}

fn process(cluster: &str, pod: &Pod, ip: Option<Ipv4Addr>, role: Role, stage: Stage) -> Process {
    Process {
        cluster: cluster.to_owned(),
        namespace: pod.namespace().to_owned(),
        pod: pod.name().to_owned(),
        ip,
        role,
        stage,
        broker: None,
        ready: false,
        waiting_for: String::new(),
    }
}

fn role(store: &Store, pod: &Pod) -> Role {
    let Some(container) = pod.containers().first().copied() else { return Role::Other };
    let image = pod.image(container);
    let env = store.env(pod, container);
    if env.contains_key("C8_PROBE") {
        Role::Probe
    } else if image.contains("zeebe") {
        if env.get("ZEEBE_STANDALONE_GATEWAY").is_some_and(|value| value == "true") {
            Role::Gateway
        } else {
            Role::Broker
        }
    } else if image.contains("elasticsearch") {
        Role::Elasticsearch
    } else if let Some(kind) = webapps::Kind::of_image(image) {
        Role::WebApp(kind)
    } else {
        Role::Other
    }
}

/// Init containers: the gate decides, all others end at once.
fn pass_init(world: &mut World, cluster: &str, pod: &Pod, now: Instant) {
    let delay = world.options.process_start;
    let running = pod.running_init().map(str::to_owned);
    let gated = pod.init_containers().contains(&"gate");
    let restarted = pod.phase() == "Running";
    if gated && (running.as_deref() == Some("gate") || restarted) {
        let verdict = gate(world, cluster, pod);
        let Some(process) = world.processes.get_mut(pod.uid()) else { return };
        let changed = process.waiting_for != verdict.as_ref().err().cloned().unwrap_or_default();
        process.waiting_for = verdict.as_ref().err().cloned().unwrap_or_default();
        let line = verdict.as_ref().map_or_else(|why| format!("waiting: {why}"), |why| format!("starting: {why}"));
        let Some(cluster) = world.clusters.get_mut(cluster) else { return };
        if changed || verdict.is_ok() {
            cluster.store.log(pod.namespace(), pod.name(), "gate", &line);
        }
        if verdict.is_err() {
            return;
        }
    }
    let Some(home) = world.clusters.get_mut(cluster) else { return };
    if let Some(init) = running {
        home.store.finish_init(pod.namespace(), pod.name(), &init);
    }
    let ready_to_start = restarted || home.store.pod(pod.namespace(), pod.name()).is_some_and(|pod| pod.startable());
    if ready_to_start {
        home.store.start_pod(pod.namespace(), pod.name());
        if let Some(process) = world.processes.get_mut(pod.uid()) {
            process.stage = Stage::Starting(now + delay);
        }
    }
}

/// What the gate script does: `Ok` = start, `Err` = wait, each with the reason.
fn gate(world: &World, cluster: &str, pod: &Pod) -> Result<String, String> {
    let Some(home) = world.clusters.get(cluster) else { return Err("no cluster".into()) };
    let env = home.store.env(pod, "gate");
    let hold = objects::mounted(pod, "configMap").contains(&"c8-mode")
        && home.store.data("ConfigMap", pod.namespace(), "c8-mode", "hold").is_some_and(|hold| hold == "true");
    if hold {
        return Err("the mode of this region says hold".into());
    }
    let disk = pod.claim_at("gate", "/data").and_then(|claim| home.store.claim_uid(pod.namespace(), claim));
    if disk.is_some_and(|disk| world.zeebe.disks.get(&disk).is_some_and(zeebe::log::Disk::is_initialised)) {
        return Ok("the disk is initialised".into());
    }
    let number = |key: &str| env.get(key).and_then(|value| value.parse::<u32>().ok());
    let (Some(regions), Some(region)) = (number("C8_REGIONS"), number("C8_REGION_ID")) else {
        return Err("C8_REGIONS or C8_REGION_ID is not set".into());
    };
    let name = env.get("C8_POD_NAME").map_or(pod.name(), String::as_str);
    let ordinal = name.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse::<u32>().ok()).unwrap_or(0);
    let id = ordinal * regions + region;
    let admit = format!("c8-admit-{id}.{}.svc.cluster.local", env.get("C8_PEER_NAMESPACE").map_or("", String::as_str));
    let from = Host {
        cluster: cluster.to_owned(),
        ip: pod.ip().and_then(|ip| ip.parse().ok()).unwrap_or(Ipv4Addr::UNSPECIFIED),
    };
    if dns::resolve(world, &from, pod.namespace(), &admit).is_empty() {
        Err(format!("the disk of broker {id} is empty and {admit} does not resolve"))
    } else {
        Ok(format!("broker {id} is admitted"))
    }
}

/// The process is up: it becomes what it is.
fn boot(world: &mut World, cluster: &str, pod: &Pod, ip: Ipv4Addr, now: Instant) {
    let Some(process) = world.processes.get_mut(pod.uid()) else { return };
    process.stage = Stage::Running;
    let role = process.role.clone();
    let host = Host { cluster: cluster.to_owned(), ip };
    let container = pod.containers().first().copied().unwrap_or_default().to_owned();
    let Some(home) = world.clusters.get(cluster) else { return };
    let env = home.store.env(pod, &container);
    let claim =
        |path: &str| pod.claim_at(&container, path).and_then(|claim| home.store.claim_uid(pod.namespace(), claim));
    let version = objects::tag(pod.image(&container));
    let patience = world.options.failure_timeout;
    let settings =
        |env: &BTreeMap<String, String>| zeebe::Settings::from_environment(env, pod.namespace(), &version, patience);
    match role {
        Role::Broker => {
            let disk = claim("/usr/local/zeebe/data").unwrap_or_else(|| pod.uid().to_owned());
            let settings = settings(&env);
            let id = zeebe::settings::node_id(&env, pod.name());
            let node = zeebe::Node {
                key: pod.uid().to_owned(),
                host,
                namespace: pod.namespace().to_owned(),
                pod: pod.name().to_owned(),
                settings,
                since: now,
            };
            world.zeebe.start_broker(pod.uid(), node, id, &disk);
            if let Some(process) = world.processes.get_mut(pod.uid()) {
                process.broker = Some(id);
            }
        }
        Role::Gateway => {
            let mut settings = settings(&env);
            settings.advertised.clear();
            let node = zeebe::Node {
                key: pod.uid().to_owned(),
                host,
                namespace: pod.namespace().to_owned(),
                pod: pod.name().to_owned(),
                settings,
                since: now,
            };
            world.zeebe.start_gateway(pod.uid(), node);
        }
        Role::Elasticsearch => {
            let disk = claim("/usr/share/elasticsearch/data").unwrap_or_else(|| pod.uid().to_owned());
            let node = elasticsearch::Node {
                host,
                namespace: pod.namespace().to_owned(),
                pod: pod.name().to_owned(),
                disk,
                version: objects::tag(pod.image(&container)),
                credentials: None,
            };
            world.stores.start(pod.uid(), node);
            let credentials = keystore(world, pod.uid());
            if let Some(node) = world.stores.nodes.get_mut(pod.uid()) {
                node.credentials = credentials;
            }
        }
        Role::WebApp(kind) => world.webapps.start(pod.uid(), kind, host, pod.namespace(), &env),
        Role::Probe => {
            let report = probe::run(world, &host, pod.namespace(), env.get("C8_PROBE").map_or("[]", String::as_str));
            if let Some(home) = world.clusters.get_mut(cluster) {
                home.store.terminate_pod(pod.namespace(), pod.name(), 0, &report);
            }
            if let Some(process) = world.processes.get_mut(pod.uid()) {
                process.stage = Stage::Done;
            }
        }
        Role::Dns { .. } | Role::Other => {}
    }
}

/// The Google key in a store's keystore: what the mounted secret holds right now.
pub fn keystore(world: &World, pod_uid: &str) -> Option<String> {
    let node = world.stores.nodes.get(pod_uid)?;
    let store = &world.clusters.get(&node.host.cluster)?.store;
    let pod = store.pod(&node.namespace, &node.pod)?;
    objects::mounted(&pod, "secret")
        .into_iter()
        .find_map(|secret| store.data("Secret", &node.namespace, secret, "gcs.client.default.credentials_file"))
}

fn report_readiness(world: &mut World, cluster: &str, pod: &Pod) {
    let Some(process) = world.processes.get(pod.uid()) else { return };
    let ready = match &process.role {
        Role::Broker | Role::Gateway => world.zeebe.is_ready(pod.uid()),
        Role::WebApp(_) => world.webapps.is_ready(pod.uid()),
        Role::Elasticsearch | Role::Other => true,
        Role::Probe | Role::Dns { .. } => return,
    };
    if ready == process.ready && ready == pod.ready() {
        return;
    }
    if let Some(process) = world.processes.get_mut(pod.uid()) {
        process.ready = ready;
    }
    if let Some(home) = world.clusters.get_mut(cluster) {
        home.store.set_ready(pod.namespace(), pod.name(), ready);
    }
}
