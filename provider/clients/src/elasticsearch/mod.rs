//! Elasticsearch of one region: health, indices, snapshots, and what is in the records' indices.
//!
//! One node without security, as in the releases that this provider makes (`dual-region.md 1.6`). Everything goes over a
//! port-forward of its own.

mod error;
mod index;
mod position;
mod repository;
mod snapshot;

use std::time::Duration;

use serde::de::DeserializeOwned;

pub use error::Error;
pub use index::{Health, Index, Status};
pub use position::{Positions, RECORDS};
pub use repository::{GcsRepository, Repository};
pub use snapshot::{NewSnapshot, RestoreReport, Shards, Snapshot, SnapshotState};

use crate::kubernetes::{Answer, Call, Kubernetes};

const HTTP: u16 = 9200;
/// Time for a call that makes the store ask its bucket. A repository plugin that does not reach Google was seen to try for 50 s
/// before it said why (real-components.md 2); whoever hangs up before never learns it.
const BUCKET: Duration = Duration::from_secs(90);

/// Elasticsearch of one region. Cheap to clone, contacts nothing by itself.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    kubernetes: Kubernetes,
    namespace: String,
    service: String,
}

impl Elasticsearch {
    /// The store of the release `release` in `namespace`.
    pub fn new(kubernetes: Kubernetes, namespace: impl Into<String>, release: impl Into<String>) -> Self {
        let service = format!("{}-elasticsearch-master-hl", release.into());
        Self { kubernetes, namespace: namespace.into(), service }
    }

    /// The store behind another Service.
    pub fn behind(kubernetes: Kubernetes, namespace: impl Into<String>, service: impl Into<String>) -> Self {
        Self { kubernetes, namespace: namespace.into(), service: service.into() }
    }

    async fn answer(&self, call: &Call) -> Result<Answer, Error> {
        let answer = self.kubernetes.call_service(&self.namespace, &self.service, HTTP, call).await?;
        if answer.is_success() { Ok(answer) } else { Err(Error::refused(&answer)) }
    }

    async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let answer = self.answer(call).await?;
        answer.json().map_err(|error| Error::Failed {
            status: answer.status,
            kind: String::new(),
            message: format!("the answer to {} can't be read ({error}): {}", call.path, answer.text()),
        })
    }
}

/// Names get into paths; what is none is refused before it is sent.
fn checked(name: &str) -> Result<&str, Error> {
    let fine =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~'));
    if fine && !name.starts_with(['-', '_']) { Ok(name) } else { Err(Error::Name(name.to_owned())) }
}
