//! The log of API calls, so that a test can say what was and what was not called.

use serde::Serialize;

use super::Shared;

/// The most calls that are kept.
const KEEP: usize = 100_000;

/// One call of any simulated API.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Milliseconds since 1970.
    pub at: u64,
    /// HTTP method (`POST` for gRPC).
    pub method: String,
    /// Path with query. Calls inside a cluster are preceded by `<cluster>/<namespace>/<pod>:<port>`.
    pub path: String,
}

/// Adds a call to the log.
pub fn record(shared: &Shared, method: &str, path: &str) {
    let log = &mut shared.lock().calls;
    if log.len() >= KEEP {
        log.drain(..KEEP / 2);
    }
    log.push(Call { at: super::clock::unix_millis(), method: method.into(), path: path.into() });
}
