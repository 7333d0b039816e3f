//! What an apply would do: a function of configuration, prior state and the stored observation, and of nothing else.
//!
//! Terraform plans again during apply, in another process; whatever came from a look at the world or from the clock would
//! differ there.

use c8_dr::{Goal, Observation, State, Step};
use c8_schemas::failover::Failover as Model;
use serde::{Deserialize, Serialize};
use terraform_plugin::{Attr, Change, Path};

use super::Failover;
use crate::installation::{RegionsChange, regions_change};

/// What a plan decided, carried to apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Intent {
    /// Where to; `None` if nothing was to be decided.
    pub goal: Option<Goal>,
    /// Epoch that the plan saw.
    pub epoch: u64,
    /// The steps that may run, in order.
    pub steps: Vec<Step>,
    /// The steps could not be known at plan (create, or a cluster that is rebuilt in the same apply): whatever the direction
    /// needs may run, for the recorded lost region only.
    pub open: bool,
}

/// Fills the plan.
pub fn plan(change: &mut Change<Failover>) {
    if change.is_create() {
        plan_create(change);
    } else {
        plan_update(change);
    }
}

fn plan_create(change: &mut Change<Failover>) {
    let planned = &change.planned;
    if planned.failover_active == Attr::Known(true) && planned.lost_region.is_null() {
        change.diags.error(
            Path::root().attr("lost_region"),
            "The lost region is not named",
            "Creating `c8_failover` with `failover_active = true` has no stored observation to tell the lost region by. Name it \
             with `lost_region`, or import the resource first: the import works without contact, and the plan then shows the \
             evidence and the steps.",
        );
    }
    change.intent = Some(Intent { open: true, ..Intent::default() });
}

fn plan_update(change: &mut Change<Failover>) {
    let Some(prior) = change.prior.clone() else { return };
    let planned = change.planned.clone();
    if regions_change(&prior.regions, &planned.regions) == RegionsChange::Other {
        change.replace(Path::root().attr("regions"));
    }
    let switched = prior.failover_active != planned.failover_active;
    let touched = switched || inputs_differ(&prior, &planned);
    let observation = change.observation.clone();
    let declared = planned.lost_region.known().and_then(|id| u32::try_from(*id).ok());
    let (Some(observation), Some(active)) = (observation, planned.failover_active.known().copied()) else {
        if touched {
            unknown_all(&mut change.planned, &prior);
            change.intent = Some(Intent { open: true, ..Intent::default() });
        }
        return;
    };
    let epoch = observation.record().map_or(0, |record| record.epoch);
    if is_stale(&prior, &planned, &observation) {
        unknown_all(&mut change.planned, &prior);
        // only the decision that was taken before may be carried on; without a record nobody knows which that is
        if epoch > 0 {
            change.planned.epoch = number(epoch);
        }
        change.intent = Some(Intent { open: true, epoch, ..Intent::default() });
        return;
    }
    let repository = !planned.backup_repo.is_null();
    let Some(goal) = c8_dr::goal(&observation, active, declared) else {
        if switched {
            let (summary, detail) = undecided(&observation);
            change.diags.error(Path::root().attr("failover_active"), summary, detail);
        } else if touched {
            touch(change, &prior);
        }
        return;
    };
    let refusal = c8_dr::refuse(&observation, goal, declared.is_some(), repository);
    if let (Some(refusal), true) = (&refusal, switched) {
        change.diags.error(Path::root().attr("failover_active"), refusal.summary.clone(), refusal.detail.clone());
        return;
    }
    // what is refused is not planned either; without a switch there is nothing to refuse
    let steps = if refusal.is_some() { Vec::new() } else { c8_dr::next_steps(&observation, goal) };
    if steps.is_empty() {
        if touched {
            touch(change, &prior);
            change.intent = Some(Intent { goal: Some(goal), epoch, ..Intent::default() });
        }
        return;
    }
    unknown_all(&mut change.planned, &prior);
    change.planned.epoch = number(epoch_after(&steps, &observation, epoch));
    change.planned.planned_steps = texts(&steps, &observation);
    if let Goal::Without(lost) = goal {
        warn_of_loss(change, &observation, lost);
    }
    change.intent = Some(Intent { goal: Some(goal), epoch, steps, open: false });
}

/// Why nobody can say which region is to be given up.
fn undecided(observation: &Observation) -> (String, String) {
    let state = c8_dr::classify(observation);
    if matches!(state, State::Isolated | State::Split(_) | State::Unknown(_))
        && let Some(refusal) = c8_dr::refuse(observation, Goal::Without(0), false, true)
    {
        return (refusal.summary, refusal.detail);
    }
    let lines = c8_dr::evidence(observation, None).join("\n");
    let detail = format!(
        "The installation is {state}.\n\n{lines}\n\nA fail-over needs all brokers of one region to be gone. Wait until the loss \
         is seen, or leave `failover_active = false`."
    );
    (c8_dr::NOT_LOST.to_owned(), detail)
}

/// A claim names its epoch, and one that came to nothing is closed by writing its epoch down; nothing else changes it.
fn epoch_after(steps: &[Step], observation: &Observation, before: u64) -> u64 {
    steps
        .iter()
        .find_map(|step| match step {
            Step::Claim { epoch, .. } => Some(*epoch),
            Step::RecordHealthy => observation.open_claim().map(|claim| claim.epoch),
            _ => None,
        })
        .unwrap_or(before)
}

fn number(epoch: u64) -> Attr<i64> {
    i64::try_from(epoch).map_or(Attr::Unknown, Attr::Known)
}

/// Texts as an attribute's value.
pub fn texts(steps: &[Step], observation: &Observation) -> Attr<Vec<Attr<String>>> {
    Attr::Known(steps.iter().map(|step| Attr::Known(step.text(observation))).collect())
}

fn warn_of_loss(change: &mut Change<Failover>, observation: &Observation, lost: u32) {
    let region = observation.region(lost);
    let lines = c8_dr::evidence::evidence_of_loss(observation, lost);
    let at = [region.namespace.as_str(), region.location.as_str()];
    let at: Vec<_> = at.into_iter().filter(|text| !text.is_empty()).collect();
    let verb = match c8_dr::classify(observation) {
        State::Isolated => "is cut off",
        _ => "is lost",
    };
    change.diags.warning(
        Path::root().attr("failover_active"),
        format!("Region {lost} ({}) {verb}", at.join(", ")),
        lines.join("\n"),
    );
}

/// An input changed, and there is nothing to do in the world: only what a read finds may change.
fn touch(change: &mut Change<Failover>, prior: &Model) {
    let planned = &mut change.planned;
    planned.phase = Attr::Unknown;
    if prior.id.is_null() || regions_change(&prior.regions, &planned.regions) == RegionsChange::Other {
        planned.id = Attr::Unknown;
        planned.group = Attr::Unknown;
    }
    for list in [&mut planned.planned_steps, &mut planned.completed_steps, &mut planned.report] {
        if list.is_null() {
            *list = Attr::Unknown;
        }
    }
    for number in [&mut planned.epoch, &mut planned.recovery_time_seconds] {
        if number.is_null() {
            *number = Attr::Unknown;
        }
    }
}

fn unknown_all(planned: &mut Model, prior: &Model) {
    if prior.id.is_null() || regions_change(&prior.regions, &planned.regions) == RegionsChange::Other {
        planned.id = Attr::Unknown;
        planned.group = Attr::Unknown;
    }
    planned.epoch = Attr::Unknown;
    planned.phase = Attr::Unknown;
    planned.planned_steps = Attr::Unknown;
    planned.completed_steps = Attr::Unknown;
    planned.report = Attr::Unknown;
    planned.recovery_time_seconds = Attr::Unknown;
}

fn inputs_differ(prior: &Model, planned: &Model) -> bool {
    prior.regions != planned.regions
        || prior.backup_repo != planned.backup_repo
        || prior.lost_region != planned.lost_region
        || prior.fence != planned.fence
}

/// A cluster is, or will be, another one than the one that was observed: the observation says nothing about it.
///
/// Of a region that does not answer only the record tells which cluster it was. A rebuilt one is recorded once it is taken back; until then it
/// is the one of the state, unless it is rebuilt again.
fn is_stale(prior: &Model, planned: &Model, observation: &Observation) -> bool {
    let rebuilt = prior.regions != planned.regions;
    let Attr::Known(regions) = &planned.regions else { return true };
    regions.iter().any(|entry| {
        let Attr::Known(reference) = entry else { return true };
        let Attr::Known(id) = reference.region_id else { return true };
        let id = u32::from(id != 0);
        match &reference.cluster_uid {
            Attr::Null => false,
            Attr::Unknown => true,
            Attr::Known(uid) => {
                let seen = observation.region(id).api.known();
                let recorded = || observation.record().filter(|_| rebuilt)?.cluster_uids.get(&id);
                seen.or_else(recorded).is_some_and(|other| other != uid)
            }
        }
    })
}

#[cfg(test)]
mod tests;
