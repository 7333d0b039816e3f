use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::{Deref, DerefMut};

use super::{Model, Path, Value, ValueError};
use crate::schema::{NestedBlock, Nesting};

/// How a field of a [`Model`] holds a nested block.
///
/// | field | in a configuration |
/// |---|---|
/// | `Option<M>` | once or not at all |
/// | `Vec<M>` | any number of times, in an order |
/// | [`BlockSet<M>`] | any number of times, without an order |
/// | `BTreeMap<String, M>` | any number of times, each with a label: `disk "data" { … }` |
/// | [`Group<M>`] | always there, whether it is written or not |
pub trait Nested: Sized {
    /// The schema of the nested block.
    fn nested(name: &str, description: &str) -> NestedBlock;

    /// Reads the block, or the blocks.
    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError>;

    /// The inverse of [`Nested::decode`].
    fn encode(&self) -> Value;
}

impl<M: Model> Nested for Option<M> {
    fn nested(name: &str, description: &str) -> NestedBlock {
        NestedBlock::new(name, Nesting::Single, description, M::block())
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        if value.is_null() { Ok(None) } else { M::decode_at(value, path).map(Some) }
    }

    fn encode(&self) -> Value {
        self.as_ref().map_or(Value::Null, M::encode)
    }
}

impl<M: Model> Nested for Vec<M> {
    fn nested(name: &str, description: &str) -> NestedBlock {
        NestedBlock::new(name, Nesting::List, description, M::block())
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            // state from before the block existed
            Value::Null => Ok(Vec::new()),
            // `dynamic` blocks of an unknown number: Terraform shows one as an example of all
            Value::Unknown(_) => Ok(vec![M::decode_at(value, &path.index(0))?]),
            Value::List(blocks) => {
                blocks.iter().enumerate().map(|(index, block)| M::decode_at(block, &path.index(index))).collect()
            }
            _ => Err(ValueError::mismatch(path, "a list of blocks", value)),
        }
    }

    fn encode(&self) -> Value {
        Value::list(self.iter().map(M::encode))
    }
}

impl<M: Model> Nested for BTreeMap<String, M> {
    fn nested(name: &str, description: &str) -> NestedBlock {
        NestedBlock::new(name, Nesting::Map, description, M::block())
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            // of an unknown number of blocks not even the labels are known
            Value::Null | Value::Unknown(_) => Ok(BTreeMap::new()),
            Value::Map(blocks) => blocks
                .iter()
                .map(|(label, block)| Ok((label.clone(), M::decode_at(block, &path.key(label))?)))
                .collect(),
            _ => Err(ValueError::mismatch(path, "blocks with labels", value)),
        }
    }

    fn encode(&self) -> Value {
        Value::map(self.iter().map(|(label, block)| (label, block.encode())))
    }
}

/// Blocks without an order: those of one set are equal to those of another in whatever order they are written.
///
/// It is used like the `Vec` that it holds. Two blocks that are the same in a configuration are one; two that are the same
/// as far as they are known yet are two.
///
/// ```
/// # use terraform_plugin::{Attr, Model, value::BlockSet};
/// /// A rule.
/// #[derive(Clone, Debug, Default, PartialEq, Model)]
/// struct Rule {
///     /// The port.
///     #[tf(required)]
///     port: Attr<i64>,
/// }
///
/// let rule = |port: i64| Rule { port: port.into() };
/// let rules: BlockSet<Rule> = [80, 443].map(rule).into_iter().collect();
/// assert_eq!(rules, [443, 80].map(rule).into_iter().collect());
/// assert_eq!(rules.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct BlockSet<M>(pub Vec<M>);

impl<M> Default for BlockSet<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M: Model> PartialEq for BlockSet<M> {
    fn eq(&self, other: &Self) -> bool {
        self.encode() == other.encode()
    }
}

impl<M> Deref for BlockSet<M> {
    type Target = Vec<M>;

    fn deref(&self) -> &Vec<M> {
        &self.0
    }
}

impl<M> DerefMut for BlockSet<M> {
    fn deref_mut(&mut self) -> &mut Vec<M> {
        &mut self.0
    }
}

impl<M> FromIterator<M> for BlockSet<M> {
    fn from_iter<I: IntoIterator<Item = M>>(blocks: I) -> Self {
        Self(blocks.into_iter().collect())
    }
}

impl<M> IntoIterator for BlockSet<M> {
    type Item = M;
    type IntoIter = std::vec::IntoIter<M>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, M> IntoIterator for &'a BlockSet<M> {
    type Item = &'a M;
    type IntoIter = std::slice::Iter<'a, M>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<M: Model> Nested for BlockSet<M> {
    fn nested(name: &str, description: &str) -> NestedBlock {
        NestedBlock::new(name, Nesting::Set, description, M::block())
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Unknown(_) => Ok(Self(vec![M::decode_at(value, path)?])),
            // the elements of a set have no address
            Value::Set(blocks) => blocks.iter().map(|block| M::decode_at(block, path)).collect(),
            _ => Err(ValueError::mismatch(path, "a set of blocks", value)),
        }
    }

    fn encode(&self) -> Value {
        Value::set(self.iter().map(M::encode))
    }
}

/// A block that is always there: left out of a configuration, it is one in which nothing is set.
///
/// Nothing in it can be required.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group<M>(pub M);

impl<M> Deref for Group<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M> DerefMut for Group<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.0
    }
}

impl<M: Model> Nested for Group<M> {
    fn nested(name: &str, description: &str) -> NestedBlock {
        NestedBlock::new(name, Nesting::Group, description, M::block())
    }

    fn decode(value: &Value, path: &Path) -> Result<Self, ValueError> {
        if value.is_null() { Ok(Self::default()) } else { M::decode_at(value, path).map(Self) }
    }

    fn encode(&self) -> Value {
        self.0.encode()
    }
}
