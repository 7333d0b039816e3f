//! `drill run`: the main job from nothing to nothing, unattended, with real terraform on real components.
//!
//! Each stage is timed and says what it saw; the first that fails ends the run. The verdict is the audit's: what clients were promised, what
//! workers did, the replica logs, and the documents that were read out of the real stores.

mod configuration;
mod logs;
mod stages;
mod story;
pub mod targets;
pub mod users;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use crate::place::Place;
use crate::setup::images;
use crate::{clean, server, setup};

/// What runs in the pods of brokers and gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Brokers {
    /// The sandbox's, as processes in real pods (8.7)
    Simulated,
    /// Zeebe 8.0.0, with the management contract of 8.2
    Real,
}

/// What is broken on purpose, so that the audit is seen to notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sabotage {
    /// A document is deleted from a store behind the exporter's back
    Document,
    /// The fence is taken away, and the region that was given up comes back alive
    Fence,
    /// Two replicas of each partition start empty at the same time, and outvote what was promised
    Replicas,
}

/// The command's options.
#[derive(Debug, Clone, Args)]
pub struct Wanted {
    /// Which brokers
    #[arg(long, value_enum, default_value = "simulated")]
    pub brokers: Brokers,
    /// Break something: the run then succeeds if the audit says so
    #[arg(long, value_enum)]
    pub sabotage: Option<Sabotage>,
    /// Write the result as JSON into this file
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// End after the stage whose name begins like this, and leave everything as it is then
    #[arg(long)]
    pub until: Option<String>,
    /// Leave everything running when a stage fails
    #[arg(long)]
    pub keep: bool,
}

/// Runs all stages.
///
/// # Errors
/// A stage failed; the table up to it has been printed.
pub async fn run(place: &Place, wanted: &Wanted) -> Result<()> {
    setup::needs::check()?;
    let mut stages = stages::Stages::new(wanted.until.clone());
    let told = go(place, wanted, &mut stages).await;
    let left_as_it_is = stages.ended_early() || (told.is_err() && wanted.keep);
    let cleaned = if left_as_it_is { Ok(()) } else { end(place, &mut stages).await };
    stages.print();
    if let Some(file) = &wanted.json {
        std::fs::write(file, serde_json::to_vec_pretty(&stages.json())?)?;
    }
    if left_as_it_is {
        stages::say("everything is left as it is: `cargo drill status`, `cargo drill down`");
    }
    told.and(cleaned)
}

async fn go(place: &Place, wanted: &Wanted, stages: &mut stages::Stages) -> Result<()> {
    if wanted.brokers == Brokers::Simulated {
        let image =
            async { Ok((images::simulated(place, &ProgressBar::hidden()).await?, images::SIMULATED.to_owned())) };
        stages.stage("the broker as it is in the sources", image).await?;
    }
    let _kept = logs::Keeper::start(place)?;
    let client = stages.stage("cloud", async { Ok((server::launch(place).await?, String::new())) }).await?;
    let outcome = story::Story::new(place, client, wanted.brokers).await?.tell(wanted.sabotage, stages).await;
    match outcome {
        // the wanted end, not a failure
        Err(_) if stages.ended_early() => Ok(()),
        other => other,
    }
}

async fn end(place: &Place, stages: &mut stages::Stages) -> Result<()> {
    let cleaning = async {
        let count = clean::clean(place).await?;
        let left = clean::leftovers(place);
        if !left.is_empty() {
            bail!("left behind on this machine: {}", left.join(", "));
        }
        Ok(((), format!("{count} things removed")))
    };
    stages.last("down", cleaning).await
}
