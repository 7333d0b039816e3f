//! What a user meets before anything is touched: commands, bad input, imports, and a world that does not answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::{CLUSTERS, Installation, Project, World};
use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_served() -> Result<()> {
    let world = World::start().await?;
    let project = Project::example("dual-region", &world)?;
    let run = project.run(&["providers", "schema", "-json"]).await?.ok()?;
    let schema: Value = serde_json::from_str(&run.stdout)?;
    // OpenTofu has a registry of its own
    let providers = schema["provider_schemas"].as_object().into_iter().flatten();
    let mut ours = providers.filter(|(source, _)| source.ends_with("/camunda-community-hub/c8"));
    let provider = ours.next().map(|(_, schema)| schema.clone()).unwrap_or_default();
    for name in ["c8_region", "c8_dns_chain", "c8_firewall", "c8_es_backup_repo", "c8_failover"] {
        ensure!(provider["resource_schemas"][name].is_object(), "{name} is missing");
    }
    for name in ["c8_dr_state", "c8_topology"] {
        ensure!(provider["data_source_schemas"][name].is_object(), "{name} is missing");
    }
    for name in ["broker_ids", "contact_points", "partition_distribution", "quorum_after_loss", "stub_domains"] {
        ensure!(provider["functions"][name].is_object(), "{name} is missing");
    }
    Ok(())
}

#[rstest]
#[case::dual_region("dual-region")]
#[case::break_glass("break-glass")]
#[tokio::test(flavor = "multi_thread")]
async fn examples_are_valid_and_formatted(#[case] example: &str) -> Result<()> {
    let world = World::start().await?;
    let project = Project::example(example, &world)?;
    project.run(&["validate"]).await?.ok()?;
    std::fs::remove_file(project.path().join("sandbox_override.tf"))?;
    project.run(&["fmt", "-check"]).await?.ok()?;
    Ok(())
}

/// Refused at plan, with the attribute; nothing is touched.
#[rstest]
#[case::odd_size("cluster_size = 5", "cluster_size")]
#[case::too_small("cluster_size = 2", "cluster_size")]
#[case::version("camunda_version = \"8.8.0\"", "version")]
#[case::not_a_version("camunda_version = \"latest\"", "version")]
#[case::bucket("backup_bucket = \"Upper_Case\"", "name")]
#[case::duration("failure_timeout = \"ten\"", "failure_timeout")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_at_plan(#[case] variable: &str, #[case] attribute: &str) -> Result<()> {
    let it = Installation::planned().await?;
    it.project.write("z.auto.tfvars", variable)?;
    let run = it.project.plan(&[]).await?.exits(1)?;
    ensure!(run.flat().contains(attribute), "{}", run.text());
    let calls = it.world.get("/calls").await?;
    let touched = calls.as_array().into_iter().flatten().any(|c| c["method"] != "GET" && c["path"] != "/token");
    ensure!(!touched, "something was touched: {calls:#}");
    Ok(())
}

/// The API is down: an error within seconds that names the endpoint; the next apply goes on.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_down_is_named() -> Result<()> {
    let it = Installation::planned().await?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let dead = listener.local_addr()?;
    drop(listener);
    let block = it.world.provider_block();
    let broken: String = block
        .lines()
        .map(|line| {
            let is_container = line.trim_start().starts_with("container");
            if is_container { format!("    container = \"http://{dead}\"\n") } else { format!("{line}\n") }
        })
        .collect();
    it.project.write("sandbox_override.tf", &broken)?;
    let run = it.project.apply(&[]).await?.fails()?.says(&dead.to_string())?;
    ensure!(run.took.as_secs() < 90, "it took {:?} to say so", run.took);
    it.project.write("sandbox_override.tf", &block)?;
    it.project.apply(&[]).await?.ok()?;
    it.works(5).await?;
    it.plan_is_empty().await
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_and_failover_are_imported() -> Result<()> {
    let it = Installation::running().await?;
    for address in ["c8_failover.this", "c8_region.zero"] {
        it.project.run(&["state", "rm", address]).await?.ok()?;
    }
    let zero = "sandbox/europe-west4-b/camunda-zero/camunda-ew4";
    let one = "sandbox/europe-west1-b/camunda-one/camunda-ew1";
    it.project.run(&["import", "c8_region.zero", zero]).await?.ok()?;
    it.project.run(&["import", "c8_failover.this", &format!("{zero},{one}")]).await?.ok()?;
    // an update fills in what only the configuration knows; it must change nothing that runs
    it.project.apply(&[]).await?.ok()?;
    it.plan_is_empty().await?;
    it.works(5).await
}

/// The state is out of reach and a region is gone: one resource, imported, planned as an update with evidence.
#[tokio::test(flavor = "multi_thread")]
async fn break_glass() -> Result<()> {
    let it = Installation::running().await?;
    it.lose(1).await?;
    let night = Project::example("break-glass", &it.world)?;
    night.variables(&[("project", "\"sandbox\"")])?;
    let plan = night.plan(&["-out=night.tfplan"]).await?.exits(2)?;
    plan.says("1 to import")?.says("force-remove brokers")?.says(CLUSTERS[1])?;
    let changes = night.changes("night.tfplan").await?;
    ensure!(changes == [("c8_failover.this".to_owned(), "update".to_owned())], "{changes:?}");
    night.apply(&["night.tfplan"]).await?.ok()?;
    it.works(20).await?;
    // and the main configuration, with its state back, agrees
    it.failover_active(true)?;
    it.project.apply(&[]).await?.ok()?;
    it.plan_is_empty().await
}
