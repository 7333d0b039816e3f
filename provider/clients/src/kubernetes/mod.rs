//! The Kubernetes API of one region.
//!
//! Objects are JSON ([`serde_json::Value`]) that [`Resource`] finds the place for; who wants types converts. Every call has
//! its own time limit and is made once: kube's own retries would sit out a dead region for minutes (crates.md 2, trap f).
//!
//! | file | subject |
//! |---|---|
//! | `connect.rs` | clients for GKE (token asked for with each request) and for a kubeconfig |
//! | `objects.rs` | get, list, apply, patch, create, delete |
//! | `reach.rs` | is it there at all? |
//! | `watch.rs` | waiting for what was asked for, by looking |
//! | `lease.rs` | who may change this region now |
//! | `probe.rs` | what a pod of this region can resolve and reach |
//! | `forward.rs`, `http.rs` | one call into a pod, over a port-forward of its own |

mod connect;
mod error;
mod forward;
mod http;
pub mod lease;
mod objects;
pub mod probe;
mod reach;
mod resource;
mod watch;

use std::time::Duration;

pub use error::{Error, FieldConflict};
pub use forward::Forward;
pub use http::{Answer, Call, CallError};
pub use objects::{Apply, Delete};
pub use reach::Reachability;
pub use resource::{
    CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, DEPLOYMENT, LEASE, NAMESPACE, NODE, ObjectRef, PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM, POD, Resource, SECRET, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET, STORAGE_CLASS,
};

/// The API of one cluster. Cheap to clone. Has to be made inside a tokio runtime.
#[derive(Clone)]
pub struct Kubernetes {
    client: kube::Client,
    endpoint: String,
    timeout: Duration,
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Time for one call.
const TIMEOUT: Duration = Duration::from_secs(15);

impl Kubernetes {
    /// The URL of the API server, for messages.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The same client with another time limit for each call.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }
}

#[cfg(test)]
mod gke_tests;
#[cfg(test)]
mod tests;
