use std::fmt;

use regex::Regex;

use crate::diagnostic::Diagnostics;
use crate::value::{Number, Path, Value};

use super::{Attribute, Block, NestedBlock, relation};

/// What values an attribute allows. Of a collection, it says what each element may be. Null and unknown values
/// are always allowed: of the latter nobody can tell yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    /// One of these.
    OneOf(Vec<Value>),
    /// A number from the first to the last, both included.
    Range(Number, Number),
    /// Text of so many characters, both included.
    Length(usize, usize),
    /// Text that this regular expression matches as a whole.
    Matches(String),
}

impl Validator {
    fn allows(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null | Value::Unknown(_)) => true,
            (Self::OneOf(allowed), value) => allowed.contains(value),
            (Self::Range(first, last), Value::Number(number)) => first <= number && number <= last,
            (Self::Length(least, most), Value::String(text)) => (*least..=*most).contains(&text.chars().count()),
            // a pattern that is none is found by `problems`, long before a user could be stopped by it
            (Self::Matches(pattern), Value::String(text)) => whole(pattern).is_none_or(|regex| regex.is_match(text)),
            (Self::Range(..) | Self::Length(..) | Self::Matches(_), _) => true,
        }
    }
}

/// A regular expression that has to match a text from its first character to its last.
pub(super) fn whole(pattern: &str) -> Option<Regex> {
    Regex::new(&format!(r"\A(?:{pattern})\z")).ok()
}

/// As the documentation and messages say it: ``one of `a`, `b` ``, `from 0 to 1`.
impl fmt::Display for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(allowed) => {
                let names: Vec<_> = allowed.iter().map(|value| format!("`{}`", plain(value))).collect();
                match names.as_slice() {
                    [one] => f.write_str(one),
                    _ => write!(f, "one of {}", names.join(", ")),
                }
            }
            Self::Range(first, last) if first == last => write!(f, "`{first}`"),
            Self::Range(first, last) => write!(f, "from {first} to {last}"),
            Self::Length(1, 1) => f.write_str("1 character"),
            Self::Length(least, most) if least == most => write!(f, "{least} characters"),
            Self::Length(least, most) => write!(f, "{least} to {most} characters"),
            Self::Matches(pattern) => write!(f, "what matches `{pattern}`"),
        }
    }
}

/// A value as it is shown between backticks.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Checks a configuration against the rules of its block that Terraform itself does not know: validators, and the
/// number of blocks where that is known.
pub fn validate(block: &Block, config: &Value) -> Diagnostics {
    let mut diags = Diagnostics::new();
    in_block(block, config, &Path::root(), &mut diags);
    diags
}

fn in_block(block: &Block, value: &Value, path: &Path, diags: &mut Diagnostics) {
    let Value::Object(values) = value else { return };
    for attribute in &block.attributes {
        if let Some(value) = values.get(&attribute.name) {
            let at = path.attr(&attribute.name);
            presence(attribute, value, &at, diags);
            in_attribute(attribute, value, &at, diags);
        }
    }
    relation::check(block, value, path, diags);
    for nested in &block.blocks {
        if let Some(value) = values.get(&nested.name) {
            in_nested(nested, value, &path.attr(&nested.name), diags);
        }
    }
}

/// Terraform checks that a required argument is written, not that it is more than `null`; and it lets a configuration
/// set what only the provider can know.
fn presence(attribute: &Attribute, value: &Value, path: &Path, diags: &mut Diagnostics) {
    if attribute.required && matches!(value, Value::Null) {
        let detail = format!("`{path}` is null here, but it is required. Give it a value.");
        diags.error(path.clone(), "Value is missing", detail);
    }
    if attribute.computed && !attribute.optional && !matches!(value, Value::Null) {
        let detail = format!("`{path}` is what the provider finds out. Remove it from the configuration.");
        diags.error(path.clone(), "Attribute is read-only", detail);
    }
}

fn in_nested(nested: &NestedBlock, value: &Value, path: &Path, diags: &mut Diagnostics) {
    let count = match value {
        Value::Null => 0,
        Value::List(blocks) => {
            for (index, block) in blocks.iter().enumerate() {
                in_block(&nested.block, block, &path.index(index), diags);
            }
            // one that is unknown may stand for any number
            if blocks.iter().any(Value::is_unknown) {
                return;
            }
            blocks.len() as u64
        }
        Value::Set(blocks) => {
            for block in blocks {
                in_block(&nested.block, block, path, diags);
            }
            // one that isn't known yet may turn out to be another one
            if !value.is_wholly_known() {
                return;
            }
            blocks.len() as u64
        }
        Value::Map(blocks) => {
            for (label, block) in blocks {
                in_block(&nested.block, block, &path.key(label), diags);
            }
            blocks.len() as u64
        }
        Value::Object(_) => {
            in_block(&nested.block, value, path, diags);
            1
        }
        _ => return,
    };
    let name = &nested.name;
    if count < nested.min {
        let detail = match nested.min {
            1 => format!("A block `{name}` is required here."),
            min => format!("At least {min} blocks `{name}` are required here, but there are {count}."),
        };
        diags.error(path.parent(), "Missing block", detail);
    }
    if nested.max > 0 && count > nested.max {
        let detail = format!("At most {} blocks `{name}` are allowed here, but there are {count}.", nested.max);
        diags.error(path.clone(), "Too many blocks", detail);
    }
}

fn in_attribute(attribute: &Attribute, value: &Value, path: &Path, diags: &mut Diagnostics) {
    match value {
        Value::List(values) | Value::Tuple(values) => {
            for (index, value) in values.iter().enumerate() {
                in_attribute(attribute, value, &path.index(index), diags);
            }
        }
        Value::Set(values) => {
            for value in values {
                in_attribute(attribute, value, path, diags);
            }
        }
        Value::Map(values) => {
            for (key, value) in values {
                in_attribute(attribute, value, &path.key(key), diags);
            }
        }
        _ => {
            for validator in attribute.validators.iter().filter(|validator| !validator.allows(value)) {
                let found = if attribute.sensitive {
                    "The value (sensitive)".to_owned()
                } else {
                    format!("`{}`", plain(value))
                };
                let detail = format!("{found} is not allowed for `{path}`. Allowed: {validator}.");
                diags.error(path.clone(), "Value not allowed", detail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::value::Type;

    #[rstest]
    #[case::required(Value::Null, Value::Null, &["Value is missing: name"])]
    #[case::read_only("x".into(), "running".into(), &["Attribute is read-only: phase"])]
    #[case::not_known_yet(Value::unknown(), Value::Null, &[])]
    #[case::fine("x".into(), Value::Null, &[])]
    fn presence(#[case] name: Value, #[case] phase: Value, #[case] expected: &[&str]) {
        let block = Block::new("A block.")
            .with(Attribute::new("name", Type::String, "Its name.").required())
            .with(Attribute::new("phase", Type::String, "What it does.").computed());
        let found = validate(&block, &Value::object([("name", name), ("phase", phase)]));
        let said = |diagnostic: &crate::Diagnostic| {
            format!("{}: {}", diagnostic.summary, diagnostic.path.clone().unwrap_or_default())
        };
        assert_eq!(found.iter().map(said).collect::<Vec<_>>(), expected);
    }
}
