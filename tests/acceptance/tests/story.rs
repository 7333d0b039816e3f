//! The operator's story, and its variants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::{CLUSTERS, Installation};
use anyhow::{Result, ensure};
use rstest::rstest;

const REGIONS: [&str; 2] = ["c8_region.zero", "c8_region.one"];

/// Apply, lose a region, fail over, rebuild, fail back, destroy: with an empty plan after each.
#[rstest]
#[case::region_one(1)]
#[case::region_zero_with_the_coordinator(0)]
#[tokio::test(flavor = "multi_thread")]
async fn fail_over_and_back(#[case] lost: usize) -> Result<()> {
    let it = Installation::running().await?;
    it.plan_is_empty().await?;

    it.lose(lost).await?;
    let plan = it.project.plan(&[]).await?.exits(0)?;
    plan.says("unreachable").map(drop)?;

    it.failover_active(true)?;
    it.project
        .plan(&["-out=failover.tfplan"])
        .await?
        .exits(2)?
        .says("\"region_lost\"")?
        .says("claim the transition")?
        .says("fence:")?
        .says("force-remove brokers")?
        .says("disable exporter")?
        .says(CLUSTERS[lost])?;
    let changes = it.project.changes("failover.tfplan").await?;
    ensure!(changes == [("c8_failover.this".to_owned(), "update".to_owned())], "{changes:?}");
    it.project.apply(&["failover.tfplan"]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "failed_over");
    it.works(20).await?;
    // whoever has failed over is not told to do so
    it.project
        .plan(&[])
        .await?
        .exits(0)?
        .says("carries the installation alone")?
        .never_says("failover_active = true")?;

    it.project.apply(&[&format!("-replace={}", REGIONS[lost])]).await?.ok()?;
    it.works(20).await?;
    it.plan_is_empty().await?;

    it.failover_active(false)?;
    it.project
        .plan(&["-out=failback.tfplan"])
        .await?
        .exits(2)?
        .says("pause exporting")?
        .says("snapshot")?
        .says("resume exporting")?;
    it.project.apply(&["failback.tfplan"]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "healthy");
    it.works(20).await?;
    it.plan_is_empty().await?;
    it.world.audit().await?;
    it.destroy().await
}

/// The rebuild and the fail-back in one apply.
#[tokio::test(flavor = "multi_thread")]
async fn rebuild_and_fail_back_together() -> Result<()> {
    let it = Installation::failed_over(1).await?;
    it.failover_active(false)?;
    it.project.apply(&["-replace=c8_region.one"]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "healthy");
    it.works(20).await?;
    it.plan_is_empty().await?;
    it.world.audit().await?;
    it.destroy().await
}

/// The lost region is rebuilt before anybody failed over: it must be held, and nothing may be lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_before_the_fail_over_is_held() -> Result<()> {
    let it = Installation::running().await?;
    it.lose(1).await?;
    it.project.apply(&["-replace=c8_region.one"]).await?.ok()?;
    ensure!(it.phase("c8_region.one").await? == "held");
    ensure!(it.world.workload(2).await?["acknowledged"] == 0, "the fresh brokers took part in a quorum");
    it.failover_active(true)?;
    it.project.apply(&[]).await?.ok()?;
    it.works(20).await?;
    it.failover_active(false)?;
    it.project.apply(&[]).await?.ok()?;
    it.works(20).await?;
    it.world.audit().await?;
    it.plan_is_empty().await?;
    it.destroy().await
}

/// One at a time, in the order of the dependencies.
#[tokio::test(flavor = "multi_thread")]
async fn serial_applies_work() -> Result<()> {
    let it = Installation::planned().await?;
    it.project.apply(&["-parallelism=1"]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;
    it.project.destroy(&["-parallelism=1"]).await?.ok()?;
    Ok(())
}

/// Destroy works in the middle of an outage that was survived.
#[tokio::test(flavor = "multi_thread")]
async fn destroy_while_failed_over_leaves_nothing() -> Result<()> {
    Installation::failed_over(1).await?.destroy().await
}
