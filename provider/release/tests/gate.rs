//! The gate's script, run by the real `sh` against a disk in a temporary directory and a `nslookup` of our own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rstest::rstest;

/// What busybox 1.36 prints for a Service that exists.
const FOUND: &str = "printf 'Server:\\t\\t10.0.0.10\\nAddress:\\t10.0.0.10:53\\n\\nName:\\t%s\\nAddress: 10.8.1.7\\n\\n' \"$1\"; exit 0";
/// The same of busybox 1.28 and older.
const FOUND_OLD: &str = "printf 'Server:    10.0.0.10\\nAddress 1: 10.0.0.10 kube-dns\\n\\nName:      %s\\nAddress 1: 10.8.1.7 x\\n' \"$1\"; exit 0";
/// An address for IPv4, no answer for IPv6, and an exit code that says failure.
const FOUND_HALF: &str = "printf 'Server:\\t\\t10.0.0.10\\nAddress:\\t10.0.0.10:53\\n\\nName:\\t%s\\nAddress: 10.8.1.7\\n\\n*** Can'\"'\"'t find x: No answer\\n' \"$1\"; exit 1";
const NXDOMAIN: &str =
    "printf 'Server:\\t\\t10.0.0.10\\nAddress:\\t10.0.0.10:53\\n\\n** server can'\"'\"'t find x: NXDOMAIN\\n'; exit 1";
/// An old busybox that can't find a name and still says 0.
const NOTHING_BUT_ZERO: &str =
    "printf 'Server:\\t\\t10.0.0.10\\nAddress:\\t10.0.0.10:53\\n\\n*** Can'\"'\"'t find x: No answer\\n'; exit 0";
const SILENT: &str = "sleep 60";

struct World {
    root: PathBuf,
}

impl World {
    fn new(name: &str, nslookup: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for dir in ["bin", "data", "mode"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        let world = Self { root };
        world.dns(nslookup);
        world
    }

    fn dns(&self, nslookup: &str) {
        // written beside and moved, so that no half-written script is run
        let (new, path) = (self.root.join("nslookup.new"), self.root.join("bin/nslookup"));
        fs::write(&new, format!("#!/bin/sh\necho \"$1\" >>'{}'\n{nslookup}\n", self.root.join("asked").display()))
            .unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn disk(&self, file: &str) {
        let path = self.root.join("data").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn hold(&self, text: &str) {
        fs::write(self.root.join("mode/hold"), text).unwrap();
    }

    fn run(&self) -> Gate {
        let path = format!("{}:{}", self.root.join("bin").display(), std::env::var("PATH").unwrap());
        let log = fs::File::create(self.root.join("log")).unwrap();
        let child = Command::new("sh")
            .args(["-c", c8_release::gate::SCRIPT])
            .env("PATH", path)
            .env("C8_REGIONS", "2")
            .env("C8_REGION_ID", "1")
            .env("C8_PEER_NAMESPACE", "camunda-ew4")
            .env("C8_POD_NAME", "camunda-zeebe-2")
            .env("GATE_DATA", self.root.join("data"))
            .env("GATE_MODE", self.root.join("mode"))
            .env("GATE_PAUSE", "0.05")
            .env("GATE_PATIENCE", "0.3")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Gate { child, log: self.root.join("log") }
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.root.join("asked")).unwrap_or_default()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

struct Gate {
    child: std::process::Child,
    log: PathBuf,
}

impl Gate {
    fn opens_within(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "the gate failed: {}", self.log());
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn log(&self) -> String {
        read(&self.log)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_millis(900);

#[rstest]
#[case::found("found", FOUND)]
#[case::found_by_old_busybox("found-old", FOUND_OLD)]
#[case::found_without_ipv6("found-half", FOUND_HALF)]
fn an_empty_disk_opens_when_the_peer_admits(#[case] name: &str, #[case] dns: &str) {
    let world = World::new(name, dns);
    let mut gate = world.run();
    assert!(gate.opens_within(SOON), "{}", gate.log());
    assert!(gate.log().contains("broker 5: disk empty"), "{}", gate.log());
    // 2 * 2 + 1, in the peer's namespace, and no search domain can answer
    assert_eq!(world.asked().lines().next(), Some("c8-admit-5.camunda-ew4.svc.cluster.local."));
}

#[rstest]
#[case::no_name("nxdomain", NXDOMAIN)]
#[case::no_answer("silent", SILENT)]
#[case::no_address("zero", NOTHING_BUT_ZERO)]
fn an_empty_disk_waits_for_anything_else(#[case] name: &str, #[case] dns: &str) {
    let world = World::new(name, dns);
    let mut gate = world.run();
    assert!(!gate.opens_within(NEVER), "{}", gate.log());
    let log = gate.log();
    assert!(log.contains("waiting to be admitted"), "{log}");
    assert!(log.contains("kubectl --namespace camunda-ew4 create service clusterip c8-admit-5"), "{log}");
    assert_eq!(log.lines().count(), 1, "the same thing is said once: {log}");
}

#[test]
fn it_opens_as_soon_as_the_admit_appears() {
    let world = World::new("appears", NXDOMAIN);
    let mut gate = world.run();
    assert!(!gate.opens_within(Duration::from_millis(300)));
    world.dns(FOUND);
    assert!(gate.opens_within(SOON), "{}", gate.log());
}

#[rstest]
#[case::topology("topology", ".topology.meta")]
#[case::raft("raft", "raft-partition/partitions/3/raft-partition-partition-3.meta")]
fn an_initialised_disk_opens_whatever_dns_says(#[case] name: &str, #[case] file: &str) {
    for (index, dns) in [NXDOMAIN, SILENT, FOUND].into_iter().enumerate() {
        let world = World::new(&format!("{name}-{index}"), dns);
        world.disk(file);
        let mut gate = world.run();
        assert!(gate.opens_within(SOON), "{}", gate.log());
        assert!(gate.log().contains("disk initialised"), "{}", gate.log());
        assert_eq!(world.asked(), "", "with the other region lost, an answer takes ten seconds");
    }
}

#[test]
fn what_is_no_data_of_a_broker_does_not_count() {
    let world = World::new("other-files", NXDOMAIN);
    world.disk("lost+found/x");
    world.disk("zeebe_error1.log");
    fs::write(world.root.join("data/.topology.meta"), "").unwrap();
    let mut gate = world.run();
    assert!(!gate.opens_within(NEVER), "{}", gate.log());
}

#[rstest]
#[case::empty("hold-empty", false)]
#[case::initialised("hold-disk", true)]
fn a_hold_waits_whatever_else_is_true(#[case] name: &str, #[case] initialised: bool) {
    let world = World::new(name, FOUND);
    world.hold("true");
    if initialised {
        world.disk(".topology.meta");
    }
    let mut gate = world.run();
    assert!(!gate.opens_within(NEVER), "{}", gate.log());
    assert!(gate.log().contains("held"), "{}", gate.log());
    world.hold("false");
    assert!(gate.opens_within(SOON), "{}", gate.log());
}

/// What is not handled does not end the first process of a container: the kubelet would wait 30 s for it.
#[test]
fn a_gate_that_waits_handles_the_kubelets_signal() {
    let world = World::new("signal", NXDOMAIN);
    let mut gate = world.run();
    assert!(!gate.opens_within(NEVER), "{}", gate.log());
    rustix::process::kill_process(rustix::process::Pid::from_child(&gate.child), rustix::process::Signal::TERM)
        .unwrap();
    assert_eq!(gate.child.wait().unwrap().code(), Some(143), "{}", gate.log());
}
