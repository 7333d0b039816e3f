//! The way through a loss before there was a cluster API: temporary brokers, and a store that stands in (dual-region.md 3, 4.1).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use c8_clients::{
    elasticsearch::{Elasticsearch, Status},
    kubernetes::{Delete, Error, PERSISTENT_VOLUME_CLAIM, POD, SERVICE, STATEFUL_SET},
    zeebe::{ProbeAnswer, RaftLog},
};
use c8_dr::{BrokerId, Observation, PartitionId, RecordState as DrState, Topology, peer};
use c8_release::{names, record::RecordState, temporary};
use serde_json::{Value, json};
use terraform_plugin::Fault;

use crate::failover::{engine, look::stand_ins, record::note_proven, run::Run};

/// Time for a pod to come up: an image may have to be pulled, a node to be added.
const POD_START: Duration = Duration::from_secs(15 * 60);
/// Time without a replica that gets on.
const STALLED: Duration = Duration::from_secs(5 * 60);
/// Time after which something to replicate is added.
const NUDGE: Duration = Duration::from_secs(3);
/// Time for every partition to commit a command.
const COMMIT: Duration = Duration::from_secs(3 * 60);
/// Time for objects to be gone.
const GONE: Duration = Duration::from_secs(5 * 60);

/// The StatefulSets whose pods are brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Own,
    Temporary,
}

impl Run<'_> {
    /// The store that stands in, in the survivor.
    pub(super) fn stand_in(&self, survivor: u32) -> Result<Elasticsearch, Fault> {
        let at = self.at(survivor);
        Ok(Elasticsearch::behind(self.kubernetes(survivor)?.clone(), &at.namespace, names::stand_in(&at.release)))
    }

    pub(super) async fn divert(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let at = self.at(survivor);
        let store = self.set(survivor, &names::elasticsearch(&at.release)).await?;
        let objects = temporary::store(&store, &at.release)
            .ok_or_else(|| fault(&format!("the store of region {survivor} is not one that this provider made")))?;
        self.create(survivor, &objects).await?;
        self.still_ours().await?;
        let url = temporary::store_url(&at.release, &at.namespace);
        self.retell(survivor, Set::Own, lost, Some(&url)).await?;
        self.retell(survivor, Set::Temporary, lost, Some(&url)).await?;
        let own = self.sizes()?.brokers(survivor);
        self.await_brokers(survivor, &own, "do not run", |o, id| {
            o.region(survivor).pods.iter().any(|pod| pod.id == id && pod.running)
        })
        .await?;
        if self.o().region(survivor).temporary.as_ref().is_some_and(|t| t.replicas > 0) {
            self.await_diverted(lost).await?;
        }
        self.report
            .push(format!("exporting: what is meant for the store of region {lost} goes to one that stands in for it"));
        Ok(())
    }

    /// Waits until the store that stands in answers, and the survivor's gateway sees all brokers: a start takes longer than a pod needs to run.
    async fn await_diverted(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let stand_in = self.stand_in(survivor)?;
        let wait = self.wait.within(POD_START);
        loop {
            let why = match stand_in.health().await {
                Ok(health) if matches!(health.status, Status::Green | Status::Yellow) => break,
                Ok(health) => format!("its health is {:?}", health.status),
                Err(error) => error.to_string(),
            };
            if wait.pause(Duration::from_secs(1)).await.is_err() {
                return Err(fault(&format!("the store that stands in does not run: {why}")));
            }
        }
        let sizes = self.sizes()?;
        let all: BTreeSet<BrokerId> = sizes.brokers(survivor).union(&sizes.temporary(lost)).copied().collect();
        self.await_brokers(survivor, &all, "are not seen by its gateway", |o, id| {
            o.view_from(survivor).is_some_and(|view| view.lists(id))
        })
        .await
    }

    async fn await_brokers(
        &mut self,
        region: u32,
        wanted: &BTreeSet<BrokerId>,
        otherwise: &str,
        is_there: impl Fn(&Observation, BrokerId) -> bool,
    ) -> Result<(), Fault> {
        let wait = self.wait.within(POD_START);
        loop {
            self.look().await;
            let missing: Vec<BrokerId> = wanted.iter().copied().filter(|id| !is_there(self.o(), *id)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            if let Err(why) = wait.pause(Duration::from_secs(1)).await {
                let missing = c8_dr::topology::list(&missing);
                return Err(fault(&format!("brokers {missing} in region {region} {otherwise} ({why})")));
            }
        }
    }

    pub(super) async fn start_temporary(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let at = self.at(survivor);
        let ids = self.sizes()?.temporary(lost);
        let replicas = u32::try_from(ids.len()).unwrap_or_default();
        let own = self.set(survivor, &names::brokers(&at.release)).await?;
        let url = temporary::store_url(&at.release, &at.namespace);
        let objects = temporary::brokers(&own, &at.release, lost, replicas, &url)
            .ok_or_else(|| fault(&format!("the brokers of region {survivor} are not ones that this provider made")))?;
        self.create(survivor, &objects).await?;
        // those of an earlier fail-back wait for their ids with the disks that they had
        self.scale(survivor, replicas).await?;
        // all of them start side by side, the store that stands in as well: exporters wait for it, and clients wait for the brokers
        self.await_diverted(lost).await?;
        self.report.push(format!("temporary brokers {} run in region {survivor}", c8_dr::topology::list(&ids)));
        Ok(())
    }

    pub(super) async fn divert_rebuilt(&mut self, lost: u32) -> Result<(), Fault> {
        let at = self.at(peer(lost));
        let url = temporary::store_url(&at.release, &at.namespace);
        self.retell(lost, Set::Own, lost, Some(&url)).await
    }

    /// The replicas hold what was committed when it was asked; what comes later comes to them as to any follower.
    pub(super) async fn catch_up(&mut self, brokers: &[BrokerId]) -> Result<(), Fault> {
        let Some(lost) = brokers.first().map(|id| Topology::region_of(*id)) else { return Ok(()) };
        let sizes = self.sizes()?;
        let committed = self.committed(peer(lost)).await?;
        let missing: Vec<PartitionId> = sizes.partitions().filter(|id| !committed.contains_key(id)).collect();
        if !missing.is_empty() {
            return Err(fault(&format!(
                "no broker tells how far partitions {} are committed (metric atomix_partition_raft_commit_index)",
                c8_dr::topology::list(&missing)
            )));
        }
        let (zeebe, gateway) = (self.zeebe(lost)?, self.zeebe(peer(lost))?);
        let mut wait = self.wait.within(STALLED);
        let mut before = BTreeMap::new();
        let mut nudge = tokio::time::Instant::now() + NUDGE;
        loop {
            let mut open: Vec<String> = Vec::new();
            let mut behind = BTreeSet::new();
            let mut now = BTreeMap::new();
            for id in brokers {
                let logs = zeebe.raft_logs(&engine::pod_name(self.at(lost), *id)).await;
                for partition in sizes.partitions().filter(|p| sizes.replicas(*p).contains(id)) {
                    let append = logs.as_ref().ok().and_then(|logs| logs.get(&partition)).map(|log| log.append);
                    now.insert((*id, partition), append);
                    if append.is_none() || append < committed.get(&partition).copied() {
                        open.push(format!("broker {id} of partition {partition}"));
                        behind.insert(partition);
                    }
                }
            }
            if open.is_empty() {
                break;
            }
            if now != before {
                wait = self.wait.within(STALLED);
                before = now;
            }
            if tokio::time::Instant::now() >= nudge {
                // a replica that got all of an idle partition as a snapshot has no log, and is not ready before the next record (seen with Zeebe 8.0)
                if let Err(error) = gateway.probe(&behind.into_iter().collect::<Vec<_>>()).await {
                    tracing::info!(%error, "no record could be added for the replicas that lag behind");
                }
                nudge = tokio::time::Instant::now() + NUDGE;
            }
            if let Err(ended) = wait.pause(Duration::from_millis(500)).await {
                return Err(fault(&format!("{} lag behind ({ended})", open.join(", "))));
            }
        }
        self.look().await;
        let known = &self.o().region(lost).disks;
        let disks: BTreeMap<BrokerId, String> =
            brokers.iter().filter_map(|id| Some((*id, known.get(id)?.clone()))).collect();
        self.record(peer(lost), |record| note_proven(record, &disks)).await?;
        self.report.push(format!("brokers {} hold the log of all their partitions", c8_dr::topology::list(brokers)));
        Ok(())
    }

    /// Highest commit index of each partition among the brokers of the survivor, temporary ones included.
    async fn committed(&self, survivor: u32) -> Result<BTreeMap<PartitionId, u64>, Fault> {
        let zeebe = self.zeebe(survivor)?;
        let mut committed: BTreeMap<PartitionId, u64> = BTreeMap::new();
        for (_, pod) in engine::running(self.at(survivor), self.o().region(survivor)) {
            let logs = zeebe.raft_logs(&pod).await.map_err(|error| fault(&format!("{pod}: {error}")))?;
            for (partition, RaftLog { commit, .. }) in logs {
                let highest = committed.entry(partition).or_default();
                *highest = commit.max(*highest);
            }
        }
        Ok(committed)
    }

    pub(super) async fn point_back(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        if self.o().record().is_some_and(|record| record.state == DrState::FailedOver) {
            // written right before: from here on the stores are equal, and stay so until exporting is resumed
            self.record(survivor, |record| record.state = RecordState::FailingBack).await?;
        }
        for (region, set) in [(lost, Set::Own), (survivor, Set::Temporary), (survivor, Set::Own)] {
            if self.kubernetes(region).is_ok() {
                self.retell(region, set, lost, None).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn stop_temporary(&mut self, lost: u32) -> Result<(), Fault> {
        self.resume_stayers(lost).await?;
        self.scale(peer(lost), 0).await
    }

    /// Their disks go last: until every partition was seen to commit without them, they can come back.
    pub(super) async fn delete_temporary(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let undone = self.o().record().is_some_and(|record| record.state == DrState::FailingOver);
        if !undone && self.o().region(survivor).temporary.as_ref().is_some_and(|t| !t.disks.is_empty()) {
            self.prove_without(lost).await?;
        }
        self.still_ours().await?;
        let at = self.at(survivor);
        let kubernetes = self.kubernetes(survivor)?;
        let ns = at.namespace.as_str();
        let own = names::temporary(&at.release);
        let store = names::stand_in(&at.release);
        let mut objects = vec![
            STATEFUL_SET.named(ns, &own),
            STATEFUL_SET.named(ns, &store),
            SERVICE.named(ns, &own),
            SERVICE.named(ns, &store),
        ];
        let labels = names::pods_of(&at.release, temporary::COMPONENT);
        let claims = kubernetes.list(&PERSISTENT_VOLUME_CLAIM, ns, &labels).await.map_err(|error| broken(&error))?;
        let name = |claim: &Value| claim.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        objects.extend(claims.iter().filter_map(name).map(|name| PERSISTENT_VOLUME_CLAIM.named(ns, &name)));
        for object in &objects {
            kubernetes.delete(object, &Delete::default()).await.map_err(|error| broken(&error))?;
        }
        let wait = self.wait.within(GONE);
        for object in &objects {
            while kubernetes.find(object).await.map_err(|error| broken(&error))?.is_some() {
                wait.pause(Duration::from_millis(250))
                    .await
                    .map_err(|why| fault(&format!("{object} is still there ({why})")))?;
            }
        }
        if !undone {
            self.report.push("temporary brokers: gone, after every partition committed without them".into());
        }
        Ok(())
    }

    /// Exactly three of four replicas live: a commit proves that the new ones hold the log. Seen twice, with the time between them
    /// after which nobody remembers the temporary brokers.
    async fn prove_without(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        for round in 0..2 {
            if let Err(why) = self.commits(survivor).await {
                let replicas = u32::try_from(self.sizes()?.temporary(lost).len()).unwrap_or_default();
                self.scale(survivor, replicas).await?;
                return Err(fault(&format!("{why}; the temporary brokers were started again")));
            }
            if round == 0 {
                self.pause(self.forgetting(survivor)?).await?;
            }
        }
        Ok(())
    }

    /// A command on every partition is committed and processed.
    async fn commits(&self, survivor: u32) -> Result<(), String> {
        let zeebe = self.zeebe(survivor).map_err(|_| format!("region {survivor} does not answer"))?;
        let sizes = self.o().sizes.ok_or("the sizes of the cluster can't be read")?;
        let mut open: BTreeSet<PartitionId> = sizes.partitions().collect();
        let wait = self.wait.within(COMMIT);
        loop {
            let asked: Vec<PartitionId> = open.iter().copied().collect();
            let mut why = String::new();
            match zeebe.probe(&asked).await {
                Ok(answers) => {
                    for (partition, answer) in answers {
                        match answer {
                            ProbeAnswer::Processed => drop(open.remove(&partition)),
                            ProbeAnswer::NoLeader(text) => why = format!("partition {partition}: {text}"),
                        }
                    }
                }
                Err(error) => why = error.to_string(),
            }
            if open.is_empty() {
                return Ok(());
            }
            wait.pause(Duration::from_millis(500)).await.map_err(|ended| format!("{why} ({ended})"))?;
        }
    }

    /// After this silence no member remembers another one. Until then, a broker of the same id at another address is not found: what
    /// is known of a member is renewed, but not where it is (`SwimMembershipProtocol.updateState`).
    ///
    /// Members are probed in turn, gateways among them; one that did not answer is asked for by others, suspected, then forgotten.
    pub(in crate::failover) fn forgetting(&self, region: u32) -> Result<Duration, Fault> {
        let members = self.sizes()?.cluster_size + 2;
        let interval = self.membership(region, "PROBEINTERVAL", Duration::from_secs(1));
        let timeout = self.membership(region, "PROBETIMEOUT", Duration::from_millis(100));
        Ok(interval * members + timeout * 3 + self.failure_timeout(region))
    }

    async fn set(&self, region: u32, name: &str) -> Result<Value, Fault> {
        let set = STATEFUL_SET.named(&self.at(region).namespace, name);
        self.kubernetes(region)?.get(&set).await.map_err(|error| broken(&error))
    }

    async fn create(&self, region: u32, objects: &[Value]) -> Result<(), Fault> {
        self.still_ours().await?;
        for object in objects {
            match self.kubernetes(region)?.create(object, names::SWITCH_FIELD_MANAGER).await {
                Ok(_) | Err(Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    }

    async fn scale(&self, survivor: u32, replicas: u32) -> Result<(), Fault> {
        let at = self.at(survivor);
        let set = STATEFUL_SET.named(&at.namespace, &names::temporary(&at.release));
        let patch = json!({ "spec": { "replicas": replicas } });
        let patched = self.kubernetes(survivor)?.merge_patch(&set, &patch, names::SWITCH_FIELD_MANAGER).await;
        patched.map(drop).map_err(|error| broken(&error))
    }

    fn name(&self, region: u32, set: Set) -> String {
        let release = &self.at(region).release;
        match set {
            Set::Own => names::brokers(release),
            Set::Temporary => names::temporary(release),
        }
    }

    /// Tells a StatefulSet's pods where to export what is meant for the store of region `lost`, and waits until they run that way. A set
    /// at a time: Kubernetes restarts the pods of each as soon as it is told.
    async fn retell(&mut self, region: u32, set: Set, lost: u32, url: Option<&str>) -> Result<(), Fault> {
        self.annotate(region, set, lost, url).await?;
        self.restart(region, set, lost).await
    }

    /// No such set: nothing to tell.
    async fn annotate(&self, region: u32, set: Set, lost: u32, url: Option<&str>) -> Result<(), Fault> {
        let object = STATEFUL_SET.named(&self.at(region).namespace, &self.name(region, set));
        let annotations = json!({ (names::store_of(lost)): url });
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
        match self.kubernetes(region)?.merge_patch(&object, &patch, names::SWITCH_FIELD_MANAGER).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(broken(&error)),
        }
    }

    /// Waits until every pod of a StatefulSet runs as it is told now.
    ///
    /// Kubernetes rolls one pod at a time from the highest ordinal down, and stops at one that does not get ready. Without a quorum none
    /// does, and at a gate neither: those are deleted here. While partitions are led, a running broker is deleted only if
    /// Kubernetes could be waiting for one at its gate, and only if all others are ready.
    async fn restart(&mut self, region: u32, set: Set, lost: u32) -> Result<(), Fault> {
        let namespace = self.at(region).namespace.clone();
        let name = self.name(region, set);
        let object = STATEFUL_SET.named(&namespace, &name);
        let labels = format!("app.kubernetes.io/instance={}", self.at(region).release);
        let wait = self.wait.within(POD_START);
        loop {
            self.still_ours().await?;
            let kubernetes = self.kubernetes(region)?;
            let Some(live) = kubernetes.find(&object).await.map_err(|error| broken(&error))? else { return Ok(()) };
            let pods = kubernetes.list(&POD, &namespace, &labels).await.map_err(|error| broken(&error))?;
            // the gates keep back who is not admitted; everyone else is on the way
            let gated = set == Set::Own && region == lost;
            let admits = &self.o().region(peer(region)).admits;
            let held = |ordinal| gated && !admits.contains(&Topology::broker(region, ordinal));
            let pods = Pods::of(&live, &pods, &name, held);
            let led = !self.nobody_leads();
            if pods.settled(led) {
                return Ok(());
            }
            for pod in pods.to_delete(led) {
                let target = POD.named(&namespace, &pod.name);
                match kubernetes.delete(&target, &Delete::only(&pod.uid)).await {
                    Ok(_) | Err(Error::NotFound { .. } | Error::Conflict { .. }) => {}
                    Err(error) => return Err(broken(&error)),
                }
            }
            if let Err(why) = wait.pause(Duration::from_millis(500)).await {
                return Err(fault(&format!("{name} of region {region} was not restarted: {why}")));
            }
            self.look().await;
        }
    }

    /// A gateway answers, and says that no partition has a leader.
    fn nobody_leads(&self) -> bool {
        let mut views = self.o().regions.iter().filter_map(|region| region.view.known()).peekable();
        views.peek().is_some() && views.all(|view| view.led().is_empty())
    }
}

/// The pods of one StatefulSet.
#[derive(Debug, Default)]
struct Pods {
    wanted: usize,
    pods: Vec<Pod>,
}

#[derive(Clone, Debug, Default)]
struct Pod {
    ordinal: u32,
    name: String,
    uid: String,
    ready: bool,
    /// It waits at its gate, or has not got that far.
    waiting: bool,
    /// It waits, and nobody lets it in for now.
    held: bool,
    ending: bool,
    stale: bool,
}

impl Pods {
    fn of(set: &Value, pods: &[Value], name: &str, held: impl Fn(u32) -> bool) -> Self {
        let (_, stale) = stand_ins(set, pods, name, |ordinal| ordinal);
        let text = |pod: &Value, at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let prefix = format!("{name}-");
        let ready = |pod: &Value| {
            let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
            conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
        };
        let mut found: Vec<Pod> = pods
            .iter()
            .filter_map(|pod| {
                let own = text(pod, "/metadata/name");
                let ordinal = own.strip_prefix(&prefix)?.parse().ok()?;
                let waiting = !c8_release::mode::past_gate(pod);
                Some(Pod {
                    ordinal,
                    uid: text(pod, "/metadata/uid"),
                    ready: ready(pod),
                    waiting,
                    held: waiting && held(ordinal),
                    ending: pod.pointer("/metadata/deletionTimestamp").is_some(),
                    stale: stale.contains(&ordinal),
                    name: own,
                })
            })
            .collect();
        found.sort_by_key(|pod| std::cmp::Reverse(pod.ordinal));
        let wanted = set.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        Self { wanted: usize::try_from(wanted).unwrap_or_default(), pods: found }
    }

    /// All are there, as they are told now; those that are let in are ready if there is a quorum to be ready with.
    fn settled(&self, led: bool) -> bool {
        self.pods.len() == self.wanted
            && self.pods.iter().all(|pod| !pod.stale && !pod.ending && (pod.held || pod.ready || !led))
    }

    fn to_delete(&self, led: bool) -> Vec<&Pod> {
        let stale = || self.pods.iter().filter(|pod| pod.stale && !pod.ending);
        let waiting: Vec<&Pod> = stale().filter(|pod| pod.waiting).collect();
        if !waiting.is_empty() {
            return waiting;
        }
        if !led {
            return stale().collect();
        }
        let calm = self.pods.len() == self.wanted && self.pods.iter().all(|pod| !pod.ending && (pod.held || pod.ready));
        // the same one that Kubernetes would take
        if calm { stale().take(1).collect() } else { Vec::new() }
    }
}

fn broken(error: &Error) -> Fault {
    fault(&error.to_string())
}

fn fault(why: &str) -> Fault {
    Fault::new("The temporary brokers can't be used", format!("{why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ordinal: u32, stale: bool, ready: bool, waiting: bool) -> Pod {
        Pod { ordinal, name: format!("p-{ordinal}"), ready, waiting, stale, ..Pod::default() }
    }

    fn held(ordinal: u32) -> Pod {
        Pod { held: true, ..pod(ordinal, false, false, true) }
    }

    fn deleted(pods: Vec<Pod>, led: bool) -> Vec<u32> {
        let pods = Pods { wanted: 2, pods };
        pods.to_delete(led).iter().map(|pod| pod.ordinal).collect()
    }

    #[test]
    fn only_one_broker_at_a_time_is_restarted_while_partitions_are_led() {
        assert_eq!(deleted(vec![pod(1, true, true, false), pod(0, true, true, false)], true), [1]);
        assert!(
            deleted(vec![pod(1, false, false, false), pod(0, true, true, false)], true).is_empty(),
            "1 is not back yet"
        );
        assert!(deleted(vec![pod(0, true, true, false)], true).is_empty(), "1 is not even there");
        assert!(
            deleted(vec![pod(1, false, false, true), pod(0, true, true, false)], true).is_empty(),
            "1 is still to pass its gate"
        );
        assert_eq!(deleted(vec![held(1), pod(0, true, true, false)], true), [0], "1 is kept at its gate");
    }

    #[test]
    fn what_serves_nobody_is_restarted_at_once() {
        assert_eq!(deleted(vec![pod(1, true, false, false), pod(0, true, false, false)], false), [1, 0]);
        assert_eq!(
            deleted(vec![pod(1, true, false, true), pod(0, true, true, false)], true),
            [1],
            "it waits at its gate"
        );
    }

    #[test]
    fn all_pods_are_there_and_as_they_are_told() {
        let settled = |pods, led| Pods { wanted: 2, pods }.settled(led);
        assert!(settled(vec![pod(1, false, true, false), held(0)], true));
        assert!(!settled(vec![pod(1, false, true, false), pod(0, false, false, true)], true), "0 is let in");
        assert!(!settled(vec![pod(1, false, true, false), pod(0, false, false, false)], true), "0 is not ready");
        assert!(
            settled(vec![pod(1, false, false, false), pod(0, false, false, false)], false),
            "nobody is, without a quorum"
        );
        assert!(!settled(vec![pod(1, false, true, false)], true));
    }
}
