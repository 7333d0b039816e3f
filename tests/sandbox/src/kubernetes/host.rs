//! What the API server needs from the world around it. The tests of this module stand in for the world here.

use std::time::Duration;

use tokio::io::DuplexStream;

use super::store::Store;

/// How the cluster's endpoint behaves at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It answers.
    Answers,
    /// Connections are closed at once.
    Refuses,
    /// Connections are accepted and nothing is ever answered.
    Hangs,
}

/// An injected fault for one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Answer this instead.
    Error {
        /// HTTP status.
        status: u16,
    },
    /// Close the connection without an answer, the request not executed.
    Drop,
    /// Wait first.
    Delay(Duration),
}

/// The world, seen from an API server.
pub trait Host: Clone + Send + Sync + 'static {
    /// Runs `f` on the cluster's store under the world's lock; `None` if the cluster is gone.
    fn with_store<R>(&self, f: impl FnOnce(&mut Store) -> R) -> Option<R>;
    /// Reachability now.
    fn reach(&self) -> Reach;
    /// Whether a bearer token is good.
    fn authorised(&self, token: &str) -> bool;
    /// A connection into a pod.
    fn dial(&self, namespace: &str, pod: &str, port: u16) -> Result<DuplexStream, String>;
    /// Logs a call and says whether a fault was ordered for it.
    fn called(&self, method: &str, path: &str) -> Option<Fault>;
}
