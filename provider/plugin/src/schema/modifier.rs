//! What else decides a planned value, beside what the user wrote and what was there before.
//!
//! Each is a function with words for the documentation. The derive makes them from functions on Rust types:
//! `same_if("…", f)`, `replace_if("…", f)` and `modify("…", f)`.

use std::fmt;

use crate::value::{Attr, Path, Typed, Value};

/// When two values of an attribute mean the same, though they are spelled differently.
///
/// What the user writes anew in other words is then no change: the plan keeps the spelling of the state, and so does a read
/// that finds the thing spelled as its server likes it.
#[derive(Clone, Copy)]
pub struct Sameness {
    /// Completes "Two values are the same if …".
    pub words: &'static str,
    same: fn(&Value, &Value) -> bool,
}

impl Sameness {
    /// By a function that gets known values only.
    #[must_use]
    pub const fn new(words: &'static str, same: fn(&Value, &Value) -> bool) -> Self {
        Self { words, same }
    }

    /// Whether two values mean the same. Of what is null or not wholly known, nobody can tell.
    #[must_use]
    pub fn holds(&self, one: &Value, other: &Value) -> bool {
        let known = |value: &Value| !value.is_null() && value.is_wholly_known();
        one == other || (known(one) && known(other) && (self.same)(one, other))
    }
}

/// When a change of an attribute means to destroy and create anew.
#[derive(Clone, Copy)]
pub struct ReplaceIf {
    /// Completes "A change replaces the resource if …".
    pub words: &'static str,
    must: fn(&Value, &Value) -> bool,
}

impl ReplaceIf {
    /// By a function of the prior and the planned value, which differ; the latter may be unknown.
    #[must_use]
    pub const fn new(words: &'static str, must: fn(&Value, &Value) -> bool) -> Self {
        Self { words, must }
    }

    /// Whether the change from `prior` to `planned` asks for it.
    #[must_use]
    pub fn holds(&self, prior: &Value, planned: &Value) -> bool {
        prior != planned && (self.must)(prior, planned)
    }
}

/// A last word about the planned value of an attribute.
#[derive(Clone, Copy)]
pub struct Modifier {
    /// A sentence without its period.
    pub words: &'static str,
    modify: fn(&Value, Option<&Value>, &Value) -> Value,
}

impl Modifier {
    /// By a function of the configured, the prior (`None` on create) and the planned value.
    #[must_use]
    pub const fn new(words: &'static str, modify: fn(&Value, Option<&Value>, &Value) -> Value) -> Self {
        Self { words, modify }
    }

    /// What is planned instead of `planned`.
    #[must_use]
    pub fn modified(&self, config: &Value, prior: Option<&Value>, planned: &Value) -> Value {
        (self.modify)(config, prior, planned)
    }
}

macro_rules! shown_by_words {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.words).finish()
            }
        }

        /// Functions can't be compared; what is documented to be the same is taken for the same.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.words == other.words
            }
        }
    )*};
}

shown_by_words!(Sameness, ReplaceIf, Modifier);

/// When a computed attribute that the user doesn't set is planned to be `(known after apply)` again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recomputed {
    /// Never by itself: it keeps its value as long as the thing lives.
    #[default]
    Never,
    /// When one of these attributes or blocks beside it changes.
    With(Vec<String>),
    /// When anything of the thing changes.
    Always,
}

/// What a function for `modify("…", f)` gets, and changes.
///
/// Terraform accepts a planned value that differs from the configuration only where the attribute is computed and the user
/// doesn't set it, or where it keeps the prior value.
#[derive(Debug)]
pub struct Modify<'a, T> {
    /// What the user wrote; may be unknown.
    pub config: &'a Attr<T>,
    /// What the state has; `None` on create.
    pub prior: Option<&'a Attr<T>>,
    /// What is planned so far.
    pub planned: &'a Attr<T>,
}

/// What the derives make of functions on Rust types.
#[doc(hidden)]
pub mod typed {
    use super::{Attr, Modify, Path, Typed, Value};

    fn read<T: Typed>(value: &Value) -> Option<Attr<T>> {
        Attr::<T>::decode(value, &Path::root()).ok()
    }

    pub fn same<T: Typed>(one: &Value, other: &Value, same: impl Fn(&T, &T) -> bool) -> bool {
        match (read(one), read(other)) {
            (Some(Attr::Known(one)), Some(Attr::Known(other))) => same(&one, &other),
            _ => false,
        }
    }

    pub fn must<T: Typed>(prior: &Value, planned: &Value, must: impl Fn(&Attr<T>, &Attr<T>) -> bool) -> bool {
        match (read(prior), read(planned)) {
            (Some(prior), Some(planned)) => must(&prior, &planned),
            _ => false,
        }
    }

    pub fn modify<T: Typed>(
        config: &Value,
        prior: Option<&Value>,
        planned: &Value,
        modify: impl Fn(&Modify<'_, T>) -> Attr<T>,
    ) -> Value {
        let (Some(config), Some(before)) = (read(config), read(planned)) else { return planned.clone() };
        let prior = prior.and_then(read);
        let after = modify(&Modify { config: &config, prior: prior.as_ref(), planned: &before });
        // a struct can't hold all that is known of an unknown value: what isn't changed stays as it is
        if after == before { planned.clone() } else { after.encode() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_values_can_mean_the_same() {
        let same = Sameness::new("their case differs", |one, other| {
            typed::same::<String>(one, other, |one, other| one.eq_ignore_ascii_case(other))
        });
        assert!(same.holds(&"a".into(), &"A".into()));
        assert!(!same.holds(&"a".into(), &"b".into()));
        assert!(!same.holds(&"a".into(), &Value::Null) && !same.holds(&Value::unknown(), &"a".into()));
        assert!(same.holds(&Value::Null, &Value::Null));
    }

    #[test]
    fn a_modifier_that_changes_nothing_loses_nothing() {
        let keep = Modifier::new("Keeps it", |config, prior, planned| {
            typed::modify::<String>(config, prior, planned, |change| change.planned.clone())
        });
        let refined = Value::refined(crate::value::Refinement::NOT_NULL);
        assert_eq!(keep.modified(&Value::Null, None, &refined), refined);
    }
}
