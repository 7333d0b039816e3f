//! A source of tokens that hangs is not asked again by everyone who waits for it.
//!
//! All resources of a refresh need a token, one after the other where one depends on another: each of them would wait out the same
//! silence.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Error;

/// How long the silence of one attempt counts for the next: about a refresh.
const COUNTS: Duration = Duration::from_secs(10);

/// What the last attempt ended with, if it hung.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<Option<(Error, Instant)>>);

impl Silence {
    /// The error of an attempt that hung a moment ago.
    pub fn known(&self) -> Option<Error> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(error, _)| error.clone())
    }

    /// An attempt hung.
    pub fn note(&self, error: &Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((error.clone(), Instant::now() + COUNTS));
    }
}
