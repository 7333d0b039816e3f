//! What is killed in the middle is completed by the next apply; what was planned for another world is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use acceptance::{CLUSTERS, Installation};
use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::json;

#[rstest]
#[case::cluster("/clusters")]
#[case::release("PATCH camunda-zero/apis/apps/v1/namespaces")]
#[case::bucket("CreateBucket")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_creating(#[case] call: &str) -> Result<()> {
    let it = Installation::planned().await?;
    it.kill_at(&[], call).await?;
    import_what_was_forgotten(&it).await?;
    it.project.apply(&[]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;
    it.destroy().await
}

/// Terraform writes its local state as soon as a resource is complete; OpenTofu at most every 20 s, so that what was complete before it was
/// killed may be in no state. The provider does not take it over; its refusal says how to import it.
async fn import_what_was_forgotten(it: &Installation) -> Result<()> {
    if !it.project.run(&["version"]).await?.stdout.contains("OpenTofu") {
        return Ok(());
    }
    let refused = it.project.apply(&[]).await?.flat();
    for (address, id) in [
        ("c8_region.zero", "sandbox/europe-west4-b/camunda-zero/camunda-ew4"),
        ("c8_region.one", "sandbox/europe-west1-b/camunda-one/camunda-ew1"),
    ] {
        if refused.contains(&format!("terraform import <address> {id}")) {
            it.project.run(&["import", address, id]).await?.ok()?;
        }
    }
    Ok(())
}

#[rstest]
#[case::claim("POST /compute/v1/projects/sandbox/global/firewalls")]
#[case::force("/actuator/cluster/brokers?force=true")]
#[case::exporter("/disable")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_failing_over(#[case] call: &str) -> Result<()> {
    let it = Installation::running().await?;
    it.lose(1).await?;
    it.failover_active(true)?;
    it.kill_at(&[], call).await?;
    it.project.apply(&[]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;
    ensure!(it.phase("c8_failover.this").await? == "failed_over");
    Ok(())
}

#[rstest]
#[case::pause("/actuator/exporting/pause")]
#[case::restore("/_restore")]
#[case::enable("/enable")]
#[case::add("replicationFactor=4")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_failing_back(#[case] call: &str) -> Result<()> {
    let it = Installation::failed_over(1).await?;
    it.project.apply(&["-replace=c8_region.one"]).await?.ok()?;
    it.failover_active(false)?;
    it.kill_at(&[], call).await?;
    it.project.apply(&[]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;
    it.world.audit().await?;
    Ok(())
}

/// An apply was killed after it claimed and before it wrote anything down, and the region came back: the claim is closed by the
/// next apply, and the other region can be given up later.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_came_to_nothing_blocks_nobody() -> Result<()> {
    let it = Installation::running().await?;
    it.lose(1).await?;
    it.failover_active(true)?;
    let record = "PATCH camunda-zero/api/v1/namespaces/camunda-ew4/configmaps/c8-dr";
    it.world.post("/faults", json!({"match": record, "times": 1_000_000, "action": "delay", "ms": 120_000})).await?;
    it.kill_at(&[], record).await?;
    it.world.delete("/faults").await?;
    it.world.bring_back(CLUSTERS[1], "old").await?;
    comes_back(&it).await?;

    it.failover_active(false)?;
    it.project.plan(&["-out=close.tfplan"]).await?.exits(2)?.says("record that the installation is healthy")?;
    it.project.apply(&["close.tfplan"]).await?.ok()?;
    it.plan_is_empty().await?;
    it.lose(0).await?;
    it.failover_active(true)?;
    it.project.apply(&[]).await?.ok()?.never_says("Another transition was claimed")?;
    it.works(10).await?;
    ensure!(it.project.state("c8_failover.this").await?["epoch"] == 2);
    Ok(())
}

/// Ctrl-C once: Terraform and the provider come to an end, the state is true, and the next apply goes on.
#[rstest]
#[case::cluster(false, "POST /v1/projects/sandbox/locations/europe-west1-b/clusters")]
#[case::release(false, "PATCH camunda-zero/apis/apps/v1/namespaces")]
#[case::fail_over(true, "/actuator/cluster/brokers?force=true")]
#[tokio::test(flavor = "multi_thread")]
async fn interrupted_by_the_user(#[case] failing_over: bool, #[case] call: &str) -> Result<()> {
    let it = if failing_over { Installation::running().await? } else { Installation::planned().await? };
    if failing_over {
        it.lose(1).await?;
        it.failover_active(true)?;
    }
    let before = it.world.seen(call).await?;
    let child = it.project.start(&["apply", "-auto-approve"])?;
    let group = child.id().context("terraform has ended already")?;
    for _ in 0..6000 {
        if it.world.seen(call).await? > before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // as a terminal does: to the whole group
    signal("-INT", group).await?;
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(text.contains("Interrupt received"), "{text}");
    ensure!(!signal("-0", group).await?, "a process of the group is left");
    it.project.run(&["show", "-json"]).await?.ok()?;
    it.project.apply(&[]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;
    it.world.audit().await?;
    Ok(())
}

/// Sends a signal to a process group; whether there was one.
async fn signal(signal: &str, group: u32) -> Result<bool> {
    let mut command = tokio::process::Command::new("kill");
    command.args([signal, "--", &format!("-{group}")]).stderr(std::process::Stdio::null());
    Ok(command.status().await?.success())
}

/// Waits until instances can be started again.
async fn comes_back(it: &Installation) -> Result<()> {
    for _ in 0..200 {
        if it.world.workload(1).await?["acknowledged"] == 1 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("no instance could be started")
}

/// A fail-over that was planned while the region was lost is not applied to one that came back.
#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_refused_when_the_world_has_changed() -> Result<()> {
    let it = Installation::running().await?;
    it.lose(1).await?;
    it.failover_active(true)?;
    it.project.plan(&["-out=old.tfplan"]).await?.exits(2)?;
    it.world.bring_back(CLUSTERS[1], "old").await?;
    comes_back(&it).await?;
    let forced = it.world.seen("force=true").await?;
    it.project.apply(&["old.tfplan"]).await?.fails()?.says("The world has changed since the plan")?;
    ensure!(it.world.seen("force=true").await? == forced, "brokers were removed after all");
    it.works(10).await?;
    Ok(())
}
