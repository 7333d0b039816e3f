//! Who uses the installation: clients and workers at the gateways, and the oracle that holds it to what they were told.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use c8_sandbox::workload::{Report, Workload};
use serde_json::{Value, json};

use super::configuration::BROKERS;
use super::stages::Stages;
use super::targets::{REGIONS, Targets};
use crate::server::Client;

/// Instances of one workload.
const INSTANCES: usize = 40;

/// How long exporters may take to catch up before the audit's word counts; real brokers share two cores with everything else.
const SETTLE: Duration = Duration::from_secs(150);

/// How long a client waits for an answer, in milliseconds.
const PATIENCE: u64 = 15_000;

/// What a prober found: when all partitions served again.
pub type Probe = tokio::task::JoinHandle<Option<Instant>>;

/// Looks again and again until it is as it should be; `Err` within is why it is not so yet, and the error once `SETTLE` is over.
///
/// # Errors
/// A look fails, or it never is.
pub async fn settled<T>(
    every: Duration,
    mut look: impl AsyncFnMut() -> Result<std::result::Result<T, String>>,
) -> Result<T> {
    let until = Instant::now() + SETTLE;
    loop {
        match look().await? {
            Ok(seen) => return Ok(seen),
            Err(why) if Instant::now() > until => bail!(why),
            Err(_) => tokio::time::sleep(every).await,
        }
    }
}

/// Clients, workers, oracle.
#[derive(Debug, Clone)]
pub struct Users {
    /// The drill.
    pub client: Client,
    /// Where gateways and stores are.
    pub targets: Targets,
}

impl Users {
    async fn run(&self, workload: &Workload) -> Result<Report> {
        Ok(serde_json::from_value(self.client.control("/workload", Some(&json!(workload))).await?)?)
    }

    async fn through(&self, regions: &[usize]) -> Workload {
        let gateways = self.targets.gateways(regions).await;
        Workload { instances: INSTANCES, timeout_ms: PATIENCE, gateways, ..Workload::default() }
    }

    /// All are served through the gateways of some regions, and everything is completed.
    ///
    /// # Errors
    /// It never is.
    pub async fn work(&self, regions: &[usize]) -> Result<String> {
        settled(Duration::from_secs(1), async || {
            let seen = self.run(&self.through(regions).await).await?;
            let text = format!("{} of {INSTANCES} acknowledged, {} completed", seen.acknowledged, seen.completed);
            Ok(match (seen.acknowledged, seen.completed) {
                (INSTANCES, INSTANCES) => Ok(format!("{text}, through {} gateways", seen.gateways)),
                _ => Err(format!("{text}: {seen:?}")),
            })
        })
        .await
    }

    /// Starts instances whose jobs wait for workers.
    ///
    /// # Errors
    /// None is started.
    pub async fn leave_lying(&self) -> Result<String> {
        let seen = self.run(&Workload { work: false, ..self.through(&[0, 1]).await }).await?;
        if seen.acknowledged == 0 {
            bail!("nothing was started: {seen:?}");
        }
        Ok(format!("{} of {INSTANCES} acknowledged", seen.acknowledged))
    }

    /// Clients ask whoever answers, also a region that was given up and lives: what it promises is kept, or the audit says so.
    ///
    /// # Errors
    /// The drill does not answer.
    pub async fn try_everywhere(&self) -> Result<String> {
        let seen = self.run(&Workload { timeout_ms: 1000, ..self.through(&[0, 1]).await }).await?;
        Ok(format!("{} of {INSTANCES} acknowledged through {} gateways", seen.acknowledged, seen.gateways))
    }

    /// Half of the brokers are no quorum: nothing is acknowledged through the gateways of some regions.
    ///
    /// # Errors
    /// Clients are still served.
    pub async fn are_refused(&self, regions: &[usize]) -> Result<String> {
        settled(Duration::from_millis(500), async || {
            let few = Workload { instances: BROKERS, work: false, timeout_ms: 1000, ..self.through(regions).await };
            let seen = self.run(&few).await?;
            Ok(match seen.acknowledged == 0 && seen.gateways == regions.len() {
                true => Ok("clients are refused".into()),
                false => Err(format!("the region is lost and clients are still served: {seen:?}")),
            })
        })
        .await
    }

    /// Asks from now on whether all partitions serve.
    ///
    /// # Errors
    /// The survivor has no gateway.
    pub async fn probe(&self, survivor: usize) -> Result<Probe> {
        let all = Workload { instances: 2 * BROKERS, work: false, timeout_ms: 3000, ..self.through(&[survivor]).await };
        if all.gateways.is_empty() {
            bail!("the survivor has no gateway");
        }
        let users = self.clone();
        Ok(tokio::spawn(async move {
            // as long as the longest apply
            let until = Instant::now() + Duration::from_secs(900);
            while Instant::now() < until {
                if users.run(&all).await.is_ok_and(|seen| seen.acknowledged == all.instances) {
                    return Some(Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            None
        }))
    }

    /// The process of the workload; its deployment is known on all partitions when the first instance of it starts.
    ///
    /// # Errors
    /// It can't be deployed.
    pub async fn deploy(&self) -> Result<String> {
        settled(Duration::from_secs(1), async || {
            let first = Workload { instances: 1, deploy: true, ..self.through(&[0, 1]).await };
            let seen = self.run(&first).await?;
            Ok(match seen.completed {
                1 => Ok(format!("through {} gateways", seen.gateways)),
                _ => Err(format!("the process can't be deployed: {seen:?}")),
            })
        })
        .await
    }

    /// Whatever was started and not completed before the loss, or while it was not sure that it was started, is completed by the survivor.
    ///
    /// # Errors
    /// Something is not completed.
    pub async fn complete_old_jobs(&self, survivor: usize) -> Result<String> {
        settled(Duration::from_secs(1), async || {
            let seen = self.run(&Workload { instances: 1, drain: true, ..self.through(&[survivor]).await }).await?;
            let open = self.client.control("/open", None).await?;
            Ok(if open["open"] == 0 {
                Ok(format!("{} completed in all ({seen:?})", open["completed"]))
            } else {
                Err(format!("{} instances that were acknowledged are not completed", open["open"]))
            })
        })
        .await
    }

    /// What the oracle finds now.
    ///
    /// # Errors
    /// A store does not run.
    pub async fn verdict(&self) -> Result<Value> {
        let stores = self.targets.stores(&[0, 1]).await;
        if stores.len() != REGIONS.len() {
            bail!("not both stores run: {stores:?}");
        }
        // nobody can look into the logs of real ones
        let by_stores = self.targets.brokers_are_real().await?;
        self.client.control("/audit", Some(&json!({"stores": stores, "by_stores": by_stores}))).await
    }

    /// The oracle's word, once the exporters had time.
    ///
    /// # Errors
    /// It finds something to the end.
    pub async fn audit(&self, stages: &mut Stages) -> Result<()> {
        let mut last = Value::Null;
        let auditing = settled(Duration::from_secs(1), async || {
            last = self.verdict().await?;
            // what no store has yet was not compared
            let compared = last["compared"]
                .as_object()
                .is_some_and(|all| all.len() == REGIONS.len() && all.values().all(|count| count.as_u64() > Some(0)));
            Ok(match last["ok"] == true && compared {
                true => Ok(format!("{} acknowledged, documents {}", last["acknowledged"], last["compared"])),
                false => Err(format!("the audit found {} in {} documents", last["findings"], last["compared"])),
            })
        });
        let audited = stages.told("audit", auditing).await;
        stages.audited(last);
        audited
    }

    /// The oracle finds something that says `what`, and goes on finding it.
    ///
    /// # Errors
    /// It does not.
    pub async fn notice(&self, what: &str) -> Result<String> {
        let finding = async || -> Result<std::result::Result<String, String>> {
            let verdict = self.verdict().await?;
            let found = verdict["findings"].as_array().into_iter().flatten().filter_map(Value::as_str);
            Ok(found
                .into_iter()
                .find(|finding| finding.contains(what))
                .map(str::to_owned)
                .ok_or_else(|| format!("the audit did not notice it: no finding says \"{what}\": {verdict}")))
        };
        settled(Duration::from_secs(1), finding).await?;
        // an exporter that lags is caught up by then
        tokio::time::sleep(Duration::from_secs(15)).await;
        finding().await?.map_err(anyhow::Error::msg).context("it was found once, and then no more")
    }
}
