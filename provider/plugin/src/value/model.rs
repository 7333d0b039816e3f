use std::collections::BTreeMap;
use std::fmt::Debug;

use super::{Nested, Path, Typed, Value, ValueError};
use crate::schema::Block;

/// A struct that is a block: the schema, and the way between values and the struct. Derive it.
///
/// ```
/// use terraform_plugin::{Attr, Model, Value};
///
/// /// A bucket for snapshots.
/// #[derive(Clone, Debug, Default, PartialEq, Model)]
/// struct Bucket {
///     /// Name of the bucket, unique in the world.
///     #[tf(required, replace)]
///     name: Attr<String>,
///     /// Where it is.
///     #[tf(default = "EU", one_of("EU", "US"))]
///     location: Attr<String>,
///     /// Its address.
///     #[tf(computed)]
///     url: Attr<String>,
///     /// How long snapshots are kept.
///     #[tf(block)]
///     retention: Option<Retention>,
/// }
///
/// /// How long snapshots are kept.
/// #[derive(Clone, Debug, Default, PartialEq, Model)]
/// struct Retention {
///     /// Days.
///     #[tf(required, range(1, 365))]
///     days: Attr<i64>,
/// }
///
/// let block = Bucket::block();
/// assert_eq!(block.description, "A bucket for snapshots.");
/// assert!(block.attribute("name").is_some_and(|name| name.required && name.replace));
///
/// let bucket = Bucket { name: "mine".into(), retention: Some(Retention { days: 7.into() }), ..Bucket::default() };
/// let value = bucket.encode();
/// assert_eq!(value.get("location"), Some(&Value::Null));
/// assert_eq!(Bucket::decode(&value)?, bucket);
/// # Ok::<(), terraform_plugin::ValueError>(())
/// ```
pub trait Model: Clone + PartialEq + Debug + Default + Send + Sync + 'static {
    /// The schema of the block.
    fn block() -> Block;

    /// Reads a block that lies at `path`. An unknown block is one whose attributes are all unknown.
    fn decode_at(value: &Value, path: &Path) -> Result<Self, ValueError>;

    /// Reads a whole configuration, plan or state.
    fn decode(value: &Value) -> Result<Self, ValueError> {
        Self::decode_at(value, &Path::root())
    }

    /// The inverse of [`Model::decode`].
    fn encode(&self) -> Value;
}

/// The fields of an object or a block, for the derived decoders.
#[derive(Debug)]
pub struct Fields<'a> {
    /// `None`: the whole object is unknown.
    values: Option<&'a BTreeMap<String, Value>>,
    path: &'a Path,
}

static NULL: Value = Value::Null;
static UNKNOWN: Value = Value::unknown();

impl<'a> Fields<'a> {
    /// The fields of `value`, which lies at `path`.
    pub fn of(value: &'a Value, path: &'a Path) -> Result<Self, ValueError> {
        match value {
            Value::Object(values) => Ok(Self { values: Some(values), path }),
            Value::Unknown(_) => Ok(Self { values: None, path }),
            _ => Err(ValueError::mismatch(path, "an object", value)),
        }
    }

    /// An attribute. One that is missing is null.
    pub fn attribute<T: Typed>(&self, name: &str) -> Result<T, ValueError> {
        T::decode(self.get(name), &self.path.attr(name))
    }

    /// A nested block. One that is missing is absent.
    pub fn block<N: Nested>(&self, name: &str) -> Result<N, ValueError> {
        N::decode(self.get(name), &self.path.attr(name))
    }

    fn get(&self, name: &str) -> &'a Value {
        match self.values {
            Some(values) => values.get(name).unwrap_or(&NULL),
            None => &UNKNOWN,
        }
    }
}
