use std::collections::BTreeSet;

use crate::schema::{Attribute, Block, NestedBlock, Nesting};
use crate::value::{Path, Value};

/// The paths whose change means to destroy and create anew: attributes and blocks marked `replace` that differ, and
/// attributes whose [`ReplaceIf`](crate::schema::ReplaceIf) says so.
pub fn requires_replace(block: &Block, prior: &Value, planned: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    if !prior.is_null() && !planned.is_null() {
        in_block(block, prior, planned, &Path::root(), &mut paths);
    }
    paths
}

fn of(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

fn in_block(block: &Block, prior: &Value, planned: &Value, path: &Path, paths: &mut Vec<Path>) {
    for attribute in &block.attributes {
        if must(attribute, &of(prior, &attribute.name), &of(planned, &attribute.name)) {
            paths.push(path.attr(&attribute.name));
        }
    }
    for nested in &block.blocks {
        let (prior, planned) = (of(prior, &nested.name), of(planned, &nested.name));
        let path = path.attr(&nested.name);
        if nested.replace && prior != planned {
            paths.push(path);
        } else {
            in_nested(nested, &prior, &planned, &path, paths);
        }
    }
}

fn must(attribute: &Attribute, prior: &Value, planned: &Value) -> bool {
    // what must be set or is always computed is unset in one state only: the one that an import has just made
    let imported = prior.is_null() && (attribute.required || attribute.computed);
    !imported
        && ((attribute.replace && prior != planned)
            || attribute.replace_if.is_some_and(|condition| condition.holds(prior, planned)))
}

fn in_nested(nested: &NestedBlock, prior: &Value, planned: &Value, path: &Path, paths: &mut Vec<Path>) {
    let block = &nested.block;
    match nested.nesting {
        Nesting::Single | Nesting::Group => in_block(block, prior, planned, path, paths),
        Nesting::List => {
            let (prior, planned) = (prior.elements().unwrap_or_default(), planned.elements().unwrap_or_default());
            for index in 0..prior.len().max(planned.len()) {
                let at = |values: &[Value]| values.get(index).cloned().unwrap_or_default();
                in_block(block, &at(prior), &at(planned), &path.index(index), paths);
            }
        }
        Nesting::Map => {
            let labels = |value: &Value| match value {
                Value::Map(blocks) => blocks.keys().cloned().collect(),
                _ => BTreeSet::new(),
            };
            for label in labels(prior).union(&labels(planned)) {
                in_block(block, &of(prior, label), &of(planned, label), &path.key(label), paths);
            }
        }
        // the elements of a set have no address: a path ends at the set
        Nesting::Set => {
            let planned = planned.elements().unwrap_or_default();
            let gone = |prior: &Value| {
                planned.iter().all(|planned| {
                    let mut found = Vec::new();
                    in_block(block, prior, planned, path, &mut found);
                    !found.is_empty()
                })
            };
            if marks(block) && prior.elements().unwrap_or_default().iter().any(gone) {
                paths.push(path.clone());
            }
        }
    }
}

/// Whether anything in a block asks for a replacement at all.
fn marks(block: &Block) -> bool {
    block.attributes.iter().any(|attribute| attribute.replace || attribute.replace_if.is_some())
        || block.blocks.iter().any(|nested| nested.replace || marks(&nested.block))
}
