//! Runs the real `terraform` (or `tofu`) with the freshly built provider against a sandbox of its own.
//!
//! - [`Project`] is a folder with a copy of an example, the provider pointed at the sandbox, and a CLI configuration that
//!   finds the built binary. Nothing of the caller's Terraform set-up is used.
//! - [`World`] is the sandbox with its control API.
//! - [`Run`] is one finished command; it knows how to complain.
//!
//! Every command has a deadline and dies with the test. Ports are free ones of the loopback, folders are temporary.

mod binaries;
mod installation;
mod project;
mod run;
mod world;

pub use binaries::{build, build_among, build_target, find_terraform, provider_binary, workspace_root};
pub use installation::{CLUSTERS, Installation, NAMESPACES};
pub use project::Project;
pub use run::Run;
pub use world::World;
