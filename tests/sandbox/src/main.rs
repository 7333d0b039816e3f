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
    println!("# control API: {}", sandbox.control_url());
    println!(
        "#   curl -X POST {0}/regions/CLUSTER/lose    curl -X POST {0}/workload    curl {0}/audit    curl {0}/status",
        sandbox.control_url()
    );
    println!("# Ctrl-C ends it, with everything that is in it.");
    tokio::signal::ctrl_c().await
}
