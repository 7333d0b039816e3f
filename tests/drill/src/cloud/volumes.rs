//! The provisioner of persistent disks: a claim gets a volume that is a folder of its region, and the folder is deleted with the volume.

use std::path::Path;

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};

use super::objects::{self, text};
use crate::region::remove_folder;

/// GKE's provisioner.
pub const PROVISIONER: &str = "pd.csi.storage.gke.io";

/// Who made a volume.
const MADE_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Looks once at all claims and volumes.
///
/// # Errors
/// The API server does not answer, or a folder can't be made or removed.
pub async fn look(client: &Client, disks: &Path) -> Result<()> {
    let claims = objects::list(client, "/api/v1/persistentvolumeclaims").await?;
    let volumes = objects::list(client, "/api/v1/persistentvolumes").await?;
    for claim in claims.iter().filter(|claim| wants_volume(claim)) {
        let class = text(claim, "/spec/storageClassName");
        let class = objects::get(client, &format!("/apis/storage.k8s.io/v1/storageclasses/{class}")).await?;
        if is_due(claim, &class) && !volumes.iter().any(|volume| text(volume, "/metadata/name") == name(claim)) {
            let folder = disks.join(name(claim));
            std::fs::create_dir_all(&folder)?;
            // a disk belongs to whom the pod says (fsGroup), which a folder of the node does not do
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
            objects::apply(client, &volume(claim, &class, &folder)).await?;
        }
    }
    for volume in volumes.iter().filter(|volume| is_to_be_deleted(volume)) {
        let name = text(volume, "/metadata/name");
        remove_folder(&disks.join(name))?;
        objects::delete(client, &format!("/api/v1/persistentvolumes/{name}")).await?;
    }
    Ok(())
}

fn name(claim: &Value) -> String {
    format!("pvc-{}", text(claim, "/metadata/uid"))
}

/// Whether the controller manager asks this provisioner for a volume.
fn wants_volume(claim: &Value) -> bool {
    text(claim, "/status/phase") == "Pending"
        && text(claim, "/spec/volumeName").is_empty()
        && claim["metadata"]["deletionTimestamp"].is_null()
        && text(claim, "/metadata/annotations/volume.kubernetes.io~1storage-provisioner") == PROVISIONER
}

/// A class may have its volumes made only when the pod has its node.
fn is_due(claim: &Value, class: &Value) -> bool {
    text(class, "/volumeBindingMode") != "WaitForFirstConsumer"
        || !text(claim, "/metadata/annotations/volume.kubernetes.io~1selected-node").is_empty()
}

fn volume(claim: &Value, class: &Value, folder: &Path) -> Value {
    let reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim["metadata"]["namespace"],
        "name": claim["metadata"]["name"], "uid": claim["metadata"]["uid"]});
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name(claim), "annotations": {MADE_BY: PROVISIONER}},
        "spec": {"accessModes": claim["spec"]["accessModes"], "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "claimRef": reference, "storageClassName": class["metadata"]["name"],
            "persistentVolumeReclaimPolicy": class["reclaimPolicy"].as_str().unwrap_or("Delete"),
            "hostPath": {"path": folder, "type": "Directory"}}})
}

fn is_to_be_deleted(volume: &Value) -> bool {
    text(volume, "/status/phase") == "Released"
        && text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete"
        && volume["metadata"]["annotations"][MADE_BY] == PROVISIONER
        && volume["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Value {
        json!({"metadata": {"name": "data-broker-0", "namespace": "camunda", "uid": "7",
                "annotations": {"volume.kubernetes.io/storage-provisioner": PROVISIONER}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}, "status": {"phase": "Pending"}})
    }

    #[test]
    fn a_claim_waits_for_its_node_if_the_class_says_so() {
        let (immediate, late) =
            (json!({"volumeBindingMode": "Immediate"}), json!({"volumeBindingMode": "WaitForFirstConsumer"}));
        let mut claim = claim();
        assert!(wants_volume(&claim) && is_due(&claim, &immediate) && !is_due(&claim, &late));
        claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"] = json!("node");
        assert!(is_due(&claim, &late));
        claim["status"]["phase"] = json!("Bound");
        assert!(!wants_volume(&claim));
    }

    #[test]
    fn a_volume_is_the_claims_own() {
        let class = json!({"metadata": {"name": "standard"}, "reclaimPolicy": "Retain"});
        let volume = volume(&claim(), &class, Path::new("/disks/pvc-7"));
        assert_eq!(volume["metadata"]["name"], "pvc-7");
        assert_eq!(volume["spec"]["claimRef"]["uid"], "7");
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        assert_eq!(volume["spec"]["capacity"]["storage"], "1Gi");
    }

    #[test]
    fn only_released_volumes_of_our_own_go() {
        let mut volume = json!({"metadata": {"annotations": {MADE_BY: PROVISIONER}},
            "spec": {"persistentVolumeReclaimPolicy": "Delete"}, "status": {"phase": "Released"}});
        assert!(is_to_be_deleted(&volume));
        volume["spec"]["persistentVolumeReclaimPolicy"] = json!("Retain");
        assert!(!is_to_be_deleted(&volume));
    }
}
