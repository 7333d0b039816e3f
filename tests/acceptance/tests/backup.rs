//! The bucket of the backups can't be reached from the search stores: the user reads why, and nothing has to be begun anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::Installation;
use anyhow::Result;
use serde_json::json;

/// A store needs longer to say why than other calls into a pod get; the test is worth nothing with a shorter time.
const LONGER_THAN_OTHER_CALLS: u64 = 17_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_slow_to_say_why_is_heard() -> Result<()> {
    let it = Installation::planned().await?;
    it.world.post("/storage/lose", json!({"after_ms": LONGER_THAN_OTHER_CALLS})).await?;
    it.project.write(
        "timeouts_override.tf",
        "resource \"c8_es_backup_repo\" \"this\" {\n  timeouts {\n    create = \"70s\"\n    update = \"10m\"\n  }\n}\n",
    )?;
    it.project
        .apply(&[])
        .await?
        .fails()?
        .says("Backup repository is not complete")?
        .says("storage.googleapis.com: Connection refused")?;
    it.world.post("/storage/return", json!({})).await?;
    it.project.apply(&[]).await?.ok()?;
    it.works(10).await?;
    it.plan_is_empty().await?;
    it.destroy().await
}
