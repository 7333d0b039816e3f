//! The script that keeps the backup key in the keystore, run by the real `sh` with an `elasticsearch-keystore` of our own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct World {
    root: PathBuf,
}

impl World {
    fn new(name: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("keystore-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for dir in ["home/bin", "home/config", "key", "config"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::write(root.join("home/config/elasticsearch.yml"), "network.host: 0.0.0.0").unwrap();
        let tool = root.join("home/bin/elasticsearch-keystore");
        fs::write(
            &tool,
            "#!/bin/sh\nset -eu\ncase \"$1\" in\ncreate) : >\"$ES_PATH_CONF/elasticsearch.keystore\" ;;\nadd-file) [ \"$2 $3\" = '-f gcs.client.default.credentials_file' ]; cat \"$4\" >\"$ES_PATH_CONF/elasticsearch.keystore\"; echo x >>\"$ES_PATH_CONF/calls\" ;;\nesac\n",
        )
        .unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        Self { root }
    }

    fn key(&self, text: &str) {
        fs::write(self.root.join("key/gcs.client.default.credentials_file"), text).unwrap();
    }

    fn start(&self, how: &str) -> Child {
        Command::new("sh")
            .args(["-c", c8_release::gate::KEYSTORE, "keystore", how])
            .env("KEYSTORE_HOME", self.root.join("home"))
            .env("KEYSTORE_KEY", self.root.join("key"))
            .env("KEYSTORE_CONFIG", self.root.join("config"))
            .env("KEYSTORE_PAUSE", "0.05")
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn keystore(&self) -> Option<String> {
        fs::read_to_string(self.path("config/elasticsearch.keystore")).ok()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn eventually(what: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn without_a_key_the_store_starts_with_an_empty_keystore() {
    let world = World::new("none");
    assert!(world.start("once").wait().unwrap().success());
    assert_eq!(world.keystore().as_deref(), Some(""));
    assert!(world.path("config/elasticsearch.yml").exists());
}

#[test]
fn a_key_that_is_there_is_in_the_keystore_before_the_start() {
    let world = World::new("there");
    world.key("one");
    assert!(world.start("once").wait().unwrap().success());
    assert_eq!(world.keystore().as_deref(), Some("one"));
}

#[test]
fn a_key_that_comes_or_changes_later_is_taken_over_once() {
    let world = World::new("later");
    assert!(world.start("once").wait().unwrap().success());
    let mut watch = world.start("watch");
    world.key("one");
    let came = eventually(|| world.keystore().as_deref() == Some("one"));
    world.key("two");
    let changed = eventually(|| world.keystore().as_deref() == Some("two"));
    std::thread::sleep(Duration::from_millis(300));
    let calls = fs::read_to_string(world.path("config/calls")).unwrap_or_default();
    let _ = watch.kill();
    let _ = watch.wait();
    assert!(came && changed);
    assert!(calls.lines().count() <= 3, "{calls}");
}

/// What is not handled does not end the first process of a container: the kubelet would wait 30 s for it.
#[test]
fn who_watches_handles_the_kubelets_signal() {
    let world = World::new("signal");
    assert!(world.start("once").wait().unwrap().success());
    let mut watch = world.start("watch");
    world.key("one");
    assert!(eventually(|| world.keystore().as_deref() == Some("one")));
    rustix::process::kill_process(rustix::process::Pid::from_child(&watch), rustix::process::Signal::TERM).unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(143));
}
