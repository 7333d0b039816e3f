//! The command line of the drill.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use c8_drill::cloud::latency;
use c8_drill::drill::EXAMPLE;
use c8_drill::place::Place;
use c8_drill::run::targets::Targets;
use c8_drill::run::users::Users;
use c8_drill::server::{self, Client, Wanted};
use c8_drill::{clean, region, run, setup, status};
use c8_sandbox::workload::Workload;
use clap::{Args, Parser, Subcommand};
use serde_json::json;

/// A test bed of real components: two Kubernetes clusters with a small cloud around them, on this machine.
#[derive(Parser)]
#[command(name = "cargo drill", version)]
struct Arguments {
    /// Which drill: several can run side by side
    #[arg(long, env = "C8_DRILL_NUMBER", default_value_t = 0, global = true)]
    number: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install and build what is missing (once; the second call takes seconds)
    Setup,
    /// Start the cloud, and the two regions of the example
    Up {
        /// Only the cloud: terraform makes the regions
        #[arg(long)]
        empty: bool,
    },
    /// Show what runs, again and again; once if this is no terminal
    Status {
        /// Only once
        #[arg(long)]
        once: bool,
    },
    /// Lose a region
    Lose {
        /// Number or name of the region
        region: String,
        #[command(flatten)]
        how: How,
        /// Round trip between the regions from now on, in milliseconds
        #[arg(long)]
        latency: Option<u64>,
    },
    /// Bring a region back
    Return {
        /// Number or name of the region
        region: String,
        #[command(flatten)]
        disks: Disks,
    },
    /// Set the round trip between the regions, in milliseconds; 0 for none
    Latency {
        /// Milliseconds
        milliseconds: u64,
    },
    /// Run clients and workers through the real ports of both regions' gateways
    Workload {
        /// How many instances
        #[arg(long, default_value_t = 20)]
        instances: usize,
    },
    /// Ask the oracle whether anything was lost or doubled
    Audit,
    /// The main job from nothing to nothing: apply, lose, fail over, rebuild, fail back, audit, destroy
    Run(run::Wanted),
    /// End everything; nothing is left
    Down,
    /// The drill itself, in the background
    #[command(hide = true)]
    Serve,
    /// What keeps packets between the regions for a while
    #[command(hide = true)]
    Delay {
        /// One way, in microseconds
        microseconds: u64,
    },
    /// The first process of a machine
    #[command(hide = true)]
    Machine {
        /// What it has to run
        description: PathBuf,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Every process is killed
    #[arg(long)]
    crash: bool,
    /// As a crash, but calls hang instead of being refused
    #[arg(long)]
    hang: bool,
    /// It lives, but no packet passes between it and the others
    #[arg(long)]
    network: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Disks {
    /// Brokers and stores find empty disks
    #[arg(long)]
    empty: bool,
    /// Everything is as it was
    #[arg(long)]
    old_disks: bool,
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    // an API server that does not answer yet is no news
    let filter = "warn,kube_client=off";
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_env_filter(filter).init();
    let arguments = Arguments::parse();
    if let Command::Machine { description } = &arguments.command {
        // no threads of a runtime: it reaps every process of its namespace
        return region::machine::run(description);
    }
    if let Command::Delay { microseconds } = arguments.command {
        return latency::serve(Duration::from_micros(microseconds));
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = Place::of_workspace(arguments.number)?;
    tokio::runtime::Runtime::new()?.block_on(execute(&place, arguments.command))
}

async fn execute(place: &Place, command: Command) -> Result<()> {
    let began = Instant::now();
    let done = |what: &str| println!("{what} ({:.1} s)", began.elapsed().as_secs_f64());
    match command {
        Command::Setup => {
            setup::provide(place).await?;
            done("everything is there");
        }
        Command::Up { empty } => {
            setup::needs::check()?;
            let drill = server::launch(place).await?;
            if !empty {
                let [zero, one] = EXAMPLE;
                let (first, second) = tokio::join!(drill.create(zero.0, zero.1), drill.create(one.0, one.1));
                first.and(second)?;
            }
            print!("{}", status::page(&drill.describe().await?));
            done("up");
        }
        Command::Status { once } => {
            let drill = Client::find(place).await?;
            let live = !once && std::io::stdout().is_terminal();
            loop {
                let page = status::page(&drill.describe_with_pods().await?);
                if !live {
                    print!("{page}");
                    break;
                }
                // home, page, and clear what an earlier, longer page left
                print!("\x1b[H\x1b[2J{page}\nCtrl-C ends this page, not the drill.\n");
                std::io::stdout().flush()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Command::Lose { region, how, latency } => {
            let wanted = match how {
                How { network: true, .. } => Wanted::CutOff,
                How { hang: true, .. } => Wanted::Silent,
                How { .. } => Wanted::Crashed,
            };
            let client = Client::find(place).await?;
            if let Some(milliseconds) = latency {
                client.latency(milliseconds).await?;
            }
            client.power(&region, wanted).await?;
            done(&format!("region {region} is lost"));
        }
        Command::Return { region, disks } => {
            let wanted = if disks.empty { Wanted::UpEmpty } else { Wanted::Up };
            Client::find(place).await?.power(&region, wanted).await?;
            done(&format!("region {region} is back"));
        }
        Command::Latency { milliseconds } => {
            Client::find(place).await?.latency(milliseconds).await?;
            done(&format!("a round trip between the regions takes {milliseconds} ms"));
        }
        Command::Workload { instances } => {
            let client = Client::find(place).await?;
            let gateways = Targets::of(&client.describe().await?)?.gateways(&[0, 1]).await;
            let workload = Workload { instances, gateways, timeout_ms: 5000, ..Workload::default() };
            println!("{:#}", client.control("/workload", Some(&json!(workload))).await?);
        }
        Command::Audit => {
            let client = Client::find(place).await?;
            let targets = Targets::of(&client.describe().await?)?;
            let seen = Users { client, targets }.verdict().await?;
            println!("{seen:#}");
            if seen["ok"] != true {
                bail!("the audit found something");
            }
        }
        Command::Run(wanted) => run::run(place, &wanted).await?,
        Command::Down => {
            let count = clean::clean(place).await?;
            let left = clean::leftovers(place);
            if !left.is_empty() {
                bail!("something is left: {}", left.join(", "));
            }
            done(&format!("nothing is left of {count} things"));
        }
        Command::Serve => server::serve(place).await?,
        Command::Machine { .. } | Command::Delay { .. } => bail!("it is not started here"),
    }
    Ok(())
}
