//! A value that must not appear in state, plan, diagnostics or logs.

use std::fmt;

/// Keeps `T` out of `Debug` and `Display`. Only [`Secret::expose`] gives it, so that every use can be found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. For the wire only.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, consumed.
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
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Holder {
        #[allow(dead_code)]
        key: Option<Secret>,
    }

    #[test]
    fn never_printed() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "(secret) (secret) (secret)");
        assert!(!format!("{:?}", Holder { key: Some(secret.clone()) }).contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }
}
