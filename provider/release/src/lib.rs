//! What runs in a region: a chart of our own, the gate of the brokers, and how both get into a cluster.
//!
//! - [`config`]: what a region's release is made from; [`names`]: how its objects are called;
//! - [`render`](fn@render): config and mode → manifests, from the Tera templates in `chart/`;
//! - [`gate`]: the init container that decides whether a broker may start;
//! - [`mode`]: first installation, hold or normal, and what `c8_failover` switches;
//! - [`manifest`], [`digest`](manifest::Manifest::digest): what is compared and reported;
//! - [`apply`], [`inventory`], [`drift`], [`teardown`]: the way into a cluster, its pruning, what differs, and the way out;
//! - [`temporary`]: what runs in the survivor meanwhile, before 8.6;
//! - [`record`]: the DR record that `c8_failover` writes and `c8_region` reads.
//!
//! What must never happen here: that `c8_region` renders, digests or prunes something that `c8_failover` switches
//! (the mode, the admits, the replicas of the web apps), for then a fail-over would show up as drift and be undone.

pub mod apply;
pub mod config;
pub mod drift;
pub mod gate;
pub mod inventory;
pub mod manifest;
pub mod mode;
pub mod names;
pub mod record;
mod render;
pub mod teardown;
pub mod temporary;

pub use config::{ConfigError, ReleaseConfig};
pub use manifest::{Key, Manifest, Owner};
pub use mode::Mode;
pub use record::{Record, RecordState};
pub use render::{RenderError, objects, render};
