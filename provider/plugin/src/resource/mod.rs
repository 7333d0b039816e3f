//! What a provider's author writes: [`Provider`], [`Resource`], [`DataSource`] and [`Function`].
//!
//! The traits make the safe way the only way:
//!
//! - [`Resource::plan`] is not `async` and gets no client, so it can't look at the world. Terraform plans again during apply, in
//!   another process, and refuses a second plan that says something else than the first.
//! - [`Resource::read`] looks at the world and returns an *observation* beside the state. It is kept in Terraform's private state
//!   and is what the next plan decides by.
//! - [`Resource::create`], [`Resource::update`] and [`Resource::delete`] tell the truth so far to a [`Saver`]. If the call then
//!   fails, panics, runs out of time or is stopped, Terraform keeps what was saved.

mod action;
mod apply;
mod change;
mod context;
mod data_source;
mod deferred;
mod ephemeral;
mod function;
mod identity;
mod list;
mod locks;
mod moved;
mod provider;
mod surroundings;
pub(crate) mod timeouts;
mod upgrades;

use std::{fmt::Debug, future::Future, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    action::{Action, Progress},
    apply::{Apply, Delete, Saver},
    change::Change,
    context::Context,
    data_source::DataSource,
    deferred::Deferred,
    ephemeral::{Ephemeral, Opened, Renewed},
    function::{Function, FunctionFault, Parameter, Signature},
    identity::Identified,
    list::{Found, List, Listed, Results},
    locks::Locked,
    moved::{Move, Source},
    provider::Provider,
    timeouts::{DurationError, format_duration, parse_duration},
    upgrades::Upgrades,
};
pub(crate) use self::{locks::Locks, surroundings::Surroundings, timeouts::BLOCK as TIMEOUTS, upgrades::Chain};
use crate::{Diagnostics, Fault, Model};

/// What is there: the state, and what else was seen.
pub type Seen<R> = (<R as Resource>::Model, <R as Resource>::Observation);

/// A thing that Terraform creates, reads, updates and deletes.
pub trait Resource: Send + Sync + Sized + 'static {
    /// What the user writes and reads: configuration, plan and state share one shape.
    type Model: Model;

    /// What talks to the world; made by [`Provider::configure`].
    type Client: Send + Sync + 'static;

    /// What the last look at the world saw. Kept in private state and given to [`plan`](Resource::plan); `()` if there is nothing
    /// to keep. It is written as JSON: give new fields a `#[serde(default)]`. One that can't be read any more is dropped.
    type Observation: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;

    /// What [`plan`](Resource::plan) decided, carried to apply; `()` if the planned model says it all.
    type Intent: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;

    /// The type's name in configurations, such as `c8_region`.
    const NAME: &'static str;

    /// The version of the state's shape.
    const VERSION: i64 = 0;

    /// How long [`create`](Resource::create) may take if the user doesn't say (`timeouts { create = "…" }`).
    const CREATE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

    /// How long [`read`](Resource::read) may take if the user doesn't say.
    const READ_TIMEOUT: Duration = Duration::from_secs(2 * 60);

    /// How long [`update`](Resource::update) may take if the user doesn't say.
    const UPDATE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

    /// How long [`delete`](Resource::delete) may take if the user doesn't say.
    const DELETE_TIMEOUT: Duration = Duration::from_secs(30 * 60);

    /// Checks a configuration beyond what the schema says. Values may be unknown here, which means "can't tell, accept".
    fn validate(&self, config: &Self::Model, diags: &mut Diagnostics) {
        let _ = (config, diags);
    }

    /// Decides what apply would do, from what is in `change` and from nothing else.
    ///
    /// `change.planned` comes filled (see [`Change`]). Called again during apply with the same input, it must say the same. An
    /// error in `change.diags` refuses the plan.
    fn plan(&self, change: &mut Change<Self>) {
        let _ = change;
    }

    /// Checks a planned destroy: may warn, or refuse with an error.
    fn plan_destroy(&self, prior: &Self::Model, observation: Option<&Self::Observation>, diags: &mut Diagnostics) {
        let _ = (prior, observation, diags);
    }

    /// Looks at the world. `None` means that the thing is gone, and Terraform will plan to create it again.
    fn read(
        &self,
        ctx: &Context<Self::Client>,
        prior: Self::Model,
        observation: Option<Self::Observation>,
    ) -> impl Future<Output = Result<Option<Seen<Self>>, Fault>> + Send;

    /// Creates the thing. If nothing was saved and this fails, Terraform remembers nothing; if something was saved, Terraform
    /// remembers it as tainted and will replace it.
    fn create(
        &self,
        ctx: &Context<Self::Client>,
        apply: Apply<Self>,
    ) -> impl Future<Output = Result<Seen<Self>, Fault>> + Send;

    /// Changes the thing in place. If nothing was saved and this fails, Terraform keeps the prior state.
    fn update(
        &self,
        ctx: &Context<Self::Client>,
        apply: Apply<Self>,
    ) -> impl Future<Output = Result<Seen<Self>, Fault>> + Send;

    /// Deletes the thing; that it is already gone is success. If this fails, Terraform keeps what was saved, or else the prior state.
    fn delete(
        &self,
        ctx: &Context<Self::Client>,
        delete: Delete<Self>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Makes a first state from the ID given to `terraform import`, without contact: Terraform reads it right after.
    fn import(&self, id: &str) -> Result<Self::Model, Fault> {
        let _ = id;
        Err(Fault::new("Import isn't supported", format!("`{}` can't be imported.", Self::NAME)))
    }
}
