//! Containers: resources, probes, pull policy; and the numbers that a decoder wants as numbers.

use serde_json::Value;

use super::error::{ApiError, Finding};
use super::kinds::Kind;
use super::quantity;
use super::views::{items, text};

/// What a decoder refuses: quantities that are none, numbers in quotes.
pub fn decodes(kind: &Kind, object: &Value) -> Result<(), ApiError> {
    let refuse = |why: String| {
        Err(ApiError::bad_request(format!(
            "{0} in version \"{1}\" cannot be handled as a {0}: {why}",
            kind.kind, kind.version
        )))
    };
    if object["spec"]["replicas"].is_string() {
        return refuse(format!(
            "json: cannot unmarshal string into Go struct field {}Spec.spec.replicas of type int32",
            kind.kind
        ));
    }
    if kind.kind == "Service" && items(object, "/spec/ports").iter().any(|port| port["port"].is_string()) {
        let why = "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32";
        return refuse(why.to_owned());
    }
    if kind.kind == "Pod" {
        let labels = object["spec"]["nodeSelector"].as_object().into_iter().flat_map(|map| map.values());
        if labels.filter(|value| value.is_number()).count() > 0 {
            let why = "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string";
            return refuse(why.to_owned());
        }
    }
    for at in ["/spec", "/spec/template/spec"] {
        for list in ["containers", "initContainers"] {
            for container in items(object, &format!("{at}/{list}")) {
                for quantities in ["limits", "requests"] {
                    let map = container["resources"][quantities].as_object();
                    let written = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    if map.into_iter().flat_map(|map| map.values()).any(|v| quantity::canonical(&written(v)).is_none())
                    {
                        let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
                        return refuse(why.to_owned());
                    }
                }
            }
        }
    }
    Ok(())
}

/// What validation refuses.
pub fn check(found: &mut Vec<Finding>, container: &Value, at: &str) {
    let policy = text(container, "/imagePullPolicy");
    if !matches!(policy, "Always" | "IfNotPresent" | "Never") {
        let why = format!("Unsupported value: {policy:?}: supported values: \"Always\", \"IfNotPresent\", \"Never\"");
        found.push(("FieldValueNotSupported", format!("{at}.imagePullPolicy"), why));
    }
    for (resource, limit) in container["resources"]["limits"].as_object().into_iter().flatten() {
        let request = &container["resources"]["requests"][resource];
        let size = |value: &Value| value.as_str().and_then(amount);
        if let (Some(asked), Some(most)) = (size(request), size(limit))
            && asked > most
        {
            let limit = limit.as_str().unwrap_or("");
            let why = format!("Invalid value: {request}: must be less than or equal to {resource} limit of {limit}");
            found.push(("FieldValueInvalid", format!("{at}.resources.requests"), why));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(spec) = container.get(probe).filter(|spec| spec.is_object()) else { continue };
        if ["httpGet", "tcpSocket", "exec", "grpc"].iter().all(|handler| spec.get(*handler).is_none()) {
            let why = "Required value: must specify a handler type".to_owned();
            found.push(("FieldValueRequired", format!("{at}.{probe}"), why));
        }
        let threshold = spec["successThreshold"].as_i64().unwrap_or(1);
        if probe != "readinessProbe" && threshold != 1 {
            let why = format!("Invalid value: {threshold}: must be 1");
            found.push(("FieldValueInvalid", format!("{at}.{probe}.successThreshold"), why));
        }
    }
}

/// A quantity as a number of its unit.
fn amount(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}
