//! Watches: the event log as a stream of JSON lines.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Response, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::request::{Query, Target};
use super::response::Body;
use crate::kubernetes::error::ApiError;
use crate::kubernetes::host::Host;
use crate::kubernetes::selector::Selector;
use crate::kubernetes::store::{Change, Event, Store};

struct Watch {
    kind: usize,
    namespace: Option<String>,
    selector: Selector,
    from: u64,
}

pub fn answer<H: Host>(host: &H, target: &Target, query: &Query) -> Result<Response<Body>, ApiError> {
    let mut fields = query.get("fieldSelector").to_owned();
    if let Some(name) = &target.name {
        fields = format!("metadata.name={name}");
    }
    let mut watch = Watch {
        kind: target.kind.index(),
        namespace: target.namespace.clone(),
        selector: Selector::parse(query.get("labelSelector"), &fields)?,
        from: 0,
    };
    let version = query.get("resourceVersion");
    let initial = version.is_empty() || version == "0" || query.is("sendInitialEvents");
    if !initial {
        watch.from = version
            .parse()
            .map_err(|_| ApiError::bad_request(format!("Invalid value: {version:?}: strconv.ParseUint")))?;
    }
    let (lines, wake) = host
        .with_store(|store| {
            let lines = if initial {
                watch.from = store.revision;
                let mut lines: Vec<String> = store
                    .select(target.kind, target.namespace.as_deref())
                    .iter()
                    .filter(|object| watch.selector.matches(object))
                    .map(|object| line("ADDED", object))
                    .collect();
                if query.is("sendInitialEvents") {
                    let object = json!({"kind": target.kind.kind, "apiVersion": target.kind.api_version(), "metadata": {
                        "resourceVersion": store.revision.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}}});
                    lines.push(line("BOOKMARK", &object));
                }
                lines
            } else {
                Vec::new()
            };
            (lines, store.wake.subscribe())
        })
        .ok_or_else(|| ApiError::internal("the cluster is gone"))?;
    let timeout = Duration::from_secs(query.get("timeoutSeconds").parse().unwrap_or(1_800));
    let (sender, receiver) = mpsc::channel(64);
    let host = host.clone();
    tokio::spawn(async move {
        let _ = tokio::time::timeout(timeout, follow(host, watch, lines, wake, sender)).await;
    });
    let frames = ReceiverStream::new(receiver).map(|line: String| Ok::<_, Infallible>(Frame::data(Bytes::from(line))));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn follow<H: Host>(
    host: H,
    mut watch: Watch,
    lines: Vec<String>,
    mut wake: tokio::sync::watch::Receiver<u64>,
    sender: mpsc::Sender<String>,
) {
    for line in lines {
        if sender.send(line).await.is_err() {
            return;
        }
    }
    loop {
        wake.borrow_and_update();
        let Some((lines, expired)) = host.with_store(|store| watch.advance(store)) else { return };
        for line in lines {
            if sender.send(line).await.is_err() {
                return;
            }
        }
        if expired {
            return;
        }
        tokio::select! {
            changed = wake.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
        }
    }
}

impl Watch {
    /// The events since the last look, and whether the watch has fallen too far behind.
    fn advance(&mut self, store: &Store) -> (Vec<String>, bool) {
        if self.from < store.oldest.saturating_sub(1) && self.from != store.revision {
            let status = ApiError::gone(format!("too old resource version: {} ({})", self.from, store.oldest)).status();
            return (vec![line("ERROR", &status)], true);
        }
        let first = store.events.partition_point(|event| event.revision <= self.from);
        let lines = store.events.range(first..).filter_map(|event| self.shown(event)).collect();
        self.from = store.revision;
        (lines, false)
    }

    fn shown(&self, event: &Event) -> Option<String> {
        if event.key.kind != self.kind || self.namespace.as_ref().is_some_and(|ns| *ns != event.key.namespace) {
            return None;
        }
        let after = self.selector.matches(&event.object) && event.change != Change::Deleted;
        let before = event.before.as_ref().is_some_and(|object| self.selector.matches(object));
        match (before, after) {
            (false, true) => Some(line("ADDED", &event.object)),
            (true, true) => Some(line("MODIFIED", &event.object)),
            (true, false) => Some(line("DELETED", &event.object)),
            (false, false) => None,
        }
    }
}

fn line(kind: &str, object: &Value) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}
