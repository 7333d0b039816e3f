//! The way out of a cluster: workloads, disks, then the namespace, so that no disk is orphaned.

use c8_clients::Pace;
use c8_clients::kubernetes::{
    CONFIG_MAP, DEPLOYMENT, Delete, Error, Kubernetes, NAMESPACE, ObjectRef, PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM, POD, Resource, SERVICE, STATEFUL_SET, STORAGE_CLASS,
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::inventory::{Inventory, PART_OF};
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
#[derive(Debug)]
pub struct Teardown {
    kubernetes: Kubernetes,
    release: String,
    namespace: String,
    deadline: Instant,
}

impl Teardown {
    /// A teardown that ends, done or not, at `deadline`.
    pub fn new(kubernetes: Kubernetes, release: &str, namespace: &str, deadline: Instant) -> Self {
        Self { kubernetes, release: release.to_owned(), namespace: namespace.to_owned(), deadline }
    }

    /// Removes the release, its claims and disks, and the namespace if it is ours. What is already gone is fine.
    ///
    /// # Errors
    /// A call that fails other than by finding nothing.
    pub async fn run(&self) -> Result<Leftovers, Error> {
        let of_release = format!("app.kubernetes.io/instance={}", self.release);
        for resource in [&DEPLOYMENT, &STATEFUL_SET] {
            self.delete_all(resource, &of_release).await?;
        }
        for pod in self.wait_until_none(&POD, &of_release).await? {
            // a pod on a node that is gone never ends by itself
            self.kubernetes.delete(&pod, &Delete { now: true, ..Delete::default() }).await?;
        }
        let mut leftovers = Leftovers { disks: self.delete_disks().await?, objects: Vec::new() };
        leftovers.objects = self.delete_namespace().await?;
        self.delete_storage_class().await?;
        Ok(leftovers)
    }

    async fn delete_disks(&self) -> Result<Vec<String>, Error> {
        let mut claims = Vec::new();
        let mut volumes = Vec::new();
        for claim in self.kubernetes.list(&PERSISTENT_VOLUME_CLAIM, &self.namespace, "").await? {
            let name = claim.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let instance =
                claim.pointer("/metadata/labels").and_then(|labels| labels.get("app.kubernetes.io/instance"));
            if instance.and_then(Value::as_str) == Some(&self.release)
                || name.starts_with(&format!("data-{}-", self.release))
            {
                volumes.extend(claim.pointer("/spec/volumeName").and_then(Value::as_str).map(str::to_owned));
                claims.push(PERSISTENT_VOLUME_CLAIM.named(&self.namespace, name));
            }
        }
        for claim in &claims {
            self.kubernetes.delete(claim, &Delete::default()).await?;
        }
        let mut left = Vec::new();
        for volume in volumes {
            if let Some(live) = self.wait_gone(&PERSISTENT_VOLUME.named("", &volume)).await? {
                left.push(disk_of(&live).unwrap_or(volume));
            }
        }
        Ok(left)
    }

    async fn delete_namespace(&self) -> Result<Vec<String>, Error> {
        let namespace = NAMESPACE.named("", &self.namespace);
        let Some(live) = self.kubernetes.find(&namespace).await? else {
            return Ok(Vec::new());
        };
        if is_ours(&live) {
            self.kubernetes.delete(&namespace, &Delete::default()).await?;
            return Ok(self.wait_gone(&namespace).await?.map(|_| namespace.to_string()).into_iter().collect());
        }
        // somebody else's namespace: remove what is ours in it, one by one
        let inventory = Inventory { release: self.release.clone(), namespace: self.namespace.clone() };
        for labels in
            [format!("{PART_OF}={}", inventory.id()), format!("{}={}", names::MANAGED_BY, names::FIELD_MANAGER)]
        {
            for resource in [&SERVICE, &CONFIG_MAP] {
                self.delete_all(resource, &labels).await?;
            }
        }
        Ok(Vec::new())
    }

    async fn delete_storage_class(&self) -> Result<(), Error> {
        let class = STORAGE_CLASS.named("", crate::ReleaseConfig::OWN_STORAGE_CLASS);
        match self.kubernetes.find(&class).await {
            Ok(Some(live)) if is_ours(&live) => self.kubernetes.delete(&class, &Delete::default()).await.map(drop),
            // it is no reason to fail: nothing depends on it any more
            _ => Ok(()),
        }
    }

    async fn objects(&self, resource: &Resource, labels: &str) -> Result<Vec<ObjectRef>, Error> {
        let listed = Error::absent(self.kubernetes.list(resource, &self.namespace, labels).await)?.unwrap_or_default();
        let name = |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        Ok(listed.iter().filter_map(name).map(|name| resource.named(&self.namespace, &name)).collect())
    }

    async fn delete_all(&self, resource: &Resource, labels: &str) -> Result<(), Error> {
        for object in self.objects(resource, labels).await? {
            self.kubernetes.delete(&object, &Delete::default()).await?;
        }
        Ok(())
    }

    /// Waits, at most half of the time that is left, until a list is empty; returns what still is in it.
    async fn wait_until_none(&self, resource: &Resource, labels: &str) -> Result<Vec<ObjectRef>, Error> {
        let until = Instant::now() + self.deadline.saturating_duration_since(Instant::now()) / 2;
        let pace = Pace::begin();
        loop {
            let left = self.objects(resource, labels).await?;
            if left.is_empty() || Instant::now() >= until {
                return Ok(left);
            }
            sleep(pace.pause()).await;
        }
    }

    async fn wait_gone(&self, object: &ObjectRef) -> Result<Option<Value>, Error> {
        let pace = Pace::begin();
        loop {
            let live = self.kubernetes.find(object).await?;
            if live.is_none() || Instant::now() >= self.deadline {
                return Ok(live);
            }
            sleep(pace.pause()).await;
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
