//! The story: apply, lose, fail over, rebuild, fail back, lose the other, fail over, heal, fail back, destroy.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::configuration::{BROKERS, Configuration};
use super::stages::{Recovery, Stages};
use super::targets::{REGIONS, Targets};
use super::{Brokers, Sabotage};
use crate::place::Place;
use crate::server::{Client, Wanted};

/// Instances of one workload.
const INSTANCES: u64 = 40;

/// How long exporters may take to catch up before the audit's word counts; real brokers share two cores with everything else.
const SETTLE: Duration = Duration::from_secs(150);
/// How long a client waits for an answer, in milliseconds.
const PATIENCE: u64 = 15_000;

/// Round trip between the regions while one is cut off, in milliseconds.
const LATENCY: u64 = 40;

const ADDRESSES: [&str; 2] = ["c8_region.zero", "c8_region.one"];

/// A drill, its configuration, and who uses it.
pub struct Story {
    client: Client,
    configuration: Configuration,
    targets: Targets,
    brokers: Brokers,
}

/// What a prober found: when all partitions served again.
type Probe = tokio::task::JoinHandle<Option<Instant>>;

impl Story {
    /// On a cloud without regions.
    ///
    /// # Errors
    /// No terraform, or the provider does not compile.
    pub async fn new(place: &Place, client: Client, brokers: Brokers) -> Result<Self> {
        let drill = client.describe().await?;
        let (configuration, targets) = (Configuration::new(place, &drill, brokers)?, Targets::of(&drill)?);
        Ok(Self { client, configuration, targets, brokers })
    }

    /// Tells it.
    ///
    /// # Errors
    /// A stage failed.
    pub async fn tell(&self, sabotage: Option<Sabotage>, stages: &mut Stages) -> Result<()> {
        stages.stage("apply from nothing", self.applied(&[], "healthy")).await?;
        stages.stage("no-op plan", self.unchanged()).await?;
        if self.brokers == Brokers::Real {
            stages.stage("the process is deployed", self.deployed()).await?;
        }
        stages.stage("workload", self.works(&[0, 1])).await?;
        self.audit(stages).await?;

        match sabotage {
            None => self.lose_and_return(1, Wanted::Crashed, stages).await?,
            Some(Sabotage::Document) => {
                return stages.stage("a lost document is noticed", self.without_a_document()).await;
            }
            Some(Sabotage::Fence) => {
                self.lose(1, Wanted::CutOff, stages).await?;
                return stages.stage("a missing fence is noticed", self.without_a_fence(1)).await;
            }
        }
        self.audit(stages).await?;
        // without an API that removes brokers both losses go the same way, and once is long enough
        if self.brokers == Brokers::Simulated {
            self.lose_and_return(0, Wanted::CutOff, stages).await?;
            self.audit(stages).await?;
        }

        stages.stage("destroy", said(self.configuration.destroy())).await?;
        stages.stage("nothing is left in the cloud", self.nothing_is_left()).await
    }

    /// From the loss of a region until the other one runs alone.
    async fn lose(&self, lost: usize, how: Wanted, stages: &mut Stages) -> Result<()> {
        stages.stage("instances that nobody works on", self.left_lying()).await?;
        let (survivor, name) = (1 - lost, REGIONS[lost].0);
        let cut = matches!(how, Wanted::CutOff);
        let manner = if cut { "network cut" } else { "crash" };
        if cut {
            stages.stage("the regions are far apart", self.far_apart()).await?;
        }
        let lose = async { Ok((self.client.power(name, how).await?, name.to_owned())) };
        stages.stage(&format!("lose region {lost} ({manner})"), lose).await?;
        let loss = Instant::now();
        // the region that is cut off lives: its clients are refused as well
        let clients: &[usize] = if cut { &[0, 1] } else { &[survivor] };
        stages.stage("the loss is seen", self.quorum_is_gone(clients)).await?;
        stages.stage("a broker is killed meanwhile", said(self.targets.kill_a_broker(survivor))).await?;

        let prober = self.prober(survivor).await?;
        let apply = Instant::now();
        self.configuration.without(cut.then_some(lost))?;
        let failed_over = stages.stage("fail-over", self.failed_over()).await;
        let served = if failed_over.is_ok() { prober.await? } else { None };
        failed_over?;
        let served = served.context("not all partitions served after the fail-over")?;
        stages.recovered(Recovery {
            region: lost,
            how: manner.into(),
            from_loss: served.duration_since(loss).as_secs_f64(),
            from_apply: served.duration_since(apply).as_secs_f64(),
        });
        stages.stage("workload on the survivor", self.works(&[survivor])).await
    }

    /// From the loss of a region until both are active again.
    async fn lose_and_return(&self, lost: usize, how: Wanted, stages: &mut Stages) -> Result<()> {
        self.lose(lost, how, stages).await?;
        let (survivor, name) = (1 - lost, REGIONS[lost].0);
        let cut = matches!(how, Wanted::CutOff);
        stages.stage("old jobs complete", self.old_jobs_complete(survivor)).await?;
        stages.stage("a broker is killed after it", said(self.targets.kill_a_broker(survivor))).await?;
        stages.stage("no-op plan while failed over", self.unchanged()).await?;

        if cut {
            stages.stage("clients of both gateways", self.try_everywhere()).await?;
            let heal = async {
                Ok((self.client.power(name, Wanted::Up).await?, "the fence holds, or the audit says so".into()))
            };
            stages.stage("the cut is healed", heal).await?;
            stages.stage("workload beside the old region", self.works(&[survivor])).await?;
            stages.stage("clients of both gateways, healed", self.try_everywhere()).await?;
        }
        let replace = format!("-replace={}", ADDRESSES[lost]);
        stages.stage(&format!("region {lost} rebuilt"), self.applied(&[&replace], "region_rebuilt")).await?;
        self.configuration.both_active()?;
        stages.stage("fail-back", self.applied(&[], "healthy")).await?;
        stages.stage("workload on both", self.works(&[0, 1])).await?;
        stages.stage("no-op plan afterwards", self.unchanged()).await
    }

    async fn applied(&self, more: &[&str], phase: &str) -> Result<((), String)> {
        let said = self.configuration.apply(more).await?;
        let seen = self.configuration.phase("c8_failover.this").await?;
        ensure!(seen == phase, "c8_failover.this is {seen}, not {phase}");
        Ok(((), said))
    }

    /// As an operator does it: as long as the brokers still count the lost ones in, the plan refuses.
    async fn failed_over(&self) -> Result<((), String)> {
        let until = Instant::now() + SETTLE;
        let mut refusals = 0;
        loop {
            match self.applied(&[], "failed_over").await {
                Ok(((), said)) => return Ok(((), format!("{said} Refused {refusals} times before."))),
                Err(error) if error.to_string().contains("Error: No region is lost") && Instant::now() < until => {
                    refusals += 1;
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn unchanged(&self) -> Result<((), String)> {
        said(self.configuration.plan_is_empty()).await
    }

    /// Clients and workers through the gateways of some regions: all are served, and everything is completed.
    async fn works(&self, regions: &[usize]) -> Result<((), String)> {
        let until = Instant::now() + SETTLE;
        loop {
            let gateways = self.targets.gateways(regions).await;
            let workload = json!({"instances": INSTANCES, "gateways": gateways, "timeout_ms": PATIENCE});
            let seen = self.client.control("/workload", Some(&workload)).await?;
            let text = format!("{} of {INSTANCES} acknowledged, {} completed", seen["acknowledged"], seen["completed"]);
            if seen["acknowledged"] == INSTANCES && seen["completed"] == INSTANCES {
                return Ok(((), format!("{text}, through {} gateways", seen["gateways"])));
            }
            if Instant::now() > until {
                bail!("{text}: {seen}");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Instances whose jobs wait for workers.
    async fn left_lying(&self) -> Result<((), String)> {
        let gateways = self.targets.gateways(&[0, 1]).await;
        let workload = json!({"instances": INSTANCES, "gateways": gateways, "work": false, "timeout_ms": PATIENCE});
        let seen = self.client.control("/workload", Some(&workload)).await?;
        ensure!(seen["acknowledged"].as_u64() > Some(0), "nothing was started: {seen}");
        Ok(((), format!("{} of {INSTANCES} acknowledged", seen["acknowledged"])))
    }

    /// A round trip between the regions takes its time from now on.
    async fn far_apart(&self) -> Result<((), String)> {
        self.client.latency(LATENCY).await?;
        self.works(&[0, 1]).await.map(|((), said)| ((), format!("{LATENCY} ms; {said}")))
    }

    /// Clients ask whoever answers, also a region that was given up and lives: what it promises is kept, or the audit says so.
    async fn try_everywhere(&self) -> Result<((), String)> {
        let gateways = self.targets.gateways(&[0, 1]).await;
        let workload = json!({"instances": INSTANCES, "gateways": gateways, "timeout_ms": 1000});
        let seen = self.client.control("/workload", Some(&workload)).await?;
        Ok(((), format!("{} of {INSTANCES} acknowledged through {} gateways", seen["acknowledged"], seen["gateways"])))
    }

    /// Half of the brokers are no quorum: nothing is acknowledged.
    async fn quorum_is_gone(&self, clients: &[usize]) -> Result<((), String)> {
        let until = Instant::now() + SETTLE;
        loop {
            let gateways = self.targets.gateways(clients).await;
            let workload = json!({"instances": BROKERS, "gateways": gateways, "work": false, "timeout_ms": 1000});
            let seen = self.client.control("/workload", Some(&workload)).await?;
            if seen["acknowledged"] == 0 && seen["gateways"] == clients.len() {
                return Ok(((), "clients are refused".into()));
            }
            ensure!(Instant::now() < until, "the region is lost and clients are still served: {seen}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Asks from now on whether all partitions serve.
    async fn prober(&self, survivor: usize) -> Result<Probe> {
        let gateways = self.targets.gateways(&[survivor]).await;
        ensure!(!gateways.is_empty(), "the survivor has no gateway");
        let client = self.client.clone();
        Ok(tokio::spawn(async move {
            // as long as the longest apply
            let until = Instant::now() + Duration::from_secs(900);
            let workload = json!({"instances": 2 * BROKERS, "gateways": gateways, "work": false, "timeout_ms": 3000});
            while Instant::now() < until {
                let seen = client.control("/workload", Some(&workload)).await;
                if seen.is_ok_and(|seen| seen["acknowledged"] == 2 * BROKERS) {
                    return Some(Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            None
        }))
    }

    async fn verdict(&self) -> Result<Value> {
        let stores = self.targets.stores(&[0, 1]).await;
        ensure!(stores.len() == 2, "not both stores run: {stores:?}");
        let by_stores = self.brokers == Brokers::Real;
        self.client.control("/audit", Some(&json!({"stores": stores, "by_stores": by_stores}))).await
    }

    /// The process of the workload; its deployment is known on all partitions when the first instance of it starts.
    async fn deployed(&self) -> Result<((), String)> {
        let until = Instant::now() + SETTLE;
        loop {
            let gateways = self.targets.gateways(&[0, 1]).await;
            let workload = json!({"instances": 1, "gateways": gateways, "deploy": true, "timeout_ms": PATIENCE});
            let seen = self.client.control("/workload", Some(&workload)).await?;
            if seen["completed"] == 1 {
                return Ok(((), format!("through {} gateways", seen["gateways"])));
            }
            ensure!(Instant::now() < until, "the process can't be deployed: {seen}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Whatever was started and not completed before the loss, or while it was not sure that it was started, is completed by the survivor.
    async fn old_jobs_complete(&self, survivor: usize) -> Result<((), String)> {
        let gateways = self.targets.gateways(&[survivor]).await;
        let workload = json!({"instances": 1, "gateways": gateways, "drain": true, "timeout_ms": PATIENCE});
        let seen = self.client.control("/workload", Some(&workload)).await?;
        let open = self.client.control("/open", None).await?;
        ensure!(open["open"] == 0, "{} instances that were acknowledged are not completed", open["open"]);
        Ok(((), format!("{} completed in all ({seen})", open["completed"])))
    }

    /// The oracle's word, once the exporters had time.
    async fn audit(&self, stages: &mut Stages) -> Result<()> {
        let mut last = Value::Null;
        let auditing = async {
            let until = Instant::now() + SETTLE;
            loop {
                last = self.verdict().await?;
                // what no store has yet was not compared
                let compared = last["compared"].as_object().is_some_and(|all| {
                    all.len() == REGIONS.len() && all.values().all(|count| count.as_u64() > Some(0))
                });
                if last["ok"] == true && compared {
                    return Ok(((), format!("{} acknowledged, documents {}", last["acknowledged"], last["compared"])));
                }
                ensure!(
                    Instant::now() < until,
                    "the audit found {} in {} documents",
                    last["findings"],
                    last["compared"]
                );
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let audited = stages.stage("audit", auditing).await;
        stages.audited(last);
        audited
    }

    /// A document vanishes from a store; fails if the audit does not notice.
    async fn without_a_document(&self) -> Result<((), String)> {
        let stores = self.targets.stores(&[0]).await;
        let (_, url) = stores.first_key_value().context("the store does not run")?;
        let http = reqwest::Client::new();
        let query = json!({"max_docs": 1, "query": {"match_all": {}}});
        let url = format!("{url}/zeebe-record*/_delete_by_query?refresh=true&max_docs=1");
        let answer: Value = http.post(url).json(&query).send().await?.json().await?;
        ensure!(answer["deleted"] == 1, "nothing could be broken: {answer}");
        self.noticed().await
    }

    /// Packets pass again between both halves, and nothing keeps them apart; fails if the audit does not notice.
    async fn without_a_fence(&self, lost: usize) -> Result<((), String)> {
        let removed = self.client.remove_denials().await?;
        ensure!(removed > 0, "there was no fence");
        self.client.power(REGIONS[lost].0, Wanted::Up).await?;
        self.noticed().await
    }

    async fn noticed(&self) -> Result<((), String)> {
        let until = Instant::now() + SETTLE;
        loop {
            let verdict = self.verdict().await?;
            if verdict["ok"] == false {
                return Ok(((), verdict["findings"][0].as_str().unwrap_or_default().to_owned()));
            }
            ensure!(Instant::now() < until, "the audit did not notice it: {verdict}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn nothing_is_left(&self) -> Result<((), String)> {
        let left = self.client.control("/leftovers", None).await?;
        for (what, things) in left.as_object().into_iter().flatten().filter(|(what, _)| *what != "ofLostClusters") {
            ensure!(things.as_array().is_none_or(Vec::is_empty), "{what} are left: {things}");
        }
        let drill = self.client.describe().await?;
        ensure!(drill["clusters"].as_array().is_none_or(Vec::is_empty), "clusters are left: {}", drill["clusters"]);
        Ok(((), "no clusters, rules, buckets, accounts, disks, load balancers".into()))
    }
}

/// A stage whose text is all that it gives.
async fn said(work: impl Future<Output = Result<String>>) -> Result<((), String)> {
    Ok(((), work.await?))
}
