//! Is this schema sound? Terraform finds some of these faults only when a user runs into them.

use std::collections::BTreeSet;

use crate::value::Type;

use super::validator::whole;
use super::{Attribute, Block, Field, NestedBlock, Nesting, Validator};

mod planned;

/// Names that mean something to Terraform in a block of a resource or of a provider.
const RESERVED: [&str; 8] =
    ["connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioner", "alias"];

impl Block {
    /// What is wrong with this schema, one sentence each with the path of the attribute; empty if it is sound.
    /// For a test over all schemas of a provider.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        in_block(self, "", Place::Anywhere, &mut problems);
        for name in self.names().filter(|name| RESERVED.contains(name)) {
            problems.push(format!("`{name}`: the name is reserved by Terraform"));
        }
        problems
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let attributes = self.attributes.iter().map(|attribute| attribute.name.as_str());
        attributes.chain(self.blocks.iter().map(|nested| nested.name.as_str()))
    }
}

/// Where a block is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Anywhere,
    /// In a set of blocks, at whatever depth: nothing tells which of them was which before.
    InSet,
    /// In a group: it is there even if the user doesn't write it.
    InGroup,
}

impl Place {
    fn below(self, nesting: Nesting) -> Self {
        match (self, nesting) {
            (Self::InSet, _) | (_, Nesting::Set) => Self::InSet,
            (_, Nesting::Group) => Self::InGroup,
            _ => Self::Anywhere,
        }
    }
}

fn in_block(block: &Block, prefix: &str, place: Place, problems: &mut Vec<String>) {
    if prefix.is_empty() {
        description("the block", &block.description, problems);
    }
    if let Some(message) = &block.deprecated {
        description("the deprecation of the block", message, problems);
    }
    let mut seen = BTreeSet::new();
    for name in block.names().filter(|name| !seen.insert(*name)) {
        problems.push(format!("`{prefix}{name}`: there are two of this name"));
    }
    for name in block.relations.iter().flat_map(|relation| relation.names()) {
        let attribute = block.attribute(name);
        if attribute.is_none() && block.block(name).is_none() {
            problems.push(format!("`{prefix}{name}`: a relation names it, but it isn't there"));
        }
        let always = block.block(name).is_some_and(|nested| nested.nesting == Nesting::Group);
        if always || attribute.is_some_and(|attribute| attribute.required || !attribute.optional) {
            problems.push(format!("`{prefix}{name}`: a relation makes no sense where the user has no choice"));
        }
    }
    for attribute in &block.attributes {
        let path = format!("{prefix}{}", attribute.name);
        in_attribute(attribute, &path, problems);
        planned::of_attribute(block, attribute, &path, problems);
        placed(attribute, place, &path, problems);
    }
    for nested in &block.blocks {
        let path = format!("{prefix}{}", nested.name);
        in_nested(nested, &path, problems);
        in_block(&nested.block, &format!("{path}."), place.below(nested.nesting), problems);
    }
}

fn placed(attribute: &Attribute, place: Place, path: &str, problems: &mut Vec<String>) {
    let mut problem = |text: &str| problems.push(format!("`{path}`: {text}"));
    if place == Place::InGroup && attribute.required {
        problem("nothing can be required in a group, which is always there");
    }
    if place != Place::InSet {
        return;
    }
    if attribute.write_only {
        problem("a set of blocks can't hold what is write-only");
    }
    if has_dynamic(&attribute.ty) {
        problem("a set of blocks can't hold a value of any type");
    }
    if attribute.same_if.is_some() {
        problem("in a set of blocks nobody can tell what a value was before");
    }
}

fn has_dynamic(ty: &Type) -> bool {
    match ty {
        Type::Dynamic => true,
        Type::List(element) | Type::Set(element) | Type::Map(element) => has_dynamic(element),
        Type::Object(object) => object.attributes.values().any(has_dynamic),
        Type::Tuple(types) => types.iter().any(has_dynamic),
        Type::String | Type::Number | Type::Bool => false,
    }
}

fn in_attribute(attribute: &Attribute, path: &str, problems: &mut Vec<String>) {
    let Attribute { required, optional, computed, .. } = *attribute;
    let mut problem = |text: &str| problems.push(format!("`{path}`: {text}"));
    if required && (optional || computed) {
        problem("required excludes optional and computed");
    }
    if !(required || optional || computed) {
        problem("neither required nor optional nor computed");
    }
    if attribute.replace && computed && !optional {
        problem("replace makes no sense for what the user can't change");
    }
    if let Some(default) = &attribute.default {
        if required || !optional || !computed {
            problem("a default needs optional and computed");
        }
        if default.is_null() || !default.is_wholly_known() {
            problem("the default is no value");
        } else if !attribute.ty.admits(default) {
            problem("the default is of another type");
        } else {
            let block = Block::default().with(attribute.clone());
            let config = crate::Value::object([(attribute.name.as_str(), default.clone())]);
            if super::validate(&block, &config).has_errors() {
                problem("the default is not among the allowed values");
            }
        }
    }
    let by_user = required || optional;
    if !by_user && !attribute.validators.is_empty() {
        problem("validators make no sense for what the user can't set");
    }
    for validator in &attribute.validators {
        let kind = innermost(&attribute.ty);
        match validator {
            Validator::Range(..) if *kind != Type::Number => problem("a range is for numbers"),
            Validator::Length(..) | Validator::Matches(_) if *kind != Type::String => {
                problem("a length or a pattern is for text");
            }
            Validator::Matches(pattern) if whole(pattern).is_none() => problem("the pattern is no regular expression"),
            _ => {}
        }
    }
    if !attribute.fields.is_empty() && innermost(&attribute.ty) != &Field::object_type(&attribute.fields) {
        problem("the fields are not those of the type");
    }
    if let Some(message) = &attribute.deprecated {
        description(&format!("`{path}`, its deprecation"), message, problems);
    }
    description_and_name(path, &attribute.name, &attribute.description, problems);
    in_fields(&attribute.fields, path, problems);
}

fn in_fields(fields: &[Field], path: &str, problems: &mut Vec<String>) {
    for field in fields {
        let path = format!("{path}.{}", field.name);
        description_and_name(&path, &field.name, &field.description, problems);
        in_fields(&field.fields, &path, problems);
    }
}

fn in_nested(nested: &NestedBlock, path: &str, problems: &mut Vec<String>) {
    if nested.max != 0 && nested.min > nested.max {
        problems.push(format!("`{path}`: at least {} but at most {}", nested.min, nested.max));
    }
    match nested.nesting {
        Nesting::Single if nested.max != 1 => problems.push(format!("`{path}`: a single block occurs at most once")),
        Nesting::Map | Nesting::Group if nested.min != 0 || nested.max != 0 => {
            problems.push(format!("`{path}`: neither a map of blocks nor a group has a number of blocks"));
        }
        _ => {}
    }
    description_and_name(path, &nested.name, &nested.description, problems);
}

fn description_and_name(path: &str, name: &str, text: &str, problems: &mut Vec<String>) {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !first || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        problems.push(format!("`{path}`: a name has lower case letters, digits and underscores"));
    }
    description(&format!("`{path}`"), text, problems);
}

fn description(subject: &str, text: &str, problems: &mut Vec<String>) {
    if text.trim().is_empty() {
        problems.push(format!("{subject}: there is no description"));
    } else if !text.ends_with('.') {
        problems.push(format!("{subject}: the description does not end with a period"));
    }
}

fn innermost(ty: &Type) -> &Type {
    match ty {
        Type::List(element) | Type::Set(element) | Type::Map(element) => innermost(element),
        _ => ty,
    }
}

#[cfg(test)]
mod tests;
