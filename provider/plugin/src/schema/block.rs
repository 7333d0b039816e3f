use std::collections::BTreeMap;

use crate::value::{Path, Step, Type, Value};

use super::{Attribute, Relation};

/// The schema of a resource, a data source or the provider's configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    /// The version of the state's shape; a higher one asks for an upgrade of older states.
    pub version: i64,
    /// What is in it.
    pub block: Block,
}

/// What is between two braces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// What it means, as Markdown; ends with a period.
    pub description: String,
    /// In the order of declaration.
    pub attributes: Vec<Attribute>,
    /// In the order of declaration.
    pub blocks: Vec<NestedBlock>,
    /// What they have to do with each other.
    pub relations: Vec<Relation>,
    /// What to use instead, if it isn't to be used any more.
    pub deprecated: Option<String>,
}

/// A block in a block.
#[derive(Debug, Clone, PartialEq)]
pub struct NestedBlock {
    /// The name that the user writes before the braces.
    pub name: String,
    /// One or many.
    pub nesting: Nesting,
    /// What it means, as Markdown; ends with a period.
    pub description: String,
    /// The least number of blocks.
    pub min: u64,
    /// The greatest number of blocks; 0 is no limit.
    pub max: u64,
    /// A change of anything in it means to destroy and create anew.
    pub replace: bool,
    /// What is in it.
    pub block: Block,
}

/// How often a nested block occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// Once or not at all; its value is an object or null.
    Single,
    /// Any number of times in an order; its value is a list, never null.
    List,
    /// Any number of times without an order; its value is a set, never null.
    Set,
    /// Any number of times, each with a label; its value is a map, never null.
    Map,
    /// Always: left out, it is a block in which nothing is set. Its value is an object, never null.
    Group,
}

impl Block {
    /// An empty block.
    pub fn new(description: &str) -> Self {
        Self { description: description.to_owned(), ..Self::default() }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Adds a nested block.
    #[must_use]
    pub fn with_block(mut self, block: NestedBlock) -> Self {
        self.blocks.push(block);
        self
    }

    /// Adds a relation, unless it is there.
    #[must_use]
    pub fn related(mut self, relation: Relation) -> Self {
        if !self.relations.contains(&relation) {
            self.relations.push(relation);
        }
        self
    }

    /// Terraform warns who uses it. The message says what to use instead.
    #[must_use]
    pub fn deprecated(mut self, message: &str) -> Self {
        self.deprecated = Some(message.to_owned());
        self
    }

    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The nested block `name`.
    pub fn block(&self, name: &str) -> Option<&NestedBlock> {
        self.blocks.iter().find(|block| block.name == name)
    }

    /// Whether anything in it is write-only.
    pub fn has_write_only(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute.write_only)
            || self.blocks.iter().any(|nested| nested.block.has_write_only())
    }

    /// Whether `path` leads to an attribute that is write-only.
    pub fn is_write_only(&self, path: &Path) -> bool {
        let mut block = self;
        let mut names = path.steps().iter().filter_map(|step| match step {
            Step::Attribute(name) => Some(name),
            Step::Key(_) | Step::Index(_) => None,
        });
        while let Some(name) = names.next() {
            match (block.attribute(name), block.block(name)) {
                (Some(attribute), _) => return attribute.write_only && names.next().is_none(),
                (None, Some(nested)) => block = &nested.block,
                (None, None) => return false,
            }
        }
        false
    }

    /// The type of the block's values, which drives the codecs.
    pub fn ty(&self) -> Type {
        let attributes = self.attributes.iter().map(|attribute| (attribute.name.as_str(), attribute.ty.clone()));
        let blocks = self.blocks.iter().map(|nested| (nested.name.as_str(), nested.ty()));
        Type::object(attributes.chain(blocks))
    }

    /// The value of a block in which nothing is set.
    pub fn empty(&self) -> Value {
        self.conform(Value::object::<String>([]))
    }

    /// Completes a value from an older state: what is missing becomes null, or no blocks.
    #[must_use]
    pub fn conform(&self, value: Value) -> Value {
        let Value::Object(mut values) = value else { return value };
        for attribute in &self.attributes {
            values.entry(attribute.name.clone()).or_default();
        }
        for nested in &self.blocks {
            let value = values.remove(&nested.name).unwrap_or_default();
            values.insert(nested.name.clone(), nested.conform(value));
        }
        Value::Object(values)
    }
}

impl NestedBlock {
    /// A nested block that may be left out.
    pub fn new(name: &str, nesting: Nesting, description: &str, block: Block) -> Self {
        let max = match nesting {
            Nesting::Single => 1,
            Nesting::List | Nesting::Set | Nesting::Map | Nesting::Group => 0,
        };
        Self { name: name.to_owned(), nesting, description: description.to_owned(), min: 0, max, replace: false, block }
    }

    /// At least one must be there.
    #[must_use]
    pub fn required(self) -> Self {
        self.at_least(1)
    }

    /// A change of anything in it means to destroy and create anew.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// Terraform warns who writes it. The message says what to use instead.
    #[must_use]
    pub fn deprecated(mut self, message: &str) -> Self {
        self.block.deprecated = Some(message.to_owned());
        self
    }

    /// The least number of blocks.
    #[must_use]
    pub fn at_least(mut self, min: u64) -> Self {
        self.min = min;
        self
    }

    /// The greatest number of blocks.
    #[must_use]
    pub fn at_most(mut self, max: u64) -> Self {
        self.max = max;
        self
    }

    /// The type of the value.
    pub fn ty(&self) -> Type {
        match self.nesting {
            Nesting::Single | Nesting::Group => self.block.ty(),
            Nesting::List => Type::list(self.block.ty()),
            Nesting::Set => Type::set(self.block.ty()),
            Nesting::Map => Type::map(self.block.ty()),
        }
    }

    fn conform(&self, value: Value) -> Value {
        let inner = |blocks: Vec<Value>| blocks.into_iter().map(|block| self.block.conform(block));
        match (self.nesting, value) {
            (Nesting::Group, Value::Null) => self.block.empty(),
            (Nesting::Single | Nesting::Group, value) => self.block.conform(value),
            (Nesting::List, Value::Null) => Value::List(Vec::new()),
            (Nesting::List, Value::List(blocks)) => Value::list(inner(blocks)),
            (Nesting::Set, Value::Null) => Value::Set(Vec::new()),
            (Nesting::Set, Value::Set(blocks)) => Value::set(inner(blocks)),
            (Nesting::Map, Value::Null) => Value::Map(BTreeMap::new()),
            (Nesting::Map, Value::Map(blocks)) => {
                Value::Map(blocks.into_iter().map(|(label, block)| (label, self.block.conform(block))).collect())
            }
            (Nesting::List | Nesting::Set | Nesting::Map, value) => value,
        }
    }
}
