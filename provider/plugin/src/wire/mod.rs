//! Between Terraform and this process: how a plugin starts, who may talk to it, how it logs and how it ends.
//!
//! | file | subject |
//! |---|---|
//! | `handshake` | the environment that Terraform sets, and the one line on stdout that it waits for |
//! | `socket` | a Unix socket in a directory that only this user can enter, removed at the end |
//! | `tls` | mutual TLS: only the process that started us can talk to us |
//! | `companions` | the services beside the provider: shutdown, and two streams that stay silent |
//! | `debug` | started by hand with `--debug`: Terraform attaches itself |
//! | `log` | `tracing` events as hclog's JSON lines on stderr |
//! | `panic` | panics as lines that Terraform shows to the user |
//! | `serve` | all of it in order |
//!
//! Nothing here knows what a provider is: [`serve::run`] takes a finished gRPC service.

pub(crate) mod companions;
pub(crate) mod debug;
pub(crate) mod handshake;
pub(crate) mod log;
pub(crate) mod panic;
pub(crate) mod serve;
pub(crate) mod socket;
pub(crate) mod tls;

/// The messages and services of the two protocol files in `proto/`.
pub mod proto {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]

    /// `proto/tfplugin5.proto`
    pub mod tfplugin5 {
        tonic::include_proto!("tfplugin5");
    }

    /// `proto/go_plugin.proto`
    pub mod go_plugin {
        tonic::include_proto!("plugin");
    }
}
