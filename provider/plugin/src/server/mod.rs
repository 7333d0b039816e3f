//! Between the protocol and the author's code: a registry, and a guard around every call.
//!
//! What must never happen here:
//!
//! - A served call answers with a gRPC status. Terraform drops the state of such a call; an error travels as a diagnostic instead.
//! - A panic or an endless call reaches Terraform. See `guard`.
//! - A schema is made or a connection opened because the process started: Terraform starts three to five of them a command, and
//!   most need neither.
//!
//! | file | subject |
//! |---|---|
//! | `rpc` | what Terraform calls: one small method a call |
//! | `service` | what all calls share: the client, stop, the log |
//! | `metadata` | what this provider offers, and what it can do |
//! | `configure` | the provider's own configuration |
//! | `resources` | resources, between messages and values |
//! | `erased` | resources and data sources of any type behind one face |
//! | `functions` | pure functions: arguments, faults, positions |
//! | `identity` | what identifies a thing |
//! | `list` | what exists, found one by one |
//! | `action` | what is done and leaves nothing in the state |
//! | `ephemeral` | what exists while Terraform runs |
//! | `moved` | states that come from other types |
//! | `plan`, `apply`, `read`, `data_source`, `upgrade` | what a call does, in values |
//! | `private` | what is kept beside the state |
//! | `check` | the provider's own bugs, reported as such |
//! | `convert` | between messages and our own types |
//! | `schemas` | all schemas as data |
//! | `problems` | what is wrong with a provider before anybody uses it |

mod action;
mod apply;
mod check;
mod configure;
mod convert;
mod data_source;
mod ephemeral;
mod erased;
mod functions;
mod guard;
mod identity;
mod list;
mod metadata;
mod moved;
mod plan;
mod private;
mod problems;
mod read;
mod resources;
mod rpc;
mod schemas;
mod service;
mod upgrade;
mod validate;

#[cfg(test)]
mod mini_core;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

pub use self::schemas::ProviderSchemas;
use self::{
    action::ErasedAction,
    ephemeral::ErasedEphemeral,
    erased::{ErasedDataSource, ErasedResource},
    functions::{ErasedFunction, RegisteredFunction},
    identity::{ErasedIdentity, RegisteredIdentity},
    list::ErasedList,
    moved::{ErasedMove, RegisteredMove},
    service::Service,
    validate::Registered,
};
pub(crate) use self::{list::found, upgrade::stored};
use crate::{
    Action, DataSource, Ephemeral, Function, Identified, List, Model, Move, Provider, Resource, Schema, Upgrades,
    resource::{Chain, Listed},
    wire,
};

/// How long a call may go on after it was stopped or its time was up.
const GRACE: Duration = Duration::from_secs(10);

type Registry<T> = BTreeMap<&'static str, Arc<T>>;

/// A provider with all that it offers, ready to be served.
///
/// ```no_run
/// # use terraform_plugin::{Model, Provider, Fault, Server};
/// # #[derive(Clone, Debug, Default, PartialEq, Model)]
/// # struct Config {}
/// # struct Things;
/// # impl Provider for Things {
/// #     type Config = Config;
/// #     type Client = ();
/// #     async fn configure(&self, _: Config, _: &str) -> Result<(), Fault> { Ok(()) }
/// # }
/// #[tokio::main]
/// async fn main() -> std::process::ExitCode {
///     Server::new("registry.terraform.io/acme/things", env!("CARGO_PKG_VERSION"), Things)
///         // .resource(Thing)
///         // .data_source(Things)
///         .serve()
///         .await
/// }
/// ```
pub struct Server<P: Provider> {
    address: String,
    version: String,
    provider: P,
    grace: Duration,
    resources: Registry<dyn ErasedResource<P::Client>>,
    data_sources: Registry<dyn ErasedDataSource<P::Client>>,
    functions: Registry<dyn ErasedFunction>,
    moves: Vec<Box<dyn ErasedMove>>,
    identities: Registry<dyn ErasedIdentity>,
    ephemerals: Registry<dyn ErasedEphemeral<P::Client>>,
    lists: Registry<dyn ErasedList<P::Client>>,
    actions: Registry<dyn ErasedAction<P::Client>>,
    upgrades: Registry<Chain>,
    meta: Option<fn() -> Schema>,
}

impl<P: Provider> Server<P> {
    /// A provider without resources. `address` is where users find it, such as `registry.terraform.io/acme/things`.
    pub fn new(address: impl Into<String>, version: impl Into<String>, provider: P) -> Self {
        Self {
            address: address.into(),
            version: version.into(),
            provider,
            grace: GRACE,
            resources: BTreeMap::new(),
            data_sources: BTreeMap::new(),
            functions: BTreeMap::new(),
            moves: Vec::new(),
            identities: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            lists: BTreeMap::new(),
            actions: BTreeMap::new(),
            upgrades: BTreeMap::new(),
            meta: None,
        }
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource<R: Resource<Client = P::Client>>(mut self, resource: R) -> Self {
        self.resources.insert(R::NAME, Arc::new(Registered::new(resource, R::VERSION, R::validate)));
        self
    }

    /// Adds a data source.
    #[must_use]
    pub fn data_source<D: DataSource<Client = P::Client>>(mut self, data_source: D) -> Self {
        self.data_sources.insert(D::NAME, Arc::new(Registered::new(data_source, 0, D::validate)));
        self
    }

    /// Adds a function.
    #[must_use]
    pub fn function<F: Function>(mut self, function: F) -> Self {
        self.functions.insert(F::NAME, Arc::new(RegisteredFunction::new(function)));
        self
    }

    /// Adds a way for the state of another type to become one of ours. They are asked in order.
    #[must_use]
    pub fn moved<M: Move>(mut self, one: M) -> Self {
        self.moves.push(Box::new(RegisteredMove(one)));
        self
    }

    /// Says what identifies the things of a resource.
    #[must_use]
    pub fn identified<I: Identified>(mut self, one: I) -> Self {
        self.identities.insert(I::Resource::NAME, Arc::new(RegisteredIdentity(one)));
        self
    }

    /// Adds an ephemeral resource.
    #[must_use]
    pub fn ephemeral<E: Ephemeral<Client = P::Client>>(mut self, ephemeral: E) -> Self {
        self.ephemerals.insert(E::NAME, Arc::new(Registered::new(ephemeral, 0, E::validate)));
        self
    }

    /// Adds a list of the things of a resource; it needs [`identified`](Server::identified) too.
    #[must_use]
    pub fn list<L>(mut self, list: L) -> Self
    where
        L: List,
        Listed<L>: Resource<Client = P::Client>,
    {
        self.lists.insert(Listed::<L>::NAME, Arc::new(Registered::new(list, 0, L::validate)));
        self
    }

    /// Adds an action.
    #[must_use]
    pub fn action<A: Action<Client = P::Client>>(mut self, action: A) -> Self {
        self.actions.insert(A::NAME, Arc::new(Registered::new(action, 0, A::validate)));
        self
    }

    /// Says how older states of a resource are read; the last version must be [`Resource::VERSION`].
    #[must_use]
    pub fn upgrades<R: Resource>(mut self, upgrades: Upgrades<R::Model>) -> Self {
        self.upgrades.insert(R::NAME, Arc::new(upgrades.erased()));
        self
    }

    /// Says what a module may tell the provider about itself:
    ///
    /// ```hcl
    /// terraform {
    ///   provider_meta "things" {
    ///     module = "network"
    ///   }
    /// }
    /// ```
    ///
    /// Calls on behalf of the module find it with [`Context::meta`](crate::Context::meta) and
    /// [`Change::meta`](crate::Change::meta).
    #[must_use]
    pub fn provider_meta<M: Model>(mut self) -> Self {
        self.meta = Some(|| Schema { version: 0, block: M::block() });
        self
    }

    /// How long a call may go on after the user stopped it or its time was up, to end by itself: 10 seconds unless set.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// All schemas, without serving: for documentation and tests.
    #[must_use]
    pub fn schemas(&self) -> ProviderSchemas {
        ProviderSchemas {
            provider: Schema { version: 0, block: P::Config::block() },
            provider_meta: self.meta.map(|schema| schema()),
            resources: self.resources.iter().map(|(name, one)| ((*name).to_owned(), one.schema().clone())).collect(),
            data_sources: self
                .data_sources
                .iter()
                .map(|(name, one)| ((*name).to_owned(), one.schema().clone()))
                .collect(),
            ephemerals: self.ephemerals.iter().map(|(name, one)| ((*name).to_owned(), one.schema().clone())).collect(),
            lists: self.lists.iter().map(|(name, one)| ((*name).to_owned(), one.schema().clone())).collect(),
            actions: self.actions.iter().map(|(name, one)| ((*name).to_owned(), one.schema().clone())).collect(),
            functions: self.functions.iter().map(|(name, one)| ((*name).to_owned(), one.signature().clone())).collect(),
        }
    }

    /// Serves Terraform until it asks to end. Started by anybody else, explains itself on stderr and returns a failure.
    pub async fn serve(self) -> ExitCode {
        let (address, version) = (self.address.clone(), self.version.clone());
        wire::serve::run(&address, &version, Service::new(self)).await
    }
}
