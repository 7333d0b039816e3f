use crate::schema::{Block, NestedBlock, Nesting};
use crate::value::Value;

use super::walk::{is_made_of, take};

/// What Terraform proposes to a provider: the configuration where it says something, else the prior value of what is
/// computed, else null. Blocks of a list correspond by their position, those with labels by their label, and those of
/// a set if the one before can be what became of the one that is configured now (provider-protocol.md 3.4).
pub fn proposed_new(block: &Block, prior: &Value, config: &Value) -> Value {
    let Value::Object(config) = config else { return config.clone() };
    let of = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    let attributes = block.attributes.iter().map(|attribute| {
        let name = &attribute.name;
        let value = match config.get(name) {
            Some(value) if !value.is_null() => value.clone(),
            _ if attribute.computed => of(prior, name),
            _ => Value::Null,
        };
        (name.clone(), value)
    });
    let blocks = block.blocks.iter().map(|nested| {
        let name = &nested.name;
        (name.clone(), of_block(nested, &of(prior, name), config.get(name).unwrap_or(&Value::Null)))
    });
    Value::object(attributes.chain(blocks))
}

fn of_block(nested: &NestedBlock, prior: &Value, config: &Value) -> Value {
    let block = &nested.block;
    match (nested.nesting, config) {
        (Nesting::Single | Nesting::Group, config) => proposed_new(block, prior, config),
        (Nesting::List, Value::List(config)) => {
            let prior = prior.elements().unwrap_or_default();
            let prior = |index| prior.get(index).unwrap_or(&Value::Null);
            Value::list(config.iter().enumerate().map(|(index, config)| proposed_new(block, prior(index), config)))
        }
        (Nesting::Map, Value::Map(config)) => Value::map(config.iter().map(|(label, config)| {
            (label.clone(), proposed_new(block, prior.get(label).unwrap_or(&Value::Null), config))
        })),
        (Nesting::Set, Value::Set(config)) => {
            let mut priors: Vec<_> = prior.elements().unwrap_or_default().iter().collect();
            Value::set(config.iter().map(|config| {
                let prior = take(&mut priors, |prior| is_made_of(block, prior, config));
                proposed_new(block, prior.unwrap_or(&Value::Null), config)
            }))
        }
        (Nesting::List | Nesting::Map | Nesting::Set, config) => config.clone(),
    }
}
