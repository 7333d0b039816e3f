//! How the time of a plan grows with the number of instances, with the real Terraform.
//!
//! Terraform's own part grows too: the same number of its built-in `terraform_data`, which no provider is started for, stands
//! beside.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use acceptance::find_terraform;
use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::figures::median;

/// Instances in one plan.
const COUNTS: [u32; 4] = [1, 10, 100, 1000];

/// One configuration of `count` instances; `{count}` stands for how many.
struct Subject {
    name: &'static str,
    configuration: &'static str,
}

const SUBJECTS: [Subject; 3] = [
    Subject { name: "terraform_data", configuration: "resource \"terraform_data\" \"this\" {\n  count = {count}\n}\n" },
    Subject {
        name: "tiny_note",
        configuration: r#"
terraform {
  required_providers {
    tiny = { source = "acme/tiny" }
  }
}
provider "tiny" {
  directory = "."
}
resource "tiny_note" "this" {
  count = {count}
  name  = "note-${count.index}"
  text  = "one of many"
}
"#,
    },
    Subject {
        name: "c8_region",
        configuration: r#"
terraform {
  required_providers {
    c8 = { source = "camunda-community-hub/c8" }
  }
}
provider "c8" {
  project = "bench"
}
resource "c8_region" "this" {
  count     = {count}
  region_id = 0
  topology = [
    { location = "europe-west4-b", cluster = "zero-${count.index}", namespace = "zero-${count.index}" },
    { location = "europe-west1-b", cluster = "one-${count.index}", namespace = "one-${count.index}" },
  ]
  cluster {
    machine_type = "n2-standard-8"
    min_nodes    = 1
    max_nodes    = 24
  }
  camunda {
    version         = "8.7.2"
    cluster_size    = 8
    partition_count = 8
  }
}
"#,
    },
];

/// Plans each subject with each count, turn by turn, and says how long it took.
pub async fn table(tiny: &Path, c8: &Path, plans: usize) -> Result<String> {
    let space = Space::new(tiny, c8)?;
    let mut seconds = Vec::new();
    for count in COUNTS {
        let mut samples = SUBJECTS.map(|_| Vec::new());
        for _ in 0..plans {
            for (subject, samples) in SUBJECTS.iter().zip(&mut samples) {
                samples.push(space.plan(subject, count).await?);
            }
        }
        seconds.push((count, samples.map(median)));
    }
    Ok(render(&seconds))
}

/// Seconds, and the milliseconds that each instance took beyond those of the line before.
fn render(lines: &[(u32, [f64; SUBJECTS.len()])]) -> String {
    let mut text = format!("{:>9}", "instances");
    for subject in &SUBJECTS {
        let _ = write!(text, " {:>15} {:>9}", format!("{}, s", subject.name), "ms each");
    }
    text.push('\n');
    let mut before: Option<&(u32, [f64; SUBJECTS.len()])> = None;
    for line in lines {
        let (count, seconds) = line;
        let _ = write!(text, "{count:>9}");
        for (at, now) in seconds.iter().enumerate() {
            let each = before.and_then(|(fewer, then)| Some((now - then.get(at)?) * 1e3 / f64::from(count - fewer)));
            let each = each.map_or_else(String::new, |each| format!("{each:.2}"));
            let _ = write!(text, " {now:>15.2} {each:>9}");
        }
        text.push('\n');
        before = Some(line);
    }
    text
}

/// A folder where Terraform finds both providers.
struct Space {
    folder: TempDir,
    terraform: std::path::PathBuf,
}

impl Space {
    fn new(tiny: &Path, c8: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins)?;
        for (binary, name) in [(tiny, "terraform-provider-tiny"), (c8, "terraform-provider-c8")] {
            std::fs::copy(binary, plugins.join(name)).with_context(|| format!("can't copy {}", binary.display()))?;
        }
        let here = plugins.display();
        let config = format!(
            "disable_checkpoint = true\nprovider_installation {{\n  dev_overrides {{\n    \"acme/tiny\" = \"{here}\"\n    \
             \"camunda-community-hub/c8\" = \"{here}\"\n  }}\n  direct {{}}\n}}\n"
        );
        std::fs::write(folder.path().join("cli.tfrc"), config)?;
        Ok(Self { folder, terraform: find_terraform()? })
    }

    /// Seconds from the start of `terraform plan` to its end.
    async fn plan(&self, subject: &Subject, count: u32) -> Result<f64> {
        let work = self.folder.path().join(subject.name);
        std::fs::create_dir_all(&work)?;
        std::fs::write(work.join("main.tf"), subject.configuration.replace("{count}", &count.to_string()))?;
        let mut command = Command::new(&self.terraform);
        command
            .args(["plan", "-input=false", "-no-color", "-lock=false"])
            .current_dir(&work)
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("cli.tfrc"))
            .env_remove("TF_LOG")
            .env_remove("TF_REATTACH_PROVIDERS")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let begun = Instant::now();
        let output = command.output().await.context("can't start Terraform")?;
        let took = begun.elapsed().as_secs_f64();
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && said.contains(&format!("{count} to add")),
            "the plan of {count} × {} failed:\n{said}\n{}",
            subject.name,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instance_is_counted_against_the_line_before() {
        let text = render(&[(1, [0.1, 0.2, 0.3]), (10, [0.1, 0.29, 0.75])]);
        let last = text.lines().last().unwrap_or_default();
        assert_eq!(
            last.split_whitespace().collect::<Vec<_>>(),
            ["10", "0.10", "0.00", "0.29", "10.00", "0.75", "50.00"]
        );
    }
}
