//! The scripts that run in a region, and the gate above all: an init container of every broker that decides whether
//! the broker may start.
//!
//! | disk | `c8-mode` | peer's `c8-admit-<id>` | the gate |
//! |---|---|---|---|
//! | any | `hold: "true"` | any | waits |
//! | initialised | – | any | opens at once |
//! | empty | – | resolves to an address | opens |
//! | empty | – | anything else | waits, and says how to admit the broker by hand |
//!
//! So regions, DNS and firewall can be created in any order, a restart during an outage never waits for the lost
//! region, and a rebuilt region never starts a broker that it must not.

/// The gate, for `sh -c`.
pub const SCRIPT: &str = include_str!("../chart/gate.sh");
/// The start of a broker, for `sh -c`.
pub const START: &str = include_str!("../chart/start.sh");
/// Keeps the backup key in the keystore of Elasticsearch, for `sh -c` with `once` or `watch`.
pub const KEYSTORE: &str = include_str!("../chart/keystore.sh");
