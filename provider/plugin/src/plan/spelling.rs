use std::collections::BTreeMap;

use crate::schema::{Block, NestedBlock, Nesting};
use crate::value::{Path, Value};

/// Spells what means the same in `value` as it is spelled in `before`: what the thing's server made of the user's words
/// is no change ([`Attribute::same_if`](crate::schema::Attribute::same_if)).
#[must_use]
pub fn respell(block: &Block, before: &Value, value: Value) -> Value {
    in_blocks(block, value, Some(Path::root()), &mut |block, path, values| {
        let Some(path) = path else { return };
        for attribute in &block.attributes {
            let (Some(sameness), Some(value)) = (&attribute.same_if, values.get_mut(&attribute.name)) else { continue };
            let before = before.at(&path.attr(&attribute.name)).unwrap_or(&Value::Null);
            if sameness.holds(before, value) {
                *value = before.clone();
            }
        }
    })
}

/// `value` without what may be in no plan and no state.
#[must_use]
pub fn without_write_only(block: &Block, value: Value) -> Value {
    in_blocks(block, value, Some(Path::root()), &mut |block, _, values| {
        for attribute in block.attributes.iter().filter(|attribute| attribute.write_only) {
            values.insert(attribute.name.clone(), Value::Null);
        }
    })
}

/// The write-only attributes that a configuration sets.
#[must_use]
pub fn write_only_set(block: &Block, config: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    in_blocks(block, config.clone(), Some(Path::root()), &mut |block, path, values| {
        let set = |name: &String| values.get(name).is_some_and(|value| !value.is_null());
        let write_only = block.attributes.iter().filter(|attribute| attribute.write_only && set(&attribute.name));
        // the elements of a set hold nothing write-only
        paths.extend(write_only.filter_map(|attribute| Some(path?.attr(&attribute.name))));
    });
    paths
}

/// `planned` with what is promised of each unknown value that the configuration leaves to the provider.
#[must_use]
pub fn promised(block: &Block, config: &Value, planned: Value) -> Value {
    in_blocks(block, planned, Some(Path::root()), &mut |block, path, values| {
        let Some(path) = path else { return };
        for attribute in block.attributes.iter().filter(|attribute| attribute.computed) {
            let Some(value) = values.get_mut(&attribute.name) else { continue };
            let configured = config.at(&path.attr(&attribute.name)).is_some_and(|config| !config.is_null());
            if value.is_unknown() && !configured {
                *value = attribute.unknown();
            }
        }
    })
}

type Visit<'a> = dyn FnMut(&Block, Option<&Path>, &mut BTreeMap<String, Value>) + 'a;

/// Block by block, with the path of each; those in a set have no address.
fn in_blocks(block: &Block, value: Value, path: Option<Path>, visit: &mut Visit<'_>) -> Value {
    let Value::Object(mut values) = value else { return value };
    visit(block, path.as_ref(), &mut values);
    for nested in &block.blocks {
        if let Some(value) = values.remove(&nested.name) {
            let path = path.as_ref().map(|path| path.attr(&nested.name));
            values.insert(nested.name.clone(), in_nested(nested, value, path, visit));
        }
    }
    Value::Object(values)
}

fn in_nested(nested: &NestedBlock, value: Value, path: Option<Path>, visit: &mut Visit<'_>) -> Value {
    let block = &nested.block;
    match (nested.nesting, value) {
        (Nesting::Single | Nesting::Group, value) => in_blocks(block, value, path, visit),
        (_, Value::List(values)) => {
            let at = |index| path.as_ref().map(|path| path.index(index));
            let values = values.into_iter().enumerate();
            Value::list(values.map(|(index, value)| in_blocks(block, value, at(index), visit)))
        }
        (_, Value::Map(values)) => {
            let at = |label: &str| path.as_ref().map(|path| path.key(label));
            let values = values.into_iter();
            Value::map(values.map(|(label, value)| {
                let value = in_blocks(block, value, at(&label), visit);
                (label, value)
            }))
        }
        (_, Value::Set(values)) => {
            Value::set(values.into_iter().map(|value| in_blocks(block, value, None, visit)).collect::<Vec<_>>())
        }
        (_, value) => value,
    }
}
