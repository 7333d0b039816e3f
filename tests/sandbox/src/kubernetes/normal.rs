//! The form in which objects are stored: maps and lists that are left out when they are empty.

use serde_json::Value;

use super::kinds::Kind;

/// Drops what is never encoded empty.
pub fn drop_empty(kind: &Kind, object: &mut Value) {
    let hollow = |value: Option<&Value>| match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Null) => true,
        _ => false,
    };
    if matches!(kind.kind, "ConfigMap" | "Secret")
        && let Some(map) = object.as_object_mut()
    {
        for field in ["data", "binaryData", "immutable"] {
            if hollow(map.get(field)) {
                map.remove(field);
            }
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
            if hollow(metadata.get(field)) {
                metadata.remove(field);
            }
        }
    }
}
