//! Snapshot repositories of type `gcs`: real objects in a bucket under a base path, read back by whoever registers the same path.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Index;
use super::api::Failure;
use crate::world::{World, clock, objects};

/// A registered repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// Bucket.
    pub bucket: String,
    /// Path in it.
    pub base_path: String,
    /// Whether this cluster may only read it.
    pub readonly: bool,
    /// All settings as they were given.
    pub settings: Value,
}

/// An entry of the repository's own table of contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// Name.
    pub name: String,
    /// Identity.
    pub uuid: String,
    /// `IN_PROGRESS` or `SUCCESS`.
    pub state: String,
    /// Names of the indices in it.
    pub indices: Vec<String>,
    /// What the user attached.
    pub metadata: Value,
    /// Whether the cluster state is in it.
    pub global: bool,
    /// Milliseconds since 1970.
    pub start: u64,
    /// Milliseconds since 1970; 0 while it runs.
    pub end: u64,
}

impl Snapshot {
    /// As `GET _snapshot` shows it.
    pub fn json(&self, repository: &str) -> Value {
        let shards = self.indices.len();
        let mut body = json!({
            "snapshot": self.name, "uuid": self.uuid, "repository": repository, "version_id": 8505000, "version": "8.15.0",
            "indices": self.indices, "data_streams": [], "include_global_state": self.global, "state": self.state,
            "start_time": clock::format(self.start / 1000), "start_time_in_millis": self.start,
            "failures": [], "shards": {"total": shards, "failed": 0, "successful": shards}, "feature_states": [],
        });
        if !self.metadata.is_null() {
            body["metadata"] = self.metadata.clone();
        }
        if self.end > 0 {
            body["end_time"] = json!(clock::format(self.end / 1000));
            body["end_time_in_millis"] = json!(self.end);
            body["duration_in_millis"] = json!(self.end - self.start);
        }
        body
    }
}

/// What a repository's blobs are to the bucket.
const BLOB: &str = "application/octet-stream";

fn object(repository: &Repository, name: &str) -> String {
    let base = repository.base_path.trim_matches('/');
    if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") }
}

/// The repository's settings out of the body of a PUT.
pub fn parse(body: &Value) -> Result<Repository, Failure> {
    let kind = body["type"].as_str().unwrap_or_default();
    if kind != "gcs" {
        return Err(Failure::new(500, "repository_exception", format!("repository type [{kind}] does not exist")));
    }
    let settings = &body["settings"];
    let bucket = settings["bucket"].as_str().unwrap_or_default();
    if bucket.is_empty() {
        return Err(Failure::new(500, "repository_exception", "No setting has been provided for [bucket]"));
    }
    let readonly =
        settings["readonly"].as_bool().or_else(|| settings["readonly"].as_str()?.parse().ok()).unwrap_or(false);
    Ok(Repository {
        bucket: bucket.to_owned(),
        base_path: settings["base_path"].as_str().unwrap_or_default().to_owned(),
        readonly,
        settings: settings.clone(),
    })
}

/// The repository of that name.
pub fn find(world: &World, pod: &str, name: &str) -> Result<Repository, Failure> {
    world
        .stores
        .data(pod)
        .and_then(|data| data.repositories.get(name))
        .cloned()
        .ok_or_else(|| Failure::new(404, "repository_missing_exception", format!("[{name}] missing")))
}

/// Whether the node's credentials reach the bucket.
fn access(world: &World, pod: &str, repository: &Repository, write: bool) -> Result<(), String> {
    let key = world.stores.nodes.get(pod).and_then(|node| node.credentials.as_deref());
    let key = key.ok_or("no credentials: gcs.client.default.credentials_file is not in the keystore")?;
    let email = world.gcp.account_of_key(key).ok_or("401 Unauthorized: Invalid JWT Signature")?;
    if !world.gcp.buckets.contains_key(&repository.bucket) {
        return Err(format!("404 Not Found: bucket [{}] does not exist", repository.bucket));
    }
    let access = world.gcp.bucket_access(&repository.bucket, &email);
    if !access.read || (write && !access.write) {
        return Err(format!(
            "403 Forbidden: {email} does not have storage.objects access to bucket {}",
            repository.bucket
        ));
    }
    Ok(())
}

/// What `_verify`, and a PUT with verification, do.
pub fn verify(world: &mut World, pod: &str, name: &str) -> Result<Value, Failure> {
    let repository = find(world, pod, name)?;
    access(world, pod, &repository, !repository.readonly).map_err(|cause| {
        Failure::new(
            500,
            "repository_verification_exception",
            format!("[{name}] path [{}] is not accessible on master node", repository.base_path),
        )
        .because(cause)
    })?;
    let node = world.stores.nodes.get(pod).map(|node| node.pod.clone()).unwrap_or_default();
    Ok(json!({"nodes": {"sandboxnode0000000000a": {"name": node}}}))
}

/// The table of contents.
pub fn contents(world: &World, pod: &str, name: &str) -> Result<Vec<Snapshot>, Failure> {
    let repository = find(world, pod, name)?;
    access(world, pod, &repository, false).map_err(|cause| {
        Failure::new(500, "repository_exception", format!("[{name}] could not read repository data from index blob"))
            .because(cause)
    })?;
    let table =
        world.gcp.buckets.get(&repository.bucket).and_then(|bucket| bucket.data(&object(&repository, "index-0")));
    Ok(table.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default())
}

fn save(world: &mut World, repository: &Repository, contents: &[Snapshot]) {
    if let Some(bucket) = world.gcp.buckets.get_mut(&repository.bucket) {
        let bytes = serde_json::to_vec(contents).unwrap_or_default();
        bucket.put(object(repository, "index-0"), bytes, BLOB);
        bucket.put(object(repository, "index.latest"), b"0".to_vec(), BLOB);
    }
}

fn writable(world: &World, pod: &str, name: &str) -> Result<Repository, Failure> {
    let repository = find(world, pod, name)?;
    if repository.readonly {
        return Err(Failure::new(
            500,
            "repository_exception",
            format!("[{name}] cannot create snapshot in a readonly repository"),
        ));
    }
    access(world, pod, &repository, true).map_err(|cause| {
        Failure::new(500, "repository_exception", format!("[{name}] could not write to the repository")).because(cause)
    })?;
    Ok(repository)
}

/// Takes the content as it is now; the snapshot runs until [`finish`].
pub fn begin(world: &mut World, pod: &str, name: &str, snapshot: &str, body: &Value) -> Result<Snapshot, Failure> {
    let repository = writable(world, pod, name)?;
    if snapshot.is_empty()
        || snapshot.chars().any(|c| c.is_ascii_uppercase() || " \"*\\<|,>/?#".contains(c))
        || snapshot.starts_with('_')
    {
        return Err(Failure::new(
            400,
            "invalid_snapshot_name_exception",
            format!("[{name}:{snapshot}] Invalid snapshot name [{snapshot}]"),
        ));
    }
    let mut table = contents(world, pod, name)?;
    if table.iter().any(|known| known.name == snapshot) {
        return Err(Failure::new(
            400,
            "snapshot_name_already_in_use_exception",
            format!(
                "[{name}:{snapshot}] Invalid snapshot name [{snapshot}], snapshot with the same name already exists"
            ),
        ));
    }
    let data =
        world.stores.data(pod).ok_or_else(|| Failure::new(503, "master_not_discovered_exception", "no master"))?;
    let pattern = names(&body["indices"]).unwrap_or_else(|| "*".into());
    let indices: BTreeMap<String, Index> = data
        .matching(&pattern)
        .into_iter()
        .filter_map(|name| Some((name.clone(), data.indices.get(&name)?.clone())))
        .collect();
    let uuid = objects::new_uid();
    let entry = Snapshot {
        name: snapshot.to_owned(),
        uuid: uuid.clone(),
        state: "IN_PROGRESS".into(),
        indices: indices.keys().cloned().collect(),
        metadata: body["metadata"].clone(),
        global: body["include_global_state"].as_bool().unwrap_or(true),
        start: clock::unix_millis(),
        end: 0,
    };
    let documents: BTreeMap<&String, &BTreeMap<String, Value>> =
        indices.iter().map(|(name, index)| (name, &index.docs)).collect();
    let bytes = serde_json::to_vec(&documents).unwrap_or_default();
    if let Some(bucket) = world.gcp.buckets.get_mut(&repository.bucket) {
        bucket.put(object(&repository, &format!("snap-{uuid}.dat")), bytes, BLOB);
    }
    table.push(entry.clone());
    save(world, &repository, &table);
    Ok(entry)
}

/// The snapshot is complete.
pub fn finish(world: &mut World, pod: &str, name: &str, uuid: &str) -> Result<Snapshot, Failure> {
    let repository = writable(world, pod, name)?;
    let mut table = contents(world, pod, name)?;
    let entry = table
        .iter_mut()
        .find(|entry| entry.uuid == uuid)
        .ok_or_else(|| Failure::new(404, "snapshot_missing_exception", format!("[{name}] {uuid} is missing")))?;
    entry.state = "SUCCESS".into();
    entry.end = clock::unix_millis();
    let entry = entry.clone();
    save(world, &repository, &table);
    Ok(entry)
}

/// Deletes a snapshot.
pub fn delete(world: &mut World, pod: &str, name: &str, snapshot: &str) -> Result<(), Failure> {
    let repository = writable(world, pod, name)?;
    let mut table = contents(world, pod, name)?;
    let gone: Vec<Snapshot> = table.extract_if(.., |entry| super::wildcard(snapshot, &entry.name)).collect();
    if gone.is_empty() {
        return Err(missing(name, snapshot));
    }
    if let Some(bucket) = world.gcp.buckets.get_mut(&repository.bucket) {
        for entry in gone {
            bucket.objects.remove(&object(&repository, &format!("snap-{}.dat", entry.uuid)));
        }
    }
    save(world, &repository, &table);
    Ok(())
}

pub(super) fn missing(name: &str, snapshot: &str) -> Failure {
    Failure::new(404, "snapshot_missing_exception", format!("[{name}:{snapshot}] is missing"))
}

/// Copies the indices of a snapshot into this cluster. Never over an open index.
pub fn restore(world: &mut World, pod: &str, name: &str, snapshot: &str, body: &Value) -> Result<Value, Failure> {
    let repository = find(world, pod, name)?;
    let table = contents(world, pod, name)?;
    let entry = table.iter().find(|entry| entry.name == snapshot).ok_or_else(|| missing(name, snapshot))?;
    let refused = |why: String| {
        Failure::new(500, "snapshot_restore_exception", format!("[{name}:{snapshot}/{}] {why}", entry.uuid))
    };
    if entry.state != "SUCCESS" {
        return Err(refused("unsupported snapshot state [IN_PROGRESS]".into()));
    }
    let blob = world
        .gcp
        .buckets
        .get(&repository.bucket)
        .and_then(|b| b.data(&object(&repository, &format!("snap-{}.dat", entry.uuid))));
    let saved: BTreeMap<String, BTreeMap<String, Value>> =
        blob.and_then(|bytes| serde_json::from_slice(bytes).ok()).ok_or_else(|| refused("missing blob".into()))?;
    let pattern = names(&body["indices"]).unwrap_or_else(|| "*".into());
    let wanted: BTreeMap<String, BTreeMap<String, Value>> = saved
        .into_iter()
        .filter(|(index, _)| pattern.split(',').any(|one| one == "_all" || super::wildcard(one, index)))
        .collect();
    let data =
        world.stores.data_mut(pod).ok_or_else(|| Failure::new(503, "master_not_discovered_exception", "no master"))?;
    if let Some(open) = wanted.keys().find(|index| data.indices.contains_key(*index)) {
        return Err(refused(format!(
            "cannot restore index [{open}] because an open index with same name already exists in the cluster. Either close or delete the existing index or restore the index under a different name by providing a rename pattern and replacement name"
        )));
    }
    let indices: Vec<String> = wanted.keys().cloned().collect();
    for (index, docs) in wanted {
        data.indices.insert(index, Index { docs, ..Index::empty() });
    }
    let shards = indices.len();
    Ok(
        json!({"snapshot": {"snapshot": snapshot, "indices": indices, "shards": {"total": shards, "failed": 0, "successful": shards}}}),
    )
}

/// Index names as a comma-separated text or a list.
fn names(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        _ => None,
    }
}
