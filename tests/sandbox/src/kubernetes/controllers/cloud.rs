//! What Google's half of a cluster does beside a real control plane: provisioner, cloud controller, autoscaler, kubelet.

use std::time::Instant;

use serde_json::Value;

use super::{kubelet, service, volume};
use crate::kubernetes::bootstrap;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::store::Store;
use crate::kubernetes::views::{deleting, items, name, text, uid};

const FINALIZER: &str = "external-provisioner.volume.kubernetes.io/finalizer";
const MOST_NODES: usize = 24;

pub fn tick(store: &mut Store, now: Instant) {
    for claim in store.list("PersistentVolumeClaim", None) {
        provision(store, &claim, now);
    }
    for volume in store.list("PersistentVolume", None) {
        reclaim(store, &volume, now);
    }
    kubelet::tick(store, now);
    for object in store.list("Service", None) {
        service::balance(store, &object, now);
    }
    autoscale(store, now);
}

/// The external provisioner: waits for the scheduler's choice of a node, and for the controller's word that the claim is its own.
fn provision(store: &mut Store, claim: &Value, now: Instant) {
    let note = |key: &str| claim["metadata"]["annotations"][key].as_str().unwrap_or_default();
    if deleting(claim)
        || !text(claim, "/spec/volumeName").is_empty()
        || note("volume.kubernetes.io/storage-provisioner") != volume::PROVISIONER
    {
        return;
    }
    let Some(class) = store.get("StorageClass", "", text(claim, "/spec/storageClassName")) else { return };
    let waits = class["volumeBindingMode"] == "WaitForFirstConsumer";
    if waits && note("volume.kubernetes.io/selected-node").is_empty() {
        return;
    }
    let own = format!("pvc-{}", uid(claim));
    let delay = store.settings.speeds.volume;
    if store.get("PersistentVolume", "", &own).is_some() || !store.due(&format!("provision {own}"), delay, now) {
        return;
    }
    let (object, disk) = volume::volume(store, claim, &class);
    if store.disks.insert(own, disk).is_none() {
        store.send_create(object);
    }
}

/// Deletes a released volume with its disk, and lets go of one that is being deleted.
fn reclaim(store: &mut Store, object: &Value, now: Instant) {
    let own = name(object).to_owned();
    if deleting(object) {
        if items(object, "/metadata/finalizers").iter().any(|f| f == FINALIZER) {
            store.disks.remove(&own);
            store.drop_finalizer("PersistentVolume", "", &own, FINALIZER);
        }
        return;
    }
    let delete = object["spec"]["persistentVolumeReclaimPolicy"] == "Delete";
    if delete && text(object, "/status/phase") == "Released" {
        let delay = store.settings.speeds.volume;
        if store.due(&format!("reclaim {own}"), delay, now)
            && let Some(kind) = Kind::named("PersistentVolume")
        {
            store.disks.remove(&own);
            // gone from here; its finalizers go when the watch brings it back as deleted
            store.send_delete(kind, "", &own);
        }
    }
}

/// A node more for pods that fit nowhere.
fn autoscale(store: &mut Store, now: Instant) {
    let starved = store.pods().iter().any(|pod| {
        let scheduled = items(pod.object(), "/status/conditions").iter().find(|c| c["type"] == "PodScheduled");
        let why = scheduled.map_or("", |condition| text(condition, "/message"));
        pod.node().is_none() && !pod.deleting() && (why.contains("Insufficient") || why.contains("anti-affinity"))
    });
    let nodes = store.list("Node", None).len();
    if !starved || nodes >= MOST_NODES {
        return;
    }
    let delay = store.settings.speeds.load_balancer;
    if store.due("autoscale", delay, now) {
        let index = u32::try_from(nodes).unwrap_or(0);
        let object = bootstrap::node(&store.settings, index);
        store.send_create(object);
    }
}
