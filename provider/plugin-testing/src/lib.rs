//! Records what Terraform asks a provider to plan, and asks a fresh process again.
//!
//! Terraform plans in one process and applies in another, which plans again first; both plans must be the same to the byte. A
//! provider that looks at the world, at the clock or at its own memory while it plans passes a second plan in the *same* process,
//! and fails at a user's with "inconsistent final plan". Here is the test that it can't pass:
//!
//! 1. [`Recorder::start`] starts the provider in debug mode and stands between it and Terraform, which finds it by
//!    [`Recorder::environment`]. All calls pass as they are; each `PlanResourceChange` is kept with its answer.
//! 2. The test runs whatever Terraform commands it likes, and takes the plans with [`Recorder::take`].
//! 3. It changes the world: loses a region, revokes tokens, shuts the endpoints down.
//! 4. [`replay`] starts the provider anew, configures it as it was, makes the same requests, and returns where the answers
//!    [differ](Difference). An honest provider differs nowhere.
//!
//! [`Recorder::take_calls`] gives all calls as bytes instead, for a test of what Terraform really sends.
//!
//! Nothing here knows which provider it is: bytes are compared, not models. It works for any provider that serves protocol 5
//! and knows `-debug`.

mod process;
mod recorder;
mod replay;
mod wire;

use std::io;

pub use process::Attached;
pub use recorder::{Action, Call, Plan, Recorder};
pub use replay::{Difference, replay};

/// Why nothing could be recorded or replayed. None of it says anything about plans.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process, a file or a socket.
    #[error("{what}: {error}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What went wrong.
        error: io::Error,
    },
    /// The provider ended, or said something else than where it listens.
    #[error("the provider does not serve in debug mode: {0}")]
    Debug(String),
    /// A connection broke.
    #[error("the connection to the provider: {0}")]
    Connection(#[from] hyper::Error),
    /// A call failed as a call, or its message can't be read.
    #[error("{call}: {why}")]
    Call {
        /// Its path.
        call: &'static str,
        /// What was answered.
        why: String,
    },
}

pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Io { what, error }
}
