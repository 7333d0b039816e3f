use super::{Path, Secret, Typed, Value, ValueError};

/// An attribute, or an element that may be unknown at plan: not set, not known yet, or known.
///
/// In a configuration and in a plan all three occur. In a state, and in what apply gets as configuration, nothing is unknown.
///
/// ```
/// use terraform_plugin::Attr;
/// let name = Attr::from("camunda".to_owned());
/// assert_eq!(name.known().map(String::as_str), Some("camunda"));
/// assert!(Attr::<String>::Unknown.known().is_none());
/// assert_eq!(Attr::<bool>::from(None), Attr::Null);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attr<T> {
    /// Not set.
    #[default]
    Null,
    /// Known after apply.
    Unknown,
    /// Known.
    Known(T),
}

impl<T> Attr<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        if let Self::Known(value) = self { Some(value) } else { None }
    }

    /// The value, if it is known.
    pub fn into_known(self) -> Option<T> {
        if let Self::Known(value) = self { Some(value) } else { None }
    }

    /// Whether it is known and not null.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Whether it is not set.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is not known yet.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// The same with a reference to the value.
    pub fn as_ref(&self) -> Attr<&T> {
        match self {
            Self::Null => Attr::Null,
            Self::Unknown => Attr::Unknown,
            Self::Known(value) => Attr::Known(value),
        }
    }

    /// Changes a known value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Attr<U> {
        match self {
            Self::Null => Attr::Null,
            Self::Unknown => Attr::Unknown,
            Self::Known(value) => Attr::Known(change(value)),
        }
    }
}

impl<T> From<T> for Attr<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

/// `None` is null.
impl<T> From<Option<T>> for Attr<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Known)
    }
}

impl From<&str> for Attr<Secret<String>> {
    fn from(text: &str) -> Self {
        Self::Known(text.into())
    }
}

impl From<&str> for Attr<String> {
    fn from(text: &str) -> Self {
        Self::Known(text.to_owned())
    }
}

/// What an `Attr<T>` is an attribute of, for the derives: they see types only as they are written.
#[doc(hidden)]
pub trait Attribute {
    type Inner: Typed;
}

impl<T: Typed> Attribute for Attr<T> {
    type Inner = T;
}

impl<T: Typed> Typed for Attr<T> {
    fn ty() -> super::Type {
        T::ty()
    }

    fn fields() -> Vec<crate::schema::Field> {
        T::fields()
    }

    fn sensitive() -> bool {
        T::sensitive()
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Unknown(_) => Ok(Self::Unknown),
            known => T::decode(known, path).map(Self::Known),
        }
    }

    fn encode(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Unknown => Value::unknown(),
            Self::Known(value) => value.encode(),
        }
    }
}
