//! The way into a cluster: server-side apply in order, the inventory, pruning; and the look at what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use c8_clients::kubernetes::{Apply, Delete, Error, Kubernetes, Resource};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::config::ReleaseConfig;
use crate::drift;
use crate::inventory::{Inventory, PART_OF, vanished};
use crate::manifest::{Key, Manifest, Owner};
use crate::names;

/// Annotation with the digest of what was applied, so that another version of the chart shows as a change.
pub const DIGEST: &str = "c8.camunda.io/digest";

/// Tries of a call that failed in passing, such as right after the cluster came up.
const TRIES: u32 = 6;

/// Whether the same call may well succeed in a moment: the API server just came up, the namespace is not there yet
/// or still going, somebody else wrote at the same time.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Conflict { .. } | Error::NotFound { .. } => true,
        Error::Api { status, .. } => *status == 429 || *status >= 500,
        _ => false,
    }
}

/// Applies what runs in a region, and looks at it.
#[derive(Clone)]
pub struct Applier {
    kubernetes: Kubernetes,
    inventory: Inventory,
}

impl Applier {
    /// The applier for a region's release in the cluster of `kubernetes`.
    pub fn new(kubernetes: Kubernetes, config: &ReleaseConfig) -> Self {
        let inventory = Inventory { release: config.release.clone(), namespace: config.namespace().to_owned() };
        Self { kubernetes, inventory }
    }

    /// Applies all manifests in their order, then prunes what the chart no longer makes. Manifests in `keep` (by
    /// their key's text) are left as they are. Safe to repeat, from wherever it stopped.
    ///
    /// # Errors
    /// The first call that keeps failing.
    pub async fn apply(&self, manifests: &[Manifest], keep: &BTreeSet<String>) -> Result<(), Error> {
        let mut installed = None;
        for manifest in manifests {
            if manifest.key.kind != "Namespace" && installed.is_none() {
                // the parent names every kind before the first member exists: nothing can escape pruning
                installed = Some(self.open_inventory(manifests).await?);
            }
            if keep.contains(&manifest.key.to_string()) {
                continue;
            }
            self.apply_patiently(manifest).await?;
        }
        self.prune(manifests).await?;
        self.put_parent(&self.inventory.kinds(manifests), installed.unwrap_or(false)).await
    }

    async fn apply_patiently(&self, manifest: &Manifest) -> Result<(), Error> {
        let mut pause = Duration::from_millis(250);
        for _ in 1..TRIES {
            match self.apply_one(manifest).await {
                Err(error) if is_passing(&error) => {
                    tracing::debug!(%error, "trying again");
                    sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.apply_one(manifest).await
    }

    async fn apply_one(&self, manifest: &Manifest) -> Result<(), Error> {
        match manifest.owner {
            Owner::Switch => self.create_if_absent(manifest).await,
            Owner::Region => {
                if manifest.key.kind == "Namespace" && self.is_foreign(&manifest.key).await? {
                    return Ok(());
                }
                if manifest.born_with_replicas.is_some() {
                    self.hand_over_replicas(manifest).await?;
                }
                self.server_side_apply(&manifest.key, &self.dressed(manifest, &manifest.content), names::FIELD_MANAGER)
                    .await
            }
        }
    }

    /// What is applied: content, digest, membership.
    fn dressed(&self, manifest: &Manifest, content: &Value) -> Value {
        let mut content = content.clone();
        if !content["metadata"]["annotations"].is_object() {
            content["metadata"]["annotations"] = json!({});
        }
        content["metadata"]["annotations"][DIGEST] = manifest.digest().into();
        if self.inventory.lists(manifest) {
            content["metadata"]["labels"][PART_OF] = self.inventory.id().into();
        }
        content
    }

    async fn server_side_apply(&self, key: &Key, content: &Value, manager: &str) -> Result<(), Error> {
        tracing::debug!(%key, manager, "applying");
        match self.kubernetes.apply(content, Apply::by(manager).forced()).await {
            Err(Error::Invalid { .. }) if content["spec"]["strategy"]["type"] == "Recreate" => {
                // What the API server filled in for another strategy belongs to nobody: an apply can't take it away, and it is
                // refused beside this one.
                let strategy = json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
                self.kubernetes.merge_patch(&key.object(), &strategy, manager).await?;
                self.kubernetes.apply(content, Apply::by(manager).forced()).await.map(drop)
            }
            done => done.map(drop),
        }
    }

    async fn create_if_absent(&self, manifest: &Manifest) -> Result<(), Error> {
        match self.kubernetes.create(&manifest.content, names::SWITCH_FIELD_MANAGER).await {
            Err(Error::AlreadyExists { .. }) => Ok(()),
            done => done.map(drop),
        }
    }

    /// Sees to it that `c8_failover`'s field manager owns `spec.replicas` before the region's manager applies the
    /// object without them; else the API server would put them back to 1. A new object is born with the replicas of
    /// its mode, so that no web app runs for a moment in a held region.
    async fn hand_over_replicas(&self, manifest: &Manifest) -> Result<(), Error> {
        let key = &manifest.key;
        let replicas = match self.kubernetes.find(&key.object()).await? {
            Some(live) if owns_replicas(&live, names::SWITCH_FIELD_MANAGER) => return Ok(()),
            Some(live) => live.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1),
            None => {
                let born = self.dressed(manifest, &manifest.at_birth());
                self.server_side_apply(key, &born, names::FIELD_MANAGER).await?;
                u64::from(manifest.born_with_replicas.unwrap_or(1))
            }
        };
        let switched = json!({
            "apiVersion": key.api_version,
            "kind": key.kind,
            "metadata": {"name": key.name, "namespace": key.namespace},
            "spec": {"replicas": replicas},
        });
        self.server_side_apply(key, &switched, names::SWITCH_FIELD_MANAGER).await
    }

    async fn is_foreign(&self, key: &Key) -> Result<bool, Error> {
        Ok(self.kubernetes.find(&key.object()).await?.is_some_and(|live| !is_ours(&live)))
    }

    async fn open_inventory(&self, manifests: &[Manifest]) -> Result<bool, Error> {
        let mut kinds = self.inventory.kinds(manifests);
        let parent = self.kubernetes.find(&self.inventory.key().object()).await?;
        let installed = parent.as_ref().is_some_and(Inventory::says_installed);
        kinds.extend(parent.as_ref().map(Inventory::kinds_of).unwrap_or_default());
        self.put_parent(&kinds, installed).await?;
        Ok(installed)
    }

    async fn put_parent(&self, kinds: &BTreeSet<String>, installed: bool) -> Result<(), Error> {
        let mut pause = Duration::from_millis(250);
        let key = self.inventory.key();
        let content = self.inventory.parent(kinds, installed);
        for _ in 1..TRIES {
            match self.server_side_apply(&key, &content, names::FIELD_MANAGER).await {
                Err(error) if is_passing(&error) => sleep(pause).await,
                done => return done,
            }
            pause *= 2;
        }
        self.server_side_apply(&key, &content, names::FIELD_MANAGER).await
    }

    /// Writes down that the release is complete.
    ///
    /// # Errors
    /// The API server refuses or does not answer.
    pub async fn mark_installed(&self, manifests: &[Manifest]) -> Result<(), Error> {
        self.put_parent(&self.inventory.kinds(manifests), true).await
    }

    /// Whether the release was once complete.
    ///
    /// # Errors
    /// The API server refuses or does not answer.
    pub async fn is_installed(&self) -> Result<bool, Error> {
        let parent = self.kubernetes.find(&self.inventory.key().object()).await?;
        Ok(parent.as_ref().is_some_and(Inventory::says_installed))
    }

    async fn prune(&self, manifests: &[Manifest]) -> Result<(), Error> {
        let Some(parent) = self.kubernetes.find(&self.inventory.key().object()).await? else {
            return Ok(());
        };
        for kind in Inventory::kinds_of(&parent) {
            let Some(api_version) = api_version_of(&kind, manifests) else {
                tracing::warn!(
                    kind,
                    "the inventory names a kind that this version does not know; nothing of it is pruned"
                );
                continue;
            };
            let any = Key {
                api_version,
                kind: kind.split('.').next().unwrap_or_default().to_owned(),
                namespace: Some(self.inventory.namespace.clone()),
                name: String::new(),
            };
            let labels = format!("{PART_OF}={}", self.inventory.id());
            let resource = Resource::of(&any.api_version, &any.kind);
            let members: Vec<_> = self
                .kubernetes
                .list(&resource, &self.inventory.namespace, &labels)
                .await?
                .iter()
                .filter_map(|object| Some(Key { name: object["metadata"]["name"].as_str()?.to_owned(), ..any.clone() }))
                .collect();
            for key in vanished(&members, manifests) {
                tracing::info!(%key, "pruning");
                self.kubernetes.delete(&key.object(), &Delete::default()).await?;
            }
        }
        Ok(())
    }

    /// What `objects` says now: the digest of what was applied, `drifted: <where>` for what was changed since, and
    /// nothing for what is gone.
    ///
    /// # Errors
    /// The API server refuses or does not answer.
    pub async fn observe(&self, manifests: &[Manifest]) -> Result<BTreeMap<String, String>, Error> {
        let mut tasks = tokio::task::JoinSet::new();
        for manifest in manifests.iter().filter(|manifest| manifest.owner == Owner::Region).cloned() {
            let kubernetes = self.kubernetes.clone();
            tasks.spawn(async move {
                let live = kubernetes.find(&manifest.key.object()).await?;
                Ok::<_, Error>((manifest.key.to_string(), live.map(|live| observed(&manifest, &live))))
            });
        }
        let mut objects = BTreeMap::new();
        while let Some(done) = tasks.join_next().await {
            // a task that panicked says nothing about its object, and a wrong "gone" would be a change
            let (key, digest) = match done {
                Ok(done) => done?,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            if let Some(digest) = digest {
                objects.insert(key, digest);
            }
        }
        Ok(objects)
    }
}

/// What a living object counts as in `objects`.
pub fn observed(manifest: &Manifest, live: &Value) -> String {
    let digest = manifest.digest();
    if manifest.key.kind == "Namespace" && !is_ours(live) {
        // somebody else's namespace was there before: it is used as it is
        return digest;
    }
    let applied =
        live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(DIGEST)).and_then(Value::as_str);
    match applied {
        Some(applied) if applied == digest => match drift::differences(&manifest.content, live).first() {
            None => digest,
            Some(place) => format!("drifted: {place}"),
        },
        Some(other) => other.to_owned(),
        None => "drifted: not applied by this provider".into(),
    }
}

fn is_ours(live: &Value) -> bool {
    live.pointer("/metadata/labels").and_then(|labels| labels.get(names::MANAGED_BY)).and_then(Value::as_str)
        == Some(names::FIELD_MANAGER)
}

fn owns_replicas(live: &Value, manager: &str) -> bool {
    live.pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|entry| entry["manager"] == manager && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some())
}

/// The kinds of older charts, beside those of this one.
fn api_version_of(group_kind: &str, manifests: &[Manifest]) -> Option<String> {
    manifests
        .iter()
        .find(|manifest| manifest.key.group_kind() == group_kind)
        .map(|manifest| manifest.key.api_version.clone())
        .or_else(|| match group_kind {
            "ConfigMap" | "Secret" | "Service" | "ServiceAccount" => Some("v1".to_owned()),
            "Deployment.apps" | "StatefulSet.apps" => Some("apps/v1".to_owned()),
            "PodDisruptionBudget.policy" => Some("policy/v1".to_owned()),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::tests::config;
    use crate::mode::Mode;
    use crate::render;

    fn manifest(key: &str) -> Manifest {
        render(&config(0), Mode::Normal).unwrap().into_iter().find(|m| m.key.to_string() == key).unwrap()
    }

    fn alive(manifest: &Manifest) -> Value {
        let mut live = manifest.content.clone();
        live["metadata"]["annotations"] = json!({DIGEST: manifest.digest()});
        live["status"] = json!({"x": 1});
        live
    }

    #[test]
    fn an_object_as_applied_has_its_digest() {
        let set = manifest("StatefulSet/camunda-ew4/camunda-zeebe");
        assert_eq!(observed(&set, &alive(&set)), set.digest());
    }

    #[test]
    fn scaling_the_web_apps_is_no_drift_but_scaling_the_brokers_is() {
        let operate = manifest("Deployment/camunda-ew4/camunda-operate");
        let mut live = alive(&operate);
        live["spec"]["replicas"] = 0.into();
        assert_eq!(observed(&operate, &live), operate.digest());
        let set = manifest("StatefulSet/camunda-ew4/camunda-zeebe");
        let mut live = alive(&set);
        live["spec"]["replicas"] = 2.into();
        assert_eq!(observed(&set, &live), "drifted: spec.replicas");
    }

    #[test]
    fn another_chart_shows_as_another_digest() {
        let set = manifest("StatefulSet/camunda-ew4/camunda-zeebe");
        let mut live = alive(&set);
        live["metadata"]["annotations"][DIGEST] = "old".into();
        assert_eq!(observed(&set, &live), "old");
    }

    #[test]
    fn a_namespace_of_somebody_else_is_used_as_it_is() {
        let namespace = manifest("Namespace/-/camunda-ew4");
        let live = json!({"metadata": {"name": "camunda-ew4", "labels": {"team": "a"}}});
        assert_eq!(observed(&namespace, &live), namespace.digest());
    }

    #[test]
    fn replicas_belong_to_whoever_manages_them() {
        let live = |manager: &str| json!({"metadata": {"managedFields": [{"manager": manager, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}});
        assert!(owns_replicas(&live("terraform-provider-c8-dr"), names::SWITCH_FIELD_MANAGER));
        assert!(!owns_replicas(&live("kubectl"), names::SWITCH_FIELD_MANAGER));
    }
}
