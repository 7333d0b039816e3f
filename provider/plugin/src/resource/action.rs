use std::{future::Future, time::Duration};

use tokio::sync::mpsc;

use crate::{Context, Diagnostics, Fault, Model};

/// Something that is done and leaves nothing in the state: a restart, a backup, a message (Terraform 1.14 and later).
pub trait Action: Send + Sync + 'static {
    /// What the user writes; nothing in it is computed.
    type Config: Model;

    /// What talks to the world; made by [`Provider::configure`](crate::Provider::configure).
    type Client: Send + Sync + 'static;

    /// The action's name in configurations.
    const NAME: &'static str;

    /// How long [`invoke`](Action::invoke) may take.
    const TIMEOUT: Duration = Duration::from_secs(30 * 60);

    /// Checks a configuration beyond what the schema says. Values may be unknown here, which means "can't tell, accept".
    fn validate(&self, config: &Self::Config, diags: &mut Diagnostics) {
        let _ = (config, diags);
    }

    /// Called when the action becomes part of a plan: may warn, or refuse with an error. Values may be unknown.
    fn plan(&self, config: &Self::Config, diags: &mut Diagnostics) {
        let _ = (config, diags);
    }

    /// Does it. The configuration is wholly known.
    fn invoke(
        &self,
        ctx: &Context<Self::Client>,
        config: Self::Config,
        progress: &Progress,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Tells the user how an action goes on.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::UnboundedSender<String>);

impl Progress {
    pub(crate) fn new(sender: mpsc::UnboundedSender<String>) -> Self {
        Self(sender)
    }

    /// Shows a line at once. It never waits, and is lost if nobody listens any more.
    pub fn say(&self, message: impl Into<String>) {
        let _ = self.0.send(message.into());
    }
}
