//! State as it was written, in the shape of today.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::check;
use crate::{Fault, Path, Schema, Type, Value, resource::Chain, schema::Block, value::json};

/// Reads stored state. Terraform asks for this on every read, also when the versions are the same.
///
/// What the schema doesn't have is dropped, what it has and the state lacks is null.
pub(crate) fn upgrade(
    name: &str,
    schema: &Schema,
    chain: Option<&Chain>,
    version: i64,
    state: &[u8],
) -> Result<Value, Fault> {
    if version < schema.version
        && let Some(chain) = chain
    {
        if chain.newest != schema.version {
            let problem = format!("the upgrades end with version {}, not {}", chain.newest, schema.version);
            return Err(check::violations("Incomplete upgrades", name, vec![(Path::root(), problem)]).into());
        }
        if let Some(value) = chain.upgrade(version, state)? {
            check::wholly_known(name, &value)?;
            return Ok(value);
        }
    }
    if version != schema.version {
        let way_out = if version > schema.version {
            "It was written by a newer version of the provider: use that one, or a later one."
        } else {
            "This version of the provider can't read it: apply once with a version between the two."
        };
        return Err(Fault::new(
            "Unreadable state",
            format!(
                "The state of `{name}` has version {version}, this provider knows version {}. {way_out}",
                schema.version
            ),
        ));
    }
    stored(&schema.block, state)
}

/// Reads a state by the shape of a block.
pub(crate) fn stored(block: &Block, state: &[u8]) -> Result<Value, Fault> {
    Ok(block.conform(typed(&block.ty(), state)?))
}

/// Reads what is stored of a type.
pub(crate) fn typed(ty: &Type, stored: &[u8]) -> Result<Value, Fault> {
    let pruned = serde_json::from_slice(stored).ok().map(|raw: &RawValue| pruned(ty, raw));
    Ok(json::decode(ty, pruned.as_deref().map_or(stored, str::as_bytes))?)
}

/// Drops the attributes that the type doesn't have, at any depth. Works on the text, so that numbers keep their digits; what
/// isn't of the type is left for the decoder to name.
fn pruned(ty: &Type, raw: &RawValue) -> String {
    let text = raw.get();
    match ty {
        Type::Object(object) => match serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
            Ok(attributes) => braces(attributes.iter().filter_map(|(name, raw)| {
                let ty = object.attributes.get(name)?;
                Some((name, pruned(ty, raw)))
            })),
            Err(_) => text.to_owned(),
        },
        Type::Map(element) => match serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
            Ok(elements) => braces(elements.iter().map(|(key, raw)| (key, pruned(element, raw)))),
            Err(_) => text.to_owned(),
        },
        Type::List(element) | Type::Set(element) => match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(elements) => brackets(elements.iter().map(|raw| pruned(element, raw))),
            Err(_) => text.to_owned(),
        },
        Type::Tuple(types) => match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(elements) if elements.len() == types.len() => {
                brackets(types.iter().zip(elements).map(|(ty, raw)| pruned(ty, raw)))
            }
            _ => text.to_owned(),
        },
        Type::String | Type::Number | Type::Bool | Type::Dynamic => text.to_owned(),
    }
}

fn braces<'a>(entries: impl Iterator<Item = (&'a String, String)>) -> String {
    let entries: Vec<_> =
        entries.map(|(key, value)| format!("{}:{value}", serde_json::Value::from(key.as_str()))).collect();
    format!("{{{}}}", entries.join(","))
}

fn brackets(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::schema::Attribute;

    #[test]
    fn what_is_gone_is_dropped_at_any_depth_and_numbers_keep_their_digits() {
        let part = Type::object([("n", Type::Number), ("new", Type::String)]);
        let block = Block::new("A thing.")
            .with(Attribute::new("parts", Type::list(part.clone()), "Parts.").optional())
            .with(Attribute::new("by_name", Type::map(part), "By name.").optional());
        let schema = Schema { version: 3, block };
        let stored = r#"{
            "gone": {"x": [1]},
            "parts": [ {"n": 18446744073709551617, "old": true}, null ],
            "by_name": {"a\"b": {"n": 0.1}}
        }"#;
        let value = upgrade("a_thing", &schema, None, 3, stored.as_bytes()).unwrap();
        let part = |n: &str| Value::object([("n", Value::Number(n.parse().unwrap())), ("new", Value::Null)]);
        let expected = Value::object([
            ("parts", Value::list([part("18446744073709551617"), Value::Null])),
            ("by_name", Value::map([("a\"b", part("0.1"))])),
        ]);
        assert_eq!(value, expected);
    }

    #[test]
    fn what_is_of_another_type_is_named() {
        let schema =
            Schema { version: 0, block: Block::new("").with(Attribute::new("n", Type::Number, "").optional()) };
        for stored in ["{\"n\": {}}", "[]", "{", ""] {
            let fault = upgrade("a_thing", &schema, None, 0, stored.as_bytes()).unwrap_err();
            assert_eq!(fault.diagnostics.len(), 1, "{stored}");
        }
    }

    #[test]
    fn another_version_is_refused_with_a_way_out() {
        let schema = Schema { version: 2, ..Schema::default() };
        let newer = upgrade("a_thing", &schema, None, 3, b"{}").unwrap_err().to_string();
        assert!(newer.contains("newer version"), "{newer}");
        let older = upgrade("a_thing", &schema, None, 1, b"{}").unwrap_err().to_string();
        assert!(older.contains("between the two"), "{older}");
    }
}
