use crate::schema::{Attribute, Block, NestedBlock, Nesting};
use crate::value::{Path, Value};

use super::Violation;

/// Will Terraform accept this plan? Otherwise it says "Provider produced invalid plan".
///
/// Each planned attribute must equal the configuration, or the prior value (if the configuration says something and so
/// did the prior state: it may be the same spelled differently), or be anything if it is computed and the configuration
/// says nothing. Blocks must be as many as in the configuration (provider-protocol.md 3.5).
pub fn check_plan(block: &Block, prior: &Value, config: &Value, planned: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    in_block(block, prior, config, planned, &Path::root(), &mut violations);
    violations
}

fn in_block(
    block: &Block,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &Path,
    violations: &mut Vec<Violation>,
) {
    let mut violation = |message: &str| violations.push((path.clone(), message.to_owned()));
    match (config, planned) {
        (Value::Null, Value::Null) => return,
        (Value::Null, _) => return violation("planned to exist, but the configuration does not have it"),
        (_, Value::Null) => return violation("planned not to exist, but the configuration has it"),
        (Value::Unknown(_), _) => return,
        (_, Value::Unknown(_)) => return violation("planned as unknown as a whole, but the configuration has it"),
        _ => {}
    }
    let of = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    for attribute in &block.attributes {
        let name = &attribute.name;
        let (prior, config, planned) = (of(prior, name), of(config, name), of(planned, name));
        in_attribute(attribute, &prior, &config, &planned, path, violations);
    }
    for nested in &block.blocks {
        let name = &nested.name;
        let (prior, config, planned) = (of(prior, name), of(config, name), of(planned, name));
        in_nested(nested, &prior, &config, &planned, &path.attr(name), violations);
    }
}

fn in_attribute(
    attribute: &Attribute,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &Path,
    violations: &mut Vec<Violation>,
) {
    if attribute.write_only {
        if !planned.is_null() {
            let message = "planned to have a value, but what is write-only may be in no plan";
            violations.push((path.attr(&attribute.name), message.to_owned()));
        }
        return;
    }
    if same(planned, config) || (same(planned, prior) && !prior.is_null() && !config.is_null()) {
        return;
    }
    let path = path.attr(&attribute.name);
    if config.is_null() {
        if !attribute.computed {
            let message = "planned to have a value, but the configuration has none and it is not computed";
            violations.push((path, message.to_owned()));
        }
        return;
    }
    let (place, planned, config) = first_difference(&path, planned, config);
    let message = if attribute.sensitive {
        "the planned value is not that of the configuration".to_owned()
    } else {
        format!("planned to be {}, but the configuration says {}", brief(planned), brief(config))
    };
    violations.push((place, message));
}

fn in_nested(
    nested: &NestedBlock,
    prior: &Value,
    config: &Value,
    planned: &Value,
    path: &Path,
    violations: &mut Vec<Violation>,
) {
    let block = &nested.block;
    match (nested.nesting, config, planned) {
        (Nesting::Single | Nesting::Group, ..) => in_block(block, prior, config, planned, path, violations),
        (_, Value::Unknown(_), _) => {}
        (Nesting::List, Value::List(config), Value::List(planned)) => {
            if config.len() != planned.len() {
                return violations.push((path.clone(), counted(planned.len(), config.len())));
            }
            let prior = prior.elements().unwrap_or_default();
            for (index, (config, planned)) in config.iter().zip(planned).enumerate() {
                let prior = prior.get(index).unwrap_or(&Value::Null);
                in_block(block, prior, config, planned, &path.index(index), violations);
            }
        }
        (Nesting::Map, Value::Map(config), Value::Map(planned)) => {
            if !config.keys().eq(planned.keys()) {
                let message = "the labels of the planned blocks are not those of the configuration";
                return violations.push((path.clone(), message.to_owned()));
            }
            for ((label, config), planned) in config.iter().zip(planned.values()) {
                let prior = prior.get(label).unwrap_or(&Value::Null);
                in_block(block, prior, config, planned, &path.key(label), violations);
            }
        }
        (Nesting::Set, Value::Set(config), Value::Set(planned)) => {
            // which is which can't be told, so Terraform doesn't know of prior values here
            let fits = |planned: &Value, config: &Value| {
                let mut found = Vec::new();
                in_block(block, &Value::Null, config, planned, path, &mut found);
                found.is_empty()
            };
            if config.len() != planned.len() {
                violations.push((path.clone(), counted(planned.len(), config.len())));
            } else if !planned.iter().all(|planned| config.iter().any(|config| fits(planned, config))) {
                violations.push((path.clone(), "a block is planned that the configuration does not have".to_owned()));
            } else if !config.iter().all(|config| planned.iter().any(|planned| fits(planned, config))) {
                violations.push((path.clone(), "a block of the configuration is not planned".to_owned()));
            }
        }
        (Nesting::List | Nesting::Map | Nesting::Set, _, planned) => {
            violations.push((path.clone(), format!("planned to be {}, not {}", planned.kind(), of_blocks(nested))));
        }
    }
}

fn counted(planned: usize, configured: usize) -> String {
    format!("{planned} blocks are planned, but the configuration has {configured}")
}

/// What many blocks are, for a message.
pub(super) fn of_blocks(nested: &NestedBlock) -> &'static str {
    match nested.nesting {
        Nesting::List => "a list of blocks",
        Nesting::Set => "a set of blocks",
        Nesting::Map => "blocks with labels",
        Nesting::Single | Nesting::Group => "a block",
    }
}

/// Equal, whatever is known of what is unknown: that gets lost on the way, and Terraform allows it.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Unknown(_), Value::Unknown(_)) => true,
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) | (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((x, a), (y, b))| x == y && same(a, b))
        }
        (Value::Dynamic(x, a), Value::Dynamic(y, b)) => x == y && same(a, b),
        (Value::Set(_), Value::Set(_)) => plain(a) == plain(b),
        _ => a == b,
    }
}

/// The value without anything that is known of unknowns.
fn plain(value: &Value) -> Value {
    match value {
        Value::Unknown(_) => Value::unknown(),
        Value::Set(values) => Value::set(values.iter().map(plain)),
        Value::List(values) => Value::list(values.iter().map(plain)),
        Value::Tuple(values) => Value::Tuple(values.iter().map(plain).collect()),
        Value::Map(values) => Value::Map(values.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
        Value::Object(values) => {
            Value::Object(values.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        known => known.clone(),
    }
}

/// The deepest place where two values differ, for a message that helps.
pub(super) fn first_difference<'a>(path: &Path, a: &'a Value, b: &'a Value) -> (Path, &'a Value, &'a Value) {
    static NULL: Value = Value::Null;
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            for (name, a) in x {
                let b = y.get(name).unwrap_or(&NULL);
                if !same(a, b) {
                    return first_difference(&path.attr(name), a, b);
                }
            }
        }
        (Value::Map(x), Value::Map(y)) if x.keys().eq(y.keys()) => {
            for ((key, a), b) in x.iter().zip(y.values()) {
                if !same(a, b) {
                    return first_difference(&path.key(key), a, b);
                }
            }
        }
        (Value::List(x), Value::List(y)) if x.len() == y.len() => {
            for (index, (a, b)) in x.iter().zip(y).enumerate() {
                if !same(a, b) {
                    return first_difference(&path.index(index), a, b);
                }
            }
        }
        _ => {}
    }
    (path.clone(), a, b)
}

/// A value as a message shows it.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 120 { text } else { text.chars().take(119).chain(['…']).collect() }
}
