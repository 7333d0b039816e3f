//! One step: its text, when it is done, and what to do when it fails.
//!
//! Texts hold no seconds and no counts: they are planned values, and a plan must not move with the clock.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::observation::{ExporterState, Observation, Phase};
use crate::record::{FenceNote, RecordState};
use crate::state::{brokers_run, exporter_id, why_not_healthy};
use crate::topology::{BrokerId, RegionId, Topology, list, peer};

/// What can be done, one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Take the decision that a region is lost, so that nobody else can take another one.
    Claim {
        /// The region that is given up.
        lost: RegionId,
        /// The number of the decision.
        epoch: u64,
    },
    /// Deny all traffic between the regions but DNS.
    Fence {
        /// The region that is fenced off.
        lost: RegionId,
    },
    /// Withdraw the admission of brokers: none of them may start on an empty disk.
    Withdraw {
        /// Their ids.
        brokers: Vec<BrokerId>,
    },
    /// Reconfigure every partition to its surviving replicas.
    ForceRemove {
        /// The region whose brokers are removed.
        lost: RegionId,
    },
    /// Stop exporting to the lost region's store.
    DisableExporter {
        /// The region whose store is meant.
        lost: RegionId,
    },
    /// Let another store stand in for the lost region's, and restart the survivor's brokers with it.
    Divert {
        /// The region whose store is meant.
        lost: RegionId,
    },
    /// Start brokers on empty disks with the ids of every other lost one.
    StartTemporary {
        /// The region whose ids they take.
        lost: RegionId,
    },
    /// Let the rebuilt region's brokers export to the store that stands in for their own.
    DivertRebuilt {
        /// The region that was rebuilt.
        lost: RegionId,
    },
    /// See brokers that began on empty disks hold the log, and write it down.
    CatchUp {
        /// Their ids.
        brokers: Vec<BrokerId>,
    },
    /// Restart the brokers one by one with the rebuilt region's own store.
    PointBack {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Stop the temporary brokers; their disks stay.
    StopTemporary {
        /// The region whose ids they have.
        lost: RegionId,
    },
    /// See every partition commit without the temporary brokers, then delete their disks.
    DeleteTemporary {
        /// The region whose ids they had.
        lost: RegionId,
    },
    /// Let exporting and the web apps go on in the survivor after a fail-back that was given up.
    ResumeSurvivor {
        /// The region that is lost.
        lost: RegionId,
    },
    /// See every partition commit and export, then write it down.
    VerifyFailOver {
        /// The region that is lost.
        lost: RegionId,
    },
    /// Wait until the rebuilt region's store runs and its gates hold.
    CheckRebuilt {
        /// The region that was rebuilt.
        lost: RegionId,
    },
    /// Web apps and connectors off in both regions.
    WebAppsOff,
    /// Take the broker fence away and prove it; the store fence moves to the rebuilt region's ranges.
    LiftFence {
        /// The region that was fenced off.
        lost: RegionId,
    },
    /// Pause exporting on all replicas.
    Pause {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Snapshot the survivor's store.
    Snapshot {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Restore into the rebuilt region's store and compare.
    Restore {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Let the survivor's brokers reach the rebuilt region's store again.
    LiftStoreFence {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Export to the rebuilt region from where the survivor's exporter stands.
    EnableExporter {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Let exporting go on.
    Resume {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Turn a held region's gates to one broker at a time.
    OpenGates {
        /// The region whose gates were shut.
        region: RegionId,
    },
    /// Admit brokers with empty disks.
    Admit {
        /// Their ids.
        brokers: Vec<BrokerId>,
    },
    /// Take the brokers back as members, with all replicas.
    AddBrokers {
        /// The region that is being taken back.
        lost: RegionId,
    },
    /// Wait until all brokers are there, every partition has one leader and all is healthy.
    AwaitHealthy,
    /// Web apps and connectors on in both regions.
    WebAppsOn,
    /// Write down that the installation is healthy.
    RecordHealthy,
}

impl Step {
    /// What the plan says.
    pub fn text(&self, o: &Observation) -> String {
        let brokers = |lost: &RegionId| o.sizes.map_or_else(|| "of the region".to_owned(), |s| list(&s.brokers(*lost)));
        let namespace = |region: RegionId| o.region(region).namespace.clone();
        match self {
            Self::Claim { lost, epoch } => format!("claim the transition: region {lost} is lost, epoch {epoch}"),
            Self::Fence { lost } => {
                format!("fence: deny all traffic between {} and {} but DNS", namespace(peer(*lost)), namespace(*lost))
            }
            Self::Withdraw { brokers } => format!("withdraw the admission of brokers {}", list(brokers)),
            Self::ForceRemove { lost } => format!("force-remove brokers {}", brokers(lost)),
            Self::DisableExporter { lost } => format!("disable exporter {}", exporter_id(*lost)),
            Self::Divert { lost } => format!(
                "let another store stand in for the one of region {lost}, and restart the brokers of region {} with it",
                peer(*lost)
            ),
            Self::StartTemporary { lost } => format!(
                "start temporary brokers {} on empty disks in {}",
                o.sizes.map_or_else(|| "for the lost ones".to_owned(), |s| list(&s.temporary(*lost))),
                namespace(peer(*lost))
            ),
            Self::DivertRebuilt { lost } => {
                format!("let the brokers of region {lost} export to the store that stands in for theirs")
            }
            Self::CatchUp { brokers } => {
                format!("wait until brokers {} hold the log of all their partitions, and record it", list(brokers))
            }
            Self::PointBack { lost } => {
                format!("restart the brokers one by one with the store of region {lost} itself")
            }
            Self::StopTemporary { .. } => "stop the temporary brokers and keep their disks".into(),
            Self::DeleteTemporary { .. } => {
                "verify that every partition commits without the temporary brokers, else start them again; then delete their disks"
                    .into()
            }
            Self::ResumeSurvivor { lost } => {
                format!("give the fail-back up: resume exporting and the web apps in region {}", peer(*lost))
            }
            Self::VerifyFailOver { lost } => {
                format!("verify that every partition commits and exports in region {}, and record it", peer(*lost))
            }
            Self::CheckRebuilt { lost } => format!("wait until region {lost} is rebuilt, empty and held"),
            Self::WebAppsOff => "stop the web apps and connectors in both regions".into(),
            Self::LiftFence { lost } => {
                format!("lift the fence between {} and {}, and prove it", namespace(peer(*lost)), namespace(*lost))
            }
            Self::Pause { .. } => "pause exporting, and wait until no position moves".into(),
            Self::Snapshot { lost } => {
                format!("take a snapshot of the store of region {}, retaken if positions move", peer(*lost))
            }
            Self::Restore { lost } => {
                format!("restore it into the store of region {lost}, and verify that both are equal")
            }
            Self::LiftStoreFence { lost } => format!("let brokers reach the store of region {lost} again"),
            Self::EnableExporter { lost } => {
                format!("enable exporter {} from {}", exporter_id(*lost), exporter_id(peer(*lost)))
            }
            Self::Resume { .. } => "resume exporting".into(),
            Self::OpenGates { region } => format!("open the gates of region {region} to admitted brokers"),
            Self::Admit { brokers } if brokers.len() == 1 => format!("admit broker {}", list(brokers)),
            Self::Admit { brokers } => format!("admit brokers {}", list(brokers)),
            Self::AddBrokers { lost } => {
                format!("add brokers {} with all replicas of their partitions", brokers(lost))
            }
            Self::AwaitHealthy => {
                "wait until all brokers are there, every partition has one leader and all are healthy".into()
            }
            Self::WebAppsOn => "start the web apps and connectors in both regions".into(),
            Self::RecordHealthy => "verify both regions and record that the installation is healthy".into(),
        }
    }

    /// Whether there is nothing left to do, seen by itself. (Order is [`crate::next_steps`]' business.)
    pub fn done(&self, o: &Observation) -> bool {
        let Some(sizes) = o.sizes else { return false };
        let record = o.record();
        match self {
            Self::Claim { lost, .. } => record.is_some_and(|r| r.state.is_failed_over() && r.lost == Some(*lost)),
            Self::Divert { .. }
            | Self::StartTemporary { .. }
            | Self::DivertRebuilt { .. }
            | Self::CatchUp { .. }
            | Self::PointBack { .. }
            | Self::StopTemporary { .. }
            | Self::DeleteTemporary { .. } => crate::temporary::done(self, o, sizes),
            Self::Fence { lost } => {
                removed(o, sizes, *lost)
                    || (o.fence.known().is_some_and(|f| f.brokers && f.store)
                        && record.is_some_and(|r| matches!(r.fence, FenceNote::Proven | FenceNote::Unproven)))
            }
            Self::Withdraw { brokers } => brokers.iter().all(|id| {
                let admits = o.region(peer(Topology::region_of(*id)));
                admits.unread.is_none() && !admits.admits.contains(id)
            }),
            Self::ForceRemove { lost } => removed(o, sizes, *lost) && no_pending(o, Some(*lost)),
            Self::DisableExporter { lost } => {
                exporter(o, *lost) == Some(ExporterState::Disabled) && no_pending(o, Some(*lost))
            }
            Self::ResumeSurvivor { lost } => {
                !matches!(phase(o, *lost), Phase::Paused | Phase::Mixed)
                    && o.region(peer(*lost)).mode.as_ref().is_none_or(|mode| mode.web_apps)
            }
            Self::VerifyFailOver { lost } => {
                record.is_some_and(|r| r.state == RecordState::FailedOver && r.lost == Some(*lost))
            }
            Self::CheckRebuilt { lost } => restored(o, *lost) || why_not_rebuilt(o, *lost).is_none(),
            Self::WebAppsOff => o.regions.iter().all(|region| {
                region.mode.as_ref().is_some_and(|m| !m.web_apps) && region.web_apps_running == Some(false)
            }),
            Self::LiftFence { lost } => {
                !o.fence.known().is_none_or(|f| f.any)
                    && (record.is_none_or(|r| {
                        r.fence == FenceNote::Lifted || !r.state.is_failed_over() && r.fence == FenceNote::None
                    }) || restored(o, *lost))
            }
            Self::Pause { lost } => restored(o, *lost) || phase(o, *lost) == Phase::Paused,
            Self::Snapshot { lost } => restored(o, *lost) || snapshot_is_current(o, *lost),
            Self::Restore { lost } => restored(o, *lost) || (snapshot_is_current(o, *lost) && stores_equal(o)),
            Self::LiftStoreFence { .. } => o.fence.known().is_some_and(|f| !f.store) || o.fence == crate::Part::Absent,
            Self::EnableExporter { lost } => restored(o, *lost) && no_pending(o, Some(*lost)),
            Self::Resume { lost } => {
                restored(o, *lost)
                    && exporter(o, *lost) == Some(ExporterState::Enabled)
                    && phase(o, *lost) == Phase::Exporting
            }
            Self::OpenGates { region } => o.region(*region).mode.as_ref().is_none_or(|mode| !mode.hold),
            Self::Admit { brokers } => brokers.iter().all(|id| {
                let survivor = peer(Topology::region_of(*id));
                o.view_from(survivor).is_some_and(|view| crate::temporary::at_home(o, view, *id))
                    && o.region(Topology::region_of(*id)).pods.iter().all(|pod| pod.id != *id || !pod.waiting)
            }),
            Self::AddBrokers { lost } => o.configuration(Some(*lost)).is_some_and(|c| {
                c.members == sizes.all()
                    && c.replicas.values().all(|r| r.len() == sizes.replication_factor as usize)
                    && c.pending.is_none()
            }),
            Self::AwaitHealthy => why_not_healthy(o, sizes).is_none(),
            Self::WebAppsOn => {
                o.regions.iter().all(|region| !region.api.is_known() || region.mode.as_ref().is_none_or(|m| m.web_apps))
            }
            // a claim that nobody carried out must not block the next one
            Self::RecordHealthy => records_say_healthy(o) && o.open_claim().is_none(),
        }
    }

    /// What the operator can do when the step fails.
    pub fn on_failure(&self) -> &'static str {
        match self {
            Self::Claim { .. } => {
                "Nothing was changed. If another operator claimed the transition, let that apply finish."
            }
            Self::Fence { .. } => {
                "The lost region is not surely kept away, so no broker was removed. Check the firewall rules `c8-fence-*` and the permission to change them, then apply again."
            }
            Self::Withdraw { .. } | Self::OpenGates { .. } | Self::WebAppsOff | Self::WebAppsOn => {
                "Check the permission to change objects in the namespace, then apply again."
            }
            Self::ForceRemove { .. } => {
                "A change that is in progress is never cancelled. Repair the brokers of the surviving region that are down, then apply again."
            }
            Self::DisableExporter { .. } | Self::EnableExporter { .. } => {
                "Repair the brokers that are down; the change goes on by itself. Then apply again."
            }
            Self::Divert { .. } | Self::StartTemporary { .. } | Self::DivertRebuilt { .. } | Self::PointBack { .. } => {
                "Look at the pods that do not start (kubectl describe): there may be no room for them. Then apply again."
            }
            Self::CatchUp { .. } => {
                "Look at the log of these brokers. Nothing else is started before they hold the log."
            }
            Self::StopTemporary { .. } | Self::DeleteTemporary { .. } => {
                "The temporary brokers' disks are still there. Repair the brokers that are down, then apply again."
            }
            Self::ResumeSurvivor { .. } | Self::Resume { .. } | Self::Pause { .. } => {
                "Every partition needs a leader and all its replicas. Repair the brokers that are down, then apply again."
            }
            Self::VerifyFailOver { .. } => {
                "The engine may work while exporting stalls. Restart the brokers of the surviving region one by one, then apply again."
            }
            Self::CheckRebuilt { .. } => "Rebuild the region with `-replace` of its `c8_region`, then apply again.",
            Self::LiftFence { .. } => {
                "Check that the firewall admits the regions to each other (`c8_firewall`) and that names resolve (`c8_dns_chain`), then apply again."
            }
            Self::Snapshot { .. } | Self::Restore { .. } => {
                "Exporting is paused and nothing is lost meanwhile; the log grows. Check both stores and the bucket, then apply again."
            }
            Self::LiftStoreFence { .. } => "Check the permission to change firewall rules, then apply again.",
            Self::Admit { .. } => {
                "Look at the log of the init container `gate` of the brokers that wait, then apply again."
            }
            Self::AddBrokers { .. } => {
                "The change goes on by itself as soon as all brokers run and reach each other. Then apply again."
            }
            Self::AwaitHealthy | Self::RecordHealthy => {
                "Look at the brokers that are missing or unhealthy, then apply again."
            }
        }
    }
}

/// The survivor's configuration holds its own brokers only.
pub(crate) fn removed(o: &Observation, sizes: Topology, lost: RegionId) -> bool {
    o.configuration(Some(lost)).is_some_and(|c| c.members == sizes.brokers(peer(lost)))
}

/// No cluster change is in progress, and that is known.
pub(crate) fn no_pending(o: &Observation, lost: Option<RegionId>) -> bool {
    crate::temporary::applies(o) || o.configuration(lost).is_some_and(|c| c.pending.is_none())
}

/// State of the exporter to the lost region's store, as the survivor sees it.
pub(crate) fn exporter(o: &Observation, lost: RegionId) -> Option<ExporterState> {
    if crate::temporary::applies(o) {
        return Some(crate::temporary::exporter(o, lost));
    }
    o.configuration(Some(lost))?.exporters.get(&exporter_id(lost)).copied()
}

/// What the survivor's brokers say about exporting.
pub(crate) fn phase(o: &Observation, lost: RegionId) -> Phase {
    o.region(peer(lost)).exporting.known().map_or(Phase::Unknown, |e| e.phase)
}

/// The milestone of a fail-back: the store was restored and the exporter enabled *after* it, because the record says so right
/// before. An enabled exporter alone says nothing: it is enabled before a fail-over too. With temporary brokers the record alone
/// says it: it is written once both stores are equal, and exporting is paused until every broker has its own store again.
pub(crate) fn restored(o: &Observation, lost: RegionId) -> bool {
    o.record().is_some_and(|r| r.state == RecordState::FailingBack && r.lost == Some(lost))
        && (crate::temporary::applies(o) || exporter(o, lost) == Some(ExporterState::Enabled))
}

/// A complete snapshot of this epoch holds exactly the positions at which the survivor's exporters are paused.
pub(crate) fn snapshot_is_current(o: &Observation, lost: RegionId) -> bool {
    let survivor = o.region(peer(lost));
    let epoch = o.record().map_or(0, |r| r.epoch);
    match (survivor.store.known().and_then(|s| s.snapshot.as_ref()), survivor.exporting.known()) {
        (Some(snapshot), Some(exporting)) => {
            exporting.phase == Phase::Paused
                && snapshot.epoch == epoch
                && !exporting.positions.is_empty()
                && snapshot.positions == exporting.positions
        }
        _ => false,
    }
}

/// Both stores hold the same indices, the same number of documents in each, and the same records per partition.
pub fn stores_equal(o: &Observation) -> bool {
    match (o.region(0).store.known(), o.region(1).store.known()) {
        (Some(a), Some(b)) => a.indices == b.indices && a.partitions == b.partitions,
        _ => false,
    }
}

/// What keeps a region from being taken back: it must be another cluster (or have other disks), run a store, and hold.
pub fn why_not_rebuilt(o: &Observation, lost: RegionId) -> Option<String> {
    let region = o.region(lost);
    if let Some(why) = region.api.why() {
        return Some(format!("its Kubernetes API does not answer ({why})"));
    }
    if !region.api.is_known() {
        return Some("its cluster does not exist".into());
    }
    if let Some(why) = &region.unread {
        return Some(format!("nobody knows which brokers and disks it has ({why})"));
    }
    let old = o.old_disks(lost);
    if !old.is_empty() {
        return Some(format!("brokers {} still have their disks from before the fail-over", list(&old)));
    }
    if o.is_recorded_cluster(lost) == Some(true) && brokers_run(o, lost) {
        return Some("it is the cluster from before the fail-over, and its brokers run".into());
    }
    if region.pods.is_empty() {
        return Some("no brokers are installed in it".into());
    }
    let admitted = o.region(peer(lost)).admits.clone();
    let loose: Vec<_> = region.pods.iter().filter(|p| p.running && !admitted.contains(&p.id)).map(|p| p.id).collect();
    if !loose.is_empty() {
        return Some(format!("brokers {} run although nobody admitted them", list(&loose)));
    }
    match region.store.known() {
        Some(store) if store.healthy => None,
        Some(_) => Some("its Elasticsearch is not healthy".into()),
        None => Some(format!("its Elasticsearch does not answer ({})", region.store.why().unwrap_or("not installed"))),
    }
}

/// Every region that answers holds a record of this installation that says HEALTHY, all of the same age, naming the clusters
/// and disks that are there.
fn records_say_healthy(o: &Observation) -> bool {
    let Some(newest) = o.record() else { return false };
    newest.state == RecordState::Healthy
        && o.regions.iter().all(|region| {
            let Some(uid) = region.api.known() else { return true };
            let named = newest.cluster_uids.get(&region.id) == Some(uid);
            let same_disks =
                region.disks.iter().all(|(id, disk)| newest.disks.get(id).is_none_or(|named| named == disk));
            let copied = match &region.record {
                crate::Part::Known(record) => record.says_the_same(newest),
                crate::Part::Unreachable(_) => true,
                crate::Part::Absent => false,
            };
            named && same_disks && copied
        })
}

/// Brokers that wait at their gate and are not admitted yet.
pub(crate) fn waiting(o: &Observation, region: RegionId) -> BTreeSet<BrokerId> {
    o.region(region).pods.iter().filter(|pod| pod.waiting).map(|pod| pod.id).collect()
}
