//! The last part of every write: what the server fills in, validation, ownership, and the object is stored.

use std::sync::Arc;

use serde_json::{Value, json};

use super::error::ApiError;
use super::kinds::Kind;
use super::store::{Object, Store, bump_generation, key};
use super::views::{deleting, name};
use super::write::WriteOptions;
use super::{admission, decode, defaults, fields, normal, stamp, validate};

impl Store {
    /// The rest of every write: system fields, defaults, validation, ownership, no-op check, commit.
    pub(super) fn finish(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        live: Option<Object>,
        mut object: Value,
        entries: Option<Vec<fields::Entry>>,
        options: &WriteOptions,
    ) -> Result<Object, ApiError> {
        let own = name(&object).to_owned();
        if options.strict && entries.is_none() {
            let unknown: Vec<String> =
                decode::unknown_fields(kind, &object).iter().map(|field| format!("unknown field {field:?}")).collect();
            if !unknown.is_empty() {
                return Err(ApiError::bad_request(format!(
                    "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                    kind.kind,
                    kind.version,
                    kind.kind,
                    unknown.join(", ")
                )));
            }
        }
        if let Some(map) = object.as_object_mut() {
            let known = super::schema::top_level(kind);
            map.retain(|field, _| {
                matches!(field.as_str(), "apiVersion" | "kind" | "metadata") || known.contains(&field.as_str())
            });
        }
        normal::drop_empty(kind, &mut object);
        let forgets = entries.is_none() && live.is_some() && clears_managers(&object);
        let sent = object.clone();
        match &live {
            None => self.newborn(kind, namespace, &own, &mut object)?,
            Some(live) => {
                self.preconditions(kind, live, &object)?;
                self.inherit(kind, live, &mut object, options);
            }
        }
        defaults::fill(self, kind, live.as_deref(), &mut object);
        validate::check(kind, live.as_deref(), &object)?;
        admission::check(self, kind, namespace, live.as_deref(), &object)?;
        match entries {
            Some(entries) => {
                fields::set_entries(&mut object, entries);
            }
            None if forgets => fields::set_entries(&mut object, Vec::new()),
            None => {
                let (live, manager) = (live.as_deref(), options.manager.as_str());
                fields::record_update(kind, live, &mut object, manager, options.subresource, Some(&sent));
            }
        }
        let Some(live) = live else {
            // only now: what is wrong with an object is said before that there is one already
            if let Some(there) = self.objects.get(&key(kind, namespace, &own)) {
                let mut error = ApiError::already_exists(kind, &own);
                if deleting(there) {
                    error.message = format!("object is being deleted: {}", error.message);
                }
                return Err(error);
            }
            if kind.generation {
                object["metadata"]["generation"] = json!(1);
            }
            if options.dry_run {
                return Ok(Arc::new(object));
            }
            return Ok(self.commit(key(kind, namespace, &own), object));
        };
        bump_generation(kind, &live, &mut object);
        object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        if same(&object, &live) {
            return Ok(live);
        }
        if options.dry_run {
            return Ok(Arc::new(object));
        }
        Ok(self.commit(key(kind, namespace, &own), object))
    }

    fn newborn(&self, kind: &Kind, namespace: &str, own: &str, object: &mut Value) -> Result<(), ApiError> {
        if kind.namespaced {
            let holder = self.get("Namespace", "", namespace);
            let missing = || {
                Kind::named("Namespace").map_or_else(ApiError::no_such_path, |ns| ApiError::not_found(ns, namespace))
            };
            let holder = holder.ok_or_else(missing)?;
            if deleting(&holder) {
                return Err(ApiError::terminating(kind, own, namespace));
            }
        }
        let metadata = &mut object["metadata"];
        if let Some(map) = metadata.as_object_mut() {
            for field in [
                "resourceVersion",
                "selfLink",
                "generation",
                "managedFields",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
            ] {
                map.remove(field);
            }
        }
        metadata["uid"] = json!(stamp::uid());
        metadata["creationTimestamp"] = json!(stamp::now());
        if kind.status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        Ok(())
    }

    fn inherit(&self, kind: &Kind, live: &Value, object: &mut Value, options: &WriteOptions) {
        if options.subresource == Some("status") {
            let status = object.get("status").cloned();
            *object = live.clone();
            if let (Some(status), Some(map)) = (status, object.as_object_mut()) {
                map.insert("status".to_owned(), status);
            }
            return;
        }
        let metadata = &mut object["metadata"];
        for field in [
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
        ] {
            match (live["metadata"].get(field), metadata.as_object_mut()) {
                (Some(value), _) => metadata[field] = value.clone(),
                (None, Some(map)) => drop(map.remove(field)),
                (None, None) => {}
            }
        }
        if kind.status {
            match (live.get("status"), object.as_object_mut()) {
                (Some(status), _) => object["status"] = status.clone(),
                (None, Some(map)) => drop(map.remove("status")),
                (None, None) => {}
            }
        }
        // a namespace's finalizers aren't the user's to write
        if kind.kind == "Namespace"
            && let Some(value) = live["spec"].get("finalizers")
        {
            object["spec"]["finalizers"] = value.clone();
        }
    }
}

/// Whether a write says that nobody is to be tracked: an empty list of managers, or one with an empty entry.
fn clears_managers(object: &Value) -> bool {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().all(|entry| entry.as_object().is_some_and(serde_json::Map::is_empty)))
}

/// Whether nothing but the times of managers differ; then nothing is written.
fn same(object: &Value, live: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        for entry in object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
            entry["time"] = Value::Null;
        }
        object
    };
    timeless(object) == timeless(live)
}
