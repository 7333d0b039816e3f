//! An embedded world in which terraform-provider-c8 can be tried: GCP, Kubernetes clusters, Zeebe brokers and Elasticsearch, with consequences.
//!
//! It isn't a list of canned answers. Firewall rules pass or stop packets, a stub domain is what makes a name resolve, a broker has a disk, a log and votes,
//! and an exporter has a position. A wrong order of steps therefore loses or doubles records, and [`audit`] says so.
//!
//! The world shares no code with the provider: it is an independent reading of the documented behaviour of the real systems.
//! Otherwise a mistake would agree with itself.
//!
//! | module | plays |
//! |---|---|
//! | [`gcp`] | GKE, Compute (firewalls), IAM, Cloud Storage, the token endpoint |
//! | [`kubernetes`] | an API server and the controllers of each cluster |
//! | [`world`] | the lock, the clock, clusters, power, the kubelet, faults, the log of calls |
//! | [`network`] | who reaches whom: firewall evaluation, DNS |
//! | [`zeebe`] | brokers, partitions, exporters, cluster changes, gateway |
//! | [`elasticsearch`] | indices, documents, repositories, snapshots |
//! | [`webapps`], [`probe`] | Operate, Tasklist, Connectors; probe pods |
//! | [`workload`], [`audit`] | clients and workers; the oracle outside the store |
//! | [`outside`] | the world's side of brokers and gateways that run as real processes, with a real network between them |
//! | [`shim`] | such a process: the body of `c8-sandbox-broker` |
//! | [`control`] | the HTTP API by which a test breaks things |
//!
//! Everything is synchronous under one lock ([`world::Shared`]) and is moved on by a ticker ([`world::World::tick`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

pub mod audit;
pub mod control;
pub mod elasticsearch;
pub mod gcp;
pub mod kubernetes;
pub mod network;
pub mod outside;
pub mod probe;
pub mod real;
mod sandbox;
pub mod shim;
pub mod webapps;
pub mod workload;
pub mod world;
pub mod zeebe;

pub use sandbox::{Endpoints, Sandbox};
pub use world::options::Options;
pub use world::{Cluster, NewCluster, Power, Shared, World};
