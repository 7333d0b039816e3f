//! `cargo demo`: the operator's story on the embedded sandbox, with the real `terraform` or `tofu`.

use std::time::{Duration, Instant};

use acceptance::{Project, Run, World, find_terraform, provider_binary};
use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

/// Options of `cargo demo`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Brokers in both regions together.
    #[arg(long, default_value_t = 8)]
    brokers: u32,
    /// Process instances that each round of the workload starts.
    #[arg(long, default_value_t = 40)]
    instances: u64,
}

const STAGES: u64 = 15;

/// Tells the story; fails when something is not as it must be.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let terraform = find_terraform()?;
    println!("The main job of terraform-provider-c8, with {}, on an embedded sandbox.", terraform.display());
    println!("Nothing outside this machine is touched.\n");
    let mut story = Story::new();

    story.begin("Build the provider");
    provider_binary()?;
    story.end("");

    story.begin("Start the sandbox");
    let world = World::start().await?;
    let project = Project::example("dual-region", &world)?;
    let (brokers, partitions) = (arguments.brokers.to_string(), arguments.brokers.to_string());
    let variables = |failover_active| {
        project.variables(&[
            ("project", "\"sandbox\""),
            ("backup_bucket", "\"camunda-backup-demo\""),
            ("keep_backups", "false"),
            ("cluster_size", &brokers),
            ("partition_count", &partitions),
            ("failure_timeout", "\"1s\""),
            ("failover_active", failover_active),
        ])
    };
    variables("false")?;
    story.end("Google Cloud, Kubernetes, Zeebe and Elasticsearch, simulated with their consequences");

    story.begin("terraform apply: two regions from nothing");
    let run = project.apply(&[]).await?.ok()?;
    story.end(summary(&run));

    story.begin("Start process instances through both gateways");
    let done = workload(&world, arguments.instances).await?;
    ensure!(done.acknowledged == arguments.instances, "a healthy installation refused work: {done:?}");
    story.end(&format!("{} started", done.acknowledged));

    story.begin("Lose region 1");
    world.lose("camunda-one", "crash").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let refused = workload(&world, 3).await?;
    ensure!(refused.acknowledged == 0, "instances were started without a quorum: {refused:?}");
    story.end("no instance can be started: no partition has a leader");

    story.begin("terraform plan: still works, and is empty");
    project.plan(&[]).await?.exits(0)?;
    story.end("exit code 0");

    story.begin("terraform plan with failover_active = true");
    variables("true")?;
    let plan = project.plan(&["-out=failover.tfplan"]).await?.exits(2)?;
    story.end("");
    story.show(&excerpt(&plan.stdout));

    story.begin("terraform apply: fail over");
    let run = project.apply(&["failover.tfplan"]).await?.ok()?;
    story.end(summary(&run));

    story.begin("The workload goes on, on the surviving region");
    let done = workload(&world, arguments.instances).await?;
    ensure!(done.acknowledged == arguments.instances, "after the fail-over work was refused: {done:?}");
    project.plan(&[]).await?.exits(0)?;
    story.end(&format!("{} started; the plan is empty", done.acknowledged));

    story.begin("terraform apply -replace=c8_region.one: rebuild region 1");
    let run = project.apply(&["-replace=c8_region.one"]).await?.ok()?.says("disks")?;
    story.end(summary(&run));

    story.begin("terraform apply with failover_active = false: fail back");
    variables("false")?;
    let run = project.apply(&[]).await?.ok()?;
    story.end(summary(&run));

    story.begin("The workload goes on, on both regions");
    let done = workload(&world, arguments.instances).await?;
    ensure!(done.acknowledged == arguments.instances, "after the fail-back work was refused: {done:?}");
    story.end(&format!("{} started", done.acknowledged));

    story.begin("Audit by an oracle outside: clients' log, replica logs, both stores");
    let audit = world.audit().await?;
    story.end(&format!("lost {}, doubled {}", audit["lost"], audit["doubled"]));

    story.begin("terraform plan: empty");
    project.plan(&[]).await?.exits(0)?;
    story.end("exit code 0");

    story.begin("terraform destroy");
    project.destroy(&[]).await?.ok()?;
    let orphans = world.nothing_is_left().await?;
    story.end(&format!(
        "nothing is left but {orphans} disks and addresses of the crashed cluster, which nobody could release; terraform named the disks"
    ));

    story.finish();
    Ok(())
}

/// Narrates with a bar, one line a stage.
struct Story {
    bar: ProgressBar,
    begun: Instant,
    stage: Instant,
    title: String,
}

impl Story {
    fn new() -> Self {
        let bar = ProgressBar::new(STAGES);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, begun: Instant::now(), stage: Instant::now(), title: String::new() }
    }

    fn begin(&mut self, title: &str) {
        self.stage = Instant::now();
        title.clone_into(&mut self.title);
        self.bar.set_message(self.title.clone());
    }

    fn end(&mut self, what: &str) {
        let line = format!("{:>6.1} s  {}", self.stage.elapsed().as_secs_f64(), self.title);
        self.line(&line);
        if !what.is_empty() {
            self.line(&format!("          {what}"));
        }
        self.bar.inc(1);
    }

    fn show(&self, text: &str) {
        self.line("");
        for line in text.lines() {
            self.line(&format!("    {line}"));
        }
        self.line("");
    }

    /// Above the bar on a terminal, plainly elsewhere.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() { println!("{text}") } else { self.bar.println(text) }
    }

    fn finish(self) {
        self.bar.finish_and_clear();
        println!("\nAll as it must be, in {:.0} s.", self.begun.elapsed().as_secs_f64());
    }
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown when the story fails")]
struct Workload {
    acknowledged: u64,
    refused: u64,
    ambiguous: u64,
}

async fn workload(world: &World, instances: u64) -> Result<Workload> {
    let answer = world.workload(instances).await?;
    let count =
        |name: &str| answer[name].as_u64().with_context(|| format!("the workload does not tell `{name}`: {answer}"));
    Ok(Workload { acknowledged: count("acknowledged")?, refused: count("refused")?, ambiguous: count("ambiguous")? })
}

/// The line in which Terraform counts what it did.
fn summary(run: &Run) -> &str {
    run.stdout.lines().find(|line| line.starts_with("Apply complete!")).unwrap_or_default()
}

/// The part of a plan that an operator reads: from the first resource that changes to the end of the warnings.
fn excerpt(plan: &str) -> String {
    let from = plan.find("Terraform will perform").or_else(|| plan.find("OpenTofu will perform")).unwrap_or(0);
    let rest = &plan[from..];
    let to = rest.find("─────").unwrap_or(rest.len());
    rest[..to].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_excerpt_is_what_an_operator_reads() {
        let plan = "c8_region.zero: Refreshing state...\n\nTerraform will perform the following actions:\n\n  # x\n\n─────────\n\nSaved";
        assert_eq!(excerpt(plan), "Terraform will perform the following actions:\n\n  # x");
    }
}
