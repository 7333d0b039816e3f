use std::collections::BTreeMap;

use crate::schema::{Attribute, Block, NestedBlock, Nesting};
use crate::value::{Path, Value};

/// The plan before the resource has its say. `proposed` is what Terraform proposes: the configuration, and prior
/// values of computed attributes where the configuration says nothing.
///
/// - where the configuration says nothing and there is a default, the default;
/// - on create (`prior` is null), and in blocks that the prior state does not have: what is computed and not set is
///   unknown;
/// - on update: what is computed and not set keeps its prior value. Marking it unknown if nothing changes would make a
///   plan that is never empty.
pub fn initial(block: &Block, prior: &Value, config: &Value, proposed: &Value) -> Value {
    let (Value::Object(config), Value::Object(proposed)) = (config, proposed) else { return proposed.clone() };
    let mut planned = proposed.clone();
    let prior = match prior {
        Value::Object(prior) => Some(prior),
        _ => None,
    };
    for attribute in &block.attributes {
        if config.get(&attribute.name).is_none_or(Value::is_null)
            && let Some(value) = unset(attribute, prior.is_none())
        {
            planned.insert(attribute.name.clone(), value);
        }
    }
    for nested in &block.blocks {
        let null = Value::Null;
        let of = |values: &BTreeMap<String, Value>| values.get(&nested.name).cloned().unwrap_or_default();
        let prior = prior.and_then(|prior| prior.get(&nested.name)).unwrap_or(&null);
        let value = initial_nested(nested, prior, &of(config), of(&planned));
        planned.insert(nested.name.clone(), value);
    }
    Value::Object(planned)
}

/// What an attribute that the configuration leaves unset is planned to be; `None`: what Terraform proposes.
fn unset(attribute: &Attribute, create: bool) -> Option<Value> {
    match &attribute.default {
        Some(default) => Some(default.clone()),
        None if create && attribute.computed => Some(Value::unknown()),
        None => None,
    }
}

fn initial_nested(nested: &NestedBlock, prior: &Value, config: &Value, proposed: Value) -> Value {
    match (nested.nesting, config, proposed) {
        (Nesting::Single, config, proposed) => initial(&nested.block, prior, config, &proposed),
        (Nesting::List, Value::List(config), Value::List(proposed)) => {
            let null = Value::Null;
            let prior = prior.elements().unwrap_or_default();
            Value::list(proposed.iter().enumerate().map(|(index, proposed)| {
                let config = config.get(index).unwrap_or(&null);
                initial(&nested.block, prior.get(index).unwrap_or(&null), config, proposed)
            }))
        }
        (Nesting::List, _, proposed) => proposed,
    }
}

/// The paths whose change means to destroy and create anew: attributes and blocks marked `replace` that differ.
pub fn requires_replace(block: &Block, prior: &Value, planned: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    if !prior.is_null() && !planned.is_null() {
        replaced_in(block, prior, planned, &Path::root(), &mut paths);
    }
    paths
}

fn replaced_in(block: &Block, prior: &Value, planned: &Value, path: &Path, paths: &mut Vec<Path>) {
    let null = Value::Null;
    let of = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    for attribute in block.attributes.iter().filter(|attribute| attribute.replace) {
        let prior = of(prior, &attribute.name);
        // what must be set or is always computed is unset in one state only: the one that an import has just made
        let imported = prior.is_null() && (attribute.required || attribute.computed);
        if prior != of(planned, &attribute.name) && !imported {
            paths.push(path.attr(&attribute.name));
        }
    }
    for nested in &block.blocks {
        let (prior, planned) = (of(prior, &nested.name), of(planned, &nested.name));
        let path = path.attr(&nested.name);
        if nested.replace && prior != planned {
            paths.push(path);
            continue;
        }
        match nested.nesting {
            Nesting::Single => replaced_in(&nested.block, &prior, &planned, &path, paths),
            Nesting::List => {
                let (prior, planned) = (prior.elements().unwrap_or_default(), planned.elements().unwrap_or_default());
                for index in 0..prior.len().max(planned.len()) {
                    let at = |values: &[Value]| values.get(index).unwrap_or(&null).clone();
                    replaced_in(&nested.block, &at(prior), &at(planned), &path.index(index), paths);
                }
            }
        }
    }
}

/// Undoes what a detour through a [`Model`](crate::Model) loses: a struct can't say that a whole block, or an object
/// in a list, is unknown, nor what is known of an unknown value.
///
/// `before` is `original` after the detour, `after` what the resource made of it. Where both agree the resource changed
/// nothing, and the original stands.
#[must_use]
pub fn restore(original: &Value, before: &Value, after: &Value) -> Value {
    if before == after {
        return original.clone();
    }
    match (original, before, after) {
        (Value::Object(original), Value::Object(before), Value::Object(after)) => {
            Value::Object(restore_entries(original, before, after))
        }
        (Value::Map(original), Value::Map(before), Value::Map(after)) => {
            Value::Map(restore_entries(original, before, after))
        }
        (Value::List(original), Value::List(before), Value::List(after))
            if original.len() == before.len() && before.len() == after.len() =>
        {
            let parts = original.iter().zip(before).zip(after);
            Value::list(parts.map(|((original, before), after)| restore(original, before, after)))
        }
        _ => after.clone(),
    }
}

fn restore_entries(
    original: &BTreeMap<String, Value>,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    let restored = after.iter().map(|(name, after)| {
        let value = match (original.get(name), before.get(name)) {
            (Some(original), Some(before)) => restore(original, before, after),
            _ => after.clone(),
        };
        (name.clone(), value)
    });
    restored.collect()
}
