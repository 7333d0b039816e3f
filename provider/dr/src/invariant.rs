//! What must hold right before a step, whatever led there (dual-region.md 5.5).

use crate::observation::{ExporterState, Observation, Phase};
use crate::state::exporter_id;
use crate::step::{Step, exporter, no_pending, phase, snapshot_is_current, stores_equal, why_not_rebuilt};
use crate::topology::{Topology, list, peer};

/// An invariant that does not hold: the step must not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// Asserts what must hold right before `step`.
///
/// # Errors
/// The invariant that is violated, in a sentence.
pub fn assert_before(step: &Step, o: &Observation) -> Result<(), Violation> {
    let sizes = o.sizes.ok_or_else(|| Violation("the sizes of the cluster can't be read".into()))?;
    unique_ids(o)?;
    match step {
        Step::Claim { lost, .. } => {
            let survivor = peer(*lost);
            hold(o.record().is_some(), || {
                "no record says that this installation was ever healthy; a first installation looks like a loss".into()
            })?;
            hold(o.is_recorded_cluster(survivor) == Some(true), || {
                format!("region {survivor} is not the cluster that the record names")
            })?;
            lost_is_gone(o, sizes, *lost)
        }
        Step::Fence { lost } => {
            let overlaps = overlapping(&ranges(o, peer(*lost)), &ranges(o, *lost));
            hold(overlaps.is_none(), || {
                let (a, b) = overlaps.clone().unwrap_or_default();
                format!(
                    "the ranges of the regions overlap ({a} and {b}): a fence would cut region {} in itself",
                    peer(*lost)
                )
            })?;
            lost_is_gone(o, sizes, *lost)
        }
        Step::ForceRemove { lost } => {
            let survivor = peer(*lost);
            lost_is_gone(o, sizes, *lost)?;
            hold(Step::Fence { lost: *lost }.done(o), || format!("region {lost} is not fenced off"))?;
            let view = o.view_from(survivor);
            let down: Vec<_> =
                sizes.brokers(survivor).into_iter().filter(|id| !view.is_some_and(|v| v.lists(*id))).collect();
            hold(down.is_empty(), || {
                format!(
                    "brokers {} of region {survivor} are down: with two replicas a partition, each of them is needed",
                    list(&down)
                )
            })?;
            for partition in sizes.partitions() {
                hold(sizes.survivors(partition, *lost).len() >= 2, || {
                    format!("partition {partition} would be left with less than two replicas")
                })?;
            }
            // region 0 lost: the coordinator is gone and the configuration can't be read before the removal
            hold(o.configuration(Some(*lost)).is_none_or(|c| c.pending.is_none()), || pending_text(o, *lost))
        }
        Step::Divert { .. }
        | Step::StartTemporary { .. }
        | Step::CatchUp { .. }
        | Step::PointBack { .. }
        | Step::StopTemporary { .. }
        | Step::DeleteTemporary { .. } => crate::temporary::assert_before(step, o, sizes),
        Step::DisableExporter { lost } => {
            exporters_exist(o, *lost)?;
            hold(no_pending(o, Some(*lost)), || pending_text(o, *lost))?;
            hold(Step::ForceRemove { lost: *lost }.done(o), || {
                "brokers of the lost region are still members: the change would wait for them for ever".into()
            })
        }
        Step::LiftFence { lost } => {
            let record = o.record();
            if record.is_some_and(|r| r.state.is_failed_over()) && was_given_up(o, *lost) {
                // the old brokers hold an old configuration: they must be gone before anything may pass
                rebuilt(o, *lost)?;
            }
            Ok(())
        }
        Step::Snapshot { lost } => {
            hold(phase(o, *lost) == Phase::Paused, || "exporting is not paused".into())?;
            hold(Step::WebAppsOff.done(o), || "web apps or connectors still run".into())
        }
        Step::Restore { lost } => {
            hold(exporter(o, *lost) == Some(ExporterState::Disabled), || {
                format!("exporter {} is not disabled", exporter_id(*lost))
            })?;
            hold(phase(o, *lost) == Phase::Paused, || "exporting is not paused".into())?;
            hold(snapshot_is_current(o, *lost), || "no snapshot holds the positions that were exported last".into())?;
            rebuilt(o, *lost)
        }
        Step::EnableExporter { lost } => {
            exporters_exist(o, *lost)?;
            hold(no_pending(o, Some(*lost)), || pending_text(o, *lost))?;
            hold(phase(o, *lost) == Phase::Paused, || "exporting is not paused".into())?;
            hold(snapshot_is_current(o, *lost) && stores_equal(o), || "the stores are not equal".into())
        }
        Step::Resume { lost } if crate::temporary::applies(o) => hold(Step::PointBack { lost: *lost }.done(o), || {
            "not every broker exports to the rebuilt region's own store".into()
        }),
        Step::Resume { lost } => hold(Step::EnableExporter { lost: *lost }.done(o), || {
            "the exporter of the rebuilt region is not enabled: records would be missing there".into()
        }),
        // an old disk starts as soon as nothing holds it
        Step::OpenGates { region }
            if o.record().is_some_and(|r| r.state.is_failed_over() && r.lost == Some(*region))
                && was_given_up(o, *region) =>
        {
            rebuilt(o, *region)
        }
        Step::Admit { brokers } => admit(o, sizes, brokers),
        Step::AddBrokers { lost } => {
            hold(no_pending(o, Some(*lost)), || pending_text(o, *lost))?;
            hold(o.old_disks(*lost).is_empty(), || {
                format!("brokers {} of region {lost} have disks from before the fail-over", list(&o.old_disks(*lost)))
            })?;
            let view = o.view_from(peer(*lost));
            let missing: Vec<_> =
                sizes.brokers(*lost).into_iter().filter(|id| !view.is_some_and(|v| v.lists(*id))).collect();
            hold(missing.is_empty(), || format!("brokers {} do not run yet: the change would hang", list(&missing)))?;
            hold(!matches!(phase(o, *lost), Phase::Paused | Phase::Mixed), || {
                "exporting is paused: new replicas would not be".into()
            })
        }
        Step::RecordHealthy => hold(Step::AwaitHealthy.done(o), || "the installation is not healthy".into()),
        _ => Ok(()),
    }
}

/// Pod and node ranges: as seen and as recorded, because a region that is gone can't be asked.
pub fn ranges(o: &Observation, region: u32) -> Vec<String> {
    let mut ranges = o.region(region).ranges.clone();
    if let Some(recorded) = o.record().and_then(|r| r.ranges.get(&region)) {
        ranges.extend(recorded.iter().cloned());
    }
    ranges.sort();
    ranges.dedup();
    ranges
}

/// What was done can't be undone by letting the region in again.
fn was_given_up(o: &Observation, lost: u32) -> bool {
    Step::ForceRemove { lost }.done(o) || crate::temporary::started(o, lost)
}

pub(crate) fn hold(condition: bool, why: impl FnOnce() -> String) -> Result<(), Violation> {
    if condition { Ok(()) } else { Err(Violation(why())) }
}

fn rebuilt(o: &Observation, lost: u32) -> Result<(), Violation> {
    match why_not_rebuilt(o, lost) {
        None => Ok(()),
        Some(why) => Err(Violation(format!("region {lost} is not rebuilt and empty: {why}"))),
    }
}

/// Nobody sees a broker of the lost region, and the survivor is there to say so.
fn lost_is_gone(o: &Observation, sizes: Topology, lost: u32) -> Result<(), Violation> {
    let survivor = peer(lost);
    let view = o
        .view_from(survivor)
        .ok_or_else(|| Violation(format!("no gateway of region {survivor} shows the topology")))?;
    let seen: Vec<_> = sizes.brokers(lost).into_iter().filter(|id| crate::temporary::at_home(o, view, *id)).collect();
    hold(seen.is_empty(), || format!("brokers {} of region {lost} are seen: it is alive", list(&seen)))
}

fn exporters_exist(o: &Observation, lost: u32) -> Result<(), Violation> {
    let configuration =
        o.configuration(Some(lost)).ok_or_else(|| Violation("the cluster configuration can't be read".into()))?;
    for region in [0, 1] {
        let id = exporter_id(region);
        hold(configuration.exporters.contains_key(&id), || {
            format!("there is no exporter {id}: both regions need the same two exporter ids on every broker")
        })?;
    }
    Ok(())
}

fn pending_text(o: &Observation, lost: u32) -> String {
    match o.configuration(Some(lost)).map(|c| &c.pending) {
        Some(Some(pending)) => format!(
            "cluster change {} is in progress ({}); it is never cancelled silently",
            pending.id,
            pending.operations.join(", ")
        ),
        _ => "the cluster configuration can't be read".into(),
    }
}

/// No two hosts of different regions under one id: the host must lie in the namespace of the id's region.
fn unique_ids(o: &Observation) -> Result<(), Violation> {
    for region in &o.regions {
        let Some(view) = region.view.known() else { continue };
        for (id, seen) in &view.brokers {
            let namespace = &o.region(Topology::region_of(*id)).namespace;
            let away = o.region(peer(Topology::region_of(*id))).temporary.as_ref();
            let fits = namespace.is_empty()
                || away.is_some_and(|temporary| temporary.pods.iter().any(|pod| pod.id == *id))
                || seen.host.is_empty()
                || seen.host.split('.').any(|label| label == namespace)
                || !seen.host.contains('.');
            hold(fits, || {
                format!(
                    "broker {id} runs at {}, which is not in namespace {namespace}: two regions use one node id",
                    seen.host
                )
            })?;
        }
    }
    Ok(())
}

/// At most one fresh voter per partition, and only while its other replicas live. Non-members are exempt: the cluster adds
/// them one by one. So is a first installation.
fn admit(o: &Observation, sizes: Topology, brokers: &[u32]) -> Result<(), Violation> {
    let Some(record) = o.record() else { return Ok(()) };
    let configuration = o.best_configuration();
    let voters: Vec<u32> =
        brokers.iter().copied().filter(|id| configuration.is_none_or(|c| c.members.contains(id))).collect();
    if record.state.is_failed_over() && crate::temporary::applies(o) {
        return crate::temporary::assert_admit(o, sizes, brokers);
    }
    if record.state.is_failed_over() {
        return hold(voters.is_empty(), || {
            format!("brokers {} are still members: with empty disks they could outvote the living", list(&voters))
        });
    }
    for partition in sizes.partitions() {
        let replicas = sizes.replicas(partition);
        let fresh: Vec<_> = voters.iter().filter(|id| replicas.contains(id)).collect();
        if fresh.is_empty() {
            continue;
        }
        hold(fresh.len() == 1, || format!("partition {partition} would have more than one voter on an empty disk"))?;
        let live = o.best_view().is_some_and(|(_, v)| replicas.iter().all(|id| fresh.contains(&id) || v.lists(*id)));
        hold(live, || format!("partition {partition} has another replica that is down"))?;
    }
    Ok(())
}

/// The first pair of IPv4 ranges that overlap.
pub fn overlapping(a: &[String], b: &[String]) -> Option<(String, String)> {
    for x in a {
        for y in b {
            if let (Some((xs, xe)), Some((ys, ye))) = (bounds(x), bounds(y))
                && xs <= ye
                && ys <= xe
            {
                return Some((x.clone(), y.clone()));
            }
        }
    }
    None
}

fn bounds(range: &str) -> Option<(u64, u64)> {
    let (address, length) = range.split_once('/').unwrap_or((range, "32"));
    let address = u64::from(u32::from(address.parse::<std::net::Ipv4Addr>().ok()?));
    let length: u32 = length.parse().ok().filter(|l| *l <= 32)?;
    let size = 1_u64 << (32 - length);
    let start = address / size * size;
    Some((start, start + size - 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_overlap_when_one_holds_an_address_of_the_other() {
        let text = |r: &[&str]| r.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert!(overlapping(&text(&["10.0.0.0/14"]), &text(&["10.4.0.0/14"])).is_none());
        assert!(overlapping(&text(&["10.0.0.0/14"]), &text(&["10.3.255.255/32"])).is_some());
        assert!(overlapping(&text(&["10.0.0.0/8"]), &text(&["10.4.0.0/14"])).is_some());
        assert!(overlapping(&text(&["10.0.0.1"]), &text(&["10.0.0.2"])).is_none());
    }
}
