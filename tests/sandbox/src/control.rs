//! The control API: break things, run clients, ask the oracle. Plain JSON on its own loopback port.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::faults::FaultSpec;
use crate::world::kubelet;
use crate::world::{Power, Shared, World};
use crate::{audit, workload};

/// All routes.
pub fn router(shared: Shared) -> axum::Router {
    axum::Router::new()
        .route("/status", get(status))
        .route("/regions/{cluster}/lose", post(lose))
        .route("/regions/{cluster}/return", post(bring_back))
        .route("/brokers/{id}/kill", post(kill))
        .route("/brokers/{id}/revive", post(revive))
        .route("/words/lose", post(lose_words))
        .route("/storage/lose", post(lose_storage))
        .route("/storage/return", post(bring_back_storage))
        .route("/faults", post(fault).get(faults).delete(clear_faults))
        .route("/calls", get(calls).delete(clear_calls))
        .route("/workload", post(run_workload).delete(forget_workload))
        .route("/open", get(show_open))
        .route("/audit", get(run_audit).post(run_audit_with))
        .route("/outside/disks/{id}", axum::routing::delete(shred))
        .route("/leftovers", get(show_leftovers))
        .with_state(shared)
}

type Answer = Result<Json<Value>, Response>;

fn unknown(what: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"message": format!("no {what}")}))).into_response()
}

async fn status(State(shared): State<Shared>) -> Json<Value> {
    Json(describe(&shared.lock()))
}

/// The world in short: clusters, brokers, partitions, stores.
pub fn describe(world: &World) -> Value {
    let clusters: Vec<Value> = world
        .clusters
        .values()
        .map(|cluster| {
            json!({"uid": cluster.uid, "project": cluster.project, "location": cluster.location, "name": cluster.name,
                "power": format!("{:?}", cluster.power), "endpoint": cluster.endpoint, "podCidr": cluster.pod_cidr, "nodeTags": cluster.node_tags})
        })
        .collect();
    let engine = &world.zeebe;
    let brokers: Vec<Value> = engine
        .brokers
        .iter()
        .map(|(pod, broker)| {
            let cluster = world.clusters.get(&broker.node.host.cluster).map(|cluster| cluster.name.as_str()).unwrap_or_default();
            let version = engine.config_of(broker).map(|config| config.version);
            json!({"id": broker.id, "cluster": cluster, "namespace": broker.node.namespace, "pod": broker.node.pod, "ready": engine.is_ready(pod),
                "configuration": version, "paused": engine.paused(pod), "partitions": engine.partitions_json(pod)})
        })
        .collect();
    let gateways: Vec<Value> = engine
        .gateways
        .iter()
        .map(|(pod, gateway)| {
            json!({"namespace": gateway.node.namespace, "pod": gateway.node.pod, "ready": engine.is_ready(pod), "topology": engine.topology(pod)})
        })
        .collect();
    let stores: Vec<Value> = world
        .stores
        .nodes
        .iter()
        .map(|(pod, node)| {
            let indices: serde_json::Map<String, Value> =
                world.stores.data(pod).into_iter().flat_map(|data| &data.indices).map(|(name, index)| (name.clone(), json!(index.docs.len()))).collect();
            json!({"namespace": node.namespace, "pod": node.pod, "indices": indices, "hasKey": node.credentials.is_some()})
        })
        .collect();
    let pods: Vec<Value> = world
        .processes
        .values()
        .map(|process| json!({"namespace": process.namespace, "pod": process.pod, "stage": format!("{:?}", process.stage), "waitingFor": process.waiting_for}))
        .collect();
    json!({"tickMicros": u64::try_from(world.last_tick.as_micros()).unwrap_or(u64::MAX), "clusters": clusters, "brokers": brokers, "gateways": gateways, "stores": stores, "pods": pods, "violations": engine.violations.found,
        "membership": engine.brokers.values().filter_map(|broker| engine.config_of(broker)).max_by_key(|config| config.version).map(|config| config.json())})
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Lose {
    mode: Option<String>,
}

async fn lose(State(shared): State<Shared>, Path(cluster): Path<String>, body: Option<Json<Lose>>) -> Answer {
    let mode = body.and_then(|Json(body)| body.mode).unwrap_or_else(|| "crash".into());
    let power = match mode.as_str() {
        "crash" => Power::Lost { hang: false },
        "hang" => Power::Lost { hang: true },
        "network" => Power::Isolated,
        other => return Err(unknown(&format!("mode {other}: crash, hang or network"))),
    };
    change_power(shared, cluster, power, false).await
}

async fn change_power(shared: Shared, cluster: String, power: Power, empty_disks: bool) -> Answer {
    let host = shared.lock().options.kubernetes.clone();
    match host.set_power(shared, cluster.clone(), power, empty_disks).await {
        Ok(true) => Ok(Json(json!({"cluster": cluster, "power": format!("{power:?}")}))),
        Ok(false) => Err(unknown(&format!("cluster {cluster}"))),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"message": error}))).into_response()),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Return {
    disks: Option<String>,
}

async fn bring_back(State(shared): State<Shared>, Path(cluster): Path<String>, body: Option<Json<Return>>) -> Answer {
    let empty = body.and_then(|Json(body)| body.disks).is_some_and(|disks| disks == "empty");
    change_power(shared, cluster, Power::Up, empty).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Kill {
    stay_down: bool,
    wipe: bool,
}

async fn kill(State(shared): State<Shared>, Path(id): Path<u32>, body: Option<Json<Kill>>) -> Answer {
    let Json(options) = body.unwrap_or_default();
    let mut world = shared.lock();
    if world.kill_broker(id, options.stay_down, options.wipe) {
        Ok(Json(json!({"killed": id})))
    } else {
        Err(unknown(&format!("running broker {id}")))
    }
}

async fn revive(State(shared): State<Shared>, Path(id): Path<u32>) -> Json<Value> {
    shared.lock().revive_broker(id);
    Json(json!({"revived": id}))
}

#[derive(Deserialize)]
struct Words {
    times: u32,
}

/// `pause` and `resume` that a gateway sends to all replicas leave out a follower, this many times.
async fn lose_words(State(shared): State<Shared>, Json(words): Json<Words>) -> Json<Value> {
    shared.lock().zeebe.lost_words = words.times;
    Json(json!({"times": words.times}))
}

#[derive(Deserialize)]
#[serde(default)]
struct Away {
    after_ms: u64,
}

impl Default for Away {
    /// What a real repository plugin was seen to need until it gives up.
    fn default() -> Self {
        Self { after_ms: 50_000 }
    }
}

async fn lose_storage(State(shared): State<Shared>, body: Option<Json<Away>>) -> Json<Value> {
    let Json(away) = body.unwrap_or_default();
    shared.lock().stores.storage_away = Some(Duration::from_millis(away.after_ms));
    Json(json!({"storage": "away", "after_ms": away.after_ms}))
}

async fn bring_back_storage(State(shared): State<Shared>) -> Json<Value> {
    shared.lock().stores.storage_away = None;
    Json(json!({"storage": "back"}))
}

async fn fault(State(shared): State<Shared>, Json(spec): Json<FaultSpec>) -> Json<Value> {
    shared.lock().faults.push(spec);
    Json(json!({}))
}

async fn faults(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.lock().faults))
}

async fn clear_faults(State(shared): State<Shared>) -> Json<Value> {
    shared.lock().faults.clear();
    Json(json!({}))
}

async fn calls(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.lock().calls))
}

async fn clear_calls(State(shared): State<Shared>) -> Json<Value> {
    shared.lock().calls.clear();
    Json(json!({}))
}

async fn run_workload(State(shared): State<Shared>, body: Option<Json<workload::Workload>>) -> Json<Value> {
    let Json(workload) = body.unwrap_or_default();
    Json(json!(workload::run(&shared, &workload).await))
}

/// A new beginning for the audit, e.g. after everything was destroyed.
async fn forget_workload(State(shared): State<Shared>) -> Json<Value> {
    let mut world = shared.lock();
    world.ledger.forget();
    world.zeebe.violations = crate::zeebe::violations::Violations::default();
    Json(json!({}))
}

/// Acknowledged instances whose completion nobody was promised yet.
async fn show_open(State(shared): State<Shared>) -> Json<Value> {
    let ledger = &shared.lock().ledger;
    Json(json!({"open": ledger.open(), "completed": ledger.completed.len()}))
}

async fn run_audit(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(audit::audit(&shared.lock())))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Stores {
    stores: BTreeMap<String, String>,
    /// Brokers are real too: only the stores can bear witness.
    #[serde(default)]
    by_stores: bool,
}

async fn run_audit_with(State(shared): State<Shared>, Json(real): Json<Stores>) -> Json<Value> {
    Json(json!(match real.by_stores {
        true => audit::audit_by_stores(&shared, &real.stores).await,
        false => audit::audit_with(&shared, &real.stores).await,
    }))
}

/// The volume of a broker that runs outside was deleted.
async fn shred(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    if shared.lock().shred(&id) { Ok(Json(json!({"deleted": id}))) } else { Err(unknown(&format!("idle disk {id}"))) }
}

async fn show_leftovers(State(shared): State<Shared>) -> Json<Value> {
    Json(leftovers(&shared.lock()))
}

/// Everything that costs money or is in somebody's way. `ofLostClusters` is apart: nobody could have deleted it through the lost cluster.
pub fn leftovers(world: &World) -> Value {
    let clusters: Vec<&String> = world.gcp.gke.keys().collect();
    let mut disks = Vec::new();
    let mut addresses = Vec::new();
    for cluster in world.clusters.values() {
        disks.extend(cluster.store.disks().into_iter().map(|disk| format!("{}/{}", cluster.name, disk.name)));
        addresses.extend(
            cluster
                .store
                .load_balancers()
                .into_iter()
                .map(|(namespace, service, ip)| format!("{}/{namespace}/{service} {ip}", cluster.name)),
        );
    }
    disks.extend(world.orphans.disks.iter().cloned());
    addresses.extend(world.orphans.load_balancers.iter().cloned());
    let rules: Vec<&String> = world.gcp.firewalls.keys().collect();
    let buckets: Vec<&String> = world.gcp.buckets.keys().collect();
    let accounts: Vec<&String> = world.gcp.accounts.keys().collect();
    json!({"clusters": clusters, "firewalls": rules, "buckets": buckets, "serviceAccounts": accounts, "disks": disks, "loadBalancers": addresses,
        "ofLostClusters": world.orphans.of_lost_clusters})
}

impl World {
    fn uid_of(&self, cluster: &str) -> Option<String> {
        self.cluster(cluster).map(|cluster| cluster.uid.clone())
    }

    /// Loses or brings back a cluster, by UID or name.
    pub fn set_power(&mut self, cluster: &str, power: Power) -> bool {
        let Some(uid) = self.uid_of(cluster) else { return false };
        if let Some(cluster) = self.clusters.get_mut(&uid) {
            cluster.power = power;
        }
        if !power.runs() {
            let pods: Vec<String> = self
                .processes
                .iter()
                .filter(|(_, process)| process.cluster == uid)
                .map(|(pod, _)| pod.clone())
                .collect();
            for pod in pods {
                kubelet::stop(self, &pod);
                self.processes.remove(&pod);
            }
        }
        true
    }

    /// Empties the disks of all brokers and stores of a cluster.
    pub fn wipe_disks(&mut self, cluster: &str) {
        let Some(uid) = self.uid_of(cluster) else { return };
        self.zeebe.disks.retain(|_, disk| disk.cluster != uid);
        self.stores.disks.retain(|_, data| data.cluster != uid);
    }

    /// Kills a broker by id.
    pub fn kill_broker(&mut self, id: u32, stay_down: bool, wipe: bool) -> bool {
        let Some((pod, disk)) = self
            .zeebe
            .brokers
            .iter()
            .find(|(_, broker)| broker.id == id)
            .map(|(pod, broker)| (pod.clone(), broker.disk.clone()))
        else {
            return false;
        };
        if wipe {
            self.zeebe.stop(&pod);
            self.zeebe.disks.remove(&disk);
        }
        kubelet::kill(self, &pod, stay_down, Instant::now())
    }

    /// Lets a broker start again that was killed for good.
    pub fn revive_broker(&mut self, id: u32) {
        let pods: Vec<String> = self
            .processes
            .iter()
            .filter(|(_, process)| process.broker == Some(id))
            .map(|(pod, _)| pod.clone())
            .collect();
        for pod in pods {
            kubelet::revive(self, &pod, Instant::now());
        }
    }
}
