//! JSON, as Terraform stores values in its state (provider-protocol.md 3.2).
//!
//! Numbers may have any number of digits, so they are read as text. A value of any type is
//! `{"type": …, "value": …}`. Attributes that are missing are null: the state may be older than the schema.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
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
    read(ty, bytes, &root, 0, &mut Budget::default())
}

/// Writes a value of type `ty`. It must be wholly known.
pub fn encode(ty: &Type, value: &Value) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    write(&mut text, ty, value, &Trail::Root, 0)?;
    if text.len() > MAX_BYTES {
        return Err(CodecError::new(Path::root(), Problem::TooLarge));
    }
    Ok(text)
}

// === Reader ===

fn read(ty: &Type, json: &[u8], path: &Trail<'_>, depth: usize, budget: &mut Budget) -> Result<Value> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_slice(json);
    let reader = Reader { ty, path, depth, budget, found: &mut found };
    let read = reader.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|error| found.unwrap_or_else(|| CodecError::new(Path::root(), json_problem(&error))))
}

/// Reads one value as its type asks for, in one pass over the text.
struct Reader<'r> {
    ty: &'r Type,
    path: &'r Trail<'r>,
    depth: usize,
    budget: &'r mut Budget,
    /// What is wrong, if it is not the JSON: serde's errors carry only text.
    found: &'r mut Option<CodecError>,
}

impl Reader<'_> {
    fn below<'r>(&'r mut self, ty: &'r Type, path: &'r Trail<'r>) -> Reader<'r> {
        Reader { ty, path, depth: self.depth + 1, budget: self.budget, found: self.found }
    }

    fn fail<T, E: de::Error>(&mut self, problem: impl Into<Problem>) -> Result<T, E> {
        *self.found = Some(CodecError::new(self.path.path(), problem));
        Err(E::custom("no value of the type"))
    }

    fn mismatch<T, E: de::Error>(&mut self, found: &'static str) -> Result<T, E> {
        self.fail(Problem::Mismatch { expected: expected(self.ty), found })
    }

    /// Terraform also takes a number in quotes.
    fn number<E: de::Error>(&mut self, text: &str) -> Result<Value, E> {
        let quoted;
        let digits = match text.as_bytes().first() {
            Some(b'n') => return Ok(Value::Null),
            Some(b'"') => {
                quoted = serde_json::from_str::<String>(text).map_err(E::custom)?;
                &quoted
            }
            Some(b'{') => return self.mismatch("an object"),
            Some(b'[') => return self.mismatch("an array"),
            Some(b't' | b'f') => return self.mismatch("a bool"),
            _ => text,
        };
        match digits.parse::<Number>() {
            Ok(number) => Ok(Value::Number(number)),
            Err(error) => self.fail(error),
        }
    }

    /// The type may come after the value.
    fn dynamic<'de, A: MapAccess<'de>>(&mut self, mut entries: A) -> Result<Value, A::Error> {
        let (mut ty, mut value) = (None, None);
        while let Some(name) = entries.next_key::<String>()? {
            let raw = entries.next_value::<&RawValue>()?.get().as_bytes();
            match name.as_str() {
                "type" => ty = Some(raw),
                "value" => value = Some(raw),
                _ => {}
            }
        }
        let Some(ty) = ty else { return self.fail(Problem::Missing("type".into())) };
        let Some(value) = value else { return self.fail(Problem::Missing("value".into())) };
        let ty = match Type::from_json_bytes(ty) {
            Ok(ty) => ty,
            Err(error) => return self.fail(error.problem),
        };
        match read(&ty, value, self.path, self.depth + 1, self.budget) {
            Ok(value) => Ok(Value::Dynamic(Box::new(ty), Box::new(value))),
            Err(error) => {
                *self.found = Some(error);
                Err(de::Error::custom("no value of its own type"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(mut self, json: D) -> Result<Value, D::Error> {
        if let Err(error) = self.budget.spend(self.path, self.depth) {
            *self.found = Some(error);
            return Err(de::Error::custom("beyond a limit"));
        }
        match self.ty {
            // all its digits
            Type::Number => {
                let raw = <&RawValue as de::Deserialize>::deserialize(json)?;
                self.number(raw.get())
            }
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(expected(self.ty))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(mut self, truth: bool) -> Result<Value, E> {
        match self.ty {
            Type::Bool => Ok(Value::Bool(truth)),
            _ => self.mismatch("a bool"),
        }
    }

    fn visit_i64<E: de::Error>(mut self, _: i64) -> Result<Value, E> {
        self.mismatch("a number")
    }

    fn visit_u64<E: de::Error>(mut self, _: u64) -> Result<Value, E> {
        self.mismatch("a number")
    }

    fn visit_f64<E: de::Error>(mut self, _: f64) -> Result<Value, E> {
        self.mismatch("a number")
    }

    fn visit_str<E: de::Error>(mut self, text: &str) -> Result<Value, E> {
        match self.ty {
            Type::String => Ok(Value::String(nfc(text).into_owned())),
            _ => self.mismatch("a string"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Value, A::Error> {
        let ty = self.ty;
        let mut values = Vec::new();
        match ty {
            Type::List(element) | Type::Set(element) => {
                let path = self.path;
                while let Some(value) = elements.next_element_seed(self.below(element, &path.index(values.len())))? {
                    values.push(value);
                }
                Ok(if matches!(ty, Type::Set(_)) { Value::set(values) } else { Value::List(values) })
            }
            Type::Tuple(types) => {
                let path = self.path;
                for (index, ty) in types.iter().enumerate() {
                    match elements.next_element_seed(self.below(ty, &path.index(index)))? {
                        Some(value) => values.push(value),
                        None => return self.fail(Problem::Length { expected: types.len(), found: index }),
                    }
                }
                let mut found = types.len();
                while elements.next_element::<de::IgnoredAny>()?.is_some() {
                    found += 1;
                }
                match found == types.len() {
                    true => Ok(Value::Tuple(values)),
                    false => self.fail(Problem::Length { expected: types.len(), found }),
                }
            }
            _ => self.mismatch("an array"),
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let path = self.path;
        let mut values = BTreeMap::new();
        match self.ty {
            Type::Map(element) => {
                while let Some(key) = entries.next_key::<String>()? {
                    let value = entries.next_value_seed(self.below(element, &path.key(&key)))?;
                    values.insert(if key.is_ascii() { key } else { nfc(&key).into_owned() }, value);
                }
                Ok(Value::Map(values))
            }
            Type::Object(object) => {
                while let Some(name) = entries.next_key::<String>()? {
                    let Some(ty) = object.attributes.get(&name) else { return self.fail(Problem::Unexpected(name)) };
                    let value = entries.next_value_seed(self.below(ty, &path.attr(&name)))?;
                    values.insert(name, value);
                }
                if values.len() < object.attributes.len() {
                    for name in object.attributes.keys() {
                        if !values.contains_key(name) {
                            values.insert(name.clone(), Value::Null);
                        }
                    }
                }
                Ok(Value::Object(values))
            }
            Type::Dynamic => self.dynamic(entries),
            _ => self.mismatch("an object"),
        }
    }
}

fn json_problem(error: &serde_json::Error) -> Problem {
    Problem::Json(format!("line {}, column {}", error.line(), error.column()))
}

// === Writer ===

fn write(text: &mut Vec<u8>, ty: &Type, value: &Value, path: &Trail<'_>, depth: usize) -> Result<()> {
    let fail = |problem: Problem| CodecError::new(path.path(), problem);
    Budget::default().spend(path, depth)?;
    match (ty, value) {
        (_, Value::Null) => text.extend(b"null"),
        (_, Value::Unknown(_)) => return Err(fail(Problem::Unknown)),
        (Type::Bool, Value::Bool(truth)) => text.extend(if *truth { "true" } else { "false" }.as_bytes()),
        (Type::String, Value::String(string)) => quote(text, &nfc(string), path)?,
        (Type::Number, Value::Number(number)) => text.extend(number.to_string().as_bytes()),
        (Type::List(element), Value::List(values)) | (Type::Set(element), Value::Set(values)) => {
            let values = values.iter().enumerate();
            sequence(text, [b'[', b']'], values, |text, (index, value)| {
                write(text, element, value, &path.index(index), depth + 1)
            })?;
        }
        (Type::Tuple(types), Value::Tuple(values)) => {
            if types.len() != values.len() {
                return Err(fail(Problem::Length { expected: types.len(), found: values.len() }));
            }
            let values = types.iter().zip(values).enumerate();
            sequence(text, [b'[', b']'], values, |text, (index, (ty, value))| {
                write(text, ty, value, &path.index(index), depth + 1)
            })?;
        }
        (Type::Map(element), Value::Map(values)) => sequence(text, [b'{', b'}'], values, |text, (key, value)| {
            quote(text, &nfc(key), path)?;
            text.push(b':');
            write(text, element, value, &path.key(key), depth + 1)
        })?,
        (Type::Object(object), Value::Object(values)) => {
            if let Some(name) = values.keys().find(|name| !object.attributes.contains_key(*name)) {
                return Err(fail(Problem::Unexpected(name.clone())));
            }
            sequence(text, [b'{', b'}'], &object.attributes, |text, (name, ty)| {
                let value = match values.get(name) {
                    Some(value) => value,
                    None if object.optional.contains(name) => &Value::Null,
                    None => return Err(fail(Problem::Missing(name.clone()))),
                };
                quote(text, name, path)?;
                text.push(b':');
                write(text, ty, value, &path.attr(name), depth + 1)
            })?;
        }
        (Type::Dynamic, Value::Dynamic(ty, value)) => {
            text.extend(b"{\"type\":");
            text.extend(ty.to_json_bytes());
            text.extend(b",\"value\":");
            write(text, ty, value, path, depth + 1)?;
            text.push(b'}');
        }
        (ty, value) => {
            return Err(fail(Problem::Mismatch { expected: expected(ty), found: value.kind() }));
        }
    }
    Ok(())
}

fn sequence<T>(
    text: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T) -> Result<()>,
) -> Result<()> {
    text.push(open);
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            text.push(b',');
        }
        write(text, item)?;
    }
    text.push(close);
    Ok(())
}

/// Writing to memory does not fail.
fn quote(text: &mut Vec<u8>, string: &str, path: &Trail<'_>) -> Result<()> {
    serde_json::to_writer(text, string).map_err(|error| CodecError::new(path.path(), json_problem(&error)))
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
