//! Taking away what was made, by the list of it alone: also after a crash of the tool, and by another process than the one that made it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::{ip, run};
use crate::ledger::{Ledger, Made};
use crate::place::{MARK, Place};
use crate::region::{cgroups, parent, remove_folder};

/// How long killed processes may take to vanish.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes away everything that a drill made. Returns how many things were on the list.
///
/// # Errors
/// Something can't be taken away; the list is kept then, so that it can be tried again.
pub async fn clean(place: &Place) -> Result<usize> {
    let ledger = Ledger::open(&place.ledger())?;
    let made = ledger.made().to_vec();
    // processes hold everything else; links go with their namespaces
    let order = |made: &Made| match made {
        Made::Processes { .. } => 0,
        Made::Cgroup { .. } => 1,
        Made::Mounts { .. } => 2,
        Made::Netns { .. } => 3,
        Made::Link { .. } => 4,
        Made::Folder { .. } => 5,
    };
    let mut sorted: Vec<&Made> = made.iter().collect();
    sorted.sort_by_key(|made| order(made));
    let mut failures = Vec::new();
    for made in sorted {
        if let Err(error) = take_away(made).await {
            failures.push(format!("{error:#}"));
        }
    }
    if !failures.is_empty() {
        bail!("not everything could be taken away: {}", failures.join("; "));
    }
    ledger.close()?;
    Ok(made.len())
}

async fn take_away(made: &Made) -> Result<()> {
    match made {
        Made::Processes { mark } => end_processes(mark).await,
        Made::Cgroup { path } => cgroups::remove(path).await,
        Made::Mounts { folder } => unmount(folder).await,
        Made::Netns { name } => gone(&Path::new("/run/netns").join(name), &format!("netns del {name}")).await,
        Made::Link { name } => gone(&Path::new("/sys/class/net").join(name), &format!("link del {name}")).await,
        Made::Folder { path } => remove_folder(path),
    }
}

/// Removes what is there. It may vanish between the question and the command, with its namespace or through another `down`.
async fn gone(path: &Path, removing: &str) -> Result<()> {
    if path.exists() {
        let removed = ip(removing).await;
        if path.exists() {
            removed?;
        }
    }
    Ok(())
}

/// Ends the marked processes and everything that they started, until none is left.
async fn end_processes(mark: &str) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = marked(mark);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("processes {left:?} do not end");
        }
        for pid in left {
            cgroups::kill(i32::try_from(pid)?);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The processes with the mark in their environment, and their descendants; never this one or its ancestors.
fn marked(mark: &str) -> BTreeSet<u32> {
    let entry = format!("{MARK}={mark}");
    let all: Vec<u32> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    let mut own = BTreeSet::new();
    let mut next = Some(std::process::id());
    while let Some(pid) = next.filter(|pid| *pid > 0 && own.insert(*pid)) {
        next = parent(pid);
    }
    let carries = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes())
    };
    let mut found: BTreeSet<u32> = all.iter().copied().filter(|pid| !own.contains(pid) && carries(pid)).collect();
    loop {
        let more: Vec<u32> = all
            .iter()
            .copied()
            .filter(|pid| !found.contains(pid) && !own.contains(pid))
            .filter(|pid| parent(*pid).is_some_and(|parent| found.contains(&parent)))
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

async fn unmount(folder: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    for mount in mounts_below(&mounts, folder) {
        run("umount", ["--lazy", &mount]).await?;
    }
    Ok(())
}

/// Mount points at or below a folder, the deepest first.
fn mounts_below(mounts: &str, folder: &Path) -> Vec<String> {
    let points = mounts.lines().filter_map(|line| line.split_whitespace().nth(1));
    let mut below: Vec<String> =
        points.filter(|point| Path::new(point).starts_with(folder)).map(str::to_owned).collect();
    below.sort_by_key(|point| std::cmp::Reverse(point.len()));
    below
}

/// What of a drill is still there, whatever its list says: for the proof that nothing is.
pub fn leftovers(place: &Place) -> Vec<String> {
    let mut left: Vec<String> = marked(&place.mark()).into_iter().map(|pid| format!("process {pid}")).collect();
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let prefix = place.backbone().host_link();
    let ours = |name: &String| *name == prefix || name.starts_with(&format!("{prefix}-"));
    left.extend(names("/run/netns").into_iter().filter(&ours).map(|name| format!("network namespace {name}")));
    left.extend(names("/sys/class/net").into_iter().filter(&ours).map(|name| format!("link {name}")));
    for hierarchy in names("/sys/fs/cgroup") {
        let groups = names(&format!("/sys/fs/cgroup/{hierarchy}")).into_iter().filter(&ours);
        left.extend(groups.map(|name| format!("control group {hierarchy}/{name}")));
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    left.extend(mounts_below(&mounts, place.shared()).into_iter().map(|mount| format!("mount {mount}")));
    for path in [place.run(), place.ledger()] {
        if path.exists() {
            left.push(format!("{}", path.display()));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_goes_first_and_neighbours_stay() {
        let mounts = "a /w/run rw 0 0\nb /w/run/deep/er rw 0 0\nc /w/running rw 0 0\nd / rw 0 0\n";
        assert_eq!(mounts_below(mounts, Path::new("/w/run")), ["/w/run/deep/er", "/w/run"]);
    }

    #[tokio::test]
    async fn marked_processes_end_with_their_children_and_others_live() {
        let mark = format!("test:{}", std::process::id());
        // the child sheds the mark: it is found as a descendant
        let mut ours = std::process::Command::new("sh")
            .args(["-c", &format!("env -u {MARK} sleep 60 & wait")])
            .env(MARK, &mark)
            .spawn()
            .unwrap();
        let mut other = std::process::Command::new("sleep").arg("60").env(MARK, "other").spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while marked(&mark).len() < 2 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(marked(&mark).len(), 2);
        // somebody has to wait for it, or it stays as a zombie, whose environment is empty
        let waiting = std::thread::spawn(move || ours.wait());
        end_processes(&mark).await.unwrap();
        assert!(!waiting.join().unwrap().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
