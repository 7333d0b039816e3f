//! The strategy of 8.2–8.5: temporary brokers (dual-region.md 3 and 4.1).
//!
//! Members are fixed there: two of four replicas form no quorum, and nobody can remove the other two. So brokers on empty disks
//! take the ids of every other broker of the lost region, in the surviving one: each partition gets exactly one of them, and
//! three of four replicas again. What is meant for the lost region's store goes to a store that stands in for it meanwhile,
//! since one exporter that fails stops the others of its partition.
//!
//! Two replicas on empty disks could outvote one that holds what was promised. So a partition never has more than one *fresh*
//! voter, a disk that nobody has proven to hold the log: the ledger ([`crate::Record::proven`], by the volume claim's UID) says
//! which ones do. That decides the order of the way back.

use std::collections::BTreeSet;

use crate::invariant::{Violation, hold};
use crate::observation::{ExporterState, Observation, Phase, Region, View};
use crate::record::RecordState;
use crate::sequence;
use crate::state::State;
use crate::step::{Step, phase, restored, snapshot_is_current, stores_equal};
use crate::strategy::Strategy;
use crate::topology::{BrokerId, RegionId, Topology, list, peer};

/// Whether this strategy is the installation's.
pub(crate) fn applies(o: &Observation) -> bool {
    Strategy::seen(o).is_temporary()
}

/// Whether a listed broker runs in the region of its id: a temporary one runs in the other.
pub(crate) fn at_home(o: &Observation, view: &View, id: BrokerId) -> bool {
    let Some(seen) = view.brokers.get(&id) else { return false };
    let away = &o.region(peer(Topology::region_of(id))).namespace;
    away.is_empty() || !seen.host.split('.').any(|label| label == away)
}

/// Whether temporary brokers were told to run.
pub(crate) fn started(o: &Observation, lost: RegionId) -> bool {
    o.region(peer(lost)).temporary.as_ref().is_some_and(|t| t.replicas > 0 || !t.disks.is_empty())
}

/// The lost region's brokers are seen again, at home.
fn returned(o: &Observation, sizes: Topology, lost: RegionId) -> bool {
    o.view_from(peer(lost)).is_some_and(|view| sizes.brokers(lost).iter().all(|id| at_home(o, view, *id)))
}

/// What the state is once a region was given up.
pub(crate) fn claimed(o: &Observation, sizes: Topology, state: RecordState, lost: RegionId, rebuilt: bool) -> State {
    match state {
        RecordState::FailingOver if !started(o, lost) && returned(o, sizes, lost) => State::Returning(lost),
        RecordState::FailingOver => State::FailingOver(lost),
        RecordState::FailingBack => State::FailingBack(lost),
        _ => {
            let survivor = o.region(peer(lost));
            let paused = survivor.exporting.known().is_some_and(|e| matches!(e.phase, Phase::Paused | Phase::Mixed));
            let apps_off = survivor.mode.as_ref().is_some_and(|mode| !mode.web_apps);
            let back = o.view_from(peer(lost)).is_some_and(|v| sizes.brokers(lost).iter().any(|id| at_home(o, v, *id)));
            match (paused || apps_off || back, rebuilt) {
                (true, _) => State::FailingBack(lost),
                (false, true) => State::Rebuilt(lost),
                (false, false) => State::FailedOver(lost),
            }
        }
    }
}

/// What keeps the installation from being HEALTHY, beside what every version asks for.
pub(crate) fn why_not_healthy(o: &Observation, sizes: Topology, view: &View) -> Option<String> {
    if o.regions.iter().any(|region| region.temporary.is_some()) {
        return Some("temporary brokers, their disks or the store that stands in are still there".into());
    }
    let thin: Vec<_> = sizes.partitions().filter(|p| replicas(view, *p) != sizes.replication_factor as usize).collect();
    if !thin.is_empty() {
        return Some(format!("partitions {} do not have all their replicas", list(&thin)));
    }
    if o.regions.iter().any(|region| !region.diverted.is_empty() || !region.stale.is_empty()) {
        return Some("brokers still export to a store that stands in for another".into());
    }
    None
}

fn replicas(view: &View, partition: u32) -> usize {
    view.brokers.values().filter(|seen| seen.partitions.contains_key(&partition)).count()
}

/// The exporter to the lost region's store: disabled means that another store stands in for it on every broker.
pub(crate) fn exporter(o: &Observation, lost: RegionId) -> ExporterState {
    let survivor = o.region(peer(lost));
    let mut told = vec![(survivor.diverted.contains(&lost), survivor.stale.is_empty())];
    if let Some(temporary) = survivor.temporary.as_ref().filter(|t| t.replicas > 0) {
        told.push((temporary.diverted.contains(&lost), temporary.stale.is_empty()));
    }
    let rebuilt = o.region(lost);
    if rebuilt.api.is_known() && !rebuilt.pods.is_empty() {
        told.push((rebuilt.diverted.contains(&lost), rebuilt.stale.is_empty()));
    }
    match (told.iter().all(|(diverted, fresh)| *diverted && *fresh), told.iter().all(|(d, fresh)| !d && *fresh)) {
        (true, _) => ExporterState::Disabled,
        (_, true) => ExporterState::Enabled,
        _ => ExporterState::Mixed,
    }
}

fn diverted(region: &Region, lost: RegionId) -> bool {
    region.diverted.contains(&lost) && region.stale.is_empty()
}

/// Whether a step of this strategy has nothing left to do.
pub(crate) fn done(step: &Step, o: &Observation, sizes: Topology) -> bool {
    match step {
        Step::Divert { lost } => {
            let survivor = o.region(peer(*lost));
            let temporary = survivor.temporary.as_ref();
            diverted(survivor, *lost)
                && temporary
                    .is_some_and(|t| t.store && (t.replicas == 0 || t.diverted.contains(lost) && t.stale.is_empty()))
        }
        Step::StartTemporary { lost } => {
            let view = o.view_from(peer(*lost));
            let wanted = sizes.temporary(*lost);
            o.region(peer(*lost)).temporary.as_ref().is_some_and(|t| t.replicas as usize == wanted.len())
                && view.is_some_and(|v| wanted.iter().all(|id| v.lists(*id) && !at_home(o, v, *id)))
        }
        Step::DivertRebuilt { lost } => restored(o, *lost) || diverted(o.region(*lost), *lost),
        Step::CatchUp { brokers } => brokers.iter().all(|id| {
            let disk = o.region(Topology::region_of(*id)).disks.get(id);
            disk.is_some() && disk == o.record().and_then(|record| record.proven.get(id))
        }),
        Step::PointBack { lost } => exporter(o, *lost) == ExporterState::Enabled,
        Step::StopTemporary { lost } => {
            o.region(peer(*lost)).temporary.as_ref().is_none_or(|t| t.replicas == 0 && t.pods.is_empty())
        }
        Step::DeleteTemporary { lost } => o.region(peer(*lost)).temporary.is_none(),
        _ => false,
    }
}

/// The way out of a loss.
pub(crate) fn without(o: &Observation, sizes: Topology, lost: RegionId, epoch: u64) -> Vec<Step> {
    let table = [
        Step::Claim { lost, epoch },
        Step::Fence { lost },
        Step::Withdraw { brokers: sizes.brokers(lost).into_iter().collect() },
        Step::Divert { lost },
        Step::StartTemporary { lost },
        Step::ResumeSurvivor { lost },
        Step::VerifyFailOver { lost },
    ];
    sequence::still_due(o, table)
}

/// The way back, up to where all brokers are there. One fresh replica per partition at a time, each proven before the next.
pub(crate) fn fail_back(o: &Observation, sizes: Topology, lost: RegionId) -> Vec<Step> {
    let half: Vec<BrokerId> = sizes.beside_temporary(lost).into_iter().collect();
    let rest: Vec<BrokerId> = sizes.temporary(lost).into_iter().collect();
    let table = [
        Step::Divert { lost },
        Step::CheckRebuilt { lost },
        Step::WebAppsOff,
        Step::LiftFence { lost },
        Step::DivertRebuilt { lost },
        Step::OpenGates { region: lost },
        Step::Admit { brokers: half.clone() },
        Step::CatchUp { brokers: half },
        Step::Pause { lost },
        Step::Snapshot { lost },
        Step::Restore { lost },
        Step::LiftStoreFence { lost },
        Step::PointBack { lost },
        Step::Resume { lost },
        Step::StopTemporary { lost },
        Step::DeleteTemporary { lost },
        Step::Admit { brokers: rest.clone() },
        Step::CatchUp { brokers: rest },
    ];
    let milestone = restored(o, lost);
    let mut steps: Vec<Step> = Vec::new();
    for step in table {
        let due = match &step {
            Step::Divert { .. } | Step::WebAppsOff => !milestone && !step.done(o),
            Step::LiftStoreFence { .. } => {
                !step.done(o) || (!milestone && steps.iter().any(|s| matches!(s, Step::LiftFence { .. })))
            }
            // nothing of it is there yet when they are planned, or all of it is gone
            Step::StopTemporary { .. } => o.region(peer(lost)).temporary.is_some() && !step.done(o),
            step => !step.done(o),
        };
        if due {
            steps.push(step);
        }
    }
    steps
}

/// A region that came back before temporary brokers ran: its store is its own again before any record can be exported.
pub(crate) fn undo(o: &Observation, lost: RegionId) -> Vec<Step> {
    [Step::PointBack { lost }, Step::DeleteTemporary { lost }].into_iter().filter(|step| !step.done(o)).collect()
}

/// What must hold right before a step of this strategy.
pub(crate) fn assert_before(step: &Step, o: &Observation, sizes: Topology) -> Result<(), Violation> {
    match step {
        Step::Divert { lost } => {
            hold(fenced(o, *lost) || o.record().is_some_and(|r| r.state != RecordState::FailingOver), || {
                format!("region {lost} is not fenced off")
            })
        }
        Step::StartTemporary { lost } => {
            let survivor = peer(*lost);
            hold(fenced(o, *lost), || format!("region {lost} is not fenced off"))?;
            hold(sizes.cluster_size.is_multiple_of(4), || {
                "the number of brokers is no multiple of 4: some partitions would get two temporary replicas, or none"
                    .into()
            })?;
            let view = o.view_from(survivor);
            let alive: Vec<_> = listed(view, sizes.brokers(*lost))
                .into_iter()
                .filter(|id| view.is_some_and(|v| at_home(o, v, *id)))
                .collect();
            hold(alive.is_empty(), || format!("brokers {} of region {lost} are seen: it is alive", list(&alive)))?;
            hold(view.is_some(), || format!("no gateway of region {survivor} says who is there"))?;
            all_run(o.region(survivor), sizes.brokers(survivor))?;
            all_proven(o, sizes.brokers(survivor))
        }
        Step::CatchUp { brokers } => all_live(
            brokers.first().and_then(|id| o.view_from(peer(Topology::region_of(*id)))),
            brokers.iter().copied().collect(),
        ),
        Step::PointBack { lost } => {
            // nothing can be exported to the wrong store while nobody leads
            let nobody_leads = o.view_from(peer(*lost)).is_some_and(|view| view.led().is_empty());
            if o.record().is_some_and(|r| r.state == RecordState::FailingOver) {
                return hold(nobody_leads, || "records could be exported meanwhile".into());
            }
            hold(phase(o, *lost) == Phase::Paused, || "exporting is not paused".into())?;
            hold(restored(o, *lost) || snapshot_is_current(o, *lost), || {
                "no snapshot holds the positions that were exported last".into()
            })?;
            hold(restored(o, *lost) || stores_equal(o), || "the stores are not equal".into())
        }
        Step::StopTemporary { lost } => {
            let survivor = peer(*lost);
            let half = sizes.beside_temporary(*lost);
            let view = o.view_from(survivor);
            all_live(view, half.union(&sizes.brokers(survivor)).copied().collect())?;
            all_proven(o, half)?;
            hold(view.is_some_and(|v| sizes.partitions().all(|p| v.led().contains(&p))), || {
                "a partition has no leader".into()
            })
        }
        Step::DeleteTemporary { lost } => {
            let temporary = o.region(peer(*lost)).temporary.as_ref();
            hold(temporary.is_none_or(|t| t.replicas == 0 && t.pods.is_empty()), || {
                "temporary brokers still run".into()
            })
        }
        _ => Ok(()),
    }
}

/// A partition gets one fresh voter at most, and only while its other three replicas live and hold the log.
pub(crate) fn assert_admit(o: &Observation, sizes: Topology, brokers: &[BrokerId]) -> Result<(), Violation> {
    let Some(lost) = brokers.first().map(|id| Topology::region_of(*id)) else { return Ok(()) };
    let survivor = peer(lost);
    let running: Vec<BrokerId> = o.region(survivor).temporary.iter().flat_map(|t| &t.pods).map(|pod| pod.id).collect();
    let twice: Vec<_> = brokers.iter().filter(|id| running.contains(id)).copied().collect();
    hold(twice.is_empty(), || format!("temporary brokers {} still run: two would have one id", list(&twice)))?;
    let view = o.view_from(survivor);
    for partition in sizes.partitions() {
        let replicas = sizes.replicas(partition);
        let fresh = replicas.iter().filter(|id| brokers.contains(id)).count();
        if fresh == 0 {
            continue;
        }
        hold(fresh == 1, || format!("partition {partition} would have more than one voter on an empty disk"))?;
        let others: BTreeSet<BrokerId> = replicas.into_iter().filter(|id| !brokers.contains(id)).collect();
        all_live(view, others.clone())?;
        all_proven(o, others)?;
    }
    Ok(())
}

/// The rules are in place, and what they do was looked at.
fn fenced(o: &Observation, lost: RegionId) -> bool {
    Step::Fence { lost }.done(o)
}

fn listed(view: Option<&View>, ids: BTreeSet<BrokerId>) -> Vec<BrokerId> {
    ids.into_iter().filter(|id| view.is_some_and(|view| view.lists(*id))).collect()
}

fn all_live(view: Option<&View>, ids: BTreeSet<BrokerId>) -> Result<(), Violation> {
    let down: Vec<_> = ids.into_iter().filter(|id| !view.is_some_and(|view| view.lists(*id))).collect();
    hold(down.is_empty(), || format!("brokers {} are down: with fixed members each of them is needed", list(&down)))
}

/// Their pods run. A gateway lists them only when they have started, and all of them can start side by side.
fn all_run(region: &Region, ids: BTreeSet<BrokerId>) -> Result<(), Violation> {
    let down: Vec<_> =
        ids.into_iter().filter(|id| !region.pods.iter().any(|pod| pod.id == *id && pod.running)).collect();
    hold(down.is_empty(), || format!("brokers {} do not run: with fixed members each of them is needed", list(&down)))
}

/// The ledger knows the disks of these brokers: from the last HEALTHY, or proven since.
fn all_proven(o: &Observation, ids: BTreeSet<BrokerId>) -> Result<(), Violation> {
    let Some(record) = o.record() else { return Err(Violation("nothing is recorded".into())) };
    let fresh: Vec<_> = ids
        .into_iter()
        .filter(|id| {
            let home = o.region(Topology::region_of(*id));
            let away = o.region(peer(Topology::region_of(*id))).temporary.as_ref();
            let disk = away
                .filter(|t| t.pods.iter().any(|pod| pod.id == *id))
                .map_or_else(|| home.disks.get(id), |t| t.disks.get(id));
            disk.is_none() || (disk != record.proven.get(id) && disk != record.disks.get(id))
        })
        .collect();
    hold(fresh.is_empty(), || format!("brokers {} run on disks that nobody has proven to hold the log", list(&fresh)))
}
