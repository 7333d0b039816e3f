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
    /// The folder can't be made.
    pub fn start(place: &Place) -> Result<Self> {
        let folder = place.pod_logs();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} can't be emptied", folder.display()));
            }
            _ => fs::create_dir_all(&folder)?,
        }
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
