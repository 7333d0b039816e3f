//! Answers without what may differ: identities, times, addresses that were picked.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::case::Outcome;

/// What differs, as lines of `- sandbox` and `+ real`; `None` if nothing does.
pub fn difference(ours: &Outcome, theirs: &Outcome) -> Option<String> {
    let mut text = String::new();
    if ours.0 != theirs.0 {
        let said = |outcome: &Outcome| outcome.1["message"].as_str().unwrap_or_default().to_owned();
        let _ = writeln!(text, "  - {} {}\n  + {} {}", ours.0, said(ours), theirs.0, said(theirs));
        return Some(text);
    }
    walk("", Some(&normal(&ours.1)), Some(&normal(&theirs.1)), &mut text);
    (!text.is_empty()).then_some(text)
}

fn walk(at: &str, ours: Option<&Value>, theirs: Option<&Value>, text: &mut String) {
    if ours == theirs {
        return;
    }
    match (ours, theirs) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                walk(&format!("{at}.{key}"), a.get(key), b.get(key), text);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                walk(&format!("{at}[{index}]"), a.get(index), b.get(index), text);
            }
        }
        _ => {
            for (sign, side) in [('-', ours), ('+', theirs)] {
                if let Some(value) = side {
                    let _ = writeln!(text, "  {sign} {at}: {value}");
                }
            }
        }
    }
}

/// The same with placeholders.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, child) in map {
                let child = match (key.as_str(), child) {
                    ("resourceVersion", Value::String(_)) => json!("<version>"),
                    ("managedFields", Value::Array(list)) => managers(list),
                    ("nodePort" | "healthCheckNodePort", Value::Number(n)) if n.as_i64() != Some(0) => json!("<port>"),
                    _ => normal(child),
                };
                out.insert(key.clone(), child);
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(normal).collect()),
        Value::String(text) => json!(words(text)),
        other => other.clone(),
    }
}

/// Managers by name: their order is that of times, which are equal within a second.
fn managers(list: &[Value]) -> Value {
    let mut list: Vec<Value> = list.iter().map(normal).collect();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    list.sort_by_key(|entry| (text(entry, "operation"), text(entry, "manager"), text(entry, "subresource")));
    Value::Array(list)
}

/// UIDs, times, Service addresses and resource versions in texts.
///
/// Where a real server shows how its own Go structs differ, or a whole object, the sandbox does not.
fn words(text: &str) -> String {
    let text = ["\n@@", "patch: Invalid value: ", "Invalid value: \"{\\\"apiVersion"]
        .iter()
        .fold(text, |text, tail| text.split_once(tail).map_or(text, |(head, _)| head));
    let is = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if is(c) {
            word.push(c);
            continue;
        }
        let version = text.contains("ResourceVersion") && word.bytes().all(|b| b.is_ascii_digit());
        out.push_str(if version && !word.is_empty() { "<version>" } else { placeholder(&word).unwrap_or(&word) });
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

fn placeholder(word: &str) -> Option<&'static str> {
    let bytes = word.as_bytes();
    let dashes = |at: &[usize]| at.iter().all(|index| bytes.get(*index) == Some(&b'-'));
    if word.len() == 36 && dashes(&[8, 13, 18, 23]) {
        Some("<uid>")
    } else if word.len() >= 20 && dashes(&[4, 7]) && word.contains('T') && word.ends_with('Z') {
        Some("<time>")
    } else if word.starts_with("34.118.2") {
        Some("<address>")
    } else {
        None
    }
}
