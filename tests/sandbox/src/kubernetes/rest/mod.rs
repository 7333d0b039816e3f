//! The API server over HTTPS.

mod connection;
mod discovery;
mod portforward;
mod request;
mod response;
mod scale;
mod watch;
mod world;

pub use connection::serve_host;
pub use world::serve;
