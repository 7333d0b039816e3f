//! What differs between a manifest and the living object.
//!
//! Only what the manifest says counts: what a controller or an admission webhook added is no drift. Lists of named
//! things (containers, environment, ports, volumes) are compared by name as the API server merges them, quantities
//! by amount.

use serde_json::Value;

/// Fields that tell the items of a list apart, as in the merge keys of the Kubernetes API.
const MERGE_KEYS: [&str; 5] = ["name", "containerPort", "port", "mountPath", "topologyKey"];

/// The paths at which `live` differs from what `wanted` says; empty if nothing does.
pub fn differences(wanted: &Value, live: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(wanted, live, "", &mut found);
    found
}

fn compare(wanted: &Value, live: &Value, path: &str, found: &mut Vec<String>) {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => {
            for (key, value) in wanted {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match live.get(key) {
                    Some(live) => compare(value, live, &path, found),
                    None if is_empty(value) => {}
                    None => found.push(path),
                }
            }
        }
        (Value::Array(wanted), Value::Array(live)) => compare_lists(wanted, live, path, found),
        (wanted, live) if wanted == live || same_quantity(wanted, live) => {}
        (wanted, live) if is_empty(wanted) && is_empty(live) => {}
        _ => found.push(path.to_owned()),
    }
}

fn compare_lists(wanted: &[Value], live: &[Value], path: &str, found: &mut Vec<String>) {
    let merge_key =
        MERGE_KEYS.into_iter().find(|key| !wanted.is_empty() && wanted.iter().all(|item| item.get(key).is_some()));
    if let Some(merge_key) = merge_key {
        for item in wanted {
            let name = item.get(merge_key);
            let path = format!("{path}[{}]", name.map(ToString::to_string).unwrap_or_default().trim_matches('"'));
            match live.iter().find(|live| live.get(merge_key) == name) {
                Some(live) => compare(item, live, &path, found),
                None => found.push(path),
            }
        }
    } else if wanted.len() == live.len() {
        for (index, (wanted, live)) in wanted.iter().zip(live).enumerate() {
            compare(wanted, live, &format!("{path}[{index}]"), found);
        }
    } else {
        found.push(path.to_owned());
    }
}

/// The API server leaves out what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        _ => false,
    }
}

fn same_quantity(wanted: &Value, live: &Value) -> bool {
    let amount = |value: &Value| match value {
        Value::String(text) => quantity(text),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    // both numbers were compared exactly before
    (wanted.is_string() || live.is_string()) && amount(wanted).is_some_and(|wanted| amount(live) == Some(wanted))
}

/// The amount of a Kubernetes quantity: `1Gi`, `800m`, `2`, `1e3`.
pub fn quantity(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let (number, unit) = UNITS
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or((text, 1.0));
    // Rust also reads `inf` and `nan`
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
    if !number.chars().all(plain) {
        return None;
    }
    number.parse::<f64>().ok().map(|number| number * unit)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::same(json!({"a": 1}), json!({"a": 1}), &[])]
    #[case::defaulted(json!({"a": 1}), json!({"a": 1, "b": 2}), &[])]
    #[case::changed(json!({"spec": {"replicas": 1}}), json!({"spec": {"replicas": 3}}), &["spec.replicas"])]
    #[case::gone(json!({"a": {"b": "x"}}), json!({"a": {}}), &["a.b"])]
    #[case::empty_is_absent(json!({"a": "", "e": {}, "l": []}), json!({}), &[])]
    #[case::quantities(json!({"storage": "1024Mi", "cpu": "1000m"}), json!({"storage": "1Gi", "cpu": 1}), &[])]
    #[case::other_quantity(json!({"storage": "1Gi"}), json!({"storage": "1G"}), &["storage"])]
    #[case::env_by_name(
        json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
        json!({"env": [{"name": "C", "value": "injected"}, {"name": "B", "value": "2"}, {"name": "A", "value": "9"}]}),
        &["env[A].value"])]
    #[case::env_missing(json!({"env": [{"name": "A", "value": "1"}]}), json!({"env": []}), &["env[A]"])]
    #[case::plain_list(json!({"command": ["a", "b"]}), json!({"command": ["a", "b", "c"]}), &["command"])]
    #[case::plain_item(json!({"command": ["a", "b"]}), json!({"command": ["a", "c"]}), &["command[1]"])]
    fn differences_that_count(#[case] wanted: Value, #[case] live: Value, #[case] expected: &[&str]) {
        assert_eq!(differences(&wanted, &live), expected);
    }

    #[rstest]
    #[case("32Gi", Some(34_359_738_368.0))]
    #[case("500m", Some(0.5))]
    #[case("1e3", Some(1000.0))]
    #[case("big", None)]
    #[case("inf", None)]
    #[case("", None)]
    #[case("Gi", None)]
    fn quantities(#[case] text: &str, #[case] expected: Option<f64>) {
        assert_eq!(quantity(text), expected);
    }
}
