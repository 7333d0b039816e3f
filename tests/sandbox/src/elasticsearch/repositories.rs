//! `/_snapshot` of port 9200: repositories, snapshots, restores.
//!
//! What needs the bucket fails while Google's storage is away (`POST /storage/lose`), and not at once: the plugin tries again and again.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use super::api::{Answer, Api, Failure, Flags, gone, parse};
use super::snapshots;
use crate::world::World;

const VERIFICATION: &str = "repository_verification_exception";
const REPOSITORY: &str = "repository_exception";

/// The routes, to be merged into those of a node.
pub(super) fn routes() -> axum::Router<Api> {
    axum::Router::new()
        .route("/_snapshot", get(all))
        .route("/_snapshot/{repository}", put(register).post(register).get(repository).delete(unregister))
        .route("/_snapshot/{repository}/_verify", post(verify))
        .route("/_snapshot/{repository}/{snapshot}", put(take).post(take).get(show).delete(remove))
        .route("/_snapshot/{repository}/{snapshot}/_status", get(status))
        .route("/_snapshot/{repository}/{snapshot}/_restore", post(restore))
}

/// Whether the bucket can be reached; an answer that it can't takes its time.
async fn bucket(api: &Api, kind: &'static str, repository: &str) -> Result<(), Failure> {
    let away = api.shared.lock().stores.storage_away;
    let Some(patience) = away else { return Ok(()) };
    tokio::time::sleep(patience).await;
    Err(Failure::new(500, kind, format!("[{repository}] path is not accessible on master node"))
        .because("storage.googleapis.com: Connection refused".to_owned()))
}

fn repository_json(repository: &snapshots::Repository) -> Value {
    // settings come back as strings
    let settings: serde_json::Map<String, Value> = repository
        .settings
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned))))
        .collect();
    json!({"type": "gcs", "settings": settings})
}

async fn all(State(api): State<Api>) -> Answer {
    api.read(|data| {
        Ok(Json(
            data.repositories
                .iter()
                .map(|(name, repository)| (name.clone(), repository_json(repository)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ))
    })
}

async fn repository(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let world = api.shared.lock();
    let repository = snapshots::find(&world, &api.pod, &name)?;
    Ok(Json(json!({ name: repository_json(&repository) })))
}

async fn register(State(api): State<Api>, Path(name): Path<String>, Query(flags): Query<Flags>, body: Bytes) -> Answer {
    let repository = snapshots::parse(&parse(&body)?)?;
    api.write(|data| {
        data.repositories.insert(name.clone(), repository);
        Ok(())
    })?;
    if flags.verify.unwrap_or(true) {
        bucket(&api, VERIFICATION, &name).await?;
        snapshots::verify(&mut api.shared.lock(), &api.pod, &name)?;
    }
    Ok(Json(json!({"acknowledged": true})))
}

async fn unregister(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    api.write(|data| match data.repositories.remove(&name) {
        Some(_) => Ok(Json(json!({"acknowledged": true}))),
        None => Err(Failure::new(404, "repository_missing_exception", format!("[{name}] missing"))),
    })
}

async fn verify(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    bucket(&api, VERIFICATION, &name).await?;
    Ok(Json(snapshots::verify(&mut api.shared.lock(), &api.pod, &name)?))
}

async fn take(
    State(api): State<Api>,
    Path((repository, snapshot)): Path<(String, String)>,
    Query(flags): Query<Flags>,
    body: Bytes,
) -> Response {
    match take_snapshot(&api, &repository, &snapshot, &flags, &body).await {
        Ok(body) => body.into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn take_snapshot(api: &Api, repository: &str, snapshot: &str, flags: &Flags, body: &Bytes) -> Answer {
    let body = parse(body)?;
    bucket(api, REPOSITORY, repository).await?;
    let (entry, time) = {
        let mut world = api.shared.lock();
        let time = world.options.snapshot_time;
        (snapshots::begin(&mut world, &api.pod, repository, snapshot, &body)?, time)
    };
    let (shared, pod, name) = (api.shared.clone(), api.pod.clone(), repository.to_owned());
    let running = tokio::spawn(async move {
        tokio::time::sleep(time).await;
        snapshots::finish(&mut shared.lock(), &pod, &name, &entry.uuid)
    });
    if !flags.wait_for_completion.unwrap_or(false) {
        return Ok(Json(json!({"accepted": true})));
    }
    let entry = running.await.map_err(|_| gone())??;
    Ok(Json(json!({"snapshot": entry.json(repository)})))
}

async fn show(
    State(api): State<Api>,
    Path((repository, snapshot)): Path<(String, String)>,
    Query(flags): Query<Flags>,
) -> Answer {
    bucket(&api, REPOSITORY, &repository).await?;
    let world = api.shared.lock();
    let table = snapshots::contents(&world, &api.pod, &repository)?;
    let everything = snapshot == "_all" || snapshot.contains('*');
    let shown: Vec<Value> = table
        .iter()
        .filter(|entry| snapshot.split(',').any(|one| one == "_all" || super::wildcard(one, &entry.name)))
        .map(|entry| entry.json(&repository))
        .collect();
    if shown.is_empty() && !everything && !flags.ignore_unavailable.unwrap_or(false) {
        return Err(snapshots::missing(&repository, &snapshot));
    }
    Ok(Json(json!({"total": shown.len(), "remaining": 0, "snapshots": shown})))
}

async fn status(State(api): State<Api>, Path((repository, snapshot)): Path<(String, String)>) -> Answer {
    bucket(&api, REPOSITORY, &repository).await?;
    let world = api.shared.lock();
    let table = snapshots::contents(&world, &api.pod, &repository)?;
    let entry =
        table.iter().find(|entry| entry.name == snapshot).ok_or_else(|| snapshots::missing(&repository, &snapshot))?;
    let shards = entry.indices.len();
    Ok(Json(
        json!({"snapshots": [{"snapshot": entry.name, "repository": repository, "uuid": entry.uuid, "state": if entry.state == "SUCCESS" { "SUCCESS" } else { "STARTED" },
        "shards_stats": {"initializing": 0, "started": 0, "finalizing": 0, "done": shards, "failed": 0, "total": shards}}]}),
    ))
}

async fn remove(State(api): State<Api>, Path((repository, snapshot)): Path<(String, String)>) -> Answer {
    bucket(&api, REPOSITORY, &repository).await?;
    snapshots::delete(&mut api.shared.lock(), &api.pod, &repository, &snapshot)?;
    Ok(Json(json!({"acknowledged": true})))
}

async fn restore(
    State(api): State<Api>,
    Path((repository, snapshot)): Path<(String, String)>,
    Query(flags): Query<Flags>,
    body: Bytes,
) -> Answer {
    let body = parse(&body)?;
    bucket(&api, REPOSITORY, &repository).await?;
    let (answer, time) = {
        let mut world: parking_lot::MutexGuard<'_, World> = api.shared.lock();
        let time = world.options.snapshot_time;
        (snapshots::restore(&mut world, &api.pod, &repository, &snapshot, &body)?, time)
    };
    if flags.wait_for_completion.unwrap_or(false) {
        tokio::time::sleep(time).await;
        return Ok(Json(answer));
    }
    Ok(Json(json!({"accepted": true})))
}
