//! What a decoder refuses before anything is validated: unknown fields, and values of a wrong type.

use serde_json::Value;

use super::error::ApiError;
use super::kinds::Kind;
use super::schema;
use super::views::items;

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

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        _ => "string",
    }
}
