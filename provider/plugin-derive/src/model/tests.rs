#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use syn::parse_str;

use super::*;

/// What the compiler tells the author of a struct with this field.
fn message(field: &str) -> String {
    let input = format!("struct Bucket {{ {field} }}");
    match expand(&parse_str(&input).unwrap()) {
        Ok(_) => String::new(),
        Err(errors) => errors.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join(" | "),
    }
}

#[test]
fn what_makes_sense() {
    for field in [
        "#[tf(required, replace, one_of(\"a\", \"b\"))] name: Attr<String>",
        "#[tf(default = -1, range(-1, 1))] number: Attr<i64>",
        "#[tf(optional, default = true)] flag: value::Attr<bool>",
        "#[tf(computed)] #[tf(sensitive)] r#ref: Attr<Vec<Attr<Secret<String>>>>",
        "#[tf(block)] single: Option<Single>",
        "#[tf(block, min = 1, max = 2, replace)] list: Vec<Element>",
        "#[tf(optional, name = \"type\")] kind: Attr<String>",
        "#[tf(required, write_only)] password: Attr<Secret<String>>",
        "#[tf(optional, same_if(\"they are\", same), replace_if(\"it must\", a::must))] text: Attr<String>",
        "#[tf(optional)] a: Attr<String>, #[tf(computed, changes_with(\"a\"), never_null)] b: Attr<String>",
        "#[tf(computed, volatile, begins_with = \"b-\", modify(\"Stays\", stay))] b: Attr<String>",
        "#[tf(optional, deprecated = \"Use `b`.\")] a: Attr<String>",
        "#[tf(block, deprecated = \"Use `b`.\", min = 1)] a: BlockSet<A>",
        "#[tf(block)] a: BTreeMap<String, A>, #[tf(block)] b: Group<A>",
        "#[tf(required, length(1, 63), regex = \"[a-z]+\")] name: Attr<String>",
        "#[tf(optional, conflicts_with(\"b\"))] a: Attr<String>, #[tf(block, exactly_one_of(\"a\"))] b: Option<B>",
    ] {
        assert_eq!(message(field), "", "{field}");
    }
}

#[test]
fn what_does_not_and_why() {
    for (field, expected) in [
        ("name: Attr<String>", "say who sets it"),
        ("#[tf(required)] name: String", "an attribute is an `Attr<…>`: it may be null"),
        ("#[tf(optional)] name: Option<String>", "a nested block needs `#[tf(block)]`"),
        ("#[tf(required, optional)] name: Attr<String>", "`required` excludes `optional`"),
        ("#[tf(required, default = 1)] name: Attr<i64>", "what has a default may be left out"),
        ("#[tf(required, required)] name: Attr<String>", "said twice"),
        ("#[tf(requires)] name: Attr<String>", "`requires` is unknown here; there are `required`"),
        ("#[tf(computed, replace)] name: Attr<String>", "what only the provider sets"),
        ("#[tf(computed, range(0, 1))] name: Attr<i64>", "what only the provider sets"),
        ("#[tf(required, range(1, 0))] name: Attr<i64>", "this range is empty"),
        ("#[tf(required, range(1))] name: Attr<i64>", "a range has two ends"),
        ("#[tf(required, range(\"a\", \"b\"))] name: Attr<i64>", "expected a whole number"),
        ("#[tf(required, one_of())] name: Attr<String>", "allows nothing"),
        ("#[tf(required, length(2, 1))] name: Attr<String>", "a length has two ends"),
        ("#[tf(required, length(1))] name: Attr<String>", "a length has two ends"),
        ("#[tf(computed, regex = \"a\")] name: Attr<String>", "what only the provider sets"),
        ("#[tf(optional, conflicts_with())] name: Attr<String>", "name the others"),
        ("#[tf(optional, conflicts_with(\"nmae\"))] name: Attr<String>", "no attribute or block `nmae` here"),
        ("#[tf(optional, at_least_one_of(\"name\"))] name: Attr<String>", "the attribute itself is meant anyway"),
        ("#[tf(default = [1])] name: Attr<Vec<i64>>", "expected a literal"),
        ("#[tf(required, sensitive)] name: Attr<String>", "what is sensitive is an `Attr<Secret<…>>`"),
        ("#[tf(required, min = 1)] name: Attr<i64>", "`min` and `max` count blocks"),
        ("#[tf(computed, write_only)] name: Attr<String>", "only the user can write it"),
        ("#[tf(default = 1, write_only)] name: Attr<i64>", "only the user can write it"),
        ("#[tf(required, write_only, replace)] name: Attr<i64>", "no change of it is ever seen"),
        ("#[tf(required, write_only, same_if(\"a\", b))] name: Attr<i64>", "no change of it is ever seen"),
        ("#[tf(computed, same_if(\"a\", b))] name: Attr<i64>", "what only the provider sets"),
        ("#[tf(required, same_if(b))] name: Attr<i64>", "words for the documentation and a function"),
        ("#[tf(required, same_if(\"a\"))] name: Attr<i64>", "words for the documentation and a function"),
        ("#[tf(required, same_if(\"a.\", b))] name: Attr<i64>", "write no period"),
        ("#[tf(required, replace, replace_if(\"a\", b))] name: Attr<i64>", "either every change replaces"),
        ("#[tf(required, volatile)] name: Attr<i64>", "what the provider computes"),
        ("#[tf(default = 1, never_null)] name: Attr<i64>", "what the provider computes"),
        ("#[tf(computed, volatile, changes_with(\"b\"))] a: Attr<i64>", "already changes with everything"),
        ("#[tf(computed, changes_with(\"b\"))] a: Attr<i64>", "no attribute or block `b` here"),
        ("#[tf(block, required)] a: Group<A>", "a group is always there"),
        ("#[tf(block, max = 1)] a: BTreeMap<String, A>", "are for lists of blocks"),
        ("#[tf(block, volatile)] a: Vec<A>", "this is for attributes"),
        ("#[tf(block)] name: Attr<Bucket>", "a nested block is an `Option<…>`"),
        ("#[tf(required)] name: Attr<u32>", "a whole number is an `i64`"),
        ("#[tf(required)] name: Attr<Vec<Attr<f64>>>", "a number with a fraction is a `terraform_plugin::Number`"),
        ("#[tf(required)] name: Attr<&'static str>", "a model owns its values"),
        ("#[tf(required)] name: Attr<HashMap<String, String>>", "a map is a `BTreeMap<String, …>`"),
        ("#[tf(required)] name: Attr<Option<String>>", "an `Attr<…>` can be null by itself"),
        ("#[tf(required)] name: Attr<(String, String)>", "Terraform has no type for this"),
        ("#[tf(block, computed)] name: Option<Bucket>", "this is for attributes"),
        ("#[tf(block, max = 1)] name: Option<Bucket>", "a single one is `required` or not"),
        (
            "a: Attr<bool>, #[tf(required)] b: bool",
            "say who sets it: `#[tf(required)]`, `#[tf(optional)]`, \
          `#[tf(computed)]` or a `default` | an attribute is an `Attr<…>`",
        ),
    ] {
        let message = message(field);
        assert!(message.contains(expected), "{field}: {message}");
    }
}

#[test]
fn only_plain_structs() {
    for (input, expected) in [
        ("enum Bucket {}", "can only be derived for a struct"),
        ("struct Bucket(Attr<String>);", "needs named fields"),
        ("struct Bucket<T> { name: Attr<T> }", "without parameters"),
        ("#[tf(required)] struct Bucket {}", "can only be `deprecated"),
    ] {
        let message = expand(&parse_str(input).unwrap()).unwrap_err().to_string();
        assert!(message.contains(expected), "{input}: {message}");
    }
}
