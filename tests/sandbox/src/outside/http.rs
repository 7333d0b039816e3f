//! One HTTP/1.1 call over a connection of its own: what exporters and the audit need of a real store.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::network::surroundings::authority;

/// Calls `method url` with a JSON (or NDJSON) body.
///
/// # Errors
/// No connection, no answer in time, a status that is no success, or a body that is no JSON; in words.
pub async fn call(method: &str, url: &str, body: String, patience: Duration) -> Result<Value, String> {
    tokio::time::timeout(patience, call_now(method, url, body))
        .await
        .unwrap_or_else(|_| Err(format!("{method} {url}: no answer within {} s", patience.as_secs_f32())))
}

async fn call_now(method: &str, url: &str, body: String) -> Result<Value, String> {
    let words = |error: &dyn std::fmt::Display| format!("{method} {url}: {error}");
    let (host, port) = authority(url).ok_or_else(|| words(&"no host"))?;
    let stream = TcpStream::connect((host, port)).await.map_err(|error| words(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
    let driving = tokio::spawn(connection);
    let path = url.split_once("://").map_or(url, |(_, rest)| rest).split_once('/').map_or("", |(_, path)| path);
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/{path}"))
        .header("host", format!("{host}:{port}"))
        .header("content-type", if path.ends_with("_bulk") { "application/x-ndjson" } else { "application/json" })
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| words(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
    }
    .await;
    driving.abort();
    let (status, bytes) = answer.map_err(|error| words(&error))?;
    if !status.is_success() {
        let text: String = String::from_utf8_lossy(&bytes).chars().take(300).collect();
        return Err(words(&format!("{status}: {text}")));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| words(&error))
}
