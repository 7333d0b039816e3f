//! Is this schema sound? Terraform finds some of these faults only when a user runs into them.

use std::collections::BTreeSet;

use crate::value::Type;

use super::validator::whole;
use super::{Attribute, Block, Field, NestedBlock, Nesting, Validator};

/// Names that mean something to Terraform in a block of a resource or of a provider.
const RESERVED: [&str; 8] =
    ["connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioner", "alias"];

impl Block {
    /// What is wrong with this schema, one sentence each with the path of the attribute; empty if it is sound.
    /// For a test over all schemas of a provider.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        in_block(self, "", &mut problems);
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

fn in_block(block: &Block, prefix: &str, problems: &mut Vec<String>) {
    if prefix.is_empty() {
        description("the block", &block.description, problems);
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
        if attribute.is_some_and(|attribute| attribute.required || !attribute.optional) {
            problems.push(format!("`{prefix}{name}`: a relation makes no sense where the user has no choice"));
        }
    }
    for attribute in &block.attributes {
        in_attribute(attribute, &format!("{prefix}{}", attribute.name), problems);
    }
    for nested in &block.blocks {
        let path = format!("{prefix}{}", nested.name);
        in_nested(nested, &path, problems);
        in_block(&nested.block, &format!("{path}."), problems);
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
    if nested.nesting == Nesting::Single && nested.max != 1 {
        problems.push(format!("`{path}`: a single block occurs at most once"));
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
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::schema::Relation;
    use crate::value::Type;

    fn of(attribute: Attribute) -> Vec<String> {
        Block::new("A block.").with(attribute).problems()
    }

    fn text(name: &str) -> Attribute {
        Attribute::new(name, Type::String, "What it is.")
    }

    #[test]
    fn sound() {
        assert_eq!(of(text("a").required()), [""; 0]);
        assert_eq!(of(text("a_1").default("x").replace()), [""; 0]);
        assert_eq!(of(text("a").computed().sensitive()), [""; 0]);
    }

    #[rstest]
    #[case(text("a"), "neither required nor optional nor computed")]
    #[case(text("a").required().optional(), "required excludes")]
    #[case(text("a").required().default("x"), "required excludes")]
    #[case(text("a").computed().replace(), "replace makes no sense")]
    #[case(text("a").default(1), "the default is of another type")]
    #[case(text("a").default("c").validated(Validator::OneOf(vec!["a".into()])), "not among the allowed")]
    #[case(text("a").computed().validated(Validator::OneOf(vec!["a".into()])), "validators make no sense")]
    #[case(text("a").required().validated(Validator::Range(0.into(), 1.into())), "a range is for numbers")]
    #[case(Attribute::new("a", Type::Bool, "A.").required().validated(Validator::Length(0, 1)), "is for text")]
    #[case(text("a").required().validated(Validator::Matches("(".into())), "no regular expression")]
    #[case(text("A").required(), "a name has lower case letters")]
    #[case(text("1a").required(), "a name has lower case letters")]
    #[case(text("").required(), "a name has lower case letters")]
    #[case(text("count").required(), "reserved")]
    #[case(Attribute::new("a", Type::String, "").required(), "no description")]
    #[case(Attribute::new("a", Type::String, "No end").required(), "does not end with a period")]
    fn unsound(#[case] attribute: Attribute, #[case] problem: &str) {
        let problems = of(attribute);
        assert!(problems.iter().any(|found| found.contains(problem)), "{problems:?}");
    }

    #[test]
    fn relations_of_nobody() {
        let block = Block::new("A.").with(text("a").required()).with(text("b").optional());
        let problems = block.clone().related(Relation::conflict("b", "c")).problems();
        assert_eq!(problems, ["`c`: a relation names it, but it isn't there"]);
        let problems = block.related(Relation::at_least_one(["a", "b"])).problems();
        assert_eq!(problems, ["`a`: a relation makes no sense where the user has no choice"]);
    }

    #[test]
    fn in_nested_blocks_too() {
        let inner = Block::new("Inner.").with(text("a")).with(text("a").required());
        let nested = NestedBlock::new("n", Nesting::Single, "Nested.", inner).at_least(2);
        let problems = Block::new("Outer.").with_block(nested).problems();
        assert_eq!(
            problems,
            [
                "`n`: at least 2 but at most 1",
                "`n.a`: there are two of this name",
                "`n.a`: neither required nor optional nor computed",
            ]
        );
    }
}
