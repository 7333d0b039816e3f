#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::value::json;
use crate::value::{MAX_DEPTH, NumberError, Refinement};

fn ty(json: &str) -> Type {
    Type::from_json_bytes(json.as_bytes()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Bytes as Terraform 1.11.4 sends them.
#[rstest]
#[case(r#""string""#, "c0", Value::Null)]
#[case(r#""string""#, "d40000", Value::unknown())]
#[case(r#"["list","string"]"#, "d40000", Value::unknown())]
#[case(r#""string""#, "a3 616263", "abc".into())]
#[case(r#""bool""#, "c3", true.into())]
#[case(r#""number""#, "08", 8.into())]
#[case(r#""number""#, "ff", (-1).into())]
#[case(r#""number""#, "cd 03e8", 1000.into())]
#[case(r#""number""#, "cb 3ff8000000000000", Value::Number("1.5".parse().unwrap()))]
#[case(r#""number""#, "cb bfe0000000000000", Value::Number("-0.5".parse().unwrap()))]
#[case(r#""number""#, "a3 302e31", Value::Number("0.1".parse().unwrap()))]
#[case(r#""number""#, "b3 39323233333732303336383534373735383038", Value::Number("9223372036854775808".parse().unwrap()))]
#[case(r#"["list","number"]"#, "92 01 c0", Value::list([1.into(), Value::Null]))]
#[case(r#"["set","string"]"#, "92 a161 a162", Value::set(["a".into(), "b".into()]))]
#[case(r#"["map","bool"]"#, "81 a16b c2", Value::map([("k", false.into())]))]
#[case(r#"["object",{"a":"string","b":"number"}]"#, "82 a161 d40000 a162 02",
    Value::object([("a", Value::unknown()), ("b", 2.into())]))]
#[case(r#"["tuple",["string","number"]]"#, "92 a161 01", Value::Tuple(vec!["a".into(), 1.into()]))]
#[case(r#""dynamic""#, "92 c408 22737472696e6722 a178",
    Value::Dynamic(Box::new(Type::String), Box::new("x".into())))]
fn golden(#[case] kind: &str, #[case] bytes: &str, #[case] value: Value) {
    let (ty, bytes) = (ty(kind), hex(bytes));
    assert_eq!(decode(&ty, &bytes).unwrap(), value);
    assert_eq!(encode(&ty, &value).unwrap(), bytes);
}

/// Other ways to write the same, which Terraform or other clients may choose.
#[rstest]
#[case(r#""number""#, "cf 0000000000000001", 1.into())]
#[case(r#""number""#, "cf ffffffffffffffff", Value::Number(u64::MAX.into()))]
#[case(r#""number""#, "d3 ffffffffffffffff", (-1).into())]
#[case(r#""number""#, "cb 4000000000000000", 2.into())]
#[case(r#""number""#, "ca 3f000000", Value::Number("0.5".parse().unwrap()))]
#[case(r#""number""#, "cb 8000000000000000", 0.into())]
#[case(r#""number""#, "a3 312e30", 1.into())]
#[case(r#""string""#, "d9 03 616263", "abc".into())]
#[case(r#""string""#, "a3 65cc81", "\u{e9}".into())]
#[case(r#""string""#, "d5 05 0000", Value::unknown())]
#[case(r#""string""#, "c7 00 07", Value::unknown())]
#[case(r#"["set","number"]"#, "93 02 01 02", Value::set([1.into(), 2.into()]))]
#[case(r#"["object",{"a":"string","b":"number"},["b"]]"#, "81 a161 c0",
    Value::object([("a", Value::Null), ("b", Value::Null)]))]
fn also_read(#[case] kind: &str, #[case] bytes: &str, #[case] value: Value) {
    assert_eq!(decode(&ty(kind), &hex(bytes)).unwrap(), value);
}

#[test]
fn refined_unknown_is_read_and_written_as_it_was() {
    let bytes = hex("c7090c 82 01c2 02a4 7072652d");
    let value = decode(&Type::String, &bytes).unwrap();
    let refinement = Refinement { null: Some(false), prefix: Some("pre-".into()), ..Refinement::NONE };
    assert_eq!(value, Value::refined(refinement));
    assert_eq!(encode(&Type::String, &value).unwrap(), bytes);
    // of another type the prefix makes no sense, and a value of any type says nothing of itself
    assert_eq!(encode(&Type::Bool, &value).unwrap(), hex("c7030c 81 01c2"));
    assert_eq!(encode(&Type::Dynamic, &value).unwrap(), hex("d40000"));

    let bytes = hex("c70d0c 84 03 92 01 c3 04 92 0a c2 05 01 06 02");
    let read = decode(&Type::Number, &bytes).unwrap();
    let refinement = read.refinement().unwrap();
    assert_eq!(refinement.lower, Some((1.into(), true)));
    assert_eq!(refinement.upper, Some((10.into(), false)));
    assert_eq!((refinement.min_length, refinement.max_length), (Some(1), Some(2)));
    // garbage, and keys of the future, say nothing
    assert_eq!(decode(&Type::String, &hex("c7020c ffff")).unwrap(), Value::unknown());
    assert_eq!(decode(&Type::String, &hex("c7030c 81 63 c2")).unwrap(), Value::unknown());
}

#[test]
fn a_refinement_stays_below_what_terraform_takes() {
    let long = Refinement { prefix: Some("\u{e9}".repeat(1000)), ..Refinement::NONE };
    let bytes = encode(&Type::String, &Value::refined(long)).unwrap();
    let prefix = Refinement { prefix: Some("\u{e9}".repeat(128)), ..Refinement::NONE };
    assert_eq!(decode(&Type::String, &bytes).unwrap(), Value::refined(prefix));
    let huge = "9".repeat(1500).parse::<Number>().unwrap();
    let bounds = Refinement { lower: Some((huge, true)), ..Refinement::NONE };
    assert_eq!(encode(&Type::Number, &Value::refined(bounds)).unwrap(), hex("d40000"));
}

#[rstest]
#[case(r#""string""#, "", Problem::Truncated)]
#[case(r#""string""#, "a3 6162", Problem::Truncated)]
#[case(r#""string""#, "db ffffffff 61", Problem::Truncated)]
#[case(r#""string""#, "c9 ffffffff 00", Problem::Truncated)]
#[case(r#""string""#, "a1 ff", Problem::Utf8)]
#[case(r#""string""#, "c0 c0", Problem::Trailing(1))]
#[case(r#""string""#, "01", Problem::Mismatch { expected: "a string", found: "a number" })]
#[case(r#""string""#, "c1", Problem::Mismatch { expected: "a value", found: "a reserved byte" })]
#[case(r#""number""#, "a1 78", Problem::Number(NumberError::Syntax))]
#[case(r#""number""#, "cb 7ff8000000000000", Problem::Number(NumberError::NotFinite))]
#[case(r#"["list","string"]"#, "dd ffffffff", Problem::Truncated)]
#[case(r#"["map","string"]"#, "df ffffffff a161", Problem::Truncated)]
#[case(r#"["map","string"]"#, "81 01 a161", Problem::Mismatch { expected: "a text key", found: "a number" })]
#[case(r#"["object",{"a":"string"}]"#, "80", Problem::Missing("a".into()))]
#[case(r#"["object",{"a":"string"}]"#, "82 a161 c0 a162 c0", Problem::Unexpected("b".into()))]
#[case(r#"["tuple",["string"]]"#, "90", Problem::Length { expected: 1, found: 0 })]
#[case(r#""dynamic""#, "93 c0 c0 c0", Problem::Length { expected: 2, found: 3 })]
#[case(r#""dynamic""#, "92 01 c0", Problem::Mismatch { expected: "a type", found: "a number" })]
fn hostile(#[case] kind: &str, #[case] bytes: &str, #[case] problem: Problem) {
    assert_eq!(decode(&ty(kind), &hex(bytes)).unwrap_err().problem, problem);
}

#[test]
fn errors_name_the_place() {
    let ty = ty(r#"["list",["object",{"a":["map","string"]}]]"#);
    let error = decode(&ty, &hex("91 81 a161 81 a16b 01")).unwrap_err();
    assert_eq!(error.to_string(), "[0].a[\"k\"]: expected a string, found a number");
}

#[test]
fn nesting_without_end() {
    let any = hex("92 c409 2264796e616d696322");
    let bytes = any.repeat(10_000);
    assert_eq!(decode(&Type::Dynamic, &bytes).unwrap_err().problem, Problem::TooDeep);
}

#[test]
fn what_is_not_of_the_type_is_not_written() {
    let object = ty(r#"["object",{"a":"string"}]"#);
    let fail = |ty: &Type, value: Value| encode(ty, &value).unwrap_err().problem;
    assert_eq!(fail(&object, Value::object::<String>([])), Problem::Missing("a".into()));
    let more = Value::object([("a", Value::Null), ("b", Value::Null)]);
    assert_eq!(fail(&object, more), Problem::Unexpected("b".into()));
    assert_eq!(fail(&Type::Bool, 1.into()), Problem::Mismatch { expected: "a bool", found: "a number" });
    assert_eq!(
        fail(&Type::Dynamic, 1.into()),
        Problem::Mismatch { expected: "a value of any type", found: "a number" }
    );
    let mut deep = (Type::String, Value::from("x"));
    for _ in 0..=MAX_DEPTH {
        deep = (Type::list(deep.0), Value::list([deep.1]));
    }
    assert_eq!(fail(&deep.0, deep.1), Problem::TooDeep);
}

// === any value of any type ===

fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![Just(Type::String), Just(Type::Number), Just(Type::Bool), Just(Type::Dynamic)];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Type::list),
            inner.clone().prop_map(Type::set),
            inner.clone().prop_map(Type::map),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Type::Tuple),
            prop::collection::btree_map("[a-e]", (inner, any::<bool>()), 0..4).prop_map(|fields| {
                Type::Object(ObjectType {
                    optional: fields.iter().filter(|(_, (_, o))| *o).map(|(name, _)| name.clone()).collect(),
                    attributes: fields.into_iter().map(|(name, (ty, _))| (name, ty)).collect(),
                })
            }),
        ]
    })
}

fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f32>().prop_filter_map("finite", |float| Number::try_from(f64::from(float)).ok()),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,2})?".prop_map(|text| text.parse().unwrap()),
    ]
}

/// As large and as small as they may be.
fn extreme_number() -> impl Strategy<Value = Number> {
    let digits = (1..=9_u8, prop::collection::vec(0..=9_u8, 0..4095));
    (any::<bool>(), digits, any::<bool>()).prop_map(|(negative, (first, rest), fraction)| {
        let digits: String = rest.iter().map(u8::to_string).collect();
        let sign = if negative { "-" } else { "" };
        let text = if fraction { format!("{sign}0.{digits}{first}") } else { format!("{sign}{first}{digits}") };
        text.parse().unwrap()
    })
}

/// A value of `ty`; wholly known, for JSON, unless `unknowns`.
fn any_value(ty: &Type, unknowns: bool) -> BoxedStrategy<Value> {
    let below = |ty: &Type| any_value(ty, unknowns);
    let known: BoxedStrategy<Value> = match ty {
        Type::String => any::<String>().prop_map(Value::from).boxed(),
        Type::Number => any_number().prop_map(Value::Number).boxed(),
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::List(element) => prop::collection::vec(below(element), 0..4).prop_map(Value::List).boxed(),
        Type::Set(element) => prop::collection::vec(below(element), 0..4).prop_map(Value::set).boxed(),
        Type::Map(element) => {
            prop::collection::btree_map("\\PC{0,3}", below(element), 0..4).prop_map(Value::map).boxed()
        }
        Type::Tuple(elements) => elements.iter().map(below).collect::<Vec<_>>().prop_map(Value::Tuple).boxed(),
        Type::Object(object) => {
            let names: Vec<_> = object.attributes.keys().cloned().collect();
            let values: Vec<_> = object.attributes.values().map(below).collect();
            values.prop_map(move |values| Value::object(names.iter().cloned().zip(values))).boxed()
        }
        Type::Dynamic => prop_oneof![Just(Type::String), Just(Type::list(Type::Number))]
            .prop_flat_map(move |ty| {
                any_value(&ty, unknowns).prop_map(move |value| Value::Dynamic(Box::new(ty.clone()), Box::new(value)))
            })
            .boxed(),
    };
    let unset = if unknowns { any_unknown(ty) } else { Just(Value::Null).boxed() };
    prop_oneof![8 => known, 1 => Just(Value::Null), 1 => unset].boxed()
}

/// An unknown value, and what may be known of one of its type.
fn any_unknown(ty: &Type) -> BoxedStrategy<Value> {
    use prop::option::of;
    let ty = ty.clone();
    let bounds = (of((any_number(), any::<bool>())), of((any_number(), any::<bool>())));
    (of(any::<bool>()), of("\\PC{0,20}"), bounds, of(any::<u64>()), of(any::<u64>()))
        .prop_map(move |(null, prefix, (lower, upper), min_length, max_length)| {
            let prefix = prefix.map(|prefix| nfc(&prefix).into_owned());
            Value::refined(Refinement { null, prefix, lower, upper, min_length, max_length }.of_type(&ty))
        })
        .boxed()
}

fn typed_value(unknowns: bool) -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(move |ty| {
        let value = any_value(&ty, unknowns);
        (Just(ty), value)
    })
}

proptest! {
    #[test]
    fn there_and_back((ty, value) in typed_value(true)) {
        prop_assert!(ty.admits(&value));
        let bytes = encode(&ty, &value).unwrap();
        prop_assert_eq!(decode(&ty, &bytes).unwrap(), value);
    }

    #[test]
    fn there_and_back_as_json((ty, value) in typed_value(false)) {
        let bytes = json::encode(&ty, &value).unwrap();
        prop_assert_eq!(json::decode(&ty, &bytes).unwrap(), value);
    }

    /// What was stored as JSON is the same when it has travelled.
    #[test]
    fn both_codecs_agree((ty, value) in typed_value(false)) {
        let stored = json::decode(&ty, &json::encode(&ty, &value).unwrap()).unwrap();
        let sent = decode(&ty, &encode(&ty, &value).unwrap()).unwrap();
        prop_assert_eq!(encode(&ty, &stored).unwrap(), encode(&ty, &sent).unwrap());
        prop_assert_eq!(stored, sent);
    }

    /// A set is what is in it: neither order nor repetition count.
    #[test]
    fn sets_have_the_value_of_their_elements(
        (ty, values) in any_type().prop_flat_map(|ty| {
            let values = prop::collection::vec(any_value(&ty, false), 0..4);
            (Just(ty), values)
        }),
        turn in 0..4_usize,
    ) {
        let mut other: Vec<_> = values.iter().chain(values.first()).cloned().collect();
        let length = other.len().max(1);
        other.rotate_left(turn % length);
        let (one, other) = (Value::set(values), Value::set(other));
        prop_assert_eq!(&one, &other);
        let ty = Type::set(ty);
        prop_assert_eq!(encode(&ty, &one).unwrap(), encode(&ty, &other).unwrap());
    }

    #[test]
    fn numbers_keep_every_digit(number in prop_oneof![4 => any_number(), 1 => extreme_number()]) {
        let text = number.to_string();
        prop_assert_eq!(text.parse::<Number>().unwrap(), number.clone());
        let bytes = encode(&Type::Number, &Value::Number(number.clone())).unwrap();
        prop_assert_eq!(decode(&Type::Number, &bytes).unwrap(), Value::Number(number));
    }

    #[test]
    fn text_is_in_normal_form(text in "[a-e\u{300}-\u{310}\u{e9}]{0,8}") {
        let value = Value::from(text.as_str());
        for ty in [Type::String, Type::map(Type::String)] {
            let value = if ty == Type::String { value.clone() } else { Value::map([(text.clone(), value.clone())]) };
            let raw = match &value {
                Value::Map(_) => Value::Map([(text.clone(), Value::String(text.clone()))].into()),
                _ => Value::String(text.clone()),
            };
            prop_assert_eq!(decode(&ty, &encode(&ty, &raw).unwrap()).unwrap(), value.clone());
            prop_assert_eq!(json::decode(&ty, &json::encode(&ty, &raw).unwrap()).unwrap(), value);
        }
    }

    #[test]
    fn types_there_and_back(ty in any_type()) {
        prop_assert_eq!(Type::from_json_bytes(&ty.to_json_bytes()).unwrap(), ty);
    }

    #[test]
    fn no_bytes_make_it_panic(ty in any_type(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&ty, &bytes);
        let _ = json::decode(&ty, &bytes);
    }

    #[test]
    fn nor_do_broken_ones((ty, value) in typed_value(true), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&ty, &value).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(value) = decode(&ty, &bytes) {
            let again = encode(&ty, &value).unwrap();
            prop_assert_eq!(decode(&ty, &again).map(|v| encode(&ty, &v)).unwrap().unwrap(), again);
        }
    }

    #[test]
    fn a_cut_value_is_an_error((ty, value) in typed_value(true), at in any::<prop::sample::Index>()) {
        let bytes = encode(&ty, &value).unwrap();
        prop_assert!(decode(&ty, &bytes[..at.index(bytes.len())]).is_err());
    }
}
