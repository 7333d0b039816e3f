use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Context, Diagnostics, Fault, Model};

/// A thing that exists while Terraform runs and is written nowhere: a token, a tunnel, a lease (Terraform 1.10 and later).
///
/// Terraform opens it in each plan and in each apply, renews it when it asks to be, and closes it when nothing needs it any more.
pub trait Ephemeral: Send + Sync + Sized + 'static {
    /// What the user writes and reads.
    type Model: Model;

    /// What talks to the world; made by [`Provider::configure`](crate::Provider::configure).
    type Client: Send + Sync + 'static;

    /// What is needed to renew and to close it; `()` if nothing. Terraform keeps it in memory.
    type Handle: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The type's name in configurations.
    const NAME: &'static str;

    /// How long each call may take.
    const TIMEOUT: Duration = Duration::from_secs(2 * 60);

    /// Checks a configuration beyond what the schema says. Values may be unknown here, which means "can't tell, accept".
    fn validate(&self, config: &Self::Model, diags: &mut Diagnostics) {
        let _ = (config, diags);
    }

    /// Opens it. What the configuration says must be the same in the result.
    fn open(
        &self,
        ctx: &Context<Self::Client>,
        config: Self::Model,
    ) -> impl Future<Output = Result<Opened<Self>, Fault>> + Send;

    /// Renews it; called if [`Opened::renew_at`] said so.
    fn renew(
        &self,
        ctx: &Context<Self::Client>,
        handle: Self::Handle,
    ) -> impl Future<Output = Result<Renewed<Self>, Fault>> + Send {
        let _ = (ctx, handle);
        let fault = Fault::new("Renewal isn't supported", format!("`{}` can't be renewed.", Self::NAME));
        async { Err(fault) }
    }

    /// Closes it; that it is already gone is success.
    fn close(
        &self,
        ctx: &Context<Self::Client>,
        handle: Self::Handle,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        let _ = (ctx, handle);
        async { Ok(()) }
    }
}

/// What [`Ephemeral::open`] opened.
#[derive(Debug)]
pub struct Opened<E: Ephemeral> {
    /// What the user reads.
    pub model: E::Model,
    /// What is needed to renew and to close it.
    pub handle: E::Handle,
    /// When it wants to be renewed; `None` for never.
    pub renew_at: Option<SystemTime>,
}

/// What [`Ephemeral::renew`] renewed.
#[derive(Debug)]
pub struct Renewed<E: Ephemeral> {
    /// What is needed to renew and to close it.
    pub handle: E::Handle,
    /// When it wants to be renewed again; `None` for never.
    pub renew_at: Option<SystemTime>,
}
