//! What an object of a kind holds before anything was written: the fields that Kubernetes' types always encode.
//!
//! Whoever creates an object owns what differs from this, and not the structs that were there anyway. Neither does anybody own what the
//! server fills in after the ownership was decided: by admission (a pod's service account, tolerations and priority; a claim's class and
//! protection) or when it stores the object (addresses of a Service, a namespace's finalizer, the first status).

use serde_json::{Value, json};

use super::fields::{Element, Path};
use super::kinds::Kind;

/// The empty object of a kind.
pub fn zero(kind: &Kind) -> Value {
    let pod = json!({"containers": null});
    let template = json!({"metadata": {}, "spec": pod});
    match kind.kind {
        "Pod" => json!({"metadata": {}, "spec": pod, "status": {}}),
        "Deployment" => {
            json!({"metadata": {}, "spec": {"selector": null, "template": template, "strategy": {}}, "status": {}})
        }
        "StatefulSet" => {
            json!({"metadata": {}, "spec": {"selector": null, "template": template, "updateStrategy": {}}, "status": {}})
        }
        "ReplicaSet" => json!({"metadata": {}, "spec": {"selector": null}, "status": {}}),
        "DaemonSet" => {
            json!({"metadata": {}, "spec": {"selector": null, "template": template, "updateStrategy": {}}, "status": {}})
        }
        "Job" => json!({"metadata": {}, "spec": {"template": template}, "status": {}}),
        "PersistentVolumeClaim" => json!({"metadata": {}, "spec": {"resources": {}}, "status": {}}),
        "Role" | "ClusterRole" => json!({"metadata": {}, "rules": null}),
        "RoleBinding" | "ClusterRoleBinding" => json!({"metadata": {}, "roleRef": {}}),
        "ConfigMap" | "Secret" | "ServiceAccount" | "StorageClass" | "Endpoints" | "EndpointSlice" | "Event"
        | "ControllerRevision" | "PriorityClass" => json!({"metadata": {}}),
        _ => json!({"metadata": {}, "spec": {}, "status": {}}),
    }
}

/// Whether the server fills in this field if nobody wrote it.
pub fn filled_in(kind: &Kind, path: &Path) -> bool {
    let names: Vec<&str> = path
        .iter()
        .filter_map(|element| if let Element::Field(name) = element { Some(name.as_str()) } else { None })
        .collect();
    matches!(
        (kind.kind, names.as_slice()),
        ("Namespace", ["spec", ..])
            | (
                "Pod",
                ["spec", "serviceAccountName" | "serviceAccount" | "preemptionPolicy" | "priority" | "tolerations", ..],
            )
            | ("PersistentVolumeClaim", ["spec", "storageClassName"] | ["metadata", "finalizers", ..])
            | ("PersistentVolume", ["metadata", "finalizers", ..])
            | (
                "Service",
                ["spec", "clusterIP" | "clusterIPs" | "ipFamilies" | "ipFamilyPolicy" | "healthCheckNodePort", ..]
                    | ["spec", "ports", "nodePort"],
            )
    )
}

/// Whether something was written at this place.
pub fn wrote(kind: &Kind, sent: &Value, path: &Path) -> bool {
    super::fields::of(kind, sent).iter().any(|written| written.starts_with(path))
}
