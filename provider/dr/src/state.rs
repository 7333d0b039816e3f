//! From an observation to a state (dual-region.md 5.2).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::observation::{ExporterState, Fence, Observation, Part, Phase, Region};
use crate::record::RecordState;
use crate::topology::{RegionId, Topology, peer};

/// What the installation is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// No release in either region.
    Absent,
    /// On the way to its first HEALTHY.
    Forming,
    /// Both regions active, all brokers there, one leader per partition, all exporters on.
    Healthy,
    /// Something is missing, but no region is lost; why.
    Degraded(String),
    /// All brokers of the region are gone and no partition has a leader.
    RegionLost(RegionId),
    /// Both regions live but do not see each other: nobody has a quorum.
    Isolated,
    /// Claimed; the fail-over is not finished.
    FailingOver(RegionId),
    /// The survivor runs alone.
    FailedOver(RegionId),
    /// As `FailedOver`, and the lost region was rebuilt.
    Rebuilt(RegionId),
    /// The fail-back is on its way.
    FailingBack(RegionId),
    /// The region came back with its old disks before anything was removed; a fence or a claim is left.
    Returning(RegionId),
    /// Contradicting records, or leaders on both sides: nothing may be changed.
    Split(String),
    /// Not enough answers to say anything.
    Unknown(String),
}

impl State {
    /// The lost region.
    pub fn lost(&self) -> Option<RegionId> {
        match self {
            Self::RegionLost(lost)
            | Self::FailingOver(lost)
            | Self::FailedOver(lost)
            | Self::Rebuilt(lost)
            | Self::FailingBack(lost)
            | Self::Returning(lost) => Some(*lost),
            _ => None,
        }
    }

    /// As an attribute's value: `region_lost`.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Forming => "forming",
            Self::Healthy => "healthy",
            Self::Degraded(_) => "degraded",
            Self::RegionLost(_) => "region_lost",
            Self::Isolated => "isolated",
            Self::FailingOver(_) => "failing_over",
            Self::FailedOver(_) => "failed_over",
            Self::Rebuilt(_) => "region_rebuilt",
            Self::FailingBack(_) => "failing_back",
            Self::Returning(_) => "returning",
            Self::Split(_) => "split",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.phase().to_uppercase())?;
        match (self, self.lost()) {
            (_, Some(lost)) => write!(f, "({lost})"),
            (Self::Degraded(why) | Self::Split(why) | Self::Unknown(why), _) => write!(f, ": {why}"),
            _ => Ok(()),
        }
    }
}

/// The exporter that writes to a region's store (8.4–8.7).
pub fn exporter_id(region: RegionId) -> String {
    format!("elasticsearchregion{region}")
}

/// What the observation means.
pub fn classify(o: &Observation) -> State {
    if o.records_contradict() {
        return State::Split("the DR records of both regions have the same age but say different things".into());
    }
    if o.regions.iter().all(|region| !region.api.is_known()) {
        if o.regions.iter().all(|region| region.api == Part::Absent) {
            return State::Absent;
        }
        return State::Unknown("the Kubernetes API of neither region answers".into());
    }
    let unread = o.regions.iter().find(|r| r.api.is_known() && matches!(r.record, Part::Unreachable(_)));
    if let (None, Some(region)) = (o.record(), unread) {
        return unread_record(region);
    }
    if let Some(why) = two_halves_lead(o) {
        return State::Split(why);
    }
    let record = o.record();
    let Some(sizes) = o.sizes else {
        return match record {
            None if o.regions.iter().all(|r| r.pods.is_empty()) => State::Absent,
            None => State::Forming,
            Some(_) => State::Unknown("the sizes of the cluster can't be read".into()),
        };
    };
    if let Some(record) = record
        && record.state.is_failed_over()
        && let Some(lost) = record.lost
    {
        return claimed(o, sizes, record.state, lost);
    }
    if let Some(lost) = amputated(o, sizes) {
        // brokers were removed but no record says so: the claim's record was lost, or somebody did it by hand
        return State::FailingOver(lost);
    }
    match (unclaimed(o, sizes), unread) {
        // what can't be read may be newer; but a region that is half dead must not be in the way of giving it up
        (state @ State::Isolated, _) => state,
        (State::RegionLost(lost), Some(region)) if region.id == lost => State::RegionLost(lost),
        (_, Some(region)) => unread_record(region),
        (state, None) => state,
    }
}

fn unread_record(region: &Region) -> State {
    State::Unknown(format!(
        "the DR record of region {} can't be read: {}",
        region.id,
        region.record.why().unwrap_or_default()
    ))
}

/// The record says that a region was given up.
fn claimed(o: &Observation, sizes: Topology, state: RecordState, lost: RegionId) -> State {
    let survivor = peer(lost);
    if !o.region(survivor).api.is_known() {
        return State::Unknown(format!("region {survivor} holds the only data and does not answer"));
    }
    if matches!(o.region(survivor).record, Part::Unreachable(_)) {
        return unread_record(o.region(survivor));
    }
    if let Some(why) = &o.region(survivor).unread {
        return State::Unknown(format!("region {survivor} holds the only data and can't be looked at: {why}"));
    }
    if crate::temporary::applies(o) {
        return crate::temporary::claimed(o, sizes, state, lost, is_rebuilt(o, lost));
    }
    let only_survivors = o.configuration(Some(lost)).is_some_and(|c| c.members == sizes.brokers(survivor));
    let returned = o.view_from(survivor).is_some_and(|view| sizes.brokers(lost).iter().all(|id| view.lists(*id)));
    match state {
        RecordState::FailingOver if !only_survivors && returned => State::Returning(lost),
        RecordState::FailingOver => State::FailingOver(lost),
        RecordState::FailingBack => State::FailingBack(lost),
        _ if !only_survivors && o.configuration(Some(lost)).is_some() => State::FailingBack(lost),
        _ => {
            let exporter_off = o
                .configuration(Some(lost))
                .is_none_or(|c| c.exporters.get(&exporter_id(lost)) == Some(&ExporterState::Disabled));
            let paused =
                o.region(survivor).exporting.known().is_some_and(|e| matches!(e.phase, Phase::Paused | Phase::Mixed));
            let apps_off = o.region(survivor).mode.as_ref().is_some_and(|m| !m.web_apps);
            if !exporter_off || paused || apps_off {
                State::FailingBack(lost)
            } else if is_rebuilt(o, lost) {
                State::Rebuilt(lost)
            } else {
                State::FailedOver(lost)
            }
        }
    }
}

/// Another cluster, or one without the old disks, in which no broker runs.
fn is_rebuilt(o: &Observation, lost: RegionId) -> bool {
    o.is_recorded_cluster(lost) == Some(false)
        || (o.region(lost).api.is_known()
            && o.region(lost).unread.is_none()
            && o.old_disks(lost).is_empty()
            && !brokers_run(o, lost))
}

/// Nothing was given up so far.
fn unclaimed(o: &Observation, sizes: Topology) -> State {
    let was_healthy = o.record().is_some();
    let not_yet = |why: String| {
        if was_healthy { State::Degraded(why) } else { State::Forming }
    };
    if was_healthy && isolated(o, sizes) {
        return State::Isolated;
    }
    if o.best_view().is_none() {
        let any = o.regions.iter().any(|region| !region.pods.is_empty());
        return match (was_healthy, any) {
            (false, false) => State::Absent,
            (false, true) => State::Forming,
            (true, _) => silent_gateways(o),
        };
    }
    if let Some(why) = why_not_healthy(o, sizes) {
        for lost in [0, 1] {
            let survivor = peer(lost);
            let Some(view) = o.view_from(survivor) else { continue };
            let gone = sizes.brokers(lost).iter().all(|id| !view.lists(*id));
            let left = sizes.brokers(survivor).iter().any(|id| view.lists(*id));
            if gone && left && view.led().is_empty() && was_healthy {
                if let Some(why) = &o.region(survivor).unread {
                    return State::Unknown(format!("region {survivor} can't be looked at: {why}"));
                }
                // two witnesses: the survivor does not see its brokers, and its own Kubernetes does not show them either;
                // one that answers and does not let us look may have them
                let region = o.region(lost);
                let alive = region.forbidden
                    || (o.is_recorded_cluster(lost) == Some(true)
                        && (region.unread.is_some() || region.pods.iter().any(|pod| pod.running && pod.ready)));
                return if alive { State::Isolated } else { State::RegionLost(lost) };
            }
        }
        return not_yet(why);
    }
    if let Some(Fence { any: true, .. }) = o.fence.known() {
        let lost = o.record().and_then(|r| r.lost).unwrap_or(1);
        return State::Returning(lost);
    }
    State::Healthy
}

/// No gateway answers although the installation was healthy before.
fn silent_gateways(o: &Observation) -> State {
    let why: Vec<String> = o
        .regions
        .iter()
        .map(|region| {
            let why = region.api.why().or(region.view.why()).unwrap_or("no gateway runs");
            format!("region {}: {why}", region.id)
        })
        .collect();
    State::Unknown(format!("no gateway shows the topology ({})", why.join("; ")))
}

/// What keeps the installation from being HEALTHY; `None` if it is.
pub fn why_not_healthy(o: &Observation, sizes: Topology) -> Option<String> {
    let Some((_, view)) = o.best_view() else {
        return Some("no gateway shows the topology".into());
    };
    let missing: Vec<_> = sizes.all().into_iter().filter(|id| !view.lists(*id)).collect();
    if !missing.is_empty() {
        return Some(format!("brokers {} are missing", crate::topology::list(&missing)));
    }
    let led = view.led();
    let leaderless: Vec<_> = sizes.partitions().filter(|p| !led.contains(p)).collect();
    if !leaderless.is_empty() {
        return Some(format!("partitions {} do not have exactly one leader", crate::topology::list(&leaderless)));
    }
    if !view.all_healthy() {
        return Some("a replica is unhealthy".into());
    }
    let configured = if crate::temporary::applies(o) {
        crate::temporary::why_not_healthy(o, sizes, view)
    } else {
        why_not_configured(o, sizes)
    };
    let paused = o
        .regions
        .iter()
        .any(|region| region.exporting.known().is_some_and(|e| matches!(e.phase, Phase::Paused | Phase::Mixed)));
    configured.or_else(|| paused.then(|| "exporting is paused".into()))
}

/// What the cluster configuration lacks.
fn why_not_configured(o: &Observation, sizes: Topology) -> Option<String> {
    let Some(configuration) = o.configuration(None) else {
        return Some("the cluster configuration can't be read".into());
    };
    if let Some(pending) = &configuration.pending {
        return Some(format!("cluster change {} is in progress", pending.id));
    }
    if configuration.members != sizes.all() {
        return Some("not all brokers are members".into());
    }
    let thin = configuration.replicas.values().any(|replicas| replicas.len() != sizes.replication_factor as usize);
    if thin || configuration.replicas.len() != sizes.partition_count as usize {
        return Some("a partition does not have all its replicas".into());
    }
    for region in [0, 1] {
        let id = exporter_id(region);
        if configuration.exporters.get(&id) != Some(&ExporterState::Enabled) {
            return Some(format!("exporter {id} is not enabled"));
        }
    }
    None
}

/// The configuration holds one region's brokers only: the region that was removed.
pub fn amputated(o: &Observation, sizes: Topology) -> Option<RegionId> {
    [0, 1]
        .into_iter()
        .find(|lost| o.configuration(Some(*lost)).is_some_and(|c| c.members == sizes.brokers(peer(*lost))))
}

/// Whether the region's own Kubernetes shows brokers past their gate.
pub fn brokers_run(o: &Observation, region: RegionId) -> bool {
    o.region(region).pods.iter().any(|pod| pod.running)
}

fn isolated(o: &Observation, sizes: Topology) -> bool {
    [0, 1].into_iter().all(|here| {
        o.is_recorded_cluster(here) == Some(true)
            && brokers_run(o, here)
            && o.view_from(here).is_some_and(|view| {
                sizes.brokers(here).iter().any(|id| view.lists(*id))
                    && sizes.brokers(peer(here)).iter().all(|id| !view.lists(*id))
            })
    })
}

fn two_halves_lead(o: &Observation) -> Option<String> {
    let sizes = o.sizes?;
    let alone = |here: RegionId| {
        o.view_from(here)
            .filter(|view| !view.led().is_empty() && sizes.brokers(peer(here)).iter().all(|id| !view.lists(*id)))
    };
    match (alone(0), alone(1)) {
        (Some(_), Some(_)) => Some("both regions lead partitions and do not see each other".into()),
        _ => None,
    }
}
