//! Is a region's API there? (`dual-region.md 5.1`, `K(r)`)

use std::time::Duration;

use http::Request;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Kubernetes, NAMESPACE};

/// Time for the whole look.
const PROBE: Duration = Duration::from_secs(10);

/// What a look at a cluster gave. An observation: [`Reachability::Unreachable`] alone is not the loss of a region, and
/// [`Reachability::Forbidden`] says nothing about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Reachability {
    /// It answers and is ready.
    Ok {
        /// UID of the namespace `kube-system`: which cluster this is.
        cluster_uid: String,
    },
    /// No answer, or not ready.
    Unreachable {
        /// Why.
        why: String,
    },
    /// It answers, but not to us.
    Forbidden {
        /// What was not allowed.
        verb: String,
    },
}

impl Reachability {
    /// The UID, if it answers.
    pub fn cluster_uid(&self) -> Option<&str> {
        match self {
            Self::Ok { cluster_uid } => Some(cluster_uid),
            _ => None,
        }
    }
}

impl Kubernetes {
    /// Looks at `/readyz` and asks which cluster this is, within 10 s. Never an error.
    pub async fn probe(&self) -> Reachability {
        match tokio::time::timeout(PROBE, self.with_timeout(PROBE).look()).await {
            Ok(Ok(cluster_uid)) => Reachability::Ok { cluster_uid },
            Ok(Err(Error::Forbidden { verb, what, .. })) => Reachability::Forbidden { verb: format!("{verb} {what}") },
            Ok(Err(Error::Unreachable { cause, .. })) => Reachability::Unreachable { why: cause },
            Ok(Err(error)) => Reachability::Unreachable { why: error.to_string() },
            Err(_) => Reachability::Unreachable { why: format!("no answer within {} s", PROBE.as_secs()) },
        }
    }

    /// UID of the namespace `kube-system`.
    pub async fn cluster_uid(&self) -> Result<String, Error> {
        let namespace = NAMESPACE.named("", "kube-system");
        let object = self.get(&namespace).await?;
        match object.pointer("/metadata/uid").and_then(Value::as_str) {
            Some(uid) => Ok(uid.to_owned()),
            None => Err(Error::Api {
                verb: "get",
                what: namespace.to_string(),
                status: 200,
                message: "it has no UID".to_owned(),
            }),
        }
    }

    async fn look(&self) -> Result<String, Error> {
        let request = Request::get("/readyz").body(Vec::new()).map_err(kube::core::request::Error::BuildRequest);
        match self.request_text("get", "/readyz", request).await {
            // Some clusters show /readyz to nobody; the namespace tells as much.
            Ok(_) | Err(Error::Forbidden { .. } | Error::NotFound { .. }) => self.cluster_uid().await,
            Err(Error::Api { message, .. }) => Err(Error::Unreachable {
                endpoint: self.endpoint.clone(),
                cause: format!("its API server is not ready: {message}"),
            }),
            Err(error) => Err(error),
        }
    }
}
