//! The control groups of a machine: one parent for all its containers, by which what is left of them is found.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Where the hierarchies are.
const ROOT: &str = "/sys/fs/cgroup";
/// How long dying processes may hold a group.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the group in every hierarchy. The kubelet expects it, and makes what is below.
///
/// # Errors
/// It can't be made.
pub fn make(name: &str) -> Result<()> {
    make_in(Path::new(ROOT), name)
}

fn make_in(root: &Path, name: &str) -> Result<()> {
    for hierarchy in hierarchies(root) {
        let group = hierarchy.join(name);
        std::fs::create_dir_all(&group).with_context(|| format!("{} can't be made", group.display()))?;
        // no process may enter a group without processors and memory
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let (above, own) = (hierarchy.join(file), group.join(file));
            if above.is_file() && own.is_file() {
                std::fs::write(&own, std::fs::read_to_string(above)?.trim())
                    .with_context(|| format!("{} can't be set", own.display()))?;
            }
        }
    }
    Ok(())
}

/// v1: a folder each; v2: the root itself, which has the list of controllers.
fn hierarchies(root: &Path) -> Vec<PathBuf> {
    if root.join("cgroup.controllers").is_file() {
        return vec![root.to_owned()];
    }
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    folders.filter(|path| !path.is_symlink() && path.join("tasks").is_file()).collect()
}

/// Ends what still runs in a group, in all hierarchies, and removes it with the groups below it.
///
/// # Errors
/// It can't be removed in time.
pub async fn remove(name: &str) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let left: Vec<PathBuf> = find(Path::new(ROOT), name);
        if left.is_empty() {
            return Ok(());
        }
        for group in &left {
            empty(group);
        }
        let left: Vec<PathBuf> = left.into_iter().filter(|group| group.exists()).collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("control groups can't be removed: {left:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The group in every hierarchy: one below another with v1, the root itself with v2.
fn find(root: &Path, name: &str) -> Vec<PathBuf> {
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let groups = hierarchies.chain([root.to_owned()]).filter(|path| !path.is_symlink()).map(|path| path.join(name));
    groups.filter(|group| group.is_dir()).collect()
}

/// Kills what is in a group and removes it, children first. What does not go at once is tried again.
fn empty(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            empty(&entry.path());
        }
    }
    let inside = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in inside.lines().filter_map(|line| line.parse::<i32>().ok()) {
        kill(pid);
    }
    let _ = std::fs::remove_dir(group);
}

/// Ends a process at once. One that is gone is no error.
pub fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_made_in_every_hierarchy_with_the_processors_of_its_parent() {
        let root = tempfile::tempdir().unwrap();
        for hierarchy in ["cpuset", "memory", "unified"] {
            std::fs::create_dir(root.path().join(hierarchy)).unwrap();
        }
        std::fs::write(root.path().join("memory/tasks"), "").unwrap();
        std::fs::write(root.path().join("cpuset/tasks"), "").unwrap();
        std::fs::write(root.path().join("cpuset/cpuset.cpus"), "0-1\n").unwrap();
        // the kernel makes the files of a new group
        std::fs::create_dir(root.path().join("cpuset/c8d0-r0")).unwrap();
        std::fs::write(root.path().join("cpuset/c8d0-r0/cpuset.cpus"), "").unwrap();
        make_in(root.path(), "c8d0-r0").unwrap();
        assert!(root.path().join("memory/c8d0-r0").is_dir() && !root.path().join("unified/c8d0-r0").exists());
        assert_eq!(std::fs::read_to_string(root.path().join("cpuset/c8d0-r0/cpuset.cpus")).unwrap(), "0-1");
    }

    #[test]
    fn a_group_is_found_in_every_hierarchy() {
        let root = tempfile::tempdir().unwrap();
        for hierarchy in ["cpu", "memory", "pids"] {
            std::fs::create_dir_all(root.path().join(hierarchy).join("c8d0-r0/pod")).unwrap();
        }
        std::fs::create_dir(root.path().join("cpu/c8d1-r0")).unwrap();
        assert_eq!(find(root.path(), "c8d0-r0").len(), 3);
        assert_eq!(find(root.path(), "c8d1-r0").len(), 1);
        assert!(find(root.path(), "c8d2-r0").is_empty());
    }
}
