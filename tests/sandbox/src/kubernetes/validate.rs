//! Validation: names, required fields, values. As far as manifests of this domain can get it wrong.

use serde_json::{Value, json};

use super::error::{ApiError, Finding};
use super::finding::{
    LABEL, LABEL_1035, LABEL_VALUE, SUBDOMAIN, forbidden, is_label, is_label_value, is_subdomain, required, wrong,
};
use super::kinds::Kind;
use super::views::{items, name, text};
use super::{immutable, quantity};

/// Checks an object that is about to be stored.
pub fn check(kind: &Kind, live: Option<&Value>, object: &Value) -> Result<(), ApiError> {
    let mut found = Vec::new();
    let own = name(object);
    let quoted = json!(own);
    match kind.kind {
        "Namespace" if !is_label(own) => wrong(&mut found, "metadata.name", &quoted, LABEL),
        "Service" if !is_label(own) || own.starts_with(|c: char| c.is_ascii_digit()) => {
            wrong(&mut found, "metadata.name", &quoted, LABEL_1035)
        }
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" | "Namespace" | "Service" => {}
        _ if !is_subdomain(own) => wrong(&mut found, "metadata.name", &quoted, SUBDOMAIN),
        _ => {}
    }
    for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        if !value.as_str().is_some_and(is_label_value) {
            wrong(&mut found, "metadata.labels", value, LABEL_VALUE);
        }
        if key.is_empty() {
            wrong(&mut found, "metadata.labels", &json!(key), "name part must be non-empty");
        }
    }
    for key in object["metadata"]["annotations"].as_object().into_iter().flat_map(|map| map.keys()) {
        if key.split_once('/').is_some_and(|(prefix, _)| !is_subdomain(prefix)) {
            wrong(&mut found, "metadata.annotations", &json!(key), &format!("prefix part {SUBDOMAIN}"));
        }
    }
    super::finalizers::check(&mut found, live, object);
    match kind.kind {
        "Pod" => {
            pod_spec(&mut found, &object["spec"], "spec");
            let policy = text(object, "/spec/restartPolicy");
            if !matches!(policy, "Always" | "OnFailure" | "Never") {
                let why =
                    format!("Unsupported value: {policy:?}: supported values: \"Always\", \"OnFailure\", \"Never\"");
                found.push(("FieldValueNotSupported", "spec.restartPolicy".to_owned(), why));
            }
        }
        "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet" => workload(kind, &mut found, object),
        "Service" => super::services::check(&mut found, object),
        "Lease" => super::lease::check(&mut found, object),
        "ConfigMap" | "Secret" => config_keys(&mut found, object),
        "PersistentVolumeClaim" => claim(&mut found, &object["spec"], "spec"),
        "StorageClass" if text(object, "/provisioner").is_empty() => required(&mut found, "provisioner"),
        _ => {}
    }
    if let Some(live) = live {
        immutable::check(kind, &mut found, live, object);
    }
    if kind.kind == "Secret" && object["type"] == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"].into_iter().filter(|key| object["data"].get(*key).is_none()) {
            required(&mut found, format!("data[{key}]"));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(ApiError::invalid(kind, own, &found)) }
}

fn pod_spec(found: &mut Vec<Finding>, spec: &Value, at: &str) {
    if items(spec, "/containers").is_empty() {
        required(found, format!("{at}.containers"));
    }
    let volumes: Vec<&str> = items(spec, "/volumes").iter().filter_map(|v| v["name"].as_str()).collect();
    for (index, volume) in volumes.iter().enumerate() {
        if volumes[..index].contains(volume) && index < items(spec, "/volumes").len() {
            found.push((
                "FieldValueDuplicate",
                format!("{at}.volumes[{index}].name"),
                format!("Duplicate value: {volume:?}"),
            ));
        }
    }
    for list in ["containers", "initContainers"] {
        for (index, container) in items(spec, &format!("/{list}")).iter().enumerate() {
            let here = format!("{at}.{list}[{index}]");
            if !is_label(text(container, "/name")) {
                wrong(found, format!("{here}.name"), &container["name"], LABEL);
            }
            if text(container, "/image").is_empty() {
                required(found, format!("{here}.image"));
            }
            for (n, entry) in items(container, "/env").iter().enumerate() {
                if text(entry, "/name").is_empty() {
                    required(found, format!("{here}.env[{n}].name"));
                }
                if !text(entry, "/value").is_empty() && entry.get("valueFrom").is_some() {
                    wrong(
                        found,
                        format!("{here}.env[{n}].valueFrom"),
                        &json!(""),
                        "may not be specified when `value` is not empty",
                    );
                }
            }
            for (n, port) in items(container, "/ports").iter().enumerate() {
                if port["containerPort"].as_i64().unwrap_or(0) == 0 {
                    required(found, format!("{here}.ports[{n}].containerPort"));
                } else if !port["containerPort"].as_i64().is_some_and(|p| (1..65_536).contains(&p)) {
                    wrong(
                        found,
                        format!("{here}.ports[{n}].containerPort"),
                        &port["containerPort"],
                        "must be between 1 and 65535, inclusive",
                    );
                }
                let name = text(port, "/name");
                if name.len() > 15 {
                    wrong(
                        found,
                        format!("{here}.ports[{n}].name"),
                        &port["name"],
                        "must be no more than 15 characters",
                    );
                }
            }
            for (n, mount) in items(container, "/volumeMounts").iter().enumerate() {
                if text(mount, "/mountPath").is_empty() {
                    required(found, format!("{here}.volumeMounts[{n}].mountPath"));
                }
                let path = text(mount, "/mountPath");
                if !path.is_empty() && items(container, "/volumeMounts").iter().take(n).any(|m| m["mountPath"] == path)
                {
                    wrong(found, format!("{here}.volumeMounts[{n}].mountPath"), &json!(path), "must be unique");
                }
                let name = text(mount, "/name");
                if !volumes.contains(&name) {
                    found.push((
                        "FieldValueNotFound",
                        format!("{here}.volumeMounts[{n}].name"),
                        format!("Not found: {name:?}"),
                    ));
                }
            }
            super::containers::check(found, container, &here);
        }
    }
    unique_containers(found, spec, at);
}

/// Containers and init containers share one set of names; the init container is named as the one too many.
fn unique_containers(found: &mut Vec<Finding>, spec: &Value, at: &str) {
    let mut seen = Vec::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in items(spec, &format!("/{list}")).iter().enumerate() {
            let name = text(container, "/name");
            if seen.contains(&name) {
                let field = format!("{at}.{list}[{index}].name");
                found.push(("FieldValueDuplicate", field, format!("Duplicate value: {name:?}")));
            }
            seen.push(name);
        }
    }
}

fn workload(kind: &Kind, found: &mut Vec<Finding>, object: &Value) {
    let spec = &object["spec"];
    let selector = &spec["selector"];
    if !selector.is_object() {
        required(found, "spec.selector");
        let labels = &spec["template"]["metadata"]["labels"];
        wrong(found, "spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
    } else if selector.as_object().is_some_and(serde_json::Map::is_empty) {
        let why = format!("empty selector is invalid for {}", kind.kind.to_lowercase());
        wrong(found, "spec.selector", selector, &why);
    } else if !super::selector::selects(selector, &spec["template"]["metadata"]["labels"]) {
        let labels = &spec["template"]["metadata"]["labels"];
        wrong(found, "spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
    }
    if spec["replicas"].as_i64().is_some_and(|n| n < 0) {
        wrong(found, "spec.replicas", &spec["replicas"], "must be greater than or equal to 0");
    }
    let mut pod = spec["template"]["spec"].clone();
    for (claims, claim) in items(spec, "/volumeClaimTemplates").iter().enumerate() {
        // claims count as volumes of the template, the first ones
        if !pod["volumes"].is_array() {
            pod["volumes"] = json!([]);
        }
        if let Some(list) = pod["volumes"].as_array_mut() {
            list.insert(claims, json!({"name": name(claim)}));
        }
    }
    pod_spec(found, &pod, "spec.template.spec");
    let policy = text(spec, "/template/spec/restartPolicy");
    if policy != "Always" {
        found.push((
            "FieldValueNotSupported",
            "spec.template.spec.restartPolicy".to_owned(),
            format!("Unsupported value: {policy:?}: supported values: \"Always\""),
        ));
    }
    if kind.kind == "StatefulSet" {
        if !matches!(text(spec, "/podManagementPolicy"), "Parallel" | "OrderedReady") {
            wrong(
                found,
                "spec.podManagementPolicy",
                &spec["podManagementPolicy"],
                "must be 'OrderedReady' or 'Parallel'",
            );
        }
        let strategy = text(spec, "/updateStrategy/type");
        if !matches!(strategy, "RollingUpdate" | "OnDelete") {
            let why = format!(
                "Invalid value: {{\"Type\":{strategy:?},\"RollingUpdate\":null}}: must be 'RollingUpdate' or 'OnDelete'"
            );
            found.push(("FieldValueInvalid", "spec.updateStrategy".to_owned(), why));
        }
        if name(object).contains('.') {
            wrong(found, "metadata.name", &json!(name(object)), "must not contain dots");
        }
    }
    if kind.kind == "Deployment"
        && spec["strategy"]["type"] == "Recreate"
        && spec["strategy"].get("rollingUpdate").is_some()
    {
        forbidden(found, "spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
    }
}

fn config_keys(found: &mut Vec<Finding>, object: &Value) {
    let valid = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    for key in object["data"].as_object().into_iter().flat_map(|map| map.keys()).filter(|key| !valid(key)) {
        let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', \
            regex used for validation is '[-._a-zA-Z0-9]+')";
        wrong(found, format!("data[{key}]"), &json!(key), why);
    }
}

fn claim(found: &mut Vec<Finding>, spec: &Value, at: &str) {
    if items(spec, "/accessModes").is_empty() {
        let why = "Required value: at least 1 access mode is required";
        found.push(("FieldValueRequired", format!("{at}.accessModes"), why.to_owned()));
    }
    let size = &spec["resources"]["requests"]["storage"];
    if size.as_str().and_then(quantity::canonical).is_none() {
        required(found, format!("{at}.resources[storage]"));
    }
}
