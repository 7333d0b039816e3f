//! The provider `c8`: sets up, watches, fails over and fails back a dual-region active-active Camunda 8 on GKE.
//!
//! One folder a resource; what a user writes is in the crate `c8-schemas`, and whatever talks to the world in
//! `c8-clients`. What is here decides (pure, in each `plan`) and drives (in each `converge`, `create`, `delete`).
//!
//! | module | holds |
//! |---|---|
//! | [`provider`] | provider block → [`provider::C8`]: clients, made on first use; who answers, asked once a refresh |
//! | [`installation`] | two regions, resolved from the references that a resource gets |
//! | [`region`] | `c8_region` |
//! | [`dns_chain`] | `c8_dns_chain` |
//! | [`firewall`] | `c8_firewall` |
//! | [`es_backup_repo`] | `c8_es_backup_repo` |
//! | [`failover`] | `c8_failover` |
//! | [`data`] | data sources |
//! | [`functions`] | functions: the arithmetic of an installation |
//! | [`agreement`] | what both regions must say alike |
//! | [`drift`] | what three of them keep between a read and a plan |
//!
//! What must never happen: a plan that looks at the world; an apply that fails because the peer is unreachable (it does
//! its living half and warns); key material in anything but a Secret.

pub mod agreement;
pub mod data;
pub mod dns_chain;
pub mod drift;
pub mod es_backup_repo;
pub mod failover;
pub mod firewall;
pub mod functions;
pub mod installation;
pub mod provider;
pub mod region;

use terraform_plugin::Server;

/// Address of the provider in Terraform's registry.
pub const ADDRESS: &str = "registry.terraform.io/camunda-community-hub/c8";

/// The provider with all that it offers.
#[must_use]
pub fn server() -> Server<provider::C8Provider> {
    // the regions of one walk are compared with each other
    let agreement = agreement::Agreement::default();
    Server::new(ADDRESS, env!("CARGO_PKG_VERSION"), provider::C8Provider::new(agreement.clone()))
        .resource(region::RegionResource::new(agreement))
        .resource(dns_chain::DnsChainResource)
        .resource(firewall::FirewallResource)
        .resource(es_backup_repo::EsBackupRepoResource)
        .resource(failover::Failover)
        .data_source(data::DrStateSource)
        .data_source(data::TopologySource)
        .function(functions::BrokerIds)
        .function(functions::ContactPoints)
        .function(functions::PartitionDistribution)
        .function(functions::QuorumAfterLoss)
        .function(functions::StubDomains)
}
