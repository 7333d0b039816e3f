//! The rules that Terraform dictates (design: postponement, taint, truth of the state), seen with the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::{CLUSTERS, Installation};
use anyhow::{Result, ensure};
use serde_json::json;

/// Limits for one resource, short enough for a test.
fn short_timeouts(resource: &str, name: &str) -> String {
    format!("resource \"{resource}\" \"{name}\" {{\n  timeouts {{\n    create = \"12s\"\n  }}\n}}\n")
}

/// While a region is lost, a change that would restart brokers is put off with a warning; the plan is empty, and
/// `-replace` of the lost region takes the new configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_postponed_while_a_region_is_lost() -> Result<()> {
    let it = Installation::running().await?;
    it.lose(1).await?;
    it.project.write("z.auto.tfvars", "camunda_version = \"8.7.3\"")?;
    it.project.plan(&[]).await?.exits(0)?.says("Change postponed")?;
    it.project
        .plan(&["-replace=c8_region.one", "-out=replace.tfplan"])
        .await?
        .exits(2)?
        .says("\"8.7.2\" -> \"8.7.3\"")?;
    Ok(())
}

/// A region whose cluster exists is never tainted: what could not be completed is completed by an update in place.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_not_complete_is_completed_in_place() -> Result<()> {
    let it = Installation::planned().await?;
    it.project.write("z_override.tf", &short_timeouts("c8_region", "one"))?;
    let fault = json!({"match": "* camunda-one/apis/apps/v1", "action": "error", "status": 500, "times": 100_000});
    it.world.post("/faults", fault).await?;
    let run = it.project.apply(&["-target=c8_region.one"]).await?.ok()?;
    run.says("not complete")?;
    ensure!(it.phase("c8_region.one").await? == "installing");

    it.world.delete("/faults").await?;
    it.project.plan(&["-target=c8_region.one", "-out=go-on.tfplan"]).await?.exits(2)?;
    let changes = it.project.changes("go-on.tfplan").await?;
    ensure!(changes == [("c8_region.one".to_owned(), "update".to_owned())], "{changes:?}");
    it.project.apply(&[]).await?.ok()?;
    it.works(5).await?;
    it.plan_is_empty().await
}

/// The switch is destroyed under the Lease: an apply that runs elsewhere must not be overtaken.
#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_released_under_the_lease() -> Result<()> {
    let it = Installation::running().await?;
    it.world.delete("/calls").await?;
    it.project.destroy(&["-target=c8_failover.this"]).await?.ok()?;
    let calls = it.world.get("/calls").await?;
    let written =
        |what: &str| {
            calls.as_array().into_iter().flatten().position(|call| {
                call["method"] != "GET" && call["path"].as_str().is_some_and(|path| path.contains(what))
            })
        };
    let (lease, record) = (written("/leases"), written("/configmaps/c8-dr"));
    ensure!(lease.is_some() && lease < record, "the Lease at {lease:?}, the record at {record:?}: {calls:#}");
    Ok(())
}

/// What can't be looked at is said, and what was known to be wrong is not forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_can_not_be_looked_at_is_named() -> Result<()> {
    let it = Installation::running().await?;
    for call in ["* google.storage", "GET /serviceAccounts", "GET /_snapshot"] {
        it.world.post("/faults", json!({"match": call, "action": "error", "status": 500, "times": 100_000})).await?;
        it.project.plan(&[]).await?.exits(0)?.says("The backup repository can't be looked at").map(drop)?;
        it.world.delete("/faults").await?;
    }
    it.plan_is_empty().await
}

/// A strategy that was changed by hand comes back, though the API server refuses what it filled in for the other one.
#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_that_was_changed_by_hand_comes_back() -> Result<()> {
    if c8_sandbox::real::wanted() {
        // the world has no picture of a real server's Deployments that could be edited; the differential test shows what matters
        return Ok(());
    }
    let it = Installation::running().await?;
    for cluster in it.world.sandbox().shared().lock().clusters.values_mut().filter(|c| c.name == CLUSTERS[0]) {
        cluster.store.edit("Deployment", "camunda-ew4", "camunda-operate", "kubectl-edit", |deployment| {
            deployment["spec"]["strategy"] =
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
        });
    }
    it.project.plan(&[]).await?.exits(2)?.says("spec.strategy")?;
    it.project.apply(&[]).await?.ok()?;
    it.plan_is_empty().await
}

/// What was seen to be wrong is still repaired when the next look fails; the state says what was known.
#[tokio::test(flavor = "multi_thread")]
async fn known_drift_outlives_a_look_that_fails() -> Result<()> {
    let it = Installation::running().await?;
    let broken = |world: &mut c8_sandbox::World| {
        world.gcp.firewalls.retain(|name, _| !name.starts_with("c8-allow-"));
        for cluster in world.clusters.values_mut() {
            cluster.store.edit("ConfigMap", "kube-system", "kube-dns", "somebody", |map| map["data"] = json!({}));
        }
    };
    broken(&mut it.world.sandbox().shared().lock());
    it.project.run(&["apply", "-refresh-only", "-auto-approve"]).await?.ok()?;
    ensure!(it.project.state("c8_dns_chain.this").await?["verified"] == false);

    for call in ["GET /firewalls", "GET /configmaps/kube-dns", "GET /clusters/camunda-one"] {
        it.world.post("/faults", json!({"match": call, "action": "error", "status": 500, "times": 100_000})).await?;
        if call.contains("kube-dns") {
            it.project
                .plan(&[])
                .await?
                .exits(2)?
                .says("The DNS chain can't be looked at")?
                .says("DNS chain will be repaired")?;
        } else {
            it.project.plan(&[]).await?.exits(2)?.says("Firewall rules will be repaired")?;
        }
        it.world.delete("/faults").await?;
    }
    it.project.apply(&[]).await?.ok()?;
    it.works(5).await?;
    it.plan_is_empty().await
}

/// A transition that failed before it changed anything leaves no state, so the next plan is a plain create.
#[tokio::test(flavor = "multi_thread")]
async fn a_transition_that_did_nothing_leaves_no_state() -> Result<()> {
    let it = Installation::planned().await?;
    it.project.write("z_override.tf", &short_timeouts("c8_failover", "this"))?;
    let fault = json!({"match": "* /v2/topology", "action": "error", "status": 503, "times": 100_000});
    it.world.post("/faults", fault).await?;
    it.project.apply(&[]).await?.fails()?;
    ensure!(it.project.state("c8_failover.this").await?.is_null(), "it is in the state");

    it.world.delete("/faults").await?;
    it.project.plan(&["-out=again.tfplan"]).await?.exits(2)?;
    let changes = it.project.changes("again.tfplan").await?;
    ensure!(changes == [("c8_failover.this".to_owned(), "create".to_owned())], "{changes:?}");
    it.project.apply(&["again.tfplan"]).await?.ok()?;
    it.works(5).await?;
    it.plan_is_empty().await
}
