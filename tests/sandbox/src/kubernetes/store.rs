//! The objects of one cluster: reading, committing, events, timers. The rules of writing are in `write`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::bootstrap::Settings;
use super::error::ApiError;
use super::kinds::Kind;
use super::mirror::Mirror;
use super::pods::Disk;
use super::write::{DeleteOptions, WriteOptions};
use super::{bootstrap, fields, views};

/// An object as stored; cheap to hand out.
pub type Object = Arc<Value>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub kind: usize,
    pub namespace: String,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One entry of the watch log.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub revision: u64,
    pub key: Key,
    pub change: Change,
    pub object: Object,
    pub before: Option<Object>,
}

/// Something that happens after a delay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    since: Instant,
    /// Whether somebody asked in this tick; timers that nobody asks about are dropped.
    pub asked: bool,
}

/// How many events a watch may lag behind before it gets 410.
const EVENTS: usize = 4_000;

/// The state of one cluster's API server. See the page of this module.
pub struct Store {
    pub(crate) settings: Settings,
    pub(crate) objects: BTreeMap<Key, Object>,
    pub(crate) revision: u64,
    pub(crate) events: VecDeque<Event>,
    pub(crate) oldest: u64,
    pub(crate) wake: watch::Sender<u64>,
    pub(crate) timers: BTreeMap<String, Timer>,
    pub(crate) disks: BTreeMap<String, Disk>,
    pub(crate) logs: BTreeMap<(String, String), String>,
    pub(crate) ticked: u64,
    pub(crate) autorun_all: bool,
    pub(crate) addresses: u32,
    pub(crate) mirror: Option<Mirror>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("objects", &self.objects.len()).field("revision", &self.revision).finish()
    }
}

impl Store {
    /// A fresh cluster with its namespaces, nodes, storage classes and kube-dns.
    #[must_use]
    pub fn new(settings: Settings) -> Store {
        let mut store = Store::empty(settings);
        bootstrap::populate(&mut store);
        store
    }

    pub(crate) fn empty(settings: Settings) -> Store {
        Store {
            settings,
            objects: BTreeMap::new(),
            revision: 100,
            events: VecDeque::new(),
            oldest: 100,
            wake: watch::Sender::new(100),
            timers: BTreeMap::new(),
            disks: BTreeMap::new(),
            logs: BTreeMap::new(),
            ticked: 0,
            autorun_all: false,
            addresses: 0,
            mirror: None,
        }
    }

    /// The cluster's identity: the UID of the namespace kube-system.
    #[must_use]
    pub fn cluster_uid(&self) -> String {
        self.get("Namespace", "", "kube-system").map_or_else(String::new, |ns| views::uid(&ns).to_owned())
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the kubelet plays *all* pods by itself (to Ready at once), not only those of kube-system. For tests without a world.
    pub fn autorun_all(&mut self, on: bool) {
        self.autorun_all = on;
        self.ticked = 0;
    }

    /// An object by kind name ("Pod"), namespace ("" for cluster-scoped kinds) and name.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Object> {
        let key = key(Kind::named(kind)?, namespace, name);
        self.objects.get(&key).cloned()
    }

    /// All objects of a kind, in one namespace or in all.
    #[must_use]
    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Vec<Object> {
        Kind::named(kind).map_or_else(Vec::new, |kind| self.select(kind, namespace))
    }

    /// Creates an object as a user would, with defaults and validation, under a field manager.
    pub fn create(&mut self, manager: &str, manifest: Value) -> Result<Object, ApiError> {
        let kind =
            manifest["kind"].as_str().and_then(Kind::named).ok_or_else(|| ApiError::bad_request("unknown kind"))?;
        let namespace = manifest.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("").to_owned();
        self.post(kind, &namespace, manifest, &WriteOptions::manager(manager))
    }

    /// Deletes an object as a user would (background, default grace). False if it was not there.
    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> bool {
        Kind::named(kind).is_some_and(|kind| self.remove(kind, namespace, name, &DeleteOptions::default()).is_ok())
    }

    /// Changes an object in place as a component of the cluster would; recorded as an Update of `manager`. True if it changed.
    pub fn edit(
        &mut self,
        kind: &str,
        namespace: &str,
        name: &str,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> bool {
        self.edit_as(kind, namespace, name, manager, None, change)
    }

    /// As [`Store::edit`], through the status subresource.
    pub fn edit_status(
        &mut self,
        kind: &str,
        namespace: &str,
        name: &str,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> bool {
        self.edit_as(kind, namespace, name, manager, Some("status"), change)
    }

    fn edit_as(
        &mut self,
        kind: &str,
        namespace: &str,
        name: &str,
        manager: &str,
        subresource: Option<&'static str>,
        change: impl FnOnce(&mut Value),
    ) -> bool {
        let Some(kind) = Kind::named(kind) else { return false };
        let key = key(kind, namespace, name);
        let Some(live) = self.objects.get(&key).cloned() else { return false };
        let mut new = (*live).clone();
        change(&mut new);
        if new == *live {
            return false;
        }
        if self.is_mirror() {
            self.send_change(key, &live, new, manager, subresource.is_some());
            return true;
        }
        fields::record_update(kind, Some(&live), &mut new, manager, subresource, None);
        bump_generation(kind, &live, &mut new);
        self.commit(key, new);
        true
    }

    /// The ConfigMap's or Secret's value under a key (Secrets decoded); `None` if absent.
    #[must_use]
    pub fn data(&self, kind: &str, namespace: &str, name: &str, entry: &str) -> Option<String> {
        let object = self.get(kind, namespace, name)?;
        let text = object["data"][entry].as_str()?;
        if kind == "Secret" { views::decode(text) } else { Some(text.to_owned()) }
    }

    pub(crate) fn select(&self, kind: &Kind, namespace: Option<&str>) -> Vec<Object> {
        let index = kind.index();
        let start = Key { kind: index, namespace: namespace.unwrap_or("").to_owned(), name: String::new() };
        self.objects
            .range(start..)
            .take_while(|(key, _)| key.kind == index && namespace.is_none_or(|ns| key.namespace == ns))
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    /// Files an object under the next resource version and tells the watches. Finished deletions are carried out here.
    pub(crate) fn commit(&mut self, key: Key, mut object: Value) -> Object {
        let doomed = object["metadata"].get("deletionTimestamp").is_some();
        if doomed && key.kind != pod_index() && finalizers(&object) == 0 && !is_namespace(&key) {
            return self.erase_as(&key, &object).unwrap_or_else(|| Arc::new(object));
        }
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        let change = if before.is_some() { Change::Modified } else { Change::Added };
        self.publish(Event { revision: self.revision, key, change, object: Arc::clone(&object), before });
        object
    }

    /// Removes an object at once.
    pub(crate) fn erase(&mut self, key: &Key) -> Option<Object> {
        let last = self.objects.get(key).cloned()?;
        self.erase_as(key, &last)
    }

    /// Removes an object whose last state was this.
    pub(crate) fn erase_as(&mut self, key: &Key, last: &Value) -> Option<Object> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        let mut last = last.clone();
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(last);
        let event = Event {
            revision: self.revision,
            key: key.clone(),
            change: Change::Deleted,
            object: Arc::clone(&object),
            before: Some(before),
        };
        self.publish(event);
        Some(object)
    }

    fn publish(&mut self, event: Event) {
        let revision = event.revision;
        self.events.push_back(event);
        while self.events.len() > EVENTS {
            if let Some(old) = self.events.pop_front() {
                self.oldest = old.revision;
            }
        }
        self.wake.send_replace(revision);
    }

    /// Whether `delay` has passed since this was first asked about `what`; then the timer is forgotten.
    pub(crate) fn due(&mut self, what: &str, delay: Duration, now: Instant) -> bool {
        let timer = self.timers.entry(what.to_owned()).or_insert(Timer { since: now, asked: true });
        timer.asked = true;
        let since = timer.since;
        let due = now.saturating_duration_since(since) >= delay;
        if due {
            self.timers.remove(what);
        }
        due
    }
}

pub(crate) fn key(kind: &Kind, namespace: &str, name: &str) -> Key {
    let namespace = if kind.namespaced { namespace.to_owned() } else { String::new() };
    Key { kind: kind.index(), namespace, name: name.to_owned() }
}

/// Counts a change of the spec, for the kinds that count.
pub(crate) fn bump_generation(kind: &Kind, live: &Value, new: &mut Value) {
    if !kind.generation {
        return;
    }
    let same = match (live.as_object(), new.as_object()) {
        (Some(live), Some(new)) => {
            let spec = |map: &serde_json::Map<String, Value>| {
                map.iter()
                    .filter(|(k, _)| !matches!(k.as_str(), "metadata" | "status"))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect::<BTreeMap<_, _>>()
            };
            spec(live) == spec(new)
        }
        _ => true,
    };
    let generation = live.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1);
    new["metadata"]["generation"] = json!(if same { generation } else { generation + 1 });
}

fn finalizers(object: &Value) -> usize {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).map_or(0, Vec::len)
}

fn pod_index() -> usize {
    Kind::named("Pod").map_or(usize::MAX, Kind::index)
}

fn is_namespace(key: &Key) -> bool {
    Kind::named("Namespace").is_some_and(|kind| kind.index() == key.kind)
}
