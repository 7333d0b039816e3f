use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value as Json, json};

use super::codec::{CodecError, MAX_DEPTH, Problem};
use super::{Path, Value};

/// The type of a value, in Terraform's own terms.
///
/// Both codecs are driven by it: the bytes alone do not say whether an array is a list, a set or a tuple, or
/// whether a text is a string or a number of many digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Unicode text, NFC-normalised.
    String,
    /// A decimal number of any size.
    Number,
    /// `true` or `false`.
    Bool,
    /// Any type: the value brings its own.
    Dynamic,
    /// An ordered sequence of one type.
    List(Box<Type>),
    /// An unordered collection of one type, without duplicates.
    Set(Box<Type>),
    /// Values of one type by a text key.
    Map(Box<Type>),
    /// A fixed set of named attributes.
    Object(ObjectType),
    /// A fixed sequence of types.
    Tuple(Vec<Type>),
}

/// The attributes of an object type.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectType {
    /// All attributes with their types.
    pub attributes: BTreeMap<String, Type>,
    /// Which of them a user may leave out; they then arrive as null (provider-protocol.md 3.3).
    pub optional: BTreeSet<String>,
}

impl Type {
    /// A list of `element`.
    pub fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    /// A set of `element`.
    pub fn set(element: Type) -> Self {
        Self::Set(Box::new(element))
    }

    /// A map of `element`.
    pub fn map(element: Type) -> Self {
        Self::Map(Box::new(element))
    }

    /// An object, all of whose attributes must be given.
    pub fn object<N: Into<String>>(attributes: impl IntoIterator<Item = (N, Type)>) -> Self {
        let attributes = attributes.into_iter().map(|(name, ty)| (name.into(), ty)).collect();
        Self::Object(ObjectType { attributes, optional: BTreeSet::new() })
    }

    /// The form that Terraform's wire format knows: `"string"`, `["list","string"]`,
    /// `["object",{"a":"string"},["a"]]`.
    pub fn to_json(&self) -> Json {
        match self {
            Self::String => "string".into(),
            Self::Number => "number".into(),
            Self::Bool => "bool".into(),
            Self::Dynamic => "dynamic".into(),
            Self::List(element) => json!(["list", element.to_json()]),
            Self::Set(element) => json!(["set", element.to_json()]),
            Self::Map(element) => json!(["map", element.to_json()]),
            Self::Tuple(elements) => {
                json!(["tuple", elements.iter().map(Self::to_json).collect::<Vec<_>>()])
            }
            Self::Object(ObjectType { attributes, optional }) => {
                let attributes: serde_json::Map<_, _> =
                    attributes.iter().map(|(name, ty)| (name.clone(), ty.to_json())).collect();
                if optional.is_empty() {
                    json!(["object", attributes])
                } else {
                    json!(["object", attributes, optional])
                }
            }
        }
    }

    /// The inverse of [`Type::to_json`]. Types nested deeper than 64 levels are refused.
    pub fn from_json(json: &Json) -> Result<Self, CodecError> {
        Self::from_json_at(json, 0).ok_or_else(|| CodecError::new(Path::root(), Problem::Type(shorten(json))))
    }

    /// [`Type::to_json`] as bytes, as the schema and dynamic values carry it.
    pub fn to_json_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// [`Type::from_json`] from bytes.
    pub fn from_json_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let json = serde_json::from_slice(bytes)
            .map_err(|error| CodecError::new(Path::root(), Problem::Json(error.to_string())))?;
        Self::from_json(&json)
    }

    fn from_json_at(json: &Json, depth: usize) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        let below = |json: &Json| Self::from_json_at(json, depth + 1);
        if let Some(name) = json.as_str() {
            return match name {
                "string" => Some(Self::String),
                "number" => Some(Self::Number),
                "bool" => Some(Self::Bool),
                "dynamic" => Some(Self::Dynamic),
                _ => None,
            };
        }
        let (kind, rest) = json.as_array()?.split_first()?;
        match (kind.as_str()?, rest) {
            ("list", [element]) => Some(Self::list(below(element)?)),
            ("set", [element]) => Some(Self::set(below(element)?)),
            ("map", [element]) => Some(Self::map(below(element)?)),
            ("tuple", [elements]) => Some(Self::Tuple(elements.as_array()?.iter().map(below).collect::<Option<_>>()?)),
            ("object", [attributes, optional @ ..]) if optional.len() <= 1 => {
                let attributes: BTreeMap<_, _> = attributes
                    .as_object()?
                    .iter()
                    .map(|(name, ty)| Some((name.clone(), below(ty)?)))
                    .collect::<Option<_>>()?;
                let optional: BTreeSet<_> = match optional.first() {
                    None => BTreeSet::new(),
                    Some(names) => names
                        .as_array()?
                        .iter()
                        .map(|name| name.as_str().filter(|n| attributes.contains_key(*n)).map(String::from))
                        .collect::<Option<_>>()?,
                };
                Some(Self::Object(ObjectType { attributes, optional }))
            }
            _ => None,
        }
    }

    /// Whether `value` is of this type. Null and unknown are of every type.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null | Value::Unknown(_))
            | (Self::String, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Bool, Value::Bool(_)) => true,
            (Self::Dynamic, Value::Dynamic(ty, value)) => ty.admits(value),
            (Self::List(element), Value::List(values)) | (Self::Set(element), Value::Set(values)) => {
                values.iter().all(|value| element.admits(value))
            }
            (Self::Map(element), Value::Map(values)) => values.values().all(|value| element.admits(value)),
            (Self::Tuple(elements), Value::Tuple(values)) => {
                elements.len() == values.len() && elements.iter().zip(values).all(|(ty, value)| ty.admits(value))
            }
            (Self::Object(object), Value::Object(values)) => {
                values.keys().all(|name| object.attributes.contains_key(name))
                    && object.attributes.iter().all(|(name, ty)| {
                        values.get(name).map_or(object.optional.contains(name), |value| ty.admits(value))
                    })
            }
            _ => false,
        }
    }
}

/// As the Registry documentation names types: `List of String`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => f.write_str("String"),
            Self::Number => f.write_str("Number"),
            Self::Bool => f.write_str("Boolean"),
            Self::Dynamic => f.write_str("Dynamic"),
            Self::List(element) => write!(f, "List of {element}"),
            Self::Set(element) => write!(f, "Set of {element}"),
            Self::Map(element) => write!(f, "Map of {element}"),
            Self::Object(_) => f.write_str("Object"),
            Self::Tuple(_) => f.write_str("Tuple"),
        }
    }
}

fn shorten(json: &Json) -> String {
    json.to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#""string""#, Type::String)]
    #[case(r#"["list",["map","number"]]"#, Type::list(Type::map(Type::Number)))]
    #[case(r#"["set","bool"]"#, Type::set(Type::Bool))]
    #[case(r#"["tuple",["string","dynamic"]]"#, Type::Tuple(vec![Type::String, Type::Dynamic]))]
    #[case(r#"["object",{"a":"string"}]"#, Type::object([("a", Type::String)]))]
    #[case(r#"["object",{"a":"string","b":"number"},["b"]]"#, Type::Object(ObjectType {
        attributes: [("a".into(), Type::String), ("b".into(), Type::Number)].into(),
        optional: ["b".into()].into(),
    }))]
    fn both_ways(#[case] json: &str, #[case] ty: Type) {
        assert_eq!(Type::from_json_bytes(json.as_bytes()).unwrap(), ty);
        assert_eq!(ty.to_json().to_string(), json);
    }

    #[rstest]
    #[case(r#""text""#)]
    #[case(r#"["list"]"#)]
    #[case(r#"["list","string","string"]"#)]
    #[case(r#"["object",{"a":"string"},["b"]]"#)]
    #[case(r#"["object",{"a":"string"},["a"],[]]"#)]
    #[case("[]")]
    #[case("7")]
    #[case("{")]
    fn refused(#[case] json: &str) {
        Type::from_json_bytes(json.as_bytes()).unwrap_err();
    }

    #[test]
    fn depth_is_limited() {
        let deep = format!("{}\"string\"{}", r#"["list","#.repeat(100), "]".repeat(100));
        Type::from_json_bytes(deep.as_bytes()).unwrap_err();
    }
}
