//! A port-forward of its own for each call: long-lived tunnels break when their target restarts (`dual-region.md 2.1`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::watch::text;
use super::{Error, Kubernetes, POD, SERVICE};

/// A stream to a port of a pod. No local port is bound. Closed when it is dropped.
pub struct Forward {
    stream: DuplexStream,
    forwarder: Portforwarder,
    error: Option<BoxFuture<'static, Option<String>>>,
}

impl std::fmt::Debug for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Forward")
    }
}

impl Forward {
    /// What the API server says of the stream; only if it failed. Takes it, so that it can be asked while the stream is in use.
    pub(super) fn take_failure(&mut self) -> Option<BoxFuture<'static, Option<String>>> {
        self.error.take()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for Forward {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Forward {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Kubernetes {
    /// Opens a stream to a port of a pod. That it opens does not mean that something listens there.
    pub async fn forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Forward, Error> {
        let what = format!("a port-forward to {namespace}/{pod}:{port}");
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut forwarder = match tokio::time::timeout(self.timeout, api.portforward(pod, &[port])).await {
            Ok(Ok(forwarder)) => forwarder,
            Ok(Err(error)) => return Err(Error::classify(&self.endpoint, "create", &what, &error)),
            Err(_) => return Err(self.timed_out()),
        };
        let error = forwarder.take_error(port).map(FutureExt::boxed);
        let stream = forwarder.take_stream(port).ok_or_else(|| Error::Api {
            verb: "create",
            what,
            status: 0,
            message: "the port-forward has no stream".to_owned(),
        })?;
        Ok(Forward { stream, forwarder, error })
    }

    /// The pods behind a Service: the ready ones first, then those that merely run. A gateway or broker that is not ready
    /// still answers on its management port, and the fail-over depends on that.
    pub async fn pods_behind(&self, namespace: &str, service: &str) -> Result<Vec<String>, Error> {
        let object = self.get(&SERVICE.named(namespace, service)).await?;
        let selector = object.pointer("/spec/selector").and_then(Value::as_object);
        let labels: Vec<String> = selector
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
            .collect();
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        let pods = self.list(&POD, namespace, &labels.join(",")).await?;
        Ok(callable(&pods))
    }
}

fn callable(pods: &[Value]) -> Vec<String> {
    let running =
        |pod: &&Value| text(pod, "/status/phase") == "Running" && pod.pointer("/metadata/deletionTimestamp").is_none();
    let mut names: Vec<(bool, String)> =
        pods.iter().filter(running).map(|pod| (!is_ready(pod), text(pod, "/metadata/name").to_owned())).collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, ready: &str) -> Value {
        json!({ "metadata": { "name": name }, "status": { "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] } })
    }

    #[test]
    fn ready_pods_come_first_and_pending_ones_not_at_all() {
        let mut going = pod("a-going", "Running", "True");
        going["metadata"]["deletionTimestamp"] = json!("2025-01-01T00:00:00Z");
        let pods = [pod("a", "Running", "False"), pod("b", "Pending", "False"), pod("c", "Running", "True"), going];
        assert_eq!(callable(&pods), ["c", "a"]);
    }
}
