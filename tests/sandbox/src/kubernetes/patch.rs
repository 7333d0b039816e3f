//! JSON patch, merge patch and strategic merge patch. Pure.

use serde_json::{Map, Value};

use super::error::ApiError;
use super::kinds::Kind;
use super::schema::{self, Lists};

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            map.remove(name);
        } else {
            merge(map.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Strategic merge: keyed lists merge by their first key, `$patch: delete|replace` and `$setElementOrder` are understood.
pub fn strategic(kind: &Kind, target: &mut Value, patch: &Value) {
    weave(kind, target, patch, &mut Vec::new());
}

fn weave<'a>(kind: &Kind, target: &mut Value, patch: &'a Value, names: &mut Vec<&'a str>) {
    match patch {
        Value::Object(patch) => {
            if patch.get("$patch").and_then(Value::as_str) == Some("replace") || !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let Some(map) = target.as_object_mut() else { return };
            for (name, value) in patch {
                if name.starts_with('$') {
                    continue;
                }
                if value.is_null() {
                    map.remove(name);
                    continue;
                }
                names.push(name);
                weave(kind, map.entry(name.clone()).or_insert(Value::Null), value, names);
                names.pop();
            }
        }
        Value::Array(items) => {
            let lists = schema::list(kind, names);
            let Lists::Keyed(keys) = lists else {
                *target = patch.clone();
                return;
            };
            if !target.is_array() {
                *target = Value::Array(Vec::new());
            }
            let Some(list) = target.as_array_mut() else { return };
            // strategic merge knows one merge key: the first of the apply keys
            let key = keys.first().copied().unwrap_or("name");
            let order: Vec<Value> = list.iter().map(|item| item[key].clone()).collect();
            let mut patched = Vec::new();
            for item in items {
                let at = list.iter().position(|old| old.get(key) == item.get(key));
                match (at, item["$patch"] == "delete") {
                    (Some(at), true) => drop(list.remove(at)),
                    (None, true) => {}
                    (at, false) => {
                        let mut whole = at.map_or(Value::Null, |at| list.remove(at));
                        weave(kind, &mut whole, item, names);
                        patched.push(whole);
                    }
                }
            }
            *list = interleave(std::mem::take(list), patched, &order, key);
        }
        other => *target = other.clone(),
    }
}

/// RFC 6902.
pub fn json(target: &mut Value, patch: &Value) -> Result<(), ApiError> {
    // which step it was, a real server does not say
    let broken = |_: &str| {
        let mut error = ApiError::new(422, "Invalid", "the server rejected our request due to an error in our request");
        error.details = serde_json::json!({});
        error
    };
    for step in patch.as_array().ok_or_else(|| ApiError::bad_request("json patch must be a list"))? {
        let path = step["path"].as_str().ok_or_else(|| broken("missing path"))?;
        match step["op"].as_str().unwrap_or("") {
            "test" => {
                if target.pointer(path) != step.get("value") {
                    return Err(broken(&format!("testing value {path} failed")));
                }
            }
            "add" => insert(target, path, step["value"].clone(), false).ok_or_else(|| broken(path))?,
            "replace" => insert(target, path, step["value"].clone(), true).ok_or_else(|| broken(path))?,
            "remove" => drop(take(target, path).ok_or_else(|| broken(path))?),
            "move" => {
                let value = take(target, step["from"].as_str().unwrap_or("")).ok_or_else(|| broken(path))?;
                insert(target, path, value, false).ok_or_else(|| broken(path))?;
            }
            "copy" => {
                let value = target.pointer(step["from"].as_str().unwrap_or("")).cloned().ok_or_else(|| broken(path))?;
                insert(target, path, value, false).ok_or_else(|| broken(path))?;
            }
            other => return Err(broken(&format!("unknown op {other:?}"))),
        }
    }
    Ok(())
}

/// Untouched items and patched ones: by the old order where both had a place in it, else the patched one first.
fn interleave(untouched: Vec<Value>, patched: Vec<Value>, order: &[Value], key: &str) -> Vec<Value> {
    let place = |item: &Value| order.iter().position(|known| *known == item[key]);
    let mut out = Vec::with_capacity(untouched.len() + patched.len());
    let (mut left, mut right) = (untouched.into_iter().peekable(), patched.into_iter().peekable());
    loop {
        let first_left = match (left.peek(), right.peek()) {
            (Some(old), Some(new)) => matches!((place(old), place(new)), (Some(old), Some(new)) if old < new),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return out,
        };
        out.extend(if first_left { left.next() } else { right.next() });
    }
}

fn parent<'a>(target: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((target.pointer_mut(parent)?, last.replace("~1", "/").replace("~0", "~")))
}

fn insert(target: &mut Value, path: &str, value: Value, replace: bool) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    let (parent, last) = parent(target, path)?;
    match parent {
        Value::Object(map) => {
            if replace && !map.contains_key(&last) {
                return None;
            }
            map.insert(last, value);
        }
        Value::Array(list) if last == "-" && !replace => list.push(value),
        Value::Array(list) => {
            let at: usize = last.parse().ok()?;
            if replace {
                *list.get_mut(at)? = value;
            } else if at <= list.len() {
                list.insert(at, value);
            } else {
                return None;
            }
        }
        _ => return None,
    }
    Some(())
}

fn take(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = parent(target, path)?;
    match parent {
        Value::Object(map) => map.remove(&last),
        Value::Array(list) => {
            let at: usize = last.parse().ok()?;
            (at < list.len()).then(|| list.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn merge_removes_nulls() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "l": [1]});
        merge(&mut target, &json!({"a": {"b": null}, "l": [2]}));
        assert_eq!(target, json!({"a": {"c": 2}, "l": [2]}));
    }

    #[test]
    fn strategic_merges_by_key() {
        let kind = Kind::named("Pod").unwrap();
        let mut target = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}});
        strategic(
            kind,
            &mut target,
            &json!({"spec": {"containers": [{"name": "b", "image": "2"}, {"name": "a", "$patch": "delete"}]}}),
        );
        assert_eq!(target, json!({"spec": {"containers": [{"name": "b", "image": "2"}]}}));
    }

    #[test]
    fn json_steps() {
        let mut target = json!({"a": {"x/y": 1}, "l": [1]});
        let steps = json!([
            {"op": "test", "path": "/a/x~1y", "value": 1}, {"op": "remove", "path": "/a/x~1y"}, {"op": "add", "path": "/l/-", "value": 2},
            {"op": "replace", "path": "/l/0", "value": 0}, {"op": "move", "from": "/l/1", "path": "/m"}
        ]);
        json(&mut target, &steps).unwrap();
        assert_eq!(target, json!({"a": {}, "l": [0], "m": 2}));
        assert_eq!(json(&mut target, &json!([{"op": "test", "path": "/m", "value": 3}])).unwrap_err().code, 422);
    }
}
