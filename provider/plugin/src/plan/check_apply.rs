use crate::schema::{Block, NestedBlock, Nesting};
use crate::value::{Path, Value};

use super::Violation;
use super::check_plan::{brief, of_blocks};

/// Will Terraform accept this result of apply? Otherwise it says "Provider produced inconsistent result after apply",
/// and taints what was created.
///
/// What was known in the plan must be the same in the result; what was unknown may be anything, but not unknown
/// (provider-protocol.md 3.6).
pub fn check_apply(block: &Block, planned: &Value, result: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    in_block(block, planned, result, &Path::root(), &mut violations);
    violations.extend(check_known(result));
    violations
}

/// The places of `value` that are unknown. Nothing may be in a state.
pub fn check_known(value: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    unknown_in(value, &Path::root(), &mut violations);
    violations
}

fn unknown_in(value: &Value, path: &Path, violations: &mut Vec<Violation>) {
    match value {
        Value::Unknown(_) => violations.push((path.clone(), "still unknown".to_owned())),
        Value::List(values) | Value::Tuple(values) => {
            for (index, value) in values.iter().enumerate() {
                unknown_in(value, &path.index(index), violations);
            }
        }
        Value::Set(values) => values.iter().for_each(|value| unknown_in(value, path, violations)),
        Value::Map(values) => {
            for (key, value) in values {
                unknown_in(value, &path.key(key), violations);
            }
        }
        Value::Object(values) => {
            for (name, value) in values {
                unknown_in(value, &path.attr(name), violations);
            }
        }
        Value::Dynamic(_, value) => unknown_in(value, path, violations),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn in_block(block: &Block, planned: &Value, result: &Value, path: &Path, violations: &mut Vec<Violation>) {
    match (planned, result) {
        (Value::Unknown(_), _) | (Value::Null, Value::Null) => return,
        (Value::Null, _) => return violations.push((path.clone(), "planned not to exist, but it does".to_owned())),
        (_, Value::Null) => return violations.push((path.clone(), "planned to exist, but it does not".to_owned())),
        _ => {}
    }
    let of = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    for attribute in &block.attributes {
        let name = &attribute.name;
        let mut found = Vec::new();
        if attribute.write_only {
            if !of(result, name).is_null() {
                violations.push((path.attr(name), "has a value, but what is write-only may be in no state".to_owned()));
            }
            continue;
        }
        compatible(&of(planned, name), &of(result, name), &path.attr(name), &mut found);
        if attribute.sensitive {
            let hidden = "the value is not the planned one";
            found.iter_mut().for_each(|(_, message)| *message = hidden.to_owned());
        }
        violations.extend(found);
    }
    for nested in &block.blocks {
        let name = &nested.name;
        let (planned, result, path) = (of(planned, name), of(result, name), path.attr(name));
        in_nested(nested, &planned, &result, &path, violations);
    }
}

fn in_nested(nested: &NestedBlock, planned: &Value, result: &Value, path: &Path, violations: &mut Vec<Violation>) {
    let block = &nested.block;
    match (nested.nesting, planned, result) {
        (Nesting::Single | Nesting::Group, planned, result) => in_block(block, planned, result, path, violations),
        (Nesting::List, Value::List(planned), Value::List(result)) => {
            if planned.len() != result.len() {
                let message = format!("{} blocks were planned, but there are {}", planned.len(), result.len());
                return violations.push((path.clone(), message));
            }
            for (index, (planned, result)) in planned.iter().zip(result).enumerate() {
                in_block(block, planned, result, &path.index(index), violations);
            }
        }
        (Nesting::Map, Value::Map(planned), Value::Map(result)) => {
            if !planned.keys().eq(result.keys()) {
                let message = "the labels of the blocks are not the planned ones";
                return violations.push((path.clone(), message.to_owned()));
            }
            for ((label, planned), result) in planned.iter().zip(result.values()) {
                in_block(block, planned, result, &path.key(label), violations);
            }
        }
        (Nesting::Set, Value::Set(planned), Value::Set(result)) => {
            let fits = |planned: &Value, result: &Value| {
                let mut found = Vec::new();
                in_block(block, planned, result, path, &mut found);
                found.is_empty()
            };
            if !correlate(planned, result, fits) {
                violations.push((path.clone(), "the blocks are not the planned ones".to_owned()));
            }
        }
        (Nesting::List | Nesting::Map | Nesting::Set, Value::Unknown(_), _) => {}
        (Nesting::List | Nesting::Map | Nesting::Set, _, result) => {
            violations.push((path.clone(), format!("is {}, not {}", result.kind(), of_blocks(nested))));
        }
    }
}

fn compatible(planned: &Value, result: &Value, path: &Path, violations: &mut Vec<Violation>) {
    match (planned, result) {
        // `check_known` says it
        (_, Value::Unknown(_)) => {}
        (Value::Unknown(promise), result) if promise.as_ref().is_none_or(|promise| promise.allows(result)) => {}
        (Value::Unknown(_), result) => {
            let message = format!("is {}, which is not what the plan promised of it", brief(result));
            violations.push((path.clone(), message));
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) if a.len() == b.len() => {
            for (index, (planned, result)) in a.iter().zip(b).enumerate() {
                compatible(planned, result, &path.index(index), violations);
            }
        }
        (Value::Map(a), Value::Map(b)) if a.keys().eq(b.keys()) => {
            for ((key, planned), result) in a.iter().zip(b.values()) {
                compatible(planned, result, &path.key(key), violations);
            }
        }
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            for ((name, planned), result) in a.iter().zip(b.values()) {
                compatible(planned, result, &path.attr(name), violations);
            }
        }
        (Value::Set(a), Value::Set(b)) if same_elements(a, b) => {}
        (Value::Dynamic(_, planned), Value::Dynamic(_, result)) => compatible(planned, result, path, violations),
        (planned, result) if planned == result => {}
        (planned, result) => {
            let message = format!("planned to be {}, but it is {}", brief(planned), brief(result));
            violations.push((path.clone(), message));
        }
    }
}

fn same_elements(planned: &[Value], result: &[Value]) -> bool {
    correlate(planned, result, |planned, result| {
        let mut violations = Vec::new();
        compatible(planned, result, &Path::root(), &mut violations);
        violations.is_empty()
    })
}

/// Whether each planned element of a set found one in the result, and none is left over. Elements that were unknown
/// may have become equal, so the set may shrink by those.
fn correlate(planned: &[Value], result: &[Value], fits: impl Fn(&Value, &Value) -> bool) -> bool {
    result.len() <= planned.len()
        && planned.iter().all(|planned| result.iter().any(|result| fits(planned, result)))
        && result.iter().all(|result| planned.iter().any(|planned| fits(planned, result)))
}
