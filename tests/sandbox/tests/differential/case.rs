//! Requests in a row, and what came of them.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::side::Side;

/// One request. In path and body, `{uid:<path>}` and `{rv:<path>}` stand for what the object at that path last had on this side.
#[derive(Debug, Clone)]
pub struct Step {
    pub method: Method,
    pub path: String,
    pub media: &'static str,
    pub body: Option<Value>,
}

/// Requests that build on each other, in a namespace of their own.
pub struct Case {
    pub name: String,
    pub steps: Vec<Step>,
}

/// Status and body.
pub type Outcome = (u16, Value);

impl Step {
    fn new(method: Method, path: &str, media: &'static str, body: Option<Value>) -> Step {
        Step { method, path: path.to_owned(), media, body }
    }

    /// The request in one line.
    pub fn shown(&self) -> String {
        let kind = self.media.trim_start_matches("application/").split(['+', ';']).next().unwrap_or_default();
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let cut: String = body.chars().take(160).collect();
        format!("{} {} {kind} {cut}", self.method, self.path)
    }
}

pub fn get(path: &str) -> Step {
    Step::new(Method::GET, path, "application/json", None)
}

pub fn post(path: &str, body: Value) -> Step {
    Step::new(Method::POST, path, "application/json", Some(body))
}

pub fn put(path: &str, body: Value) -> Step {
    Step::new(Method::PUT, path, "application/json", Some(body))
}

pub fn merge(path: &str, body: Value) -> Step {
    Step::new(Method::PATCH, path, "application/merge-patch+json", Some(body))
}

pub fn strategic(path: &str, body: Value) -> Step {
    Step::new(Method::PATCH, path, "application/strategic-merge-patch+json", Some(body))
}

pub fn steps(path: &str, body: Value) -> Step {
    Step::new(Method::PATCH, path, "application/json-patch+json", Some(body))
}

pub fn apply(path: &str, body: Value) -> Step {
    Step::new(Method::PATCH, path, "application/apply-patch+yaml", Some(body))
}

pub fn delete(path: &str, body: Option<Value>) -> Step {
    Step::new(Method::DELETE, path, "application/json", body)
}

/// A case; its namespace has its name and is made first.
pub fn case(name: &str, steps: Vec<Step>) -> Case {
    let mut all = vec![
        post("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})),
        // pods need it, and no controller makes it here
        post(&format!("/api/v1/namespaces/{name}/serviceaccounts"), json!({"metadata": {"name": "default"}})),
    ];
    all.extend(steps);
    Case { name: name.to_owned(), steps: all }
}

impl Case {
    /// Sends everything, one after the other.
    pub async fn run(&self, side: &Side) -> Vec<Outcome> {
        let mut known: BTreeMap<String, (String, String)> = BTreeMap::new();
        let mut outcomes = Vec::new();
        for step in &self.steps {
            let path = fill(&step.path, &known);
            let body = step.body.as_ref().map(|body| {
                serde_json::from_str(&fill(&body.to_string(), &known)).unwrap_or_else(|_| panic!("{body}"))
            });
            let (status, answer) =
                side.upstream.call(step.method.clone(), &path, step.media, body.as_ref()).await.unwrap();
            remember(&mut known, &step.path, &answer);
            outcomes.push((status.as_u16(), answer));
        }
        outcomes
    }
}

/// Files UID and resource version of an answered object under its path.
fn remember(known: &mut BTreeMap<String, (String, String)>, path: &str, answer: &Value) {
    let text = |field: &str| answer["metadata"][field].as_str().unwrap_or_default().to_owned();
    if text("uid").is_empty() {
        return;
    }
    let bare = path.split('?').next().unwrap_or(path);
    let bare = bare.trim_end_matches("/status").trim_end_matches("/scale");
    let name = text("name");
    let key = if bare.ends_with(&format!("/{name}")) { bare.to_owned() } else { format!("{bare}/{name}") };
    known.insert(key, (text("uid"), text("resourceVersion")));
}

fn fill(text: &str, known: &BTreeMap<String, (String, String)>) -> String {
    let mut text = text.to_owned();
    for (path, (uid, version)) in known {
        text = text.replace(&format!("{{uid:{path}}}"), uid).replace(&format!("{{rv:{path}}}"), version);
    }
    text
}
