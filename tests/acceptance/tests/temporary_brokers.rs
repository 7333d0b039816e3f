//! The operator's story before there was a cluster API: temporary brokers (Camunda 8.2–8.5).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use acceptance::{CLUSTERS, Installation, NAMESPACES};
use anyhow::{Result, bail, ensure};
use rstest::rstest;
use serde_json::json;

const VERSION: &str = "8.2.25";
const REGIONS: [&str; 2] = ["c8_region.zero", "c8_region.one"];

/// Waits until a broker runs and is ready, or (without a quorum) just runs.
async fn broker_is_back(it: &Installation, id: u64, ready: bool) -> Result<()> {
    for _ in 0..300 {
        let status = it.world.get("/status").await?;
        let brokers = status["brokers"].as_array().cloned().unwrap_or_default();
        if brokers.iter().any(|broker| broker["id"] == id && (broker["ready"] == true || !ready)) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("broker {id} did not come back: {:#}", it.world.get("/status").await?["brokers"])
}

/// A broker's process is killed; it must come back by itself.
async fn kill(it: &Installation, id: u64, ready: bool) -> Result<()> {
    it.world.post(&format!("/brokers/{id}/kill"), json!({})).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    broker_is_back(it, id, ready).await
}

/// Every acknowledged instance of a batch completes: the batch works on what was there before as well.
async fn all_complete(it: &Installation) -> Result<()> {
    for _ in 0..20 {
        let answer = it.world.workload(1).await?;
        ensure!(answer["acknowledged"] == 1, "{answer}");
        let audit = it.world.get("/audit").await?;
        if audit["acknowledged"] == audit["completed"] {
            return Ok(());
        }
    }
    bail!("old jobs are open: {:#}", it.world.get("/audit").await?)
}

#[rstest]
#[case::region_one(1)]
#[case::region_zero(0)]
#[tokio::test(flavor = "multi_thread")]
async fn fail_over_and_back(#[case] lost: usize) -> Result<()> {
    let it = Installation::running_of(VERSION).await?;
    it.plan_is_empty().await?;
    // jobs that nobody works on before the outage
    let open = it.world.post("/workload", json!({"instances": 10, "work": false})).await?;
    ensure!(open["acknowledged"] == 10, "{open}");
    let survivor = 1 - lost;

    it.lose(lost).await?;
    kill(&it, survivor as u64, false).await?;
    it.project.plan(&[]).await?.exits(0)?.says("unreachable").map(drop)?;
    it.failover_active(true)?;
    it.project
        .plan(&["-out=failover.tfplan"])
        .await?
        .exits(2)?
        .says("claim the transition")?
        .says("fence:")?
        .says(&format!("let another store stand in for the one of region {lost}"))?
        .says(&format!("start temporary brokers {lost} on empty disks in {}", NAMESPACES[survivor]))?
        .says(CLUSTERS[lost])?;
    let changes = it.project.changes("failover.tfplan").await?;
    ensure!(changes == [("c8_failover.this".to_owned(), "update".to_owned())], "{changes:?}");
    it.project.apply(&["failover.tfplan"]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "failed_over");
    it.works(20).await?;
    all_complete(&it).await?;
    it.plan_is_empty().await?;
    it.world.audit().await?;
    kill(&it, survivor as u64 + 2, true).await?;
    it.works(5).await?;

    it.project.apply(&[&format!("-replace={}", REGIONS[lost])]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;

    it.failover_active(false)?;
    it.project
        .plan(&["-out=failback.tfplan"])
        .await?
        .exits(2)?
        .says(&format!("admit broker {}", lost + 2))?
        .says("pause exporting")?
        .says("stop the temporary brokers and keep their disks")?
        .says(&format!("admit broker {lost}"))?;
    it.project.apply(&["failback.tfplan"]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "healthy");
    it.works(20).await?;
    it.plan_is_empty().await?;
    all_complete(&it).await?;
    let audit = it.world.audit().await?;
    ensure!(audit["lost"] == 0 && audit["missing"] == 0, "{audit:#}");
    it.destroy().await
}

/// Killed in the middle of each way, three times; the next apply goes on.
#[tokio::test(flavor = "multi_thread")]
async fn killed_and_gone_on() -> Result<()> {
    let it = Installation::running_of(VERSION).await?;
    it.lose(1).await?;
    it.failover_active(true)?;
    // the store that stands in is made, and brokers may be restarted with it; the temporary ones are told
    let over = [
        "POST camunda-zero/apis/apps/v1/namespaces/camunda-ew4/statefulsets",
        "PATCH camunda-zero/apis/apps/v1/namespaces/camunda-ew4/statefulsets/camunda-zeebe-temporary",
    ];
    for call in over {
        it.kill_at(&[], call).await?;
    }
    it.project.apply(&[]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;

    it.project.apply(&["-replace=c8_region.one"]).await?.ok()?;
    it.failover_active(false)?;
    let back = [
        "/_restore",
        "/actuator/exporting/resume",
        "PATCH camunda-zero/apis/apps/v1/namespaces/camunda-ew4/statefulsets/camunda-zeebe-temporary",
    ];
    for call in back {
        it.kill_at(&[], call).await?;
    }
    it.project.apply(&[]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "healthy");
    it.works(10).await?;
    it.plan_is_empty().await?;
    it.world.audit().await?;
    it.destroy().await
}

/// Region 1 was lost, failed over and made anew; the next apply fails back.
async fn rebuilt() -> Result<Installation> {
    let it = Installation::running_of(VERSION).await?;
    it.lose(1).await?;
    it.failover_active(true)?;
    it.project.apply(&[]).await?.ok()?;
    it.project.apply(&["-replace=c8_region.one"]).await?.ok()?;
    it.failover_active(false)?;
    Ok(it)
}

/// A word that does not reach a follower, and an apply that is killed before it could say it again: leaders do as they were told, and before
/// 8.6 nobody says that a follower does not. The next apply tells each broker, before a copy and before a replica goes. Its first look at what is
/// exported fails, so that everything counts as not done: it looks again before it calls that a change of the world.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_was_not_told_is_told_by_the_next_apply() -> Result<()> {
    let it = rebuilt().await?;
    for (word, paused) in [("pause", false), ("resume", true)] {
        it.world.post("/words/lose", json!({"times": 1000})).await?;
        it.kill_at(&[], &format!("/actuator/exporting/{word}")).await?;
        it.world.post("/words/lose", json!({"times": 0})).await?;
        ensure!(
            replicas(&it, paused).await? == 1,
            "not one replica is left out: {:#}",
            it.world.get("/status").await?["brokers"]
        );
        it.project.plan(&[]).await?.exits(2)?.never_says(&format!("{word} exporting"))?;
    }
    it.project.plan(&["-out=on.tfplan"]).await?.exits(2)?;
    let unread = json!({"match": "GET /actuator/partitions", "times": 4, "action": "error", "status": 503});
    it.world.post("/faults", unread).await?;
    it.project.apply(&["on.tfplan"]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "healthy");
    ensure!(replicas(&it, true).await? == 0, "a replica is paused: {:#}", it.world.get("/status").await?["brokers"]);
    it.works(10).await?;
    it.plan_is_empty().await?;
    it.world.audit().await.map(drop)
}

/// How many replicas are paused on their disk, or are not.
async fn replicas(it: &Installation, paused: bool) -> Result<usize> {
    let status = it.world.get("/status").await?;
    let brokers = status["brokers"].as_array().cloned().unwrap_or_default();
    let of = |broker: &serde_json::Value, key: &str| match &broker[key] {
        serde_json::Value::Array(all) => all.len(),
        serde_json::Value::Object(all) => all.len(),
        _ => 0,
    };
    Ok(brokers.iter().map(|b| if paused { of(b, "paused") } else { of(b, "partitions") - of(b, "paused") }).sum())
}

/// Lost again while the way back has exporting paused: these versions resume it only where all replicas are, so each broker is told.
#[tokio::test(flavor = "multi_thread")]
async fn lost_again_while_exporting_is_paused() -> Result<()> {
    let it = rebuilt().await?;
    it.kill_at(&[], "/_restore").await?;

    it.lose(1).await?;
    it.failover_active(true)?;
    it.project.plan(&["-out=again.tfplan"]).await?.exits(2)?.says("resume exporting")?;
    it.project.apply(&["again.tfplan"]).await?.ok()?;
    ensure!(it.phase("c8_failover.this").await? == "failed_over");
    it.works(20).await?;
    all_complete(&it).await?;
    it.plan_is_empty().await?;
    it.world.audit().await.map(drop)
}

/// The number of brokers is refused when the region is planned, not in the outage.
#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_no_temporary_ones_fit_are_refused() -> Result<()> {
    let it = Installation::planned_of(VERSION).await?;
    it.project.plan(&["-var=cluster_size=6"]).await?.fails()?.says("it must be a multiple of 4").map(drop)
}
