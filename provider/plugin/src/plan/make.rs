use std::collections::BTreeMap;

use crate::schema::{Attribute, Block, Recomputed};
use crate::value::Value;

use super::walk::{Visit, rebuild};

/// The plan before the resource has its say. `proposed` is what Terraform proposes: the configuration, and prior
/// values of computed attributes where the configuration says nothing.
///
/// - what is write-only is null;
/// - where the configuration says nothing and there is a default, the default;
/// - on create (`prior` is null), and in blocks that the prior state does not have: what is computed and not set is
///   unknown, with what is promised of it;
/// - on update: what is computed and not set keeps its prior value. Marking it unknown if nothing changes would make a
///   plan that is never empty;
/// - what means the same as before is spelled as before ([`Attribute::same_if`]);
/// - [`Attribute::modify`] has its say;
/// - on update: what is computed anew because of all that is unknown ([`Attribute::changes_with`],
///   [`Attribute::volatile`]).
pub fn initial(block: &Block, prior: &Value, config: &Value, proposed: &Value) -> Value {
    let planned = rebuild(block, prior, config, proposed.clone(), &mut |block, prior, config, planned| {
        for attribute in &block.attributes {
            fill(attribute, prior, config, planned);
        }
    });
    let changed = planned != *prior;
    let mut anew = |block: &Block, prior: &Value, config: &Value, planned: &mut BTreeMap<String, Value>| {
        if !prior.is_null() {
            recompute(block, changed, prior, config, planned);
        }
    };
    let anew: &mut Visit<'_> = &mut anew;
    rebuild(block, prior, config, planned, anew)
}

fn fill(attribute: &Attribute, prior: &Value, config: &Value, planned: &mut BTreeMap<String, Value>) {
    static NULL: Value = Value::Null;
    let name = &attribute.name;
    let (before, config) = (prior.get(name).unwrap_or(&NULL), config.get(name).unwrap_or(&NULL));
    let mut value = planned.remove(name).unwrap_or_default();
    if attribute.write_only {
        value = Value::Null;
    } else if config.is_null() {
        match &attribute.default {
            Some(default) => value = default.clone(),
            None if prior.is_null() && attribute.computed => value = attribute.unknown(),
            None => {}
        }
    } else if attribute.same_if.is_some_and(|sameness| sameness.holds(before, config)) {
        value = before.clone();
    }
    if let Some(modifier) = &attribute.modifier {
        let before = if prior.is_null() { None } else { Some(before) };
        value = modifier.modified(config, before, &value);
    }
    planned.insert(name.clone(), value);
}

/// What is computed anew may make more of it so, until nothing more does.
fn recompute(block: &Block, changed: bool, prior: &Value, config: &Value, planned: &mut BTreeMap<String, Value>) {
    let unset = |attribute: &Attribute| attribute.computed && config.get(&attribute.name).is_none_or(Value::is_null);
    let differs = |planned: &BTreeMap<String, Value>, name: &str| planned.get(name) != prior.get(name);
    loop {
        let affected = |attribute: &&Attribute| {
            unset(attribute)
                && !planned.get(&attribute.name).is_some_and(Value::is_unknown)
                && match &attribute.recomputed {
                    Recomputed::Never => false,
                    Recomputed::Always => changed,
                    Recomputed::With(names) => names.iter().any(|name| differs(planned, name)),
                }
        };
        let Some(attribute) = block.attributes.iter().find(affected) else { return };
        planned.insert(attribute.name.clone(), attribute.unknown());
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
