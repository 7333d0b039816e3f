//! Namespaces: their default content, and their end.

use serde_json::json;

use crate::kubernetes::kinds::Kind;
use crate::kubernetes::store::{Store, key};
use crate::kubernetes::views::{deleting, name};
use crate::kubernetes::write::DeleteOptions;

pub fn tick(store: &mut Store) {
    for namespace in store.list("Namespace", None) {
        let own = name(&namespace).to_owned();
        if deleting(&namespace) {
            empty(store, &own);
            continue;
        }
        if store.get("ServiceAccount", &own, "default").is_none() {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": own}});
            let _ = store.create("kube-controller-manager", account);
        }
        if store.get("ConfigMap", &own, "kube-root-ca.crt").is_none() {
            let ca = store.settings.ca_pem.clone();
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": own}, "data": {"ca.crt": ca}});
            let _ = store.create("kube-controller-manager", map);
        }
    }
}

/// Deletes what is left in a terminating namespace, and the namespace when nothing is.
fn empty(store: &mut Store, namespace: &str) {
    for (kind, own, gone) in store.contents(namespace) {
        if !gone {
            let _ = store.remove(kind, namespace, &own, &DeleteOptions::default());
        }
    }
    if store.contents(namespace).is_empty()
        && let Some(kind) = Kind::named("Namespace")
    {
        store.erase(&key(kind, "", namespace));
    }
}
