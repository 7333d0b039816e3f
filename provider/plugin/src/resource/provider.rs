use std::future::Future;

use super::Deferred;
use crate::{Diagnostics, Fault, Model};

/// The provider itself: its configuration block and the client made from it.
pub trait Provider: Send + Sync + 'static {
    /// The `provider "…" { }` block.
    type Config: Model;

    /// What all resources of this provider share.
    type Client: Send + Sync + 'static;

    /// Checks a configuration beyond what the schema says. Values may be unknown here, which means "can't tell, accept".
    fn validate(&self, config: &Self::Config, diags: &mut Diagnostics) {
        let _ = (config, diags);
    }

    /// Whether everything of this provider has to wait for a later run, because something in `config` isn't known yet. Only asked
    /// if Terraform lets it wait; then neither plans nor reads reach the provider until its configuration is known.
    fn defer(&self, config: &Self::Config) -> Option<Deferred> {
        let _ = config;
        None
    }

    /// Stores the values; whatever connects does so on first use.
    ///
    /// Terraform calls this for plans too, where values may be unknown because they come from a resource that doesn't exist yet.
    /// It may be called more than once in a process: the newest client counts.
    fn configure(
        &self,
        config: Self::Config,
        terraform_version: &str,
    ) -> impl Future<Output = Result<Self::Client, Fault>> + Send;
}
