//! The example `dual-region` on a sandbox: what most tests begin with.

use std::time::Duration;

use crate::project::Project;
use crate::world::World;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// A sandbox and the example configuration for it.
pub struct Installation {
    /// The sandbox.
    pub world: World,
    /// The configuration.
    pub project: Project,
    version: &'static str,
}

/// Names of the clusters in the example, by region.
pub const CLUSTERS: [&str; 2] = ["camunda-zero", "camunda-one"];

/// Their namespaces.
pub const NAMESPACES: [&str; 2] = ["camunda-ew4", "camunda-ew1"];

/// Brokers in both regions together.
const BROKERS: usize = 4;

impl Installation {
    /// The configuration, not applied yet: four brokers, four partitions.
    ///
    /// # Errors
    /// As [`Project::example`].
    pub async fn planned() -> Result<Self> {
        Self::planned_of("8.7.2").await
    }

    /// The same of another version of Camunda.
    ///
    /// # Errors
    /// As [`Project::example`].
    pub async fn planned_of(version: &'static str) -> Result<Self> {
        let world = World::start().await?;
        let project = Project::example("dual-region", &world)?;
        let installation = Self { world, project, version };
        installation.failover_active(false)?;
        Ok(installation)
    }

    /// Applied, working, with an empty plan.
    ///
    /// # Errors
    /// Anything of that fails.
    pub async fn running() -> Result<Self> {
        Self::running_of("8.7.2").await
    }

    /// The same of another version of Camunda.
    ///
    /// # Errors
    /// Anything of that fails.
    pub async fn running_of(version: &'static str) -> Result<Self> {
        let installation = Self::planned_of(version).await?;
        installation.project.apply(&[]).await?.ok()?;
        installation.works(20).await?;
        Ok(installation)
    }

    /// Running, then region `lost` crashed, and the fail-over applied.
    ///
    /// # Errors
    /// Anything of that fails.
    pub async fn failed_over(lost: usize) -> Result<Self> {
        Self::failed_over_of("8.7.2", lost).await
    }

    /// The same of another version of Camunda.
    ///
    /// # Errors
    /// Anything of that fails.
    pub async fn failed_over_of(version: &'static str, lost: usize) -> Result<Self> {
        let installation = Self::running_of(version).await?;
        installation.lose(lost).await?;
        installation.failover_active(true)?;
        installation.project.apply(&[]).await?.ok()?;
        installation.works(20).await?;
        Ok(installation)
    }

    /// Sets the switch in the variables.
    ///
    /// # Errors
    /// The disk says no.
    pub fn failover_active(&self, active: bool) -> Result<()> {
        self.project.variables(&[
            ("project", "\"sandbox\""),
            ("backup_bucket", "\"camunda-backup-test\""),
            ("keep_backups", "false"),
            ("camunda_version", &format!("\"{}\"", self.version)),
            ("cluster_size", &BROKERS.to_string()),
            ("partition_count", "4"),
            ("failure_timeout", "\"1s\""),
            ("failover_active", if active { "true" } else { "false" }),
        ])
    }

    /// Crashes a region and waits until the rest of the installation misses it.
    ///
    /// # Errors
    /// It does not.
    pub async fn lose(&self, region: usize) -> Result<()> {
        self.world.lose(CLUSTERS[region], "crash").await?;
        for _ in 0..100 {
            let status = self.world.get("/status").await?;
            let gateways = status["gateways"].as_array().cloned().unwrap_or_default();
            // a temporary broker has the id of a lost one, and runs elsewhere
            let of =
                |host: &Value| host.as_str().is_some_and(|host| host.split('.').any(|part| part == NAMESPACES[region]));
            let listed = |gateway: &Value| {
                let brokers = gateway["topology"]["brokers"].as_array();
                brokers.into_iter().flatten().any(|broker| of(&broker["host"]))
            };
            if !gateways.is_empty() && !gateways.iter().any(listed) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the brokers of {} are gone, and the topology still shows them", CLUSTERS[region])
    }

    /// Starts instances; all must be acknowledged.
    ///
    /// # Errors
    /// One is not.
    pub async fn works(&self, instances: u64) -> Result<()> {
        let answer = self.world.workload(instances).await?;
        ensure!(answer["acknowledged"] == instances, "{instances} instances were started, but: {answer}");
        Ok(())
    }

    /// The plan is empty.
    ///
    /// # Errors
    /// It is not.
    pub async fn plan_is_empty(&self) -> Result<()> {
        self.project.plan(&[]).await?.exits(0).map(drop)
    }

    /// Destroys all; nothing may be left but the disks of a cluster that had crashed: there was nobody to release them.
    ///
    /// # Errors
    /// Something is.
    pub async fn destroy(&self) -> Result<()> {
        self.project.destroy(&[]).await?.ok()?;
        self.world.nothing_is_left().await.map(drop)
    }

    /// `phase` of a resource in the state.
    ///
    /// # Errors
    /// The state can't be read.
    pub async fn phase(&self, address: &str) -> Result<String> {
        let state = self.project.state(address).await?;
        Ok(state["phase"].as_str().unwrap_or_default().to_owned())
    }

    /// Starts an apply, and kills terraform with its providers (SIGKILL) once the sandbox saw `call`.
    ///
    /// # Errors
    /// The call never came.
    pub async fn kill_at(&self, arguments: &[&str], call: &str) -> Result<()> {
        let before = self.world.seen(call).await?;
        let mut child = self.project.start(&[&["apply", "-auto-approve"], arguments].concat())?;
        let group = child.id().context("terraform has ended already")?;
        let mut hit = false;
        for _ in 0..9000 {
            hit = self.world.seen(call).await? > before;
            if hit || child.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // the whole group: a provider that lived on would finish the work
        tokio::process::Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status().await?;
        let output = child.wait_with_output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(hit, "terraform never called `{call}`: {text}");
        // the lock of the state died with its owner
        let _ = std::fs::remove_file(self.project.path().join(".terraform.tfstate.lock.info"));
        Ok(())
    }

    /// What a data source says of the example's topology, asked from a folder of its own: no resource, no state.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn ask(&self, data_source: &str) -> Result<Value> {
        let project = Project::empty()?;
        let question = format!(
            r#"
terraform {{
  required_providers {{
    c8 = {{
      source = "camunda-community-hub/c8"
    }}
  }}
}}

data "{data_source}" "now" {{
  topology = [
    {{ location = "europe-west4-b", cluster = "{}", namespace = "{}" }},
    {{ location = "europe-west1-b", cluster = "{}", namespace = "{}" }},
  ]
}}

output "now" {{
  value = data.{data_source}.now
}}
"#,
            CLUSTERS[0], NAMESPACES[0], CLUSTERS[1], NAMESPACES[1]
        );
        project.write("main.tf", &question)?;
        project.write("provider.tf", &self.world.provider_block())?;
        project.apply(&[]).await?.ok()?;
        Ok(serde_json::from_str(&project.run(&["output", "-json", "now"]).await?.ok()?.stdout)?)
    }
}
