//! The project's own commands: `cargo xtask demo | docs | bench | tofu`.
#![allow(clippy::print_stdout, reason = "a command-line tool talks to its user")]

mod bench;
mod demo;
mod docs;
mod function_page;
mod tofu;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Demo, docs and benchmark of terraform-provider-c8",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The main job on the embedded sandbox: apply, lose a region, fail over, fail back, destroy.
    Demo(demo::Arguments),
    /// Writes the Registry documentation in `docs/` from the schemas.
    Docs(docs::Arguments),
    /// Measures the release build beside the framework's tiny provider: launch, schema, memory, values, growth.
    Bench(bench::Arguments),
    /// Builds OpenTofu from its Go module, once, and prints the path of the binary.
    Tofu,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments).await,
        Command::Docs(arguments) => docs::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments).await,
        Command::Tofu => tofu::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
