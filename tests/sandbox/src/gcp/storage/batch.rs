//! `POST /batch/storage/v1`: several calls in one request. Each part has the headers of its own call, the token among them; the
//! request around them has none.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Request, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{json, multipart};
use crate::gcp::response::ApiError;
use crate::world::{Shared, calls};

/// Calls in a batch (documented limit).
const MOST: usize = 100;

#[derive(Clone)]
struct Batch {
    shared: Shared,
    calls: Router,
}

pub(super) fn routes(shared: Shared) -> Router {
    let calls = json::routes().with_state(shared.clone());
    Router::new()
        .route("/batch/storage/v1", post(run))
        .layer(DefaultBodyLimit::disable())
        .with_state(Batch { shared, calls })
}

async fn run(State(batch): State<Batch>, headers: HeaderMap, body: Bytes) -> Result<Response, ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parts = multipart::boundary(content_type)
        .and_then(|boundary| multipart::parts(&body, boundary))
        .ok_or_else(|| ApiError::invalid("Failed to parse batch request."))?;
    if parts.len() > MOST {
        return Err(ApiError::invalid(format!("The batch request exceeds {MOST} calls.")));
    }
    let boundary = format!("batch_{:016x}", rand::random::<u64>());
    let mut answer = Vec::new();
    for part in &parts {
        let request = request(part.body).ok_or_else(|| ApiError::invalid("Failed to parse batch request."))?;
        calls::record(&batch.shared, request.method().as_str(), &request.uri().to_string());
        let response = match batch.calls.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let id = part.header("content-id").unwrap_or_default().trim_matches(['<', '>']).to_owned();
        answer.extend_from_slice(
            format!("--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <response-{id}>\r\n\r\n").as_bytes(),
        );
        append(&mut answer, response).await;
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(([(header::CONTENT_TYPE, format!("multipart/mixed; boundary={boundary}"))], answer).into_response())
}

/// The call in a part: a request line, headers, a body.
fn request(message: &[u8]) -> Option<Request<Body>> {
    let end = message.windows(2).position(|window| window == b"\r\n")?;
    let line = std::str::from_utf8(&message[..end]).ok()?;
    let (headers, body) = multipart::split(&message[end + 2..])?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    // a target may be a whole URL
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..])?,
        None => target,
    };
    let mut request = Request::builder().method(method).uri(path);
    for (key, value) in headers {
        request = request.header(key, value);
    }
    request.body(Body::from(body.to_vec())).ok()
}

async fn append(answer: &mut Vec<u8>, response: Response) {
    let status = response.status();
    answer.extend_from_slice(
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default()).as_bytes(),
    );
    for (key, value) in response.headers() {
        if key != header::CONTENT_LENGTH {
            answer.extend_from_slice(format!("{key}: ").as_bytes());
            answer.extend_from_slice(value.as_bytes());
            answer.extend_from_slice(b"\r\n");
        }
    }
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    answer.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    answer.extend_from_slice(&body);
}
