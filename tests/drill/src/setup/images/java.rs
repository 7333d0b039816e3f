//! The JDK of this machine: it compiles the launchers and gives the images their runtime.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::archive::{self, Entry, Layer};
use super::{aside, files, stamp};
use crate::command::run;
use crate::place::Place;

/// What the search store asks for; brokers are content with it.
const OLDEST: u32 = 21;
/// Modules of the runtime: all of Java SE, and what brokers and store use beside it.
const MODULES: &str = "java.se,jdk.charsets,jdk.crypto.ec,jdk.httpserver,jdk.jdwp.agent,jdk.localedata,jdk.management,jdk.naming.dns,jdk.net,jdk.unsupported,jdk.zipfs";

/// A JDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jdk {
    home: PathBuf,
    version: String,
}

impl Jdk {
    /// The one of `JAVA_HOME` if it fits, else the newest of this machine.
    pub(super) fn find() -> Result<Self> {
        let mut homes: Vec<PathBuf> = std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
        let asked = homes.len();
        if let Some(java) = std::env::var_os("PATH")
            .and_then(|path| {
                std::env::split_paths(&path).map(|folder| folder.join("javac")).find(|file| file.is_file())
            })
            .and_then(|file| file.canonicalize().ok())
        {
            homes.extend(java.ancestors().nth(2).map(Path::to_owned));
        }
        for folder in ["/usr/lib/jvm", "/opt", "/opt/java", "/usr/local"] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                homes.push(entry.path());
            }
        }
        let found: Vec<Self> = homes.iter().filter_map(|home| Self::at(home)).collect();
        if let Some(first) = found.first().filter(|jdk| asked == 1 && jdk.home == homes[0] && jdk.feature() >= OLDEST) {
            return Ok(first.clone());
        }
        let best = found.iter().max_by_key(|jdk| jdk.feature());
        match best.filter(|jdk| jdk.feature() >= OLDEST) {
            Some(jdk) => Ok(jdk.clone()),
            None => bail!(
                "a JDK of {OLDEST} or newer with jlink is missing (the search store needs it): install one and set JAVA_HOME; the newest here is {}",
                best.map_or_else(|| "none".to_owned(), |jdk| format!("{} in {}", jdk.version, jdk.home.display()))
            ),
        }
    }

    /// The JDK in a folder: with compiler and linker, and a file `release` that says its version.
    fn at(home: &Path) -> Option<Self> {
        let whole = ["bin/javac", "bin/jlink", "bin/jar", "bin/jcmd"].iter().all(|tool| home.join(tool).is_file());
        let release = std::fs::read_to_string(home.join("release")).ok()?;
        let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"');
        whole.then(|| Self { home: home.to_owned(), version: version.to_owned() })
    }

    /// 21 of `21.0.4`.
    fn feature(&self) -> u32 {
        self.version.split(['.', '-', '+']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    pub(super) fn identity(&self) -> String {
        format!("{} {}", self.home.display(), self.version)
    }

    pub(super) fn tool(&self, name: &str) -> String {
        self.home.join("bin").join(name).display().to_string()
    }
}

/// Compiles the launchers of `sources/src` into a jar that names the others, which lie beside it: a class path whose order is
/// not the disk's.
pub(super) async fn compile(
    place: &Place,
    name: &str,
    sources: &Path,
    jars: &[PathBuf],
    jdk: &Jdk,
    release: u32,
) -> Result<PathBuf> {
    let folder = place.shared().join("classes").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let class_path: Vec<String> = jars.iter().map(|jar| jar.display().to_string()).collect();
    let mut arguments = vec![
        "--release".to_owned(),
        release.to_string(),
        "-encoding".into(),
        "UTF-8".into(),
        "-proc:none".into(),
        "-classpath".into(),
        class_path.join(":"),
        "-d".into(),
        folder.display().to_string(),
    ];
    arguments.extend(files(&sources.join("src"))?.iter().map(|file| file.display().to_string()));
    run(&jdk.tool("javac"), arguments).await.with_context(|| format!("the launcher of {name} does not compile"))?;
    let jar = folder.with_extension("jar");
    let manifest = folder.with_extension("manifest");
    std::fs::write(&manifest, class_path_of(jars))?;
    let packed = ["--create", "--no-compress", "--date=2020-01-01T00:00:00Z", "--file"].map(str::to_owned);
    let files = [jar.display().to_string(), "--manifest".into(), manifest.display().to_string()];
    let rest = ["-C".into(), folder.display().to_string(), ".".into()];
    run(&jdk.tool("jar"), packed.into_iter().chain(files).chain(rest)).await?;
    Ok(jar)
}

/// `Class-Path` of a manifest, whose lines are at most 72 bytes long.
fn class_path_of(jars: &[PathBuf]) -> String {
    let names: Vec<_> = jars.iter().filter_map(|jar| Some(jar.file_name()?.to_string_lossy())).collect();
    let mut text = String::new();
    for (at, letter) in format!("Class-Path: {}", names.join(" ")).chars().enumerate() {
        if at > 0 && at % 70 == 0 {
            text.push_str("\n ");
        }
        text.push(letter);
    }
    text.push('\n');
    text
}

/// The runtime as a layer: in `/opt/java`, with an archive of its classes that makes it start faster.
pub(super) async fn runtime(place: &Place, jdk: &Jdk) -> Result<Layer> {
    let folder = place.shared().join("java");
    let (wanted, note) = (stamp(&[&jdk.identity(), MODULES], &[])?, folder.with_extension("stamp"));
    if !std::fs::read_to_string(&note).is_ok_and(|known| known == wanted) {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let options = [
            "--strip-java-debug-attributes",
            "--no-header-files",
            "--no-man-pages",
            "--generate-cds-archive",
            "--add-modules",
            MODULES,
            "--output",
        ];
        let output = folder.display().to_string();
        run(&jdk.tool("jlink"), options.into_iter().chain([output.as_str()]))
            .await
            .context("the Java runtime can't be made")?;
        std::fs::write(&note, wanted)?;
    }
    let mut entries = Vec::new();
    for file in files(&folder)? {
        let path = file.strip_prefix(&folder)?.to_string_lossy().into_owned();
        let run = path.starts_with("bin/") || path.contains(".so") || path.ends_with("jspawnhelper");
        entries.push(Entry::file(&file, &format!("opt/java/{path}"), if run { 0o755 } else { 0o644 }));
    }
    archive::layer(&aside(place, "java")?, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_path_is_broken_into_lines() {
        let jars: Vec<PathBuf> = (0..20).map(|at| format!("/jars/some-{at}.jar").into()).collect();
        let text = class_path_of(&jars);
        assert!(text.lines().all(|line| line.len() <= 72));
        let whole = text.replace("\n ", "");
        assert!(
            whole.starts_with("Class-Path: some-0.jar some-1.jar ") && whole.ends_with(" some-19.jar\n"),
            "{whole}"
        );
    }

    #[test]
    fn a_jdk_is_known_by_its_release_and_tools() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Jdk::at(folder.path()), None);
        std::fs::write(folder.path().join("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"25.0.1\"\n").unwrap();
        assert_eq!(Jdk::at(folder.path()), None, "a runtime alone");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        for tool in ["javac", "jlink", "jar", "jcmd"] {
            std::fs::write(folder.path().join("bin").join(tool), "").unwrap();
        }
        assert_eq!(Jdk::at(folder.path()).unwrap().feature(), 25);
        let old = Jdk { home: "/".into(), version: "17.0.15".into() };
        assert_eq!(old.feature(), 17);
    }
}
