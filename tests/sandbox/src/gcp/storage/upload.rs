//! Uploads of the JSON API: in one request of two parts, or resumable in pieces.

use std::io::Read as _;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use super::access::Permission;
use super::json::{Conditions, Principal, crc32c, md5, view};
use super::multipart;
use crate::gcp::response::ApiError;
use crate::world::{Shared, World};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/upload/storage/v1/b/{bucket}/o", post(begin).put(go_on))
        // objects are larger than what a form may be
        .layer(DefaultBodyLimit::disable())
}

/// A resumable upload that is not complete.
#[derive(Debug)]
pub(in crate::gcp) struct Upload {
    bucket: String,
    resource: Value,
    content_type: String,
    conditions: Conditions,
    data: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kind {
    upload_type: String,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Session {
    upload_id: String,
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "invalid", message)
}

async fn begin(
    State(shared): State<Shared>,
    Path(bucket): Path<String>,
    Query(kind): Query<Kind>,
    Query(conditions): Query<Conditions>,
    Principal(principal): Principal,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let body = inflated(&headers, &body)?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    match kind.upload_type.as_str() {
        "multipart" => {
            let content_type = text("content-type");
            let parts = multipart::boundary(&content_type).and_then(|boundary| multipart::parts(&body, boundary));
            let Some([resource, media]) = parts.as_deref() else {
                return Err(invalid("A multipart upload has two parts: metadata and media."));
            };
            let upload = Upload {
                bucket,
                resource: metadata(resource.body, kind.name)?,
                content_type: media.header("content-type").unwrap_or("application/octet-stream").to_owned(),
                conditions,
                data: media.body.to_vec(),
            };
            let mut world = shared.lock();
            store(&mut world, upload, Some(&principal)).map(|object| Json(object).into_response())
        }
        "resumable" => {
            let content_type = text("x-upload-content-type");
            let upload =
                Upload { resource: metadata(&body, kind.name)?, bucket, content_type, conditions, data: Vec::new() };
            let mut world = shared.lock();
            permitted(&world, &upload, &principal)?;
            let id = format!("upload-{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
            let authority = text("host");
            let location = format!(
                "http://{authority}/upload/storage/v1/b/{}/o?uploadType=resumable&upload_id={id}",
                upload.bucket
            );
            world.gcp.uploads.insert(id, upload);
            Ok((StatusCode::OK, [(header::LOCATION, location)]).into_response())
        }
        other => Err(invalid(format!("Upload type '{other}' is not known here."))),
    }
}

/// A piece, `Content-Range: bytes 0-99/*`, the last one with the whole length, or a question how far it got, `bytes */*`.
async fn go_on(
    State(shared): State<Shared>,
    Query(session): Query<Session>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let mut world = shared.lock();
    let Some(mut upload) = world.gcp.uploads.remove(&session.upload_id) else {
        return Err(ApiError::new(410, "gone", "The upload session is no longer available."));
    };
    let taken = piece(range, &mut upload.data, &body);
    match taken {
        Ok(true) => store(&mut world, upload, None).map(|object| Json(object).into_response()),
        Ok(false) => {
            let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
            if let Some(last) = upload.data.len().checked_sub(1)
                && let Ok(value) = format!("bytes=0-{last}").parse()
            {
                response.headers_mut().insert(header::RANGE, value);
            }
            world.gcp.uploads.insert(session.upload_id, upload);
            Ok(response)
        }
        Err(why) => {
            world.gcp.uploads.insert(session.upload_id, upload);
            Err(invalid(why))
        }
    }
}

/// Takes a piece over; says whether it was the last.
fn piece(range: Option<&str>, data: &mut Vec<u8>, body: &[u8]) -> Result<bool, String> {
    let Some(range) = range else {
        // all at once
        *data = body.to_vec();
        return Ok(true);
    };
    let wrong = || format!("Content-Range '{range}' does not fit {} bytes after {}.", body.len(), data.len());
    let (span, total) = range.strip_prefix("bytes ").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let total = if total == "*" { None } else { Some(total.parse::<usize>().map_err(|_| wrong())?) };
    if span == "*" {
        return Ok(total == Some(data.len()));
    }
    let (from, to) = span
        .split_once('-')
        .and_then(|(from, to)| Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?)))
        .ok_or_else(wrong)?;
    // a piece may repeat what arrived already, but never leave a gap
    if from > data.len() || to + 1 != from + body.len() {
        return Err(wrong());
    }
    data.truncate(from);
    data.extend_from_slice(body);
    Ok(total == Some(data.len()))
}

fn metadata(body: &[u8], name: Option<String>) -> Result<Value, ApiError> {
    let mut resource: Value = if body.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(body).map_err(|error| invalid(format!("Parse Error: {error}")))?
    };
    if let Some(name) = name {
        resource["name"] = name.into();
    }
    if resource["name"].as_str().is_none_or(str::is_empty) {
        return Err(invalid("Required: name"));
    }
    Ok(resource)
}

fn permitted(world: &World, upload: &Upload, principal: &str) -> Result<(), ApiError> {
    world.gcp.require(&upload.bucket, principal, Permission::Create)?;
    let name = upload.resource["name"].as_str().unwrap_or_default();
    if world.gcp.buckets[&upload.bucket].objects.contains_key(name) {
        // to overwrite is to delete
        world.gcp.require(&upload.bucket, principal, Permission::Delete)?;
    }
    Ok(())
}

fn store(world: &mut World, upload: Upload, principal: Option<&str>) -> Result<Value, ApiError> {
    if let Some(principal) = principal {
        permitted(world, &upload, principal)?;
    }
    let name = upload.resource["name"].as_str().unwrap_or_default().to_owned();
    for (field, real) in [("crc32c", crc32c(&upload.data)), ("md5Hash", md5(&upload.data))] {
        if let Some(claimed) = upload.resource[field].as_str()
            && claimed != real
        {
            return Err(invalid(format!(
                "Provided {field} \"{claimed}\" doesn't match calculated {field} \"{real}\"."
            )));
        }
    }
    let Some(bucket) = world.gcp.buckets.get_mut(&upload.bucket) else {
        return Err(ApiError::new(404, "notFound", "The specified bucket does not exist."));
    };
    upload.conditions.check(bucket.objects.get(&name))?;
    let content_type = upload.resource["contentType"].as_str().map_or(upload.content_type, str::to_owned);
    bucket.put(name.clone(), upload.data, content_type);
    Ok(view(&upload.bucket, &name, &bucket.objects[&name]))
}

/// The Java client compresses what it sends.
fn inflated(headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>, ApiError> {
    let gzip = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value == "gzip");
    if !gzip {
        return Ok(body.to_vec());
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body.as_ref())
        .read_to_end(&mut plain)
        .map_err(|error| invalid(format!("Content-Encoding gzip: {error}")))?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_must_join() {
        let mut data = Vec::new();
        assert_eq!(piece(Some("bytes 0-3/*"), &mut data, b"abcd"), Ok(false));
        assert!(piece(Some("bytes 5-6/*"), &mut data, b"xy").is_err(), "a gap");
        assert!(piece(Some("bytes 4-9/*"), &mut data, b"xy").is_err(), "too short");
        assert_eq!(piece(Some("bytes 2-5/*"), &mut data, b"cdef"), Ok(false), "a piece again");
        assert_eq!(piece(Some("bytes */*"), &mut data, b""), Ok(false));
        assert_eq!(piece(Some("bytes 6-7/8"), &mut data, b"gh"), Ok(true));
        assert_eq!(data, b"abcdefgh");
    }

    #[test]
    fn an_empty_object_is_complete() {
        let mut data = Vec::new();
        assert_eq!(piece(Some("bytes */0"), &mut data, b""), Ok(true));
        assert_eq!(piece(None, &mut data, b"all"), Ok(true));
        assert_eq!(data, b"all");
    }
}
