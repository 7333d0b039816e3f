use std::fmt;

use crate::diagnostic::Diagnostics;
use crate::value::{Path, Value};

use super::Block;

/// What the attributes and blocks of one block have to do with each other, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// Not both.
    Conflict(String, String),
    /// One of them, and only one.
    ExactlyOne(Vec<String>),
    /// One of them, or more.
    AtLeastOne(Vec<String>),
}

impl Relation {
    /// `one` and `other` are not to be set both.
    pub fn conflict(one: &str, other: &str) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        Self::Conflict(first.to_owned(), second.to_owned())
    }

    /// One of `names` has to be set, and only one.
    pub fn exactly_one<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::ExactlyOne(sorted(names))
    }

    /// One of `names` has to be set, or more.
    pub fn at_least_one<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::AtLeastOne(sorted(names))
    }

    /// Whom it concerns.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Conflict(one, other) => vec![one, other],
            Self::ExactlyOne(names) | Self::AtLeastOne(names) => names.iter().map(String::as_str).collect(),
        }
    }
}

/// As the documentation and messages say it.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().into_iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        match self {
            Self::Conflict(..) => write!(f, "At most one of {names} can be set."),
            Self::ExactlyOne(_) => write!(f, "Exactly one of {names} must be set."),
            Self::AtLeastOne(_) => write!(f, "At least one of {names} must be set."),
        }
    }
}

/// The same whoever declares it: then the second declaration is seen to be the first.
fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// Checks the relations in a block of a configuration that lies at `path`.
pub(super) fn check(block: &Block, config: &Value, path: &Path, diags: &mut Diagnostics) {
    for relation in &block.relations {
        let names = relation.names();
        let set: Vec<_> = names.iter().filter(|name| config.get(name).is_some_and(is_set)).collect();
        // null or not: nobody can tell yet
        let open = names.iter().any(|name| config.get(name).is_some_and(Value::is_unknown));
        let (one, many) = match relation {
            Relation::Conflict(..) => (false, false),
            Relation::ExactlyOne(_) => (true, false),
            Relation::AtLeastOne(_) => (true, true),
        };
        if let (false, [_, second, ..]) = (many, set.as_slice()) {
            diags.error(path.attr(**second), "Arguments exclude each other", relation.to_string());
        } else if one && set.is_empty() && !open {
            diags.error(path.clone(), "Missing argument", relation.to_string());
        }
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Unknown(_) => false,
        // no block of many
        Value::List(values) | Value::Set(values) => !values.is_empty(),
        Value::Map(values) => !values.is_empty(),
        _ => true,
    }
}
