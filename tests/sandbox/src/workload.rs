//! Clients and workers, with a log of their own: what was acknowledged, refused or left in doubt, by unique key. The audit believes this log, not the stores.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::world::Shared;
use crate::zeebe::commands::{Command, Outcome};

/// What a client knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The gateway said yes; the key of the instance.
    Acknowledged(i64),
    /// The gateway said no.
    Refused,
    /// No answer: it may be done or not.
    Ambiguous,
}

/// The log of all clients and workers.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Requests by the client's unique key.
    pub requests: BTreeMap<String, Answer>,
    /// How often a worker did the work of an instance.
    pub side_effects: BTreeMap<i64, u32>,
    /// Instances whose completion was acknowledged to a worker.
    pub completed: BTreeSet<i64>,
    serial: u64,
}

impl Ledger {
    /// A unique key that no client used before.
    pub(crate) fn next_key(&mut self) -> String {
        self.serial += 1;
        format!("order-{}", self.serial)
    }

    /// How many instances were acknowledged and are not completed.
    pub fn open(&self) -> usize {
        let acknowledged = self.requests.values().filter_map(|answer| match answer {
            Answer::Acknowledged(key) => Some(key),
            _ => None,
        });
        acknowledged.filter(|key| !self.completed.contains(key)).count()
    }

    /// Forgets all requests; unique keys stay unique.
    pub fn forget(&mut self) {
        *self = Self { serial: self.serial, ..Self::default() };
    }
}

/// What a workload does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Instances to start.
    pub instances: usize,
    /// Whether workers complete the jobs.
    pub work: bool,
    /// How long a client waits for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// Whether workers go on until no gateway has a job left, also of earlier workloads.
    pub drain: bool,
    /// Whether the process has to be deployed before: simulated brokers know it.
    pub deploy: bool,
    /// Real gateways as `host:port`; empty = the simulated ones of all running clusters.
    pub gateways: Vec<String>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            instances: 20,
            work: true,
            timeout_ms: 2000,
            concurrency: 20,
            drain: false,
            deploy: false,
            gateways: Vec::new(),
        }
    }
}

/// Counts of one workload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Started for sure.
    pub acknowledged: usize,
    /// Refused.
    pub refused: usize,
    /// In doubt.
    pub ambiguous: usize,
    /// Completed for sure.
    pub completed: usize,
    /// Gateways that took part.
    pub gateways: usize,
}

/// Runs a workload through the gateways of all running clusters, or through those that it names.
pub async fn run(shared: &Shared, workload: &Workload) -> Report {
    if !workload.gateways.is_empty() {
        return crate::outside::run_clients(shared, workload).await;
    }
    let mut report = Report { gateways: gateways(shared).len(), ..Report::default() };
    let mut started = BTreeSet::new();
    let mut left = workload.instances;
    while left > 0 {
        let batch = left.min(workload.concurrency.max(1));
        left -= batch;
        let commands: Vec<(String, Command)> = {
            let ledger = &mut shared.lock().ledger;
            (0..batch)
                .map(|_| {
                    let business = ledger.next_key();
                    (business.clone(), Command::Create { business })
                })
                .collect()
        };
        for (business, answer) in call(shared, commands, workload.timeout_ms).await {
            match answer {
                Answer::Acknowledged(key) => {
                    report.acknowledged += 1;
                    started.insert(key);
                }
                Answer::Refused => report.refused += 1,
                Answer::Ambiguous => report.ambiguous += 1,
            }
            shared.lock().ledger.requests.insert(business, answer);
        }
    }
    if workload.work {
        report.completed = work(shared, &started, workload.timeout_ms).await;
    }
    report
}

/// Gateways to which a load balancer sends clients: those that are ready; all that run if none is.
fn gateways(shared: &Shared) -> Vec<String> {
    let engine = &shared.lock().zeebe;
    let ready: Vec<String> = engine.gateways.keys().filter(|pod| engine.is_ready(pod)).cloned().collect();
    if ready.is_empty() { engine.gateways.keys().cloned().collect() } else { ready }
}

async fn call(shared: &Shared, commands: Vec<(String, Command)>, timeout_ms: u64) -> Vec<(String, Answer)> {
    let gateways = gateways(shared);
    let mut answers = Vec::new();
    let mut waiting = Vec::new();
    for (index, (name, command)) in commands.into_iter().enumerate() {
        let Some(gateway) = (!gateways.is_empty()).then(|| &gateways[index % gateways.len()]) else {
            answers.push((name, Answer::Refused));
            continue;
        };
        match shared.lock().zeebe.submit(gateway, &command) {
            Ok(ticket) => waiting.push((name, ticket)),
            Err(_) => answers.push((name, Answer::Refused)),
        }
    }
    let deadline = tokio::time::Instant::now() + Duration::from_millis(timeout_ms);
    while !waiting.is_empty() {
        let late = tokio::time::Instant::now() >= deadline;
        {
            let engine = &mut shared.lock().zeebe;
            waiting.retain(|(name, ticket)| {
                let answer = match engine.outcome(*ticket) {
                    Outcome::Done(key) => Answer::Acknowledged(key),
                    Outcome::NotFound(_) => Answer::Refused,
                    Outcome::InDoubt => Answer::Ambiguous,
                    Outcome::Pending if late => Answer::Ambiguous,
                    Outcome::Pending => return true,
                };
                engine.forget(*ticket);
                answers.push((name.clone(), answer));
                false
            });
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answers
}

/// A worker on each gateway completes what it gets, until the started instances are done or time is over.
async fn work(shared: &Shared, started: &BTreeSet<i64>, timeout_ms: u64) -> usize {
    let deadline = tokio::time::Instant::now() + Duration::from_millis(timeout_ms);
    loop {
        let done = {
            let ledger = &shared.lock().ledger;
            started.iter().filter(|key| ledger.completed.contains(key)).count()
        };
        if done == started.len() || tokio::time::Instant::now() >= deadline {
            return done;
        }
        let mut commands = Vec::new();
        for gateway in gateways(shared) {
            let mut world = shared.lock();
            for (job, instance) in world.zeebe.activate_jobs(&gateway, 50, 5000) {
                // the side effect comes before the completion: it may happen twice, never not at all
                *world.ledger.side_effects.entry(instance).or_default() += 1;
                commands.push((instance.to_string(), Command::Complete { job }));
            }
        }
        let idle = commands.is_empty();
        for (instance, answer) in call(shared, commands, timeout_ms).await {
            if let (Answer::Acknowledged(_), Ok(instance)) = (answer, instance.parse()) {
                shared.lock().ledger.completed.insert(instance);
            }
        }
        if idle {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
