//! How a plan is made, and Terraform's rules for plans and results: tables, and properties over any configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod any;

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value as Json, json};
use terraform_plugin::plan::{self, Violation};
use terraform_plugin::value::{BlockSet, Group, Refinement, json as state};
use terraform_plugin::{Attr, Model, Object, Path, Secret, Value};

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// Required.
    #[tf(required, replace)]
    name: Attr<String>,
    /// Optional.
    #[tf(optional)]
    note: Attr<String>,
    /// With a default.
    #[tf(default = "small")]
    size: Attr<String>,
    /// Optional and computed.
    #[tf(optional, computed)]
    zone: Attr<String>,
    /// Computed.
    #[tf(computed)]
    id: Attr<String>,
    /// Secret.
    #[tf(optional, sensitive)]
    secret: Attr<Secret<String>>,
    /// Parts.
    #[tf(optional)]
    parts: Attr<Vec<Attr<Part>>>,
    /// Computed set.
    #[tf(computed)]
    tags: Attr<std::collections::BTreeSet<String>>,
    /// Single.
    #[tf(block)]
    disk: Option<Disk>,
    /// List.
    #[tf(block)]
    port: Vec<Disk>,
    /// Set.
    #[tf(block)]
    rule: BlockSet<Rule>,
    /// Map.
    #[tf(block)]
    shelf: BTreeMap<String, Disk>,
    /// Group.
    #[tf(block)]
    look: Group<Look>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Rule {
    /// Kind.
    #[tf(required, replace)]
    kind: Attr<String>,
    /// Write-only is not for sets, computed is.
    #[tf(computed, never_null)]
    uid: Attr<String>,
}

/// How it looks.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Look {
    /// Optional.
    #[tf(optional)]
    note: Attr<String>,
    /// Write-only.
    #[tf(optional, write_only)]
    key: Attr<Secret<String>>,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Disk {
    /// Kind.
    #[tf(required, replace)]
    kind: Attr<String>,
    /// With a default.
    #[tf(default = 10)]
    gb: Attr<i64>,
    /// Computed.
    #[tf(computed)]
    uid: Attr<String>,
}

/// A part.
#[derive(Clone, Debug, Default, PartialEq, Object)]
struct Part {
    /// Name.
    name: Attr<String>,
    /// Weight.
    #[tf(optional)]
    weight: Attr<i64>,
}

const UNKNOWN: &str = "<unknown>";

/// A value written as JSON, with [`UNKNOWN`] for what is unknown; what is left out is null.
fn thing(json: Json) -> Value {
    let block = Thing::block();
    let value = state::decode(&block.ty(), json.to_string().as_bytes()).unwrap();
    block.conform(with_unknowns(value))
}

fn with_unknowns(value: Value) -> Value {
    match value {
        Value::String(text) if text == UNKNOWN => Value::unknown(),
        Value::List(values) => Value::list(values.into_iter().map(with_unknowns)),
        Value::Set(values) => Value::set(values.into_iter().map(with_unknowns)),
        Value::Object(values) => Value::object(values.into_iter().map(|(name, value)| (name, with_unknowns(value)))),
        Value::Map(values) => Value::map(values.into_iter().map(|(label, value)| (label, with_unknowns(value)))),
        other => other,
    }
}

fn initial(prior: &Value, config: &Value) -> Value {
    let block = Thing::block();
    plan::initial(&block, prior, config, &plan::proposed_new(&block, prior, config))
}

fn texts(violations: Vec<Violation>) -> Vec<String> {
    violations.into_iter().map(|(path, message)| format!("{path}: {message}")).collect()
}

#[test]
fn create() {
    let config = thing(json!({ "name": "a", "disk": { "kind": "ssd" }, "port": [{ "kind": "x", "gb": 1 }] }));
    let planned = initial(&Value::Null, &config);
    assert_eq!(
        planned,
        with_tags(thing(json!({
            "name": "a", "size": "small", "zone": UNKNOWN, "id": UNKNOWN,
            "disk": { "kind": "ssd", "gb": 10, "uid": UNKNOWN },
            "port": [{ "kind": "x", "gb": 1, "uid": UNKNOWN }],
        })))
    );
    assert_eq!(plan::check_plan(&Thing::block(), &Value::Null, &config, &planned), []);
}

fn with_tags(value: Value) -> Value {
    let Value::Object(mut values) = value else { panic!("no object") };
    values.insert("tags".into(), Value::unknown());
    Value::Object(values)
}

#[test]
fn update_keeps_what_is_computed() {
    let prior = thing(json!({
        "name": "a", "note": "old", "size": "large", "zone": "z1", "id": "1", "tags": ["t"],
        "disk": { "kind": "ssd", "gb": 99, "uid": "d" },
        "port": [{ "kind": "x", "gb": 1, "uid": "p" }],
    }));
    let config = thing(json!({
        "name": "a", "zone": UNKNOWN,
        "disk": { "kind": "ssd" },
        "port": [{ "kind": "x" }, { "kind": "y" }],
    }));
    let planned = initial(&prior, &config);
    assert_eq!(
        planned,
        thing(json!({
            "name": "a", "size": "small", "zone": UNKNOWN, "id": "1", "tags": ["t"],
            "disk": { "kind": "ssd", "gb": 10, "uid": "d" },
            "port": [{ "kind": "x", "gb": 10, "uid": "p" }, { "kind": "y", "gb": 10, "uid": UNKNOWN }],
        }))
    );
    assert_eq!(plan::check_plan(&Thing::block(), &prior, &config, &planned), []);
}

#[test]
fn no_change_no_plan() {
    let config = thing(json!({ "name": "a", "disk": { "kind": "ssd" } }));
    let prior = thing(json!({
        "name": "a", "size": "small", "zone": "z", "id": "1", "tags": [], "disk": { "kind": "ssd", "gb": 10, "uid": "d" },
    }));
    assert_eq!(initial(&prior, &config), prior);
}

#[test]
fn a_single_block_comes_and_goes() {
    let with = thing(json!({ "name": "a", "disk": { "kind": "ssd", "gb": 10, "uid": "d" } }));
    let without = thing(json!({ "name": "a" }));
    assert_eq!(initial(&with, &without).get("disk"), Some(&Value::Null));
    let added = initial(&without, &thing(json!({ "name": "a", "disk": { "kind": "ssd" } })));
    assert_eq!(added.at(&Path::from("disk").attr("uid")), Some(&Value::unknown()));
}

#[rstest]
#[case(json!({ "name": "a" }), json!({ "name": "a", "note": "x" }), &[])]
#[case(json!({ "name": "a" }), json!({ "name": "b" }), &["name"])]
#[case(json!({ "name": "a" }), json!({ "name": UNKNOWN }), &["name"])]
#[case(json!({ "name": "a", "disk": { "kind": "x" } }), json!({ "name": "a", "disk": { "kind": "y" } }), &["disk.kind"])]
#[case(json!({ "name": "a", "disk": { "kind": "x" } }), json!({ "name": "a" }), &["disk.kind"])]
#[case(json!({ "name": "a", "port": [{ "kind": "x" }, { "kind": "y" }] }), json!({ "name": "a", "port": [{ "kind": "x" }] }), &["port[1].kind"])]
// what was just imported lacks even what is required; what is new can't have changed
#[case(json!({}), json!({ "name": "a" }), &[])]
#[case(json!({ "name": "a", "port": [{ "kind": "x" }] }), json!({ "name": "a", "port": [{ "kind": "x" }, { "kind": "y" }] }), &[])]
// the elements of a set have no address, and one more is no reason
#[case(json!({ "name": "a", "rule": [{ "kind": "x" }] }), json!({ "name": "a", "rule": [{ "kind": "y" }] }), &["rule"])]
#[case(json!({ "name": "a", "rule": [{ "kind": "x" }] }), json!({ "name": "a", "rule": [{ "kind": "x" }, { "kind": "y" }] }), &[])]
#[case(json!({ "name": "a", "shelf": { "l": { "kind": "x" } } }), json!({ "name": "a", "shelf": { "l": { "kind": "y" } } }), &["shelf[\"l\"].kind"])]
fn replaced(#[case] prior: Json, #[case] planned: Json, #[case] paths: &[&str]) {
    let found = plan::requires_replace(&Thing::block(), &thing(prior.clone()), &thing(planned));
    assert_eq!(found.iter().map(Path::to_string).collect::<Vec<_>>(), paths);
    assert_eq!(plan::requires_replace(&Thing::block(), &Value::Null, &thing(prior)), []);
}

#[rstest]
// other than the configuration
#[case(json!({ "name": "a" }), json!({ "name": "a" }), json!({ "name": "b" }),
    "name: planned to be \"b\", but the configuration says \"a\"")]
// the prior value may stay, for it may be the same spelled differently
#[case(json!({ "name": "A" }), json!({ "name": "a" }), json!({ "name": "A" }), "")]
// a value out of nowhere
#[case(json!({}), json!({ "name": "a" }), json!({ "name": "a", "note": "x" }),
    "note: planned to have a value, but the configuration has none and it is not computed")]
#[case(json!({ "note": "x" }), json!({ "name": "a" }), json!({ "name": "a", "note": "x" }),
    "note: planned to have a value, but the configuration has none and it is not computed")]
// what is computed and not set is free
#[case(json!({}), json!({ "name": "a" }), json!({ "name": "a", "zone": "z", "id": UNKNOWN, "size": "x" }), "")]
// but not what is computed and set
#[case(json!({ "zone": "y" }), json!({ "name": "a", "zone": "z" }), json!({ "name": "a", "zone": UNKNOWN }),
    "zone: planned to be (known after apply), but the configuration says \"z\"")]
// a secret is not shown
#[case(json!({}), json!({ "name": "a", "secret": "s3" }), json!({ "name": "a", "secret": "s4" }),
    "secret: the planned value is not that of the configuration")]
// the place in an object in a list
#[case(json!({}), json!({ "name": "a", "parts": [{ "name": "p" }] }), json!({ "name": "a", "parts": [{ "name": "p", "weight": 1 }] }),
    "parts[0].weight: planned to be 1, but the configuration says null")]
// blocks
#[case(json!({}), json!({ "name": "a", "disk": { "kind": "x" } }), json!({ "name": "a" }),
    "disk: planned not to exist, but the configuration has it")]
#[case(json!({}), json!({ "name": "a" }), json!({ "name": "a", "disk": { "kind": "x" } }),
    "disk: planned to exist, but the configuration does not have it")]
#[case(json!({}), json!({ "name": "a", "port": [{ "kind": "x" }] }), json!({ "name": "a" }),
    "port: 0 blocks are planned, but the configuration has 1")]
#[case(json!({}), json!({ "name": "a", "port": [{ "kind": "x" }] }), json!({ "name": "a", "port": [{ "kind": "y" }] }),
    "port[0].kind: planned to be \"y\", but the configuration says \"x\"")]
// sets, maps, groups
#[case(json!({}), json!({ "name": "a", "rule": [{ "kind": "x" }] }), json!({ "name": "a", "rule": [] }),
    "rule: 0 blocks are planned, but the configuration has 1")]
#[case(json!({}), json!({ "name": "a", "rule": [{ "kind": "x" }] }), json!({ "name": "a", "rule": [{ "kind": "y", "uid": "1" }] }),
    "rule: a block is planned that the configuration does not have")]
#[case(json!({}), json!({ "name": "a", "rule": [{ "kind": "x" }] }), json!({ "name": "a", "rule": [{ "kind": "x", "uid": "1" }] }), "")]
#[case(json!({}), json!({ "name": "a", "shelf": { "l": { "kind": "x" } } }), json!({ "name": "a", "shelf": { "m": { "kind": "x" } } }),
    "shelf: the labels of the planned blocks are not those of the configuration")]
#[case(json!({}), json!({ "name": "a", "shelf": { "l": { "kind": "x" } } }), json!({ "name": "a", "shelf": { "l": { "kind": "y" } } }),
    "shelf[\"l\"].kind: planned to be \"y\", but the configuration says \"x\"")]
#[case(json!({}), json!({ "name": "a", "look": { "note": "x" } }), json!({ "name": "a", "look": {} }),
    "look.note: planned to be null, but the configuration says \"x\"")]
// what is write-only
#[case(json!({}), json!({ "name": "a", "look": { "key": "k" } }), json!({ "name": "a", "look": { "key": "k" } }),
    "look.key: planned to have a value, but what is write-only may be in no plan")]
#[case(json!({}), json!({ "name": "a", "look": { "key": "k" } }), json!({ "name": "a", "look": {} }), "")]
fn plans(#[case] prior: Json, #[case] config: Json, #[case] planned: Json, #[case] violation: &str) {
    let found = plan::check_plan(&Thing::block(), &thing(prior), &thing(config), &thing(planned));
    let expected: &[&str] = if violation.is_empty() { &[] } else { &[violation] };
    assert_eq!(texts(found), expected);
}

#[test]
fn destroy_is_null() {
    let (block, thing) = (Thing::block(), thing(json!({ "name": "a" })));
    assert_eq!(plan::check_plan(&block, &thing, &Value::Null, &Value::Null), []);
    assert_eq!(plan::check_plan(&block, &thing, &Value::Null, &thing).len(), 1);
    assert_eq!(plan::check_apply(&block, &Value::Null, &Value::Null), []);
    assert_eq!(plan::check_apply(&block, &Value::Null, &thing).len(), 1);
    assert_eq!(plan::check_apply(&block, &thing, &Value::Null).len(), 1);
}

#[rstest]
#[case(json!({ "name": "a", "id": UNKNOWN }), json!({ "name": "a", "id": "1" }), "")]
#[case(json!({ "name": "a", "id": UNKNOWN }), json!({ "name": "a" }), "")]
#[case(json!({ "name": "a" }), json!({ "name": "a", "id": "1" }), "id: planned to be null, but it is \"1\"")]
#[case(json!({ "name": "a", "id": UNKNOWN }), json!({ "name": "a", "id": UNKNOWN }), "id: still unknown")]
#[case(json!({ "name": "a" }), json!({ "name": UNKNOWN }), "name: still unknown")]
#[case(json!({ "secret": "s3" }), json!({ "secret": "s4" }), "secret: the value is not the planned one")]
#[case(json!({ "parts": [{ "name": UNKNOWN }] }), json!({ "parts": [{ "name": "p" }] }), "")]
#[case(json!({ "parts": [{ "name": "p" }] }), json!({ "parts": [] }),
    "parts: planned to be [{ name = \"p\", weight = null }], but it is []")]
#[case(json!({ "parts": [{ "name": "p" }] }), json!({ "parts": [{ "name": "q" }] }),
    "parts[0].name: planned to be \"p\", but it is \"q\"")]
#[case(json!({ "tags": ["a", UNKNOWN, UNKNOWN] }), json!({ "tags": ["a", "b"] }), "")]
#[case(json!({ "tags": ["a"] }), json!({ "tags": ["a", "b"] }), "tags: planned to be [\"a\"], but it is [\"a\", \"b\"]")]
#[case(json!({ "tags": ["a", UNKNOWN] }), json!({ "tags": ["b"] }),
    "tags: planned to be [(known after apply), \"a\"], but it is [\"b\"]")]
#[case(json!({ "disk": { "kind": "x", "uid": UNKNOWN } }), json!({ "disk": { "kind": "x", "uid": "d" } }), "")]
#[case(json!({ "disk": { "kind": "x" } }), json!({}), "disk: planned to exist, but it does not")]
#[case(json!({ "port": [{ "kind": "x" }] }), json!({ "port": [] }), "port: 1 blocks were planned, but there are 0")]
#[case(json!({ "port": [{ "kind": "x" }] }), json!({ "port": [{ "kind": "y" }] }),
    "port[0].kind: planned to be \"x\", but it is \"y\"")]
#[case(json!({ "rule": [{ "kind": "x", "uid": UNKNOWN }] }), json!({ "rule": [{ "kind": "x", "uid": "1" }] }), "")]
#[case(json!({ "rule": [{ "kind": UNKNOWN, "uid": UNKNOWN }, { "kind": "x", "uid": UNKNOWN }] }), json!({ "rule": [{ "kind": "x", "uid": "1" }] }), "")]
#[case(json!({ "rule": [{ "kind": "x" }] }), json!({ "rule": [{ "kind": "x" }, { "kind": "y" }] }), "rule: the blocks are not the planned ones")]
#[case(json!({ "shelf": { "l": { "kind": "x" } } }), json!({ "shelf": {} }), "shelf: the labels of the blocks are not the planned ones")]
#[case(json!({ "shelf": { "l": { "kind": "x" } } }), json!({ "shelf": { "l": { "kind": "y" } } }),
    "shelf[\"l\"].kind: planned to be \"x\", but it is \"y\"")]
#[case(json!({}), json!({ "look": { "key": "k" } }), "look.key: has a value, but what is write-only may be in no state")]
fn results(#[case] planned: Json, #[case] result: Json, #[case] violation: &str) {
    let found = plan::check_apply(&Thing::block(), &thing(planned), &thing(result));
    let expected: &[&str] = if violation.is_empty() { &[] } else { &[violation] };
    assert_eq!(texts(found), expected);
}

#[test]
fn what_a_struct_can_not_hold_is_restored() {
    let refined = Value::refined(Refinement { prefix: Some("z".into()), ..Refinement::NONE });
    let Value::Object(mut values) = thing(json!({ "name": "a" })) else { panic!("no object") };
    let part = Value::object([("name", "p".into()), ("weight", Value::Null)]);
    values.insert("zone".into(), refined);
    values.insert("parts".into(), Value::list([Value::unknown(), part]));
    values.insert("port".into(), Value::unknown());
    values.insert("disk".into(), Value::unknown());
    let original = Value::Object(values);

    let mut model = Thing::decode(&original).unwrap();
    let before = model.encode();
    assert_ne!(before, original);
    model.id = "changed".into();
    let restored = plan::restore(&original, &before, &model.encode());
    assert_eq!(restored.get("id"), Some(&"changed".into()));
    for name in ["zone", "parts", "port", "disk"] {
        assert_eq!(restored.get(name), original.get(name), "{name}");
    }
    assert_eq!(plan::check_plan(&Thing::block(), &Value::Null, &original, &restored), []);
}
