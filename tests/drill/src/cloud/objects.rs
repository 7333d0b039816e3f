//! Kubernetes objects as plain JSON, by their path: what the cloud does with them is too little for types.

use anyhow::{Context as _, Result};
use http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// Name under which the cloud writes.
const MANAGER: &str = "cloud-controller-manager";

/// The path of an object, from its own words.
///
/// # Errors
/// It has no kind or name.
pub fn path(object: &Value) -> Result<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let version = text("/apiVersion").context("an object needs an apiVersion")?;
    let kind = text("/kind").context("an object needs a kind")?;
    let name = text("/metadata/name").context("an object needs a name")?;
    let root = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
    let mut plural = kind.to_lowercase();
    if plural.ends_with("class") {
        plural.push_str("es");
    } else if let Some(stem) = plural.strip_suffix("policy") {
        plural = format!("{stem}policies");
    } else {
        plural.push('s');
    }
    Ok(match text("/metadata/namespace") {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{root}/{plural}/{name}"),
    })
}

/// Server-side apply.
///
/// # Errors
/// The API server refuses.
pub async fn apply(client: &Client, object: &Value) -> Result<Value> {
    let path = path(object)?;
    let uri = format!("{path}?fieldManager={MANAGER}&force=true");
    send(client, Method::PATCH, &uri, "application/apply-patch+yaml", object).await.context(path)
}

/// JSON merge patch.
///
/// # Errors
/// The API server refuses.
pub async fn patch(client: &Client, path: &str, change: &Value) -> Result<Value> {
    let uri = format!("{path}?fieldManager={MANAGER}");
    send(client, Method::PATCH, &uri, "application/merge-patch+json", change).await
}

/// The items of a list.
///
/// # Errors
/// The API server refuses.
pub async fn list(client: &Client, path: &str) -> Result<Vec<Value>> {
    let mut found: Value = client.request(Request::get(path).body(Vec::new())?).await?;
    match found["items"].take() {
        Value::Array(items) => Ok(items),
        _ => Ok(Vec::new()),
    }
}

/// One object.
///
/// # Errors
/// The API server refuses, or there is none.
pub async fn get(client: &Client, path: &str) -> Result<Value> {
    Ok(client.request(Request::get(path).body(Vec::new())?).await?)
}

/// Deletes an object.
///
/// # Errors
/// The API server refuses.
pub async fn delete(client: &Client, path: &str) -> Result<()> {
    let _: Value = client.request(Request::delete(path).body(Vec::new())?).await?;
    Ok(())
}

async fn send(client: &Client, method: Method, uri: &str, kind: &str, body: &Value) -> Result<Value> {
    let request = Request::builder().method(method).uri(uri).header(http::header::CONTENT_TYPE, kind);
    Ok(client.request(request.body(serde_json::to_vec(body)?)?).await?)
}

/// A text in an object; empty if there is none.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_follow_the_kind() {
        let path = |version: &str, kind: &str| {
            path(&json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "n"}})).unwrap()
        };
        assert_eq!(path("v1", "ConfigMap"), "/api/v1/namespaces/n/configmaps/x");
        assert_eq!(path("storage.k8s.io/v1", "StorageClass"), "/apis/storage.k8s.io/v1/namespaces/n/storageclasses/x");
        let policy = "admissionregistration.k8s.io/v1beta1";
        assert!(path(policy, "MutatingAdmissionPolicy").ends_with("/mutatingadmissionpolicies/x"));
        assert!(path(policy, "MutatingAdmissionPolicyBinding").ends_with("/mutatingadmissionpolicybindings/x"));
    }
}
