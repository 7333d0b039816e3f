//! From a request to the store and back.

use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::response::{Body, error, json as answer_json, no_content, not_found, plain};
use super::{discovery, portforward, scale, watch};
use crate::kubernetes::error::ApiError;
use crate::kubernetes::host::{Fault, Host};
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::lifecycle::Deleted;
use crate::kubernetes::selector::Selector;
use crate::kubernetes::store::{Object, Store};
use crate::kubernetes::views;
use crate::kubernetes::write::{DeleteOptions, Patch, WriteOptions};

/// The injected loss of a connection; hyper closes it without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
pub struct Dropped;

/// Query parameters, decoded.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string.
    pub fn parse(query: &str) -> Query {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        });
        Query(pairs.collect())
    }

    /// The first value of a parameter; empty if absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn is(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex =
            || std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex()) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where a resource path leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: &'static Kind,
    /// `None` = all namespaces (or a cluster-scoped kind).
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
}

impl Target {
    /// Parses `/api/v1/…` and `/apis/<group>/<version>/…`.
    pub fn parse(path: &str) -> Option<Target> {
        let parts: Vec<String> = path.trim_matches('/').split('/').map(unescape).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            _ => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, None, None),
            [plural, name] => (plural, Some(name), None),
            [plural, name, subresource] => (plural, Some(name), Some(subresource)),
            _ => return None,
        };
        let kind = Kind::at(group, version, plural)?;
        if kind.namespaced != namespace.is_some() && (name.is_some() || !kind.namespaced) {
            return None;
        }
        Some(Target {
            kind,
            namespace,
            name: name.map(ToString::to_string),
            subresource: subresource.map(ToString::to_string),
        })
    }
}

/// Answers one request.
pub async fn answer<H: Host>(host: H, mut request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
    let path = request.uri().path().to_owned();
    let raw_query = request.uri().query().unwrap_or("").to_owned();
    let shown = if raw_query.is_empty() { path.clone() } else { format!("{path}?{raw_query}") };
    match host.called(request.method().as_str(), &shown) {
        Some(Fault::Drop) => return Err(Dropped),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Error { status }) => return Ok(injected(status)),
        None => {}
    }
    if matches!(path.as_str(), "/readyz" | "/livez" | "/healthz") {
        return Ok(plain("ok"));
    }
    if !authorised(&host, request.headers()) {
        return Ok(error(&ApiError::unauthorized()));
    }
    let query = Query::parse(&raw_query);
    let found = host.with_store(|store| discovery::answer(store, &path));
    match found {
        None => return Err(Dropped),
        Some(Some(document)) => return Ok(answer_json(200, &document)),
        Some(None) => {}
    }
    let Some(target) = Target::parse(&path) else {
        let group = path.strip_prefix("/apis/").and_then(|rest| rest.split('/').next());
        let known = group.is_none_or(|group| crate::kubernetes::kinds::KINDS.iter().any(|kind| kind.group == group));
        return Ok(if known { error(&ApiError::no_such_path()) } else { not_found() });
    };
    if target.subresource.as_deref() == Some("portforward") && target.kind.kind == "Pod" {
        return Ok(portforward::answer(&host, &target, &query, &mut request).unwrap_or_else(|e| error(&e)));
    }
    if request.method() == Method::GET && target.name.is_none() && query.is("watch") {
        return Ok(watch::answer(&host, &target, &query).unwrap_or_else(|e| error(&e)));
    }
    let (parts, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(Dropped),
    };
    let call = Call { method: parts.method, headers: parts.headers, query, target };
    match host.with_store(|store| call.run(store, &body)) {
        None => Err(Dropped),
        Some(Ok(response)) => Ok(response),
        Some(Err(failure)) => Ok(error(&failure)),
    }
}

/// The answer of an injected fault.
pub fn injected(status: u16) -> Response<Body> {
    let reason = match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    error(&ApiError::new(status, reason, format!("injected fault {status}")))
}

fn authorised<H: Host>(host: &H, headers: &HeaderMap) -> bool {
    let token = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    token.is_some_and(|token| host.authorised(token.trim()))
}

/// One request to a resource.
pub struct Call {
    pub method: Method,
    pub headers: HeaderMap,
    pub query: Query,
    pub target: Target,
}

type Answer = Result<Response<Body>, ApiError>;

impl Call {
    fn run(&self, store: &mut Store, body: &[u8]) -> Answer {
        let kind = self.target.kind;
        let namespace = self.target.namespace.as_deref().unwrap_or("");
        let Some(name) = self.target.name.as_deref() else { return self.collection(store, body) };
        match self.target.subresource.as_deref() {
            None => {}
            Some("status") if kind.status => {}
            Some("scale") if kind.scale => return scale::answer(store, self, body),
            Some("log") if kind.kind == "Pod" && self.method == Method::GET => return self.log(store, namespace, name),
            Some("eviction") if kind.kind == "Pod" && self.method == Method::POST => {
                store.remove(kind, namespace, name, &DeleteOptions::default())?;
                return Ok(answer_json(201, &success(kind, name, "")));
            }
            Some("finalize") if kind.kind == "Namespace" && self.method == Method::PUT => {
                let live = store.get("Namespace", "", name).ok_or_else(|| ApiError::not_found(kind, name))?;
                return Ok(answer_json(200, &live));
            }
            Some(_) => return Err(ApiError::no_such_path()),
        }
        match self.method {
            Method::GET => {
                let object = store.get(kind.kind, namespace, name).ok_or_else(|| ApiError::not_found(kind, name))?;
                Ok(answer_json(200, &object))
            }
            Method::PUT => {
                let fresh = store.get(kind.kind, namespace, name).is_none();
                let object = store.put(kind, namespace, name, self.body(body)?, &self.options())?;
                Ok(answer_json(if fresh { 201 } else { 200 }, &object))
            }
            Method::PATCH => {
                let fresh = store.get(kind.kind, namespace, name).is_none();
                let object = store.patch(kind, namespace, name, self.patch(body)?, &self.options())?;
                Ok(answer_json(if fresh { 201 } else { 200 }, &object))
            }
            Method::DELETE => {
                let deleted = store.remove(kind, namespace, name, &self.delete_options(body)?)?;
                let (Deleted::Gone(object) | Deleted::Pending(object)) = &deleted;
                match deleted.shown(kind) {
                    Some(object) => Ok(answer_json(200, object)),
                    None => Ok(answer_json(200, &success(kind, name, views::uid(object)))),
                }
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn collection(&self, store: &mut Store, body: &[u8]) -> Answer {
        let kind = self.target.kind;
        let namespace = self.target.namespace.as_deref();
        match self.method {
            Method::GET => Ok(answer_json(200, &self.listing(store)?)),
            Method::POST => {
                let namespace = namespace.unwrap_or("");
                let object = store.post(kind, namespace, self.body(body)?, &self.options())?;
                Ok(answer_json(201, &object))
            }
            Method::DELETE => {
                let options = self.delete_options(body)?;
                let list = self.listing(store)?;
                for object in self.selected(store)? {
                    store.remove(kind, views::namespace(&object), views::name(&object), &options)?;
                }
                Ok(answer_json(200, &list))
            }
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn selected(&self, store: &Store) -> Result<Vec<Object>, ApiError> {
        let selector = Selector::parse(self.query.get("labelSelector"), self.query.get("fieldSelector"))?;
        selector.known(self.target.kind)?;
        let mut found = store.select(self.target.kind, self.target.namespace.as_deref());
        found.retain(|object| selector.matches(object));
        Ok(found)
    }

    fn listing(&self, store: &Store) -> Result<Value, ApiError> {
        let kind = self.target.kind;
        // items of a typed list carry neither kind nor version
        let bare = |object: &Object| {
            let mut object = (**object).clone();
            if let Some(map) = object.as_object_mut() {
                map.remove("kind");
                map.remove("apiVersion");
            }
            object
        };
        let items: Vec<Value> = self.selected(store)?.iter().map(bare).collect();
        Ok(json!({"kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": store.revision.to_string()}, "items": items}))
    }

    fn log(&self, store: &Store, namespace: &str, name: &str) -> Answer {
        let pod = store.pod(namespace, name).ok_or_else(|| ApiError::not_found(self.target.kind, name))?;
        if pod.node().is_none() {
            return Ok(no_content());
        }
        let all = pod.containers();
        let wanted = self.query.get("container");
        let container = match (wanted, all.as_slice()) {
            ("", [only]) => (*only).to_owned(),
            ("", _) => {
                return Err(ApiError::bad_request(format!(
                    "a container name must be specified for pod {name}, choose one of: {all:?}"
                )));
            }
            (wanted, _) if pod.container(wanted).is_none() => {
                return Err(ApiError::bad_request(format!("container {wanted} is not valid for pod {name}")));
            }
            (wanted, _) => wanted.to_owned(),
        };
        let text = store.logged(pod.uid(), &container, self.query.get("tailLines").parse().ok());
        Ok(plain(text))
    }

    /// Manager, dry run, strictness and subresource of a write.
    pub fn options(&self) -> WriteOptions {
        let agent =
            self.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
        let manager = self.query.get("fieldManager");
        let applies = self.content_type().starts_with("application/apply-patch");
        let manager = if manager.is_empty() && !applies { agent.split('/').next().unwrap_or(agent) } else { manager };
        WriteOptions {
            manager: manager.to_owned(),
            dry_run: self.query.all("dryRun").any(|value| value == "All"),
            strict: self.query.get("fieldValidation") == "Strict",
            subresource: match self.target.subresource.as_deref() {
                Some("status") => Some("status"),
                Some("scale") => Some("scale"),
                _ => None,
            },
        }
    }

    fn content_type(&self) -> &str {
        self.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The body of a POST or PUT.
    fn body(&self, body: &[u8]) -> Result<Value, ApiError> {
        if self.content_type().contains("protobuf") {
            let message = "the body of the request was in an unknown format - this simulated server accepts application/json only";
            return Err(ApiError::new(415, "UnsupportedMediaType", message));
        }
        parse(body)
    }

    /// The body of a PATCH, by its content type.
    pub fn patch(&self, body: &[u8]) -> Result<Patch, ApiError> {
        let media = self.content_type().split(';').next().unwrap_or("").trim().to_owned();
        let value = parse(body)?;
        match media.as_str() {
            "application/json-patch+json" => Ok(Patch::Json(value)),
            "application/merge-patch+json" => Ok(Patch::Merge(value)),
            "application/strategic-merge-patch+json" => Ok(Patch::Strategic(value)),
            "application/apply-patch+yaml" => Ok(Patch::Apply { config: value, force: self.query.is("force") }),
            other => Err(ApiError::unsupported_media(other)),
        }
    }

    fn delete_options(&self, body: &[u8]) -> Result<DeleteOptions, ApiError> {
        let value = if body.is_empty() { json!({}) } else { parse(body)? };
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let query = |name: &str| Some(self.query.get(name).to_owned()).filter(|v| !v.is_empty());
        let grace = value["gracePeriodSeconds"].as_i64().or_else(|| self.query.get("gracePeriodSeconds").parse().ok());
        Ok(DeleteOptions {
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            propagation: text("/propagationPolicy").or_else(|| query("propagationPolicy")),
            grace_seconds: grace,
            dry_run: self.query.all("dryRun").any(|v| v == "All")
                || views::items(&value, "/dryRun").iter().any(|v| v == "All"),
        })
    }
}

/// JSON only: this server's clients send nothing else, apply included.
fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("error decoding the body as JSON: {error}")))
}

fn success(kind: &Kind, name: &str, uid: &str) -> Value {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": name, "kind": kind.plural, "uid": uid}});
    if !kind.group.is_empty() {
        status["details"]["group"] = json!(kind.group);
    }
    status
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/api/v1/namespaces", Some(("Namespace", None, None, None))),
            ("/api/v1/namespaces/a", Some(("Namespace", None, Some("a"), None))),
            ("/api/v1/namespaces/a/status", Some(("Namespace", None, Some("a"), Some("status")))),
            ("/api/v1/namespaces/a/pods", Some(("Pod", Some("a"), None, None))),
            ("/api/v1/pods", Some(("Pod", None, None, None))),
            ("/api/v1/namespaces/a/pods/p/log", Some(("Pod", Some("a"), Some("p"), Some("log")))),
            (
                "/apis/apps/v1/namespaces/a/statefulsets/s/scale",
                Some(("StatefulSet", Some("a"), Some("s"), Some("scale"))),
            ),
            ("/apis/storage.k8s.io/v1/storageclasses/x", Some(("StorageClass", None, Some("x"), None))),
            ("/apis/apps/v1beta1/deployments", None),
            ("/api/v1/pods/p", None),
        ] {
            let seen = Target::parse(path);
            let seen = seen
                .as_ref()
                .map(|t| (t.kind.kind, t.namespace.as_deref(), t.name.as_deref(), t.subresource.as_deref()));
            assert_eq!(seen, expected, "{path}");
        }
        assert_eq!(Query::parse("a=x%3Dy%2Cz+1&b").get("a"), "x=y,z 1");
    }
}
