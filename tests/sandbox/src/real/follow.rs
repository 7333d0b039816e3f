//! Keeps a mirror and its API server equal: watches in one direction, the queue of writes in the other.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::upstream::Upstream;
use crate::kubernetes::{Kind, What, Write};
use crate::world::Shared;

const PAUSE: Duration = Duration::from_millis(10);

/// Follows all objects of a kind until the cluster is gone from the world.
pub async fn watch(shared: Shared, uid: String, upstream: Upstream, kind: &'static Kind) {
    while shared.lock().clusters.contains_key(&uid) {
        if let Err(error) = follow(&shared, &uid, &upstream, kind).await {
            tracing::debug!(%error, kind = kind.kind, "a watch ended");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(shared: &Shared, uid: &str, upstream: &Upstream, kind: &'static Kind) -> std::io::Result<()> {
    let path = kind.collection("");
    let (status, mut list) = upstream.get(&path).await?;
    if !status.is_success() {
        return Err(std::io::Error::other(format!("{path}: {status}")));
    }
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
    let items = match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    if let Some(cluster) = shared.lock().clusters.get_mut(uid) {
        cluster.store.observe_all(kind.kind, items, version.parse().unwrap_or(0));
    }
    let path = format!("{path}?watch=true&resourceVersion={version}");
    let response = upstream.send(upstream.request(Method::GET, &path, "application/json", None)).await?;
    let mut body = response.into_body();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(std::io::Error::other)?;
        rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let mut event: Value = serde_json::from_slice(&line)?;
            let what = event["type"].as_str().unwrap_or_default().to_owned();
            if what == "ERROR" {
                return Err(std::io::Error::other(event["object"].to_string()));
            }
            let mut world = shared.lock();
            let Some(cluster) = world.clusters.get_mut(uid) else { return Ok(()) };
            cluster.store.observe(kind.kind, event["object"].take(), what != "DELETED");
        }
    }
    Ok(())
}

/// Sends what the mirror has to write, in order, until the cluster is gone. A region without power writes nothing.
pub async fn deliver(shared: Shared, uid: String, upstream: Upstream) {
    loop {
        let next = {
            let mut world = shared.lock();
            let Some(cluster) = world.clusters.get_mut(&uid) else { return };
            if cluster.power.runs() { cluster.store.next_write() } else { None }
        };
        let Some(write) = next else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let answer = send(&upstream, &write).await;
        if let Err(why) = &answer {
            tracing::debug!(%why, name = write.name, collection = write.collection, "a write was refused");
        }
        if let Some(cluster) = shared.lock().clusters.get_mut(&uid) {
            cluster.store.written(&write, answer.ok());
        }
    }
}

async fn send(upstream: &Upstream, write: &Write) -> Result<Value, String> {
    let at = format!("{}/{}", write.collection, write.name);
    let json = "application/json";
    let answer = match &write.what {
        What::Create(object) => upstream.post(&write.collection, object).await,
        What::Patch { manager, status: true, body } => {
            let path = format!("{at}/status?fieldManager={manager}");
            upstream.call(Method::PATCH, &path, "application/strategic-merge-patch+json", Some(body)).await
        }
        What::Patch { manager, status: false, body } => {
            let path = format!("{at}?fieldManager={manager}");
            upstream.call(Method::PATCH, &path, "application/merge-patch+json", Some(body)).await
        }
        What::Delete { uid } => {
            let body = serde_json::json!({"gracePeriodSeconds": 0, "preconditions": {"uid": uid}});
            upstream.call(Method::DELETE, &at, json, Some(&body)).await
        }
    };
    let (status, body) = answer.map_err(|error| error.to_string())?;
    if status.is_success() || status == StatusCode::NOT_FOUND && matches!(write.what, What::Delete { .. }) {
        return Ok(body);
    }
    // the mirror shows the write that was refused: take what is there instead
    match upstream.get(&at).await {
        Ok((found, object)) if found.is_success() => {
            tracing::warn!(%status, why = %body["message"], name = write.name, "refused");
            Ok(object)
        }
        _ => Err(format!("{status}: {}", body["message"])),
    }
}
