//! A store that holds what a real API server holds: watches fill it, and what the sandbox's half of the cluster (kubelet, provisioner, cloud
//! controller) writes goes into a queue for the real one.
//!
//! A write shows at once, as if it had been answered. Until it has been, what the watch says of that object is held back; afterwards the newer
//! of both counts. So no component ever acts on a state from before its own last write.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::bootstrap::Settings;
use super::kinds::{KINDS, Kind};
use super::store::{Key, Object, Store, key};
use super::views::{name, namespace, text, uid};

/// The kinds that the world looks at.
pub const MIRRORED: [&str; 9] = [
    "Namespace",
    "Node",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "Service",
    "ConfigMap",
    "Secret",
];

/// What is not yet written, and what is held back meanwhile.
#[derive(Debug, Default)]
pub struct Mirror {
    outbox: VecDeque<Write>,
    pending: BTreeMap<Key, u32>,
    held: BTreeMap<Key, (u64, Option<Object>)>,
    seen: BTreeMap<Key, u64>,
}

/// A write for the real API server.
#[derive(Debug, Clone)]
pub struct Write {
    /// The collection, e.g. `/api/v1/namespaces/a/pods`.
    pub collection: String,
    /// Name of the object.
    pub name: String,
    /// What to do.
    pub what: What,
    key: Key,
}

/// What a write does.
#[derive(Debug, Clone)]
pub enum What {
    /// POST.
    Create(Value),
    /// PATCH, to `/status` or to the object itself.
    Patch {
        /// Field manager.
        manager: String,
        /// Whether it goes to the status.
        status: bool,
        /// The patch, guarded by the UID: a strategic merge for a status (conditions belong to several), else a merge.
        body: Value,
    },
    /// DELETE, at once.
    Delete {
        /// Only this one.
        uid: String,
    },
}

impl Store {
    /// An empty mirror.
    #[must_use]
    pub fn mirror(settings: Settings) -> Store {
        Store { mirror: Some(Mirror::default()), ..Store::empty(settings) }
    }

    /// Whether a real API server stands behind this.
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        self.mirror.is_some()
    }

    /// What a watch says of an object: `there` is false when it was deleted.
    pub fn observe(&mut self, kind: &str, object: Value, there: bool) {
        let Some(kind) = Kind::named(kind) else { return };
        let at = key(kind, namespace(&object), name(&object));
        let version = version(&object);
        let Some(mirror) = &mut self.mirror else { return };
        if mirror.seen.get(&at).is_some_and(|seen| *seen >= version) {
            return;
        }
        let object = there.then(|| complete(kind, object));
        if mirror.pending.contains_key(&at) {
            mirror.held.insert(at, (version, object));
            return;
        }
        self.settle(at, version, object);
    }

    /// What a list says: everything of a kind.
    pub fn observe_all(&mut self, kind: &str, objects: Vec<Value>, version: u64) {
        let Some(known) = Kind::named(kind) else { return };
        let there: BTreeSet<Key> = objects.iter().map(|object| key(known, namespace(object), name(object))).collect();
        let gone: Vec<Key> =
            self.objects.keys().filter(|at| at.kind == known.index() && !there.contains(at)).cloned().collect();
        for object in objects {
            self.observe(kind, object, true);
        }
        for at in gone {
            let pending = self.mirror.as_ref().is_some_and(|mirror| mirror.pending.contains_key(&at));
            if !pending {
                self.settle(at, version, None);
            }
        }
    }

    fn settle(&mut self, at: Key, version: u64, object: Option<Object>) {
        let Some(mirror) = &mut self.mirror else { return };
        self.revision += 1;
        match object {
            Some(object) => {
                mirror.seen.insert(at.clone(), version);
                self.objects.insert(at, object);
            }
            None => {
                mirror.seen.remove(&at);
                self.objects.remove(&at);
            }
        }
    }

    /// The next write that waits.
    pub fn next_write(&mut self) -> Option<Write> {
        self.mirror.as_mut()?.outbox.pop_front()
    }

    /// What the API server answered to a write: the object as it is now, or nothing if it is gone or refused.
    pub fn written(&mut self, write: &Write, answer: Option<Value>) {
        let Some(mirror) = &mut self.mirror else { return };
        let left = mirror.pending.get(&write.key).copied().unwrap_or(1).saturating_sub(1);
        if left > 0 {
            mirror.pending.insert(write.key.clone(), left);
            return;
        }
        mirror.pending.remove(&write.key);
        let held = mirror.held.remove(&write.key);
        let answer = answer
            .filter(|object| !uid(object).is_empty() && !matches!(write.what, What::Delete { .. }))
            .and_then(|object| Some((version(&object), Some(complete(KINDS.get(write.key.kind)?, object)))));
        let newest = match (held, answer) {
            (Some(held), Some(answer)) => Some(if held.0 >= answer.0 { held } else { answer }),
            (held, answer) => held.or(answer),
        };
        if let Some((version, object)) = newest {
            self.settle(write.key.clone(), version, object);
        }
    }

    pub(crate) fn send_create(&mut self, manifest: Value) {
        let Some(kind) = manifest["kind"].as_str().and_then(Kind::named) else { return };
        let at = key(kind, namespace(&manifest), name(&manifest));
        self.send(at, What::Create(manifest));
    }

    /// The change from `live` to `new` as a patch.
    pub(crate) fn send_change(&mut self, at: Key, live: &Value, new: Value, manager: &str, status: bool) {
        let Some(mut body) = difference(live, &new) else { return };
        body["metadata"]["uid"] = json!(uid(live));
        self.revision += 1;
        self.objects.insert(at.clone(), Arc::new(new));
        self.send(at, What::Patch { manager: manager.to_owned(), status, body });
    }

    /// Deletes at once; it is out of sight from now on.
    pub(crate) fn send_delete(&mut self, kind: &'static Kind, namespace: &str, own: &str) {
        let at = key(kind, namespace, own);
        let Some(object) = self.objects.remove(&at) else { return };
        self.revision += 1;
        self.send(at, What::Delete { uid: uid(&object).to_owned() });
    }

    fn send(&mut self, at: Key, what: What) {
        let (Some(mirror), Some(kind)) = (&mut self.mirror, KINDS.get(at.kind)) else { return };
        *mirror.pending.entry(at.clone()).or_default() += 1;
        mirror.outbox.push_back(Write {
            collection: kind.collection(&at.namespace),
            name: at.name.clone(),
            what,
            key: at,
        });
    }
}

impl Kind {
    /// The path of its objects; the namespace of a cluster-scoped kind does not matter, and an empty one means all.
    #[must_use]
    pub fn collection(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        let within =
            if self.namespaced && !namespace.is_empty() { format!("namespaces/{namespace}/") } else { String::new() };
        format!("{root}/{}/{within}{}", self.version, self.plural)
    }
}

fn version(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion").parse().unwrap_or(0)
}

/// Items of a list carry neither kind nor version.
fn complete(kind: &Kind, mut object: Value) -> Object {
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    Arc::new(object)
}

/// The merge patch from one state to another: lists whole, `null` for what is gone.
fn difference(old: &Value, new: &Value) -> Option<Value> {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (field, value) in new {
        let changed = match old.get(field) {
            Some(before) => difference(before, value),
            None => Some(value.clone()),
        };
        if let Some(changed) = changed {
            patch.insert(field.clone(), changed);
        }
    }
    for field in old.keys().filter(|field| !new.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn store() -> Store {
        Store::mirror(Settings::new("p", "europe-west1-b", "one", "10.8.0.0/14", "10.200.0.0/24", "34.118.224.0/20"))
    }

    fn pod(version: u64, phase: &str) -> Value {
        json!({"metadata": {"name": "p", "namespace": "a", "uid": "u", "resourceVersion": version.to_string()}, "status": {"phase": phase}})
    }

    #[test]
    fn what_the_watch_says_waits_for_the_answer_to_a_write() {
        let mut store = store();
        store.observe("Pod", pod(5, "Pending"), true);
        store.set_pod_phase("a", "p", "Running");
        let write = store.next_write().unwrap();
        let What::Patch { body, status, .. } = &write.what else { panic!("{write:?}") };
        assert!(*status);
        assert_eq!(*body, json!({"metadata": {"uid": "u"}, "status": {"phase": "Running"}}));
        assert_eq!((write.collection.as_str(), write.name.as_str()), ("/api/v1/namespaces/a/pods", "p"));
        store.observe("Pod", pod(6, "Pending"), true);
        assert_eq!(store.pod("a", "p").unwrap().phase(), "Running");
        store.written(&write, Some(pod(7, "Running")));
        store.observe("Pod", pod(6, "Pending"), true);
        assert_eq!(store.pod("a", "p").unwrap().phase(), "Running");
        store.observe("Pod", pod(8, "Failed"), true);
        assert_eq!(store.pod("a", "p").unwrap().phase(), "Failed");
    }

    #[test]
    fn what_is_not_listed_is_gone() {
        let mut store = store();
        store.observe("Pod", pod(5, "Pending"), true);
        store.observe_all("Pod", vec![], 9);
        assert!(store.pod("a", "p").is_none());
    }

    #[test]
    fn differences() {
        let old = json!({"a": 1, "b": {"c": 1, "d": 2}, "l": [1]});
        assert_eq!(difference(&old, &old), None);
        let new = json!({"a": 1, "b": {"c": 1}, "l": [2]});
        assert_eq!(difference(&old, &new), Some(json!({"b": {"d": null}, "l": [2]})));
    }
}
