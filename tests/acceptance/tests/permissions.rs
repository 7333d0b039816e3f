//! What is forbidden is a warning that names the verb: no error, and never evidence of a loss.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::Installation;
use anyhow::{Result, ensure};
use serde_json::json;

/// Several probes in one installation: an apply takes longer than they do.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_probe_is_a_warning_and_no_loss() -> Result<()> {
    let it = Installation::running().await?;
    let cases = [
        ("GET /clusters/camunda-one", 403, "not allowed to get GKE cluster camunda-one", "Region 1 (camunda-ew1)"),
        ("GET /clusters/camunda-one", 401, "not allowed to get GKE cluster camunda-one", "Region 1 (camunda-ew1)"),
        (
            "GET /api/v1/namespaces/kube-system",
            403,
            "not allowed to get Namespace kube-system",
            "Region 1 (camunda-ew1)",
        ),
        ("GET /statefulsets", 403, "not allowed to get StatefulSet", "Region 1 (camunda-ew1)"),
        ("GET /firewalls", 403, "not allowed to get firewall", "The rules between the regions"),
    ];
    for (call, status, why, whom) in cases {
        it.world
            .post("/faults", json!({"match": call, "times": 1_000_000, "action": "error", "status": status}))
            .await?;
        let plan = it.project.plan(&[]).await?.exits(0)?.never_says("Error:")?;
        let said = plan.flat().to_lowercase();
        ensure!(said.contains(&why.to_lowercase()), "{call}: {}", plan.text());
        plan.says(&format!("{whom} can't be looked at"))?.never_says("is lost")?.never_says("unreachable")?;
        // the refreshed state would show a loss, if anybody had concluded one
        it.project.run(&["apply", "-refresh-only", "-auto-approve"]).await?.ok()?;
        ensure!(it.phase("c8_region.one").await? == "running", "{call} {status}");
        it.world.delete("/faults").await?;
    }
    it.plan_is_empty().await?;
    ensure!(it.phase("c8_failover.this").await? == "healthy");
    Ok(())
}

/// An unusable key is named once for each region, without a part of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_key_is_explained() -> Result<()> {
    let it = Installation::running().await?;
    let block = it.world.provider_block();
    let path = it.world.sandbox().credentials_path().display().to_string();
    it.project.write("broken.json", "this is no JSON, but hunter2")?;
    for (instead, why) in [
        ("/nowhere/key.json", "can't read /nowhere/key.json"),
        (it.project.path().join("broken.json").to_str().unwrap(), "no valid JSON"),
    ] {
        it.project.write("sandbox_override.tf", &block.replace(&path, instead))?;
        let plan = it.project.plan(&[]).await?.exits(0)?;
        plan.says(why)?.says("usable Google credentials")?.never_says("hunter2")?.never_says("is lost").map(drop)?;
    }
    Ok(())
}
