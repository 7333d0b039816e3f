use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Deferred, Locks};
use crate::Value;

/// What the contexts of one call share.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    pub(super) can_defer: bool,
    /// What the module says to the provider; null if nothing.
    pub(super) meta: Value,
    pub(super) locks: Arc<Locks>,
    deferred: Mutex<Option<Deferred>>,
    queue: Mutex<Queue>,
}

/// How long a call has waited for others.
#[derive(Debug, Default)]
struct Queue {
    ended: Duration,
    /// How many of its parts wait now, and since when the first of them does.
    now: Option<(usize, Instant)>,
}

impl Surroundings {
    pub(crate) fn new(can_defer: bool, meta: Value, locks: Arc<Locks>) -> Self {
        Self { can_defer, meta, locks, ..Self::default() }
    }

    pub(crate) fn deferred(&self) -> Option<Deferred> {
        *self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_deferred(&self, reason: Deferred) {
        *self.deferred.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Waits for others from now on, until what this returns is dropped.
    pub(crate) fn queue(&self) -> Waiting<'_> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = queue.now.unwrap_or((0, Instant::now()));
        queue.now = Some((count + 1, since));
        Waiting(self)
    }

    pub(crate) fn waited(&self) -> Duration {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.ended + queue.now.map(|(_, since)| since.elapsed()).unwrap_or_default()
    }
}

/// A part of a call that waits for others.
pub(crate) struct Waiting<'a>(&'a Surroundings);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((count, since)) = queue.now.take() else { return };
        if count > 1 {
            queue.now = Some((count - 1, since));
        } else {
            queue.ended += since.elapsed();
        }
    }
}
