//! Server-side apply: merge, ownership, conflicts. Pure: the store decides what to do with the result.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::error::ApiError;
use super::fields::{self, Entry, Path};
use super::kinds::Kind;
use super::{merge, stamp};

/// An apply request.
pub struct Request<'a> {
    pub kind: &'a Kind,
    pub manager: &'a str,
    pub subresource: Option<&'a str>,
    pub force: bool,
    /// The configuration as it came, for messages.
    pub sent: &'a Value,
}

/// The object after the apply and its managers.
pub struct Applied {
    pub object: Value,
    pub entries: Vec<Entry>,
}

/// Applies a configuration (already without status or spec, whichever the subresource does not own) to the live object.
pub fn apply(request: &Request<'_>, live: Option<&Value>, config: &Value) -> Result<Applied, ApiError> {
    let kind = request.kind;
    if let Some((path, key)) = merge::duplicate(kind, config) {
        return Err(ApiError::untyped(kind, request.sent, &format!("{path}: duplicate entries for key {key}")));
    }
    let own = fields::of(kind, config);
    let entry = |time: String| Entry {
        manager: request.manager.to_owned(),
        operation: "Apply",
        api_version: kind.api_version(),
        subresource: request.subresource.map(str::to_owned),
        time,
        fields: own.clone(),
    };
    let Some(live) = live else {
        return Ok(Applied { object: config.clone(), entries: vec![entry(stamp::now())] });
    };

    let mut before = fields::entries(live);
    if before.is_empty() {
        // what is there was written by somebody before anybody was asked who
        before.push(Entry {
            manager: "before-first-apply".to_owned(),
            operation: "Update",
            api_version: kind.api_version(),
            subresource: None,
            time: stamp::now(),
            fields: fields::compare(kind, &super::zero::zero(kind), &without_status(kind, live)).changed,
        });
    }
    let mine = |e: &Entry| {
        e.operation == "Apply" && e.manager == request.manager && e.subresource.as_deref() == request.subresource
    };
    let last: Option<&Entry> = before.iter().find(|e| mine(e));
    let mut others: Vec<Entry> = before.iter().filter(|e| !mine(e)).cloned().collect();

    let mut object = merge::merge(kind, live, config);
    if let Some(last) = last {
        let owned: BTreeSet<Path> = others.iter().flat_map(|e| &e.fields).chain(&own).cloned().collect();
        let gone: BTreeSet<Path> = last.fields.iter().filter(|path| !fields::covers(&owned, path)).cloned().collect();
        merge::remove(kind, &mut object, &gone);
    }

    let found = fields::compare(kind, live, &object);
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for other in &others {
        for path in other.fields.intersection(&found.changed) {
            conflicts.push((other.described(), fields::display(path)));
        }
    }
    if !conflicts.is_empty() && !request.force {
        return Err(conflict(&conflicts));
    }
    for other in &mut others {
        other.fields.retain(|path| !found.changed.contains(path) && !found.removed.contains(path));
    }
    // who applies what is there already changes nothing, and gets no time
    let unchanged = found.changed.is_empty() && found.removed.is_empty();
    let time = if unchanged { last.map(|last| last.time.clone()).unwrap_or_default() } else { stamp::now() };
    others.push(entry(time));
    Ok(Applied { object, entries: others })
}

fn without_status(kind: &Kind, live: &Value) -> Value {
    let mut live = live.clone();
    if kind.status
        && let Some(map) = live.as_object_mut()
    {
        map.remove("status");
    }
    live
}

fn conflict(conflicts: &[(String, String)]) -> ApiError {
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(manager, field)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": field}))
        .collect();
    let message = if let [(manager, field)] = conflicts {
        format!("Apply failed with 1 conflict: conflict with {manager}: {field}")
    } else {
        let managers: BTreeSet<&String> = conflicts.iter().map(|(manager, _)| manager).collect();
        let mut lines = Vec::new();
        for manager in managers {
            lines.push(format!("conflicts with {manager}:"));
            lines.extend(conflicts.iter().filter(|(m, _)| m == manager).map(|(_, field)| format!("- {field}")));
        }
        format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
    };
    let mut error = ApiError::new(409, "Conflict", message);
    error.details = json!({"causes": causes});
    error
}
