//! An API that accepts connections and never answers keeps a plan for half a minute at most, and the plan is empty.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::{CLUSTERS, Installation};
use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(35);
/// One attempt to get a token, and Terraform itself.
const ONCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_hangs_is_reported_and_changes_nothing() -> Result<()> {
    let it = Installation::running().await?;
    it.world.lose(CLUSTERS[1], "hang").await?;
    let plan = it.project.plan(&[]).await?.exits(0)?;
    let took = plan.took;
    plan.says("Region 1 (camunda-ew1) is unreachable")?.says("no answer within 10 s")?.never_says("Region 0")?;
    ensure!(took < PATIENCE, "the plan took {took:?}");
    Ok(())
}

/// Neither does an endpoint of Google's that hangs; without evidence nothing is called lost.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_hangs_is_no_loss() -> Result<()> {
    let it = Installation::running().await?;
    for call in ["* /clusters/", "* /firewalls", "* google.storage"] {
        it.world.post("/faults", json!({"match": call, "times": 1_000_000, "action": "delay", "ms": 120_000})).await?;
        let plan = it.project.plan(&[]).await?.exits(0)?;
        let took = plan.took;
        plan.never_says("counts as lost")?.never_says("failover_active = true").map(drop)?;
        ensure!(took < PATIENCE, "{call}: the plan took {took:?}");
        it.world.delete("/faults").await?;
    }
    it.plan_is_empty().await
}

/// The source of all tokens hangs: everything depends on it, one resource after the other, and each is told of the same silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_hangs_is_waited_for_once() -> Result<()> {
    let it = Installation::running().await?;
    let hangs = json!({"match": "POST /token", "times": 1_000_000, "action": "delay", "ms": 120_000});
    it.world.post("/faults", hangs).await?;
    let plan = it.project.plan(&[]).await?.exits(0)?.says("/token")?.never_says("counts as lost")?;
    ensure!(plan.took < ONCE, "the plan took {:?}", plan.took);
    it.world.delete("/faults").await?;
    it.plan_is_empty().await
}
