//! Derived models and objects: schema, decoding, encoding, documentation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use terraform_plugin::schema::{self, Nesting, Validator};
use terraform_plugin::value::{Path, msgpack};
use terraform_plugin::{Attr, Model, Number, Object, Secret, Type, Typed, Value};

/// A bucket for snapshots.
///
/// It is made
/// in one place.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Name of the bucket,
    /// unique in the world.
    #[tf(required, replace)]
    name: Attr<String>,
    /// Where it is.
    #[tf(default = "EU", one_of("EU", "US"))]
    location: Attr<String>,
    /// How many copies.
    #[tf(optional, default = 2, range(1, 3))]
    copies: Attr<i64>,
    /// A password.
    #[tf(optional, sensitive)]
    password: Attr<Secret<String>>,
    /// Kind of bucket.
    #[tf(optional, name = "type")]
    kind: Attr<String>,
    /// Words to find it by.
    #[tf(optional)]
    labels: Attr<BTreeMap<String, Attr<String>>>,
    /// Who may read it.
    #[tf(optional)]
    readers: Attr<BTreeSet<String>>,
    /// Rules for access.
    #[tf(optional)]
    rules: Attr<Vec<Attr<Rule>>>,
    /// A reference to it.
    #[tf(computed)]
    r#ref: Attr<Reference>,
    /// How full it is.
    #[tf(optional, computed)]
    share: Attr<Number>,
    /// How long snapshots are kept.
    #[tf(block, required)]
    retention: Option<Retention>,
    /// Where it is copied to.
    #[tf(block, max = 2)]
    copy: Vec<Copy>,
}

/// How long snapshots are kept.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Retention {
    /// Days.
    #[tf(required, range(1, 365))]
    days: Attr<i64>,
    /// When it was last looked at.
    #[tf(computed)]
    seen: Attr<bool>,
}

/// A copy.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Copy {
    /// Where to.
    #[tf(required, replace)]
    to: Attr<String>,
}

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Object)]
struct Rule {
    /// Who.
    who: Attr<String>,
    /// Until when, if not
    /// for ever.
    #[tf(optional)]
    until: Attr<i64>,
    /// Where it holds.
    #[tf(optional)]
    at: Attr<Vec<Attr<Reference>>>,
}

/// A reference.
#[derive(Clone, Debug, Default, PartialEq, Object)]
struct Reference {
    /// Its address.
    url: Attr<String>,
}

#[test]
fn schema_of_a_model() {
    let block = Bucket::block();
    assert_eq!(block.description, "A bucket for snapshots.\n\nIt is made in one place.");
    assert_eq!(block.problems(), [""; 0]);

    let name = block.attribute("name").unwrap();
    assert_eq!(name.description, "Name of the bucket, unique in the world.");
    assert!(name.required && name.replace && !name.optional && !name.computed && !name.sensitive);

    let location = block.attribute("location").unwrap();
    assert!(location.optional && location.computed && !location.required);
    assert_eq!(location.default, Some("EU".into()));
    assert_eq!(location.validators, [Validator::OneOf(vec!["EU".into(), "US".into()])]);

    let copies = block.attribute("copies").unwrap();
    assert_eq!(copies.default, Some(2.into()));
    assert_eq!(copies.validators, [Validator::Range(1.into(), 3.into())]);

    assert!(block.attribute("password").unwrap().sensitive);
    assert!(block.attribute("type").is_some() && block.attribute("kind").is_none());
    assert!(block.attribute("ref").unwrap().computed);
    assert_eq!(block.attribute("labels").unwrap().ty, Type::map(Type::String));
    assert_eq!(block.attribute("readers").unwrap().ty, Type::set(Type::String));
    assert_eq!(
        block.attribute("rules").unwrap().ty.to_json().to_string(),
        r#"["list",["object",{"at":["list",["object",{"url":"string"}]],"until":"number","who":"string"},["at","until"]]]"#
    );

    let retention = block.block("retention").unwrap();
    assert_eq!((retention.nesting, retention.min, retention.max), (Nesting::Single, 1, 1));
    let copy = block.block("copy").unwrap();
    assert_eq!((copy.nesting, copy.min, copy.max), (Nesting::List, 0, 2));
}

fn full() -> Bucket {
    let rule = Rule { who: "me".into(), until: Attr::Null, at: vec![Attr::Unknown].into() };
    Bucket {
        name: "mine".into(),
        location: Attr::Unknown,
        copies: 3.into(),
        labels: BTreeMap::from([("a".to_owned(), Attr::Null), ("b".to_owned(), Attr::Unknown)]).into(),
        readers: BTreeSet::from(["you".to_owned()]).into(),
        rules: vec![rule.into(), Attr::Unknown].into(),
        r#ref: Reference { url: Attr::Unknown }.into(),
        share: "0.1".parse::<Number>().unwrap().into(),
        retention: Some(Retention { days: 7.into(), seen: Attr::Unknown }),
        copy: vec![Copy { to: "there".into() }, Copy::default()],
        ..Bucket::default()
    }
}

#[test]
fn there_and_back() {
    for bucket in [full(), Bucket::default()] {
        let value = bucket.encode();
        assert!(Bucket::block().ty().admits(&value));
        assert_eq!(Bucket::decode(&value).unwrap(), bucket);
        let bytes = msgpack::encode(&Bucket::block().ty(), &value).unwrap();
        assert_eq!(msgpack::decode(&Bucket::block().ty(), &bytes).unwrap(), value);
    }
}

#[test]
fn an_empty_model_is_an_empty_block() {
    assert_eq!(Bucket::default().encode(), Bucket::block().empty());
}

#[test]
fn older_state_is_completed() {
    let old = Value::object([("name", "mine".into()), ("retention", Value::object([("days", 1.into())]))]);
    let conformed = Bucket::block().conform(old);
    assert!(Bucket::block().ty().admits(&conformed));
    assert_eq!(conformed.get("copy"), Some(&Value::list([])));
    assert_eq!(Bucket::decode(&conformed).unwrap().retention.unwrap().days, 1.into());
}

#[test]
fn unknown_blocks_and_objects_have_unknown_attributes() {
    let mut value = full().encode();
    let Value::Object(values) = &mut value else { panic!("no object") };
    values.insert("retention".into(), Value::unknown());
    values.insert("copy".into(), Value::unknown());
    let bucket = Bucket::decode(&value).unwrap();
    assert_eq!(bucket.retention, Some(Retention { days: Attr::Unknown, seen: Attr::Unknown }));
    assert_eq!(bucket.copy, [Copy { to: Attr::Unknown }]);
}

#[test]
fn errors_name_the_place_and_not_the_content() {
    let error = |value: Value| Bucket::decode(&value).unwrap_err().to_string();
    assert_eq!(error(Value::Null), "expected an object, found null");
    assert_eq!(error(Value::object([("name", 7.into())])), "name: expected a string, found a number");
    let half = Value::Number("1.5".parse().unwrap());
    let copies = Value::object([("copies", half)]);
    assert_eq!(error(copies), "copies: expected a whole number that fits 64 bits");
    let rules = Value::list([Value::object([("until", "secret".into())])]);
    assert_eq!(error(Value::object([("rules", rules)])), "rules[0].until: expected a number, found a string");
    let copy = Value::list([Value::object([("to", "x".into())]), Value::object([("to", true.into())])]);
    assert_eq!(error(Value::object([("copy", copy)])), "copy[1].to: expected a string, found a bool");
    let readers = Value::Set(vec![Value::unknown()]);
    assert_eq!(error(Value::object([("readers", readers)])), "readers: expected a string, found an unknown value");
}

/// What a user may write of it: nothing that only the provider can know.
fn written() -> Bucket {
    let copy = || Copy { to: "there".into() };
    Bucket {
        r#ref: Attr::Null,
        retention: Some(Retention { days: 7.into(), seen: Attr::Null }),
        copy: vec![copy(), copy()],
        ..full()
    }
}

#[test]
fn what_is_allowed() {
    let messages = |bucket: Bucket| {
        let diags = schema::validate(&Bucket::block(), &bucket.encode());
        diags.iter().map(|d| format!("{}: {}", d.path.clone().unwrap_or_default(), d.detail)).collect::<Vec<_>>()
    };
    assert_eq!(messages(written()), [""; 0]);
    assert_eq!(
        messages(Bucket { copies: 4.into(), location: "ASIA".into(), ..written() }),
        [
            "location: `ASIA` is not allowed for `location`. Allowed: one of `EU`, `US`.",
            "copies: `4` is not allowed for `copies`. Allowed: from 1 to 3.",
        ]
    );
    let retention = Some(Retention { days: 0.into(), ..Retention::default() });
    assert_eq!(
        messages(Bucket { retention, copy: vec![Copy { to: "there".into() }; 3], ..written() }),
        [
            "retention.days: `0` is not allowed for `retention.days`. Allowed: from 1 to 365.",
            "copy: At most 2 blocks `copy` are allowed here, but there are 3.",
        ]
    );
    assert_eq!(messages(Bucket { retention: None, ..written() }), [": A block `retention` is required here."]);
    assert_eq!(
        messages(Bucket { r#ref: Reference { url: Attr::Unknown }.into(), copy: vec![Copy::default()], ..written() }),
        [
            "ref: `ref` is what the provider finds out. Remove it from the configuration.",
            "copy[0].to: `copy[0].to` is null here, but it is required. Give it a value.",
        ]
    );
    // nobody can tell yet
    assert_eq!(schema::validate(&Bucket::block(), &Value::unknown()).len(), 0);
}

/// A door.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Door {
    /// What it is called.
    #[tf(optional, length(2, 5), regex = "[a-zü]+|X")]
    name: Attr<String>,
    /// What is written on it.
    #[tf(optional, length(1, 3))]
    signs: Attr<Vec<Attr<String>>>,
    /// A key.
    #[tf(optional, exactly_one_of("code", "copy"))]
    key: Attr<Secret<String>>,
    /// A code.
    #[tf(optional, exactly_one_of("copy", "key"), at_least_one_of("bell"))]
    code: Attr<String>,
    /// A bell.
    #[tf(optional, conflicts_with("name"))]
    bell: Attr<bool>,
    /// A copy of another door.
    #[tf(block)]
    copy: Vec<Copy>,
}

#[test]
fn text_that_is_allowed() {
    let details = |door: Door| {
        let diags = schema::validate(&Door::block(), &Door { code: "1".into(), ..door }.encode());
        diags.iter().map(|d| d.detail.clone()).collect::<Vec<_>>()
    };
    for name in ["ab", "üüüüü"] {
        assert_eq!(details(Door { name: name.into(), ..Door::default() }), [""; 0], "{name}");
    }
    assert_eq!(details(Door { name: Attr::Unknown, ..Door::default() }), [""; 0]);
    // neither a line of it nor the begin of it: the whole
    for name in ["ab1", "ab\n", "1ab", "aX"] {
        assert_eq!(details(Door { name: name.into(), ..Door::default() }).len(), 1, "{name}");
    }
    assert_eq!(
        details(Door {
            name: "X".into(),
            signs: vec!["".into(), Attr::Unknown, "123".into()].into(),
            ..Door::default()
        }),
        [
            "`X` is not allowed for `name`. Allowed: 2 to 5 characters.",
            "`` is not allowed for `signs[0]`. Allowed: 1 to 3 characters."
        ]
    );
}

#[test]
fn what_goes_together() {
    let block = Door::block();
    assert_eq!(block.problems(), [""; 0]);
    assert_eq!(block.relations.len(), 3, "the same said twice is one: {:?}", block.relations);
    let found = |door: Door| {
        let diags = schema::validate(&Door::block(), &door.encode());
        diags.iter().map(|d| format!("{}: {}", d.path.clone().unwrap_or_default(), d.detail)).collect::<Vec<_>>()
    };
    let exactly = "Exactly one of `code`, `copy`, `key` must be set.";
    let least = "At least one of `bell`, `code` must be set.";
    assert_eq!(found(Door::default()), [format!(": {exactly}"), format!(": {least}")]);
    assert_eq!(found(Door { code: "1".into(), ..Door::default() }), [""; 0]);
    let copy = vec![Copy { to: "x".into() }];
    assert_eq!(found(Door { copy: copy.clone(), bell: true.into(), ..Door::default() }), [""; 0]);
    // at most one is known to be too many even while another is open
    assert_eq!(
        found(Door { code: "1".into(), key: Attr::Unknown, copy, ..Door::default() }),
        [format!("copy: {exactly}")]
    );
    assert_eq!(found(Door { code: Attr::Unknown, ..Door::default() }), [""; 0]);
    assert_eq!(
        found(Door { code: "1".into(), bell: false.into(), name: "ab".into(), ..Door::default() }),
        ["name: At most one of `bell`, `name` can be set."]
    );
    let page = schema::markdown(&block);
    for line in [
        "- `name` (String) What it is called. Allowed: 2 to 5 characters. Allowed: what matches `[a-zü]+|X`. \
         At most one of `bell`, `name` can be set.\n",
        "- `key` (String, Sensitive) A key. Exactly one of `code`, `copy`, `key` must be set.\n",
        "- `copy` (Block List) A copy of another door. Exactly one of `code`, `copy`, `key` must be set. (see",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}

#[test]
fn typed_edges() {
    let path = Path::from("x");
    assert_eq!(<Attr<Vec<Attr<i64>>>>::ty(), Type::list(Type::Number));
    assert_eq!(i64::decode(&Value::Number("3.0".parse().unwrap()), &path).unwrap(), 3);
    assert!(i64::decode(&Value::Number("9223372036854775808".parse().unwrap()), &path).is_err());
    assert_eq!(i64::decode(&Value::Null, &path).unwrap_err().to_string(), "x: expected a number, found null");
    // Terraform compares text in normal form C
    assert_eq!("e\u{301}".to_owned().encode(), Value::String("\u{e9}".into()));
}

/// What has secrets in all places.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Vault {
    /// One.
    #[tf(optional)]
    one: Attr<Secret<String>>,
    /// Many.
    #[tf(optional)]
    many: Attr<Vec<Attr<Secret<String>>>>,
    /// By name.
    #[tf(optional)]
    named: Attr<BTreeMap<String, Secret<i64>>>,
    /// In an object.
    #[tf(optional)]
    object: Attr<Login>,
    /// In a block.
    #[tf(block)]
    block: Option<Inner>,
    /// Nothing secret.
    #[tf(optional)]
    open: Attr<String>,
}

/// A login.
#[derive(Clone, Debug, Default, PartialEq, Object)]
struct Login {
    /// Who.
    user: Attr<String>,
    /// The password.
    password: Attr<Secret<String>>,
}

/// A block.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Inner {
    /// Deep.
    #[tf(required)]
    deep: Attr<Secret<String>>,
}

#[test]
fn secrets_are_sensitive_and_never_printed() {
    let block = Vault::block();
    assert_eq!(block.problems(), [""; 0]);
    for attribute in &block.attributes {
        assert_eq!(attribute.sensitive, attribute.name != "open", "{}", attribute.name);
    }
    assert!(block.block("block").unwrap().block.attribute("deep").unwrap().sensitive);

    let vault = Vault {
        one: "hunter2".into(),
        many: vec!["hunter2".into(), Attr::Unknown].into(),
        named: BTreeMap::from([("a".to_owned(), Secret::new(73_313))]).into(),
        object: Login { user: "me".into(), password: "hunter2".into() }.into(),
        block: Some(Inner { deep: "hunter2".into() }),
        open: "seen".into(),
    };
    assert_eq!(Vault::decode(&vault.encode()).unwrap(), vault);
    let one = vault.one.known().unwrap();
    assert_eq!(one.expose(), "hunter2");
    let printed = format!("{vault:?} {vault:#?} {one} {one:>40} {:?}", Vault::decode(&vault.encode()));
    assert!(printed.contains("seen") && printed.contains("(sensitive value)"), "{printed}");
    assert!(!printed.contains("hunter2") && !printed.contains("73313"), "{printed}");
    // an error about a secret shows nothing of it, either
    let wrong = Value::object([("named", Value::map([("a", "hunter2".into())]))]);
    assert!(!format!("{:?}", Vault::decode(&wrong).unwrap_err()).contains("hunter2"));
}

#[test]
fn documentation() {
    assert_eq!(schema::markdown(&Bucket::block()), include_str!("golden/bucket.md"));
    let rules = Bucket::block().attribute("rules").unwrap().long_description();
    assert_eq!(
        rules,
        "Rules for access.\n\n- `who` (String) Who.\n- `until` (Number) Until when, if not for ever.\n\
         - `at` (List of Object) Where it holds.\n  - `url` (String) Its address."
    );
}
