//! Brokers and gateways that run outside of the world, as real processes (`c8-sandbox-broker`) with a real network between them.
//!
//! The world keeps what is in their heads: logs, roles, configuration, exporter positions. Everything that a network, a disk or a process
//! decides is theirs, and is believed as they report it:
//!
//! - a process lives as long as its channel to the world is open; a killed pod is a dead broker;
//! - a disk is the volume on which its name was found; a new volume is an empty disk;
//! - two processes are linked while *each* has a connection to the other that answered a moment ago, dialled by the name that it was configured with;
//! - documents are in a store when the store acknowledged the process's own `_bulk` request.
//!
//! The channel stands for nothing real: it must stay open when a test cuts regions off from each other. A process that loses it ends.

mod clients;
mod documents;
mod exports;
pub mod http;
mod server;
mod sessions;
mod verdict;
pub mod wire;

use std::collections::BTreeMap;

pub use clients::run as run_clients;
pub use documents::collect;
pub use server::serve;
pub use sessions::{Session, tick};
pub use verdict::verdict;

/// All processes outside of the world.
#[derive(Debug, Default)]
pub struct Outside {
    /// Those that live, by key.
    pub sessions: BTreeMap<String, Session>,
    flights: exports::Flights,
}

impl Outside {
    /// Whether this is the key of a process outside.
    pub fn holds(&self, key: &str) -> bool {
        self.sessions.contains_key(key)
    }

    /// Whether each of the two reaches the other.
    pub fn linked(&self, one: &str, other: &str) -> bool {
        let reaches =
            |from: &str, to: &str| self.sessions.get(from).is_some_and(|session| session.reaches.contains(to));
        reaches(one, other) && reaches(other, one)
    }
}
