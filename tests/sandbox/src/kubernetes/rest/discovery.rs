//! Discovery and version documents.

use serde_json::{Value, json};

use crate::kubernetes::kinds::{KINDS, Kind};
use crate::kubernetes::store::Store;

/// The document at a discovery path, if it is one.
pub fn answer(store: &Store, path: &str) -> Option<Value> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["version"] => Some(version(&store.settings.version)),
        ["api"] => Some(
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]}),
        ),
        ["apis"] => Some(
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups().into_iter().map(group).collect::<Vec<_>>()}),
        ),
        ["api", "v1"] => Some(resources("", "v1")),
        ["apis", name] if groups().contains(name) => {
            let mut document = group(name);
            document["kind"] = json!("APIGroup");
            document["apiVersion"] = json!("v1");
            Some(document)
        }
        ["apis", name, "v1"] if groups().contains(name) => Some(resources(name, "v1")),
        ["openapi", "v3"] => Some(openapi_root()),
        ["openapi", "v3", rest @ ..] => openapi(rest),
        _ => None,
    }
}

fn version(git: &str) -> Value {
    let mut numbers = git.trim_start_matches('v').split('.');
    json!({"major": numbers.next().unwrap_or("1"), "minor": numbers.next().unwrap_or("33"), "gitVersion": git, "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.24.6", "compiler": "gc", "platform": "linux/amd64"})
}

fn groups() -> Vec<&'static str> {
    let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    names.dedup();
    names
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, version: &str) -> Value {
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut list = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        let mut resource = json!({"name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]});
        if !kind.short.is_empty() {
            resource["shortNames"] = json!(kind.short);
        }
        list.push(resource);
        let mut sub = |name: &str, shown: &str, verbs: Value| {
            list.push(json!({"name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced, "kind": shown, "verbs": verbs}));
        };
        if kind.status {
            sub("status", kind.kind, json!(["get", "patch", "update"]));
        }
        if kind.kind == "Pod" {
            sub("log", "Pod", json!(["get"]));
            sub("portforward", "PodPortForwardOptions", json!(["create", "get"]));
            sub("eviction", "Eviction", json!(["create"]));
        }
        if kind.scale {
            list.push(json!({"name": format!("{}/scale", kind.plural), "singularName": "", "namespaced": true, "group": "autoscaling", "version": "v1",
                "kind": "Scale", "verbs": ["get", "patch", "update"]}));
        }
    }
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list})
}

fn openapi_root() -> Value {
    let mut paths = json!({"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1?hash=1"}});
    for name in groups() {
        paths[format!("apis/{name}/v1")] = json!({"serverRelativeURL": format!("/openapi/v3/apis/{name}/v1?hash=1")});
    }
    json!({"paths": paths})
}

/// Only what kubectl asks it for: that PATCH understands `fieldValidation`.
fn openapi(parts: &[&str]) -> Option<Value> {
    let group = match parts {
        ["api", "v1"] => "",
        ["apis", group, "v1"] => group,
        _ => return None,
    };
    let mut paths = json!({});
    for kind in KINDS.iter().filter(|kind| kind.group == group) {
        paths[path(kind)] = json!({"patch": {
            "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}}],
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "responses": {"200": {"description": "OK"}}}});
    }
    Some(json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "sandbox"}, "paths": paths}))
}

fn path(kind: &Kind) -> String {
    let root = if kind.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", kind.group) };
    if kind.namespaced {
        format!("{root}/namespaces/{{namespace}}/{}/{{name}}", kind.plural)
    } else {
        format!("{root}/{}/{{name}}", kind.plural)
    }
}
