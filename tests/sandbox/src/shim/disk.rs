//! The volume: what the gate looks for, and a name by which the world knows the content.

use std::io::Result;
use std::path::{Path, PathBuf};

use crate::world::objects;

/// The file with the disk's name. A new volume has none, and gets a new one.
const NAME: &str = ".c8-disk";

/// The broker's own file with the cluster configuration: the gate takes a disk with it for initialised.
const TOPOLOGY: &str = ".topology.meta";

/// A mounted volume.
pub(super) struct Disk {
    /// Its name.
    pub(super) id: String,
    folder: PathBuf,
}

impl Disk {
    /// Opens the volume in `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let id = match std::fs::read_to_string(folder.join(NAME)) {
            Ok(id) if !id.trim().is_empty() => id.trim().to_owned(),
            _ => {
                let id = objects::new_uid();
                put(folder, NAME, &id)?;
                id
            }
        };
        Ok(Self { id, folder: folder.to_owned() })
    }

    pub(super) fn is_initialised(&self) -> bool {
        std::fs::metadata(self.folder.join(TOPOLOGY)).is_ok_and(|file| file.len() > 0)
    }

    pub(super) fn initialise(&self, content: &str) -> Result<()> {
        put(&self.folder, TOPOLOGY, content)
    }
}

/// All of the file or nothing: the process may be killed at any instant.
fn put(folder: &Path, name: &str, content: &str) -> Result<()> {
    let half = folder.join(format!("{name}.tmp"));
    std::fs::write(&half, content)?;
    std::fs::rename(half, folder.join(name))
}
