//! The example `dual-region` on a sandbox: what most tests begin with.

use crate::project::Project;
use crate::world::World;
use anyhow::{Result, ensure};

/// A sandbox and the example configuration for it.
pub struct Installation {
    /// The sandbox.
    pub world: World,
    /// The configuration.
    pub project: Project,
}

/// Names of the clusters in the example, by region.
pub const CLUSTERS: [&str; 2] = ["camunda-zero", "camunda-one"];

impl Installation {
    /// The configuration, not applied yet: four brokers, four partitions.
    ///
    /// # Errors
    /// As [`Project::example`].
    pub async fn planned() -> Result<Self> {
        let world = World::start().await?;
        let project = Project::example("dual-region", &world)?;
        let installation = Self { world, project };
        installation.failover_active(false)?;
        Ok(installation)
    }

    /// Applied, working, with an empty plan.
    ///
    /// # Errors
    /// Anything of that fails.
    pub async fn running() -> Result<Self> {
        let installation = Self::planned().await?;
        installation.project.apply(&[]).await?.ok()?;
        installation.works(20).await?;
        Ok(installation)
    }

    /// Running, then region `lost` crashed, and the fail-over applied.
    ///
    /// # Errors
    /// Anything of that fails.
    pub async fn failed_over(lost: usize) -> Result<Self> {
        let installation = Self::running().await?;
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
            ("cluster_size", "4"),
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
        // nothing can be started any more once the loss is felt
        for _ in 0..100 {
            if self.world.workload(1).await?["acknowledged"] == 0 {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::bail!("half of the brokers are gone and instances are still started")
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
}
