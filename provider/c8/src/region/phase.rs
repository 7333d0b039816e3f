//! Phases of a region.

/// The cluster is there, but does not answer yet.
pub const PROVISIONING: &str = "provisioning";
/// Not all is applied, or the search store never was green.
pub const INSTALLING: &str = "installing";
/// All is applied; the brokers wait for `c8_failover`.
pub const HELD: &str = "held";
/// All is applied, and the brokers may run.
pub const RUNNING: &str = "running";
/// Its API does not answer. That alone is not a loss.
pub const UNREACHABLE: &str = "unreachable";
/// The rest of the installation misses it as well.
pub const LOST: &str = "lost";

/// Nothing can be read or changed.
pub fn is_out_of_reach(phase: &str) -> bool {
    matches!(phase, UNREACHABLE | LOST)
}

/// Nothing is left to do.
pub fn is_settled(phase: &str) -> bool {
    matches!(phase, HELD | RUNNING)
}

/// Brokers may run; a restart could hurt.
pub fn is_running(phase: &str) -> bool {
    phase == RUNNING
}

/// The phase of a cluster that answers: whether the release was complete once, and whether its gates are held.
pub fn of(installed: bool, held: bool) -> &'static str {
    match (installed, held) {
        // what vanished since shows in `objects`; a region that runs stays one that runs
        (false, _) => INSTALLING,
        (true, true) => HELD,
        (true, false) => RUNNING,
    }
}
