//! The scale subresource: `autoscaling/v1` Scale over `spec.replicas`, owned under the subresource's name.

use http::{Method, Response};
use serde_json::{Value, json};

use super::request::Call;
use super::response::{Body, json as answer_json};
use crate::kubernetes::error::ApiError;
use crate::kubernetes::patch;
use crate::kubernetes::store::Store;
use crate::kubernetes::views::text;
use crate::kubernetes::write::Patch;

pub fn answer(store: &mut Store, call: &Call, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let kind = call.target.kind;
    let namespace = call.target.namespace.as_deref().unwrap_or("");
    let name = call.target.name.as_deref().unwrap_or("");
    let live = store.get(kind.kind, namespace, name).ok_or_else(|| ApiError::not_found(kind, name))?;
    let mut scale = view(&live);
    match call.method {
        Method::GET => return Ok(answer_json(200, &scale)),
        Method::PUT => scale = serde_json::from_slice(body).map_err(|e| ApiError::bad_request(e.to_string()))?,
        Method::PATCH => match call.patch(body)? {
            Patch::Json(steps) => patch::json(&mut scale, &steps)?,
            Patch::Merge(body) | Patch::Strategic(body) => patch::merge(&mut scale, &body),
            Patch::Apply { config, force } => {
                let config = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name, "namespace": namespace},
                    "spec": {"replicas": config["spec"]["replicas"]}});
                let object = store.patch(kind, namespace, name, Patch::Apply { config, force }, &call.options())?;
                return Ok(answer_json(200, &view(&object)));
            }
        },
        _ => return Err(ApiError::method_not_allowed()),
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let why = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        let mut error =
            ApiError::new(422, "Invalid", format!("Scale.autoscaling {name:?} is invalid: spec.replicas: {why}"));
        error.details = json!({"group": "autoscaling", "kind": "Scale", "name": name,
            "causes": [{"reason": "FieldValueInvalid", "field": "spec.replicas", "message": why}]});
        return Err(error);
    }
    let mut body = json!({"spec": {"replicas": replicas}});
    let version = text(&scale, "/metadata/resourceVersion");
    if !version.is_empty() {
        body["metadata"] = json!({"resourceVersion": version});
    }
    let object = store.patch(kind, namespace, name, Patch::Merge(body), &call.options())?;
    Ok(answer_json(200, &view(&object)))
}

fn view(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> = labels.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))).collect();
    let mut view = json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"]},
        "spec": {},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0), "selector": selector.join(",")}});
    // none is left out
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas != 0) {
        view["spec"]["replicas"] = json!(replicas);
    }
    view
}
