use std::fmt;

use super::{Path, Type, Typed, Value, ValueError};
use crate::mask::{self, REDACTED};
use crate::schema::Field;

/// A value that is never printed: `Debug` and `Display` show that there is one, and no more.
///
/// An attribute of this type is sensitive, whatever is around it (`Attr<Vec<Secret<String>>>`, an object with a secret
/// field). Only [`expose`](Self::expose) gives the value, so that each use of it can be found. What comes from Terraform or goes
/// to it as a secret is masked in all log lines from then on, see [`mask`](crate::mask).
///
/// ```
/// use terraform_plugin::{Attr, Model, Secret};
///
/// /// How to log in.
/// #[derive(Clone, Debug, Default, PartialEq, Model)]
/// struct Login {
///     /// The password.
///     #[tf(required)]
///     password: Attr<Secret<String>>,
/// }
///
/// assert!(Login::block().attribute("password").is_some_and(|password| password.sensitive));
/// let login = Login { password: Secret::new("hunter2".to_owned()).into() };
/// assert_eq!(format!("{login:?}"), "Login { password: Known((sensitive value)) }");
/// assert_eq!(login.password.known().map(|password| password.expose().as_str()), Some("hunter2"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// Makes a secret of a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for those whom it is for.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, for those whom it is for.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T: Typed> Typed for Secret<T> {
    fn ty() -> Type {
        T::ty()
    }

    fn fields() -> Vec<Field> {
        T::fields()
    }

    fn sensitive() -> bool {
        true
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        mask::all_in(value);
        T::decode(value, path).map(Self)
    }

    fn encode(&self) -> Value {
        let value = self.0.encode();
        mask::all_in(&value);
        value
    }
}
