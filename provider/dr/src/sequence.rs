//! Which steps lead from an observation to a goal, in which order (dual-region.md 4.2, 4.6).
//!
//! Both directions are tables; what is done is left out. Some steps undo what an earlier one does (web apps off … on, admit …
//! withdraw): those are due whenever the earlier one is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::observation::Observation;
use crate::state::{State, brokers_run, classify};
use crate::step::{Step, removed, waiting};
use crate::topology::{BrokerId, RegionId, Topology, peer};

/// What `failover_active` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Run on both regions.
    Both,
    /// Run without the lost region.
    Without(RegionId),
}

/// The goal that a configuration states; `None` if nobody can say which region is lost.
///
/// The lost region is the declared one, else the recorded one, else the one that is seen to be lost; it is never guessed.
pub fn goal(o: &Observation, failover_active: bool, declared: Option<RegionId>) -> Option<Goal> {
    if !failover_active {
        return Some(Goal::Both);
    }
    let recorded = o.record().filter(|r| r.state.is_failed_over()).and_then(|r| r.lost);
    declared.or(recorded).or_else(|| classify(o).lost()).map(Goal::Without)
}

/// Whether a step may run that a plan listed: the same one, or the rest of it when brokers are named.
pub fn is_covered(step: &Step, planned: &[Step]) -> bool {
    planned.iter().any(|listed| match (step, listed) {
        (Step::Admit { brokers: a }, Step::Admit { brokers: b })
        | (Step::Withdraw { brokers: a }, Step::Withdraw { brokers: b }) => a.iter().all(|id| b.contains(id)),
        (a, b) => a == b,
    })
}

/// Whether the installation is where the goal wants it. That nothing is due does not say so: nothing is due either when
/// nobody knows what is there.
pub fn is_reached(o: &Observation, goal: Goal) -> bool {
    match (goal, classify(o)) {
        (Goal::Without(lost), State::FailedOver(seen) | State::Rebuilt(seen)) => seen == lost,
        (Goal::Both, state) => state == State::Healthy,
        _ => false,
    }
}

/// The steps that are due, in order. Only the first may run; then look again.
pub fn next_steps(o: &Observation, goal: Goal) -> Vec<Step> {
    let state = classify(o);
    match goal {
        Goal::Without(lost) => without(o, &state, lost),
        Goal::Both => both(o, &state),
    }
}

fn without(o: &Observation, state: &State, lost: RegionId) -> Vec<Step> {
    let due = match state {
        State::RegionLost(seen)
        | State::FailingOver(seen)
        | State::FailedOver(seen)
        | State::Rebuilt(seen)
        | State::FailingBack(seen) => *seen == lost,
        // both live: only a declared region can be given up, and only behind a fence
        State::Isolated => true,
        _ => false,
    };
    let Some(sizes) = o.sizes.filter(|_| due) else { return Vec::new() };
    if matches!(state, State::FailingBack(_)) && !removed(o, sizes, lost) && view_lists_any(o, sizes, lost) {
        // the brokers are members again and live: the only way is forward
        return Vec::new();
    }
    // the same decision is carried on, whatever became of the record
    let open = o.open_claim().filter(|claim| claim.lost == lost).map_or(0, |claim| claim.epoch);
    let epoch = open.max(o.record().map_or(0, |r| r.epoch) + 1);
    if crate::temporary::applies(o) {
        return crate::temporary::without(o, sizes, lost, epoch);
    }
    let admitted: Vec<_> = sizes.brokers(lost).into_iter().collect();
    let table = [
        Step::Claim { lost, epoch },
        Step::Fence { lost },
        Step::Withdraw { brokers: admitted },
        Step::ForceRemove { lost },
        Step::DisableExporter { lost },
        Step::ResumeSurvivor { lost },
        Step::VerifyFailOver { lost },
    ];
    still_due(o, table)
}

/// Of a way out of a loss, the steps that are still due, in order.
pub(crate) fn still_due(o: &Observation, way: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for step in way {
        let due = match &step {
            // part of the story even when no admit is left: nobody may publish one meanwhile
            Step::Withdraw { .. } => !step.done(o) || steps.iter().any(|s| matches!(s, Step::Claim { .. })),
            Step::VerifyFailOver { .. } => !steps.is_empty() || !step.done(o),
            step => !step.done(o),
        };
        if due {
            steps.push(step);
        }
    }
    steps
}

fn view_lists_any(o: &Observation, sizes: Topology, lost: RegionId) -> bool {
    o.view_from(peer(lost))
        .is_some_and(|view| sizes.brokers(lost).iter().any(|id| crate::temporary::at_home(o, view, *id)))
}

fn both(o: &Observation, state: &State) -> Vec<Step> {
    match state {
        State::FailedOver(lost) | State::Rebuilt(lost) | State::FailingBack(lost) => fail_back(o, *lost),
        State::Forming | State::Healthy | State::Returning(_) => settle(o, state.lost()),
        // claimed, perhaps fenced, nothing removed, and the region is alive after all: let it come back
        State::FailingOver(lost)
            if o.sizes.is_some_and(|sizes| !removed(o, sizes, *lost))
                && !crate::temporary::started(o, *lost)
                && o.is_recorded_cluster(*lost) == Some(true)
                && brokers_run(o, *lost) =>
        {
            settle(o, Some(*lost))
        }
        State::Degraded(_) => {
            let admit = admit_waiting(o);
            if admit.is_empty() { Vec::new() } else { finish(o, admit) }
        }
        _ => Vec::new(),
    }
}

fn fail_back(o: &Observation, lost: RegionId) -> Vec<Step> {
    let Some(sizes) = o.sizes else { return Vec::new() };
    if crate::temporary::applies(o) {
        return finish(o, crate::temporary::fail_back(o, sizes, lost));
    }
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut brokers: Vec<u32> = sizes.brokers(lost).into_iter().collect();
    if lost == 0 {
        // broker 0 is the bootstrap coordinator: on an empty disk it would found a new cluster, so it comes last, after the
        // others have taken over the survivor's configuration
        brokers.retain(|id| *id != 0);
        groups.push(brokers);
        groups.push(vec![0]);
    } else {
        groups.push(brokers);
    }
    let mut steps = Vec::new();
    let before_members = [
        Step::DisableExporter { lost },
        Step::CheckRebuilt { lost },
        Step::WebAppsOff,
        Step::LiftFence { lost },
        Step::Pause { lost },
        Step::Snapshot { lost },
        Step::Restore { lost },
        Step::LiftStoreFence { lost },
        Step::EnableExporter { lost },
        Step::Resume { lost },
        Step::OpenGates { region: lost },
    ];
    let added = Step::AddBrokers { lost }.done(o);
    let milestone = crate::step::restored(o, lost);
    for step in before_members {
        let due = match &step {
            // the exporter is on because this fail-back enabled it
            Step::DisableExporter { .. } | Step::WebAppsOff => !milestone && !added && !step.done(o),
            Step::LiftStoreFence { .. } => {
                !step.done(o) || (!milestone && steps.iter().any(|s| matches!(s, Step::LiftFence { .. })))
            }
            step => !step.done(o),
        };
        if due {
            steps.push(step);
        }
    }
    for brokers in groups {
        let step = Step::Admit { brokers };
        if !added && !step.done(o) {
            steps.push(step);
        }
    }
    if !added {
        steps.push(Step::AddBrokers { lost });
    }
    finish(o, steps)
}

/// First installation, or a region that came back by itself, or left-overs of a transition.
fn settle(o: &Observation, returned: Option<RegionId>) -> Vec<Step> {
    let mut steps = Vec::new();
    let fenced = o.fence.known().is_some_and(|f| f.any || f.store);
    if crate::temporary::applies(o)
        && let Some(lost) = returned
    {
        steps.extend(crate::temporary::undo(o, lost));
    }
    if let Some(lost) = returned.or_else(|| fenced.then(|| o.record().and_then(|r| r.lost).unwrap_or(1))) {
        for step in [Step::LiftFence { lost }, Step::LiftStoreFence { lost }] {
            if !step.done(o) {
                steps.push(step);
            }
        }
    }
    for region in [0, 1] {
        let step = Step::OpenGates { region };
        if !step.done(o) {
            steps.push(step);
        }
    }
    if o.record().is_none() {
        let waiting: Vec<u32> = [0, 1]
            .into_iter()
            .flat_map(|region| {
                let admits = o.region(peer(region)).admits.clone();
                waiting(o, region).into_iter().filter(move |id| !admits.contains(id))
            })
            .collect();
        if !waiting.is_empty() {
            steps.push(Step::Admit { brokers: waiting });
        }
    } else {
        steps.extend(admit_waiting(o));
    }
    finish(o, steps)
}

/// A broker that lost its disk waits at its gate: admit the first one that leaves every partition with one fresh voter at most.
fn admit_waiting(o: &Observation) -> Vec<Step> {
    let Some(sizes) = o.sizes else { return Vec::new() };
    for region in [0, 1] {
        if o.is_recorded_cluster(region) != Some(true) {
            continue;
        }
        let held = o.region(region).mode.as_ref().is_some_and(|mode| mode.hold);
        for id in waiting(o, region) {
            let Some(view) = o.view_from(peer(region)) else { continue };
            let others_live = sizes
                .partitions()
                .filter(|p| sizes.replicas(*p).contains(&id))
                .all(|p| sizes.replicas(p).iter().all(|replica| *replica == id || view.lists(*replica)));
            if others_live && !held {
                return vec![Step::Admit { brokers: vec![id] }];
            }
        }
    }
    Vec::new()
}

fn finish(o: &Observation, mut steps: Vec<Step>) -> Vec<Step> {
    let mut admitted: BTreeSet<BrokerId> = o.regions.iter().flat_map(|region| region.admits.clone()).collect();
    for step in &steps {
        if let Step::Admit { brokers } = step {
            admitted.extend(brokers);
        }
    }
    let apps_off = steps.contains(&Step::WebAppsOff);
    if !steps.is_empty() || !Step::AwaitHealthy.done(o) {
        steps.push(Step::AwaitHealthy);
    }
    if apps_off || !Step::WebAppsOn.done(o) {
        steps.push(Step::WebAppsOn);
    }
    if !admitted.is_empty() {
        steps.push(Step::Withdraw { brokers: admitted.into_iter().collect() });
    }
    if !steps.is_empty() || !Step::RecordHealthy.done(o) {
        steps.push(Step::RecordHealthy);
    }
    steps
}
