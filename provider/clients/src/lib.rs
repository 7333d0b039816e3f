//! Small typed clients for what the provider talks to.
//!
//! | module | talks to | over |
//! |---|---|---|
//! | [`gcp`] | GKE, firewall rules, buckets, service accounts | the official google-cloud crates |
//! | [`kubernetes`] | the API server of one region | kube, own timeouts |
//! | [`zeebe`] | gateway and brokers of one region | HTTP and gRPC over a port-forward |
//! | [`elasticsearch`] | the search store of one region | HTTP over a port-forward |
//!
//! What holds for all of them:
//!
//! - Building a client contacts nothing. It connects with the first call.
//! - A dead or hanging endpoint is an answer, within seconds: every error enum has a variant
//!   `Unreachable`. Nothing here retries for minutes; waiting is the caller's business, bounded by a
//!   [`Wait`] that ends with its deadline or its cancellation.
//! - Errors are enums whose variants are what a caller decides by. A message that is only shown is a string.
//! - What is secret is a [`Secret`]: it can't be printed by accident.
//! - No decision is taken here. Whether a region is lost is for `c8-dr`.

pub mod elasticsearch;
#[cfg(test)]
mod fake;
pub mod gcp;
pub mod kubernetes;
mod secret;
mod tls;
mod wait;
pub mod zeebe;

pub use secret::Secret;
pub use wait::{Interrupted, Pace, Wait};
