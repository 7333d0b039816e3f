//! Changes of the cluster: who is a member, and which exporters run.
//!
//! A call that failed is never repeated blindly: look first. A change that is in progress is never cancelled.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use c8_clients::{
    Pace,
    zeebe::{Error, PlannedChange, ProbeAnswer, Zeebe},
};
use c8_dr::{BrokerId, Observation, Part, PartitionId, Step, Strategy, Topology, peer, state::exporter_id};
use c8_release::record::RecordState;
use terraform_plugin::Fault;

use crate::failover::{
    engine::{self, Reports},
    record::note_proven,
    run::Run,
};

/// Time for a reason to pass for which a change fails: a broker that was restarted is unknown to the gateway until it was probed.
const PASSING: Duration = Duration::from_secs(60);
/// Time for the configuration to be readable after a call whose outcome is not known.
const UNREADABLE: Duration = Duration::from_secs(2 * 60);
/// Time without any partition that answers or exports more than before.
const STALLED: Duration = Duration::from_secs(2 * 60);

impl Run<'_> {
    pub(super) fn zeebe(&self, region: u32) -> Result<Zeebe, Fault> {
        self.kubernetes(region)?;
        let alive = self.reach[usize::from(region != 0)].alive();
        let alive = alive.ok_or_else(|| fault(&format!("region {region} does not answer")))?;
        Ok(engine::zeebe(self.at(region), alive))
    }

    pub(super) fn sizes(&self) -> Result<Topology, Fault> {
        self.o().sizes.ok_or_else(|| fault("the sizes of the cluster can't be read"))
    }

    pub(super) async fn force_remove(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let keep = self.sizes()?.brokers(survivor);
        let ids: Vec<BrokerId> = keep.iter().copied().collect();
        let zeebe = self.zeebe(survivor)?;
        let plan = self.ask_until(|| zeebe.force_keep(&ids, true), None).await?;
        if let Some(plan) = plan {
            check_removal(&plan, &keep).map_err(|why| fault(&why))?;
        }
        self.still_ours().await?;
        self.ask_until(|| zeebe.force_keep(&ids, false), Some(Step::ForceRemove { lost })).await?;
        Ok(())
    }

    pub(super) async fn disable_exporter(&mut self, lost: u32) -> Result<(), Fault> {
        let zeebe = self.zeebe(peer(lost))?;
        let id = exporter_id(lost);
        self.ask_until(|| zeebe.disable_exporter(&id), Some(Step::DisableExporter { lost })).await?;
        Ok(())
    }

    pub(super) async fn enable_exporter(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        // written right before: an enabled exporter means "restored" only from here on
        self.record(survivor, |record| record.state = RecordState::FailingBack).await?;
        let zeebe = self.zeebe(survivor)?;
        let (id, from) = (exporter_id(lost), exporter_id(survivor));
        self.ask_until(|| zeebe.enable_exporter(&id, &from), Some(Step::EnableExporter { lost })).await?;
        Ok(())
    }

    pub(super) async fn add_brokers(&mut self, lost: u32) -> Result<(), Fault> {
        let sizes = self.sizes()?;
        let all: Vec<BrokerId> = sizes.all().into_iter().collect();
        let zeebe = self.zeebe(peer(lost))?;
        self.ask_until(|| zeebe.add(&all, sizes.replication_factor, false), Some(Step::AddBrokers { lost })).await?;
        self.report.push(format!("brokers {} are members again", c8_dr::topology::list(&sizes.brokers(lost))));
        Ok(())
    }

    /// Asks; after a failure that may pass it looks whether the step was done all the same, and asks again.
    pub(super) async fn ask_until<T, F>(
        &mut self,
        mut ask: impl FnMut() -> F,
        step: Option<Step>,
    ) -> Result<Option<T>, Fault>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let pace = Pace::begin();
        let passing = self.wait.within(PASSING);
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error @ (Error::Rejected(_) | Error::NotFound(_))) => return Err(fault(&error.to_string())),
                Err(error) if passing.left().is_zero() => return Err(fault(&error.to_string())),
                Err(error) => error,
            };
            tracing::info!(%error, "asked in vain");
            self.pause(pace.pause()).await?;
            let Some(step) = &step else { continue };
            let wait = self.wait.within(UNREADABLE);
            loop {
                self.look().await;
                match outcome(step, &error, self.o()) {
                    Outcome::Done => return Ok(None),
                    Outcome::NotDone => break,
                    Outcome::Unknown => wait.pause(pace.pause()).await.map_err(|ended| {
                        fault(&format!("{error}; whether it was done all the same can't be read ({ended})"))
                    })?,
                }
            }
            self.still_ours().await?;
        }
    }

    pub(super) async fn verify_fail_over(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        self.prove_progress(survivor).await?;
        let state = self.data_loss(survivor);
        // three of four replicas live: what committed lies on all of them
        let temporary = self.o().region(survivor).temporary.clone().unwrap_or_default();
        self.record(survivor, |record| {
            record.state = RecordState::FailedOver;
            note_proven(record, &temporary.disks);
        })
        .await?;
        self.report.push(format!("every partition committed a command in region {survivor}, and exported it"));
        self.report.push(state);
        self.report.push(
            "outside of what is replicated: unfinished batch operations and task assignments that only the lost region's web apps knew"
                .into(),
        );
        Ok(())
    }

    /// A command per partition, and the survivor's exporter past it. A backlog may take its time, as long as it shrinks.
    async fn prove_progress(&mut self, survivor: u32) -> Result<(), Fault> {
        let partitions: BTreeSet<PartitionId> = self.sizes()?.partitions().collect();
        let zeebe = self.zeebe(survivor)?;
        let mut wait = self.wait.within(STALLED);
        let pace = Pace::begin();
        let mut progress = Progress { open: partitions.clone(), ..Progress::default() };
        loop {
            let asked = progress.asked();
            let mut why = String::new();
            let mut moved = false;
            if !asked.is_empty() {
                match zeebe.probe(&asked).await {
                    Ok(answers) => {
                        for (partition, answer) in answers {
                            match answer {
                                ProbeAnswer::Processed => moved |= progress.open.remove(&partition),
                                ProbeAnswer::NoLeader(text) => why = format!("partition {partition}: {text}"),
                            }
                        }
                    }
                    Err(error) => why = error.to_string(),
                }
            }
            if progress.open.is_empty() {
                match engine::all_reports(&zeebe, self.at(survivor), self.o().region(survivor)).await {
                    Part::Known(reports) => match progress.see(&partitions, &reports) {
                        Seen::Done => return Ok(()),
                        Seen::Behind { moved: exported, partitions } => {
                            moved |= exported;
                            why = format!("partitions {} do not export", c8_dr::topology::list(&partitions));
                        }
                    },
                    Part::Unreachable(error) => why = error,
                    Part::Absent => why = "no broker runs".to_owned(),
                }
            }
            if moved {
                wait = self.wait.within(STALLED);
            }
            if let Err(ended) = wait.pause(pace.pause()).await {
                return Err(fault(&format!("{why} ({ended})")));
            }
        }
    }

    /// Earned only if both surviving replicas of every partition are on the disks that the record knew.
    fn data_loss(&self, survivor: u32) -> String {
        let o = self.o();
        let (Some(sizes), Some(record)) = (o.sizes, o.record()) else {
            return "data_loss: possible: nothing is recorded".into();
        };
        let known = |id: &BrokerId| {
            let disk = o.region(survivor).disks.get(id);
            disk.is_some() && disk == record.disks.get(id)
        };
        let doubtful: Vec<PartitionId> = sizes
            .partitions()
            .filter(|partition| !sizes.survivors(*partition, peer(survivor)).iter().all(known))
            .collect();
        if doubtful.is_empty() {
            return format!(
                "data_loss: none proven; both replicas of every partition in region {survivor} are on the disks of the last healthy record"
            );
        }
        format!(
            "data_loss: possible: partitions {}; a replica of them in region {survivor} is not on the disk of the last healthy record",
            c8_dr::topology::list(&doubtful)
        )
    }
}

/// What became of a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It was done, or is on its way: a change that is in progress may well be ours, and confirming it is the caller's.
    Done,
    NotDone,
    Unknown,
}

fn outcome(step: &Step, error: &Error, o: &Observation) -> Outcome {
    // leaders say nothing of a follower that was not told, and it may lead at any time (seen with Zeebe 8.0)
    if matches!((step, error), (Step::Pause { .. } | Step::Resume { .. }, Error::Incomplete(_)))
        && Strategy::seen(o).is_temporary()
    {
        return Outcome::NotDone;
    }
    let configuration = o.best_configuration();
    if step.done(o) || configuration.is_some_and(|c| c.pending.is_some()) {
        return Outcome::Done;
    }
    // a change that was made twice is not the same change: enabling an exporter again starts it anew. Only a forced removal
    // is asked for without knowing: with broker 0 gone nobody can read the configuration, and it names its end state
    match (step, configuration) {
        (Step::ForceRemove { .. } | Step::Pause { .. } | Step::Resume { .. } | Step::ResumeSurvivor { .. }, _)
        | (_, Some(_)) => Outcome::NotDone,
        (_, None) => Outcome::Unknown,
    }
}

/// How far the survivor has come.
#[derive(Debug, Default)]
struct Progress {
    /// Partitions that have not answered a command.
    open: BTreeSet<PartitionId>,
    /// Processed positions right after all of them had: the commands lie at or below.
    goal: BTreeMap<PartitionId, i64>,
    exported: BTreeMap<PartitionId, i64>,
    behind: BTreeSet<PartitionId>,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Done,
    Behind { moved: bool, partitions: Vec<PartitionId> },
}

impl Progress {
    /// Who is sent a command: also those that are behind, again and again. An exporter does not move past a record that it filters out while an
    /// earlier one is not flushed, and on an idle partition nothing else would come that moves it (seen with Zeebe 8.0).
    fn asked(&self) -> Vec<PartitionId> {
        self.open.union(&self.behind).copied().collect()
    }

    /// Compares what the leaders say with what must be exported. A partition that says nothing is behind.
    fn see(&mut self, partitions: &BTreeSet<PartitionId>, reports: &Reports) -> Seen {
        let leaders = || reports.values().flatten().filter(|(_, report)| report.is_leader());
        for (id, report) in leaders() {
            if let Some(position) = report.processed_position {
                self.goal.entry(*id).or_insert(position);
            }
        }
        let exported: BTreeMap<PartitionId, i64> =
            leaders().filter_map(|(id, report)| Some((*id, report.exported_position?))).collect();
        let behind: Vec<PartitionId> = partitions
            .iter()
            .copied()
            .filter(|id| !matches!((self.goal.get(id), exported.get(id)), (Some(goal), Some(now)) if now >= goal))
            .collect();
        let moved = behind.iter().any(|id| exported.get(id) > self.exported.get(id));
        self.exported = exported;
        self.behind = behind.iter().copied().collect();
        if behind.is_empty() { Seen::Done } else { Seen::Behind { moved, partitions: behind } }
    }
}

/// The plan of a forced removal must touch nothing but the removal.
fn check_removal(plan: &PlannedChange, keep: &BTreeSet<BrokerId>) -> Result<(), String> {
    for operation in &plan.planned_changes {
        let named: BTreeSet<BrokerId> = operation.brokers.iter().copied().collect();
        let fits = match operation.operation.as_str() {
            "PARTITION_FORCE_RECONFIGURE" => !named.is_empty() && named.is_subset(keep),
            "BROKER_REMOVE" => named.is_disjoint(keep),
            _ => true,
        };
        if !fits {
            return Err(format!(
                "the engine would do something else than remove the lost region's brokers ({} of {named:?}); nothing was changed",
                operation.operation
            ));
        }
    }
    Ok(())
}

fn fault(why: &str) -> Fault {
    Fault::new("The cluster can't be changed", format!("{why}."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_removal_that_would_amputate_the_survivor_is_refused() {
        let plan = |kept: [u32; 2], removed: u32| -> PlannedChange {
            serde_json::from_value(json!({
                "changeId": 6,
                "plannedChanges": [
                    {"operation": "PARTITION_FORCE_RECONFIGURE", "brokerId": 2, "partitionId": 1, "brokers": kept},
                    {"operation": "BROKER_REMOVE", "brokerId": 0, "brokers": [removed]},
                ],
                "expectedTopology": [],
            }))
            .unwrap()
        };
        let keep = BTreeSet::from([0, 2]);
        assert!(check_removal(&plan([2, 0], 1), &keep).is_ok());
        assert!(check_removal(&plan([1, 3], 1), &keep).is_err());
        assert!(check_removal(&plan([2, 0], 0), &keep).is_err());
    }

    #[test]
    fn a_change_is_not_asked_for_again_before_its_outcome_is_known() {
        let silent = Error::NoAnswer(String::new());
        let blind = Observation::default();
        assert_eq!(outcome(&Step::EnableExporter { lost: 1 }, &silent, &blind), Outcome::Unknown);
        assert_eq!(outcome(&Step::AddBrokers { lost: 1 }, &silent, &blind), Outcome::Unknown);
        assert_eq!(outcome(&Step::ForceRemove { lost: 0 }, &silent, &blind), Outcome::NotDone);
        let mut seen = Observation::default();
        let mut configuration = c8_dr::Configuration::default();
        seen.region_mut(0).configuration = c8_dr::Part::Known(configuration.clone());
        assert_eq!(outcome(&Step::EnableExporter { lost: 1 }, &silent, &seen), Outcome::NotDone);
        configuration.pending = Some(c8_dr::Pending::default());
        seen.region_mut(0).configuration = c8_dr::Part::Known(configuration);
        assert_eq!(outcome(&Step::EnableExporter { lost: 1 }, &silent, &seen), Outcome::Done);
    }

    #[rstest]
    #[case("8.2.33", Error::Incomplete(String::new()), Outcome::NotDone)]
    #[case("8.2.33", Error::NoAnswer(String::new()), Outcome::Done)]
    #[case("8.7.2", Error::Incomplete(String::new()), Outcome::Done)]
    fn leaders_do_not_speak_for_a_follower_that_was_not_told(
        #[case] version: &str,
        #[case] error: Error,
        #[case] expected: Outcome,
    ) {
        let mut o = Observation::default();
        o.region_mut(0).version = Some(version.to_owned());
        let pending = c8_dr::Configuration { pending: Some(c8_dr::Pending::default()), ..Default::default() };
        o.region_mut(0).configuration = c8_dr::Part::Known(pending);
        assert_eq!(outcome(&Step::Resume { lost: 1 }, &error, &o), expected);
    }

    #[test]
    fn a_partition_must_export_what_it_had_processed_when_it_answered() {
        let reports = |processed: i64, exported: [i64; 2]| -> Reports {
            let report =
                |exported: i64| json!({"role": "LEADER", "processedPosition": processed, "exportedPosition": exported});
            let of = |partition, exported| (partition, serde_json::from_value(report(exported)).unwrap());
            BTreeMap::from([(0, BTreeMap::from([of(1, exported[0]), of(2, exported[1])]))])
        };
        let all = BTreeSet::from([1, 2]);
        let mut progress = Progress::default();
        let behind = |moved, partitions: &[u32]| Seen::Behind { moved, partitions: partitions.to_vec() };
        assert_eq!(progress.see(&all, &reports(10, [4, 10])), behind(true, &[1]));
        assert_eq!(progress.asked(), [1], "an idle exporter needs something to go on");
        assert_eq!(progress.see(&all, &reports(12, [4, 12])), behind(false, &[1]), "frozen");
        assert_eq!(progress.see(&all, &reports(12, [9, 12])), behind(true, &[1]), "a backlog shrinks");
        assert_eq!(progress.see(&all, &reports(20, [10, 12])), Seen::Done, "what came later does not count");
        assert_eq!(progress.see(&all, &Reports::new()), behind(false, &[1, 2]), "silence is no proof");
    }
}
