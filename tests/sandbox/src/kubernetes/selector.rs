//! Label and field selectors.

use serde_json::Value;

use super::error::ApiError;
use super::kinds::Kind;
use super::views;

#[derive(Debug, Clone, PartialEq)]
enum Label {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// What a list or a watch is limited to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    labels: Vec<Label>,
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    /// Parses `labelSelector` and `fieldSelector`.
    pub fn parse(labels: &str, fields: &str) -> Result<Selector, ApiError> {
        let mut selector = Selector::default();
        for term in split(labels) {
            selector.labels.push(label(term.trim()).ok_or_else(|| ApiError::bad_request(unparsable(term)))?);
        }
        for term in fields.split(',').filter(|term| !term.trim().is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
                (path, value, true)
            } else {
                return Err(ApiError::bad_request(format!("invalid selector: '{term}'; can't understand '{term}'")));
            };
            selector.fields.push((path.trim().to_owned(), value.trim().to_owned(), equal));
        }
        Ok(selector)
    }

    /// Refuses fields that this kind can't be selected by.
    pub fn known(&self, kind: &Kind) -> Result<(), ApiError> {
        let more: &[&str] = match kind.kind {
            "Pod" => &[
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "spec.hostNetwork",
                "status.phase",
                "status.podIP",
                "status.nominatedNodeName",
            ],
            "Secret" => &["type"],
            "Namespace" => &["status.phase"],
            "ReplicaSet" => &["status.replicas"],
            "Node" => &["spec.unschedulable"],
            "Service" => &["spec.clusterIP", "spec.type"],
            "Job" => &["status.successful"],
            "Event" => return Ok(()),
            _ => &[],
        };
        let unknown = |path: &str| !matches!(path, "metadata.name" | "metadata.namespace") && !more.contains(&path);
        match self.fields.iter().find(|(path, _, _)| unknown(path)) {
            Some((path, _, _)) if more.is_empty() => Err(ApiError::bad_request(format!(
                "{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
            ))),
            Some((path, _, _)) => Err(ApiError::bad_request(format!("field label not supported: {path}"))),
            None => Ok(()),
        }
    }

    /// Whether an object matches.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = self.labels.iter().all(|term| match term {
            Label::In(key, values) => views::label(object, key).is_some_and(|v| values.iter().any(|w| w == v)),
            Label::NotIn(key, values) => views::label(object, key).is_none_or(|v| values.iter().all(|w| w != v)),
            Label::Exists(key) => views::label(object, key).is_some(),
            Label::Absent(key) => views::label(object, key).is_none(),
        });
        labels
            && self.fields.iter().all(|(path, value, equal)| {
                let seen = views::text(object, &format!("/{}", path.replace('.', "/")));
                (seen == value) == *equal
            })
    }
}

/// A term that is none of the known forms: what stands where an operator belongs.
fn unparsable(term: &str) -> String {
    let operator = term.split_whitespace().nth(1).unwrap_or("");
    format!("unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn label(term: &str) -> Option<Label> {
    let list = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_owned()).collect())
    };
    if let Some((key, values)) = term.split_once(" notin ") {
        return Some(Label::NotIn(key.trim().to_owned(), list(values)?));
    }
    if let Some((key, values)) = term.split_once(" in ") {
        return Some(Label::In(key.trim().to_owned(), list(values)?));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Some(Label::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Some(Label::In(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some(key) = term.strip_prefix('!') {
        return Some(Label::Absent(key.trim().to_owned()));
    }
    (!term.contains(char::is_whitespace)).then(|| Label::Exists(term.to_owned()))
}

/// Whether a LabelSelector (matchLabels, matchExpressions) matches these labels of an object.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let holder = serde_json::json!({"metadata": {"labels": labels}});
    let exact =
        selector["matchLabels"].as_object().into_iter().flatten().all(|(k, v)| views::label(&holder, k) == v.as_str());
    exact
        && views::items(selector, "/matchExpressions").iter().all(|term| {
            let key = views::text(term, "/key").to_owned();
            let values: Vec<String> =
                views::items(term, "/values").iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
            let label = match views::text(term, "/operator") {
                "In" => Label::In(key, values),
                "NotIn" => Label::NotIn(key, values),
                "Exists" => Label::Exists(key),
                _ => Label::Absent(key),
            };
            Selector { labels: vec![label], fields: Vec::new() }.matches(&holder)
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn table() {
        let object =
            json!({"metadata": {"name": "a", "labels": {"app": "x", "tier": "db"}}, "status": {"phase": "Running"}});
        for (labels, fields, expected) in [
            ("", "", true),
            ("app=x", "", true),
            ("app==x,tier!=web", "", true),
            ("app in (y, x),tier", "", true),
            ("app notin (x)", "", false),
            ("!other", "metadata.name=a,status.phase!=Failed", true),
            ("!app", "", false),
            ("", "status.phase=Pending", false),
        ] {
            assert_eq!(Selector::parse(labels, fields).unwrap().matches(&object), expected, "{labels} {fields}");
        }
        assert!(Selector::parse("a b", "").is_err());
    }
}
