use std::{future::Future, time::Duration};

use crate::{Context, Diagnostics, Fault, Model};

/// A thing that Terraform only looks at.
pub trait DataSource: Send + Sync + 'static {
    /// What the user writes and reads.
    type Model: Model;

    /// What talks to the world; made by [`Provider::configure`](crate::Provider::configure).
    type Client: Send + Sync + 'static;

    /// The type's name in configurations, such as `c8_dr_state`.
    const NAME: &'static str;

    /// How long [`read`](DataSource::read) may take.
    const READ_TIMEOUT: Duration = Duration::from_secs(2 * 60);

    /// Checks a configuration beyond what the schema says. Values may be unknown here, which means "can't tell, accept".
    fn validate(&self, config: &Self::Model, diags: &mut Diagnostics) {
        let _ = (config, diags);
    }

    /// Looks at the world. Terraform calls this once the configuration is wholly known.
    fn read(
        &self,
        ctx: &Context<Self::Client>,
        config: Self::Model,
    ) -> impl Future<Output = Result<Self::Model, Fault>> + Send;
}
