//! Writing by the rules of the API: create, replace, patch, apply, delete, with field managers, dry run and strict validation.

use serde_json::{Value, json};

use super::error::ApiError;
use super::kinds::Kind;
use super::store::{Object, Store, key};
use super::views::{name, text};
use super::{apply, decode, merge, patch, stamp};

/// What every write carries.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Field manager.
    pub manager: String,
    /// `dryRun=All`.
    pub dry_run: bool,
    /// `fieldValidation=Strict`.
    pub strict: bool,
    /// `status`, if the write goes there.
    pub subresource: Option<&'static str>,
}

impl WriteOptions {
    /// A plain write of a manager.
    pub fn manager(name: &str) -> Self {
        WriteOptions { manager: name.to_owned(), ..WriteOptions::default() }
    }
}

/// The body of a patch.
#[derive(Debug)]
pub enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
    Apply { config: Value, force: bool },
}

/// What a delete carries.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub propagation: Option<String>,
    pub grace_seconds: Option<i64>,
    pub dry_run: bool,
}

impl Store {
    /// POST.
    pub(crate) fn post(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Object, ApiError> {
        self.typed(kind, namespace, &mut object)?;
        if name(&object).is_empty() {
            let prefix = text(&object, "/metadata/generateName").to_owned();
            if prefix.is_empty() {
                return Err(ApiError::invalid(
                    kind,
                    "",
                    &[(
                        "FieldValueRequired",
                        "metadata.name".into(),
                        "Required value: name or generateName is required".into(),
                    )],
                ));
            }
            object["metadata"]["name"] = json!(format!("{prefix}{}", stamp::suffix()));
        }
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(ApiError::plain(500, "resourceVersion should not be set on objects to be created"));
        }
        self.finish(kind, namespace, None, object, None, options)
    }

    /// PUT.
    pub(crate) fn put(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        own: &str,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Object, ApiError> {
        self.typed(kind, namespace, &mut object)?;
        if name(&object) != own {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({own})",
                name(&object)
            )));
        }
        // a Lease can be made by a PUT, whatever its version says
        if kind.kind == "Lease" && !self.objects.contains_key(&key(kind, namespace, own)) {
            return self.finish(kind, namespace, None, object, None, options);
        }
        let live = self.live(kind, namespace, own)?;
        if kind.kind == "Lease" && text(&object, "/metadata/resourceVersion").is_empty() {
            let why = "Invalid value: 0: must be specified for an update";
            let finding = ("FieldValueInvalid", "metadata.resourceVersion".to_owned(), why.to_owned());
            let mut error = ApiError::invalid(kind, own, &[finding]);
            error.message = format!("{} \"{own}\" is invalid: metadata.resourceVersion: {why}", kind.resource());
            error.details["kind"] = json!(kind.plural);
            return Err(error);
        }
        let uid = text(&object, "/metadata/uid");
        if !uid.is_empty() && uid != text(&live, "/metadata/uid") {
            let registry = format!("/registry/{}/{namespace}/{own}", kind.plural);
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {registry}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
                 UID in precondition: {uid}, UID in object meta: {}",
                text(&live, "/metadata/uid")
            );
            return Err(ApiError::conflict(kind, own, &why));
        }
        self.finish(kind, namespace, Some(live), object, None, options)
    }

    /// PATCH, all four kinds. An apply creates what isn't there.
    pub(crate) fn patch(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        own: &str,
        body: Patch,
        options: &WriteOptions,
    ) -> Result<Object, ApiError> {
        let (config, force) = match body {
            Patch::Apply { config, force } => (config, force),
            Patch::Json(steps) => {
                return self.patch_live(kind, namespace, own, options, |object| patch::json(object, &steps));
            }
            Patch::Merge(body) => {
                return self.patch_live(kind, namespace, own, options, |object| {
                    patch::merge(object, &body);
                    Ok(())
                });
            }
            Patch::Strategic(body) => {
                return self.patch_live(kind, namespace, own, options, |object| {
                    patch::strategic(kind, object, &body);
                    Ok(())
                });
            }
        };
        self.apply(kind, namespace, own, config, force, options)
    }

    fn patch_live(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        own: &str,
        options: &WriteOptions,
        change: impl FnOnce(&mut Value) -> Result<(), ApiError>,
    ) -> Result<Object, ApiError> {
        let live = self.live(kind, namespace, own)?;
        let mut object = (*live).clone();
        change(&mut object)?;
        self.typed(kind, namespace, &mut object).map_err(|error| unpatched(error, &object))?;
        if name(&object) != own {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({own})",
                name(&object)
            )));
        }
        self.finish(kind, namespace, Some(live), object, None, options)
    }

    fn apply(
        &mut self,
        kind: &'static Kind,
        namespace: &str,
        own: &str,
        config: Value,
        force: bool,
        options: &WriteOptions,
    ) -> Result<Object, ApiError> {
        if options.manager.is_empty() {
            let message =
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
            let mut error = ApiError::new(422, "Invalid", message);
            error.details = json!({"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [
                {"reason": "FieldValueRequired", "message": "Required value: is required for apply patch", "field": "fieldManager"}]});
            return Err(error);
        }
        let sent = config;
        if sent["apiVersion"].as_str().is_none() || sent["kind"].as_str().is_none() {
            let group_version = sent["apiVersion"].as_str().unwrap_or("/");
            let kind = sent["kind"].as_str().unwrap_or("");
            return Err(ApiError::bad_request(format!("invalid object type: {group_version}, Kind={kind}")));
        }
        let mut config = merge::without_nulls(&sent);
        if config["metadata"].get("managedFields").is_some_and(|m| m.as_array().is_none_or(|list| !list.is_empty())) {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        self.addressed(kind, namespace, &mut config)?;
        if name(&config) != own {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({own})",
                name(&config)
            )));
        }
        // the schema speaks before the decoder: strict or not, the answer is the same
        if let Some(field) = decode::unknown_fields(kind, &config).first() {
            let field = by_keys(&config, field);
            return Err(ApiError::untyped(kind, &sent, &format!(".{field}: field not declared in schema")));
        }
        if let Some(why) = decode::mistyped(&config) {
            return Err(ApiError::untyped(kind, &sent, &why));
        }
        decode::decodes(kind, &config)?;
        // each endpoint applies its own half
        if kind.status
            && let Some(map) = config.as_object_mut()
        {
            if options.subresource == Some("status") {
                map.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
            } else {
                map.remove("status");
            }
        }
        let live = self.objects.get(&key(kind, namespace, own)).cloned();
        if live.is_none() {
            if options.subresource.is_some() {
                return Err(ApiError::not_found(kind, own));
            }
            let uid = text(&config, "/metadata/uid");
            if !uid.is_empty() {
                return Err(ApiError::conflict(
                    kind,
                    own,
                    &format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found"),
                ));
            }
        }
        let request =
            apply::Request { kind, manager: &options.manager, subresource: options.subresource, force, sent: &sent };
        if let Some(live) = &live {
            self.preconditions(kind, live, &config)?;
        }
        let applied = apply::apply(&request, live.as_deref(), &config)?;
        self.finish(kind, namespace, live, applied.object, Some(applied.entries), options)
    }

    fn live(&self, kind: &Kind, namespace: &str, own: &str) -> Result<Object, ApiError> {
        self.objects.get(&key(kind, namespace, own)).cloned().ok_or_else(|| ApiError::not_found(kind, own))
    }

    /// As [`Store::addressed`], and the decoder takes it.
    fn typed(&self, kind: &Kind, namespace: &str, object: &mut Value) -> Result<(), ApiError> {
        self.addressed(kind, namespace, object)?;
        decode::decodes(kind, object)
    }

    /// Kind, version and namespace of a body must be those of the path; absent ones are filled in.
    fn addressed(&self, kind: &Kind, namespace: &str, object: &mut Value) -> Result<(), ApiError> {
        if !object.is_object() {
            return Err(ApiError::bad_request(
                "couldn't get version/kind; json parse error: the body is not an object",
            ));
        }
        let text_of = |field: &str| object.get(field).and_then(Value::as_str).map(str::to_owned);
        let (seen_version, seen_kind) = (text_of("apiVersion"), text_of("kind"));
        if let Some(seen) = seen_version.filter(|seen| *seen != kind.api_version()) {
            return Err(ApiError::bad_request(format!(
                "{0} in version \"{1}\" cannot be handled as a {0}: no kind \"{0}\" is registered for version \"{seen}\" in scheme \"pkg/runtime/scheme.go:110\"",
                kind.kind, kind.version
            )));
        }
        if let Some(seen) = seen_kind.filter(|seen| seen != kind.kind) {
            return Err(ApiError::bad_request(format!(
                "{seen} in version \"{1}\" cannot be handled as a {0}: converting ({1}.{seen}) to (core.{0}): unknown conversion",
                kind.kind, kind.version
            )));
        }
        object["apiVersion"] = json!(kind.api_version());
        object["kind"] = json!(kind.kind);
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        if kind.namespaced {
            let seen = text(object, "/metadata/namespace");
            if seen.is_empty() {
                object["metadata"]["namespace"] = json!(namespace);
            } else if seen != namespace {
                return Err(ApiError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
        } else if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        Ok(())
    }

    pub(super) fn preconditions(&self, kind: &Kind, live: &Value, object: &Value) -> Result<(), ApiError> {
        let uid = text(object, "/metadata/uid");
        if !uid.is_empty() && uid != text(live, "/metadata/uid") {
            let why = format!("Invalid value: {uid:?}: field is immutable");
            let finding = ("FieldValueInvalid", "metadata.uid".to_owned(), why);
            // found twice: by the general validation of an update, and by the kind's own
            return Err(ApiError::invalid(kind, name(live), &[finding.clone(), finding]));
        }
        let version = text(object, "/metadata/resourceVersion");
        if !version.is_empty() && version != text(live, "/metadata/resourceVersion") {
            return Err(ApiError::modified(kind, name(live)));
        }
        Ok(())
    }
}

/// What the decoder says of a patched object: the patch was wrong, not the request.
fn unpatched(error: ApiError, object: &Value) -> ApiError {
    let Some((_, why)) = error.message.split_once(": json: ").filter(|_| error.code == 400) else { return error };
    let shown = object.to_string();
    let mut error =
        ApiError::new(422, "Invalid", format!(" \"\" is invalid: patch: Invalid value: {shown:?}: json: {why}"));
    error.details = json!({"causes": [{"reason": "FieldValueInvalid", "field": "patch", "message": format!("Invalid value: {shown:?}: json: {why}")}]});
    error
}

/// `spec.containers[0].x` as the schema names it: `spec.containers[name="zeebe"].x`.
fn by_keys(object: &Value, field: &str) -> String {
    let mut at = object;
    let mut out: Vec<String> = Vec::new();
    for step in field.split('.') {
        let (name, index) = step.trim_end_matches(']').split_once('[').unwrap_or((step, ""));
        at = &at[name];
        match index.parse::<usize>() {
            Ok(index) => {
                at = &at[index];
                out.push(format!("{name}[name={}]", at["name"]));
            }
            Err(_) => out.push(name.to_owned()),
        }
    }
    out.join(".")
}
