//! The data source `c8_topology`: what the regions show, healthy, with a region lost, and after the fail-over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::Installation;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const QUESTION: &str = "c8_topology";

fn each(now: &Value, list: &str, field: &str) -> Value {
    now[list].as_array().into_iter().flatten().map(|one| one[field].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_the_story() -> Result<()> {
    let it = Installation::running().await?;
    let now = it.ask(QUESTION).await?;
    let sizes = ["cluster_size", "partition_count", "replication_factor"].map(|name| now[name].clone());
    ensure!(sizes == [json!(4), json!(4), json!(4)], "{now:#}");
    ensure!(each(&now, "brokers", "id") == json!([0, 1, 2, 3]), "{now:#}");
    ensure!(each(&now, "brokers", "region_id") == json!([0, 1, 0, 1]), "{now:#}");
    ensure!(each(&now, "brokers", "healthy") == json!([true, true, true, true]), "{now:#}");
    ensure!(each(&now, "partitions", "healthy") == json!([true, true, true, true]), "{now:#}");
    ensure!(each(&now, "partitions", "replicas")[0] == json!([0, 1, 2, 3]), "{now:#}");
    ensure!(each(&now, "regions", "version") == json!(["8.7.2", "8.7.2"]), "{now:#}");
    ensure!(each(&now, "regions", "exporting") == json!(["EXPORTING", "EXPORTING"]), "{now:#}");
    ensure!(each(&now, "stores", "status") == json!(["green", "green"]), "{now:#}");
    let exporters = now["exporters"].as_object().unwrap();
    ensure!(exporters.len() == 2 && exporters.values().all(|state| state == "ENABLED"), "{now:#}");
    ensure!(now["pending_change"].is_null(), "{now:#}");

    it.lose(1).await?;
    let now = it.ask(QUESTION).await?;
    ensure!(each(&now, "regions", "reachable") == json!([true, false]), "{now:#}");
    ensure!(each(&now, "stores", "reachable") == json!([true, false]), "{now:#}");
    ensure!(each(&now, "brokers", "seen") == json!([true, false, true, false]), "{now:#}");
    ensure!(each(&now, "partitions", "leader") == json!([null, null, null, null]), "{now:#}");
    ensure!(each(&now, "partitions", "healthy") == json!([false, false, false, false]), "{now:#}");
    let reason = now["regions"][1]["reason"].as_str().unwrap_or_default();
    ensure!(!reason.is_empty() && !reason.contains("os error"), "{now:#}");

    it.failover_active(true)?;
    it.project.apply(&[]).await?.ok()?;
    let now = it.ask(QUESTION).await?;
    ensure!(each(&now, "brokers", "member") == json!([true, false, true, false]), "{now:#}");
    let leaders = each(&now, "partitions", "leader");
    ensure!(leaders.as_array().unwrap().iter().all(|leader| *leader == 0 || *leader == 2), "{now:#}");
    let exporters = now["exporters"].as_object().unwrap();
    ensure!(exporters.values().filter(|state| *state == "DISABLED").count() == 1, "{now:#}");
    Ok(())
}
