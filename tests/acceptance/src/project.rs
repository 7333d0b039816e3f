//! A Terraform configuration in a folder of its own, pointed at a sandbox.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::binaries::{find_terraform, provider_binary, workspace_root};
use crate::run::Run;
use crate::world::World;

/// How long a command may take before it is killed, unless said otherwise.
const DEADLINE: Duration = Duration::from_secs(240);

/// A folder with a configuration, a state and a CLI configuration.
pub struct Project {
    folder: TempDir,
    terraform: PathBuf,
    environment: Vec<(String, String)>,
    deadline: Duration,
}

impl Project {
    /// A copy of `examples/terraform/<example>`, its provider pointed at `world`, its variables set for a small, quick
    /// installation.
    ///
    /// # Errors
    /// No terraform on the PATH, the provider does not compile, or a file can't be written.
    pub fn example(example: &str, world: &World) -> Result<Self> {
        Self::example_with(example, &world.provider_block())
    }

    /// A copy of `examples/terraform/<example>` with a provider block in place of its own.
    ///
    /// # Errors
    /// As [`Project::example`].
    pub fn example_with(example: &str, provider_block: &str) -> Result<Self> {
        let project = Self::empty()?;
        let source = workspace_root().join("examples/terraform").join(example);
        for entry in std::fs::read_dir(&source).with_context(|| format!("no example {}", source.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "tf") {
                let name = path.file_name().context("a file without a name")?;
                std::fs::copy(&path, project.path().join(name))?;
            }
        }
        project.write("sandbox_override.tf", provider_block)?;
        Ok(project)
    }

    /// A folder without a configuration.
    ///
    /// # Errors
    /// As [`Project::example`].
    pub fn empty() -> Result<Self> {
        let terraform = find_terraform()?;
        let provider = provider_binary()?;
        let folder = tempfile::Builder::new().prefix("c8-").tempdir()?;
        let programs = provider.parent().context("a binary has a folder")?;
        let config = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"camunda-community-hub/c8\" = \"{}\"\n  }}\n  direct {{}}\n}}\n",
            programs.display()
        );
        std::fs::write(folder.path().join("cli.tfrc"), config)?;
        Ok(Self { folder, terraform, environment: Vec::new(), deadline: DEADLINE })
    }

    /// How long each later command may take before it is killed.
    pub fn deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    ///
    /// # Errors
    /// The disk says no.
    pub fn write(&self, name: &str, content: &str) -> Result<()> {
        std::fs::write(self.path().join(name), content).with_context(|| format!("can't write {name}"))
    }

    /// Sets the variables that every later command uses; values are HCL literals.
    ///
    /// # Errors
    /// The disk says no.
    pub fn variables(&self, variables: &[(&str, &str)]) -> Result<()> {
        let mut text = String::new();
        for (name, value) in variables {
            writeln!(text, "{name} = {value}")?;
        }
        self.write("test.auto.tfvars", &text)
    }

    /// Sets an environment variable for every later command.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// It can't be started, or it exceeds the deadline.
    pub async fn run(&self, arguments: &[&str]) -> Result<Run> {
        let started = Instant::now();
        let child = self.start(arguments)?;
        let output = tokio::time::timeout(self.deadline, child.wait_with_output()).await;
        let command = arguments.join(" ");
        let Ok(output) = output else {
            bail!("`terraform {command}` was still running after {} s", self.deadline.as_secs());
        };
        let output = output?;
        Ok(Run {
            command,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: started.elapsed(),
        })
    }

    /// Starts a command; it dies when the handle is dropped.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = Command::new(&self.terraform);
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, _) in std::env::vars() {
            if name.starts_with("TF_") || name.starts_with("GOOGLE_") {
                command.env_remove(name);
            }
        }
        command
            .env("TF_CLI_CONFIG_FILE", self.path().join("cli.tfrc"))
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .env("TF_CLI_ARGS", "-no-color")
            .env("CHECKPOINT_DISABLE", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .process_group(0);
        command.spawn().with_context(|| format!("can't start {}", self.terraform.display()))
    }

    /// `terraform apply -auto-approve` with further arguments.
    ///
    /// # Errors
    /// As [`Project::run`].
    pub async fn apply(&self, more: &[&str]) -> Result<Run> {
        self.run(&[&["apply", "-auto-approve"], more].concat()).await
    }

    /// `terraform plan -detailed-exitcode` with further arguments: exit code 0 is an empty plan, 2 a plan with changes.
    ///
    /// # Errors
    /// As [`Project::run`].
    pub async fn plan(&self, more: &[&str]) -> Result<Run> {
        self.run(&[&["plan", "-detailed-exitcode"], more].concat()).await
    }

    /// `terraform destroy -auto-approve` with further arguments.
    ///
    /// # Errors
    /// As [`Project::run`].
    pub async fn destroy(&self, more: &[&str]) -> Result<Run> {
        self.run(&[&["destroy", "-auto-approve"], more].concat()).await
    }

    /// The attributes of a resource in the state, `null` if it is not there.
    ///
    /// # Errors
    /// `terraform show` fails.
    pub async fn state(&self, address: &str) -> Result<Value> {
        let shown = self.run(&["show", "-json"]).await?.ok()?;
        let whole: Value = serde_json::from_str(&shown.stdout)?;
        let resources = whole["values"]["root_module"]["resources"].as_array().cloned().unwrap_or_default();
        Ok(resources.into_iter().find(|r| r["address"] == address).map_or(Value::Null, |r| r["values"].clone()))
    }

    /// The planned changes of a saved plan as `(address, actions)`, without those that do nothing.
    ///
    /// # Errors
    /// `terraform show` fails.
    pub async fn changes(&self, plan_file: &str) -> Result<Vec<(String, String)>> {
        let shown = self.run(&["show", "-json", plan_file]).await?.ok()?;
        let whole: Value = serde_json::from_str(&shown.stdout)?;
        let changes = whole["resource_changes"].as_array().cloned().unwrap_or_default();
        let joined = |actions: &Value| {
            actions.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("+")
        };
        Ok(changes
            .iter()
            .map(|change| {
                (change["address"].as_str().unwrap_or_default().to_owned(), joined(&change["change"]["actions"]))
            })
            .filter(|(_, actions)| actions != "no-op" && actions != "read")
            .collect())
    }
}
