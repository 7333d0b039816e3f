//! A region: one machine with a whole Kubernetes on it, that can crash and come back.

pub mod certificates;
pub mod cgroups;
pub mod components;
pub mod images;
pub mod machine;
pub mod network;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use parking_lot::Mutex;
use tokio::process::{Child, Command};

use crate::ledger::{Ledger, Made};
use crate::place::{MARK, Place};
use certificates::Certificates;
pub use components::Cluster;

/// How long a machine may take until its API server answers. Two of them share two processors with whatever else runs.
const START: Duration = Duration::from_secs(180);

/// One machine.
#[derive(Debug)]
pub struct Region {
    place: Place,
    ledger: Arc<Mutex<Ledger>>,
    /// Which of the drill's slots it has: its addresses and folders.
    pub slot: u8,
    /// What it is.
    pub cluster: Cluster,
    reviews: String,
    running: Option<Child>,
}

impl Region {
    /// Makes the network and the folders of a fresh region. What an earlier one left in the slot is removed, but for its images.
    ///
    /// # Errors
    /// A step fails.
    pub async fn make(
        place: &Place,
        ledger: &Arc<Mutex<Ledger>>,
        slot: u8,
        cluster: Cluster,
        reviews: &str,
    ) -> Result<Self> {
        let region = Self {
            place: place.clone(),
            ledger: ledger.clone(),
            slot,
            cluster,
            reviews: reviews.to_owned(),
            running: None,
        };
        region.clear().await?;
        ledger.lock().note(Made::Folder { path: place.region(slot) })?;
        ledger.lock().note(Made::Cgroup { path: place.addresses(slot).cgroup() })?;
        std::fs::create_dir_all(place.region(slot))?;
        network::make(place, slot, ledger).await?;
        Ok(region)
    }

    /// Starts the machine and waits until its API server answers. Its images are there then.
    ///
    /// # Errors
    /// It does not start, or does not answer in time.
    pub async fn start(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let machine = components::configure(&self.place, self.slot, &self.cluster, &self.reviews)?;
        let description = self.place.region(self.slot).join("machine.json");
        std::fs::write(&description, serde_json::to_vec_pretty(&machine)?)?;
        cgroups::make(&self.place.addresses(self.slot).cgroup())?;
        let console = std::fs::OpenOptions::new().create(true).append(true).open(machine.logs.join("machine.log"))?;
        self.ledger.lock().note(Made::Processes { mark: self.place.mark() })?;
        let child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.place.addresses(self.slot).netns()))
            .args(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .arg(std::env::current_exe()?)
            .arg("machine")
            .arg(&description)
            .env(MARK, self.place.mark())
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            // Ctrl-C in the terminal is for the drill, which knows what to do
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("nsenter does not start")?;
        self.running = Some(child);
        images::import_all(self).await?;
        self.wait_for_api().await
    }

    /// Pulls the plug: every process in it is gone when this returns, disks are kept.
    ///
    /// # Errors
    /// Something survived.
    pub async fn crash(&mut self) -> Result<()> {
        if let Some(mut child) = self.running.take() {
            child.kill().await?;
        }
        cgroups::remove(&self.place.addresses(self.slot).cgroup()).await
    }

    /// Empties its volumes, which stay: what brokers and stores had is gone, the cluster and its objects are not. Only while it does not run.
    ///
    /// # Errors
    /// A folder can't be removed.
    pub fn empty_disks(&self) -> Result<()> {
        let Ok(disks) = std::fs::read_dir(self.disks()) else { return Ok(()) };
        for disk in disks {
            for entry in std::fs::read_dir(disk?.path())? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    remove_folder(&entry.path())?
                } else {
                    std::fs::remove_file(entry.path())?
                }
            }
        }
        Ok(())
    }

    /// Ends it for good: no process, network or file of it is left but its images.
    ///
    /// # Errors
    /// Something is left.
    pub async fn remove(&mut self) -> Result<()> {
        self.crash().await?;
        self.clear().await
    }

    async fn clear(&self) -> Result<()> {
        network::remove(&self.place, self.slot).await?;
        cgroups::remove(&self.place.addresses(self.slot).cgroup()).await?;
        remove_folder(&self.place.region(self.slot))
    }

    /// Whether its machine runs.
    pub fn runs(&mut self) -> bool {
        self.running.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Runs a program inside of the machine and returns what it printed.
    ///
    /// # Errors
    /// The machine does not run, or the program fails.
    pub async fn inside(&self, arguments: &[&str]) -> Result<String> {
        let outer = self.running.as_ref().and_then(Child::id).context("the machine does not run")?;
        let first = first_process(outer).context("the machine has not started yet")?.to_string();
        let mut all = vec!["--target", &first, "--mount", "--net", "--pid", "--"];
        all.extend(arguments);
        crate::command::run("nsenter", all).await
    }

    /// Its certificates.
    ///
    /// # Errors
    /// They can't be made.
    pub fn certificates(&self) -> Result<Certificates> {
        let pki = self.place.region(self.slot).join("pki");
        Certificates::provide(&pki, &self.cluster.node(), self.place.addresses(self.slot))
    }

    /// A client with all rights.
    ///
    /// # Errors
    /// The certificates are not there.
    pub async fn client(&self) -> Result<kube::Client> {
        let config =
            self.certificates()?.kubeconfig("admin", &self.place.addresses(self.slot).api(), &self.cluster.name)?;
        let config = Kubeconfig::from_yaml(&config.to_string())?;
        let mut config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        config.connect_timeout = Some(Duration::from_secs(2));
        config.read_timeout = Some(Duration::from_secs(15));
        Ok(kube::Client::try_from(config)?)
    }

    /// Folder of its volumes.
    pub fn disks(&self) -> PathBuf {
        self.place.region(self.slot).join("disks")
    }

    /// The drill's place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    async fn wait_for_api(&mut self) -> Result<()> {
        let client = self.client().await?;
        let until = Instant::now() + START;
        loop {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            let failure = match client.request_text(request).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if !self.runs() {
                bail!("the machine of {} ended: {}", self.cluster.name, self.last_words("machine"));
            }
            if Instant::now() > until {
                bail!(
                    "the API server of {} does not answer ({failure}): {}",
                    self.cluster.name,
                    self.last_words("apiserver")
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The end of a component's log.
    pub fn last_words(&self, component: &str) -> String {
        let file = self.place.region(self.slot).join("log").join(format!("{component}.log"));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        let said = lines.into_iter().rev().collect::<Vec<_>>().join(" | ");
        format!("{said} (all of it: {})", file.display())
    }
}

/// The first process of the namespace that an `unshare --fork` waits for: its only child.
fn first_process(outer: u32) -> Option<u32> {
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        (parent(pid)? == outer).then_some(pid)
    })
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name in parentheses may hold anything
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_found() {
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        assert_eq!(parent(child.id()), Some(std::process::id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
