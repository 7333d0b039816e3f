//! Every plan of the story, made again by a process that knows nothing, after the world has changed: the same to the byte, and
//! without a call to anybody.
//!
//! Terraform makes each plan twice, the second time during apply in another process; whatever came from a look at the world, from
//! the clock or from the process itself would be an "inconsistent final plan" at a user's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;

use acceptance::{CLUSTERS, Installation, provider_binary};
use anyhow::{Result, ensure};
use serde_json::json;
use terraform_plugin_testing::{Action, Plan, Recorder, replay};

const RESOURCES: [&str; 5] = ["c8_dns_chain", "c8_es_backup_repo", "c8_failover", "c8_firewall", "c8_region"];

/// Makes plans again, and complains of each that differs.
async fn the_same(plans: &[Plan], when: &str) -> Result<()> {
    let differences = replay(provider_binary()?, &[], plans).await?;
    let text: Vec<_> = differences.iter().map(ToString::to_string).collect();
    ensure!(differences.is_empty(), "{when}: {} of {} plans differ\n{}", text.len(), plans.len(), text.join("\n\n"));
    Ok(())
}

/// What a stage of the story has planned.
struct Tape {
    recorder: Recorder,
    all: Vec<Plan>,
}

impl Tape {
    /// Takes what was planned since the last time; all five resources must have been, as `action`.
    fn stage(&mut self, stage: &str, action: Action) -> Result<()> {
        let plans = self.recorder.take()?;
        let seen: BTreeSet<_> =
            plans.iter().filter(|plan| plan.action == action).map(|plan| plan.resource.as_str()).collect();
        ensure!(seen.iter().copied().eq(RESOURCES), "{stage}: only {seen:?} were planned for {action:?}");
        self.all.extend(plans);
        Ok(())
    }

    /// The world is another one by now.
    async fn again(&self, it: &Installation, when: &str) -> Result<()> {
        it.world.delete("/calls").await?;
        the_same(&self.all, when).await?;
        let calls = it.world.get("/calls").await?;
        ensure!(calls.as_array().is_some_and(Vec::is_empty), "{when}: a plan has made calls: {calls:#}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_process_plans_the_same_in_every_phase() -> Result<()> {
    let mut it = Installation::planned().await?;
    let recorder = Recorder::start(provider_binary()?, &[]).await?;
    let (name, value) = recorder.environment();
    it.project.environment(name, &value);
    let mut tape = Tape { recorder, all: Vec::new() };

    it.project.apply(&[]).await?.ok()?;
    tape.stage("create", Action::Create)?;
    tape.again(&it, "after the creation").await?;

    it.plan_is_empty().await?;
    tape.stage("no-op", Action::Update)?;
    it.lose(1).await?;
    tape.again(&it, "when a region was lost").await?;

    it.plan_is_empty().await?;
    it.failover_active(true)?;
    it.project.apply(&[]).await?.ok()?;
    tape.stage("fail-over", Action::Update)?;
    it.plan_is_empty().await?;
    tape.stage("failed over", Action::Update)?;
    // whoever looks is refused
    it.world.post("/faults", json!({"match": "* /", "times": 1_000_000, "action": "error", "status": 401})).await?;
    tape.again(&it, "with revoked tokens").await?;
    it.world.delete("/faults").await?;

    it.project.apply(&["-replace=c8_region.one"]).await?.ok()?;
    let replaced = tape.recorder.take()?;
    ensure!(
        replaced.iter().any(|plan| plan.resource == "c8_region" && plan.action == Action::Create),
        "no region is created"
    );
    tape.all.extend(replaced);
    tape.again(&it, "when the region was rebuilt").await?;

    it.failover_active(false)?;
    it.project.apply(&[]).await?.ok()?;
    tape.stage("fail-back", Action::Update)?;
    it.plan_is_empty().await?;
    it.world.lose(CLUSTERS[0], "hang").await?;
    tape.again(&it, "when the other region hung").await?;
    it.world.bring_back(CLUSTERS[0], "old").await?;

    it.project.destroy(&[]).await?.ok()?;
    tape.stage("destroy", Action::Delete)?;
    tape.again(&it, "when nothing was left").await?;

    // no endpoint, no credentials
    let Tape { recorder, all } = tape;
    drop(recorder);
    drop(it);
    the_same(&all, "when nobody was there").await
}
