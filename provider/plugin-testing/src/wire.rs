//! gRPC as far as it is needed here: HTTP/2 over a Unix socket, calls as bytes.

use std::path::Path;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;

use crate::{Error, io};

/// A body of any origin.
pub(crate) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// What stands before a message: a flag, and four bytes of length.
const PREFIX: usize = 5;

/// A connection to a provider.
#[derive(Clone)]
pub(crate) struct Connection(SendRequest<Body>);

impl Connection {
    pub(crate) async fn open(socket: &Path) -> Result<Self, Error> {
        let stream = UnixStream::connect(socket).await.map_err(io("connecting to the provider"))?;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // it ends with the last sender
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Passes a request on.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        Ok(self.0.send_request(request).await?)
    }

    /// Makes a call with a message that was recorded, and returns the answer, both with their prefix.
    pub(crate) async fn call(&mut self, call: &'static str, message: Bytes) -> Result<Bytes, Error> {
        let failed = |why: String| Error::Call { call, why };
        let body = Full::new(message).map_err(|never| match never {}).boxed_unsync();
        let request = Request::post(uri(call))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(body)
            .map_err(|error| failed(error.to_string()))?;
        let response = self.send(request).await?;
        // an error without a message has its status among the headers
        let early = response.headers().get("grpc-status").cloned();
        let answer = response.into_body().collect().await?;
        let status = answer.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned().or(early);
        match status {
            Some(status) if status == "0" => Ok(answer.to_bytes()),
            status => Err(failed(format!("gRPC status {status:?}"))),
        }
    }
}

/// The same call at another address.
pub(crate) fn uri(path: &str) -> Uri {
    Uri::builder().scheme("http").authority("localhost").path_and_query(path).build().unwrap_or_default()
}

/// Reads a message that was recorded.
pub(crate) fn decode<M: prost::Message + Default>(call: &'static str, recorded: &Bytes) -> Result<M, Error> {
    M::decode(message(recorded)).map_err(|error| Error::Call { call, why: error.to_string() })
}

/// What was recorded without what stands before it.
pub(crate) fn message(recorded: &Bytes) -> Bytes {
    if recorded.len() < PREFIX { Bytes::new() } else { recorded.slice(PREFIX..) }
}
