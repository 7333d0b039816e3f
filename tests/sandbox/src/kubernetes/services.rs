//! Services: what validation wants, and what a change of the type takes away.

use serde_json::{Value, json};

use super::error::Finding;
use super::views::{items, text};

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

/// Validates a Service.
pub fn check(found: &mut Vec<Finding>, object: &Value) {
    let mut wrong =
        |field: String, why: String| found.push(("FieldValueInvalid", field, format!("Invalid value: {why}")));
    let spec = &object["spec"];
    let headless = spec["clusterIP"] == "None";
    let ports = items(spec, "/ports");
    let kind = text(spec, "/type");
    let mut missing: Vec<String> = Vec::new();
    let mut twice: Vec<(String, String)> = Vec::new();
    if ports.is_empty() && !headless && kind != "ExternalName" {
        missing.push("spec.ports".to_owned());
    }
    for (index, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        for field in ["port", "targetPort"] {
            let number = port[field].as_i64().unwrap_or(0);
            if !port[field].is_string() && !(1..65_536).contains(&number) {
                wrong(format!("{at}.{field}"), format!("{number}: must be between 1 and 65535, inclusive"));
            }
        }
        if ports.len() > 1 && text(port, "/name").is_empty() {
            missing.push(format!("{at}.name"));
        }
        let before = ports.iter().take(index);
        if !text(port, "/name").is_empty() && before.clone().any(|other| other["name"] == port["name"]) {
            twice.push((format!("{at}.name"), port["name"].to_string()));
        }
        if before.clone().any(|other| other["port"] == port["port"] && other["protocol"] == port["protocol"]) {
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
                port["protocol"], port["port"]
            );
            twice.push((at.clone(), shown));
        }
    }
    if headless && kind == "LoadBalancer" {
        wrong(
            "spec.clusterIPs[0]".to_owned(),
            "\"None\": may not be set to 'None' for LoadBalancer services".to_owned(),
        );
    }
    let ip = text(spec, "/clusterIP");
    if !ip.is_empty() && !headless && ip.parse::<std::net::IpAddr>().is_err() {
        let why = format!("{ip:?}: must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        wrong("spec.clusterIPs[0]".to_owned(), why);
    }
    found.extend(missing.into_iter().map(|field| ("FieldValueRequired", field, "Required value".to_owned())));
    found.extend(twice.into_iter().map(|(at, what)| ("FieldValueDuplicate", at, format!("Duplicate value: {what}"))));
    if !TYPES.contains(&kind) {
        let supported = TYPES.map(|kind| format!("{kind:?}")).join(", ");
        found.push((
            "FieldValueNotSupported",
            "spec.type".to_owned(),
            format!("Unsupported value: {kind:?}: supported values: {supported}"),
        ));
    }
}

/// An address outside of the range can't be allocated.
pub fn allocates(found: &mut Vec<Finding>, range: &str, object: &Value) {
    let ip = text(object, "/spec/clusterIP");
    if let Ok(address) = ip.parse()
        && !crate::network::firewall::contains(range, address)
    {
        let shown = json!([ip]);
        let why = format!(
            "Invalid value: {shown}: failed to allocate IP {ip}: the provided network does not match the current range"
        );
        found.push(("FieldValueInvalid", "spec.clusterIPs".to_owned(), why));
    }
}

/// What a Service that was of another type loses.
pub fn settle(live: Option<&Value>, object: &mut Value) {
    let kind = text(object, "/spec/type").to_owned();
    if kind == "LoadBalancer" || live.is_none_or(|live| live["spec"]["type"] == kind.as_str()) {
        return;
    }
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("allocateLoadBalancerNodePorts");
        spec.remove("healthCheckNodePort");
        if kind != "NodePort" {
            spec.remove("externalTrafficPolicy");
        }
    }
    if kind == "ClusterIP" {
        for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
        }
    }
    object["status"]["loadBalancer"] = json!({});
}
