//! Port-forward over WebSocket (`v4.channel.k8s.io`, `v5.channel.k8s.io`): per port a data and an error channel, each opened by a frame
//! with the port's number.

use futures::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use super::connection::under_power;
use super::request::{Query, Target};
use super::response::{Body, full};
use crate::kubernetes::error::ApiError;
use crate::kubernetes::host::Host;

const PROTOCOLS: [&str; 2] = ["v4.channel.k8s.io", "v5.channel.k8s.io"];

pub fn answer<H: Host>(
    host: &H,
    target: &Target,
    query: &Query,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let namespace = target.namespace.clone().unwrap_or_default();
    let name = target.name.clone().unwrap_or_default();
    let pod = host
        .with_store(|store| store.pod(&namespace, &name))
        .flatten()
        .ok_or_else(|| ApiError::not_found(target.kind, &name))?;
    if pod.node().is_none() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    upgrade(host, namespace, name, query.all("ports"), request)
}

/// Answers the upgrade of a connection to these ports (each a number, or several with commas) of a pod.
pub fn upgrade<'a, H: Host>(
    host: &H,
    namespace: String,
    name: String,
    ports: impl Iterator<Item = &'a str>,
    request: &mut Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let headers = request.headers();
    let text =
        |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let key = text(header::SEC_WEBSOCKET_KEY);
    if !text(header::UPGRADE).eq_ignore_ascii_case("websocket") || key.is_empty() {
        let message =
            "unable to upgrade: this server forwards ports over WebSocket (v4.channel.k8s.io) only, not over SPDY";
        return Err(ApiError::bad_request(message));
    }
    let offered = text(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = PROTOCOLS.into_iter().find(|known| offered.split(',').any(|o| o.trim() == *known));
    let Some(protocol) = protocol else {
        let message = format!(
            "unable to upgrade: only v4.channel.k8s.io and v5.channel.k8s.io are understood here, not {offered:?} (kubectl forwards over SPDY)"
        );
        return Err(ApiError::new(403, "Forbidden", message));
    };

    let ports: Vec<u16> = ports.flat_map(|list| list.split(',')).filter_map(|port| port.trim().parse().ok()).collect();
    if ports.is_empty() {
        return Err(ApiError::bad_request("query parameter \"port\" is required"));
    }
    let upgrade = hyper::upgrade::on(request);
    let host = host.clone();
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let power = host.clone();
        let _ = under_power(&power, forward(host, socket, namespace, name, ports)).await;
    });
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, header::HeaderValue::from_static(protocol));
    if let Ok(value) = header::HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, value);
    }
    Ok(response)
}

/// What a pod's side says: bytes for a channel, or its end.
enum FromPod {
    Bytes(Vec<u8>),
    End,
}

async fn forward<H: Host, S>(host: H, socket: WebSocketStream<S>, namespace: String, pod: String, ports: Vec<u16>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut sink, mut stream) = socket.split();
    let (sender, mut receiver) = mpsc::channel::<FromPod>(64);
    let mut writers: Vec<Option<WriteHalf<DuplexStream>>> = Vec::new();
    let mut open = 0_usize;
    // aborted when this ends, or the pod would never see the end of the connection
    let mut readers = tokio::task::JoinSet::new();
    for (index, port) in ports.iter().enumerate() {
        let channel = u8::try_from(index * 2).unwrap_or(u8::MAX - 1);
        let [low, high] = port.to_le_bytes();
        for opened in [channel, channel + 1] {
            if sink.send(Message::binary(vec![opened, low, high])).await.is_err() {
                return;
            }
        }
        match host.dial(&namespace, &pod, *port) {
            Ok(duplex) => {
                let (reader, writer) = tokio::io::split(duplex);
                writers.push(Some(writer));
                open += 1;
                readers.spawn(read(reader, channel, sender.clone()));
            }
            Err(why) => {
                writers.push(None);
                let mut message = vec![channel + 1];
                message.extend(format!("error forwarding port {port} to pod {pod}: {why}").into_bytes());
                if sink.send(Message::binary(message)).await.is_err() {
                    return;
                }
            }
        }
    }
    drop(sender);
    if open == 0 {
        let _ = sink.send(Message::Close(None)).await;
        return;
    }
    loop {
        tokio::select! {
            said = receiver.recv() => match said {
                Some(FromPod::Bytes(bytes)) => if sink.send(Message::binary(bytes)).await.is_err() { return },
                Some(FromPod::End) => {
                    open -= 1;
                    if open == 0 {
                        let _ = sink.send(Message::Close(None)).await;
                        return;
                    }
                }
                None => return,
            },
            message = stream.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let Some((channel, data)) = bytes.split_first() else { continue };
                    let Some(Some(writer)) = writers.get_mut(usize::from(*channel) / 2) else { continue };
                    if channel % 2 == 0 && writer.write_all(data).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

async fn read(mut reader: ReadHalf<DuplexStream>, channel: u8, sender: mpsc::Sender<FromPod>) {
    let mut buffer = vec![0_u8; 32 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => {
                let _ = sender.send(FromPod::End).await;
                return;
            }
            Ok(count) => {
                let mut bytes = Vec::with_capacity(count + 1);
                bytes.push(channel);
                bytes.extend_from_slice(&buffer[..count]);
                if sender.send(FromPod::Bytes(bytes)).await.is_err() {
                    return;
                }
            }
        }
    }
}
