use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::{Number, Path, Type, Value};
use crate::schema::Field;

/// A Rust type for values of one Terraform type.
///
/// | Rust | Terraform |
/// |---|---|
/// | `String` | string |
/// | `bool` | bool |
/// | `i64`, [`Number`] | number |
/// | `Vec<T>` | list |
/// | `BTreeSet<T>` | set |
/// | `BTreeMap<String, T>` | map |
/// | `#[derive(Object)] struct` | object |
/// | [`Secret<T>`](super::Secret) | the type of `T`, hidden in all output |
/// | [`Attr<T>`](super::Attr) | the type of `T`, with null and unknown |
///
/// The elements of a collection may be unknown at plan: `Attr<Vec<Attr<String>>>`.
#[diagnostic::on_unimplemented(
    message = "Terraform has no type for `{Self}`",
    label = "not a type of an attribute",
    note = "there are `String`, `bool`, `i64`, `Number`, `Vec<…>`, `BTreeSet<…>`, `BTreeMap<String, …>`, `Secret<…>`, and structs that derive `Object`"
)]
pub trait Typed: Clone + PartialEq + Debug + Sized + Send + Sync + 'static {
    /// The type of the values.
    fn ty() -> Type;

    /// The documented fields, if the values (or their elements) are objects.
    fn fields() -> Vec<Field> {
        Vec::new()
    }

    /// Whether the values are secret, wholly or in part. See [`Secret`](super::Secret).
    fn sensitive() -> bool {
        false
    }

    /// Reads a value that lies at `path`.
    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError>;

    /// The inverse of [`Typed::decode`].
    fn encode(&self) -> Value;
}

/// A value that a Rust type can't hold: another type, out of range, or null or unknown where neither can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if .path.is_root() { String::new() } else { format!("{}: ", .path) })]
pub struct ValueError {
    /// Where in the value.
    pub path: Path,
    /// What is wrong there. It shows nothing of the value's content.
    pub message: String,
}

impl ValueError {
    /// An error at `path`.
    pub fn new(path: &Path, message: impl Into<String>) -> Self {
        Self { path: path.clone(), message: message.into() }
    }

    /// `value` has another form than `expected` (such as "a string").
    pub fn mismatch(path: &Path, expected: &str, value: &Value) -> Self {
        Self::new(path, format!("expected {expected}, found {}", value.kind()))
    }
}

impl Typed for String {
    fn ty() -> Type {
        Type::String
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        value.as_str().map(str::to_owned).ok_or_else(|| ValueError::mismatch(path, "a string", value))
    }

    fn encode(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl Typed for bool {
    fn ty() -> Type {
        Type::Bool
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        value.as_bool().ok_or_else(|| ValueError::mismatch(path, "a bool", value))
    }

    fn encode(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Typed for Number {
    fn ty() -> Type {
        Type::Number
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        value.as_number().cloned().ok_or_else(|| ValueError::mismatch(path, "a number", value))
    }

    fn encode(&self) -> Value {
        Value::Number(self.clone())
    }
}

impl Typed for i64 {
    fn ty() -> Type {
        Type::Number
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        Number::decode(value, path)?
            .as_i64()
            .ok_or_else(|| ValueError::new(path, "expected a whole number that fits 64 bits"))
    }

    fn encode(&self) -> Value {
        Value::from(*self)
    }
}

impl<T: Typed> Typed for Vec<T> {
    fn ty() -> Type {
        Type::list(T::ty())
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }

    fn sensitive() -> bool {
        T::sensitive()
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            Value::List(values) | Value::Tuple(values) => {
                values.iter().enumerate().map(|(index, value)| T::decode(value, &path.index(index))).collect()
            }
            _ => Err(ValueError::mismatch(path, "a list", value)),
        }
    }

    fn encode(&self) -> Value {
        Value::list(self.iter().map(T::encode))
    }
}

impl<T: Typed + Ord> Typed for BTreeSet<T> {
    fn ty() -> Type {
        Type::set(T::ty())
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }

    fn sensitive() -> bool {
        T::sensitive()
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            // the elements of a set have no address
            Value::Set(values) => values.iter().map(|value| T::decode(value, path)).collect(),
            _ => Err(ValueError::mismatch(path, "a set", value)),
        }
    }

    fn encode(&self) -> Value {
        Value::set(self.iter().map(T::encode))
    }
}

impl<T: Typed> Typed for BTreeMap<String, T> {
    fn ty() -> Type {
        Type::map(T::ty())
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }

    fn sensitive() -> bool {
        T::sensitive()
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            Value::Map(values) => {
                values.iter().map(|(key, value)| Ok((key.clone(), T::decode(value, &path.key(key))?))).collect()
            }
            _ => Err(ValueError::mismatch(path, "a map", value)),
        }
    }

    fn encode(&self) -> Value {
        Value::map(self.iter().map(|(key, value)| (key, value.encode())))
    }
}
