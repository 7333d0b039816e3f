//! Properties of the plan of any configuration.

use proptest::prelude::*;
use terraform_plugin::schema::{Block, Nesting};
use terraform_plugin::{Model, Type, Value, plan};

use super::{Thing, initial};

fn any_attr(ty: &Type) -> BoxedStrategy<Value> {
    let known = match ty {
        Type::String => "[a-c]".prop_map(Value::from).boxed(),
        Type::Number => (0..3_i64).prop_map(Value::from).boxed(),
        Type::List(element) => prop::collection::vec(any_attr(element), 0..3).prop_map(Value::List).boxed(),
        Type::Set(element) => prop::collection::vec(any_attr(element), 0..3).prop_map(Value::set).boxed(),
        Type::Object(object) => {
            let names: Vec<_> = object.attributes.keys().cloned().collect();
            let values: Vec<_> = object.attributes.values().map(any_attr).collect();
            values.prop_map(move |values| Value::object(names.iter().cloned().zip(values))).boxed()
        }
        other => panic!("{other} does not occur"),
    };
    prop_oneof![4 => known, 1 => Just(Value::Null), 1 => Just(Value::unknown())].boxed()
}

/// A configuration of `block`: what only the provider sets is null.
fn any_config(block: &Block) -> BoxedStrategy<Value> {
    let mut parts: Vec<(String, BoxedStrategy<Value>)> = Vec::new();
    for attribute in &block.attributes {
        let by_user = attribute.required || attribute.optional;
        let value = if by_user { any_attr(&attribute.ty) } else { Just(Value::Null).boxed() };
        parts.push((attribute.name.clone(), value));
    }
    for nested in &block.blocks {
        let inner = any_config(&nested.block);
        let value = match nested.ty() {
            Type::List(_) => prop::collection::vec(inner, 0..3).prop_map(Value::List).boxed(),
            Type::Set(_) => prop::collection::vec(inner, 0..3).prop_map(Value::set).boxed(),
            Type::Map(_) => prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(Value::Map).boxed(),
            _ if nested.nesting == Nesting::Group => inner,
            _ => prop_oneof![Just(Value::Null), inner].boxed(),
        };
        parts.push((nested.name.clone(), value));
    }
    let (names, values): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    values.prop_map(move |values| Value::object(names.iter().cloned().zip(values))).boxed()
}

/// What apply makes of a plan: every unknown gets a value.
fn resolve(value: Value) -> Value {
    match value {
        // a promise is kept
        Value::Unknown(Some(promise)) if promise.null == Some(false) => "u".into(),
        Value::Unknown(_) => Value::Null,
        Value::Map(values) => Value::map(values.into_iter().map(|(label, value)| (label, resolve(value)))),
        Value::List(values) => Value::list(values.into_iter().map(resolve)),
        Value::Set(values) => Value::set(values.into_iter().map(resolve)),
        Value::Object(values) => Value::object(values.into_iter().map(|(name, value)| (name, resolve(value)))),
        other => other,
    }
}

proptest! {
    #[test]
    fn every_first_plan_is_valid(first in any_config(&Thing::block()), second in any_config(&Thing::block())) {
        let block = Thing::block();
        let created = initial(&Value::Null, &first);
        prop_assert!(block.ty().admits(&created));
        prop_assert_eq!(plan::check_plan(&block, &Value::Null, &first, &created), []);

        let state = resolve(created.clone());
        prop_assert_eq!(plan::check_apply(&block, &created, &state), []);

        let updated = initial(&state, &second);
        prop_assert_eq!(plan::check_plan(&block, &state, &second, &updated), []);
    }

    #[test]
    fn a_known_configuration_applied_plans_nothing(config in any_config(&Thing::block())) {
        let config = resolve(config);
        let state = resolve(initial(&Value::Null, &config));
        prop_assert_eq!(initial(&state, &config), state);
    }

    #[test]
    fn models_keep_plans(config in any_config(&Thing::block())) {
        let planned = initial(&Value::Null, &config);
        // a set in a struct has known elements only
        let tags_known = planned.get("tags").is_none_or(|tags| tags.is_unknown() || tags.is_wholly_known());
        prop_assume!(tags_known);
        let before = Thing::decode(&planned).unwrap().encode();
        prop_assert_eq!(plan::restore(&planned, &before, &before), planned);
    }
}
