//! Port 9200.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Data, query, repositories};
use crate::world::Shared;

/// An error as Elasticsearch writes it.
#[derive(Debug, Clone)]
pub struct Failure {
    status: u16,
    kind: &'static str,
    reason: String,
    cause: Option<String>,
}

impl Failure {
    pub(super) fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, reason: reason.into(), cause: None }
    }

    pub(super) fn because(mut self, cause: String) -> Self {
        self.cause = Some(cause);
        self
    }
}

impl From<query::Unsupported> for Failure {
    fn from(error: query::Unsupported) -> Self {
        Self::new(400, "parsing_exception", error.0)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut error = json!({"type": self.kind, "reason": self.reason, "root_cause": [{"type": self.kind, "reason": self.reason}]});
        if let Some(cause) = self.cause {
            error["caused_by"] = json!({"type": "storage_exception", "reason": cause});
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({"error": error, "status": self.status}))).into_response()
    }
}

#[derive(Clone)]
pub(super) struct Api {
    pub(super) shared: Shared,
    pub(super) pod: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Flags {
    pub(super) verify: Option<bool>,
    pub(super) wait_for_completion: Option<bool>,
    pub(super) ignore_unavailable: Option<bool>,
}

pub(super) type Answer = Result<Json<Value>, Failure>;

/// The HTTP API of a node.
pub fn router(shared: Shared, pod: String) -> axum::Router {
    axum::Router::new()
        .route("/", get(root))
        .route("/_cluster/health", get(health))
        .route("/_cluster/health/{index}", get(health))
        .route("/_nodes", get(nodes))
        .route("/_nodes/reload_secure_settings", post(reload))
        .route("/_cat/indices", get(cat))
        .route("/_cat/indices/{pattern}", get(cat_some))
        .route("/_search", any(search_all))
        .route("/_count", any(count_all))
        .route("/_refresh", any(refresh))
        .merge(repositories::routes())
        .route("/{index}", put(create).delete(drop_index).get(describe))
        .route("/{index}/_search", any(search))
        .route("/{index}/_count", any(count))
        .route("/{index}/_refresh", any(refresh))
        .route("/{index}/_doc/{id}", put(index_document).get(document).delete(delete_document))
        .route("/{index}/_settings", any(acknowledge))
        .route("/{index}/_mapping", any(acknowledge))
        .route("/_index_template/{name}", delete(acknowledge).put(acknowledge))
        .with_state(Api { shared, pod })
}

pub(super) fn parse(body: &Bytes) -> Result<Value, Failure> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| Failure::new(400, "parse_exception", error.to_string()))
}

impl Api {
    pub(super) fn read<R>(&self, f: impl FnOnce(&Data) -> Result<R, Failure>) -> Result<R, Failure> {
        let world = self.shared.lock();
        f(world.stores.data(&self.pod).ok_or_else(gone)?)
    }

    pub(super) fn write<R>(&self, f: impl FnOnce(&mut Data) -> Result<R, Failure>) -> Result<R, Failure> {
        let mut world = self.shared.lock();
        f(world.stores.data_mut(&self.pod).ok_or_else(gone)?)
    }
}

pub(super) fn gone() -> Failure {
    Failure::new(503, "master_not_discovered_exception", "the node has stopped")
}

async fn root(State(api): State<Api>) -> Answer {
    let world = api.shared.lock();
    let node = world.stores.nodes.get(&api.pod).ok_or_else(gone)?;
    Ok(Json(json!({"name": node.pod, "cluster_name": "elastic", "cluster_uuid": node.disk,
        "version": {"number": node.version, "build_flavor": "default"}, "tagline": "You Know, for Search"})))
}

async fn health(State(api): State<Api>) -> Answer {
    api.read(|data| {
        let shards = data.indices.len();
        Ok(Json(json!({"cluster_name": "elastic", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
            "active_primary_shards": shards, "active_shards": shards, "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
            "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0, "active_shards_percent_as_number": 100.0})))
    })
}

async fn nodes(State(api): State<Api>) -> Answer {
    let world = api.shared.lock();
    let node = world.stores.nodes.get(&api.pod).ok_or_else(gone)?;
    Ok(Json(json!({"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": "elastic",
        "nodes": {"sandboxnode0000000000a": {"name": node.pod, "version": node.version, "host": node.host.ip.to_string()}}})))
}

/// The keystore is read again: the secret's mount brings the file.
async fn reload(State(api): State<Api>) -> Answer {
    let mut world = api.shared.lock();
    let credentials = crate::world::kubelet::keystore(&world, &api.pod);
    let node = world.stores.nodes.get_mut(&api.pod).ok_or_else(gone)?;
    node.credentials = credentials;
    Ok(Json(json!({"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": "elastic",
        "nodes": {"sandboxnode0000000000a": {"name": node.pod}}})))
}

fn cat_json(data: &Data, pattern: &str) -> Value {
    data.matching(pattern)
        .iter()
        .filter_map(|name| {
            let index = data.indices.get(name)?;
            Some(json!({"health": "green", "status": "open", "index": name, "uuid": index.uuid, "pri": "1", "rep": "0",
                "docs.count": index.docs.len().to_string(), "docs.deleted": "0", "store.size": "10kb", "pri.store.size": "10kb"}))
        })
        .collect::<Vec<_>>()
        .into()
}

async fn cat(State(api): State<Api>) -> Answer {
    api.read(|data| Ok(Json(cat_json(data, "*"))))
}

async fn cat_some(State(api): State<Api>, Path(pattern): Path<String>) -> Answer {
    api.read(|data| Ok(Json(cat_json(data, &pattern))))
}

fn chosen(data: &Data, pattern: &str) -> Result<Vec<String>, Failure> {
    let names = data.matching(pattern);
    match pattern.split(',').find(|one| !one.contains('*') && *one != "_all" && !data.indices.contains_key(*one)) {
        Some(missing) => Err(no_index(missing)),
        None => Ok(names),
    }
}

fn no_index(name: &str) -> Failure {
    Failure::new(404, "index_not_found_exception", format!("no such index [{name}]"))
}

fn run_search(data: &Data, pattern: &str, body: &Value) -> Answer {
    let mut hits: Vec<(String, &str, &Value)> = Vec::new();
    for name in chosen(data, pattern)? {
        let Some(index) = data.indices.get(&name) else { continue };
        for (id, document) in &index.docs {
            if query::matches(&body["query"], id, document)? {
                hits.push((name.clone(), id, document));
            }
        }
    }
    let size = body["size"].as_u64().unwrap_or(10) as usize;
    let from = body["from"].as_u64().unwrap_or(0) as usize;
    let shown: Vec<Value> = hits
        .iter()
        .skip(from)
        .take(size)
        .map(|(index, id, document)| json!({"_index": index, "_id": id, "_score": 1.0, "_source": document}))
        .collect();
    let shards = data.indices.len();
    let mut answer = json!({"took": 1, "timed_out": false, "_shards": {"total": shards, "successful": shards, "skipped": 0, "failed": 0},
        "hits": {"total": {"value": hits.len(), "relation": "eq"}, "max_score": null, "hits": shown}});
    let aggregations = if body["aggs"].is_null() { &body["aggregations"] } else { &body["aggs"] };
    if aggregations.is_object() {
        let documents: Vec<(&str, &Value)> = hits.iter().map(|(_, id, document)| (*id, *document)).collect();
        answer["aggregations"] = query::aggregate(aggregations, &documents)?;
    }
    Ok(Json(answer))
}

async fn search_all(State(api): State<Api>, body: Bytes) -> Answer {
    let body = parse(&body)?;
    api.read(|data| run_search(data, "*", &body))
}

async fn search(State(api): State<Api>, Path(index): Path<String>, body: Bytes) -> Answer {
    let body = parse(&body)?;
    api.read(|data| run_search(data, &index, &body))
}

fn run_count(data: &Data, pattern: &str, body: &Value) -> Answer {
    let mut count = 0;
    for name in chosen(data, pattern)? {
        for (id, document) in data.indices.get(&name).into_iter().flat_map(|index| &index.docs) {
            count += usize::from(query::matches(&body["query"], id, document)?);
        }
    }
    let shards = data.indices.len();
    Ok(Json(json!({"count": count, "_shards": {"total": shards, "successful": shards, "skipped": 0, "failed": 0}})))
}

async fn count_all(State(api): State<Api>, body: Bytes) -> Answer {
    let body = parse(&body)?;
    api.read(|data| run_count(data, "*", &body))
}

async fn count(State(api): State<Api>, Path(index): Path<String>, body: Bytes) -> Answer {
    let body = parse(&body)?;
    api.read(|data| run_count(data, &index, &body))
}

async fn refresh(State(api): State<Api>) -> Answer {
    api.read(|data| {
        let shards = data.indices.len();
        Ok(Json(json!({"_shards": {"total": shards, "successful": shards, "failed": 0}})))
    })
}

async fn acknowledge() -> Json<Value> {
    Json(json!({"acknowledged": true}))
}

async fn create(State(api): State<Api>, Path(index): Path<String>) -> Answer {
    api.write(|data| {
        if data.indices.contains_key(&index) {
            return Err(Failure::new(
                400,
                "resource_already_exists_exception",
                format!("index [{index}] already exists"),
            ));
        }
        data.indices.insert(index.clone(), super::Index::empty());
        Ok(Json(json!({"acknowledged": true, "shards_acknowledged": true, "index": index})))
    })
}

async fn drop_index(State(api): State<Api>, Path(index): Path<String>, Query(flags): Query<Flags>) -> Answer {
    // the default since 8.0: action.destructive_requires_name
    if index == "_all" || index.contains('*') {
        return Err(Failure::new(
            400,
            "illegal_argument_exception",
            "Wildcard expressions or all indices are not allowed",
        ));
    }
    api.write(|data| {
        let lenient = flags.ignore_unavailable.unwrap_or(false);
        if let Some(missing) = index.split(',').find(|name| !lenient && !data.indices.contains_key(*name)) {
            return Err(no_index(missing));
        }
        for name in index.split(',') {
            data.indices.remove(name);
        }
        Ok(Json(json!({"acknowledged": true})))
    })
}

async fn describe(State(api): State<Api>, Path(index): Path<String>) -> Answer {
    api.read(|data| {
        let names = chosen(data, &index)?;
        let body: serde_json::Map<String, Value> = names
            .into_iter()
            .filter_map(|name| {
                let uuid = &data.indices.get(&name)?.uuid;
                let settings = json!({"aliases": {}, "mappings": {}, "settings": {"index": {"uuid": uuid, "provided_name": name, "number_of_shards": "1", "number_of_replicas": "0"}}});
                Some((name, settings))
            })
            .collect();
        Ok(Json(Value::Object(body)))
    })
}

async fn index_document(State(api): State<Api>, Path((index, id)): Path<(String, String)>, body: Bytes) -> Answer {
    let body = parse(&body)?;
    api.write(|data| {
        data.put(&index, &id, body);
        Ok(Json(json!({"_index": index, "_id": id, "result": "created"})))
    })
}

async fn document(State(api): State<Api>, Path((index, id)): Path<(String, String)>) -> Answer {
    api.read(|data| match data.indices.get(&index).and_then(|index| index.docs.get(&id)) {
        Some(source) => Ok(Json(json!({"_index": index, "_id": id, "found": true, "_source": source}))),
        None => Err(Failure::new(404, "resource_not_found_exception", format!("document [{id}] missing"))),
    })
}

async fn delete_document(State(api): State<Api>, Path((index, id)): Path<(String, String)>) -> Answer {
    api.write(|data| {
        let found = data.indices.get_mut(&index).is_some_and(|index| index.docs.remove(&id).is_some());
        Ok(Json(json!({"_index": index, "_id": id, "result": if found { "deleted" } else { "not_found" }})))
    })
}
