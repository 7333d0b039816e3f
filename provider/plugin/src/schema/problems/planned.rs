//! Does it make sense how this attribute is planned?

use crate::schema::{Attribute, Block, Recomputed};
use crate::value::{Refinement, Type};

pub(super) fn of_attribute(block: &Block, attribute: &Attribute, path: &str, problems: &mut Vec<String>) {
    let by_user = attribute.required || attribute.optional;
    let by_provider = attribute.computed && attribute.default.is_none();
    let mut problem = |text: String| problems.push(format!("`{path}`: {text}"));
    if attribute.write_only {
        if !by_user || attribute.computed {
            problem("write-only is for what the user sets, and only the user".to_owned());
        }
        if attribute.replace || attribute.replace_if.is_some() || attribute.same_if.is_some() {
            problem("what is write-only is in no state, so that no change of it is seen".to_owned());
        }
        if attribute.modifier.is_some() {
            problem("nothing is planned for what is write-only".to_owned());
        }
    }
    if !by_user && (attribute.same_if.is_some() || attribute.replace_if.is_some()) {
        problem("`same_if` or `replace_if` makes no sense for what the user can't set".to_owned());
    }
    if attribute.replace && attribute.replace_if.is_some() {
        problem("either every change replaces, or some do".to_owned());
    }
    if attribute.recomputed != Recomputed::Never && !by_provider {
        problem("only what is computed can be computed anew, and what has a default never is".to_owned());
    }
    if attribute.promise != Refinement::NONE && !by_provider {
        problem("a promise is for what is computed".to_owned());
    }
    if attribute.promise.prefix.is_some() && attribute.ty != Type::String {
        problem("only text begins with something".to_owned());
    }
    let Recomputed::With(names) = &attribute.recomputed else { return };
    for name in names {
        match (block.attribute(name), block.block(name)) {
            _ if *name == attribute.name => problem("it can't change with itself".to_owned()),
            (None, None) => problem(format!("it changes with `{name}`, which isn't there")),
            (Some(other), _) if other.write_only => {
                problem(format!("it changes with `{name}`, which is write-only: no change of that is seen"));
            }
            _ => {}
        }
    }
}
