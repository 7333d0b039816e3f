//! Keeps what pods said: a pod's log goes with the pod, and those that are gone are the ones worth reading.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::AbortHandle;

use crate::place::{Place, SLOTS};

/// How often new pods are looked for.
const EVERY: Duration = Duration::from_secs(1);

/// Links every pod's log into one folder, as long as it lives.
#[derive(Debug)]
pub struct Keeper {
    task: AbortHandle,
}

impl Keeper {
    /// Begins with an empty folder.
    ///
    /// # Errors
    /// The disk says no.
    pub fn start(place: &Place) -> Result<Self> {
        let folder = place.pod_logs();
        lay_aside(&folder).with_context(|| format!("{} can't be laid aside", folder.display()))?;
        fs::create_dir_all(&folder)?;
        let sources: Vec<PathBuf> = (0..SLOTS).map(|slot| place.region(slot).join("var-log/pods")).collect();
        let keep = async move {
            loop {
                for (slot, source) in sources.iter().enumerate() {
                    link_all(source, &format!("slot{slot}"), &folder);
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        Ok(Self { task: tokio::spawn(keep).abort_handle() })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a run logged takes the place of what the run before it did.
///
/// # Errors
/// The disk says no.
pub fn lay_aside(path: &Path) -> std::io::Result<()> {
    let before = PathBuf::from(format!("{}.before", path.display()));
    if before.is_dir() {
        fs::remove_dir_all(&before)?;
    }
    match fs::rename(path, before) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// `pods/NAMESPACE_POD_UID/CONTAINER/N.log` becomes `PREFIX_NAMESPACE_POD_UID_CONTAINER_N.log`. What goes away meanwhile is passed over.
fn link_all(from: &Path, prefix: &str, into: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let name = format!("{prefix}_{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            link_all(&entry.path(), &name, into);
        } else {
            // there already, or gone: both are as it should be
            let _ = fs::hard_link(entry.path(), into.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_of_one_run_before_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let pods = folder.path().join("pods0");
        lay_aside(&pods).unwrap();
        for run in ["one", "two"] {
            fs::create_dir(&pods).unwrap();
            fs::write(pods.join(run), "").unwrap();
            lay_aside(&pods).unwrap();
        }
        let kept: Vec<_> = fs::read_dir(folder.path().join("pods0.before")).unwrap().collect();
        assert!(kept.len() == 1 && kept[0].as_ref().unwrap().file_name() == "two" && !pods.exists());
    }

    #[test]
    fn a_log_outlives_its_pod() {
        let folder = tempfile::tempdir().unwrap();
        let (pods, kept) = (folder.path().join("pods"), folder.path().join("kept"));
        let log = pods.join("ns_camunda-zeebe-0_uid/zeebe");
        fs::create_dir_all(&log).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(log.join("0.log"), "said").unwrap();
        link_all(&pods, "slot0", &kept);
        link_all(&pods, "slot0", &kept);
        fs::remove_dir_all(&pods).unwrap();
        link_all(&pods, "slot0", &kept);
        let name = "slot0_ns_camunda-zeebe-0_uid_zeebe_0.log";
        assert_eq!(fs::read_to_string(kept.join(name)).unwrap(), "said");
    }
}
