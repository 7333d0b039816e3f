//! A manifest: one object that the chart asks for, and its digest.

use std::fmt::{self, Write as _};

use c8_clients::kubernetes::{ObjectRef, Resource};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Names an object of a cluster: `kind/namespace/name`, with `-` for what lies in no namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `apps/v1`, `v1`.
    pub api_version: String,
    /// `StatefulSet`.
    pub kind: String,
    /// `None` for objects of the cluster.
    pub namespace: Option<String>,
    /// Name of the object.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace.as_deref().unwrap_or("-"), self.name)
    }
}

impl Key {
    /// The API group: empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Where the object is in the API.
    pub fn object(&self) -> ObjectRef {
        Resource::of(&self.api_version, &self.kind).named(self.namespace.as_deref().unwrap_or_default(), &self.name)
    }

    /// Kind and group as the ApplySet annotation wants them: `StatefulSet.apps`, `Service`.
    pub fn group_kind(&self) -> String {
        match self.group() {
            "" => self.kind.clone(),
            group => format!("{}.{group}", self.kind),
        }
    }
}

/// Who says what the object looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// `c8_region`: applied, digested, watched for drift, pruned.
    Region,
    /// `c8_failover`: created if absent, and not touched again. Never part of `objects`.
    Switch,
}

/// One object.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its name.
    pub key: Key,
    /// Who owns it.
    pub owner: Owner,
    /// Its content, as it is applied.
    pub content: Value,
    /// `spec.replicas` at its birth, of what `c8_failover` scales. Not part of `content`.
    pub born_with_replicas: Option<u32>,
}

impl Manifest {
    /// The manifest of some content.
    pub fn new(owner: Owner, content: Value) -> Option<Self> {
        let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let key = Key {
            api_version: text("/apiVersion")?,
            kind: text("/kind")?,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name")?,
        };
        Some(Self { key, owner, content, born_with_replicas: None })
    }

    /// A short text that changes when, and only when, what is asked for changes. Secrets count by their key names,
    /// so that no digest can be used to guess at a secret.
    pub fn digest(&self) -> String {
        digest(&self.content)
    }

    /// What is applied when the object does not exist yet.
    pub fn at_birth(&self) -> Value {
        let mut content = self.content.clone();
        if let (Some(replicas), Some(spec)) =
            (self.born_with_replicas, content.get_mut("spec").and_then(Value::as_object_mut))
        {
            spec.insert("replicas".into(), replicas.into());
        }
        content
    }
}

/// The digest of an object's content; see [`Manifest::digest`].
pub fn digest(content: &Value) -> String {
    let mut canonical = String::new();
    if content.get("kind").and_then(Value::as_str) == Some("Secret") {
        write_canonical(&without_values(content), &mut canonical);
    } else {
        write_canonical(content, &mut canonical);
    }
    let mut text = String::with_capacity(16);
    for byte in Sha256::digest(canonical.as_bytes()).iter().take(8) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn without_values(secret: &Value) -> Value {
    let mut secret = secret.clone();
    for part in ["data", "stringData"] {
        if let Some(values) = secret.get_mut(part).and_then(Value::as_object_mut) {
            *values = values.keys().map(|key| (key.clone(), Value::Null)).collect::<Map<_, _>>();
        }
    }
    secret
}

/// JSON with sorted keys, whatever the map type of serde_json is.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in entries {
                let _ = write!(out, "{}:", Value::String(key.clone()));
                write_canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn digests_ignore_order_of_keys_but_not_of_items() {
        let a: Value = serde_json::from_str(r#"{"kind":"X","spec":{"a":1,"b":[1,2]}}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"spec":{"b":[1,2],"a":1},"kind":"X"}"#).unwrap();
        assert_eq!(digest(&a), digest(&b));
        assert_ne!(digest(&a), digest(&json!({"kind":"X","spec":{"a":1,"b":[2,1]}})));
    }

    #[test]
    fn digests_of_secrets_know_only_key_names() {
        let secret = |key: &str, value: &str| digest(&json!({"kind":"Secret","data":{key: value}}));
        assert_eq!(secret("k", "one"), secret("k", "two"));
        assert_ne!(secret("k", "one"), secret("l", "one"));
    }

    #[test]
    fn keys_read_well() {
        let manifest = |content| Manifest::new(Owner::Region, content).unwrap().key;
        let set =
            manifest(json!({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"a","namespace":"n"}}));
        assert_eq!(set.to_string(), "StatefulSet/n/a");
        assert_eq!(set.group_kind(), "StatefulSet.apps");
        let class = manifest(json!({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}}));
        assert_eq!(class.to_string(), "Namespace/-/n");
        assert_eq!(class.group_kind(), "Namespace");
    }
}
