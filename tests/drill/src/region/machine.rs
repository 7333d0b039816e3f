//! The first process of a machine: it mounts, starts what has to run, starts it again when it ends, and reaps what is left to it.
//!
//! A machine is a network, mount and process namespace. Killing this one process is pulling the plug: the kernel ends everything in the process
//! namespace, and with the mount namespace all mounts are gone.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{WaitOptions, wait};

use super::components::{Component, Machine};

/// How long the API server may take before what needs it is started all the same.
const API: Duration = Duration::from_secs(60);
/// Pause before something that ended is started again.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs a machine for ever. Must be the first process of its process namespace, in a mount namespace of its own.
///
/// # Errors
/// It can't be set up.
pub fn run(description: &Path) -> Result<()> {
    if std::process::id() != 1 {
        bail!("this is for the drill itself: it has to be the first process of a namespace");
    }
    let machine: Machine = serde_json::from_slice(&std::fs::read(description)?)?;
    mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])?;
    std::fs::create_dir_all("/run/netns")?;
    for (disk, path) in &machine.binds {
        std::fs::create_dir_all(path)?;
        mount(&["--bind", &disk.to_string_lossy(), &path.to_string_lossy()])?;
    }
    let mut running = BTreeMap::new();
    for component in &machine.components {
        if component.name == "controllers" {
            wait_for_api();
        }
        running.insert(start(component, &machine.logs)?, component);
    }
    let mut due: Vec<(Instant, &Component)> = Vec::new();
    loop {
        // `None`: all run. An error: there are no children at all.
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            if let Some(component) = running.remove(&pid.as_raw_nonzero().get().unsigned_abs()) {
                due.push((Instant::now() + AGAIN, component));
            }
        }
        let now = Instant::now();
        let (ready, rest): (Vec<_>, Vec<_>) = due.into_iter().partition(|(at, _)| *at <= now);
        due = rest;
        for (_, component) in ready {
            running.insert(start(component, &machine.logs)?, component);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn start(component: &Component, logs: &Path) -> Result<u32> {
    let log = logs.join(format!("{}.log", component.name));
    let file = OpenOptions::new().create(true).append(true).open(&log)?;
    let child = Command::new(&component.program)
        .args(&component.arguments)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("{} does not start", component.program.display()))?;
    Ok(child.id())
}

fn wait_for_api() {
    let until = Instant::now() + API;
    let address = SocketAddr::from(([127, 0, 0, 1], 6443));
    while Instant::now() < until && TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn mount(arguments: &[&str]) -> Result<()> {
    let output = Command::new("mount").args(arguments).output().context("mount does not start")?;
    if !output.status.success() {
        bail!("`mount {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
