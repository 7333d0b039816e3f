//! What an update may not change.

use serde_json::{Value, json};

use super::error::Finding;
use super::finding::{forbidden, wrong};
use super::kinds::Kind;
use super::views::text;

fn without(value: &Value, fields: &[&str]) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        for field in fields {
            map.remove(*field);
        }
    }
    value
}

pub(super) fn check(kind: &Kind, found: &mut Vec<Finding>, live: &Value, object: &Value) {
    let (old, new) = (&live["spec"], &object["spec"]);
    match kind.kind {
        "StatefulSet" => {
            let free = [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            if without(old, &free) != without(new, &free) {
                let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                    'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
                forbidden(found, "spec", why);
            }
        }
        "Deployment" | "ReplicaSet" | "DaemonSet" if old["selector"] != new["selector"] => {
            wrong(found, "spec.selector", &new["selector"], "field is immutable");
        }
        "Job" if old["template"] != new["template"] => wrong(found, "spec.template", &json!("…"), "field is immutable"),
        "Service"
            if old["type"] != "ExternalName"
                && new["type"] != "ExternalName"
                && old["clusterIP"] != new["clusterIP"] =>
        {
            wrong(found, "spec.clusterIPs[0]", &json!([new["clusterIP"]]), "may not change once set");
        }
        "Pod" => {
            let strip = |spec: &Value| {
                let mut spec =
                    without(spec, &["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"]);
                for list in ["containers", "initContainers"] {
                    for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                        container["image"] = Value::Null;
                    }
                }
                spec
            };
            if strip(old) != strip(new) {
                let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
                forbidden(found, "spec", why);
            }
        }
        "PersistentVolumeClaim" => {
            // only a bound claim grows
            let free: &[&str] =
                if text(live, "/status/phase") == "Bound" { &["volumeName", "resources"] } else { &["volumeName"] };
            let mut old = without(old, free);
            let mut new = without(new, free);
            if old["storageClassName"].is_null() {
                old["storageClassName"] = Value::Null;
                new["storageClassName"] = Value::Null;
            }
            if old != new {
                forbidden(
                    found,
                    "spec",
                    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
                );
            }
        }
        "StorageClass" => {
            for field in ["provisioner", "parameters", "reclaimPolicy"] {
                if live.get(field) != object.get(field) {
                    forbidden(found, field, &format!("updates to {field} are forbidden."));
                }
            }
            if live["volumeBindingMode"] != object["volumeBindingMode"] {
                wrong(found, "volumeBindingMode", &object["volumeBindingMode"], "field is immutable");
            }
        }
        "ConfigMap" | "Secret" => {
            for field in ["immutable", "data"] {
                if live["immutable"] == true && live.get(field) != object.get(field) {
                    forbidden(found, field, "field is immutable when `immutable` is set");
                }
            }
            if kind.kind == "Secret" && live["type"] != object["type"] {
                wrong(found, "type", &object["type"], "field is immutable");
            }
        }
        "RoleBinding" | "ClusterRoleBinding" if live["roleRef"] != object["roleRef"] => {
            let part = |field: &str| object["roleRef"][field].clone();
            let shown = json!({"APIGroup": part("apiGroup"), "Kind": part("kind"), "Name": part("name")});
            wrong(found, "roleRef", &shown, "cannot change roleRef");
        }
        _ => {}
    }
}
