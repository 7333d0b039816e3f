//! Class-data sharing: what the start of a program has loaded lies in its image, so that the next starts neither read nor verify it: nearly half of the processor
//! time of a start.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::{Child, Command};

use super::archive::{self, Entry, Layer};
use super::java::Jdk;
use super::{aside, base};
use crate::command::run;
use crate::place::Place;

/// Time for a program to start. One that needs longer has less in its archive, and nothing else is different.
const START: Duration = Duration::from_secs(15);
/// Where the archive lies in an image.
const PATH: &str = "opt/classes.jsa";
/// Variable of the image by which its programs find the archive.
pub(super) const OPTION: &str = "JDK_JAVA_OPTIONS=-XX:SharedArchiveFile=/opt/classes.jsa";

/// A program of an image.
pub(super) struct Program<'a> {
    /// For files and messages.
    pub(super) name: &'a str,
    /// What it consists of.
    pub(super) layers: &'a [Layer],
    /// What starts it; java has to take its place in the end.
    pub(super) command: &'a [String],
    /// Its environment, beside where java is.
    pub(super) environment: &'a [(&'a str, &'a str)],
}

/// Starts a program once, alone and without a network, and returns the archive of its classes as a layer.
///
/// # Errors
/// A layer can't be unpacked, or the program does not live long enough.
pub(super) async fn archive(place: &Place, jdk: &Jdk, program: &Program<'_>) -> Result<Layer> {
    let root = place.shared().join("start").join(program.name);
    let log = root.with_extension("log");
    let mut child = start(&root, &log, program)?;
    tokio::time::sleep(START).await;
    let pid = child.id().map(|id| id.to_string()).unwrap_or_default();
    let told = run(&jdk.tool("jcmd"), [&pid, "VM.cds", "dynamic_dump", &format!("/{PATH}")]).await;
    child.kill().await?;
    told.with_context(|| format!("{} did not start: {}", program.name, log.display()))?;
    let made = Entry::file(&root.join(PATH), PATH, 0o644);
    let layer = archive::layer(&aside(place, &format!("{}-classes", program.name))?, vec![made])
        .with_context(|| format!("{} left no archive of its classes: {}", program.name, log.display()))?;
    fs::remove_dir_all(&root)?;
    Ok(layer)
}

/// In the layers as they are in a pod: paths, sizes and times of the jars are what an archive is known by.
fn start(root: &Path, log: &Path, program: &Program<'_>) -> Result<Child> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::create_dir_all(root)?;
    for layer in program.layers {
        tar::Archive::new(File::open(layer.file())?).unpack(root)?;
    }
    for folder in ["proc", "dev", "tmp", "etc"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
    let said = File::create(log)?;
    // a root that is no mount has no size, and a store does not start there
    let enter = "mount --bind . . && cd \"$PWD\" && mount --rbind /proc proc && mount --rbind /dev dev && hostname localhost \
        && ip link set lo up && exec chroot . \"$@\"";
    Command::new("unshare")
        .args(["--mount", "--net", "--uts", "sh", "-c", enter, program.name])
        .args(program.command)
        .current_dir(root)
        // no more than in a pod
        .env_clear()
        .envs(base::PATH.split_once('='))
        .env("JDK_JAVA_OPTIONS", "-XX:+RecordDynamicDumpInfo")
        .envs(program.environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .kill_on_drop(true)
        .spawn()
        .context("`unshare` does not start")
}
