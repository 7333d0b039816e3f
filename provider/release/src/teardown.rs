//! The way out of a cluster: workloads, disks, then the namespace, so that no disk is orphaned.

use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::apply::{ApplyError, api, call, get};
use crate::inventory::{Inventory, PART_OF};
use crate::manifest::Key;
use crate::names;

/// What could not be removed in time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Disks (or volumes, if they name none) that may be orphaned.
    pub disks: Vec<String>,
    /// Other objects that still exist.
    pub objects: Vec<String>,
}

impl Leftovers {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.disks.is_empty() && self.objects.is_empty()
    }
}

/// Removes a region's release.
pub struct Teardown {
    client: kube::Client,
    release: String,
    namespace: String,
    deadline: Instant,
}

impl Teardown {
    /// A teardown that ends, done or not, at `deadline`.
    pub fn new(client: kube::Client, release: &str, namespace: &str, deadline: Instant) -> Self {
        Self { client, release: release.to_owned(), namespace: namespace.to_owned(), deadline }
    }

    /// Removes the release, its claims and disks, and the namespace if it is ours. What is already gone is fine.
    ///
    /// # Errors
    /// A call that fails other than by finding nothing.
    pub async fn run(&self) -> Result<Leftovers, ApplyError> {
        for kind in ["Deployment", "StatefulSet"] {
            self.delete_all(&self.key("apps/v1", kind, ""), &self.of_release()).await?;
        }
        let pods = self.key("v1", "Pod", "");
        let mut leftovers = Leftovers::default();
        for pod in self.wait_until_none(&pods, &self.of_release()).await? {
            // a pod on a node that is gone never ends by itself
            let grace = DeleteParams::default().grace_period(0);
            self.ignore_absent(call("delete", &pod, api(&self.client, &pod).delete(&pod.name, &grace)).await)?;
        }
        leftovers.disks = self.delete_disks().await?;
        leftovers.objects = self.delete_namespace().await?;
        self.delete_storage_class().await?;
        Ok(leftovers)
    }

    async fn delete_disks(&self) -> Result<Vec<String>, ApplyError> {
        let any = self.key("v1", "PersistentVolumeClaim", "");
        let mut claims = Vec::new();
        let mut volumes = Vec::new();
        for claim in self.list(&any, &ListParams::default()).await? {
            let name = claim.metadata.name.clone().unwrap_or_default();
            let labelled = claim
                .metadata
                .labels
                .as_ref()
                .and_then(|labels| labels.get("app.kubernetes.io/instance"))
                .is_some_and(|instance| *instance == self.release);
            if labelled || name.starts_with(&format!("data-{}-", self.release)) {
                volumes.extend(claim.data.pointer("/spec/volumeName").and_then(Value::as_str).map(str::to_owned));
                claims.push(self.key("v1", "PersistentVolumeClaim", &name));
            }
        }
        for claim in &claims {
            let deleted = call("delete", claim, api(&self.client, claim).delete(&claim.name, &DeleteParams::background())).await;
            self.ignore_absent(deleted)?;
        }
        let mut left = Vec::new();
        for volume in volumes {
            let key = Key { api_version: "v1".into(), kind: "PersistentVolume".into(), namespace: None, name: volume };
            if let Some(live) = self.wait_gone(&key).await? {
                left.push(disk_of(&live).unwrap_or(key.name));
            }
        }
        Ok(left)
    }

    async fn delete_namespace(&self) -> Result<Vec<String>, ApplyError> {
        let key = Key { api_version: "v1".into(), kind: "Namespace".into(), namespace: None, name: self.namespace.clone() };
        let Some(live) = get(&self.client, &key).await? else {
            return Ok(Vec::new());
        };
        if is_ours(&live) {
            self.ignore_absent(call("delete", &key, api(&self.client, &key).delete(&key.name, &DeleteParams::background())).await)?;
            return Ok(self.wait_gone(&key).await?.map(|_| key.to_string()).into_iter().collect());
        }
        // somebody else's namespace: remove what is ours in it, one by one
        let inventory = Inventory { release: self.release.clone(), namespace: self.namespace.clone() };
        let members = ListParams::default().labels(&format!("{PART_OF}={}", inventory.id()));
        let managed = ListParams::default().labels(&format!("{}={}", names::MANAGED_BY, names::FIELD_MANAGER));
        for kind in ["Service", "ConfigMap"] {
            self.delete_all(&self.key("v1", kind, ""), &members).await?;
            self.delete_all(&self.key("v1", kind, ""), &managed).await?;
        }
        Ok(Vec::new())
    }

    async fn delete_storage_class(&self) -> Result<(), ApplyError> {
        let key = Key {
            api_version: "storage.k8s.io/v1".into(),
            kind: "StorageClass".into(),
            namespace: None,
            name: crate::ReleaseConfig::OWN_STORAGE_CLASS.into(),
        };
        match get(&self.client, &key).await {
            Ok(Some(live)) if is_ours(&live) => {
                self.ignore_absent(call("delete", &key, api(&self.client, &key).delete(&key.name, &DeleteParams::background())).await)
            }
            // it is no reason to fail: nothing depends on it any more
            _ => Ok(()),
        }
    }

    fn key(&self, api_version: &str, kind: &str, name: &str) -> Key {
        Key { api_version: api_version.into(), kind: kind.into(), namespace: Some(self.namespace.clone()), name: name.into() }
    }

    fn of_release(&self) -> ListParams {
        ListParams::default().labels(&format!("app.kubernetes.io/instance={}", self.release))
    }

    async fn list(&self, any: &Key, params: &ListParams) -> Result<Vec<DynamicObject>, ApplyError> {
        let api: Api<DynamicObject> = api(&self.client, any);
        match call("list", any, api.list(params)).await {
            Err(error) if error.status() == Some(404) => Ok(Vec::new()),
            listed => Ok(listed?.items),
        }
    }

    async fn names(&self, any: &Key, params: &ListParams) -> Result<Vec<Key>, ApplyError> {
        Ok(self
            .list(any, params)
            .await?
            .into_iter()
            .filter_map(|object| Some(Key { name: object.metadata.name?, ..any.clone() }))
            .collect())
    }

    async fn delete_all(&self, any: &Key, params: &ListParams) -> Result<(), ApplyError> {
        for key in self.names(any, params).await? {
            self.ignore_absent(call("delete", &key, api(&self.client, &key).delete(&key.name, &DeleteParams::background())).await)?;
        }
        Ok(())
    }

    /// Waits, at most half of the time that is left, until a list is empty; returns what still is in it.
    async fn wait_until_none(&self, any: &Key, params: &ListParams) -> Result<Vec<Key>, ApplyError> {
        let until = Instant::now() + self.deadline.saturating_duration_since(Instant::now()) / 2;
        let mut pause = Duration::from_millis(100);
        loop {
            let left = self.names(any, params).await?;
            if left.is_empty() || Instant::now() >= until {
                return Ok(left);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn wait_gone(&self, key: &Key) -> Result<Option<Value>, ApplyError> {
        let mut pause = Duration::from_millis(100);
        loop {
            let live = get(&self.client, key).await?;
            if live.is_none() || Instant::now() >= self.deadline {
                return Ok(live);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    fn ignore_absent<T>(&self, done: Result<T, ApplyError>) -> Result<(), ApplyError> {
        match done {
            Err(error) if error.status() == Some(404) => Ok(()),
            done => done.map(drop),
        }
    }
}

/// The cloud's name of a volume's disk.
fn disk_of(volume: &Value) -> Option<String> {
    ["/spec/csi/volumeHandle", "/spec/gcePersistentDisk/pdName"]
        .into_iter()
        .find_map(|place| volume.pointer(place).and_then(Value::as_str))
        .map(str::to_owned)
}

fn is_ours(live: &Value) -> bool {
    live.pointer("/metadata/labels").and_then(|labels| labels.get(names::MANAGED_BY)).and_then(Value::as_str)
        == Some(names::FIELD_MANAGER)
}
