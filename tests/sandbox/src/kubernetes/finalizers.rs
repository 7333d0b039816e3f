//! What finalizers an object may have.

use serde_json::{Value, json};

use super::error::Finding;
use super::views::{deleting, items};

const STANDARD: [&str; 4] = ["orphan", "foregroundDeletion", "kubernetes", "kubernetes.io/pvc-protection"];

/// Names are qualified, and an object that is being deleted gets no new ones.
pub fn check(found: &mut Vec<Finding>, live: Option<&Value>, object: &Value) {
    let list = items(object, "/metadata/finalizers");
    for (index, finalizer) in list.iter().enumerate() {
        let text = finalizer.as_str().unwrap_or("");
        if !text.contains('/') && !STANDARD.contains(&text) {
            found.push((
                "FieldValueInvalid",
                format!("metadata.finalizers[{index}]"),
                format!(
                    "Invalid value: {finalizer}: name is neither a standard finalizer name nor is it fully qualified"
                ),
            ));
        }
    }
    let Some(live) = live.filter(|live| deleting(live)) else { return };
    let old = items(live, "/metadata/finalizers");
    let fresh: Vec<&Value> = list.iter().filter(|finalizer| !old.contains(finalizer)).collect();
    if !fresh.is_empty() {
        let fresh = json!(fresh).to_string();
        let listed = fresh.trim_start_matches('[').trim_end_matches(']').replace(',', ", ");
        let why = format!(
            "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        );
        let finding = ("FieldValueForbidden", "metadata.finalizers".to_owned(), why);
        // found twice: by the general validation of an update, and by the kind's own
        found.extend([finding.clone(), finding]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_qualified_and_none_comes_late() {
        let check = |live: Option<&Value>, list: Value| {
            let mut found = Vec::new();
            super::check(&mut found, live, &json!({"metadata": {"finalizers": list}}));
            found.into_iter().map(|(_, field, _)| field).collect::<Vec<_>>()
        };
        assert_eq!(check(None, json!(["plain", "a.example/b"])), ["metadata.finalizers[0]"]);
        let live = json!({"metadata": {"deletionTimestamp": "now", "finalizers": ["a.example/b"]}});
        assert!(check(Some(&live), json!(["a.example/b"])).is_empty());
        assert_eq!(check(Some(&live), json!(["a.example/c"])), ["metadata.finalizers"; 2]);
    }
}
