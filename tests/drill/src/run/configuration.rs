//! The example configuration in a folder of its own, pointed at the drill's cloud.

use std::fmt::Write as _;
use std::time::Duration;

use acceptance::{Project, Run};
use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Brokers;
use crate::place::{MARK, Place};
use crate::setup::images;

/// Images, volumes and processes of two whole installations take their time on a small machine.
const DEADLINE: Duration = Duration::from_secs(900);

/// Brokers in both regions together, and partitions.
pub const BROKERS: usize = 4;

/// `examples/terraform/dual-region` with a small variables file.
pub struct Configuration {
    project: Project,
    brokers: Brokers,
}

impl Configuration {
    /// For the cloud of a drill, as it describes itself.
    ///
    /// # Errors
    /// No terraform on the PATH, or the provider does not compile.
    pub fn new(place: &Place, drill: &Value, brokers: Brokers) -> Result<Self> {
        let text = |key: &str| drill[key].as_str().with_context(|| format!("the drill does not say its {key}"));
        let (gcp, credentials) = (text("gcp")?, text("credentials")?);
        let block = format!(
            "provider \"c8\" {{\n  project     = \"sandbox\"\n  credentials = \"{credentials}\"\n\n  endpoints {{\n    container = \"{gcp}\"\n    compute   = \"{gcp}\"\n    storage   = \"{gcp}\"\n    iam       = \"{gcp}\"\n  }}\n}}\n"
        );
        let mut project = Project::example_with("dual-region", &block)?;
        project.deadline(DEADLINE);
        // whatever becomes of this command, `down` ends terraform too
        project.environment(MARK, &place.mark());
        // what each step of the provider took
        let log = place.terraform_log();
        super::logs::lay_aside(&log).with_context(|| format!("{} can't be laid aside", log.display()))?;
        std::fs::write(&log, "").with_context(|| format!("{} can't be written", log.display()))?;
        project.environment("TF_LOG_PROVIDER", "DEBUG");
        project.environment("TF_LOG_PATH", &log.display().to_string());
        if brokers == Brokers::Real {
            project.write("images_override.tf", &with_images())?;
        }
        let this = Self { project, brokers };
        this.both_active()?;
        Ok(this)
    }

    /// The switch says: run without the lost region; `named` where nobody can see which one that is.
    ///
    /// # Errors
    /// The disk says no.
    pub fn without(&self, named: Option<usize>) -> Result<()> {
        self.switch(true, named)
    }

    /// The switch says: run on both.
    ///
    /// # Errors
    /// The disk says no.
    pub fn both_active(&self) -> Result<()> {
        self.switch(false, None)
    }

    fn switch(&self, failover_active: bool, lost_region: Option<usize>) -> Result<()> {
        self.project.variables(&[
            ("project", "\"sandbox\""),
            ("backup_bucket", "\"camunda-backup-drill\""),
            ("keep_backups", "false"),
            ("cluster_size", &BROKERS.to_string()),
            ("partition_count", &BROKERS.to_string()),
            ("failure_timeout", "\"3s\""),
            ("camunda_version", &format!("\"{}\"", self.version())),
            ("failover_active", &failover_active.to_string()),
            ("lost_region", &lost_region.map_or_else(|| "null".to_owned(), |id| id.to_string())),
        ])
    }

    /// What the provider is to believe.
    fn version(&self) -> &'static str {
        match self.brokers {
            Brokers::Simulated => tag(images::SIMULATED),
            Brokers::Real => tag(images::ZEEBE),
        }
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

/// The tag of an image.
fn tag(image: &'static str) -> &'static str {
    image.rsplit_once(':').map_or("", |(_, tag)| tag)
}

/// The example with the drill's images: an override replaces the whole block.
fn with_images() -> String {
    let mut own = format!("zeebe = \"{}\"\n      elasticsearch = \"{}\"\n", images::ZEEBE, images::SEARCH);
    for (image, app) in images::WEB_APPS.iter().filter(|(image, _)| tag(image) == tag(images::ZEEBE)) {
        let _ = writeln!(own, "      {app} = \"{image}\"");
    }
    ["zero", "one"]
        .map(|region| {
            format!(
                "resource \"c8_region\" \"{region}\" {{\n  camunda {{\n    version = var.camunda_version\n    \
                 cluster_size = var.cluster_size\n    partition_count = var.partition_count\n    \
                 failure_timeout = var.failure_timeout\n    images = {{\n      {own}    }}\n  }}\n}}\n"
            )
        })
        .concat()
}

fn summary(run: &Run, beginning: &str) -> String {
    run.stdout.lines().find(|line| line.starts_with(beginning)).unwrap_or(beginning).to_owned()
}
