//! The lowest layer: a shell with its small programs, and the C library of this machine for what is not linked statically.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::archive::{self, Entry, Layer};

/// Where programs are found.
pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/java/bin";
/// Of the package busybox-static.
const BUSYBOX: &str = "/bin/busybox";
/// What Debian's busybox lacks and the official image's has: an `nc` with `-z`, and `cksum`. Its own shell would never find them, since it takes its own
/// applets first: hence another one.
const OTHERS: &[(&str, &str)] =
    &[("/bin/nc.traditional", "bin/nc"), ("/bin/dash", "bin/sh"), ("/usr/bin/cksum", "bin/cksum")];
/// What a JVM, its native libraries and a Rust program ask for.
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libresolv.so.2",
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libz.so.1",
    "libgcc_s.so.1",
    "libstdc++.so.6",
];

/// What the layer is made of, as far as that may change.
pub(super) fn identity() -> Result<String> {
    let mut identity = String::new();
    let programs = [BUSYBOX].into_iter().chain(OTHERS.iter().map(|(file, _)| *file)).map(PathBuf::from);
    for file in programs.chain(libraries()?.into_iter().map(|(_, file)| file)) {
        let size = std::fs::metadata(&file)
            .with_context(|| {
                format!("{} is missing: `apt-get install busybox-static netcat-traditional`", file.display())
            })?
            .len();
        identity.push_str(&format!("{} {size}\n", file.display()));
    }
    Ok(identity)
}

/// The layer, written to a file.
pub(super) fn layer(file: &Path) -> Result<Layer> {
    let mut entries = vec![
        Entry::file(Path::new(BUSYBOX), "bin/busybox", 0o755),
        Entry::text(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nelasticsearch:x:1000:0::/usr/share/elasticsearch:/bin/sh\ncamunda:x:1001:1001::/usr/local/zeebe:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
        ),
        Entry::text("etc/group", "root:x:0:\nelasticsearch:x:1000:\ncamunda:x:1001:\nnogroup:x:65534:\n"),
        Entry::text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
        Entry::folder("tmp", 0o1777),
        Entry::folder("root", 0o700),
        Entry::folder("proc", 0o755),
        Entry::folder("sys", 0o755),
        Entry::folder("dev", 0o755),
    ];
    let listed = Command::new(BUSYBOX).arg("--list").output().with_context(|| format!("{BUSYBOX} does not start"))?;
    for applet in String::from_utf8_lossy(&listed.stdout).lines() {
        let path = format!("bin/{applet}");
        if applet != "busybox" && !OTHERS.iter().any(|(_, other)| *other == path) {
            entries.push(Entry::link(&path, "busybox"));
        }
    }
    entries.extend(OTHERS.iter().map(|(file, path)| Entry::file(Path::new(file), path, 0o755)));
    for (path, file) in libraries()? {
        entries.push(Entry::file(&file, &path, 0o755));
    }
    archive::layer(file, entries)
}

/// Where the libraries belong, and where they are: the loader at the path that is written into every program.
fn libraries() -> Result<Vec<(String, PathBuf)>> {
    let loader = match std::env::consts::ARCH {
        "x86_64" => "lib64/ld-linux-x86-64.so.2",
        "aarch64" => "lib/ld-linux-aarch64.so.1",
        other => bail!("images can be made on x86_64 and aarch64, not on {other}"),
    };
    let folders = [
        format!("/lib/{}-linux-gnu", std::env::consts::ARCH),
        format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH),
    ];
    let mut found = vec![(loader.to_owned(), PathBuf::from(format!("/{loader}")))];
    for library in LIBRARIES {
        let file = folders.iter().map(|folder| Path::new(folder).join(library)).find(|file| file.is_file());
        let file = file.with_context(|| format!("{library} is missing in {}", folders.join(" and ")))?;
        found.push((format!("lib/{}-linux-gnu/{library}", std::env::consts::ARCH), file));
    }
    Ok(found)
}
