//! The functions as configurations call them: without a provider configuration, in every command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::{Project, workspace_root};
use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

const HEAD: &str =
    "terraform {\n  required_providers {\n    c8 = {\n      source = \"camunda-community-hub/c8\"\n    }\n  }\n}\n\n";

/// What the examples in the docs give.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_say_what_they_promise() -> Result<()> {
    let project = Project::empty()?;
    let mut all = HEAD.to_owned();
    let examples = workspace_root().join("examples/functions");
    for entry in std::fs::read_dir(examples)? {
        all += &std::fs::read_to_string(entry?.path().join("function.tf"))?;
    }
    project.write("main.tf", &all)?;
    project.run(&["validate"]).await?.ok()?;
    project.apply(&[]).await?.ok()?.never_says("Check block assertion failed")?;
    let outputs = project.run(&["output", "-json"]).await?.ok()?;
    let outputs: Value = serde_json::from_str(&outputs.stdout)?;
    let value = |name: &str| outputs[name]["value"].clone();
    ensure!(value("brokers_of_region_1") == json!([1, 3, 5, 7]), "{outputs:#}");
    ensure!(value("all_brokers") == json!([0, 1, 2, 3, 4, 5, 6, 7]), "{outputs:#}");
    ensure!(value("brokers_by_partition")["6"] == json!([0, 5, 6, 7]), "{outputs:#}");
    ensure!(value("stopped_without_region_1") == json!([1, 2, 3, 4, 5, 6, 7, 8]), "{outputs:#}");
    ensure!(value("stub_domains") == r#"{"camunda-ew1.svc.cluster.local":["10.164.0.53"]}"#, "{outputs:#}");
    let points = value("contact_points");
    let points: Vec<_> = points.as_str().unwrap().split(',').collect();
    ensure!(points.len() == 8 && points[7] == "camunda-zeebe-3.camunda-zeebe.camunda-ew1.svc.cluster.local:26502");
    Ok(())
}

/// Refused while validating, at the argument.
#[rstest]
#[case::odd("broker_ids(7, 0)", "cluster_size", "must be even")]
#[case::region("broker_ids(8, 2)", "region_id", "must be 0 or 1")]
#[case::namespace("contact_points(8, null, \"a\", \"A\")", "namespaces", "must be a namespace")]
#[case::broker("quorum_after_loss(8, 8, null, 1, 9)", "lost_brokers", "from 0 to 7")]
#[case::replicas("partition_distribution(4, 4, 6)", "replication_factor", "must not exceed the number of brokers, 4")]
#[case::address("stub_domains([\"10.0.0.1\", \"dns\"], \"a\")", "addresses", "must be an IP address")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_arguments_are_named(#[case] call: &str, #[case] parameter: &str, #[case] why: &str) -> Result<()> {
    let project = Project::empty()?;
    project.write("main.tf", &format!("{HEAD}output \"x\" {{\n  value = provider::c8::{call}\n}}\n"))?;
    project.run(&["validate"]).await?.fails()?.says(&format!("\"{parameter}\" parameter"))?.says(why)?;
    Ok(())
}

/// What isn't known yet is no error: the result isn't known either.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_argument_gives_an_unknown_result() -> Result<()> {
    let project = Project::empty()?;
    let body = "resource \"terraform_data\" \"size\" {\n  input = 8\n}\n\noutput \"ids\" {\n  value = provider::c8::broker_ids(terraform_data.size.output, 0)\n}\n";
    project.write("main.tf", &format!("{HEAD}{body}"))?;
    project.plan(&[]).await?.exits(2)?;
    project.apply(&[]).await?.ok()?;
    let ids = project.run(&["output", "-json", "ids"]).await?.ok()?;
    ensure!(serde_json::from_str::<Value>(&ids.stdout)? == json!([0, 2, 4, 6]), "{}", ids.stdout);
    Ok(())
}
