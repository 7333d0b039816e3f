//! Cloud Storage: buckets with their policies, and objects with generations. Two APIs look at the same ones: gRPC ([`grpc`]), as the
//! official Rust client speaks it, and JSON ([`json`], [`upload`], [`batch`]), as search stores speak it.

mod access;
mod batch;
mod grpc;
mod json;
mod multipart;
mod upload;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

pub use access::BucketAccess;
pub(super) use upload::Upload;

use crate::world::{Shared, clock};

/// A Cloud Storage bucket.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Project that owns it.
    pub project: String,
    /// `EU`, `EUROPE-WEST4`, …
    pub location: String,
    /// Labels of the owner.
    pub labels: BTreeMap<String, String>,
    /// Objects by name.
    pub objects: BTreeMap<String, Object>,
    /// Role to members.
    pub policy: BTreeMap<String, Vec<String>>,
    /// Counts policy changes; the etag.
    pub policy_version: u64,
}

/// One version of an object; an older one is gone.
#[derive(Clone, Debug)]
pub struct Object {
    /// Content.
    pub data: Vec<u8>,
    /// Grows with each overwrite.
    pub generation: u64,
    /// MIME type that the writer gave.
    pub content_type: String,
    /// Milliseconds since 1970.
    pub created: u64,
}

impl Bucket {
    /// The content of an object.
    pub fn data(&self, name: &str) -> Option<&[u8]> {
        self.objects.get(name).map(|object| object.data.as_slice())
    }

    /// Writes an object, or a new generation of it.
    pub fn put(&mut self, name: impl Into<String>, data: Vec<u8>, content_type: impl Into<String>) {
        let object = Object {
            data,
            generation: next_generation(),
            content_type: content_type.into(),
            created: clock::unix_millis(),
        };
        self.objects.insert(name.into(), object);
    }
}

/// Generations look like microseconds since 1970, and no two are the same.
fn next_generation() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = clock::unix_millis() * 1000;
    LAST.fetch_max(now, Ordering::Relaxed);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Everything that needs a token in the headers of the call.
pub(super) fn guarded(shared: Shared) -> axum::Router {
    grpc::routes(shared.clone()).merge(json::routes().merge(upload::routes()).with_state(shared))
}

/// Everything else: a batch has its tokens inside of its parts.
pub(super) fn unguarded(shared: Shared) -> axum::Router {
    batch::routes(shared)
}
