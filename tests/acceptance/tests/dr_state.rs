//! The data source says what is, from the topology alone: no resource, no state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::Installation;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const QUESTION: &str = "c8_dr_state";

fn evidence(now: &Value) -> String {
    now["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_the_story() -> Result<()> {
    let it = Installation::running().await?;
    let now = it.ask(QUESTION).await?;
    ensure!(now["state"] == "HEALTHY" && now["lost_region"].is_null() && now["epoch"] == 0, "{now:#}");
    ensure!(now["group"] == "camunda-ew4-camunda-ew1", "{now:#}");
    let seen = |now: &Value| now["brokers"].as_array().unwrap().iter().map(|b| b["seen"].clone()).collect::<Vec<_>>();
    ensure!(seen(&now) == [json!(true), json!(true), json!(true), json!(true)], "{now:#}");

    it.lose(1).await?;
    let now = it.ask(QUESTION).await?;
    ensure!(now["state"] == "REGION_LOST" && now["lost_region"] == 1 && now["epoch"] == 0, "{now:#}");
    ensure!(seen(&now) == [json!(true), json!(false), json!(true), json!(false)], "{now:#}");
    ensure!(evidence(&now).contains("Topology, seen from 0: brokers 1, 3 missing"), "{now:#}");
    ensure!(!evidence(&now).contains("os error") && !evidence(&now).contains("client error"), "{now:#}");

    it.failover_active(true)?;
    it.project.apply(&[]).await?.ok()?;
    let now = it.ask(QUESTION).await?;
    ensure!(now["state"] == "FAILED_OVER" && now["lost_region"] == 1 && now["epoch"] == 1, "{now:#}");
    ensure!(evidence(&now).contains("4 of 4 partitions have a leader"), "{now:#}");
    Ok(())
}
