use super::{Number, Type, Value};

/// What is known of an unknown value: `(known after apply)`, but certainly not null, or text that begins with `disk-`.
///
/// Terraform tells it about what comes from elsewhere, and gets it back as it was. A provider may promise it of what it
/// computes ([`Attribute::never_null`](crate::schema::Attribute::never_null),
/// [`Attribute::begins_with`](crate::schema::Attribute::begins_with)): conditions in a configuration can then be decided at
/// plan already. Terraform holds it to the promise.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refinement {
    /// `Some(false)`: will not be null. `Some(true)`: will be null.
    pub null: Option<bool>,
    /// How the text begins.
    pub prefix: Option<String>,
    /// The least number, and whether it is itself possible.
    pub lower: Option<(Number, bool)>,
    /// The greatest number, and whether it is itself possible.
    pub upper: Option<(Number, bool)>,
    /// The least number of elements.
    pub min_length: Option<u64>,
    /// The greatest number of elements.
    pub max_length: Option<u64>,
}

impl Refinement {
    /// Nothing is known.
    pub const NONE: Self =
        Self { null: None, prefix: None, lower: None, upper: None, min_length: None, max_length: None };

    /// It will not be null, and that is all.
    pub const NOT_NULL: Self = Self { null: Some(false), ..Self::NONE };

    /// Whether `value` can be what the unknown value turns out to be.
    #[must_use]
    pub fn allows(&self, value: &Value) -> bool {
        let count = |count: usize| {
            let count = count as u64;
            self.min_length.is_none_or(|least| least <= count) && self.max_length.is_none_or(|most| count <= most)
        };
        match value {
            Value::Unknown(_) => true,
            Value::Null => self.null != Some(false) && *self == Self { null: self.null, ..Self::NONE },
            _ if self.null == Some(true) => false,
            Value::String(text) => self.prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix)),
            Value::Number(number) => {
                let above = |(least, it): &(Number, bool)| least < number || (*it && least == number);
                let below = |(most, it): &(Number, bool)| number < most || (*it && most == number);
                self.lower.as_ref().is_none_or(above) && self.upper.as_ref().is_none_or(below)
            }
            Value::List(values) | Value::Set(values) => count(values.len()),
            Value::Map(values) => count(values.len()),
            Value::Bool(_) | Value::Object(_) | Value::Tuple(_) | Value::Dynamic(..) => true,
        }
    }

    /// What of it makes sense for a type; the rest Terraform would refuse.
    #[must_use]
    pub(super) fn of_type(&self, ty: &Type) -> Self {
        let null = Self { null: self.null, ..Self::NONE };
        match ty {
            // a value of any type may bring whatever it likes
            Type::Dynamic => Self::NONE,
            Type::String => Self { prefix: self.prefix.clone(), ..null },
            Type::Number => Self { lower: self.lower.clone(), upper: self.upper.clone(), ..null },
            Type::List(_) | Type::Set(_) | Type::Map(_) => {
                Self { min_length: self.min_length, max_length: self.max_length, ..null }
            }
            Type::Bool | Type::Object(_) | Type::Tuple(_) => null,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_an_unknown_value_can_become() {
        let not_null = Refinement::NOT_NULL;
        assert!(not_null.allows(&"x".into()) && not_null.allows(&Value::unknown()) && !not_null.allows(&Value::Null));
        assert!(Refinement::NONE.allows(&Value::Null));
        let null = Refinement { null: Some(true), ..Refinement::NONE };
        assert!(null.allows(&Value::Null) && !null.allows(&"x".into()));
        let disk = Refinement { prefix: Some("disk-".into()), ..Refinement::NOT_NULL };
        assert!(disk.allows(&"disk-1".into()) && !disk.allows(&"dis".into()));
        let from_1_below_3 =
            Refinement { lower: Some((1.into(), true)), upper: Some((3.into(), false)), ..Refinement::NONE };
        let allowed: Vec<_> = (0..5).filter(|n| from_1_below_3.allows(&Value::from(*n))).collect();
        assert_eq!(allowed, [1, 2]);
        let two = Refinement { min_length: Some(2), max_length: Some(2), ..Refinement::NONE };
        let counts: Vec<_> = (0..4).filter(|n| two.allows(&Value::list(vec![Value::Null; *n]))).collect();
        assert_eq!(counts, [2]);
    }

    #[test]
    fn a_type_keeps_what_is_of_it() {
        let all = Refinement {
            prefix: Some("p".into()),
            lower: Some((0.into(), true)),
            max_length: Some(1),
            ..Refinement::NOT_NULL
        };
        assert_eq!(all.of_type(&Type::Bool), Refinement::NOT_NULL);
        assert_eq!(all.of_type(&Type::Dynamic), Refinement::NONE);
        assert_eq!(all.of_type(&Type::String), Refinement { prefix: Some("p".into()), ..Refinement::NOT_NULL });
        assert_eq!(all.of_type(&Type::map(Type::Bool)), Refinement { max_length: Some(1), ..Refinement::NOT_NULL });
    }
}
