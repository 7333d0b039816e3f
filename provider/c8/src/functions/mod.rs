//! The provider's functions: the arithmetic of a dual-region installation, for configurations, outputs and checks.
//!
//! Pure, and without the provider's configuration: Terraform calls them in processes that know nothing yet, also while it
//! validates. They are the very arithmetic that the resources use (`c8_dr::topology`, `c8_release::names`), so an output
//! of them and what a resource does can't disagree.
//!
//! | file | function |
//! |---|---|
//! | `broker_ids` | `provider::c8::broker_ids` |
//! | `contact_points` | `provider::c8::contact_points` |
//! | `partition_distribution` | `provider::c8::partition_distribution` |
//! | `quorum_after_loss` | `provider::c8::quorum_after_loss` |
//! | `stub_domains` | `provider::c8::stub_domains` |
//! | `argument` | what they accept: sizes, regions, names, with the argument at fault |

mod argument;
mod broker_ids;
mod contact_points;
mod partition_distribution;
mod quorum_after_loss;
mod stub_domains;

pub use broker_ids::BrokerIds;
pub use contact_points::ContactPoints;
pub use partition_distribution::PartitionDistribution;
pub use quorum_after_loss::QuorumAfterLoss;
pub use stub_domains::StubDomains;
