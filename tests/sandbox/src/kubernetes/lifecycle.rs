//! Deletion: preconditions, grace, finalizers, propagation.

use std::sync::Arc;

use serde_json::{Value, json};

use super::defaults::add_finalizer;
use super::error::ApiError;
use super::kinds::{KINDS, Kind};
use super::stamp;
use super::store::{Key, Object, Store, key};
use super::views::{deleting, items, text, uid};
use super::write::DeleteOptions;

/// What a delete did.
#[derive(Debug)]
pub enum Deleted {
    /// It is gone; this was it.
    Gone(Object),
    /// It is on its way, waiting for grace or finalizers.
    Pending(Object),
}

impl Deleted {
    /// What the API answers: most kinds that are gone at once are a mere success, some are shown for the last time.
    #[must_use]
    pub fn shown(&self, kind: &Kind) -> Option<&Object> {
        match self {
            Deleted::Pending(object) => Some(object),
            Deleted::Gone(object) => matches!(
                kind.kind,
                "Pod" | "Service" | "ServiceAccount" | "StorageClass" | "PersistentVolume" | "PersistentVolumeClaim"
            )
            .then_some(object),
        }
    }
}

impl Store {
    /// DELETE.
    pub(crate) fn remove(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        own: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        let at = key(kind, namespace, own);
        let live = self.objects.get(&at).cloned().ok_or_else(|| ApiError::not_found(kind, own))?;
        let precondition = |what: &str, wanted: &Option<String>, seen: &str, might: &str| match wanted {
            Some(wanted) if wanted != seen => {
                let why = format!(
                    "the {what} in the precondition ({wanted}) does not match the {what} in record ({seen}). The object might have {might}"
                );
                Err(ApiError::precondition(kind, own, &why))
            }
            _ => Ok(()),
        };
        precondition("UID", &options.uid, uid(&live), "been deleted and then recreated")?;
        let version = text(&live, "/metadata/resourceVersion");
        precondition("ResourceVersion", &options.resource_version, version, "been modified")?;
        if let Some(policy) = options.propagation.as_deref()
            && !matches!(policy, "Foreground" | "Background" | "Orphan")
        {
            let why = format!(
                "Unsupported value: {policy:?}: supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            );
            let message = format!("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: {why}");
            let mut error = ApiError::new(422, "Invalid", message);
            error.details = json!({"group": "meta.k8s.io", "kind": "DeleteOptions",
                "causes": [{"reason": "FieldValueNotSupported", "field": "propagationPolicy", "message": why}]});
            return Err(error);
        }
        if kind.kind == "Namespace" && matches!(own, "default" | "kube-system" | "kube-public") {
            let mut error = ApiError::new(
                403,
                "Forbidden",
                format!("namespaces \"{own}\" is forbidden: this namespace may not be deleted"),
            );
            error.details = json!({"name": own, "kind": "namespaces"});
            return Err(error);
        }
        if options.dry_run {
            return Ok(Deleted::Gone(live));
        }
        let mut object = (*live).clone();
        match options.propagation.as_deref() {
            // also without dependents: the collector finds out
            Some("Foreground") => add_finalizer(&mut object, "foregroundDeletion"),
            Some("Orphan") => self.orphan(uid(&live)),
            // who asks for the background takes back that somebody wanted to wait
            Some("Background") => {
                if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
                    list.retain(|finalizer| finalizer != "foregroundDeletion");
                }
            }
            _ => {}
        }
        let grace = match (kind.kind, options.grace_seconds) {
            ("Pod", Some(seconds)) => seconds,
            // a pod without a node has nothing to stop
            ("Pod", None) if text(&live, "/spec/nodeName").is_empty() => 0,
            ("Pod", None) => live.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30),
            _ => 0,
        };
        let waits = !items(&object, "/metadata/finalizers").is_empty() || kind.kind == "Namespace" || grace > 0;
        if !waits {
            self.timers.retain(|timer, _| !timer.contains(uid(&live)));
            if kind.kind == "Pod" {
                let generation = object["metadata"]["generation"].as_i64().unwrap_or(1);
                object["metadata"]["generation"] = json!(generation + 1);
                object["metadata"]["deletionTimestamp"] = json!(stamp::now());
                object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            }
            return self.erase_as(&at, &object).map(Deleted::Gone).ok_or_else(|| ApiError::not_found(kind, own));
        }
        if !deleting(&object) {
            object["metadata"]["deletionTimestamp"] = json!(stamp::now());
            if kind.kind != "Namespace" {
                object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            }
            if kind.generation {
                let generation = object["metadata"]["generation"].as_i64().unwrap_or(1);
                object["metadata"]["generation"] = json!(generation + 1);
            }
            if kind.kind == "Namespace" {
                object["status"]["phase"] = json!("Terminating");
            }
        }
        if object == *live {
            return Ok(Deleted::Pending(live));
        }
        Ok(Deleted::Pending(self.commit(at, object)))
    }

    fn orphan(&mut self, owner: &str) {
        let found: Vec<(Key, Object)> =
            self.objects.iter().filter(|(_, o)| owned_by(o, owner)).map(|(k, o)| (k.clone(), Arc::clone(o))).collect();
        for (at, object) in found {
            let mut object = (*object).clone();
            if let Some(list) = object["metadata"]["ownerReferences"].as_array_mut() {
                list.retain(|reference| reference["uid"] != owner);
            }
            self.commit(at, object);
        }
    }

    /// Takes a finalizer off; the object goes if it was the last one.
    pub(crate) fn drop_finalizer(&mut self, kind: &str, namespace: &str, own: &str, finalizer: &str) -> bool {
        self.edit(kind, namespace, own, "kube-controller-manager", |object| {
            if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
                list.retain(|f| f != finalizer);
                if list.is_empty()
                    && let Some(metadata) = object["metadata"].as_object_mut()
                {
                    metadata.remove("finalizers");
                }
            }
        })
    }

    /// Everything in a namespace: (kind, name, being deleted).
    pub(crate) fn contents(&self, namespace: &str) -> Vec<(&'static Kind, String, bool)> {
        self.objects
            .iter()
            .filter(|(at, _)| at.namespace == namespace && !namespace.is_empty())
            .filter_map(|(at, object)| Some((KINDS.get(at.kind)?, at.name.clone(), deleting(object))))
            .collect()
    }
}

pub(crate) fn owned_by(object: &Value, owner: &str) -> bool {
    items(object, "/metadata/ownerReferences").iter().any(|reference| reference["uid"] == owner)
}
