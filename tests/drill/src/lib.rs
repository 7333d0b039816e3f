//! A test bed of real components on one Linux machine: Kubernetes clusters with everything that belongs to them, in network namespaces of their own,
//! and a small cloud around them.
//!
//! The sandbox is written by the same people as the provider; only real components can contradict both. Here etcd, API server, controllers, scheduler,
//! kubelet, containerd, kube-proxy and CoreDNS are the real ones. Simulated is what nobody can have at home: the Google Cloud APIs, in front (the sandbox's),
//! and what Google does behind them (`cloud`).
//!
//! | module | |
//! |---|---|
//! | [`setup`] | what is missing is installed and built, once |
//! | [`drill`] | a running drill in this process: the library's way in |
//! | [`cloud`] | GKE's machines, disks, load balancers, the firewall between regions |
//! | [`region`] | one machine with a whole Kubernetes on it |
//! | [`ledger`], [`clean`] | what was made, written down before, and taken away again |
//! | [`server`] | the drill in the background, for commands |
//! | [`run`] | the main job, stage by stage |
//! | [`status`], [`look`] | the page that shows it all; what brokers and stores say of themselves |
//! | [`place`] | folders, names and addresses |
//!
//! # For those who add to it
//!
//! - An image is an archive (OCI or docker) `target/drill/images/NAME.tar`: every cluster imports all of them when it starts ([`drill::Drill::import_image`] for a
//!   running one).
//! - `Drill::up(&place)` starts the cloud in this process; `drill.endpoints()` is for the provider block, `drill.kubeconfig()` for kubectl, and clusters are made through
//!   the GKE API, by terraform or by `drill.create_cluster(location, name)`. `drill.cloud().client(slot)` is a client with all rights, and
//!   `drill.cloud().machine(slot)` gives the [`region::Region`] whose `inside` runs a program in it.
//! - `drill.set_power(region, power, empty_disks)` loses a region and brings it back; `drill.down()` leaves nothing.
//!
//! What must never happen: something is made that is not on the ledger ([`ledger`]), for then a crash of this tool would leave it for ever.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod clean;
pub mod cloud;
pub mod command;
pub mod drill;
pub mod ledger;
pub mod look;
pub mod place;
pub mod region;
pub mod run;
pub mod server;
pub mod setup;
pub mod status;
