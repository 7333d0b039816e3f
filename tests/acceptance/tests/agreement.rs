//! Both regions form one Zeebe cluster: what differs is refused before anything is made of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::{Installation, Project};
use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::Value;

/// The block `camunda` of region one alone.
fn of_one(size: u32, partitions: u32, version: &str) -> String {
    format!(
        "resource \"c8_region\" \"one\" {{\n  camunda {{\n    version         = \"{version}\"\n    cluster_size    = {size}\n    \
         partition_count = {partitions}\n    failure_timeout = \"1s\"\n  }}\n}}\n"
    )
}

async fn clusters(it: &Installation) -> Result<Vec<Value>> {
    Ok(it.world.get("/status").await?["clusters"].as_array().cloned().unwrap_or_default())
}

/// In one configuration the plan refuses it, whichever region Terraform visits first.
#[rstest]
#[case::cluster_size(8, 4, "cluster_size", "8", "4")]
#[case::partition_count(4, 3, "partition_count", "3", "4")]
#[tokio::test(flavor = "multi_thread")]
async fn regions_that_differ_are_refused_at_plan(
    #[case] size: u32,
    #[case] partitions: u32,
    #[case] attribute: &str,
    #[case] one: &str,
    #[case] zero: &str,
) -> Result<()> {
    let it = Installation::planned().await?;
    it.project.write("z_override.tf", &of_one(size, partitions, "8.7.2"))?;
    for parallelism in ["-parallelism=1", "-parallelism=10"] {
        let run = it.project.plan(&[parallelism]).await?.exits(1)?.says("Regions do not agree")?;
        let said = run.flat();
        let either = [
            format!("`{attribute}` is {one} in region 1 (camunda-ew1) and {zero} in region 0 (camunda-ew4)"),
            format!("`{attribute}` is {zero} in region 0 (camunda-ew4) and {one} in region 1 (camunda-ew1)"),
        ];
        ensure!(either.iter().any(|text| said.contains(text)), "{}", run.text());
    }
    ensure!(clusters(&it).await?.is_empty());
    // patches of one minor work together
    it.project.write("z_override.tf", &of_one(4, 4, "8.7.3"))?;
    it.project.plan(&[]).await?.exits(2)?.never_says("Regions do not agree")?;
    Ok(())
}

/// In two configurations the second one's apply refuses it, before it makes a cluster.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_does_not_fit_what_runs_is_not_made() -> Result<()> {
    let it = Installation::planned().await?;
    it.project.apply(&["-target=c8_region.zero"]).await?.ok()?;
    let second = Project::example("dual-region", &it.world)?;
    let size = |size: &str| {
        second.variables(&[
            ("project", "\"sandbox\""),
            ("backup_bucket", "\"camunda-backup-test\""),
            ("cluster_size", size),
            ("partition_count", "4"),
            ("failure_timeout", "\"1s\""),
        ])
    };
    size("8")?;
    let run = second.apply(&["-target=c8_region.one"]).await?.fails()?.says("Regions do not agree")?;
    run.says("`cluster_size` is 8 in region 1 (camunda-ew1) and 4 in region 0 (camunda-ew4)")?
        .says("Nothing was made")?;
    ensure!(clusters(&it).await?.len() == 1, "the second cluster was made");
    ensure!(second.state("c8_region.one").await?.is_null());

    size("4")?;
    second.apply(&["-target=c8_region.one"]).await?.ok()?;
    ensure!(clusters(&it).await?.len() == 2);
    Ok(())
}
