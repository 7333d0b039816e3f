//! What was made, so that it can be taken away: also by another process, after a crash of the one that made it.
//!
//! A thing is written down *before* it is made. Taking away what was never made is no error, so a list that is too long does no harm.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Something that outlives the process that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "made", rename_all = "kebab-case")]
pub enum Made {
    /// Processes that carry the mark ([`crate::place::MARK`]) with this value in their environment, and all that they started.
    Processes {
        /// The value.
        mark: String,
    },
    /// A control group in every hierarchy, with the groups below it.
    Cgroup {
        /// Its path.
        path: String,
    },
    /// Mounts at or below a folder.
    Mounts {
        /// The folder.
        folder: PathBuf,
    },
    /// A network namespace with everything in it: links, routes, nftables.
    Netns {
        /// Its name.
        name: String,
    },
    /// A network interface of the host; its routes go with it.
    Link {
        /// Its name.
        name: String,
    },
    /// A folder with all that is in it.
    Folder {
        /// The folder.
        path: PathBuf,
    },
}

/// The list on disk: one JSON object a line.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    known: Vec<Made>,
}

impl Ledger {
    /// Opens the list, or begins one.
    ///
    /// # Errors
    /// It can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        let mut known = Vec::new();
        match File::open(path) {
            Ok(file) => {
                for line in BufReader::new(file).lines() {
                    // a line that was cut off by a crash names nothing that was made
                    if let Ok(made) = serde_json::from_str(&line?) {
                        known.push(made);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(format!("{} can't be read", path.display())),
        }
        Ok(Self { path: path.to_owned(), known })
    }

    /// Writes down what is about to be made. Returns when it is on disk.
    ///
    /// # Errors
    /// It can't be written: then nothing must be made.
    pub fn note(&mut self, made: Made) -> Result<()> {
        if self.known.contains(&made) {
            return Ok(());
        }
        let unwritable = || format!("{} can't be written", self.path.display());
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).with_context(unwritable)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).with_context(unwritable)?;
        // a leading line break ends a line that a crash cut off
        writeln!(file, "\n{}", serde_json::to_string(&made)?).with_context(unwritable)?;
        file.sync_data().with_context(unwritable)?;
        self.known.push(made);
        Ok(())
    }

    /// Everything that was written down, in the order of making.
    pub fn made(&self) -> &[Made] {
        &self.known
    }

    /// Ends the list: everything was taken away.
    ///
    /// # Errors
    /// The file can't be removed.
    pub fn close(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_again_by_the_next_process_even_if_it_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/ledger.jsonl");
        let netns = |name: &str| Made::Netns { name: name.into() };
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.note(netns("one")).unwrap();
        ledger.note(netns("one")).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "{{\"made\":\"net").unwrap();

        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.made(), [netns("one")]);
        ledger.note(netns("two")).unwrap();

        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.made(), [netns("one"), netns("two")]);
        ledger.close().unwrap();
        assert!(Ledger::open(&path).unwrap().made().is_empty());
    }
}
