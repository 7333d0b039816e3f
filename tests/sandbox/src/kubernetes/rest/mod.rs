//! The API server over HTTPS.

mod connection;
mod discovery;
mod portforward;
mod request;
mod response;
mod scale;
mod watch;
mod world;

pub use connection::{serve_host, serve_with, under_power};
pub use portforward::upgrade as port_forward;
pub use request::{Dropped, Query, injected};
pub use response::{Body, error as refusal, full, plain};
pub use world::{ClusterHost, serve};
