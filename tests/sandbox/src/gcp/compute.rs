//! Compute: VPC firewall rules and their global operations (dual-region.md 1.5).

use std::time::{Duration, Instant};

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::response::{Answer, ApiError};
use super::{FirewallRule, Gcp, Operation, PROPAGATION};
use crate::world::Shared;

/// How long an operation runs.
const OPERATION: Duration = Duration::from_millis(60);

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/compute/v1/projects/{project}/global/firewalls", get(list).post(insert))
        .route(
            "/compute/v1/projects/{project}/global/firewalls/{name}",
            get(read).delete(remove).patch(patch).put(update),
        )
        .route("/compute/v1/projects/{project}/global/operations/{name}", get(operation).post(operation))
        .route("/compute/v1/projects/{project}/global/operations/{name}/wait", get(operation).post(operation))
}

async fn insert(State(shared): State<Shared>, Path(project): Path<String>, Json(body): Json<Value>) -> Answer {
    let mut world = shared.lock();
    let mut rule = parse(&body)?;
    if world.gcp.firewalls.contains_key(&rule.name) {
        return Err(ApiError::already_exists(format!("projects/{project}/global/firewalls/{}", rule.name)));
    }
    rule.body["id"] = json!(world.gcp.next_id().to_string());
    rule.body["kind"] = json!("compute#firewall");
    rule.body["selfLink"] =
        json!(format!("https://www.googleapis.com/compute/v1/projects/{project}/global/firewalls/{}", rule.name));
    rule.body["creationTimestamp"] = json!("2026-01-01T00:00:00.000-07:00");
    let takes = OPERATION;
    rule.in_force_from = Some(Instant::now() + takes + PROPAGATION);
    let name = rule.name.clone();
    world.gcp.firewalls.insert(name.clone(), rule);
    Ok(begin(&mut world.gcp, &project, &name, "insert", takes))
}

async fn read(State(shared): State<Shared>, Path((project, name)): Path<(String, String)>) -> Answer {
    let world = shared.lock();
    let rule = world
        .gcp
        .firewalls
        .get(&name)
        .ok_or_else(|| ApiError::not_found(format!("projects/{project}/global/firewalls/{name}")))?;
    Ok(Json(rule.body.clone()))
}

#[derive(Deserialize)]
struct ListQuery {
    filter: Option<String>,
}

async fn list(State(shared): State<Shared>, Path(project): Path<String>, Query(query): Query<ListQuery>) -> Answer {
    let wanted = query.filter.as_deref().map(name_filter).transpose()?;
    let world = shared.lock();
    let items: Vec<Value> = world
        .gcp
        .firewalls
        .values()
        .filter(|rule| wanted.as_ref().is_none_or(|matches| matches(&rule.name)))
        .map(|rule| rule.body.clone())
        .collect();
    Ok(Json(
        json!({"kind": "compute#firewallList", "id": format!("projects/{project}/global/firewalls"), "items": items}),
    ))
}

async fn remove(State(shared): State<Shared>, Path((project, name)): Path<(String, String)>) -> Answer {
    let mut world = shared.lock();
    let rule = world
        .gcp
        .firewalls
        .remove(&name)
        .ok_or_else(|| ApiError::not_found(format!("projects/{project}/global/firewalls/{name}")))?;
    let takes = OPERATION;
    world.gcp.lingering.push((Instant::now() + takes + PROPAGATION, rule));
    Ok(begin(&mut world.gcp, &project, &name, "delete", takes))
}

async fn patch(
    State(shared): State<Shared>,
    Path((project, name)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Answer {
    change(&shared, &project, &name, body, true)
}

async fn update(
    State(shared): State<Shared>,
    Path((project, name)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Answer {
    change(&shared, &project, &name, body, false)
}

fn change(shared: &Shared, project: &str, name: &str, body: Value, merge: bool) -> Answer {
    let mut world = shared.lock();
    let old = world
        .gcp
        .firewalls
        .get(name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(format!("projects/{project}/global/firewalls/{name}")))?;
    let mut whole = if merge { old.body.clone() } else { json!({}) };
    for key in ["id", "kind", "selfLink", "creationTimestamp", "name", "network", "direction"] {
        whole[key] = old.body[key].clone();
    }
    for (key, value) in body.as_object().into_iter().flatten() {
        if matches!(key.as_str(), "network" | "direction") && !same_reference(value, &old.body[key]) {
            return Err(ApiError::invalid(format!("Invalid value for field 'resource.{key}': it can't be changed.")));
        }
        if !matches!(key.as_str(), "id" | "kind" | "selfLink" | "creationTimestamp") {
            whole[key] = value.clone();
        }
    }
    let mut rule = parse(&whole)?;
    let takes = OPERATION;
    rule.in_force_from = Some(Instant::now() + takes + PROPAGATION);
    world.gcp.lingering.push((Instant::now() + takes + PROPAGATION, old));
    world.gcp.firewalls.insert(name.to_owned(), rule);
    Ok(begin(&mut world.gcp, project, name, "patch", takes))
}

async fn operation(State(shared): State<Shared>, Path((_, name)): Path<(String, String)>) -> Answer {
    let world = shared.lock();
    let operation = world.gcp.operations.get(&name).ok_or_else(|| ApiError::not_found(&name))?;
    let mut body = operation.body.clone();
    if Instant::now() >= operation.done_at {
        body["status"] = json!("DONE");
        body["progress"] = json!(100);
    }
    Ok(Json(body))
}

fn begin(gcp: &mut Gcp, project: &str, target: &str, kind: &str, takes: Duration) -> Json<Value> {
    let id = gcp.next_id();
    let name = format!("operation-{id}");
    let body = json!({"kind": "compute#operation", "id": id.to_string(), "name": name, "operationType": kind, "status": "RUNNING", "progress": 0,
        "targetLink": format!("https://www.googleapis.com/compute/v1/projects/{project}/global/firewalls/{target}"),
        "selfLink": format!("https://www.googleapis.com/compute/v1/projects/{project}/global/operations/{name}")});
    gcp.operations.insert(name, Operation { done_at: Instant::now() + takes, body: body.clone() });
    Json(body)
}

fn same_reference(left: &Value, right: &Value) -> bool {
    let last = |value: &Value| value.as_str().map(|text| text.rsplit('/').next().unwrap_or(text).to_owned());
    last(left) == last(right)
}

/// `name = x`, `name eq regex`, `name:prefix*`.
fn name_filter(filter: &str) -> Result<impl Fn(&str) -> bool + use<>, ApiError> {
    let filter = filter.trim().trim_matches(|c| c == '(' || c == ')').to_owned();
    let rest = filter.strip_prefix("name").map(str::trim_start).map(str::to_owned);
    let Some(rest) = rest else {
        return Err(ApiError::invalid(format!("Invalid list filter expression: {filter}")));
    };
    let unquote = |text: &str| text.trim().trim_matches(|c| c == '"' || c == '\'').to_owned();
    let (exact, text) = match (rest.strip_prefix('='), rest.strip_prefix("eq "), rest.strip_prefix(':')) {
        (Some(text), _, _) => (true, unquote(text)),
        (_, Some(text), _) | (_, _, Some(text)) => (false, unquote(text)),
        _ => return Err(ApiError::invalid(format!("Invalid list filter expression: {filter}"))),
    };
    let prefix = text.trim_end_matches(".*").trim_end_matches('*').trim_start_matches('^').to_owned();
    let open = prefix.len() != text.trim_start_matches('^').len();
    Ok(move |name: &str| if exact || !open { name == text } else { name.starts_with(&prefix) })
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().map(|list| list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()).unwrap_or_default()
}

fn parse(body: &Value) -> Result<FirewallRule, ApiError> {
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts_well
        || name.len() > 63
        || name.ends_with('-')
        || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    {
        return Err(ApiError::invalid(format!(
            "Invalid value for field 'resource.name': '{name}'. Must be a match of regex '(?:[a-z](?:[-a-z0-9]{{0,61}}[a-z0-9])?)'"
        )));
    }
    let ingress = match body["direction"].as_str().unwrap_or("INGRESS") {
        "INGRESS" => true,
        "EGRESS" => false,
        other => return Err(ApiError::invalid(format!("Invalid value for field 'resource.direction': '{other}'."))),
    };
    let priority = body["priority"].as_i64().unwrap_or(1000);
    let priority = u32::try_from(priority)
        .ok()
        .filter(|p| *p <= 65535)
        .ok_or_else(|| ApiError::invalid("Invalid value for field 'resource.priority'."))?;
    let (allowed, denied) = (&body["allowed"], &body["denied"]);
    let has = |list: &Value| list.as_array().is_some_and(|l| !l.is_empty());
    let allow = match (has(allowed), has(denied)) {
        (true, false) => true,
        (false, true) => false,
        _ => return Err(ApiError::invalid("Exactly one of 'allowed' and 'denied' must be specified.")),
    };
    let mut rules = Vec::new();
    for entry in if allow { allowed } else { denied }.as_array().into_iter().flatten() {
        let protocol = entry["IPProtocol"].as_str().unwrap_or_default().to_lowercase();
        if protocol.is_empty() {
            return Err(ApiError::invalid("Required field 'IPProtocol' not specified."));
        }
        let ports = strings(&entry["ports"]);
        if !ports.is_empty() && !matches!(protocol.as_str(), "tcp" | "udp" | "sctp" | "6" | "17" | "132") {
            return Err(ApiError::invalid(format!(
                "Ports may only be specified for TCP, UDP and SCTP, not {protocol}."
            )));
        }
        let ports = ports.iter().map(|text| port_range(text)).collect::<Result<Vec<_>, _>>()?;
        rules.push((protocol, ports));
    }
    let (source_ranges, destination_ranges) = (strings(&body["sourceRanges"]), strings(&body["destinationRanges"]));
    for range in source_ranges.iter().chain(&destination_ranges) {
        if !cidr_is_valid(range) {
            return Err(ApiError::invalid(format!(
                "Invalid value for field: '{range}'. Must be a valid CIDR with no host bits set."
            )));
        }
    }
    if !ingress && (has(&body["sourceRanges"]) || has(&body["sourceTags"])) {
        return Err(ApiError::invalid("EGRESS firewalls can't have source ranges or tags."));
    }
    let network = body["network"].as_str().filter(|n| !n.is_empty()).unwrap_or("global/networks/default").to_owned();
    let mut shown = body.clone();
    shown["network"] = json!(network);
    shown["direction"] = json!(if ingress { "INGRESS" } else { "EGRESS" });
    shown["priority"] = json!(priority);
    shown["disabled"] = json!(body["disabled"] == json!(true));
    Ok(FirewallRule {
        network: network.rsplit('/').next().unwrap_or_default().to_owned(),
        ingress,
        priority,
        disabled: body["disabled"] == json!(true),
        source_ranges,
        destination_ranges,
        source_tags: strings(&body["sourceTags"]),
        target_tags: strings(&body["targetTags"]),
        allow,
        rules,
        description: body["description"].as_str().unwrap_or_default().to_owned(),
        in_force_from: None,
        body: shown,
        name,
    })
}

fn port_range(text: &str) -> Result<(u16, u16), ApiError> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.parse::<u16>(), to.parse::<u16>()) {
        (Ok(from), Ok(to)) if from <= to => Ok((from, to)),
        _ => Err(ApiError::invalid(format!("Invalid value for port range: '{text}'."))),
    }
}

fn cidr_is_valid(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
    let (Ok(address), Ok(bits)) = (address.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>()) else {
        return false;
    };
    bits <= 32 && (bits == 32 || u32::from(address) & (u32::MAX >> bits) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Value {
        json!({"name": "deny", "network": "projects/p/global/networks/default", "direction": "EGRESS", "priority": 0,
            "destinationRanges": ["10.4.0.0/14"], "targetTags": ["c8-zero"],
            "denied": [{"IPProtocol": "tcp", "ports": ["0-52", "54-65535"]}, {"IPProtocol": "icmp"}]})
    }

    #[test]
    fn a_rule_is_read() {
        let rule = parse(&body()).expect("valid");
        assert!(!rule.allow && !rule.ingress);
        assert_eq!(rule.network, "default");
        assert_eq!(rule.rules, [("tcp".to_owned(), vec![(0, 52), (54, 65535)]), ("icmp".to_owned(), vec![])]);
    }

    #[test]
    fn what_the_real_api_refuses_is_refused() {
        for (pointer, value) in [
            ("/name", json!("Deny_it")),
            ("/priority", json!(70000)),
            ("/destinationRanges", json!(["10.4.0.1/14"])),
            ("/denied", json!([])),
            ("/denied", json!([{"IPProtocol": "icmp", "ports": ["1"]}])),
            ("/denied", json!([{"IPProtocol": "tcp", "ports": ["90-80"]}])),
            ("/direction", json!("SIDEWAYS")),
        ] {
            let mut wrong = body();
            *wrong.pointer_mut(pointer).expect("exists") = value.clone();
            assert!(parse(&wrong).is_err(), "{pointer} = {value}");
        }
        let mut sources = body();
        sources["sourceRanges"] = json!(["10.0.0.0/8"]);
        assert!(parse(&sources).is_err(), "sources on EGRESS");
    }

    #[test]
    fn filters_match_names() {
        let matches = |filter: &str, name: &str| name_filter(filter).map(|f| f(name)).unwrap_or(false);
        assert!(matches("name = c8-claim-x-1", "c8-claim-x-1"));
        assert!(!matches("name = c8-claim-x-1", "c8-claim-x-11"));
        assert!(matches("name eq ^c8-claim-x-.*", "c8-claim-x-11"));
        assert!(matches("name:c8-*", "c8-fence"));
        assert!(name_filter("size > 1").is_err());
    }
}
