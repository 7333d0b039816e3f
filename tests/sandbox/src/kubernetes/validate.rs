//! Validation: names, required fields, immutable fields. As far as manifests of this domain can get it wrong.

use serde_json::{Value, json};

use super::error::{ApiError, Finding};
use super::kinds::Kind;
use super::views::{items, name, text};
use super::{quantity, schema};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an \
    alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric \
    character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an \
    alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_label(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 63
        && text.starts_with(ok)
        && text.ends_with(ok)
        && text.chars().all(|c| ok(c) || c == '-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| is_label(part) || (part.len() > 63 && is_label(&part[..63])))
}

fn is_label_value(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.starts_with(ok)
            && text.ends_with(ok)
            && text.chars().all(|c| ok(c) || matches!(c, '-' | '_' | '.')))
}

fn required(findings: &mut Vec<Finding>, field: impl Into<String>) {
    findings.push(("FieldValueRequired", field.into(), "Required value".to_owned()));
}

fn wrong(findings: &mut Vec<Finding>, field: impl Into<String>, value: &Value, why: &str) {
    findings.push(("FieldValueInvalid", field.into(), format!("Invalid value: {value}: {why}")));
}

fn forbidden(findings: &mut Vec<Finding>, field: impl Into<String>, why: &str) {
    findings.push(("FieldValueForbidden", field.into(), format!("Forbidden: {why}")));
}

/// Unknown fields, as strict field validation names them: `spec.foo`.
pub fn unknown_fields(kind: &Kind, object: &Value) -> Vec<String> {
    fn look(kind: &Kind, value: &Value, names: &mut Vec<&'static str>, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                let known = schema::fields(kind, names);
                for (field, child) in map {
                    let here = if at.is_empty() { field.clone() } else { format!("{at}.{field}") };
                    if known.is_some_and(|known| !known.contains(&field.as_str())) {
                        found.push(here);
                        continue;
                    }
                    // only the places that have a table are entered
                    let Some(step) = [
                        "spec",
                        "template",
                        "containers",
                        "initContainers",
                        "env",
                        "ports",
                        "volumeMounts",
                        "metadata",
                    ]
                    .into_iter()
                    .find(|s| s == field) else {
                        continue;
                    };
                    if step == "metadata" && !names.is_empty() {
                        continue;
                    }
                    names.push(step);
                    look(kind, child, names, &here, found);
                    names.pop();
                }
            }
            Value::Array(list) => {
                for (index, item) in list.iter().enumerate() {
                    look(kind, item, names, &format!("{at}[{index}]"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    let top = schema::top_level(kind);
    for field in object.as_object().into_iter().flat_map(|map| map.keys()) {
        if !matches!(field.as_str(), "apiVersion" | "kind" | "metadata") && !top.contains(&field.as_str()) {
            found.push(field.clone());
        }
    }
    look(kind, object, &mut Vec::new(), "", &mut found);
    found
}

/// Structs and lists of structs by their field's name, wherever they occur below metadata, spec and status.
fn shape(value: &Value, at: &str) -> Result<(), String> {
    let Some(map) = value.as_object() else { return Ok(()) };
    for (field, child) in map {
        let here = format!("{at}.{field}");
        let expected = match field.as_str() {
            "metadata"
            | "labels"
            | "annotations"
            | "spec"
            | "status"
            | "template"
            | "strategy"
            | "updateStrategy"
            | "rollingUpdate"
            | "resources"
            | "limits"
            | "requests"
            | "securityContext"
            | "valueFrom"
            | "fieldRef"
            | "httpGet"
            | "grpc"
            | "readinessProbe"
            | "livenessProbe"
            | "startupProbe"
            | "configMap"
            | "secret"
            | "emptyDir"
            | "hostPath"
            | "selector"
            | "matchLabels"
            | "persistentVolumeClaimRetentionPolicy" => "object",
            "containers"
            | "initContainers"
            | "volumes"
            | "env"
            | "envFrom"
            | "ports"
            | "volumeMounts"
            | "volumeClaimTemplates"
            | "ownerReferences" => "array",
            _ => continue,
        };
        match child {
            Value::Null => {}
            Value::Object(_) if expected == "object" => {
                if !matches!(field.as_str(), "labels" | "annotations" | "limits" | "requests" | "matchLabels") {
                    shape(child, &here)?;
                }
            }
            Value::Array(list) if expected == "array" => {
                for item in list {
                    if !item.is_object() {
                        return Err(format!(
                            "cannot unmarshal {} into Go struct field {here} of type object",
                            json_type(item)
                        ));
                    }
                    shape(item, &here)?;
                }
            }
            other => {
                return Err(format!(
                    "cannot unmarshal {} into Go struct field {here} of type {expected}",
                    json_type(other)
                ));
            }
        }
    }
    Ok(())
}

/// Types that a decoder would refuse (400).
pub fn decodes(kind: &Kind, object: &Value) -> Result<(), ApiError> {
    if let Err(why) = shape(object, kind.kind) {
        let message =
            format!("{} in version \"{}\" cannot be handled as a {}: json: {why}", kind.kind, kind.version, kind.kind);
        return Err(ApiError::bad_request(message));
    }
    if !object["data"].is_null() && !object["data"].is_object() {
        return Err(ApiError::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: json: cannot unmarshal data",
            kind.kind, kind.version, kind.kind
        )));
    }
    if kind.kind == "Lease"
        && let Err(why) = super::lease::decodes(object)
    {
        return Err(ApiError::bad_request(format!("Lease in version \"v1\" cannot be handled as a Lease: {why}")));
    }
    super::containers::decodes(kind, object)?;
    let strings = |pointer: &str, field: &str| -> Result<(), ApiError> {
        let Some(map) = object.pointer(pointer).and_then(Value::as_object) else { return Ok(()) };
        match map.values().find(|value| !value.is_string() && !value.is_null()) {
            Some(other) => Err(ApiError::bad_request(format!(
                "{} in version \"{}\" cannot be handled as a {}: json: cannot unmarshal {} into Go struct field {field} of type string",
                kind.kind,
                kind.version,
                kind.kind,
                json_type(other)
            ))),
            None => Ok(()),
        }
    };
    strings("/metadata/labels", "ObjectMeta.metadata.labels")?;
    strings("/metadata/annotations", "ObjectMeta.metadata.annotations")?;
    if matches!(kind.kind, "ConfigMap" | "Secret") {
        strings("/data", &format!("{}.data", kind.kind))?;
        strings("/stringData", "Secret.stringData")?;
    }
    if kind.kind == "Secret" {
        for value in object["data"].as_object().into_iter().flat_map(|map| map.values()) {
            if super::views::decode(value.as_str().unwrap_or("")).is_none() {
                let text = value.as_str().unwrap_or("");
                let at = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b"+/=".contains(&b))).unwrap_or(0);
                return Err(ApiError::bad_request(format!(
                    "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte {at}"
                )));
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for pointer in [format!("/spec/{list}"), format!("/spec/template/spec/{list}")] {
            for container in items(object, &pointer) {
                if let Some(bad) = items(container, "/env")
                    .iter()
                    .find(|e| e.get("value").is_some_and(|v| !v.is_string() && !v.is_null()))
                {
                    return Err(ApiError::bad_request(format!(
                        "{} in version \"{}\" cannot be handled as a {}: json: cannot unmarshal {} into Go struct field EnvVar.{}.env.value of type string",
                        kind.kind,
                        kind.version,
                        kind.kind,
                        json_type(&bad["value"]),
                        pointer.trim_start_matches('/').replace('/', ".")
                    )));
                }
            }
        }
    }
    Ok(())
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        _ => "string",
    }
}

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
        immutable(kind, &mut found, live, object);
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

/// What the schema says of an applied configuration before the decoder sees it: a number where a text belongs, or the other way.
pub fn mistyped(config: &Value) -> Option<String> {
    for map in ["data", "metadata.labels", "metadata.annotations"] {
        let at = config.pointer(&format!("/{}", map.replace('.', "/")));
        for (key, value) in at.and_then(Value::as_object).into_iter().flatten() {
            if value.is_number() || value.is_boolean() {
                return Some(format!(".{map}.{key}: expected string, got &value.valueUnstructured{{Value:{value}}}"));
            }
        }
    }
    let replicas = &config["spec"]["replicas"];
    replicas.is_string().then(|| ".spec.replicas: expected numeric (int or float), got string".to_owned())
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

fn without(value: &Value, fields: &[&str]) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        for field in fields {
            map.remove(*field);
        }
    }
    value
}

fn immutable(kind: &Kind, found: &mut Vec<Finding>, live: &Value, object: &Value) {
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
