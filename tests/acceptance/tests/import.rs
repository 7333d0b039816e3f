//! A lost state comes back by import: the plan afterwards changes nothing that is right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::Installation;
use anyhow::{Result, ensure};

const REGIONS: &str = "sandbox/europe-west4-b/camunda-zero/camunda-ew4,sandbox/europe-west1-b/camunda-one/camunda-ew1";

async fn forget_and_import(it: &Installation, address: &str, id: &str) -> Result<()> {
    it.project.run(&["state", "rm", address]).await?.ok()?;
    it.project.run(&["import", address, id]).await?.ok().map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn chain_firewall_and_repository_are_imported() -> Result<()> {
    let it = Installation::running().await?;
    let before = it.project.state("c8_es_backup_repo.this").await?;

    forget_and_import(&it, "c8_firewall.this", REGIONS).await?;
    it.plan_is_empty().await?;

    forget_and_import(&it, "c8_es_backup_repo.this", &format!("camunda-backup-test/camunda_backup,{REGIONS}")).await?;
    let after = it.project.state("c8_es_backup_repo.this").await?;
    for same in ["id", "key_id", "service_account_id", "service_account_email", "base_paths", "ref", "regions"] {
        ensure!(before[same] == after[same], "{same}: {} became {}", before[same], after[same]);
    }

    // names are proven by pods: that is an apply's, not an import's
    forget_and_import(&it, "c8_dns_chain.this", REGIONS).await?;
    it.project.plan(&["-out=prove.tfplan"]).await?.exits(2)?.says("names were not seen to resolve both ways")?;
    let changes = it.project.changes("prove.tfplan").await?;
    let update = |address: &str| (address.to_owned(), "update".to_owned());
    // whether a bucket may be deleted with its content is nowhere but in the configuration
    ensure!(changes == [update("c8_dns_chain.this"), update("c8_es_backup_repo.this")], "{changes:?}");
    it.project.apply(&["prove.tfplan"]).await?.ok()?;
    it.plan_is_empty().await?;
    it.destroy().await
}

/// What does not exist, or belongs to somebody else, is not imported.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_imported() -> Result<()> {
    let it = Installation::planned().await?;
    let nothing = "Cannot import non-existent remote object";
    for address in ["c8_firewall.this", "c8_dns_chain.this"] {
        it.project.run(&["import", address, "one region only"]).await?.fails()?.says("does not name two regions")?;
    }
    it.project.run(&["import", "c8_firewall.this", REGIONS]).await?.fails()?.says(nothing)?;
    let id = format!("camunda-backup-test/camunda_backup,{REGIONS}");
    it.project.run(&["import", "c8_es_backup_repo.this", &id]).await?.fails()?.says(nothing)?;
    Ok(())
}
