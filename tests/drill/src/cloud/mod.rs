//! The cloud around the regions: the sandbox's Google Cloud APIs in front, and behind them what Google does in and between clusters.
//!
//! | module | plays |
//! |---|---|
//! | [`host`] | GKE's machines: clusters are made, lost, brought back and deleted |
//! | [`addons`] | what a new GKE cluster contains |
//! | [`volumes`] | the provisioner of persistent disks |
//! | [`balancers`] | load balancers of Services |
//! | [`firewall`] | the rules of the firewall API, enforced between the regions |
//! | [`latency`] | the distance between the regions |

pub mod addons;
pub mod balancers;
pub mod firewall;
pub mod host;
pub mod latency;
pub mod objects;
pub mod volumes;
