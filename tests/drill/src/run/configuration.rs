//! The example configuration in a folder of its own, pointed at the drill's cloud.

use std::time::Duration;

use acceptance::{Project, Run};
use anyhow::{Context as _, Result};
use serde_json::Value;

/// Images, volumes and processes of two whole installations take their time on a small machine.
const DEADLINE: Duration = Duration::from_secs(900);

/// Brokers in both regions together, and partitions.
pub const BROKERS: usize = 4;

/// `examples/terraform/dual-region` with a small variables file.
pub struct Configuration {
    project: Project,
}

impl Configuration {
    /// For the cloud of a drill, as it describes itself.
    ///
    /// # Errors
    /// No terraform on the PATH, or the provider does not compile.
    pub fn new(drill: &Value) -> Result<Self> {
        let text = |key: &str| drill[key].as_str().with_context(|| format!("the drill does not say its {key}"));
        let (gcp, credentials) = (text("gcp")?, text("credentials")?);
        let block = format!(
            "provider \"c8\" {{\n  project     = \"sandbox\"\n  credentials = \"{credentials}\"\n\n  endpoints {{\n    container = \"{gcp}\"\n    compute   = \"{gcp}\"\n    storage   = \"{gcp}\"\n    iam       = \"{gcp}\"\n  }}\n}}\n"
        );
        let mut project = Project::example_with("dual-region", &block)?;
        project.deadline(DEADLINE);
        let this = Self { project };
        this.failover_active(false)?;
        Ok(this)
    }

    /// Sets the switch.
    ///
    /// # Errors
    /// The disk says no.
    pub fn failover_active(&self, active: bool) -> Result<()> {
        self.project.variables(&[
            ("project", "\"sandbox\""),
            ("backup_bucket", "\"camunda-backup-drill\""),
            ("keep_backups", "false"),
            ("cluster_size", &BROKERS.to_string()),
            ("partition_count", &BROKERS.to_string()),
            ("failure_timeout", "\"3s\""),
            ("failover_active", if active { "true" } else { "false" }),
        ])
    }

    /// Applies; more arguments as `-replace=…`. What it said is the last line of its summary.
    ///
    /// # Errors
    /// It fails; the text holds all of its output.
    pub async fn apply(&self, more: &[&str]) -> Result<String> {
        Ok(summary(&self.project.apply(more).await?.ok()?, "Apply complete!"))
    }

    /// The plan is empty.
    ///
    /// # Errors
    /// It is not; the text holds it.
    pub async fn plan_is_empty(&self) -> Result<String> {
        self.project.plan(&[]).await?.exits(0)?;
        Ok("no changes".into())
    }

    /// Destroys everything.
    ///
    /// # Errors
    /// It fails.
    pub async fn destroy(&self) -> Result<String> {
        Ok(summary(&self.project.destroy(&[]).await?.ok()?, "Destroy complete!"))
    }

    /// `phase` of a resource in the state.
    ///
    /// # Errors
    /// The state can't be read.
    pub async fn phase(&self, address: &str) -> Result<String> {
        Ok(self.project.state(address).await?["phase"].as_str().unwrap_or_default().to_owned())
    }
}

fn summary(run: &Run, beginning: &str) -> String {
    run.stdout.lines().find(|line| line.starts_with(beginning)).unwrap_or(beginning).to_owned()
}
