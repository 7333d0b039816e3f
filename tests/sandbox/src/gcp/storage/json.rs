//! The JSON API: buckets, and objects as they are listed, read and deleted.

use std::collections::BTreeSet;

use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Permission;
use super::{Bucket, Object};
use crate::gcp::response::{Answer, ApiError};
use crate::world::{Shared, clock};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/storage/v1/b/{bucket}", get(read_bucket))
        .route("/storage/v1/b/{bucket}/o", get(list))
        .route("/storage/v1/b/{bucket}/o/{object}", get(read).delete(remove))
        .route("/download/storage/v1/b/{bucket}/o/{object}", get(download))
}

/// Whose token the call carries.
pub(super) struct Principal(pub(super) String);

impl FromRequestParts<Shared> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, ApiError> {
        parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .and_then(|token| shared.lock().gcp.tokens.get(token).cloned())
            .map(Self)
            .ok_or_else(|| ApiError::new(401, "authError", "Invalid Credentials"))
    }
}

/// The conditions of a call; numbers come as text.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Conditions {
    generation: Option<u64>,
    if_generation_match: Option<u64>,
    if_generation_not_match: Option<u64>,
    alt: Option<String>,
}

impl Conditions {
    /// Checks them against what is there; generation 0 means nothing.
    pub(super) fn check(&self, live: Option<&Object>) -> Result<(), ApiError> {
        let generation = live.map_or(0, |object| object.generation);
        let unmet = self.if_generation_match.is_some_and(|wanted| wanted != generation)
            || self.if_generation_not_match.is_some_and(|unwanted| unwanted == generation);
        if unmet {
            return Err(ApiError::new(
                412,
                "conditionNotMet",
                "At least one of the pre-conditions you specified did not hold.",
            ));
        }
        Ok(())
    }

    fn find<'a>(&self, bucket: &'a Bucket, place: &(String, String)) -> Result<&'a Object, ApiError> {
        let object = bucket.objects.get(&place.1);
        self.check(object)?;
        object
            .filter(|object| self.generation.is_none_or(|wanted| wanted == object.generation))
            .ok_or_else(|| ApiError::new(404, "notFound", format!("No such object: {}/{}", place.0, place.1)))
    }
}

pub(super) fn crc32c(data: &[u8]) -> String {
    STANDARD.encode(crc32c::crc32c(data).to_be_bytes())
}

pub(super) fn md5(data: &[u8]) -> String {
    STANDARD.encode(md5::compute(data).0)
}

pub(super) fn view(bucket: &str, name: &str, object: &Object) -> Value {
    let time = clock::format(object.created / 1000);
    json!({"kind": "storage#object", "id": format!("{bucket}/{name}/{}", object.generation), "name": name, "bucket": bucket,
        "generation": object.generation.to_string(), "metageneration": "1", "contentType": object.content_type,
        "storageClass": "STANDARD", "size": object.data.len().to_string(), "md5Hash": md5(&object.data),
        "crc32c": crc32c(&object.data), "etag": STANDARD.encode(object.generation.to_be_bytes()), "timeCreated": time, "updated": time})
}

async fn read_bucket(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Principal(principal): Principal,
) -> Answer {
    let world = shared.lock();
    world.gcp.require(&name, &principal, Permission::BucketGet)?;
    let bucket = &world.gcp.buckets[&name];
    Ok(Json(json!({"kind": "storage#bucket", "id": name, "name": name, "metageneration": "1", "etag": "CAE=",
        "location": bucket.location, "labels": bucket.labels, "storageClass": "STANDARD",
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}, "publicAccessPrevention": "enforced"}})))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Listing {
    prefix: String,
    delimiter: String,
    page_token: String,
    max_results: Option<usize>,
}

async fn list(
    State(shared): State<Shared>,
    Path(bucket): Path<String>,
    Query(listing): Query<Listing>,
    Principal(principal): Principal,
) -> Answer {
    let world = shared.lock();
    world.gcp.require(&bucket, &principal, Permission::List)?;
    let most = listing.max_results.filter(|most| *most > 0).unwrap_or(1000).min(1000);
    let (mut items, mut prefixes, mut last, mut more) = (Vec::new(), BTreeSet::new(), String::new(), false);
    let matching = world.gcp.buckets[&bucket]
        .objects
        .iter()
        .filter(|(name, _)| name.starts_with(&listing.prefix) && **name > listing.page_token);
    for (name, object) in matching {
        let tail = &name[listing.prefix.len()..];
        let folder = tail
            .find(listing.delimiter.as_str())
            .filter(|_| !listing.delimiter.is_empty())
            .map(|at| format!("{}{}", listing.prefix, &tail[..at + listing.delimiter.len()]));
        if let Some(folder) = &folder
            && (prefixes.contains(folder) || listing.page_token.starts_with(folder.as_str()))
        {
            last.clone_from(name);
            continue;
        }
        if items.len() + prefixes.len() >= most {
            more = true;
            break;
        }
        match folder {
            Some(folder) => {
                prefixes.insert(folder);
            }
            None => items.push(view(&bucket, name, object)),
        }
        last.clone_from(name);
    }
    let mut answer = json!({"kind": "storage#objects", "items": items, "prefixes": prefixes});
    if more {
        answer["nextPageToken"] = json!(last);
    }
    Ok(Json(answer))
}

async fn read(
    state: State<Shared>,
    Path(place): Path<(String, String)>,
    Query(conditions): Query<Conditions>,
    headers: HeaderMap,
    Principal(principal): Principal,
) -> Result<Response, ApiError> {
    if conditions.alt.as_deref() == Some("media") {
        return download(state, Path(place), Query(conditions), headers, Principal(principal)).await;
    }
    let world = state.lock();
    world.gcp.require(&place.0, &principal, Permission::Get)?;
    let object = conditions.find(&world.gcp.buckets[&place.0], &place)?;
    Ok(Json(view(&place.0, &place.1, object)).into_response())
}

async fn download(
    State(shared): State<Shared>,
    Path(place): Path<(String, String)>,
    Query(conditions): Query<Conditions>,
    headers: HeaderMap,
    Principal(principal): Principal,
) -> Result<Response, ApiError> {
    let world = shared.lock();
    world.gcp.require(&place.0, &principal, Permission::Get)?;
    let object = conditions.find(&world.gcp.buckets[&place.0], &place)?;
    let length = object.data.len();
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, bytes, content_range) = match range {
        None => (StatusCode::OK, object.data.clone(), None),
        Some(range) => {
            let (from, to) = window(range, length).ok_or_else(|| {
                ApiError::new(
                    416,
                    "requestedRangeNotSatisfiable",
                    format!("Request range not satisfiable: {range} of {length}"),
                )
            })?;
            let text = format!("bytes {from}-{}/{length}", to - 1);
            (StatusCode::PARTIAL_CONTENT, object.data[from..to].to_vec(), Some(text))
        }
    };
    let mut response = (status, bytes).into_response();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    };
    set("content-type", &object.content_type);
    set("x-goog-generation", &object.generation.to_string());
    set("x-goog-metageneration", "1");
    set("x-goog-hash", &format!("crc32c={},md5={}", crc32c(&object.data), md5(&object.data)));
    set("x-goog-stored-content-length", &length.to_string());
    if let Some(text) = content_range {
        set("content-range", &text);
    }
    Ok(response)
}

/// `bytes=a-b`, `bytes=a-` and `bytes=-n` of `length` bytes, as a half-open range.
fn window(range: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.parse::<usize>().ok(), to.parse::<usize>().ok()) {
        (Some(from), Some(to)) => (from, to.saturating_add(1).min(length)),
        (Some(from), None) => (from, length),
        (None, Some(tail)) => (length.saturating_sub(tail), length),
        (None, None) => return None,
    };
    (from < to).then_some((from, to))
}

async fn remove(
    State(shared): State<Shared>,
    Path(place): Path<(String, String)>,
    Query(conditions): Query<Conditions>,
    Principal(principal): Principal,
) -> Result<StatusCode, ApiError> {
    let mut world = shared.lock();
    world.gcp.require(&place.0, &principal, Permission::Delete)?;
    conditions.find(&world.gcp.buckets[&place.0], &place)?;
    if let Some(bucket) = world.gcp.buckets.get_mut(&place.0) {
        bucket.objects.remove(&place.1);
    }
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("bytes=0-3", Some((0, 4)))]
    #[case("bytes=2-", Some((2, 10)))]
    #[case("bytes=5-99", Some((5, 10)))]
    #[case("bytes=-4", Some((6, 10)))]
    #[case("bytes=10-", None)]
    #[case("bytes=4-3", None)]
    #[case("lines=1-2", None)]
    fn ranges(#[case] range: &str, #[case] expected: Option<(usize, usize)>) {
        assert_eq!(window(range, 10), expected);
    }

    #[test]
    fn checksums_are_big_endian_base64() {
        // the check value of CRC-32C
        assert_eq!(crc32c(b"123456789"), STANDARD.encode(0xE306_9283_u32.to_be_bytes()));
        assert_eq!(md5(b""), "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
