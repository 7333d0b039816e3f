//! Garbage collection: objects whose owners are gone, and foreground deletion.

use std::collections::BTreeSet;

use crate::kubernetes::kinds::KINDS;
use crate::kubernetes::lifecycle::owned_by;
use crate::kubernetes::store::{Key, Store};
use crate::kubernetes::views::{deleting, items, uid};
use crate::kubernetes::write::DeleteOptions;

pub fn tick(store: &mut Store) {
    let alive: BTreeSet<String> = store.objects.values().map(|object| uid(object).to_owned()).collect();
    let orphaned = |object: &serde_json::Value| {
        let owners = items(object, "/metadata/ownerReferences");
        !owners.is_empty() && owners.iter().all(|owner| owner["uid"].as_str().is_none_or(|uid| !alive.contains(uid)))
    };
    let doomed: Vec<Key> =
        store.objects.iter().filter(|(_, o)| !deleting(o) && orphaned(o)).map(|(at, _)| at.clone()).collect();
    for at in doomed {
        delete(store, &at);
    }
    let foreground: Vec<(Key, String)> = store
        .objects
        .iter()
        .filter(|(_, o)| deleting(o) && items(o, "/metadata/finalizers").iter().any(|f| f == "foregroundDeletion"))
        .map(|(at, o)| (at.clone(), uid(o).to_owned()))
        .collect();
    for (at, owner) in foreground {
        let dependents: Vec<(Key, bool)> = store
            .objects
            .iter()
            .filter(|(_, o)| owned_by(o, &owner))
            .map(|(at, o)| (at.clone(), deleting(o)))
            .collect();
        if dependents.is_empty()
            && let Some(kind) = KINDS.get(at.kind)
        {
            store.drop_finalizer(kind.kind, &at.namespace, &at.name, "foregroundDeletion");
        }
        for (dependent, gone) in dependents {
            if !gone {
                delete(store, &dependent);
            }
        }
    }
}

fn delete(store: &mut Store, at: &Key) {
    if let Some(kind) = KINDS.get(at.kind) {
        let _ = store.remove(kind, &at.namespace, &at.name, &DeleteOptions::default());
    }
}
