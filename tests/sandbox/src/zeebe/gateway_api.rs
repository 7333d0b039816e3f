//! The gateway's HTTP: the management API on 9600 and `/v2/topology` on 8080, in the shapes of 8.6 and 8.7; what 8.2 has of it, in its own.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::changes::{Refused, plan_exporter, plan_force, plan_scale};
use super::config::ClusterConfig;
use super::{Engine, fixed};
use crate::world::Shared;

#[derive(Clone)]
struct Api {
    shared: Shared,
    pod: String,
}

type Answer = Result<Response, Refused>;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({"message": self.message}))).into_response()
    }
}

/// Port 9600 of a gateway.
pub fn management(shared: Shared, pod: String) -> axum::Router {
    let common = axum::Router::new()
        .route("/actuator/exporting/{what}", post(exporting))
        .route("/actuator/rebalance", post(rebalance))
        .route("/actuator/health", get(health))
        .route("/actuator/health/{probe}", get(health));
    if is_fixed(&shared.lock().zeebe, &pod) {
        return common.with_state(Api { shared, pod });
    }
    common
        .route("/actuator/cluster", get(cluster))
        .route("/actuator/cluster/brokers", post(brokers))
        .route("/actuator/cluster/brokers/{id}", post(add_broker).delete(remove_broker))
        .route("/actuator/cluster/changes/{id}", axum::routing::delete(cancel))
        .route("/actuator/exporters", get(exporters))
        .route("/actuator/exporters/{id}/disable", post(disable))
        .route("/actuator/exporters/{id}/enable", post(enable))
        .with_state(Api { shared, pod })
}

/// Before 8.6 there is neither a cluster API nor one for exporters: 404.
fn is_fixed(engine: &Engine, gateway: &str) -> bool {
    engine.gateways.get(gateway).is_some_and(|gateway| fixed::is_fixed(&gateway.node.settings.version))
}

/// Port 8080 of a gateway.
pub fn rest(shared: Shared, pod: String) -> axum::Router {
    axum::Router::new().route("/v2/topology", get(topology)).with_state(Api { shared, pod })
}

/// The broker that a request is forwarded to: the lowest id, whether it lives or not.
fn coordinator(engine: &Engine, gateway: &str, among: Option<&BTreeSet<u32>>) -> Result<String, Refused> {
    let config = engine.gateways.get(gateway).and_then(|gateway| gateway.config.as_ref());
    let lowest = match (among, config) {
        (Some(ids), _) => ids.iter().next().copied(),
        (None, Some(config)) => config.members.keys().next().copied(),
        (None, None) => Some(0),
    }
    .unwrap_or(0);
    engine.peer(gateway, lowest).map(str::to_owned).ok_or_else(|| {
        Refused::new(
            502,
            format!(
                "Failed to connect channel for address camunda-zeebe-{}.camunda-zeebe:26502 (member {lowest})",
                lowest / 2
            ),
        )
    })
}

fn config_at(engine: &Engine, pod: &str) -> Result<std::sync::Arc<ClusterConfig>, Refused> {
    engine
        .brokers
        .get(pod)
        .and_then(|broker| engine.config_of(broker))
        .cloned()
        .ok_or_else(|| Refused::new(500, "The cluster configuration is not initialized"))
}

async fn cluster(State(api): State<Api>) -> Answer {
    let world = api.shared.lock();
    let pod = coordinator(&world.zeebe, &api.pod, None)?;
    Ok(Json(config_at(&world.zeebe, &pod)?.json()).into_response())
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct BrokersQuery {
    force: Option<bool>,
    dry_run: Option<bool>,
    replication_factor: Option<u32>,
}

async fn brokers(State(api): State<Api>, Query(query): Query<BrokersQuery>, body: axum::body::Bytes) -> Answer {
    let listed: Vec<Value> =
        serde_json::from_slice(&body).map_err(|_| Refused::new(400, "Expected a JSON array of broker ids"))?;
    let ids = listed
        .iter()
        .map(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()).map(|id| id as u32))
        .collect::<Option<BTreeSet<u32>>>()
        .ok_or_else(|| Refused::new(400, "Expected broker ids to be numbers"))?;
    let force = query.force.unwrap_or(false);
    let mut world = api.shared.lock();
    let engine = &mut world.zeebe;
    if force && query.replication_factor.is_some() {
        return Err(Refused::new(400, "Cannot force change the replication factor."));
    }
    if force && ids.is_empty() {
        return Err(Refused::new(400, "Must provide a set of brokers to force remove."));
    }
    let pod = coordinator(engine, &api.pod, force.then_some(&ids))?;
    let config = config_at(engine, &pod)?;
    let operations =
        if force { plan_force(&config, &ids)? } else { plan_scale(&config, &ids, query.replication_factor)? };
    accepted(engine.begin_change(&pod, operations, query.dry_run.unwrap_or(false))?)
}

async fn add_broker(State(api): State<Api>, Path(id): Path<u32>, Query(query): Query<BrokersQuery>) -> Answer {
    scale_by(&api, query, |ids| ids.insert(id))
}

async fn remove_broker(State(api): State<Api>, Path(id): Path<u32>, Query(query): Query<BrokersQuery>) -> Answer {
    scale_by(&api, query, |ids| ids.remove(&id))
}

fn scale_by(api: &Api, query: BrokersQuery, change: impl FnOnce(&mut BTreeSet<u32>) -> bool) -> Answer {
    let mut world = api.shared.lock();
    let pod = coordinator(&world.zeebe, &api.pod, None)?;
    let config = config_at(&world.zeebe, &pod)?;
    let mut ids: BTreeSet<u32> = config.members.keys().copied().collect();
    change(&mut ids);
    let operations = plan_scale(&config, &ids, query.replication_factor)?;
    accepted(world.zeebe.begin_change(&pod, operations, query.dry_run.unwrap_or(false))?)
}

async fn cancel(State(api): State<Api>, Path(id): Path<u64>) -> Answer {
    let mut world = api.shared.lock();
    let pod = coordinator(&world.zeebe, &api.pod, None)?;
    accepted(world.zeebe.cancel_change(&pod, id)?)
}

fn accepted(body: Value) -> Answer {
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

async fn exporters(State(api): State<Api>) -> Answer {
    let world = api.shared.lock();
    let pod = coordinator(&world.zeebe, &api.pod, None)?;
    let config = config_at(&world.zeebe, &pod)?;
    let list: Vec<Value> = config
        .exporter_ids()
        .iter()
        .map(|id| json!({"exporterId": id, "status": config.exporter_status(id)}))
        .collect();
    Ok(Json(json!(list)).into_response())
}

async fn disable(State(api): State<Api>, Path(id): Path<String>) -> Answer {
    exporter_change(&api, &id, false, None)
}

async fn enable(State(api): State<Api>, Path(id): Path<String>, body: axum::body::Bytes) -> Answer {
    let body: Value = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).map_err(|_| Refused::new(400, "Failed to read request"))?
    };
    exporter_change(&api, &id, true, body["initializeFrom"].as_str())
}

fn exporter_change(api: &Api, id: &str, enable: bool, source: Option<&str>) -> Answer {
    let mut world = api.shared.lock();
    let pod = coordinator(&world.zeebe, &api.pod, None)?;
    let config = config_at(&world.zeebe, &pod)?;
    let operations = plan_exporter(&config, id, enable, source)?;
    accepted(world.zeebe.begin_change(&pod, operations, false)?)
}

/// From 8.6 on HTTP says 200 whatever happens; the truth is the status in the body (camunda-docs#8435). Before, it says the truth itself.
async fn exporting(State(api): State<Api>, Path(what): Path<String>) -> Answer {
    let pause = match what.as_str() {
        "pause" => true,
        "resume" => false,
        _ => return Ok(StatusCode::NOT_FOUND.into_response()),
    };
    // the broadcast takes a moment, and goes on when nobody waits for its answer any more
    let gateway = api.clone();
    let told = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        gateway.shared.lock().zeebe.set_exporting(&gateway.pod, pause)
    });
    let result = told.await.unwrap_or_else(|error| Err(error.to_string()));
    if is_fixed(&api.shared.lock().zeebe, &api.pod) {
        return match result {
            Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
            Err(message) => Err(Refused::new(500, message)),
        };
    }
    let body = match result {
        Ok(()) => json!({"body": null, "status": 204, "contentType": null}),
        Err(message) => json!({"body": {"message": message}, "status": 500, "contentType": "application/json"}),
    };
    Ok(Json(body).into_response())
}

async fn rebalance(State(api): State<Api>) -> Answer {
    api.shared.lock().zeebe.rebalance(&api.pod, std::time::Instant::now());
    Ok(StatusCode::OK.into_response())
}

async fn health(State(api): State<Api>) -> Answer {
    let up = api.shared.lock().zeebe.is_ready(&api.pod);
    let status = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({"status": if up { "UP" } else { "DOWN" }}))).into_response())
}

async fn topology(State(api): State<Api>) -> Answer {
    let world = api.shared.lock();
    world
        .zeebe
        .topology(&api.pod)
        .map(|body| Json(body).into_response())
        .ok_or_else(|| Refused::new(503, "No topology"))
}

impl Engine {
    /// The gateway's gossip view, without quorum or coordinator (dual-region.md 2.2).
    pub fn topology(&self, gateway: &str) -> Option<Value> {
        let gateway = self.gateways.get(gateway)?;
        let settings = &gateway.node.settings;
        let mut brokers: Vec<Value> = gateway
            .seen
            .values()
            .map(|seen| {
                let partitions: Vec<Value> = seen
                    .partitions
                    .iter()
                    .map(|(id, leads)| json!({"partitionId": id, "role": if *leads { "leader" } else { "follower" }, "health": "healthy"}))
                    .collect();
                json!({"nodeId": seen.id, "host": seen.host, "port": 26501, "version": seen.version, "partitions": partitions})
            })
            .collect();
        brokers.sort_by_key(|broker| broker["nodeId"].as_u64());
        let (size, partitions, replication) = match &gateway.config {
            Some(config) => (config.members.len(), config.partitions().len(), config.replication_factor()),
            None => (0, 0, 0),
        };
        Some(json!({
            "brokers": brokers, "clusterSize": size, "partitionsCount": partitions, "replicationFactor": replication,
            "gatewayVersion": settings.version,
        }))
    }

    /// Pauses or resumes exporting on all replicas that the gateway reaches, if the topology is complete.
    pub fn set_exporting(&mut self, gateway: &str, pause: bool) -> Result<(), String> {
        let config =
            self.gateways.get(gateway).and_then(|gateway| gateway.config.clone()).ok_or("The topology is not known")?;
        let expected = config.replication_factor();
        for partition in config.partitions() {
            let found = config.replicas(partition).iter().filter(|id| self.peer(gateway, **id).is_some()).count();
            if found < expected {
                return Err(format!(
                    "Expected {expected} members of partition {partition} but found {found}, incomplete topology"
                ));
            }
            if self.leader(gateway, partition).is_none() {
                return Err(format!("Expected a leader of partition {partition} but found none"));
            }
        }
        let told = |(pod, broker): &(&String, &super::Broker)| {
            config.members.contains_key(&broker.id) && self.connected(gateway, pod)
        };
        let told: Vec<String> = self.brokers.iter().filter(told).map(|(pod, _)| pod.clone()).collect();
        // a word of its own goes to each replica, and one that is lost is all that the answer speaks of
        let unheard = if self.lost_words > 0 { self.follower_of_first(&told) } else { None };
        self.lost_words = self.lost_words.saturating_sub(1);
        for pod in told {
            let except = unheard.as_ref().filter(|(of, _)| *of == pod).map(|(_, partition)| *partition);
            self.pause_replicas(&pod, pause, except);
        }
        match unheard {
            Some((pod, _)) => {
                Err(format!("Failed to tell broker {}: java.net.ConnectException", self.brokers[&pod].id))
            }
            None => Ok(()),
        }
    }

    /// A replica of the first partition that follows, with its partition.
    fn follower_of_first(&self, pods: &[String]) -> Option<(String, u32)> {
        let follows = |pod: &&String| {
            self.brokers[*pod].roles.first_key_value().filter(|(_, role)| role.leader.is_none()).map(|(id, _)| *id)
        };
        let found = pods.iter().filter_map(|pod| Some((follows(&pod)?, pod))).min_by_key(|(partition, _)| *partition);
        found.map(|(partition, pod)| (pod.clone(), partition))
    }

    /// Pauses or resumes exporting on the replicas of one broker.
    pub fn pause_exporters_of(&mut self, pod: &str, pause: bool) {
        self.pause_replicas(pod, pause, None);
    }

    fn pause_replicas(&mut self, pod: &str, pause: bool, except: Option<u32>) {
        let disk = self.brokers.get(pod).and_then(|broker| self.disks.get_mut(&broker.disk));
        for (partition, replica) in disk.into_iter().flat_map(|disk| &mut disk.replicas) {
            if Some(*partition) != except {
                replica.paused = pause;
            }
        }
    }

    /// Partitions of a broker whose exporters are paused on its disk, also where its version does not say so.
    pub fn paused(&self, pod: &str) -> Vec<u32> {
        let disk = self.brokers.get(pod).and_then(|broker| self.disks.get(&broker.disk));
        let replicas = disk.into_iter().flat_map(|disk| &disk.replicas);
        replicas.filter(|(_, replica)| replica.paused).map(|(partition, _)| *partition).collect()
    }
}
