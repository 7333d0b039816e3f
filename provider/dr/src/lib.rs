//! Disaster recovery of a dual-region Camunda 8 as pure functions.
//!
//! No IO, no clock, no async. What was seen goes in as an [`Observation`]; out come a [`State`], the [`Step`]s that lead from
//! there to a [`Goal`], the invariants that must hold right before a step ([`assert_before`]) and the reasons why nothing may be
//! done ([`refuse`]). The provider's resource does the looking and the doing; every decision is made here.
//!
//! ```text
//! observe ──► classify ──► next_steps ──► assert_before ──► (one step) ──► observe …
//! ```
//!
//! What must never happen:
//! - a decision from what could not be seen: every part of an observation is [`Part::Known`], [`Part::Unreachable`] or [`Part::Absent`];
//! - two steps at once: [`next_steps`] is an ordered list and only its first entry may run;
//! - a step that is not safe to repeat: each has a done-test on the observation, so that killing the provider at any instant and
//!   applying again ends in the same place.
//!
//! Map: [`topology`] arithmetic · [`observation`] what was seen · [`record`] what was written down · [`state`] classification ·
//! [`strategy`] by which means, [`temporary`](Strategy::TemporaryBrokers) brokers or the cluster API ·
//! [`step`] one step and its done-test · [`sequence`] which steps, in which order · [`invariant`] what is asserted · [`refusal`]
//! what is refused · [`mod@evidence`] what an operator reads at three in the morning.

pub mod evidence;
pub mod invariant;
pub mod observation;
pub mod record;
pub mod refusal;
pub mod sequence;
pub mod state;
pub mod step;
pub mod strategy;
mod temporary;
pub mod topology;

pub use evidence::evidence;
pub use invariant::{Violation, assert_before};
pub use observation::{
    BrokerPod, Claim, Configuration, ExporterState, Exporting, Fence, Mode, Observation, Part, Pending, Phase, Region,
    Replica, Seen, Snapshot, Store, Sum, Temporary, View,
};
pub use record::{FenceNote, Record, RecordState};
pub use refusal::{NOT_LOST, Refusal, refuse};
pub use sequence::{Goal, goal, is_covered, is_reached, next_steps};
pub use state::{State, classify};
pub use step::{Step, stores_equal, why_not_rebuilt};
pub use strategy::Strategy;
pub use topology::{BrokerId, PartitionId, RegionId, Topology, peer};
