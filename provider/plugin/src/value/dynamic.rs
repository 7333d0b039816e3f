use super::{Path, Type, Typed, Value, ValueError};

/// A value of any type, with the type that it brings: `Attr<Dynamic>`.
///
/// ```
/// use terraform_plugin::{Type, Value, value::Dynamic};
/// let port = Dynamic::new(Type::Number, 8080.into())?;
/// assert_eq!((port.ty(), port.value()), (&Type::Number, &Value::from(8080)));
/// assert!(Dynamic::new(Type::Number, "8080".into()).is_err());
/// # Ok::<(), terraform_plugin::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dynamic {
    ty: Type,
    value: Value,
}

impl Dynamic {
    /// A value of a type.
    ///
    /// # Errors
    /// If it isn't of that type.
    pub fn new(ty: Type, value: Value) -> Result<Self, ValueError> {
        if ty.admits(&value) {
            return Ok(Self { ty, value });
        }
        Err(ValueError::new(&Path::root(), format!("{} isn't of the type {}", value.kind(), ty.to_json())))
    }

    /// The type.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// The value. It may be null or unknown while its type is known.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl Typed for Dynamic {
    fn ty() -> Type {
        Type::Dynamic
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            Value::Dynamic(ty, value) => Ok(Self { ty: (**ty).clone(), value: (**value).clone() }),
            _ => Err(ValueError::mismatch(path, "a value of any type", value)),
        }
    }

    fn encode(&self) -> Value {
        Value::Dynamic(Box::new(self.ty.clone()), Box::new(self.value.clone()))
    }
}
