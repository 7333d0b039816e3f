//! The sandbox alone: prints its endpoints and the provider block to use, and runs until Ctrl-C.
#![allow(clippy::print_stdout)]

use c8_sandbox::{Options, Sandbox};
use clap::Parser;

/// An embedded world for terraform-provider-c8: GCP, Kubernetes, Zeebe and Elasticsearch, simulated.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port of the Google Cloud endpoint (0: any free one)
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the control API (0: any free one)
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// The GCP project that exists
    #[arg(long, default_value = "sandbox")]
    project: String,
    /// Seconds that GKE takes to create or delete a cluster
    #[arg(long, default_value_t = 0.2)]
    cluster_seconds: f64,
}

/// What else a user needs to try a configuration here.
const HELP: &str = r#"# Save the block above as `sandbox_override.tf` beside any configuration, such as a copy of examples/terraform/dual-region.
# Terraform takes the provider that is built here (`cargo build`) if its CLI configuration says so:
#
#   provider_installation {
#     dev_overrides {
#       "camunda-community-hub/c8" = "/path/to/terraform-provider-c8/target/debug"
#     }
#     direct {}
#   }
#
# in a file that the variable TF_CLI_CONFIG_FILE names. No `terraform init` then: `terraform apply` at once.
#
# Control API:
#   lose a region          curl --json '{"mode": "crash"}' {control}/regions/CLUSTER/lose      or "hang", "network"
#   bring it back          curl --json '{"disks": "old"}' {control}/regions/CLUSTER/return     or "empty"
#   kill a broker          curl --json '{"stay_down": true}' {control}/brokers/1/kill          then -X POST …/revive
#   let a call fail        curl --json '{"match": "PUT /_snapshot", "nth": 1, "times": 2, "action": "error", "status": 503}' {control}/faults
#                          or "action": "drop", or "action": "delay" with "ms": 5000; the method `*` is any
#   start instances        curl --json '{"instances": 20}' {control}/workload
#   what is, was, is left  curl {control}/status   {control}/calls   {control}/audit   {control}/leftovers
#"#;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let arguments = Arguments::parse();
    let options = Options {
        gcp_port: arguments.port,
        control_port: arguments.control_port,
        project: arguments.project,
        cluster_create: std::time::Duration::from_secs_f64(arguments.cluster_seconds.clamp(0.0, 3600.0)),
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await?;
    println!("{}", sandbox.provider_block());
    println!("{}", HELP.replace("{control}", sandbox.control_url()));
    println!("# Ctrl-C ends it, with everything that is in it.");
    tokio::signal::ctrl_c().await
}
