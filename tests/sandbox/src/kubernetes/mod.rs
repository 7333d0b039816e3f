//! A simulated Kubernetes API server, one per cluster.
//!
//! Written from knowledge of Kubernetes 1.33/1.34 and never from the provider's code: a mistake must not agree with itself.
//!
//! * [`Store`] holds the objects and every rule of the API: naming, defaulting, immutability, managed fields,
//!   server-side apply, deletion with finalizers, watch events. It is synchronous and lives under the lock of the world.
//! * [`controllers::tick`] plays controller manager, scheduler, cloud controller and the kubelet's bookkeeping. It does *not* run
//!   processes: the world looks at [`Store::pods`], plays what the containers do, and says so by the helpers of `pods`
//!   ([`Store::finish_init`], [`Store::start_pod`], [`Store::set_ready`], [`Store::terminate_pod`], …).
//! * [`serve`] offers the store over HTTPS: REST, watch and port-forward as real clients (kube, kubectl) use them.
//!
//! What it must never do: accept what a real API server refuses (an invalid name, a change of an immutable field, an apply that
//! conflicts), since the provider would pass here and fail on GKE.

mod admission;
mod apply;
mod bootstrap;
mod commit;
mod container_states;
mod containers;
pub mod controllers;
mod decode;
mod defaults;
mod environment;
mod error;
mod fields;
mod finalizers;
mod finding;
mod host;
mod immutable;
mod kinds;
mod lease;
mod lifecycle;
mod merge;
mod mirror;
mod normal;
mod patch;
mod pods;
mod quantity;
mod rest;
mod schema;
mod selector;
mod services;
mod stamp;
mod store;
mod validate;
mod views;
mod write;
mod zero;

#[cfg(test)]
mod tests;

pub(crate) use bootstrap::manifests;
pub use bootstrap::{Settings, Speeds};
pub use error::ApiError;
pub use host::{Fault, Host, Reach};
pub use kinds::Kind;
pub use mirror::{MIRRORED, What, Write};
pub use pods::{ContainerState, Disk, Pod};
pub(crate) use rest::{
    Body, ClusterHost, Dropped, Query, full, injected, plain, port_forward, refusal, serve_with, under_power,
};
pub use rest::{serve, serve_host};
pub use store::Store;
