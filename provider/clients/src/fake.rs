//! A region on loopback, for tests: an API server whose port-forwards lead to what a test serves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::kubernetes::Kubernetes;

/// Status and body.
pub(crate) type Answer = (u16, Value);
type Http = Arc<dyn Fn(&Method, &str, &str) -> Answer + Send + Sync>;
type Dial = Arc<dyn Fn(&str, u16) -> Port + Send + Sync>;

/// What is at the end of a port-forward.
#[derive(Clone)]
pub(crate) enum Port {
    /// Nothing listens.
    Refused,
    /// Takes the request and closes the connection.
    Drops(Arc<std::sync::atomic::AtomicUsize>),
    /// Takes the request and says nothing.
    Silent,
    /// HTTP.
    Http(Http),
    /// Anything.
    Raw(Arc<dyn Fn(DuplexStream) + Send + Sync>),
}

impl Port {
    pub fn http(answer: impl Fn(&Method, &str, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::Http(Arc::new(answer))
    }
}

/// A region: the pods behind every Service, and what is at `(pod, port)`.
#[derive(Clone)]
pub(crate) struct Region {
    pub pods: Vec<(&'static str, bool)>,
    pub dial: Dial,
}

impl Region {
    pub async fn serve(self) -> Kubernetes {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(self.clone().connection(stream));
            }
        });
        let mut config = kube::Config::new(url.parse().unwrap());
        config.default_retry = false;
        Kubernetes::over(kube::Client::try_from(config).unwrap(), &url)
    }

    pub async fn connection(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let region = self.clone();
            async move { Ok::<_, Infallible>(region.answer(request)) }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let _ = connection.with_upgrades().await;
    }

    fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if path.ends_with("/portforward") {
            let pod = path.rsplit('/').nth(1).unwrap().to_owned();
            let port: u16 = request.uri().query().unwrap().rsplit('=').next().unwrap().parse().unwrap();
            let key = request.headers()["sec-websocket-key"].clone();
            let port_of = (self.dial)(&pod, port);
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let socket =
                    WebSocketStream::from_raw_socket(TokioIo::new(upgrade.await.unwrap()), Role::Server, None).await;
                forward(socket, port, port_of).await;
            });
            return Response::builder()
                .status(101)
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, "websocket")
                .header("sec-websocket-accept", derive_accept_key(key.as_bytes()))
                .header("sec-websocket-protocol", "v4.channel.k8s.io")
                .body(Full::default())
                .unwrap();
        }
        let pods: Vec<Value> = self.pods.iter().map(|(name, ready)| pod(name, *ready)).collect();
        let body = if path.contains("/services/") {
            json!({ "spec": { "selector": { "app": "x" } } })
        } else if path.ends_with("/pods") {
            json!({ "metadata": {}, "items": pods })
        } else if path.ends_with("/kube-system") {
            let token = request.headers().get("authorization").map_or("", |value| value.to_str().unwrap());
            json!({ "metadata": { "uid": format!("uid for {token}") } })
        } else {
            json!("ok")
        };
        Response::new(Full::new(Bytes::from(body.to_string())))
    }
}

fn pod(name: &str, ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!({ "metadata": { "name": name }, "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }],
        "containerStatuses": [{ "name": "zeebe", "state": { "running": {} } }] } })
}

/// The channels of `v4.channel.k8s.io`: 0 is data, 1 is errors, each begun with the port's number.
async fn forward(mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, port: u16, end: Port) {
    let [low, high] = port.to_le_bytes();
    for channel in [0, 1] {
        socket.send(Message::binary(vec![channel, low, high])).await.unwrap();
    }
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    match end {
        Port::Refused => {
            let mut text = vec![1];
            text.extend(b"failed to connect to localhost: connection refused");
            socket.send(Message::binary(text)).await.unwrap();
            let _ = socket.close(None).await;
            return;
        }
        Port::Drops(seen) => {
            while let Some(Ok(message)) = socket.next().await {
                if message.len() > 1 {
                    seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    return;
                }
            }
            return;
        }
        Port::Silent => return std::future::pending().await,
        Port::Http(answer) => drop(tokio::spawn(pages(ours, answer))),
        Port::Raw(serve) => serve(ours),
    }
    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(data))) if data.first() == Some(&0) => theirs.write_all(&data[1..]).await.unwrap(),
                Some(Ok(_)) => {}
                _ => return,
            },
            read = theirs.read(&mut buffer) => {
                let read = read.unwrap();
                if read == 0 {
                    let _ = socket.close(None).await;
                    return;
                }
                let mut frame = vec![0];
                frame.extend(&buffer[..read]);
                if socket.send(Message::binary(frame)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn pages(stream: DuplexStream, answer: Http) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            let (status, json) = answer(&head.method, &head.uri.to_string(), &body);
            Ok::<_, Infallible>(
                Response::builder().status(status).body(Full::new(Bytes::from(json.to_string()))).unwrap(),
            )
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
