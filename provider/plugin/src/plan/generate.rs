use std::collections::BTreeMap;

use crate::resource::TIMEOUTS;
use crate::schema::{Attribute, Block, NestedBlock, Nesting, Relation};
use crate::value::Value;

/// A configuration that plans no change of what is in `state`, as short as a user would write it: without what only the
/// provider sets, what is as it is by default, and what excludes each other.
///
/// Terraform writes it into a file when a user imports something and asks for its configuration.
#[must_use]
pub fn config_of(block: &Block, state: &Value) -> Value {
    let Value::Object(state) = state else { return state.clone() };
    let of = |name: &str| state.get(name).cloned().unwrap_or_default();
    let mut config: BTreeMap<_, _> = block
        .attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), written(attribute, of(&attribute.name))))
        .collect();
    for nested in &block.blocks {
        config.insert(nested.name.clone(), written_block(nested, of(&nested.name)));
    }
    for relation in &block.relations {
        if !matches!(relation, Relation::AtLeastOne(_)) {
            let mut set =
                relation.names().into_iter().filter(|name| config.get(*name).is_some_and(|one| !one.is_null()));
            set.next();
            let others: Vec<_> = set.map(str::to_owned).collect();
            for name in others.into_iter().filter(|name| block.attribute(name).is_some()) {
                config.insert(name, Value::Null);
            }
        }
    }
    Value::Object(config)
}

fn written(attribute: &Attribute, value: Value) -> Value {
    let by_user = attribute.required || (attribute.optional && attribute.deprecated.is_none());
    if !by_user || attribute.default.as_ref() == Some(&value) { Value::Null } else { value }
}

fn written_block(nested: &NestedBlock, value: Value) -> Value {
    let block = &nested.block;
    match (nested.nesting, value) {
        // it is about runs, not about the thing
        (Nesting::Single, _) if nested.name == TIMEOUTS => Value::Null,
        (_, Value::List(values)) => Value::list(values.iter().map(|value| config_of(block, value))),
        (_, Value::Set(values)) => Value::set(values.iter().map(|value| config_of(block, value))),
        (_, Value::Map(values)) => {
            Value::map(values.iter().map(|(label, value)| (label.clone(), config_of(block, value))))
        }
        (_, value) => config_of(block, &value),
    }
}
