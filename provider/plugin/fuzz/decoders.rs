//! What must hold for any bytes: a decoder refuses them, or takes them and gives back a value that survives the way there
//! and back. It never panics, never hangs, never eats the memory.
//!
//! One function a decoder, fit for a fuzzer; `tests/decoders.rs` runs them.

use terraform_plugin::{
    Type, format_duration, parse_duration,
    value::{json, msgpack},
};

/// What the bytes are decoded as: the first byte of the input chooses.
fn types() -> Vec<Type> {
    let object = Type::object([
        ("a", Type::String),
        ("n", Type::Number),
        ("deep", Type::map(Type::list(Type::set(Type::Bool)))),
        ("any", Type::Dynamic),
    ]);
    vec![
        Type::String,
        Type::Number,
        Type::Bool,
        Type::Dynamic,
        Type::list(Type::String),
        Type::set(Type::Number),
        Type::map(Type::Dynamic),
        Type::Tuple(vec![Type::String, Type::Number, object.clone()]),
        Type::list(object.clone()),
        object,
    ]
}

fn chosen(data: &[u8]) -> Option<(Type, &[u8])> {
    let (first, rest) = data.split_first()?;
    let types = types();
    let ty = types.get(usize::from(*first) % types.len())?.clone();
    Some((ty, rest))
}

/// `DynamicValue.msgpack`.
pub fn msgpack(data: &[u8]) {
    let Some((ty, bytes)) = chosen(data) else { return };
    let Ok(value) = msgpack::decode(&ty, bytes) else { return };
    assert!(ty.admits(&value), "{ty:?} took {value:?}");
    let Ok(encoded) = msgpack::encode(&ty, &value) else { panic!("what was decoded can't be encoded: {value:?}") };
    let again = msgpack::decode(&ty, &encoded);
    // what is unknown may be told with less detail than it came with
    match value.is_wholly_known() {
        true => assert_eq!(again.as_ref(), Ok(&value)),
        false => assert!(again.is_ok(), "{value:?}"),
    }
}

/// `DynamicValue.json`, and the states of an older Terraform.
pub fn json(data: &[u8]) {
    let Some((ty, bytes)) = chosen(data) else { return };
    let Ok(value) = json::decode(&ty, bytes) else { return };
    assert!(ty.admits(&value), "{ty:?} took {value:?}");
    let Ok(encoded) = json::encode(&ty, &value) else { panic!("what was decoded can't be encoded: {value:?}") };
    assert_eq!(json::decode(&ty, &encoded).as_ref(), Ok(&value));
    // and by the other codec: both must mean the same
    let Ok(packed) = msgpack::encode(&ty, &value) else { panic!("JSON has what msgpack has not: {value:?}") };
    assert_eq!(msgpack::decode(&ty, &packed).as_ref(), Ok(&value));
}

/// A type, as it comes with every dynamic value, and a value of it.
pub fn types_and_values(data: &[u8]) {
    let split = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (ty, bytes) = data.split_at(split);
    let Ok(ty) = Type::from_json_bytes(ty) else { return };
    assert_eq!(Type::from_json_bytes(&ty.to_json_bytes()).as_ref(), Ok(&ty));
    if let Ok(value) = json::decode(&ty, bytes.get(1..).unwrap_or_default()) {
        assert!(ty.admits(&value), "{ty:?} took {value:?}");
    }
}

/// What a user writes into a `timeouts` block.
pub fn durations(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(duration) = parse_duration(text) {
        let written = format_duration(duration);
        // fractions of a second are for nobody's eyes
        if duration.subsec_nanos() == 0 {
            assert_eq!(parse_duration(&written).as_ref(), Ok(&duration), "{text} was written as {written}");
        }
    }
}
