use rstest::rstest;

use super::*;
use crate::schema::{Modifier, Relation, ReplaceIf, Sameness};
use crate::value::Type;

fn of(attribute: Attribute) -> Vec<String> {
    Block::new("A block.").with(attribute).problems()
}

fn text(name: &str) -> Attribute {
    Attribute::new(name, Type::String, "What it is.")
}

const SAME: Sameness = Sameness::new("they are", |_, _| true);
const IF: ReplaceIf = ReplaceIf::new("it is", |_, _| true);
const LAST: Modifier = Modifier::new("Stays", |_, _, planned| planned.clone());

#[test]
fn what_blocks_can_not_hold() {
    let within = |nesting, attribute: Attribute| {
        let nested = NestedBlock::new("n", nesting, "Nested.", Block::new("Inner.").with(attribute));
        Block::new("Outer.").with_block(nested).problems()
    };
    let any = Attribute::new("a", Type::list(Type::Dynamic), "Any.").required();
    for nesting in [Nesting::Single, Nesting::List, Nesting::Map] {
        assert_eq!(within(nesting, any.clone()), [""; 0]);
        assert_eq!(within(nesting, text("a").required().write_only()), [""; 0]);
    }
    assert_eq!(within(Nesting::Set, any), ["`n.a`: a set of blocks can't hold a value of any type"]);
    let write_only = text("a").required().write_only();
    assert_eq!(within(Nesting::Set, write_only), ["`n.a`: a set of blocks can't hold what is write-only"]);
    let same = text("a").required().same_if(SAME);
    assert_eq!(within(Nesting::Set, same), ["`n.a`: in a set of blocks nobody can tell what a value was before"]);
    let required = text("a").required();
    assert_eq!(within(Nesting::Group, required), ["`n.a`: nothing can be required in a group, which is always there"]);
    let counted = NestedBlock::new("n", Nesting::Map, "Nested.", Block::new("Inner.")).at_least(1);
    assert_eq!(
        Block::new("Outer.").with_block(counted).problems(),
        ["`n`: neither a map of blocks nor a group has a number of blocks"]
    );
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
#[case(text("a").computed().write_only(), "write-only is for what the user sets")]
#[case(text("a").default("x").write_only(), "write-only is for what the user sets")]
#[case(text("a").required().write_only().replace(), "is in no state, so that no change of it is seen")]
#[case(text("a").required().write_only().same_if(SAME), "is in no state, so that no change of it is seen")]
#[case(text("a").computed().same_if(SAME), "makes no sense for what the user can't set")]
#[case(text("a").computed().replace_if(IF), "makes no sense for what the user can't set")]
#[case(text("a").required().replace().replace_if(IF), "either every change replaces, or some do")]
#[case(text("a").required().volatile(), "only what is computed can be computed anew")]
#[case(text("a").default("x").changes_with(["b"]), "only what is computed can be computed anew")]
#[case(text("a").computed().changes_with(["a"]), "it can't change with itself")]
#[case(text("a").computed().changes_with(["b"]), "it changes with `b`, which isn't there")]
#[case(text("a").required().never_null(), "a promise is for what is computed")]
#[case(Attribute::new("a", Type::Bool, "A.").computed().begins_with("x"), "only text begins with something")]
#[case(text("a").required().write_only().modify(LAST), "nothing is planned for what is write-only")]
#[case(text("a").optional().deprecated("Use b"), "does not end with a period")]
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
