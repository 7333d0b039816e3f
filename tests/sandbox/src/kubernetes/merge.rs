//! Merging an applied configuration into a live object, and removing fields again. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields::{self, Element, Path};
use super::kinds::Kind;
use super::schema::{self, Lists};

/// The live object with the configuration laid over it.
pub fn merge(kind: &Kind, live: &Value, config: &Value) -> Value {
    lay(kind, live, config, &mut Vec::new())
}

fn lay<'a>(kind: &Kind, live: &Value, config: &'a Value, names: &mut Vec<&'a str>) -> Value {
    match (live, config) {
        (Value::Object(a), Value::Object(b)) if names.is_empty() || !schema::atomic_map(kind, names) => {
            let mut out = a.clone();
            for (name, value) in b {
                names.push(name);
                let merged = lay(kind, a.get(name).unwrap_or(&Value::Null), value, names);
                names.pop();
                out.insert(name.clone(), merged);
            }
            Value::Object(out)
        }
        (Value::Array(a), Value::Array(b)) => match schema::list(kind, names) {
            Lists::Atomic => config.clone(),
            lists => Value::Array(lay_items(kind, lists, a, b, names)),
        },
        _ => config.clone(),
    }
}

/// Items of both lists. Those that both name keep the applied order; what only the live list has keeps its place among them.
fn lay_items<'a>(
    kind: &Kind,
    lists: Lists,
    live: &[Value],
    config: &'a [Value],
    names: &mut Vec<&'a str>,
) -> Vec<Value> {
    let applied: Vec<(Element, &Value)> = config.iter().map(|item| (fields::element(lists, item), item)).collect();
    let known: Vec<(Element, &Value)> = live.iter().map(|item| (fields::element(lists, item), item)).collect();
    let find = |key: &Element| known.iter().find(|(k, _)| k == key).map_or(&Value::Null, |(_, v)| *v);
    let is_applied = |key: &Element| applied.iter().any(|(k, _)| k == key);
    let mut shared = applied.iter().map(|(key, _)| key).filter(|key| known.iter().any(|(k, _)| k == *key));
    let mut next = shared.next();
    let mut done: Vec<&Element> = Vec::new();
    let mut out = Vec::new();
    let (mut left, mut right) = (0, 0);
    while left < known.len() || right < applied.len() {
        if let (Some((old, _)), Some((new, item))) = (known.get(left), applied.get(right)) {
            if old == new {
                out.push(lay(kind, find(new), item, names));
                done.push(new);
                next = shared.next();
                left += 1;
                right += 1;
                continue;
            }
            // it comes later, in the applied order
            if is_applied(old) && next.is_some_and(|next| next != old) {
                left += 1;
                continue;
            }
        }
        if let Some((old, value)) = known.get(left) {
            if !is_applied(old) {
                out.push((*value).clone());
                left += 1;
                continue;
            }
            if done.contains(&old) {
                left += 1;
            }
        }
        if let Some((new, item)) = applied.get(right) {
            out.push(lay(kind, find(new), item, names));
            done.push(new);
            right += 1;
            if next == Some(new) {
                next = shared.next();
            }
        }
    }
    out
}

/// Removes these fields and what became empty by it. Outer ones first: an item whose key is gone could not be found any more.
pub fn remove(kind: &Kind, object: &mut Value, paths: &BTreeSet<Path>) {
    let mut ordered: Vec<&Path> = paths.iter().collect();
    ordered.sort_by_key(|path| path.len());
    for path in ordered {
        cut(kind, object, path, &mut Vec::new());
    }
}

fn cut<'a>(kind: &Kind, node: &mut Value, path: &'a [Element], names: &mut Vec<&'a str>) {
    let Some((first, rest)) = path.split_first() else { return };
    match first {
        Element::Field(name) => {
            let Some(map) = node.as_object_mut() else { return };
            if rest.is_empty() {
                map.remove(name);
                return;
            }
            let Some(child) = map.get_mut(name) else { return };
            names.push(name);
            cut(kind, child, rest, names);
            names.pop();
            let hollow = match child {
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty() && vanishes(name),
                _ => false,
            };
            if hollow {
                map.remove(name);
            }
        }
        item => {
            let lists = schema::list(kind, names);
            let Some(list) = node.as_array_mut() else { return };
            let Some(at) = list.iter().position(|value| fields::element(lists, value) == *item) else { return };
            if rest.is_empty() {
                list.remove(at);
            } else {
                cut(kind, &mut list[at], rest, names);
            }
        }
    }
}

/// Maps are omitted when empty; structs stay as `{}`.
fn vanishes(name: &str) -> bool {
    matches!(
        name,
        "labels"
            | "annotations"
            | "data"
            | "binaryData"
            | "stringData"
            | "nodeSelector"
            | "limits"
            | "requests"
            | "parameters"
            | "matchLabels"
            | "selector"
    )
}

/// A copy without nulls: an applied null is the same as nothing, but in a map of texts, where it is an empty text.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut out = serde_json::Map::new();
            for (name, child) in map.iter().filter(|(_, child)| !child.is_null()) {
                let texts = matches!(name.as_str(), "data" | "stringData" | "labels" | "annotations" | "parameters");
                let child = match child {
                    Value::Object(entries) if texts => {
                        let text = |v: &Value| if v.is_null() { Value::String(String::new()) } else { v.clone() };
                        Value::Object(entries.iter().map(|(k, v)| (k.clone(), text(v))).collect())
                    }
                    child => without_nulls(child),
                };
                out.insert(name.clone(), child);
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// The first keyed list with two items of the same key: (path, key).
pub fn duplicate(kind: &Kind, config: &Value) -> Option<(String, String)> {
    fn look<'a>(kind: &Kind, value: &'a Value, names: &mut Vec<&'a str>, path: &mut Path) -> Option<(String, String)> {
        match value {
            Value::Object(map) => {
                for (name, child) in map {
                    names.push(name);
                    path.push(Element::Field(name.clone()));
                    let found = look(kind, child, names, path);
                    path.pop();
                    names.pop();
                    if found.is_some() {
                        return found;
                    }
                }
                None
            }
            Value::Array(list) => {
                let lists = schema::list(kind, names);
                if lists == Lists::Atomic {
                    return None;
                }
                let mut seen = BTreeSet::new();
                for item in list {
                    let element = fields::element(lists, item);
                    let label = fields::display(std::slice::from_ref(&element));
                    if !seen.insert(element.clone()) {
                        return Some((fields::display(path), label));
                    }
                    path.push(element);
                    let found = look(kind, item, names, path);
                    path.pop();
                    if found.is_some() {
                        return found;
                    }
                }
                None
            }
            _ => None,
        }
    }
    look(kind, config, &mut Vec::new(), &mut Vec::new())
}
