//! Injected faults: the n-th matching call of an API fails, is dropped, or is slow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Shared;

/// What a router does with a call that a fault hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answer with this status and an error body in the style of the API.
    Error(u16),
    /// Close the connection without an answer.
    Drop,
    /// Wait this long, then handle the call as usual.
    Delay(Duration),
}

impl Fault {
    /// Plays the fault: `Some(status)` = answer with it, `None` = go on with the call. A dropped call never comes back: its connection breaks.
    pub async fn play(&self) -> Option<u16> {
        match self {
            Self::Error(status) => Some(*status),
            Self::Delay(time) => {
                tokio::time::sleep(*time).await;
                None
            }
            // unwinding ends the task that serves the connection, without the noise of a panic's message
            Self::Drop => std::panic::resume_unwind(Box::new("dropped by an injected fault")),
        }
    }
}

/// A fault to come, as `POST /faults` takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FaultSpec {
    /// `METHOD fragment`, e.g. `POST /actuator/cluster/brokers`. `*` as the method means any; the fragment must occur in the path with its query.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The first matching call that is hit, counted from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls are hit from there on.
    #[serde(default = "one")]
    pub times: u64,
    /// `error`, `drop` or `delay`.
    pub action: String,
    /// Status of an `error`; 503 when absent.
    #[serde(default)]
    pub status: Option<u16>,
    /// Milliseconds of a `delay`; 1000 when absent.
    #[serde(default)]
    pub ms: Option<u64>,
    /// Calls that matched so far.
    #[serde(default)]
    pub seen: u64,
}

fn one() -> u64 {
    1
}

impl FaultSpec {
    fn matches(&self, method: &str, path: &str) -> bool {
        let (wanted, fragment) = self.pattern.split_once(' ').unwrap_or(("*", &self.pattern));
        (wanted == "*" || wanted.eq_ignore_ascii_case(method)) && path.contains(fragment)
    }

    fn fault(&self) -> Fault {
        match self.action.as_str() {
            "drop" => Fault::Drop,
            "delay" => Fault::Delay(Duration::from_millis(self.ms.unwrap_or(1000))),
            _ => Fault::Error(self.status.unwrap_or(503)),
        }
    }
}

/// To be asked by every router before it handles a call.
pub fn check(shared: &Shared, method: &str, path: &str) -> Option<Fault> {
    let mut world = shared.lock();
    let mut hit = None;
    for spec in &mut world.faults {
        if !spec.matches(method, path) {
            continue;
        }
        spec.seen += 1;
        if hit.is_none() && spec.seen >= spec.nth && spec.seen < spec.nth.saturating_add(spec.times) {
            hit = Some(spec.fault());
        }
    }
    hit
}
