//! Real kube-apiservers in place of the sandbox's own: what contradicts the simulation, so that it stays honest.
//!
//! | module | what |
//! |---|---|
//! | `binary` | where the real components are, and what to run when they are not there |
//! | `plane` | etcd, API server, controller manager, scheduler on loopback ports; `pki`, `process`: what they need |
//! | `upstream` | calling a real API server |
//! | `host` | a real control plane for each cluster of the sandbox's GKE |
//! | `front` | what clients reach: call log, faults, loss of the region; then the real API server |
//! | `follow` | keeps the world's picture of the cluster and the API server equal |
//! | `node` | the kubelets' endpoint: port-forward and logs |
//!
//! Pods are played by the world as ever: a mirror of the API server's objects ([`crate::kubernetes::Store::mirror`]) stands where its own store
//! would, and what kubelet, provisioner and cloud controller write there is written to the API server.

mod binary;
mod follow;
mod front;
mod host;
mod node;
mod pki;
mod plane;
mod process;
mod upstream;

pub use binary::{hyperkube, wanted};
pub use host::RealHost;
pub use pki::Pki;
pub use plane::{Plane, Setup};
pub use upstream::{Answer, Upstream};
