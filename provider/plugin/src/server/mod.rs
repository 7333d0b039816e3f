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
//! | `rpc` | the service: one small method a call of Terraform |
//! | `erased` | resources and data sources of any type behind one face |
//! | `functions` | pure functions: arguments, faults, positions |
//! | `plan`, `apply`, `read`, `data_source`, `upgrade` | what a call does, in values |
//! | `private` | what is kept beside the state |
//! | `check` | the provider's own bugs, reported as such |
//! | `convert` | between messages and our own types |
//! | `schemas` | all schemas as data |

mod apply;
mod check;
mod convert;
mod data_source;
mod erased;
mod functions;
mod guard;
mod plan;
mod private;
mod read;
mod rpc;
mod schemas;
mod upgrade;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc, time::Duration};

pub use self::schemas::ProviderSchemas;
use self::{
    erased::{ErasedDataSource, ErasedResource, Registered},
    functions::{ErasedFunction, RegisteredFunction},
    rpc::Service,
};
use crate::{DataSource, Function, Model, Provider, Resource, Schema, wire};

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
        }
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource<R: Resource<Client = P::Client>>(mut self, resource: R) -> Self {
        let schema = || Schema { version: R::VERSION, block: R::Model::block() };
        self.resources.insert(R::NAME, Arc::new(Registered::new(resource, schema)));
        self
    }

    /// Adds a data source.
    #[must_use]
    pub fn data_source<D: DataSource<Client = P::Client>>(mut self, data_source: D) -> Self {
        let schema = || Schema { version: 0, block: D::Model::block() };
        self.data_sources.insert(D::NAME, Arc::new(Registered::new(data_source, schema)));
        self
    }

    /// Adds a function.
    #[must_use]
    pub fn function<F: Function>(mut self, function: F) -> Self {
        self.functions.insert(F::NAME, Arc::new(RegisteredFunction::new(function)));
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
            resources: self.resources.iter().map(|(name, one)| ((*name).to_owned(), one.schema().clone())).collect(),
            data_sources: self
                .data_sources
                .iter()
                .map(|(name, one)| ((*name).to_owned(), one.schema().clone()))
                .collect(),
            functions: self.functions.iter().map(|(name, one)| ((*name).to_owned(), one.signature().clone())).collect(),
        }
    }

    /// Serves Terraform until it asks to end. Started by anybody else, explains itself on stderr and returns a failure.
    pub async fn serve(self) -> ExitCode {
        let (address, version) = (self.address.clone(), self.version.clone());
        wire::serve::run(&address, &version, Service::new(self)).await
    }
}
