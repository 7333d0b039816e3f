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
        let name = super::views::name(config);
        let namespace = super::views::namespace(config);
        return Err(ApiError::internal(format!(
            "failed to create typed patch object ({namespace}/{name}; {}, Kind={}): {path}: duplicate entries for key {key}",
            kind.api_version(),
            kind.kind
        )));
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

    let before = fields::entries(live);
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
    let unchanged = last.is_some_and(|last| last.fields == own) && found.changed.is_empty() && found.removed.is_empty();
    let time = match last {
        Some(last) if unchanged => last.time.clone(),
        _ => stamp::now(),
    };
    others.push(entry(time));
    Ok(Applied { object, entries: others })
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
