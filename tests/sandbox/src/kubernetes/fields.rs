//! Managed fields: sets of field paths, their `fieldsV1` encoding, and who owns what (structured-merge-diff).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::schema::{self, Lists};
use super::{stamp, views, zero};

/// One step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of a struct or an entry of a map.
    Field(String),
    /// An item of a keyed list; canonical JSON of its keys.
    Key(String),
    /// An item of a set; canonical JSON.
    Value(String),
}

/// The way to a field.
pub type Path = Vec<Element>;

/// Who owns which fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub manager: String,
    pub operation: &'static str,
    pub api_version: String,
    pub subresource: Option<String>,
    /// Empty while the manager never changed anything: it applied what was there.
    pub time: String,
    pub fields: BTreeSet<Path>,
}

impl Entry {
    fn same(&self, manager: &str, operation: &str, api_version: &str, subresource: Option<&str>) -> bool {
        self.manager == manager
            && self.operation == operation
            && self.api_version == api_version
            && self.subresource.as_deref() == subresource
    }

    /// As in the text of a conflict.
    pub fn described(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if let Some(subresource) = &self.subresource {
            let _ = write!(text, " with subresource {subresource:?}");
        }
        if self.operation == "Update" {
            let _ = write!(text, " using {}", self.api_version);
        }
        text
    }
}

/// `.spec.template.spec.containers[name="zeebe"].image`
pub fn display(path: &[Element]) -> String {
    let mut text = String::new();
    for element in path {
        match element {
            Element::Field(name) => {
                let _ = write!(text, ".{name}");
            }
            Element::Key(key) => {
                let keys: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let keys: BTreeMap<_, _> = keys.into_iter().collect();
                let parts: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                let _ = write!(text, "[{}]", parts.join(","));
            }
            Element::Value(value) => {
                let _ = write!(text, "[={value}]");
            }
        }
    }
    text
}

/// The element for an item of a keyed list or a set.
pub fn element(lists: Lists, item: &Value) -> Element {
    match lists {
        Lists::Keyed(keys) => {
            let mut map = Map::new();
            for key in keys {
                if let Some(value) = item.get(*key) {
                    map.insert((*key).to_owned(), value.clone());
                } else if let Some(value) = schema::key_default(key) {
                    map.insert((*key).to_owned(), json!(value));
                }
            }
            Element::Key(views::canonical(&Value::Object(map)))
        }
        Lists::Set | Lists::Atomic => Element::Value(views::canonical(item)),
    }
}

/// The fields that an object sets.
pub fn of(kind: &Kind, object: &Value) -> BTreeSet<Path> {
    let mut set = BTreeSet::new();
    walk(kind, object, &mut Vec::new(), &mut Vec::new(), false, &mut set);
    set.retain(|path| !system(path));
    set
}

fn walk<'a>(
    kind: &Kind,
    value: &'a Value,
    names: &mut Vec<&'a str>,
    path: &mut Path,
    whole: bool,
    set: &mut BTreeSet<Path>,
) {
    match value {
        Value::Object(map) if names.is_empty() || !schema::atomic_map(kind, names) => {
            if whole || map.is_empty() {
                set.insert(path.clone());
            }
            for (name, child) in map {
                names.push(name);
                path.push(Element::Field(name.clone()));
                walk(kind, child, names, path, whole, set);
                path.pop();
                names.pop();
            }
        }
        Value::Array(list) => match schema::list(kind, names) {
            Lists::Atomic => {
                set.insert(path.clone());
            }
            lists => {
                if whole {
                    set.insert(path.clone());
                }
                for item in list {
                    path.push(element(lists, item));
                    set.insert(path.clone());
                    walk(kind, item, names, path, whole, set);
                    path.pop();
                }
            }
        },
        _ => {
            set.insert(path.clone());
        }
    }
}

/// What differs between two objects.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Added or modified.
    pub changed: BTreeSet<Path>,
    /// Removed.
    pub removed: BTreeSet<Path>,
}

/// Compares two states of an object.
pub fn compare(kind: &Kind, old: &Value, new: &Value) -> Comparison {
    let mut found = Comparison::default();
    differ(kind, old, new, &mut Vec::new(), &mut Vec::new(), &mut found);
    found.changed.retain(|path| !system(path));
    found.removed.retain(|path| !system(path));
    found
}

fn differ<'a>(
    kind: &Kind,
    old: &'a Value,
    new: &'a Value,
    names: &mut Vec<&'a str>,
    path: &mut Path,
    found: &mut Comparison,
) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(a), Value::Object(b)) if names.is_empty() || !schema::atomic_map(kind, names) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                names.push(name);
                path.push(Element::Field(name.clone()));
                pair(kind, a.get(name), b.get(name), names, path, found);
                path.pop();
                names.pop();
            }
        }
        (Value::Array(a), Value::Array(b)) if schema::list(kind, names) != Lists::Atomic => {
            let lists = schema::list(kind, names);
            let index =
                |list: &'a [Value]| list.iter().map(|item| (element(lists, item), item)).collect::<BTreeMap<_, _>>();
            let (a, b) = (index(a), index(b));
            for item in a.keys().chain(b.keys().filter(|item| !a.contains_key(*item))) {
                path.push(item.clone());
                pair(kind, a.get(item).copied(), b.get(item).copied(), names, path, found);
                path.pop();
            }
        }
        _ => {
            found.changed.insert(path.clone());
        }
    }
}

fn pair<'a>(
    kind: &Kind,
    old: Option<&'a Value>,
    new: Option<&'a Value>,
    names: &mut Vec<&'a str>,
    path: &mut Path,
    found: &mut Comparison,
) {
    match (old, new) {
        // a null stands for a field that is always encoded: what is put into it is new, the field itself is not
        (Some(Value::Null), Some(new @ (Value::Object(_) | Value::Array(_)))) if !whole_value(kind, new, names) => {
            let mut inner = BTreeSet::new();
            walk(kind, new, names, path, true, &mut inner);
            inner.remove(path);
            found.changed.extend(inner);
        }
        (Some(old), Some(new)) => differ(kind, old, new, names, path, found),
        (None, Some(new)) => walk(kind, new, names, path, true, &mut found.changed),
        (Some(old), None) => walk(kind, old, names, path, true, &mut found.removed),
        (None, None) => {}
    }
}

/// Whether a list or map at this place is owned as one value.
fn whole_value(kind: &Kind, value: &Value, names: &[&str]) -> bool {
    match value {
        Value::Array(_) => schema::list(kind, names) == Lists::Atomic,
        _ => schema::atomic_map(kind, names),
    }
}

/// Fields that nobody manages.
fn system(path: &[Element]) -> bool {
    let names: Vec<&str> = path.iter().map(|e| if let Element::Field(name) = e { name.as_str() } else { "" }).collect();
    match names.as_slice() {
        [] | ["apiVersion" | "kind" | "metadata"] => true,
        ["metadata", name, ..] => matches!(
            *name,
            "name"
                | "namespace"
                | "creationTimestamp"
                | "selfLink"
                | "uid"
                | "clusterName"
                | "generation"
                | "managedFields"
                | "resourceVersion"
                | "deletionTimestamp"
                | "deletionGracePeriodSeconds"
        ),
        _ => false,
    }
}

/// Whether some member lies at or below this path.
pub fn covers(set: &BTreeSet<Path>, path: &Path) -> bool {
    set.range(path.clone()..).next().is_some_and(|next| next.starts_with(path))
}

/// Reads `metadata.managedFields`.
pub fn entries(object: &Value) -> Vec<Entry> {
    views::items(object, "/metadata/managedFields")
        .iter()
        .map(|entry| {
            let mut fields = BTreeSet::new();
            decode(&entry["fieldsV1"], &mut Vec::new(), &mut fields);
            Entry {
                manager: views::text(entry, "/manager").to_owned(),
                operation: if entry["operation"] == "Apply" { "Apply" } else { "Update" },
                api_version: views::text(entry, "/apiVersion").to_owned(),
                subresource: entry["subresource"].as_str().map(str::to_owned),
                time: views::text(entry, "/time").to_owned(),
                fields,
            }
        })
        .collect()
}

/// Writes `metadata.managedFields`; entries without fields are dropped, Apply comes first, then by time.
pub fn set_entries(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| (a.operation, &a.time, &a.manager).cmp(&(b.operation, &b.time, &b.manager)));
    let list: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut json = json!({
                "manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version,
                "fieldsType": "FieldsV1", "fieldsV1": encode(&entry.fields)
            });
            if !entry.time.is_empty() {
                json["time"] = json!(entry.time);
            }
            if let Some(subresource) = &entry.subresource {
                json["subresource"] = json!(subresource);
            }
            json
        })
        .collect();
    if list.is_empty() {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
    } else {
        object["metadata"]["managedFields"] = Value::Array(list);
    }
}

/// A set as `fieldsV1`.
pub fn encode(set: &BTreeSet<Path>) -> Value {
    let mut root = json!({});
    for path in set {
        let mut node = &mut root;
        for element in path {
            let name = match element {
                Element::Field(name) => format!("f:{name}"),
                Element::Key(key) => format!("k:{key}"),
                Element::Value(value) => format!("v:{value}"),
            };
            if !node[&name].is_object() {
                node[&name] = json!({});
            }
            node = &mut node[&name];
        }
        // marks a member; a leaf needs no mark
        node["."] = json!({});
    }
    unmark(&mut root);
    root
}

fn unmark(node: &mut Value) {
    let Some(map) = node.as_object_mut() else { return };
    if map.len() == 1 {
        map.remove(".");
    }
    for (name, child) in map.iter_mut() {
        if name != "." {
            unmark(child);
        }
    }
}

fn decode(node: &Value, path: &mut Path, set: &mut BTreeSet<Path>) {
    let Some(map) = node.as_object() else { return };
    if map.is_empty() || map.contains_key(".") {
        if path.is_empty() {
            return;
        }
        set.insert(path.clone());
    }
    for (name, child) in map {
        let element = match name.split_once(':') {
            Some(("f", rest)) => Element::Field(rest.to_owned()),
            Some(("k", rest)) => Element::Key(rest.to_owned()),
            Some(("v", rest)) => Element::Value(rest.to_owned()),
            _ => continue,
        };
        path.push(element);
        decode(child, path, set);
        path.pop();
    }
}

/// Records a write other than apply: what changed now belongs to `manager`, and to nobody else. `sent` is what was written, before the
/// server filled it in; without it, all of `new` was written.
///
/// An object whose managers were all cleared, or that never had any, is not tracked before the next apply.
pub fn record_update(
    kind: &Kind,
    live: Option<&Value>,
    new: &mut Value,
    manager: &str,
    subresource: Option<&str>,
    sent: Option<&Value>,
) {
    let mut all = live.map(entries).unwrap_or_default();
    if live.is_some() && all.is_empty() {
        set_entries(new, all);
        return;
    }
    let mut found = match live {
        Some(live) => compare(kind, live, new),
        None => compare(kind, &zero::zero(kind), new),
    };
    if let Some(sent) = sent {
        let foreign = |path: &Path| {
            (kind.status && subresource.is_none() && path.first() == Some(&Element::Field("status".to_owned())))
                || (zero::filled_in(kind, path) && !zero::wrote(kind, sent, path))
        };
        found.changed.retain(|path| !foreign(path));
    }
    if !found.changed.is_empty() || !found.removed.is_empty() {
        let api_version = kind.api_version();
        for entry in &mut all {
            if !entry.same(manager, "Update", &api_version, subresource) {
                entry.fields.retain(|path| !found.changed.contains(path));
            }
            entry.fields.retain(|path| !found.removed.contains(path));
        }
        if !found.changed.is_empty() {
            // through the scale subresource, no time is kept
            let time = if subresource == Some("scale") { String::new() } else { stamp::now() };
            match all.iter_mut().find(|entry| entry.same(manager, "Update", &api_version, subresource)) {
                Some(entry) => {
                    entry.fields.extend(found.changed);
                    entry.time = time;
                }
                None => all.push(Entry {
                    manager: manager.to_owned(),
                    operation: "Update",
                    api_version,
                    subresource: subresource.map(str::to_owned),
                    time,
                    fields: found.changed,
                }),
            }
        }
    }
    set_entries(new, all);
}
