//! A broker's own HTTP on 9600: its partitions and its health.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::{Engine, fixed};
use crate::world::Shared;

/// Port 9600 of a broker.
pub fn management(shared: Shared, pod: String) -> axum::Router {
    axum::Router::new()
        .route("/actuator/partitions", get(partitions))
        .route("/actuator/partitions/{operation}", post(operate))
        .route("/actuator/prometheus", get(metrics))
        .route("/actuator/health", get(readiness))
        .route("/actuator/health/liveness", get(liveness))
        .route("/actuator/health/startup", get(liveness))
        .route("/actuator/health/readiness", get(readiness))
        .route("/ready", get(readiness))
        .route("/startup", get(liveness))
        .with_state((shared, pod))
}

async fn partitions(State((shared, pod)): State<(Shared, String)>) -> Json<Value> {
    Json(shared.lock().zeebe.partitions_json(&pod))
}

/// What a broker is told of its own replicas, and nobody else's.
async fn operate(State((shared, pod)): State<(Shared, String)>, Path(operation): Path<String>) -> Response {
    let mut world = shared.lock();
    let pause = match operation.as_str() {
        "pauseExporting" => true,
        "resumeExporting" => false,
        _ => return (StatusCode::NOT_FOUND, Json(json!({}))).into_response(),
    };
    world.zeebe.pause_exporters_of(&pod, pause);
    Json(world.zeebe.partitions_json(&pod)).into_response()
}

async fn metrics(State((shared, pod)): State<(Shared, String)>) -> String {
    shared.lock().zeebe.metrics(&pod)
}

async fn liveness() -> Json<Value> {
    Json(json!({"status": "UP"}))
}

async fn readiness(State((shared, pod)): State<(Shared, String)>) -> Response {
    if shared.lock().zeebe.is_ready(&pod) {
        Json(json!({"status": "UP"})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "DOWN"}))).into_response()
    }
}

impl Engine {
    /// The replicas of one broker. A broker that is no member answers `{}`.
    pub fn partitions_json(&self, pod: &str) -> Value {
        let mut body = Map::new();
        let Some(broker) = self.brokers.get(pod) else { return Value::Object(body) };
        let Some(disk) = self.disks.get(&broker.disk) else { return Value::Object(body) };
        for (partition, replica) in &disk.replicas {
            let Some(role) = broker.roles.get(partition) else { continue };
            let exported = replica.exporters.values().map(|own| own.position).min();
            let leads = role.leader.is_some();
            if !leads && fixed::is_fixed(&broker.node.settings.version) {
                body.insert(partition.to_string(), follower());
                continue;
            }
            let phase = if replica.paused { "PAUSED" } else { "EXPORTING" };
            body.insert(
                partition.to_string(),
                json!({
                    "role": if leads { "LEADER" } else { "FOLLOWER" },
                    "processedPosition": replica.committed_position(),
                    "snapshotId": null,
                    "processedPositionInSnapshot": null,
                    "streamProcessorPhase": if leads { "PROCESSING" } else { "REPLAY" },
                    "exporterPhase": phase,
                    "exportedPosition": exported.map_or(-1, |position| position as i64),
                    "health": {"id": format!("Partition-{partition}"), "name": format!("Partition-{partition}"), "status": "HEALTHY", "children": []},
                }),
            );
        }
        Value::Object(body)
    }
}

/// A follower before 8.6 knows its role and nothing else.
fn follower() -> Value {
    json!({
        "role": "FOLLOWER", "processedPosition": null, "snapshotId": null, "processedPositionInSnapshot": null,
        "streamProcessorPhase": null, "exporterPhase": null, "exportedPosition": null,
    })
}
