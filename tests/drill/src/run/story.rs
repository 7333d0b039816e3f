//! The story: apply, lose, fail over, rebuild, fail back, lose the other, fail over, heal, fail back, destroy.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::configuration::Configuration;
use super::stages::{Recovery, Stages};
use super::targets::{REGIONS, Targets, runs, serves};
use super::users::{Users, settled};
use super::{Brokers, Sabotage};
use crate::place::Place;
use crate::server::{Client, Wanted};

/// Round trip between the regions while one is cut off, in milliseconds.
const LATENCY: u64 = 40;

const ADDRESSES: [&str; 2] = ["c8_region.zero", "c8_region.one"];

/// A drill, its configuration, and who uses it.
pub struct Story {
    client: Client,
    configuration: Configuration,
    targets: Targets,
    users: Users,
    brokers: Brokers,
}

impl Story {
    /// On a cloud without regions.
    ///
    /// # Errors
    /// No terraform, or the provider does not compile.
    pub async fn new(place: &Place, client: Client, brokers: Brokers) -> Result<Self> {
        let drill = client.describe().await?;
        let (configuration, targets) = (Configuration::new(place, &drill, brokers)?, Targets::of(&drill)?);
        let users = Users { client: client.clone(), targets: targets.clone() };
        Ok(Self { client, configuration, targets, users, brokers })
    }

    /// Tells it.
    ///
    /// # Errors
    /// A stage failed.
    pub async fn tell(&self, sabotage: Option<Sabotage>, stages: &mut Stages) -> Result<()> {
        stages.told("apply from nothing", self.applied(&[], "healthy")).await?;
        stages.told("no-op plan", self.configuration.plan_is_empty()).await?;
        if self.brokers == Brokers::Real {
            stages.told("the process is deployed", self.users.deploy()).await?;
        }
        stages.told("workload", self.users.work(&[0, 1])).await?;
        self.users.audit(stages).await?;

        match sabotage {
            Some(Sabotage::Replicas) => {
                return stages.told("two fresh replicas are noticed", self.two_fresh_replicas()).await;
            }
            None => self.lose_and_return(1, Wanted::Crashed, stages).await?,
            Some(Sabotage::Document) => {
                return stages.told("a lost document is noticed", self.without_a_document()).await;
            }
            Some(Sabotage::Fence) => {
                self.lose(1, Wanted::CutOff, stages).await?;
                return stages.told("a missing fence is noticed", self.without_a_fence(1)).await;
            }
        }
        self.users.audit(stages).await?;
        // without an API that removes brokers both losses go the same way, and once is long enough
        if self.brokers == Brokers::Simulated {
            self.lose_and_return(0, Wanted::CutOff, stages).await?;
            self.users.audit(stages).await?;
        }

        stages.told("destroy", self.configuration.destroy()).await?;
        stages.told("nothing is left in the cloud", self.nothing_is_left()).await
    }

    /// From the loss of a region until the other one runs alone.
    async fn lose(&self, lost: usize, how: Wanted, stages: &mut Stages) -> Result<()> {
        stages.told("instances that nobody works on", self.users.leave_lying()).await?;
        let (survivor, name) = (1 - lost, REGIONS[lost].0);
        let cut = matches!(how, Wanted::CutOff);
        let manner = if cut { "network cut" } else { "crash" };
        if cut {
            stages.told("the regions are far apart", self.far_apart()).await?;
        }
        let lose = async { Ok((self.client.power(name, how).await?, name.to_owned())) };
        stages.stage(&format!("lose region {lost} ({manner})"), lose).await?;
        let loss = Instant::now();
        // the region that is cut off lives: its clients are refused as well
        let clients: &[usize] = if cut { &[0, 1] } else { &[survivor] };
        stages.told("the loss is seen", self.users.are_refused(clients)).await?;
        // without a quorum none gets ready
        stages.told("a broker is killed meanwhile", self.targets.kill_a_broker(survivor, runs)).await?;

        let prober = self.users.probe(survivor).await?;
        let apply = Instant::now();
        self.configuration.without(cut.then_some(lost))?;
        let failed_over = stages.told("fail-over", self.failed_over()).await;
        let served = if failed_over.is_ok() { prober.await? } else { None };
        failed_over?;
        let served = served.context("not all partitions served after the fail-over")?;
        stages.recovered(Recovery {
            region: lost,
            how: manner.into(),
            from_loss: served.duration_since(loss).as_secs_f64(),
            from_apply: served.duration_since(apply).as_secs_f64(),
        });
        stages.told("workload on the survivor", self.users.work(&[survivor])).await
    }

    /// From the loss of a region until both are active again.
    async fn lose_and_return(&self, lost: usize, how: Wanted, stages: &mut Stages) -> Result<()> {
        self.lose(lost, how, stages).await?;
        let (survivor, name) = (1 - lost, REGIONS[lost].0);
        let cut = matches!(how, Wanted::CutOff);
        stages.told("old jobs complete", self.users.complete_old_jobs(survivor)).await?;
        stages.told("a broker is killed after it", self.targets.kill_a_broker(survivor, serves)).await?;
        stages.told("no-op plan while failed over", self.configuration.plan_is_empty()).await?;

        if cut {
            stages.told("clients of both gateways", self.users.try_everywhere()).await?;
            let heal = async {
                Ok((self.client.power(name, Wanted::Up).await?, "the fence holds, or the audit says so".into()))
            };
            stages.stage("the cut is healed", heal).await?;
            stages.told("workload beside the old region", self.users.work(&[survivor])).await?;
            stages.told("clients of both gateways, healed", self.users.try_everywhere()).await?;
        }
        let replace = format!("-replace={}", ADDRESSES[lost]);
        stages.told(&format!("region {lost} rebuilt"), self.applied(&[&replace], "region_rebuilt")).await?;
        self.configuration.both_active()?;
        stages.told("fail-back", self.applied(&[], "healthy")).await?;
        stages.told("workload on both", self.users.work(&[0, 1])).await?;
        stages.told("no-op plan afterwards", self.configuration.plan_is_empty()).await
    }

    async fn applied(&self, more: &[&str], phase: &str) -> Result<String> {
        let said = self.configuration.apply(more).await?;
        let seen = self.configuration.phase("c8_failover.this").await?;
        ensure!(seen == phase, "c8_failover.this is {seen}, not {phase}");
        Ok(said)
    }

    /// As an operator does it: as long as the brokers still count the lost ones in, the plan refuses.
    async fn failed_over(&self) -> Result<String> {
        let mut refusals = 0;
        let said = settled(Duration::from_secs(2), async || match self.applied(&[], "failed_over").await {
            Err(error) if error.to_string().contains(&format!("Error: {}", c8_dr::NOT_LOST)) => {
                refusals += 1;
                Ok(Err(format!("{error:#}")))
            }
            other => other.map(Ok),
        });
        let said = said.await?;
        Ok(format!("{said} Refused {refusals} times before."))
    }

    /// A round trip between the regions takes its time from now on.
    async fn far_apart(&self) -> Result<String> {
        self.client.latency(LATENCY).await?;
        Ok(format!("{LATENCY} ms; {}", self.users.work(&[0, 1]).await?))
    }

    /// A document vanishes from a store; fails if the audit does not notice.
    async fn without_a_document(&self) -> Result<String> {
        let stores = self.targets.stores(&[0]).await;
        let (_, url) = stores.first_key_value().context("the store does not run")?;
        let http = reqwest::Client::new();
        let found: Value = http.get(format!("{url}/zeebe-record*/_search?size=1")).send().await?.json().await?;
        let one = &found["hits"]["hits"][0];
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let url = format!("{url}/{}/_doc/{}?refresh=true&routing={}", text("_index"), text("_id"), text("_routing"));
        let answer: Value = http.delete(url).send().await?.json().await?;
        ensure!(answer["result"] == "deleted", "nothing could be broken: {answer}");
        self.users.notice("lacks").await
    }

    /// Packets pass again between both halves, and nothing keeps them apart; fails if the audit does not notice.
    async fn without_a_fence(&self, lost: usize) -> Result<String> {
        let removed = self.client.remove_denials().await?;
        ensure!(removed > 0, "there was no fence");
        self.client.power(REGIONS[lost].0, Wanted::Up).await?;
        self.users.notice("it is not fenced").await
    }

    /// Broker 2 sleeps through some promises, then brokers 1 and 3 lose their disks and, with 2, outvote broker 0; fails if the audit does not
    /// notice. This is what the gates are there to prevent.
    async fn two_fresh_replicas(&self) -> Result<String> {
        ensure!(self.brokers == Brokers::Simulated, "only the logs of simulated brokers can show what was outvoted");
        let lost = REGIONS[1].0;
        self.targets.only_brokers(0, 0..1).await?;
        self.users.work(&[0, 1]).await?;
        self.client.power(lost, Wanted::Crashed).await?;
        self.targets.only_brokers(0, 1..2).await?;
        self.client.power(lost, Wanted::UpEmpty).await?;
        for broker in [1, 3] {
            self.targets.admit(0, broker).await?;
        }
        self.users.work(&[0]).await?;
        self.targets.only_brokers(0, 0..2).await?;
        self.users.notice("is lost").await
    }

    async fn nothing_is_left(&self) -> Result<String> {
        let left = self.client.control("/leftovers", None).await?;
        for (what, things) in left.as_object().into_iter().flatten().filter(|(what, _)| *what != "ofLostClusters") {
            ensure!(things.as_array().is_none_or(Vec::is_empty), "{what} are left: {things}");
        }
        let drill = self.client.describe().await?;
        ensure!(drill["clusters"].as_array().is_none_or(Vec::is_empty), "clusters are left: {}", drill["clusters"]);
        Ok("no clusters, rules, buckets, accounts, disks, load balancers".into())
    }
}
