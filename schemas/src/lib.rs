//! What a user writes and reads: one model a resource, one file a model.
//!
//! A model is a struct with `#[derive(Model)]`; from it come the schema that Terraform asks for, the decoding and
//! encoding of values, and the reference documentation (the doc comments here *are* the user docs, so they speak to
//! the user). Nothing in this crate does anything: planning and applying live in the binary's crate.
//!
//! | file | holds |
//! |---|---|
//! | `provider` | configuration of the provider `c8` |
//! | `topology` | [`TopologyEntry`], [`RegionRef`], [`BackupRepoRef`]: how the installation and its parts are named |
//! | `timeouts` | the `timeouts` block that all resources share |
//! | `region` | `c8_region` |
//! | `dns_chain` | `c8_dns_chain` |
//! | `firewall` | `c8_firewall` |
//! | `es_backup_repo` | `c8_es_backup_repo` |
//! | `failover` | `c8_failover` |
//! | `dr_state` | data source `c8_dr_state` |
//! | `cluster_topology` | data source `c8_topology` |
//!
//! Invariants: no key material in any attribute; no computed attribute that changes by itself (times, counters, pod
//! names), because Terraform would report each change as drift.

pub mod cluster_topology;
pub mod dns_chain;
pub mod dr_state;
pub mod es_backup_repo;
pub mod failover;
pub mod firewall;
pub mod provider;
pub mod region;
pub mod timeouts;
pub mod topology;

pub use cluster_topology::ClusterTopology;
pub use dns_chain::DnsChain;
pub use dr_state::{BrokerState, DrState};
pub use es_backup_repo::{Bucket, EsBackupRepo};
pub use failover::Failover;
pub use firewall::{Firewall, FirewallRule};
pub use provider::{Endpoints, ProviderConfig};
pub use region::{Camunda, Cluster, Region};
pub use timeouts::Timeouts;
pub use topology::{BackupRepoRef, RegionRef, TopologyEntry};
