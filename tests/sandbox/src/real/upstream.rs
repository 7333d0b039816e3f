//! Talking to a real API server.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// An API server on the loopback and, for calls of our own, a token.
#[derive(Clone)]
pub struct Upstream {
    address: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
    token: Arc<str>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An answer: status and body (`Null` if it is no JSON).
pub type Answer = (StatusCode, Value);

impl Upstream {
    /// The API server at a port; without `tls`, it speaks plain HTTP.
    pub fn new(port: u16, tls: Option<Arc<rustls::ClientConfig>>, token: &str) -> Upstream {
        Upstream { address: SocketAddr::from(([127, 0, 0, 1], port)), tls, token: token.into() }
    }

    /// Sends a request as it is over a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> std::io::Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => {
                let name = ServerName::from(self.address.ip());
                exchange(tokio_rustls::TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?, request).await
            }
            None => exchange(stream, request).await,
        }
    }

    /// A request of our own.
    pub fn request(&self, method: Method, path: &str, media: &str, body: Option<&Value>) -> Request<Full<Bytes>> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        for (name, value) in [
            (header::HOST, self.address.to_string()),
            (header::AUTHORIZATION, format!("Bearer {}", self.token)),
            (header::CONTENT_TYPE, media.to_owned()),
            (header::ACCEPT, "application/json".to_owned()),
            (header::USER_AGENT, "c8-sandbox".to_owned()),
        ] {
            if let Ok(value) = header::HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        request
    }

    /// Sends JSON, reads JSON.
    pub async fn call(&self, method: Method, path: &str, media: &str, body: Option<&Value>) -> std::io::Result<Answer> {
        let response = self.send(self.request(method, path, media, body)).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> std::io::Result<Answer> {
        self.call(Method::GET, path, "application/json", None).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> std::io::Result<Answer> {
        self.call(Method::POST, path, "application/json", Some(body)).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> std::io::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(std::io::Error::other)
}
