//! The images of everything that a release runs: brokers, search store, web applications, and the shell of gates and probes. They are made here, without a
//! registry, under the names that the provider's chart uses.
//!
//! | archive | images | made of |
//! |---|---|---|
//! | `busybox.tar` | [`BUSYBOX`] | Debian's busybox and this machine's C library |
//! | `brokers.tar` | [`ZEEBE`], Operate, Tasklist, Connectors | Zeebe 8.0.0 from Maven Central, launchers from `images/broker` |
//! | `search.tar` | [`SEARCH`] | OpenSearch 3.8.0 from Maven Central, launcher from `images/search` |
//! | `simulated.tar` | [`SIMULATED`] | the sandbox's own broker |
//!
//! Jars are pinned with their checksums in `jars.lock`; `C8_DRILL_UPDATE_LOCK=1` writes it anew after a change of a `pom.xml`.

mod archive;
mod base;
mod classes;
mod jars;
mod java;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use self::archive::{Entry, Image, Layer};
use self::java::Jdk;
use crate::command::run;
use crate::place::Place;

/// Shell of gates and probes.
pub const BUSYBOX: &str = "docker.io/library/busybox:1.36";
/// A real broker, which is older than its tag says: the contract is that of the tag, the engine that of the name.
pub const ZEEBE: &str = "docker.io/c8-drill/zeebe-8.0.0:8.2.33";
/// The search store, in the place of the one of the chart.
pub const SEARCH: &str = "docker.elastic.co/elasticsearch/elasticsearch:8.17.4";
/// The sandbox's broker.
pub const SIMULATED: &str = "docker.io/camunda/zeebe:8.7.2";
/// Stand-ins: names, and which application they play.
pub const WEB_APPS: &[(&str, &str)] = &[
    ("docker.io/camunda/operate:8.7.2", "operate"),
    ("docker.io/camunda/operate:8.2.33", "operate"),
    ("docker.io/camunda/tasklist:8.7.2", "tasklist"),
    ("docker.io/camunda/tasklist:8.2.33", "tasklist"),
    ("docker.io/camunda/connectors-bundle:8.7.0", "connectors"),
    ("docker.io/camunda/connectors-bundle:8.2.33", "connectors"),
];

/// Changes with the way images are made, so that older ones are made again.
const FORMAT: &str = "2";

/// Refuses a machine on which the images can't be made, before anything is built.
///
/// # Errors
/// There is no JDK that is new enough.
pub fn check() -> Result<()> {
    Jdk::find().map(drop)
}

/// Makes the archives whose sources have changed.
///
/// # Errors
/// A JDK or a program is missing, a jar is not the pinned one, or a file can't be written.
pub async fn build(place: &Place, bar: &ProgressBar) -> Result<()> {
    std::fs::create_dir_all(place.images())?;
    let sources = place.sources().join("images");
    let jdk = Jdk::find()?;
    let base_stamp = stamp(&[FORMAT, &base::identity()?], &[])?;
    let java_stamp = |part: &str| stamp(&[&base_stamp, &jdk.identity()], &[&sources.join(part)]);
    let plan: [(&str, String); 3] =
        [("busybox", base_stamp.clone()), ("brokers", java_stamp("broker")?), ("search", java_stamp("search")?)];
    if plan.iter().all(|(name, wanted)| is_made(place, name, wanted)) {
        return Ok(());
    }
    let base = base::layer(&aside(place, "base")?)?;
    for (name, wanted) in plan {
        if is_made(place, name, &wanted) {
            continue;
        }
        bar.set_message(format!("image {name}"));
        let images = match name {
            "busybox" => vec![Image::new([BUSYBOX], vec![base.clone()], json!({"Cmd": ["sh"], "Env": [base::PATH]}))],
            "brokers" => brokers(place, &sources.join("broker"), &jdk, &base).await?,
            _ => search(place, &sources.join("search"), &jdk, &base).await?,
        };
        write(place, name, &images, &wanted)?;
    }
    Ok(())
}

/// Builds the sandbox's broker as it is in the sources, and makes its image if it is another than before.
///
/// # Errors
/// It does not build, or a file can't be written.
pub async fn simulated(place: &Place, bar: &ProgressBar) -> Result<()> {
    bar.set_message("image simulated");
    std::fs::create_dir_all(place.images())?;
    // with the drill's own features: what the drill is made of is not compiled a second time
    let packages = ["--package=c8-drill", "--package=c8-sandbox"];
    let build = move || acceptance::build_among(&packages, "bin", "c8-sandbox-broker", &["--locked"]);
    let binary = tokio::task::spawn_blocking(build).await??;
    let script = place.sources().join("images/simulated/startup.sh");
    let binary = binary.as_path();
    let wanted = stamp(&[FORMAT, &base::identity()?], &[binary, script.as_path()])?;
    if is_made(place, "simulated", &wanted) {
        return Ok(());
    }
    let base = base::layer(&aside(place, "base")?)?;
    let slim = place.shared().join("layers/c8-sandbox-broker");
    run("strip", [OsStr::new("-o"), slim.as_os_str(), binary.as_os_str()]).await?;
    let program = archive::layer(
        &aside(place, "simulated")?,
        vec![
            Entry::file(&slim, "usr/local/bin/c8-sandbox-broker", 0o755),
            Entry::file(&script, "usr/local/zeebe/bin/broker", 0o755),
            Entry::folder("usr/local/zeebe/data", 0o777),
        ],
    )?;
    let image = Image::new(
        [SIMULATED],
        vec![base, program],
        json!({"Entrypoint": ["/usr/local/zeebe/bin/broker"], "Env": [base::PATH]}),
    );
    write(place, "simulated", &[image], &wanted)
}

async fn brokers(place: &Place, sources: &Path, jdk: &Jdk, base: &Layer) -> Result<Vec<Image>> {
    let jars = jars::fetch(place, sources).await?;
    let classes = java::compile(place, "broker", sources, &jars, jdk, 17).await?;
    let mut program = vec![
        Entry::file(&classes, "usr/local/zeebe/lib/c8-drill.jar", 0o644),
        Entry::file(&sources.join("startup.sh"), "usr/local/bin/startup.sh", 0o755),
        Entry::folder("usr/local/zeebe/data", 0o777),
    ];
    for name in ["broker", "gateway"] {
        program.push(Entry::file(&sources.join(name), &format!("usr/local/zeebe/bin/{name}"), 0o755));
    }
    program.push(Entry::file(&sources.join("web-app"), "usr/local/bin/web-app", 0o755));
    let mut layers = vec![
        base.clone(),
        java::runtime(place, jdk).await?,
        archive::layer(&aside(place, "broker-jars")?, in_folder(&jars, "usr/local/zeebe/lib"))?,
        archive::layer(&aside(place, "broker")?, program)?,
    ];
    // a broker with its own gateway: the stand-alone one and the stand-ins take from it what they need
    let command = ["/usr/local/bin/startup.sh".to_owned()];
    let environment = [("ZEEBE_BROKER_GATEWAY_ENABLE", "true"), ("ZEEBE_BROKER_GATEWAY_NETWORK_PORT", "26510")];
    let started = classes::Program { name: "broker", layers: &layers, command: &command, environment: &environment };
    let classes = classes::archive(place, jdk, &started).await?;
    layers.push(classes);
    let env = [base::PATH, "LANG=C.UTF-8", classes::OPTION];
    let mut images =
        vec![Image::new([ZEEBE], layers.clone(), json!({"Entrypoint": ["/usr/local/bin/startup.sh"], "Env": env}))];
    for (name, app) in WEB_APPS {
        let config = json!({"Entrypoint": ["/usr/local/bin/web-app", app], "Env": env});
        images.push(Image::new([*name], layers.clone(), config));
    }
    Ok(images)
}

async fn search(place: &Place, sources: &Path, jdk: &Jdk, base: &Layer) -> Result<Vec<Image>> {
    const HOME: &str = "usr/share/elasticsearch";
    let jars = jars::fetch(place, sources).await?;
    let classes = java::compile(place, "search", sources, &jars, jdk, 21).await?;
    let program = vec![
        Entry::file(&classes, &format!("{HOME}/lib/c8-drill.jar"), 0o644),
        Entry::file(&sources.join("config/opensearch.yml"), &format!("{HOME}/config/opensearch.yml"), 0o644),
        Entry::file(&sources.join("elasticsearch-keystore"), &format!("{HOME}/bin/elasticsearch-keystore"), 0o755),
        Entry::folder(&format!("{HOME}/data"), 0o777),
    ];
    let mut layers = vec![
        base.clone(),
        java::runtime(place, jdk).await?,
        archive::layer(&aside(place, "search-jars")?, in_folder(&jars, &format!("{HOME}/lib")))?,
        archive::layer(&aside(place, "search")?, program)?,
    ];
    // without a shell: it would drop variables with a dot in their name, which are the settings. The heap is smaller than what the chart asks for
    // (ES_JAVA_OPTS): several stores run on one machine
    let java = "/opt/java/bin/java -Xms64m -Xmx320m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
        --enable-native-access=ALL-UNNAMED -Dsun.net.inetaddr.ttl=5 -Dfile.encoding=UTF-8";
    let main =
        format!("-cp /{HOME}/lib/c8-drill.jar c8.drill.SearchNode /{HOME} /{HOME}/config path.data=/{HOME}/data");
    let entry: Vec<String> = java.split_whitespace().chain(main.split_whitespace()).map(str::to_owned).collect();
    let command = [entry.as_slice(), &["discovery.type=single-node".to_owned()]].concat();
    let started = classes::Program { name: "search", layers: &layers, command: &command, environment: &[] };
    let classes = classes::archive(place, jdk, &started).await?;
    layers.push(classes);
    let config = json!({"Entrypoint": entry, "WorkingDir": format!("/{HOME}"), "Env": [base::PATH, "LANG=C.UTF-8", classes::OPTION]});
    Ok(vec![Image::new([SEARCH], layers, config)])
}

fn in_folder(jars: &[PathBuf], folder: &str) -> Vec<Entry> {
    jars.iter()
        .filter_map(|jar| Some(Entry::file(jar, &format!("{folder}/{}", jar.file_name()?.to_string_lossy()), 0o644)))
        .collect()
}

/// Where the layer of this name is kept until it is in an archive.
fn aside(place: &Place, name: &str) -> Result<PathBuf> {
    let folder = place.shared().join("layers");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{name}.tar")))
}

fn archive_file(place: &Place, name: &str) -> PathBuf {
    place.images().join(format!("{name}.tar"))
}

fn is_made(place: &Place, name: &str, wanted: &str) -> bool {
    let stamp = archive_file(place, name).with_extension("stamp");
    archive_file(place, name).is_file() && std::fs::read_to_string(stamp).is_ok_and(|known| known == wanted)
}

/// Written aside: an archive that is there is whole.
fn write(place: &Place, name: &str, images: &[Image], stamp: &str) -> Result<()> {
    let archive = archive_file(place, name);
    let fresh = archive.with_file_name(format!(".{name}.new"));
    archive::write(&fresh, images).with_context(|| format!("{} can't be written", fresh.display()))?;
    std::fs::rename(&fresh, &archive)?;
    std::fs::write(archive.with_extension("stamp"), stamp)?;
    Ok(())
}

/// A digest of words and of all files in folders.
fn stamp(words: &[&str], paths: &[&Path]) -> Result<String> {
    let mut digest = Context::new(&SHA256);
    for word in words {
        digest.update(word.as_bytes());
        digest.update(b"\n");
    }
    for path in paths {
        for file in files(path)? {
            digest.update(file.strip_prefix(path).unwrap_or(&file).to_string_lossy().as_bytes());
            digest.update(&std::fs::read(&file).with_context(|| format!("{} can't be read", file.display()))?);
        }
    }
    Ok(hex(digest.finish().as_ref()))
}

/// All files below a folder, sorted; a file is its own folder.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("{} can't be read", path.display()))? {
        found.extend(files(&entry?.path())?);
    }
    found.sort();
    Ok(found)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// This machine's architecture, as image indices name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What a runtime has to be told of an image, beside its layers.
type Config = Value;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_stamp_knows_words_names_and_content() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a", "1");
        write("b/c", "2");
        let first = stamp(&["x"], &[folder.path()]).unwrap();
        assert_eq!(first, stamp(&["x"], &[folder.path()]).unwrap());
        assert_ne!(first, stamp(&["y"], &[folder.path()]).unwrap());
        write("b/c", "3");
        assert_ne!(first, stamp(&["x"], &[folder.path()]).unwrap());
        assert!(stamp(&[], &[&folder.path().join("gone")]).is_err());
    }

    /// The chart of the provider would otherwise ask a registry.
    #[test]
    fn every_image_that_the_chart_names_is_made() {
        let made: Vec<&str> =
            [BUSYBOX, SEARCH, SIMULATED].into_iter().chain(WEB_APPS.iter().map(|(name, _)| *name)).collect();
        let chart = include_str!("../../../../provider/release/tests/snapshots/render__golden.snap");
        let named: BTreeSet<&str> = chart.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
        assert_eq!(named.len(), 6, "{named:?}");
        for image in named {
            let found = made.iter().any(|name| *name == image || name.ends_with(&format!("/{image}")));
            assert!(found, "{image} is not among {made:?}");
        }
    }
}
