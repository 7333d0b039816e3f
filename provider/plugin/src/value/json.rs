//! JSON, as Terraform stores values in its state (provider-protocol.md 3.2).
//!
//! Numbers may have any number of digits, so they are read as text. A value of any type is
//! `{"type": …, "value": …}`. Attributes that are missing are null: the state may be older than the schema.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::codec::{Budget, CodecError, MAX_BYTES, Problem, Trail, nfc};
use super::msgpack::expected;
use super::{Number, Path, Type, Value};

type Result<T, E = CodecError> = std::result::Result<T, E>;

/// Reads a value of type `ty`. An attribute that is missing is null; one that the type does not have is an error.
pub fn decode(ty: &Type, bytes: &[u8]) -> Result<Value> {
    let root = Trail::Root;
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::new(root.path(), Problem::TooLarge));
    }
    let raw: &RawValue =
        serde_json::from_slice(bytes).map_err(|error| CodecError::new(Path::root(), json_problem(&error)))?;
    read(ty, raw, &root, 0, &mut Budget::default())
}

/// Writes a value of type `ty`. It must be wholly known.
pub fn encode(ty: &Type, value: &Value) -> Result<Vec<u8>> {
    let mut text = String::new();
    write(&mut text, ty, value, &Trail::Root, 0)?;
    if text.len() > MAX_BYTES {
        return Err(CodecError::new(Path::root(), Problem::TooLarge));
    }
    Ok(text.into_bytes())
}

// === Reader ===

/// A typed value is at most as deep as its type, so that reading a level again for each level is cheap.
fn read(ty: &Type, raw: &RawValue, path: &Trail<'_>, depth: usize, budget: &mut Budget) -> Result<Value> {
    budget.spend(path, depth)?;
    let text = raw.get();
    if text == "null" {
        return Ok(Value::Null);
    }
    match ty {
        Type::Bool => parse(ty, text, path).map(Value::Bool),
        Type::String => parse::<String>(ty, text, path).map(|text| Value::String(nfc(&text).into_owned())),
        Type::Number => {
            // Terraform also takes a number in quotes
            let quoted;
            let digits = if text.starts_with('"') {
                quoted = parse::<String>(ty, text, path)?;
                quoted.as_str()
            } else if text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
                text
            } else {
                return Err(mismatch(ty, text, path));
            };
            let number = digits.parse::<Number>().map_err(|error| CodecError::new(path.path(), error))?;
            Ok(Value::Number(number))
        }
        Type::List(element) => {
            elements(ty, text, path, |index, raw| read(element, raw, &path.index(index), depth + 1, budget))
                .map(Value::List)
        }
        Type::Set(element) => {
            elements(ty, text, path, |index, raw| read(element, raw, &path.index(index), depth + 1, budget))
                .map(Value::set)
        }
        Type::Tuple(types) => {
            let raws: Vec<&RawValue> = parse(ty, text, path)?;
            if raws.len() != types.len() {
                let problem = Problem::Length { expected: types.len(), found: raws.len() };
                return Err(CodecError::new(path.path(), problem));
            }
            types
                .iter()
                .zip(raws)
                .enumerate()
                .map(|(index, (ty, raw))| read(ty, raw, &path.index(index), depth + 1, budget))
                .collect::<Result<_>>()
                .map(Value::Tuple)
        }
        Type::Map(element) => {
            let raws: BTreeMap<String, &RawValue> = parse(ty, text, path)?;
            raws.into_iter()
                .map(|(key, raw)| {
                    let value = read(element, raw, &path.key(&key), depth + 1, budget)?;
                    Ok((nfc(&key).into_owned(), value))
                })
                .collect::<Result<_>>()
                .map(Value::Map)
        }
        Type::Object(object) => {
            let mut raws: BTreeMap<String, &RawValue> = parse(ty, text, path)?;
            let mut values = BTreeMap::new();
            for (name, ty) in &object.attributes {
                let value = match raws.remove(name) {
                    Some(raw) => read(ty, raw, &path.attr(name), depth + 1, budget)?,
                    None => Value::Null,
                };
                values.insert(name.clone(), value);
            }
            match raws.into_keys().next() {
                Some(name) => Err(CodecError::new(path.path(), Problem::Unexpected(name))),
                None => Ok(Value::Object(values)),
            }
        }
        Type::Dynamic => {
            let mut raws: BTreeMap<String, &RawValue> = parse(ty, text, path)?;
            let mut take = |name: &str| {
                raws.remove(name).ok_or_else(|| CodecError::new(path.path(), Problem::Missing(name.to_owned())))
            };
            let (ty, raw) = (take("type")?, take("value")?);
            let ty = Type::from_json_bytes(ty.get().as_bytes())
                .map_err(|error| CodecError::new(path.path(), error.problem))?;
            let value = read(&ty, raw, path, depth + 1, budget)?;
            Ok(Value::Dynamic(Box::new(ty), Box::new(value)))
        }
    }
}

fn elements(
    ty: &Type,
    text: &str,
    path: &Trail<'_>,
    mut read: impl FnMut(usize, &RawValue) -> Result<Value>,
) -> Result<Vec<Value>> {
    let raws: Vec<&RawValue> = parse(ty, text, path)?;
    raws.into_iter().enumerate().map(|(index, raw)| read(index, raw)).collect()
}

fn parse<'a, T: serde::Deserialize<'a>>(ty: &Type, text: &'a str, path: &Trail<'_>) -> Result<T> {
    serde_json::from_str(text).map_err(|_| mismatch(ty, text, path))
}

fn mismatch(ty: &Type, text: &str, path: &Trail<'_>) -> CodecError {
    let found = match text.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a bool",
        _ => "a number",
    };
    CodecError::new(path.path(), Problem::Mismatch { expected: expected(ty), found })
}

fn json_problem(error: &serde_json::Error) -> Problem {
    Problem::Json(format!("line {}, column {}", error.line(), error.column()))
}

// === Writer ===

fn write(text: &mut String, ty: &Type, value: &Value, path: &Trail<'_>, depth: usize) -> Result<()> {
    let fail = |problem: Problem| CodecError::new(path.path(), problem);
    Budget::default().spend(path, depth)?;
    match (ty, value) {
        (_, Value::Null) => text.push_str("null"),
        (_, Value::Unknown(_)) => return Err(fail(Problem::Unknown)),
        (Type::Bool, Value::Bool(truth)) => text.push_str(if *truth { "true" } else { "false" }),
        (Type::String, Value::String(string)) => quote(text, &nfc(string)),
        (Type::Number, Value::Number(number)) => text.push_str(&number.to_string()),
        (Type::List(element), Value::List(values)) | (Type::Set(element), Value::Set(values)) => {
            let values = values.iter().enumerate();
            sequence(text, ['[', ']'], values, |text, (index, value)| {
                write(text, element, value, &path.index(index), depth + 1)
            })?;
        }
        (Type::Tuple(types), Value::Tuple(values)) => {
            if types.len() != values.len() {
                return Err(fail(Problem::Length { expected: types.len(), found: values.len() }));
            }
            let values = types.iter().zip(values).enumerate();
            sequence(text, ['[', ']'], values, |text, (index, (ty, value))| {
                write(text, ty, value, &path.index(index), depth + 1)
            })?;
        }
        (Type::Map(element), Value::Map(values)) => sequence(text, ['{', '}'], values, |text, (key, value)| {
            quote(text, &nfc(key));
            text.push(':');
            write(text, element, value, &path.key(key), depth + 1)
        })?,
        (Type::Object(object), Value::Object(values)) => {
            if let Some(name) = values.keys().find(|name| !object.attributes.contains_key(*name)) {
                return Err(fail(Problem::Unexpected(name.clone())));
            }
            sequence(text, ['{', '}'], &object.attributes, |text, (name, ty)| {
                let value = match values.get(name) {
                    Some(value) => value,
                    None if object.optional.contains(name) => &Value::Null,
                    None => return Err(fail(Problem::Missing(name.clone()))),
                };
                quote(text, name);
                text.push(':');
                write(text, ty, value, &path.attr(name), depth + 1)
            })?;
        }
        (Type::Dynamic, Value::Dynamic(ty, value)) => {
            text.push_str("{\"type\":");
            text.push_str(&ty.to_json().to_string());
            text.push_str(",\"value\":");
            write(text, ty, value, path, depth + 1)?;
            text.push('}');
        }
        (ty, value) => {
            return Err(fail(Problem::Mismatch { expected: expected(ty), found: value.kind() }));
        }
    }
    Ok(())
}

fn sequence<T>(
    text: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T) -> Result<()>,
) -> Result<()> {
    text.push(open);
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        write(text, item)?;
    }
    text.push(close);
    Ok(())
}

fn quote(text: &mut String, string: &str) {
    text.push_str(&serde_json::Value::from(string).to_string());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use rstest::rstest;

    use super::*;
    use crate::value::ObjectType;

    fn ty(json: &str) -> Type {
        Type::from_json_bytes(json.as_bytes()).unwrap()
    }

    #[rstest]
    #[case(r#""number""#, "18446744073709551617", "18446744073709551617")]
    #[case(r#""number""#, r#""0.1""#, "0.1")]
    #[case(r#""number""#, "1e3", "1000")]
    #[case(r#""number""#, "-1.50", "-1.5")]
    #[case(r#""string""#, r#""e\u0301""#, "\"\u{e9}\"")]
    #[case(r#""string""#, "null", "null")]
    #[case(r#"["list","bool"]"#, "[ true , null ]", "[true,null]")]
    #[case(r#"["set","string"]"#, r#"["b","a","b"]"#, r#"["a","b"]"#)]
    #[case(r#"["map","string"]"#, r#"{"b":"1","a":"2"}"#, r#"{"a":"2","b":"1"}"#)]
    #[case(r#"["tuple",["string","number"]]"#, r#"["a",1]"#, r#"["a",1]"#)]
    #[case(r#"["object",{"a":"string","b":"number"}]"#, r#" {"b": 1} "#, r#"{"a":null,"b":1}"#)]
    #[case(r#""dynamic""#, r#"{"value":[1],"type":["list","number"]}"#, r#"{"type":["list","number"],"value":[1]}"#)]
    fn both_ways(#[case] kind: &str, #[case] json: &str, #[case] written: &str) {
        let ty = ty(kind);
        let value = decode(&ty, json.as_bytes()).unwrap();
        let bytes = encode(&ty, &value).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), written);
    }

    #[rstest]
    #[case(r#""number""#, "true", "expected a number, found a bool")]
    #[case(r#""number""#, r#""x""#, "not a decimal number")]
    #[case(r#""number""#, "1e999999", "a number of more than 4096 digits")]
    #[case(r#""string""#, "1", "expected a string, found a number")]
    #[case(r#""string""#, "", "not JSON: line 1, column 0")]
    #[case(r#""string""#, r#""a" "b""#, "not JSON: line 1, column 5")]
    #[case(r#"["list","string"]"#, r#"["a",{}]"#, "[1]: expected a string, found an object")]
    #[case(r#"["map","string"]"#, r#"{"k":1}"#, "[\"k\"]: expected a string, found a number")]
    #[case(r#"["object",{"a":"string"}]"#, r#"{"b":1}"#, "there is no attribute `b` here")]
    #[case(r#"["tuple",["string"]]"#, "[]", "expected 1 elements, found 0")]
    #[case(r#""dynamic""#, r#"{"type":"string"}"#, "the attribute `value` is missing")]
    #[case(r#""dynamic""#, r#"{"type":"text","value":1}"#, "not a type: \"text\"")]
    fn refused(#[case] kind: &str, #[case] json: &str, #[case] message: &str) {
        assert_eq!(decode(&ty(kind), json.as_bytes()).unwrap_err().to_string(), message);
    }

    #[test]
    fn any_type_in_any_type_ends() {
        let deep = format!("{}null{}", r#"{"type":"dynamic","value":"#.repeat(100), "}".repeat(100));
        assert_eq!(decode(&Type::Dynamic, deep.as_bytes()).unwrap_err().problem, Problem::TooDeep);
        let open = "[".repeat(1_000_000);
        decode(&Type::list(Type::String), open.as_bytes()).unwrap_err();
    }

    #[test]
    fn state_is_known() {
        let ty = Type::Object(ObjectType::default());
        assert_eq!(encode(&ty, &Value::unknown()).unwrap_err().problem, Problem::Unknown);
    }
}
