//! The loop: observe → classify → assert → one step → poll.
//!
//! Every step is skipped if it is done, so that killing the provider at any instant and applying again ends in the same
//! place. Only steps that were planned may run, for the same lost region; else the world has changed and a new plan is due.

use std::time::Duration;

use c8_clients::{
    Pace, Wait,
    kubernetes::{Kubernetes, lease::Lease},
};
use c8_dr::{Goal, Observation, State, Step, assert_before, classify, is_covered, is_reached, next_steps, refuse};
use c8_release::record;
use terraform_plugin::{Context, Fault};
use tokio::time::Instant;

use super::{
    lease,
    observe::{Depth, Seen, observe},
    plan::Intent,
};
use crate::{
    installation::{Installation, RegionAt},
    provider::{C8, Reach},
};

/// How often one step is tried before it is given up.
const ATTEMPTS: u32 = 5;
/// Time for what can't be seen to be seen again, and for what is down to come up, before a transition stops in the middle.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time for a step that is due without having been planned to turn out done after all.
const SECOND_LOOKS: Duration = Duration::from_secs(10);
/// Time for a cluster change that is in progress, most likely of an apply that was killed (dual-region.md 5.3).
const PENDING: Duration = Duration::from_secs(20 * 60);
/// Time until a write can be read back, or rules and pods show it.
const VISIBLE: Duration = Duration::from_secs(5 * 60);
/// Time for brokers to start, to take their part and to catch up; how much there is to copy is not known.
const BROKERS: Duration = Duration::from_secs(45 * 60);
/// How old the look at a silent region may get before it is asked again.
const SILENCE: Duration = Duration::from_secs(30);

/// One apply.
pub struct Run<'a> {
    /// Client, cancellation, deadline, warnings.
    pub ctx: &'a Context<C8>,
    /// The two regions.
    pub installation: &'a Installation,
    /// Name of the snapshot repository.
    pub repository: Option<String>,
    /// Deadline and cancellation.
    pub wait: Wait,
    /// Who answers.
    pub reach: [Reach; 2],
    /// What was seen last.
    pub seen: Seen,
    /// Steps that this apply completed.
    pub completed: Vec<String>,
    /// What was found and proven.
    pub report: Vec<String>,
    /// Exporting was paused, and stood still, in this apply.
    pub settled: bool,
    looked: [Instant; 2],
    lease: Option<Lease>,
    started: Instant,
}

impl<'a> Run<'a> {
    /// Looks for the first time.
    pub async fn start(
        ctx: &'a Context<C8>,
        installation: &'a Installation,
        repository: Option<String>,
        previous: Option<&Observation>,
    ) -> Run<'a> {
        let started = Instant::now();
        let wait = crate::provider::wait(ctx);
        let reach = ctx.client.look_at_both(installation).await;
        let depth = Depth::transition(true, repository.as_deref());
        let seen = observe(&ctx.client, installation, &reach, previous, depth).await;
        Run {
            ctx,
            installation,
            repository,
            wait,
            reach,
            seen,
            completed: Vec::new(),
            report: Vec::new(),
            settled: false,
            looked: [Instant::now(); 2],
            lease: None,
            started,
        }
    }

    /// What was seen last.
    pub fn o(&self) -> &Observation {
        &self.seen.observation
    }

    /// Seconds since the start.
    pub fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX)
    }

    /// Looks again. A region that was silent is asked again only every 30 s: each look at it may take ten.
    pub async fn look(&mut self) {
        for id in [0_u8, 1] {
            let index = usize::from(id);
            let silent = self.reach[index].alive().is_none() || self.o().region(u32::from(id)).unread.is_some();
            if silent && self.looked[index].elapsed() > SILENCE {
                self.reach[index] = self.ctx.client.look(&self.installation.region(id).place).await;
                self.looked[index] = Instant::now();
            }
        }
        let depth = Depth::transition(true, self.repository.as_deref());
        let seen = observe(&self.ctx.client, self.installation, &self.reach, Some(self.o()), depth).await;
        self.seen = seen;
    }

    /// Asks both regions anew whether they answer, and looks.
    pub async fn look_afresh(&mut self) {
        self.reach = self.ctx.client.look_at_both(self.installation).await;
        self.looked = [Instant::now(); 2];
        self.look().await;
    }

    /// The API of a region.
    pub fn kubernetes(&self, region: u32) -> Result<&Kubernetes, Fault> {
        let index = usize::from(region != 0);
        self.reach[index].alive().map(|alive| &alive.kubernetes).ok_or_else(|| {
            let why = self.o().region(region).api.why().unwrap_or("its cluster does not exist").to_owned();
            Fault::new("A region does not answer", format!("Region {region} is needed for the next step: {why}."))
        })
    }

    /// A region of the installation.
    pub fn at(&self, region: u32) -> &'a RegionAt {
        self.installation.region(u8::from(region != 0))
    }

    /// The living regions, `first` first.
    pub fn living(&self, first: u32) -> Vec<(u8, &Kubernetes, &str)> {
        [first, c8_dr::peer(first)]
            .into_iter()
            .filter_map(|region| {
                let alive = self.reach[usize::from(region != 0)].alive()?;
                Some((u8::from(region != 0), &alive.kubernetes, alive.uid.as_str()))
            })
            .collect()
    }

    /// The region that decides: the survivor, else region 0, else who answers. Whoever closes a claim that came to nothing does
    /// so where the one who took it holds the Lease.
    pub fn leading(&self, goal: Goal) -> u32 {
        let recorded = || self.o().record().filter(|r| r.state.is_failed_over()).and_then(|r| r.lost);
        let claimed = || {
            let claim = self.o().open_claim()?;
            self.reach[usize::from(claim.lost == 0)].alive().map(|_| claim.lost)
        };
        let lost = match goal {
            Goal::Without(lost) => Some(lost),
            Goal::Both => recorded().or_else(claimed),
        };
        match lost {
            Some(lost) => c8_dr::peer(lost),
            None if self.reach[0].alive().is_some() => 0,
            None => 1,
        }
    }

    /// Changes the record in all living regions, `first` first.
    pub async fn record(&mut self, first: u32, change: impl FnOnce(&mut record::Record)) -> Result<(), Fault> {
        self.still_ours().await?;
        let (_, warnings) = super::record::write(self.installation, &self.living(first), change).await?;
        for warning in warnings {
            self.ctx.warn("The DR record was not copied everywhere", warning);
        }
        Ok(())
    }

    /// Whether the Lease is still ours. Asked before each change, those in the middle of a step included: a probe may have
    /// taken minutes.
    ///
    /// # Errors
    /// It is somebody else's, or nobody can tell.
    pub async fn still_ours(&self) -> Result<(), Fault> {
        match &self.lease {
            Some(lease) => lease.check().await.map_err(|error| lease::fault(&error)),
            None => Ok(()),
        }
    }

    /// Acquires the Lease in the leading region.
    async fn acquire_lease(&mut self, region: u32) -> Result<(), Fault> {
        let lease = lease::acquire(self.ctx, self.kubernetes(region)?, &self.at(region).namespace, &self.wait).await?;
        self.lease = Some(lease);
        Ok(())
    }

    /// Gives the Lease back.
    pub async fn release(&mut self) {
        if let Some(lease) = self.lease.take()
            && let Err(error) = lease.release().await
        {
            tracing::warn!(%error, "the Lease could not be released; it ends by itself");
        }
    }

    /// Checks what was planned against what is there now.
    ///
    /// # Errors
    /// The world has changed since the plan, or what is asked for is refused.
    pub fn admit(&self, goal: Goal, intent: &Intent, declared: bool) -> Result<(), Fault> {
        let o = self.o();
        let epoch = o.record().map_or(0, |record| record.epoch);
        // a creation saw none
        if (!intent.open || intent.epoch > 0) && epoch != intent.epoch {
            return Err(changed(&format!("The record is of epoch {epoch}; the plan saw epoch {}.", intent.epoch), o));
        }
        if intent.steps.is_empty() && !intent.open {
            return Ok(());
        }
        if let Some(refusal) = refuse(o, goal, declared, self.repository.is_some()) {
            // rebuilt in this very apply: its store may still be starting, the first step waits for it
            let rebuilding = intent.open
                && goal == Goal::Both
                && classify(o).lost().is_some_and(|lost| {
                    o.region(lost).api.is_known()
                        && o.is_recorded_cluster(lost) == Some(false)
                        && self.repository.is_some()
                });
            if !rebuilding {
                let fault = Fault::new(refusal.summary, refusal.detail.clone());
                return Err(if intent.open { fault } else { changed(&refusal.detail, o) });
            }
        }
        Ok(())
    }

    /// Runs the steps that are due until none is left. `saved` is called after each step.
    pub async fn to(&mut self, goal: Goal, intent: &Intent, mut saved: impl FnMut(&Self)) -> Result<(), Fault> {
        let mut attempts: (Option<Step>, u32) = (None, 0);
        let mut hindered: Option<Instant> = None;
        let mut doubted: Option<Instant> = None;
        if !intent.open && intent.steps.is_empty() {
            return Ok(());
        }
        loop {
            self.wait
                .check()
                .map_err(|why| Fault::new("The transition was interrupted", format!("{why}. Apply again to go on.")))?;
            let due = next_steps(self.o(), goal);
            let Some(step) = due.first().cloned() else {
                if self.has_ended(goal, intent) {
                    self.complete(intent);
                    return Ok(());
                }
                // nothing is due either when something can't be seen
                if hindered.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(self.not_there(goal));
                }
                self.pause(Duration::from_secs(2)).await?;
                self.look().await;
                continue;
            };
            if !intent.open
                && let Some(unplanned) = due.iter().find(|step| !is_covered(step, &intent.steps))
            {
                // what could not be seen counts as not done: one look that missed a broker is no change of the world
                if doubted.get_or_insert_with(Instant::now).elapsed() < SECOND_LOOKS {
                    self.pause(Duration::from_secs(1)).await?;
                    self.look().await;
                    continue;
                }
                return Err(changed(
                    &format!("\"{}\" is due, and was not planned.", unplanned.text(self.o())),
                    self.o(),
                ));
            }
            doubted = None;
            if self.lease.is_none() {
                self.acquire_lease(self.leading(goal)).await?;
                let claims = matches!(step, Step::Claim { .. });
                if claims {
                    // a loss needs two readings, with a fresh look at who answers
                    self.pause(Duration::from_secs(1)).await?;
                }
                // whoever held the Lease meanwhile may have changed everything
                self.look_afresh().await;
                if claims && next_steps(self.o(), goal).first() != Some(&step) {
                    return Err(changed(
                        "The second look at the lost region saw something else than the first.",
                        self.o(),
                    ));
                }
                continue;
            }
            let text = step.text(self.o());
            if let Err(violation) = assert_before(&step, self.o()) {
                let patience = match (&step, self.o().best_configuration().is_some_and(|c| c.pending.is_some())) {
                    (Step::Claim { .. }, _) => Duration::ZERO,
                    (_, true) => PENDING,
                    // who was fenced off a moment ago is still remembered
                    (Step::StartTemporary { lost }, _) => PATIENCE + self.forgetting(c8_dr::peer(*lost))?,
                    (_, false) => PATIENCE,
                };
                if hindered.get_or_insert_with(Instant::now).elapsed() >= patience {
                    return Err(failed(&step, &text, &violation.to_string()));
                }
                tracing::info!(step = text, %violation, "waiting");
                self.pause(Duration::from_secs(1)).await?;
                self.look().await;
                continue;
            }
            hindered = None;
            attempts = match attempts {
                (Some(last), count) if last == step => (Some(last), count + 1),
                _ => (Some(step.clone()), 1),
            };
            if attempts.1 > ATTEMPTS {
                return Err(failed(&step, &text, &format!("it was tried {ATTEMPTS} times and is still due")));
            }
            self.still_ours().await?;
            tracing::info!(step = text, "step");
            match self.perform(&step).await {
                Ok(()) => {}
                Err(fault) => return Err(about(&step, &text, fault)),
            }
            self.confirm(&step, &text).await?;
            if step.done(self.o()) && !self.completed.contains(&text) {
                self.completed.push(text);
            }
            saved(self);
        }
    }

    /// Whether nothing due means that nothing is left. Where the steps were not planned and none was begun, a region that is
    /// lost or degraded is nobody's failure.
    fn has_ended(&self, goal: Goal, intent: &Intent) -> bool {
        let idle = intent.open && self.completed.is_empty();
        is_reached(self.o(), goal) || (idle && !matches!(classify(self.o()), State::Unknown(_) | State::Split(_)))
    }

    fn not_there(&self, goal: Goal) -> Fault {
        let state = classify(self.o());
        if self.completed.is_empty() {
            return changed("None of the planned steps can be done.", self.o());
        }
        let wanted = match goal {
            Goal::Both => "both regions active".to_owned(),
            Goal::Without(lost) => format!("region {} alone", c8_dr::peer(lost)),
        };
        let lines = c8_dr::evidence(self.o(), state.lost()).join("\n");
        Fault::new(
            "The end of the transition was not seen",
            format!(
                "The goal is {wanted}, but the installation is {state}.\n\n{lines}\n\nWhat is done stays done. Repair what is \
                 missing and apply again."
            ),
        )
    }

    /// All that was planned is done; what was found done is part of it, in the order of the plan.
    fn complete(&mut self, intent: &Intent) {
        let planned: Vec<String> = intent.steps.iter().map(|step| step.text(self.o())).collect();
        if !planned.is_empty() && !self.completed.is_empty() {
            let more: Vec<String> = self.completed.iter().filter(|text| !planned.contains(text)).cloned().collect();
            self.completed = planned.into_iter().chain(more).collect();
        }
    }

    /// Looks until the step is done. Snapshot and restore are judged by the next round: if positions moved they are retaken.
    async fn confirm(&mut self, step: &Step, text: &str) -> Result<(), Fault> {
        self.look().await;
        if matches!(step, Step::Snapshot { .. } | Step::Restore { .. }) {
            return Ok(());
        }
        let wait = self.wait.within(patience(step));
        let pace = Pace::begin();
        while !step.done(self.o()) {
            if let Err(why) = wait.pause(pace.pause()).await {
                let seen = match step {
                    Step::AwaitHealthy | Step::RecordHealthy => self
                        .o()
                        .sizes
                        .and_then(|sizes| c8_dr::state::why_not_healthy(self.o(), sizes))
                        .map(|why| format!(" Seen last: {why}."))
                        .unwrap_or_default(),
                    Step::CheckRebuilt { lost } => c8_dr::why_not_rebuilt(self.o(), *lost)
                        .map(|why| format!(" Seen last: {why}."))
                        .unwrap_or_default(),
                    _ => String::new(),
                };
                return Err(failed(step, text, &format!("{why}.{seen}")));
            }
            self.look().await;
            if let State::Split(why) = classify(self.o()) {
                return Err(failed(step, text, &why));
            }
        }
        Ok(())
    }

    /// Sleeps, unless the run is over.
    pub async fn pause(&self, pause: Duration) -> Result<(), Fault> {
        self.wait
            .pause(pause)
            .await
            .map_err(|why| Fault::new("The transition was interrupted", format!("{why}. Apply again to go on.")))
    }
}

/// How long a step that was done may take to be seen as done; not longer than the call.
fn patience(step: &Step) -> Duration {
    match step {
        Step::CheckRebuilt { .. }
        | Step::ForceRemove { .. }
        | Step::AddBrokers { .. }
        | Step::Admit { .. }
        | Step::AwaitHealthy => BROKERS,
        Step::DisableExporter { .. } | Step::EnableExporter { .. } | Step::WebAppsOff | Step::WebAppsOn => PENDING,
        _ => VISIBLE,
    }
}

fn changed(why: &str, o: &Observation) -> Fault {
    let state = classify(o);
    let lines = c8_dr::evidence(o, state.lost()).join("\n");
    Fault::new(
        "The world has changed since the plan",
        format!("{why} The installation is {state}.\n\n{lines}\n\nNothing more was done. Plan again."),
    )
}

fn failed(step: &Step, text: &str, why: &str) -> Fault {
    Fault::new("A step of the transition failed", format!("Step \"{text}\": {why}\n\n{}", step.on_failure()))
}

/// Adds the step to what failed in it.
fn about(step: &Step, text: &str, fault: Fault) -> Fault {
    let mut diagnostics = terraform_plugin::Diagnostics::new();
    for mut diagnostic in fault.diagnostics {
        diagnostic.detail = format!("Step \"{text}\": {}\n\n{}", diagnostic.detail, step.on_failure());
        diagnostics.push(diagnostic);
    }
    Fault { diagnostics }
}

#[cfg(test)]
mod tests;
