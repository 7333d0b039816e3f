//! The provider's own bugs, said before Terraform says them.
//!
//! Terraform checks plans and results by its rules and reports a breach in words that a user can't act on. The same rules are
//! applied here first ([`crate::plan`]), so that the report names the attribute and the state is kept.

use crate::{
    Diagnostics, Fault, Path, Value,
    plan::{self, Violation},
};

/// Errors for broken rules; none if there are none.
pub(crate) fn violations(summary: &str, name: &str, found: Vec<Violation>) -> Diagnostics {
    let mut diags = Diagnostics::default();
    for (path, problem) in found {
        let place = if path.is_root() { String::new() } else { format!(" at `{path}`") };
        diags.error(
            path,
            summary,
            format!("This is a bug of the provider in `{name}`{place}, please report it: {problem}."),
        );
    }
    diags
}

/// Refuses what has an unknown value in it.
pub(crate) fn wholly_known(name: &str, value: &Value) -> Result<(), Fault> {
    let found = violations("Unknown value in a result", name, plan::check_known(value));
    if found.has_errors() { Err(found.into()) } else { Ok(()) }
}

/// What can't be written to private state.
pub(crate) fn unstorable(name: &str, error: &serde_json::Error) -> Fault {
    let found = vec![(Path::root(), format!("private state can't be written as JSON: {error}"))];
    violations("Unstorable private state", name, found).into()
}

/// Where two values begin to differ.
pub(crate) fn difference(one: &Value, other: &Value) -> Option<Path> {
    differs(one, other, &Path::root())
}

fn differs(one: &Value, other: &Value, path: &Path) -> Option<Path> {
    if one == other {
        return None;
    }
    let deeper = match (one, other) {
        (Value::Object(a), Value::Object(b)) | (Value::Map(a), Value::Map(b)) => {
            let step = |name: &String| match one {
                Value::Object(_) => path.attr(name.clone()),
                _ => path.key(name.clone()),
            };
            a.iter().find_map(|(name, value)| differs(value, b.get(name)?, &step(name)))
        }
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            a.iter().zip(b).enumerate().find_map(|(index, (a, b))| differs(a, b, &path.index(index)))
        }
        _ => None,
    };
    Some(deeper.unwrap_or_else(|| path.clone()))
}

/// What isn't known is null: for a state that is saved half-way.
pub(crate) fn known_part(value: Value) -> Value {
    let all = |elements: Vec<Value>| elements.into_iter().map(known_part).collect();
    match value {
        Value::Unknown(_) => Value::Null,
        Value::Object(attributes) => {
            Value::Object(attributes.into_iter().map(|(name, value)| (name, known_part(value))).collect())
        }
        Value::Map(elements) => Value::Map(elements.into_iter().map(|(key, value)| (key, known_part(value))).collect()),
        Value::List(elements) => Value::List(all(elements)),
        Value::Tuple(elements) => Value::Tuple(all(elements)),
        Value::Set(elements) => Value::Set(all(elements)),
        Value::Dynamic(ty, value) => Value::Dynamic(ty, Box::new(known_part(*value))),
        known @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => known,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn thing(name: &str, first: Value) -> Value {
        Value::object([("name", Value::String(name.to_owned())), ("list", Value::list([first, Value::Bool(true)]))])
    }

    #[test]
    fn a_difference_is_named() {
        let one = thing("a", Value::Null);
        assert_eq!(difference(&one, &one), None);
        assert_eq!(difference(&one, &thing("b", Value::Null)), Some(Path::from("name")));
        assert_eq!(difference(&one, &thing("a", Value::unknown())), Some(Path::from("list").index(0)));
        assert_eq!(difference(&one, &Value::Null), Some(Path::root()));
    }

    #[test]
    fn an_unknown_value_is_named_and_can_be_dropped() {
        let half = thing("a", Value::unknown());
        let fault = wholly_known("a_thing", &half).unwrap_err();
        assert_eq!(fault.diagnostics.iter().next().unwrap().path, Some(Path::from("list").index(0)));
        let known = known_part(half);
        assert_eq!(known, thing("a", Value::Null));
        wholly_known("a_thing", &known).unwrap();
    }
}
