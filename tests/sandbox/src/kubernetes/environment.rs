//! The environment that a container starts with.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pods::{Pod, text_of};
use super::store::Store;
use super::views::{self, items, text};

impl Store {
    /// The environment of a container as its process sees it: `env` and `envFrom`, references resolved, `$(NAME)` expanded.
    #[must_use]
    pub fn env(&self, pod: &Pod, container: &str) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let Some(spec) = pod.container(container) else { return env };
        for source in items(spec, "/envFrom") {
            let prefix = source["prefix"].as_str().unwrap_or("");
            for (kind, field) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
                let Some(object) =
                    source[field]["name"].as_str().and_then(|name| self.get(kind, pod.namespace(), name))
                else {
                    continue;
                };
                for (name, value) in object["data"].as_object().into_iter().flatten() {
                    let value = value.as_str().unwrap_or("");
                    let value =
                        if kind == "Secret" { views::decode(value).unwrap_or_default() } else { value.to_owned() };
                    env.insert(format!("{prefix}{name}"), value);
                }
            }
        }
        for entry in items(spec, "/env") {
            let Some(name) = entry["name"].as_str() else { continue };
            let value = if let Some(value) = entry["value"].as_str() {
                Some(expand(value, &env))
            } else if let Some(path) = text_of(entry, "/valueFrom/fieldRef/fieldPath") {
                Some(field(pod.object(), path))
            } else if let Some(from) = entry["valueFrom"].get("configMapKeyRef") {
                self.data("ConfigMap", pod.namespace(), text(from, "/name"), text(from, "/key"))
            } else if let Some(from) = entry["valueFrom"].get("secretKeyRef") {
                self.data("Secret", pod.namespace(), text(from, "/name"), text(from, "/key"))
            } else {
                Some(String::new())
            };
            if let Some(value) = value {
                env.insert(name.to_owned(), value);
            }
        }
        env
    }
}

/// A field of the downward API.
fn field(pod: &Value, path: &str) -> String {
    if let Some(key) = path.strip_prefix("metadata.labels['").and_then(|rest| rest.strip_suffix("']")) {
        return views::label(pod, key).unwrap_or("").to_owned();
    }
    if let Some(key) = path.strip_prefix("metadata.annotations['").and_then(|rest| rest.strip_suffix("']")) {
        return pod["metadata"]["annotations"][key].as_str().unwrap_or("").to_owned();
    }
    text(pod, &format!("/{}", path.replace('.', "/"))).to_owned()
}

/// `$(NAME)` becomes the value of a variable defined before; an unknown name stays; `$$` is a dollar.
fn expand(value: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix("$(").and_then(|inner| inner.split_once(')')) {
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            out.push('$');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion() {
        let env = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        assert_eq!(expand("$(A).$(B)-$$(A)$", &env), "x.$(B)-$(A)$");
    }
}
