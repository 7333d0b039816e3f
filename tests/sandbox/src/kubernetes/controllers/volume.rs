//! Claims and volumes: provisioning by pd.csi.storage.gke.io, protection, deletion with the disk.

use std::time::Instant;

use serde_json::{Value, json};

use crate::kubernetes::kinds::Kind;
use crate::kubernetes::pods::Disk;
use crate::kubernetes::store::{Store, key};
use crate::kubernetes::views::{deleting, items, name, namespace, text, uid};

pub const PROVISIONER: &str = "pd.csi.storage.gke.io";
const PROTECTION: &str = "kubernetes.io/pvc-protection";

pub fn tick(store: &mut Store, now: Instant) {
    for claim in store.list("PersistentVolumeClaim", None) {
        if deleting(&claim) {
            let (ns, own) = (namespace(&claim).to_owned(), name(&claim).to_owned());
            if !used(store, &ns, &own) {
                store.drop_finalizer("PersistentVolumeClaim", &ns, &own, PROTECTION);
            }
        } else if text(&claim, "/status/phase") == "Pending" {
            provision(store, &claim, now);
        }
    }
    for volume in store.list("PersistentVolume", None) {
        reclaim(store, &volume, now);
    }
}

/// Whether some pod mounts a claim.
fn used(store: &Store, ns: &str, claim: &str) -> bool {
    store.pods().iter().any(|pod| {
        pod.namespace() == ns
            && items(pod.object(), "/spec/volumes")
                .iter()
                .any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim)
    })
}

fn provision(store: &mut Store, claim: &Value, now: Instant) {
    let (ns, own, claim_uid) = (namespace(claim).to_owned(), name(claim).to_owned(), uid(claim).to_owned());
    let class_name = text(claim, "/spec/storageClassName").to_owned();
    let Some(class) = store.get("StorageClass", "", &class_name) else { return };
    if class["provisioner"] != PROVISIONER {
        return;
    }
    if class["volumeBindingMode"] == "WaitForFirstConsumer" && !used(store, &ns, &own) {
        return;
    }
    let delay = store.settings.speeds.volume;
    if !store.due(&format!("provision {claim_uid}"), delay, now) {
        return;
    }
    let (object, disk) = self::volume(store, claim, &class);
    let (volume, size) = (disk.name.clone(), disk.size.clone());
    if store.create("csi-provisioner", object).is_err() {
        return;
    }
    store.edit_status("PersistentVolume", "", &volume, "kube-controller-manager", |pv| {
        pv["status"] = json!({"phase": "Bound"})
    });
    store.disks.insert(volume.clone(), disk);
    store.edit("PersistentVolumeClaim", &ns, &own, "kube-controller-manager", |claim| {
        claim["spec"]["volumeName"] = json!(volume);
        claim["metadata"]["annotations"]["pv.kubernetes.io/bind-completed"] = json!("yes");
        claim["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] = json!(PROVISIONER);
    });
    store.edit_status("PersistentVolumeClaim", &ns, &own, "kube-controller-manager", |claim| {
        claim["status"] =
            json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": {"storage": size}});
    });
}

/// The volume for a claim, and its disk.
pub fn volume(store: &Store, claim: &Value, class: &Value) -> (Value, Disk) {
    let (ns, own, claim_uid) = (namespace(claim).to_owned(), name(claim).to_owned(), uid(claim).to_owned());
    let volume = format!("pvc-{claim_uid}");
    let size = text(claim, "/spec/resources/requests/storage").to_owned();
    let zone = store.settings.zone();
    let handle = format!("projects/{}/zones/{zone}/disks/{volume}", store.settings.project);
    let object = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}, "finalizers": ["external-provisioner.volume.kubernetes.io/finalizer"]},
        "spec": {"accessModes": claim["spec"]["accessModes"], "capacity": {"storage": size}, "storageClassName": claim["spec"]["storageClassName"],
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": ns, "name": own, "uid": claim_uid},
            "csi": {"driver": PROVISIONER, "volumeHandle": handle, "fsType": "ext4"},
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"], "volumeMode": "Filesystem"}});
    (object, Disk { name: volume, zone, size, namespace: ns, claim: own, claim_uid })
}

/// Releases a volume whose claim is gone, and deletes it with its disk by the reclaim policy.
fn reclaim(store: &mut Store, volume: &Value, now: Instant) {
    let own = name(volume).to_owned();
    let claim = &volume["spec"]["claimRef"];
    let wanted = claim["uid"].as_str().unwrap_or("");
    let alive = store
        .get("PersistentVolumeClaim", text(claim, "/namespace"), text(claim, "/name"))
        .is_some_and(|found| uid(&found) == wanted);
    if wanted.is_empty() || (alive && !deleting(volume)) {
        return;
    }
    if alive {
        // protected while it is bound
        return;
    }
    if text(volume, "/status/phase") == "Bound" {
        store.edit_status("PersistentVolume", "", &own, "kube-controller-manager", |pv| {
            pv["status"]["phase"] = json!("Released")
        });
    }
    let delete = volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete";
    if !delete && !deleting(volume) {
        return;
    }
    let delay = store.settings.speeds.volume;
    if !store.due(&format!("reclaim {own}"), delay, now) {
        return;
    }
    if delete {
        store.disks.remove(&own);
    }
    if let Some(kind) = Kind::named("PersistentVolume") {
        store.erase(&key(kind, "", &own));
    }
}
