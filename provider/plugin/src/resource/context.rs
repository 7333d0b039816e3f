use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Diagnostics, Path};

/// What a call that may touch the world gets beside its input.
#[non_exhaustive]
pub struct Context<C> {
    /// What [`Provider::configure`](crate::Provider::configure) made.
    pub client: Arc<C>,
    /// Fires when the user stops the run (Ctrl-C). The call then has a short while to bring itself to a good end and return an
    /// error that says where it stopped.
    pub cancel: CancellationToken,
    /// When the call must have ended: from the `timeouts` block, or the resource's default.
    pub deadline: Instant,
    warnings: Arc<Mutex<Diagnostics>>,
}

impl<C> Context<C> {
    /// A context that nobody cancels; for tests of a resource.
    #[must_use]
    pub fn new(client: Arc<C>, timeout: Duration) -> Self {
        Self::with_cancel(client, timeout, CancellationToken::new())
    }

    pub(crate) fn with_cancel(client: Arc<C>, timeout: Duration, cancel: CancellationToken) -> Self {
        Self { client, cancel, deadline: Instant::now() + timeout, warnings: Arc::default() }
    }

    /// Tells the user something that isn't an error. Terraform folds warnings with the same summary into one: keep the summary
    /// constant and put what is special into the detail.
    pub fn warn(&self, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(None, summary.into(), detail.into());
    }

    /// Like [`warn`](Context::warn), pointing at an attribute.
    pub fn warn_at(&self, path: Path, summary: impl Into<String>, detail: impl Into<String>) {
        self.push(Some(path), summary.into(), detail.into());
    }

    /// The time that is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A context for a last look at what exists, after this one was cancelled or ran out of time: it can't be cancelled and has
    /// its own short deadline. Warnings go to the same place.
    #[must_use]
    pub fn for_recovery(&self, timeout: Duration) -> Self {
        Self {
            client: Arc::clone(&self.client),
            cancel: CancellationToken::new(),
            deadline: Instant::now() + timeout,
            warnings: Arc::clone(&self.warnings),
        }
    }

    /// The warnings so far.
    #[must_use]
    pub fn warnings(&self) -> Diagnostics {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, path: Option<Path>, summary: String, detail: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).warning(path, summary, detail);
    }
}

impl<C> Clone for Context<C> {
    fn clone(&self) -> Self {
        Self {
            client: Arc::clone(&self.client),
            cancel: self.cancel.clone(),
            deadline: self.deadline,
            warnings: Arc::clone(&self.warnings),
        }
    }
}

impl<C> fmt::Debug for Context<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("cancelled", &self.cancel.is_cancelled())
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
