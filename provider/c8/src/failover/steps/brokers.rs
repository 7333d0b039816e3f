//! Changes of the cluster: who is a member, and which exporters run.
//!
//! A call that failed is never repeated blindly: look first. A change that is in progress is never cancelled.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use c8_clients::{
    kubernetes::{Delete, POD},
    zeebe::{Error, PlannedChange, ProbeAnswer, Zeebe},
};
use c8_dr::{BrokerId, PartitionId, Step, Topology, peer, state::exporter_id};
use c8_release::record::RecordState;
use terraform_plugin::Fault;

use crate::failover::{
    engine::{self, pod_name},
    run::Run,
};

/// How often a change is asked for while it fails for a reason that may pass.
const ATTEMPTS: u32 = 8;
/// Time for every partition to answer and export before brokers are restarted.
const STALLED: Duration = Duration::from_secs(2 * 60);

impl Run<'_> {
    pub(super) fn zeebe(&self, region: u32) -> Result<Zeebe, Fault> {
        self.kubernetes(region)?;
        let alive = self.reach[usize::from(region != 0)].alive();
        let alive = alive.ok_or_else(|| fault(&format!("region {region} does not answer")))?;
        Ok(engine::zeebe(self.at(region), alive))
    }

    fn sizes(&self) -> Result<Topology, Fault> {
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

    pub(super) async fn resume(&mut self, lost: u32) -> Result<(), Fault> {
        let zeebe = self.zeebe(peer(lost))?;
        self.ask_until(|| zeebe.resume_exporting(), Some(Step::Resume { lost })).await?;
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
        let mut pause = Duration::from_millis(250);
        for attempt in 1..=ATTEMPTS {
            let error = match ask().await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error @ (Error::Rejected(_) | Error::NotFound(_))) => return Err(fault(&error.to_string())),
                Err(error) if attempt == ATTEMPTS => return Err(fault(&error.to_string())),
                Err(error) => error,
            };
            tracing::info!(%error, attempt, "asked in vain");
            self.pause(pause).await?;
            pause = (pause * 2).min(Duration::from_secs(5));
            if let Some(step) = &step {
                self.look().await;
                // a change that is in progress may well be ours: confirming it is the caller's
                let pending = self.o().best_configuration().is_some_and(|c| c.pending.is_some());
                if step.done(self.o()) || pending {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    pub(super) async fn verify_fail_over(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let mut restarted = false;
        loop {
            match self.prove_progress(survivor, if restarted { STALLED * 2 } else { STALLED }).await? {
                Ok(()) => break,
                Err(why) if restarted => return Err(fault(&why)),
                Err(why) => {
                    self.ctx.warn(
                        "Brokers were restarted",
                        format!("{why}. The brokers of region {survivor} were restarted one by one."),
                    );
                    self.restart_brokers(survivor).await?;
                    restarted = true;
                }
            }
        }
        let state = self.data_loss(survivor);
        self.record(survivor, |record| record.state = RecordState::FailedOver).await?;
        self.report.push(format!("every partition committed a command in region {survivor}, and exported it"));
        self.report.push(state);
        self.report.push(
            "outside of what is replicated: unfinished batch operations and task assignments that only the lost region's web apps knew"
                .into(),
        );
        Ok(())
    }

    /// A command per partition, and the survivor's exporter past it. `Ok(Err)`: it stalls.
    async fn prove_progress(&mut self, survivor: u32, limit: Duration) -> Result<Result<(), String>, Fault> {
        let partitions: Vec<PartitionId> = self.sizes()?.partitions().collect();
        let zeebe = self.zeebe(survivor)?;
        let wait = self.wait.within(limit);
        let mut pause = Duration::from_millis(200);
        let mut open: BTreeSet<PartitionId> = partitions.iter().copied().collect();
        let mut goal: BTreeMap<PartitionId, i64> = BTreeMap::new();
        loop {
            let asked: Vec<PartitionId> = open.iter().copied().collect();
            let mut why = String::new();
            if !asked.is_empty() {
                match zeebe.probe(&asked).await {
                    Ok(answers) => {
                        for (partition, answer) in answers {
                            match answer {
                                ProbeAnswer::Processed => {
                                    open.remove(&partition);
                                }
                                ProbeAnswer::NoLeader(text) => why = format!("partition {partition}: {text}"),
                            }
                        }
                    }
                    Err(error) => why = error.to_string(),
                }
            }
            if open.is_empty() {
                match engine::reports(&zeebe, self.at(survivor), &self.o().region(survivor).pods.clone()).await {
                    Ok(reports) => {
                        let leaders = || reports.values().flatten().filter(|(_, report)| report.is_leader());
                        if goal.is_empty() {
                            goal =
                                leaders().filter_map(|(id, report)| Some((*id, report.processed_position?))).collect();
                        }
                        let exported: BTreeMap<PartitionId, i64> =
                            leaders().filter_map(|(id, report)| Some((*id, report.exported_position?))).collect();
                        let behind: Vec<PartitionId> = partitions
                            .iter()
                            .copied()
                            .filter(|id| match (goal.get(id), exported.get(id)) {
                                (Some(goal), Some(exported)) => exported < goal,
                                _ => true,
                            })
                            .collect();
                        if behind.is_empty() {
                            return Ok(Ok(()));
                        }
                        if goal.len() < partitions.len() {
                            goal.clear();
                        }
                        why = format!("partitions {} do not export", c8_dr::topology::list(&behind));
                    }
                    Err(error) => why = error.to_string(),
                }
            }
            self.wait.check().map_err(|ended| fault(&format!("{why} ({ended})")))?;
            if wait.pause(pause).await.is_err() {
                return Ok(Err(why));
            }
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// One by one: with two replicas a partition, each restart interrupts its partitions (camunda#38724).
    async fn restart_brokers(&mut self, region: u32) -> Result<(), Fault> {
        for id in self.sizes()?.brokers(region) {
            let pod = POD.named(&self.at(region).namespace, &pod_name(self.at(region), id));
            let kubernetes = self.kubernetes(region)?;
            let old = kubernetes.find(&pod).await.map_err(|error| fault(&error.to_string()))?;
            let uid = old.as_ref().and_then(|pod| pod.pointer("/metadata/uid")).and_then(serde_json::Value::as_str);
            kubernetes
                .delete(&pod, &Delete { uid: uid.map(str::to_owned), ..Delete::default() })
                .await
                .map_err(|error| fault(&error.to_string()))?;
            if let Some(uid) = uid {
                let wait = self.wait.within(Duration::from_secs(5 * 60));
                kubernetes.deleted(&pod, uid, &wait).await.map_err(|error| fault(&error.to_string()))?;
            }
            loop {
                self.pause(Duration::from_secs(1)).await?;
                self.look().await;
                let o = self.o();
                if o.region(region).pods.iter().any(|pod| pod.id == id && pod.running)
                    && o.view_from(region).is_some_and(|view| view.lists(id))
                {
                    break;
                }
            }
        }
        Ok(())
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
}
