use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::codec::nfc;
use super::{Number, Path, Refinement, Step, Type};

/// A value of Terraform: null, unknown or known.
///
/// Equality and order are those of Terraform: numbers compare numerically, the order of a set's elements does
/// not matter.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Not set.
    #[default]
    Null,
    /// To be known after apply, or, in a configuration, after something else was applied; and what is known of it already.
    Unknown(Option<Box<Refinement>>),
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(String),
    /// Elements in order.
    List(Vec<Value>),
    /// Elements without order.
    Set(Vec<Value>),
    /// Elements by key.
    Map(BTreeMap<String, Value>),
    /// Attributes by name.
    Object(BTreeMap<String, Value>),
    /// Elements in order, each of its own type.
    Tuple(Vec<Value>),
    /// A value of [`Type::Dynamic`] with the type that it brings.
    Dynamic(Box<Type>, Box<Value>),
}

impl Value {
    /// An unknown value of which nothing is known.
    pub const fn unknown() -> Self {
        Self::Unknown(None)
    }

    /// An unknown value of which something is known.
    pub fn refined(refinement: Refinement) -> Self {
        Self::Unknown((refinement != Refinement::NONE).then(|| refinement.into()))
    }

    /// What is known of this value, if it is unknown.
    pub fn refinement(&self) -> Option<&Refinement> {
        match self {
            Self::Unknown(refinement) => Some(refinement.as_deref().unwrap_or(&Refinement::NONE)),
            _ => None,
        }
    }

    /// An object.
    pub fn object<N: Into<String>>(attributes: impl IntoIterator<Item = (N, Value)>) -> Self {
        Self::Object(attributes.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// A map.
    pub fn map<K: Into<String>>(elements: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Map(elements.into_iter().map(|(key, value)| (nfc(&key.into()).into_owned(), value)).collect())
    }

    /// A list.
    pub fn list(elements: impl IntoIterator<Item = Value>) -> Self {
        Self::List(elements.into_iter().collect())
    }

    /// A set: sorted, and without duplicates. (Two unknown elements may become different ones, so both stay.)
    pub fn set(elements: impl IntoIterator<Item = Value>) -> Self {
        let mut elements: Vec<_> = elements.into_iter().collect();
        elements.sort();
        elements.dedup_by(|a, b| a == b && a.is_wholly_known());
        Self::Set(elements)
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether this itself is unknown. A known list may hold unknown elements: see [`Value::is_wholly_known`].
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether nothing in this value is unknown.
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Self::Unknown(_) => false,
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => true,
            Self::List(values) | Self::Set(values) | Self::Tuple(values) => values.iter().all(Self::is_wholly_known),
            Self::Map(values) | Self::Object(values) => values.values().all(Self::is_wholly_known),
            Self::Dynamic(_, value) => value.is_wholly_known(),
        }
    }

    /// The text, if this is a known string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The truth, if this is a known bool.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The number, if this is a known number.
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The elements of a list, a set or a tuple.
    pub fn elements(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) | Self::Set(values) | Self::Tuple(values) => Some(values),
            _ => None,
        }
    }

    /// An attribute of an object, or an element of a map.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(values) | Self::Map(values) => values.get(name),
            _ => None,
        }
    }

    /// What `path` leads to, if every step of it exists.
    pub fn at(&self, path: &Path) -> Option<&Value> {
        path.steps().iter().try_fold(self, |value, step| match (value, step) {
            (Self::Object(values), Step::Attribute(name)) => values.get(name),
            (Self::Map(values), Step::Key(key)) => values.get(key),
            (Self::List(values) | Self::Tuple(values), Step::Index(index)) => values.get(*index),
            _ => None,
        })
    }

    /// The name of this form of value, for messages. It shows nothing of the content.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Unknown(_) => "an unknown value",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Map(_) => "a map",
            Self::Object(_) => "an object",
            Self::Tuple(_) => "a tuple",
            Self::Dynamic(..) => "a value of any type",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Unknown(a), Self::Unknown(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) | (Self::Object(a), Self::Object(b)) => a.cmp(b),
            (Self::Dynamic(a, x), Self::Dynamic(b, y)) => a.cmp(b).then_with(|| x.cmp(y)),
            (Self::Set(a), Self::Set(b)) => {
                let mut a: Vec<_> = a.iter().collect();
                let mut b: Vec<_> = b.iter().collect();
                a.sort();
                b.sort();
                a.cmp(&b)
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Unknown(_) => 1,
            Self::Bool(_) => 2,
            Self::Number(_) => 3,
            Self::String(_) => 4,
            Self::List(_) => 5,
            Self::Set(_) => 6,
            Self::Map(_) => 7,
            Self::Object(_) => 8,
            Self::Tuple(_) => 9,
            Self::Dynamic(..) => 10,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(nfc(text).into_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Number(int.into())
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

/// As a user would write it: `"text"`, `[1, 2]`, `{ a = true }`. Not for values that may be secret.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Unknown(_) => f.write_str("(known after apply)"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::String(text) => write!(f, "{text:?}"),
            Self::List(values) | Self::Set(values) | Self::Tuple(values) => {
                f.write_str("[")?;
                for (position, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if position == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Map(values) | Self::Object(values) => {
                let quoted = matches!(self, Self::Map(_));
                f.write_str("{")?;
                for (position, (name, value)) in values.iter().enumerate() {
                    f.write_str(if position == 0 { " " } else { ", " })?;
                    if quoted { write!(f, "{name:?} = {value}")? } else { write!(f, "{name} = {value}")? }
                }
                f.write_str(if values.is_empty() { "}" } else { " }" })
            }
            Self::Dynamic(_, value) => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_no_order_and_no_duplicates() {
        let text = |t: &str| Value::from(t);
        assert_eq!(Value::set([text("b"), text("a"), text("b")]), Value::Set(vec![text("b"), text("a")]));
        assert_ne!(Value::list([text("b"), text("a")]), Value::list([text("a"), text("b")]));
        assert_eq!(Value::set([Value::unknown(), Value::unknown()]).elements().map(<[_]>::len), Some(2));
    }

    #[test]
    fn text_is_compared_in_normal_form() {
        assert_eq!(Value::from("e\u{301}"), Value::from("\u{e9}"));
    }

    #[test]
    fn shown_as_written() {
        let value = Value::object([
            ("a", Value::list([1.into(), Value::Null])),
            ("b", Value::map([("k", Value::from("v"))])),
            ("c", Value::unknown()),
        ]);
        assert_eq!(value.to_string(), r#"{ a = [1, null], b = { "k" = "v" }, c = (known after apply) }"#);
    }

    #[test]
    fn paths_lead_into_values() {
        let value = Value::object([("a", Value::list([Value::map([("k", true.into())])]))]);
        assert_eq!(value.at(&Path::from("a").index(0).key("k")), Some(&Value::Bool(true)));
        assert_eq!(value.at(&Path::from("a").index(1)), None);
        assert_eq!(value.at(&Path::from("a").attr("k")), None);
    }
}
