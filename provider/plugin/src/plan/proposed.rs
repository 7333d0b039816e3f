use crate::schema::{Block, NestedBlock, Nesting};
use crate::value::Value;

/// What Terraform proposes to a provider: the configuration where it says something, else the prior value of what is
/// computed, else null. Blocks of a list correspond by their position (provider-protocol.md 3.4).
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
    match (nested.nesting, config) {
        (Nesting::Single, config) => proposed_new(&nested.block, prior, config),
        (Nesting::List, Value::List(config)) => {
            let prior = prior.elements().unwrap_or_default();
            Value::list(
                config.iter().enumerate().map(|(index, config)| {
                    proposed_new(&nested.block, prior.get(index).unwrap_or(&Value::Null), config)
                }),
            )
        }
        (Nesting::List, config) => config.clone(),
    }
}
