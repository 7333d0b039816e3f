//! Keeping a region away: claim, fence, and lifting both fences, each proven by a pod.

use std::time::Duration;

use c8_clients::{
    gcp::Firewalls,
    kubernetes::probe::{self, ProbeItem, ProbeResult},
};
use c8_dr::{FenceNote, peer};
use c8_release::{names, record::RecordState};
use terraform_plugin::{Fault, parse_duration};

use crate::failover::{
    claim,
    fence::{self, Line},
    observe::firewalls,
    record::note_fence,
    run::Run,
};

/// Time for one probe pod.
const PROBE: Duration = Duration::from_secs(120);
/// Time for a rule to become effective after its operation is DONE.
const EFFECTIVE: Duration = Duration::from_secs(5 * 60);

impl Run<'_> {
    pub(super) async fn claim(&mut self, lost: u32, epoch: u64) -> Result<(), Fault> {
        let survivor = peer(lost);
        let rules = self.rules(survivor)?;
        let group = self.installation.group.clone();
        let taken = claim::take(&rules, &self.network(survivor), &group, epoch, lost, &self.wait).await?;
        tracing::info!(epoch, lost, nonce = taken.nonce, "claimed");
        let lost_id = u8::from(lost != 0);
        self.record(survivor, |record| {
            record.epoch = epoch;
            record.lost = Some(lost_id);
            record.state = RecordState::FailingOver;
            note_fence(record, FenceNote::None);
        })
        .await?;
        claim::remove_older(&rules, &group, epoch, &self.wait).await;
        self.report.push(format!("region {lost} was given up in epoch {epoch}"));
        Ok(())
    }

    pub(super) async fn fence(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let rules = self.rules(survivor)?;
        let line = self.line(lost)?;
        // silence proves a fence only where somebody answered before
        let answered = self.lives(lost)
            && self.ask(survivor, &self.ports(lost)).await.is_ok_and(|answers| answers.iter().any(|answer| answer.ok));
        self.still_ours().await?;
        for rule in line.brokers().into_iter().chain([line.store()]) {
            fence::ensure(&rules, &rule, &self.wait).await.map_err(|error| fault(&error.to_string()))?;
        }
        // what was under way through an open connection has ended then
        self.pause(self.failure_timeout(survivor)).await?;
        let (note, text) = self.prove_fenced(lost, answered).await?;
        self.record(survivor, |record| note_fence(record, note)).await?;
        self.report.push(text);
        Ok(())
    }

    /// A pod of the survivor tries to reach the lost region.
    async fn prove_fenced(&mut self, lost: u32, answered: bool) -> Result<(FenceNote, String), Fault> {
        let alive = self.lives(lost);
        let items = self.ports(lost);
        let wait = self.wait.within(EFFECTIVE);
        loop {
            match self.ask(peer(lost), &items).await {
                Ok(answers) if answers.iter().any(|answer| answer.ok) => {
                    tracing::info!("the fence is not effective yet");
                }
                Ok(_) if answered => {
                    return Ok((
                        FenceNote::Proven,
                        format!("fence: proven; a pod of region {} can't reach region {lost}, which lives", peer(lost)),
                    ));
                }
                Ok(_) => {
                    self.ctx.warn(
                        "The fence is unproven",
                        format!(
                            "Its rules are in place, but region {lost} could not be reached before either, so a try proves \
                             nothing. Two of four replicas form no quorum there either."
                        ),
                    );
                    return Ok((
                        FenceNote::Unproven,
                        format!("fence: in place, unproven; region {lost} is silent anyway"),
                    ));
                }
                Err(why) if !alive => {
                    self.ctx.warn(
                        "The fence could not be proven",
                        format!("No pod of region {} could try: {why}. The rules are in place, and region {lost} is silent.", peer(lost)),
                    );
                    return Ok((FenceNote::Unproven, format!("fence: in place, unproven ({why})")));
                }
                Err(why) => return Err(fault(&why)),
            }
            if wait.pause(Duration::from_secs(2)).await.is_err() {
                return Err(fault(&format!(
                    "the rules are in place, but a pod of region {} still reaches region {lost}",
                    peer(lost)
                )));
            }
        }
    }

    pub(super) async fn lift_fence(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let rules = self.rules(survivor)?;
        let removed = self.o().record().is_some_and(|record| record.state.is_failed_over());
        if removed && !self.o().region(lost).ranges.is_empty() && !self.o().region(lost).pods.is_empty() {
            // the rebuilt region has other addresses: its store stays out of reach until it is restored
            let line = self.line(lost)?;
            self.still_ours().await?;
            fence::ensure(&rules, &line.store(), &self.wait).await.map_err(|error| fault(&error.to_string()))?;
        }
        self.still_ours().await?;
        let names = fence::names(&self.installation.group);
        for name in [names.incoming, names.outgoing] {
            rules.delete(&name, &self.wait).await.map_err(|error| fault(&error.to_string()))?;
        }
        let targets = self.broker_ports(survivor);
        self.reached(
            lost,
            &targets,
            &format!("a pod of region {lost} does not reach the brokers of region {survivor}"),
        )
        .await?;
        self.record(survivor, |record| note_fence(record, FenceNote::Lifted)).await?;
        self.report.push(format!("fence: lifted; a pod of region {lost} reaches region {survivor}"));
        Ok(())
    }

    pub(super) async fn lift_store_fence(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let name = fence::names(&self.installation.group).store;
        self.still_ours().await?;
        self.rules(survivor)?.delete(&name, &self.wait).await.map_err(|error| fault(&error.to_string()))?;
        let target = self.store_port(lost);
        self.reached(
            survivor,
            &[target],
            &format!("a pod of region {survivor} does not reach the store of region {lost}"),
        )
        .await
    }

    /// Waits until a pod of `from` reaches one of the targets. That an operation is DONE does not mean that it is effective.
    async fn reached(&mut self, from: u32, targets: &[ProbeItem], otherwise: &str) -> Result<(), Fault> {
        let wait = self.wait.within(EFFECTIVE);
        loop {
            let last = match self.ask(from, targets).await {
                Ok(answers) if answers.iter().any(|answer| answer.ok) => return Ok(()),
                Ok(answers) => answers
                    .into_iter()
                    .map(|answer| answer.detail)
                    .find(|detail| !detail.is_empty())
                    .unwrap_or_default(),
                Err(why) => why,
            };
            if wait.pause(Duration::from_secs(1)).await.is_err() {
                return Err(fault(&format!("{otherwise} ({last})")));
            }
        }
    }

    async fn ask(&self, from: u32, items: &[ProbeItem]) -> Result<Vec<ProbeResult>, String> {
        let kubernetes = self.kubernetes(from).map_err(|_| format!("region {from} does not answer"))?;
        let wait = self.wait.within(PROBE);
        probe::run(kubernetes, &self.at(from).namespace, items, &wait).await.map_err(|error| error.to_string())
    }

    /// `broker:26502` of a region, as its peers name it; those that run, or all if none is known to.
    fn broker_ports(&self, region: u32) -> Vec<ProbeItem> {
        let at = self.at(region);
        let service = names::brokers(&at.release);
        let running: Vec<u32> =
            self.o().region(region).pods.iter().filter(|pod| pod.running).map(|pod| pod.id).collect();
        let all = || self.o().sizes.map(|sizes| sizes.brokers(region).into_iter().collect()).unwrap_or_default();
        let ids: Vec<u32> = if running.is_empty() { all() } else { running };
        ids.into_iter()
            .map(|id| {
                let pod = format!("{service}-{}.{}", c8_dr::Topology::ordinal(id), at.dns_name(&service));
                ProbeItem::connect(&pod, 26502)
            })
            .collect()
    }

    fn lives(&self, region: u32) -> bool {
        self.o().region(region).pods.iter().any(|pod| pod.running && pod.ready)
    }

    /// What a fence must stop. A dead region's names take long to time out: two questions are enough there.
    fn ports(&self, region: u32) -> Vec<ProbeItem> {
        let mut items = vec![self.store_port(region)];
        items.extend(self.broker_ports(region).into_iter().take(if self.lives(region) { usize::MAX } else { 1 }));
        items
    }

    fn store_port(&self, region: u32) -> ProbeItem {
        let at = self.at(region);
        ProbeItem::connect(&at.dns_name(&names::elasticsearch_service(&at.release)), 9200)
    }

    fn rules(&self, region: u32) -> Result<Firewalls, Fault> {
        firewalls(&self.ctx.client, self.installation, u8::from(region != 0)).ok_or_else(|| {
            Fault::new(
                "The fence needs Google Cloud",
                format!(
                    "`fence = \"gcp_firewall\"` and the claim of a transition need firewall rules, but region {region} is a cluster \
                     of your own. Name it by `project`, `location` and `cluster`."
                ),
            )
        })
    }

    fn network(&self, region: u32) -> String {
        let alive = self.reach[usize::from(region != 0)].alive();
        alive
            .and_then(|alive| alive.cluster.as_ref())
            .map(|cluster| cluster.network.clone())
            .filter(|network| !network.is_empty())
            .unwrap_or_else(|| self.at(region).network.clone())
    }

    /// The survivor's nodes against the lost region's addresses, recorded ones included: it may be too late to ask.
    fn line(&self, lost: u32) -> Result<Line, Fault> {
        let survivor = peer(lost);
        let o = self.o();
        let mut tags = o.region(survivor).tags.clone();
        if tags.is_empty() {
            tags = o.record().and_then(|record| record.tags.get(&survivor)).cloned().unwrap_or_default();
        }
        let ranges = c8_dr::invariant::ranges(o, lost);
        if tags.is_empty() || ranges.is_empty() {
            return Err(fault(&format!(
                "the {} are not known",
                if tags.is_empty() {
                    format!("network tags of the nodes of region {survivor}")
                } else {
                    format!("address ranges of region {lost}")
                }
            )));
        }
        Ok(Line { group: self.installation.group.clone(), network: self.network(survivor), tags, ranges })
    }

    /// How long brokers keep a silent one in their membership.
    pub(super) fn failure_timeout(&self, region: u32) -> Duration {
        self.membership(region, "FAILURETIMEOUT", Duration::from_secs(10))
    }

    /// A time of the membership protocol, or Zeebe's default of it.
    pub(super) fn membership(&self, region: u32, setting: &str, default: Duration) -> Duration {
        let env = &self.seen.releases[usize::from(region != 0)].env;
        let set = env.get(&format!("ZEEBE_BROKER_CLUSTER_MEMBERSHIP_{setting}"));
        set.and_then(|text| parse_duration(&text.to_lowercase()).ok()).unwrap_or(default)
    }
}

fn fault(why: &str) -> Fault {
    Fault::new("The fence can't be set", format!("{why}."))
}
