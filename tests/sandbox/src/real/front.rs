//! What stands between a client and a real API server: the log of calls, injected faults, and what the loss of a region does to connections.

use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::rt::TokioIo;

use super::upstream::Upstream;
use crate::kubernetes::{Body, ClusterHost, Dropped, Fault, Host as _, full, injected, under_power};

/// Passes a request on as it is, with its own credentials.
pub async fn answer(
    host: ClusterHost,
    upstream: Upstream,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    let shown = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    match host.called(request.method().as_str(), &shown) {
        Some(Fault::Drop) => return Err(Dropped),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Error { status }) => return Ok(injected(status)),
        None => {}
    }
    let upgrade = upgrades(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    if upgrade.is_none() {
        parts.headers.remove(header::CONNECTION);
    }
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.uri = shown.parse().unwrap_or_default();
    let watches = shown.contains("watch=true") || shown.contains("watch=1") || shown.contains("follow=true");
    let mut response = upstream.send(Request::from_parts(parts, Full::new(body))).await.map_err(|_| Dropped)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(near) = upgrade
    {
        let far = hyper::upgrade::on(&mut response);
        let power = host.clone();
        tokio::spawn(async move {
            let (Ok(near), Ok(far)) = tokio::join!(near, far) else { return };
            let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
            let _ = under_power(&power, tokio::io::copy_bidirectional(&mut near, &mut far)).await;
        });
        return Ok(response.map(|_| full("")));
    }
    if watches {
        let frames = response.into_parts();
        let stream = futures::stream::unfold(frames.1, |mut body| async move {
            // a stream that breaks off just ends: a watch may end at any time
            let frame = body.frame().await?.ok()?;
            Some((Ok::<_, std::convert::Infallible>(frame), body))
        });
        let stream: futures::stream::BoxStream<'static, Result<Frame<Bytes>, std::convert::Infallible>> =
            Box::pin(stream);
        return Ok(Response::from_parts(frames.0, StreamBody::new(stream).boxed_unsync()));
    }
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    parts.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(parts, full(bytes)))
}

fn upgrades(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
}
