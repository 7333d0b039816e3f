//! Reading and writing objects.

use http::Request;
use kube::api::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::Request as Build;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::watch::text;
use super::{Error, Kubernetes, ObjectRef, POD, Resource};

/// How to apply.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// Field manager.
    pub manager: &'a str,
    /// Take fields from other managers.
    pub force: bool,
    /// Only ask what would come of it.
    pub dry_run: bool,
}

impl<'a> Apply<'a> {
    /// Applies as `manager`; a field that somebody else owns is [`Error::Conflict`].
    pub const fn by(manager: &'a str) -> Self {
        Self { manager, force: false, dry_run: false }
    }

    /// Takes fields from other managers.
    #[must_use]
    pub const fn forced(self) -> Self {
        Self { force: true, ..self }
    }

    /// Changes nothing.
    #[must_use]
    pub const fn dry(self) -> Self {
        Self { dry_run: true, ..self }
    }
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub struct Delete {
    /// Only if it is still this one.
    pub uid: Option<String>,
    /// At once, without the time that its pods ask for.
    pub now: bool,
    /// Stay until the dependents are gone, instead of letting them be collected afterwards.
    pub foreground: bool,
}

impl Delete {
    /// Only the object with this UID.
    pub fn only(uid: impl Into<String>) -> Self {
        Self { uid: Some(uid.into()), ..Self::default() }
    }
}

impl Kubernetes {
    /// An object; [`Error::NotFound`] if there is none.
    pub async fn get(&self, object: &ObjectRef) -> Result<Value, Error> {
        let request = self.at(object).get(&object.name, &GetParams::default());
        self.request("get", object, request).await
    }

    /// An object, or `None`.
    pub async fn find(&self, object: &ObjectRef) -> Result<Option<Value>, Error> {
        Error::absent(self.get(object).await)
    }

    /// All objects of a kind in a namespace (empty: everywhere) that have these labels (`a=b,c=d`; empty: any).
    pub async fn list(&self, resource: &Resource, namespace: &str, labels: &str) -> Result<Vec<Value>, Error> {
        let what = if namespace.is_empty() {
            resource.plural.to_string()
        } else {
            format!("{} in {namespace}", resource.plural)
        };
        let mut items = Vec::new();
        let mut params = ListParams::default().labels(labels).limit(500);
        if labels.is_empty() {
            params.label_selector = None;
        }
        loop {
            let request = Build::new(resource.path(namespace)).list(&params);
            let mut page: Value = self.request("list", &what, request).await?;
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found);
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str).filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token.to_owned()),
                None => break,
            }
        }
        // The items of a list lack what makes them manifests.
        for item in &mut items {
            if let Some(item) = item.as_object_mut() {
                item.entry("apiVersion").or_insert_with(|| Value::String(resource.api_version.to_string()));
                item.entry("kind").or_insert_with(|| Value::String(resource.kind.to_string()));
            }
        }
        Ok(items)
    }

    /// Server-side apply of a manifest; gives the object as it is then.
    pub async fn apply(&self, manifest: &Value, how: Apply<'_>) -> Result<Value, Error> {
        let object = ObjectRef::of(manifest)?;
        let params = PatchParams {
            dry_run: how.dry_run,
            force: how.force,
            field_manager: Some(how.manager.to_owned()),
            ..PatchParams::default()
        };
        let request = self.at(&object).patch(&object.name, &params, &Patch::Apply(manifest));
        self.request("patch", &object, request).await
    }

    /// JSON merge patch.
    pub async fn merge_patch(&self, object: &ObjectRef, patch: &Value, manager: &str) -> Result<Value, Error> {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let request = self.at(object).patch(&object.name, &params, &Patch::Merge(patch));
        self.request("patch", object, request).await
    }

    /// Has the kubelets bring changed ConfigMaps and Secrets to the volumes of pods now. By themselves they look about once a minute, and
    /// whenever a pod changes: so each one gets the annotation `mark`, a name and what should be new. A failure is only logged, as the change
    /// arrives anyway.
    pub async fn hurry_volumes(&self, namespace: &str, selector: &str, mark: (&str, &str), manager: &str) {
        let patch = json!({ "metadata": { "annotations": { mark.0: mark.1 } } });
        let hurried = async {
            for pod in self.list(&POD, namespace, selector).await? {
                let pod = POD.named(namespace, text(&pod, "/metadata/name"));
                self.merge_patch(&pod, &patch, manager).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = hurried.await {
            tracing::info!(%error, namespace, selector, "the kubelet could not be asked to bring {} now", mark.0);
        }
    }

    /// Creates an object; [`Error::AlreadyExists`] if there is one. `generateName` works.
    pub async fn create(&self, manifest: &Value, manager: &str) -> Result<Value, Error> {
        let object = match ObjectRef::of(manifest) {
            Ok(object) => object,
            Err(error) => generated(manifest).ok_or(error)?,
        };
        let params = PostParams { dry_run: false, field_manager: Some(manager.to_owned()) };
        let request = self.at(&object).create(&params, manifest.to_string().into_bytes());
        self.request("create", &object, request).await
    }

    /// Replaces an object; with its `resourceVersion` in the manifest, only if nobody was in between ([`Error::Conflict`]).
    pub async fn replace(&self, manifest: &Value, manager: &str) -> Result<Value, Error> {
        let object = ObjectRef::of(manifest)?;
        let params = PostParams { dry_run: false, field_manager: Some(manager.to_owned()) };
        let request = self.at(&object).replace(&object.name, &params, manifest.to_string().into_bytes());
        self.request("update", &object, request).await
    }

    /// Asks for the deletion of an object; it may take its time. `false` if there was none, or (with a UID) another one.
    pub async fn delete(&self, object: &ObjectRef, how: &Delete) -> Result<bool, Error> {
        let params = DeleteParams {
            grace_period_seconds: how.now.then_some(0),
            propagation_policy: Some(if how.foreground {
                PropagationPolicy::Foreground
            } else {
                PropagationPolicy::Background
            }),
            preconditions: how.uid.clone().map(|uid| Preconditions { uid: Some(uid), resource_version: None }),
            ..DeleteParams::default()
        };
        let request = self.at(object).delete(&object.name, &params);
        match self.request::<Value>("delete", object, request).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(Error::Conflict { .. }) if how.uid.is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn at(&self, object: &ObjectRef) -> Build {
        Build::new(object.resource.path(&object.namespace))
    }

    /// One request, one attempt, one time limit.
    pub(super) async fn request<T: DeserializeOwned>(
        &self,
        verb: &'static str,
        what: &(impl std::fmt::Display + ?Sized),
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Error> {
        let text = self.request_text(verb, what, request).await?;
        serde_json::from_str(&text).map_err(|error| Error::Api {
            verb,
            what: what.to_string(),
            status: 200,
            message: format!("the answer can't be read: {error}"),
        })
    }

    pub(super) async fn request_text(
        &self,
        verb: &'static str,
        what: &(impl std::fmt::Display + ?Sized),
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<String, Error> {
        let what = what.to_string();
        let request =
            request.map_err(|error| Error::Api { verb, what: what.clone(), status: 0, message: error.to_string() })?;
        match tokio::time::timeout(self.timeout, self.client.request_text(request)).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(Error::classify(&self.endpoint, verb, &what, &error)),
            Err(_) => Err(self.timed_out()),
        }
    }

    pub(super) fn timed_out(&self) -> Error {
        Error::Unreachable {
            endpoint: self.endpoint.clone(),
            cause: format!("nothing within {} s", self.timeout.as_secs()),
        }
    }
}

/// The place of a manifest with `generateName`.
fn generated(manifest: &Value) -> Option<ObjectRef> {
    let field = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
    let name = field("/metadata/generateName")?;
    Some(
        Resource::of(field("/apiVersion")?, field("/kind")?)
            .named(field("/metadata/namespace").unwrap_or_default(), name),
    )
}
