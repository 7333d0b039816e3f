//! Through a plan, block by block, with the parts of the prior state and of the configuration that belong to each.

use std::collections::BTreeMap;

use crate::schema::{Block, NestedBlock, Nesting};
use crate::value::Value;

/// What is done with the attributes of a block; the prior state is null if the block is new.
pub(super) type Visit<'a> = dyn FnMut(&Block, &Value, &Value, &mut BTreeMap<String, Value>) + 'a;

/// Rebuilds the planned value of `block`, and of the blocks in it.
pub(super) fn rebuild(block: &Block, prior: &Value, config: &Value, planned: Value, visit: &mut Visit<'_>) -> Value {
    let (Value::Object(mut values), Value::Object(_)) = (planned.clone(), config) else { return planned };
    visit(block, prior, config, &mut values);
    for nested in &block.blocks {
        let of = |value: &Value| value.get(&nested.name).cloned().unwrap_or_default();
        let planned = values.remove(&nested.name).unwrap_or_default();
        values.insert(nested.name.clone(), rebuild_nested(nested, &of(prior), &of(config), planned, visit));
    }
    Value::Object(values)
}

fn rebuild_nested(nested: &NestedBlock, prior: &Value, config: &Value, planned: Value, visit: &mut Visit<'_>) -> Value {
    let block = &nested.block;
    match (nested.nesting, config, planned) {
        (Nesting::Single | Nesting::Group, config, planned) => rebuild(block, prior, config, planned, visit),
        (Nesting::List, Value::List(config), Value::List(planned)) => {
            let prior = prior.elements().unwrap_or_default();
            let at = |values: &[Value], index| values.get(index).cloned().unwrap_or_default();
            let planned = planned.into_iter().enumerate();
            Value::list(
                planned.map(|(index, value)| rebuild(block, &at(prior, index), &at(config, index), value, visit)),
            )
        }
        (Nesting::Map, Value::Map(config), Value::Map(planned)) => {
            let of = |value: Option<&Value>| value.cloned().unwrap_or_default();
            let planned = planned.into_iter();
            Value::Map(
                planned
                    .map(|(label, value)| {
                        let (prior, config) = (of(prior.get(&label)), of(config.get(&label)));
                        (label, rebuild(block, &prior, &config, value, visit))
                    })
                    .collect(),
            )
        }
        (Nesting::Set, Value::Set(config), Value::Set(planned)) => {
            let mut configs: Vec<_> = config.iter().collect();
            let mut priors: Vec<_> = prior.elements().unwrap_or_default().iter().collect();
            let planned: Vec<_> = planned
                .into_iter()
                .map(|value| {
                    let config = take(&mut configs, |config| is_made_of(block, &value, config));
                    // what nobody wrote is taken as it is
                    let config = config.cloned().unwrap_or_else(|| value.clone());
                    let prior = take(&mut priors, |prior| is_made_of(block, prior, &config));
                    rebuild(block, prior.unwrap_or(&Value::Null), &config, value, visit)
                })
                .collect();
            Value::set(planned)
        }
        (Nesting::List | Nesting::Map | Nesting::Set, _, planned) => planned,
    }
}

/// The first element that fits. Each fits once.
pub(super) fn take<'a>(values: &mut Vec<&'a Value>, fits: impl Fn(&Value) -> bool) -> Option<&'a Value> {
    let position = values.iter().position(|value| fits(value))?;
    Some(values.remove(position))
}

/// Whether the block `value` can be what became of `config`: the same wherever the user wrote something, and null where the
/// user wrote nothing and nobody computes anything. So the elements of sets find those that they were before.
pub(super) fn is_made_of(block: &Block, value: &Value, config: &Value) -> bool {
    let (Value::Object(values), Value::Object(configs)) = (value, config) else { return false };
    let null = Value::Null;
    let attributes = block.attributes.iter().all(|attribute| {
        let value = values.get(&attribute.name).unwrap_or(&null);
        match configs.get(&attribute.name).unwrap_or(&null) {
            _ if attribute.write_only => true,
            Value::Null => attribute.computed || value.is_null(),
            config => value == config,
        }
    });
    let below = |nested: &NestedBlock| {
        let of = |values: &BTreeMap<String, Value>| values.get(&nested.name).cloned().unwrap_or_default();
        blocks_are_made_of(nested, &of(values), &of(configs))
    };
    attributes && block.blocks.iter().all(below)
}

fn blocks_are_made_of(nested: &NestedBlock, value: &Value, config: &Value) -> bool {
    let block = &nested.block;
    match (value, config) {
        (Value::List(values), Value::List(configs)) => {
            values.len() == configs.len()
                && values.iter().zip(configs).all(|(value, config)| is_made_of(block, value, config))
        }
        (Value::Map(values), Value::Map(configs)) => {
            values.keys().eq(configs.keys())
                && values.values().zip(configs.values()).all(|(value, config)| is_made_of(block, value, config))
        }
        (Value::Set(values), Value::Set(configs)) => {
            let mut configs: Vec<_> = configs.iter().collect();
            values.len() == configs.len()
                && values.iter().all(|value| take(&mut configs, |config| is_made_of(block, value, config)).is_some())
        }
        (Value::Object(_), Value::Object(_)) => is_made_of(block, value, config),
        (value, config) => value == config,
    }
}
