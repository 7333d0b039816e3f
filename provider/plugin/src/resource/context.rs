use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Deferred, Locked, Surroundings};
use crate::{Diagnostics, Fault, Model, Path};

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
    surroundings: Arc<Surroundings>,
}

impl<C> Context<C> {
    /// A context that nobody cancels; for tests of a resource.
    #[must_use]
    pub fn new(client: Arc<C>, timeout: Duration) -> Self {
        Self::of_call(client, timeout, CancellationToken::new(), Arc::default())
    }

    pub(crate) fn of_call(
        client: Arc<C>,
        timeout: Duration,
        cancel: CancellationToken,
        surroundings: Arc<Surroundings>,
    ) -> Self {
        Self { client, cancel, deadline: Instant::now() + timeout, warnings: Arc::default(), surroundings }
    }

    /// Waits until this call is alone with `key`: of all calls of the process, one at a time holds a key, in the order in which
    /// they asked. Other keys don't wait.
    ///
    /// What is returned is the context to go on with. The time in the queue doesn't count as this call's own: its deadline is
    /// later by as much.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use terraform_plugin::{Context, Fault};
    /// async fn grow(ctx: &Context<()>, cluster: &str) -> Result<(), Fault> {
    ///     let ctx = ctx.lock(cluster).await?;
    ///     // nobody else changes this cluster while `ctx` lives
    ///     assert!(ctx.remaining() > Duration::ZERO);
    ///     Ok(())
    /// }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     grow(&Context::new(Arc::new(()), Duration::from_secs(1)), "a").await
    /// # })?;
    /// # Ok::<(), Fault>(())
    /// ```
    ///
    /// # Errors
    /// If the user stops the run meanwhile.
    pub async fn lock(&self, key: &str) -> Result<Locked<C>, Fault> {
        let begin = Instant::now();
        let turn = {
            let _queue = self.surroundings.queue();
            tokio::select! {
                biased;
                turn = self.surroundings.locks.lock(key) => turn,
                () = self.cancel.cancelled() => {
                    let detail = format!("The run was stopped while this waited for its turn with `{key}`. Nothing was done.");
                    return Err(Fault::new("Stopped", detail));
                }
            }
        };
        let mut ctx = self.clone();
        ctx.deadline += begin.elapsed();
        Ok(Locked::new(ctx, turn))
    }

    /// Says how things go on: a line in the log at INFO, for whoever watches a long apply with `TF_LOG_PROVIDER=INFO`.
    pub fn progress(&self, message: impl fmt::Display) {
        tracing::info!(target: "terraform_plugin::progress", remaining_s = self.remaining().as_secs(), "{message}");
    }

    /// Whether Terraform lets this call wait for a later run.
    #[must_use]
    pub fn can_defer(&self) -> bool {
        self.surroundings.can_defer
    }

    /// Says that the answer has to wait for a later run, and why. What the call then returns is what is known so far: the prior
    /// state of a resource; of a data source, the configuration with [`Attr::Unknown`](crate::Attr::Unknown) for the rest.
    ///
    /// # Errors
    /// With `why`, if Terraform doesn't let it wait: most never do.
    pub fn defer(&self, reason: Deferred, why: &str) -> Result<(), Fault> {
        if !self.can_defer() {
            return Err(Fault::new(reason.summary(), why));
        }
        self.surroundings.set_deferred(reason);
        Ok(())
    }

    pub(crate) fn deferred(&self) -> Option<Deferred> {
        self.surroundings.deferred()
    }

    /// What the module says in its `provider_meta` block, which is of the type given to
    /// [`Server::provider_meta`](crate::Server::provider_meta); `None` if it says nothing.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn meta<M: Model>(&self) -> Result<Option<M>, Fault> {
        let meta = &self.surroundings.meta;
        if meta.is_null() { Ok(None) } else { Ok(Some(M::decode(meta)?)) }
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
            surroundings: Arc::clone(&self.surroundings),
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
            surroundings: Arc::clone(&self.surroundings),
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
