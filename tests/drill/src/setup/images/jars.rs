//! Jars from Maven Central, and the lock that says which ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::archive::digest;
use crate::command::run;
use crate::place::Place;

/// The plugin that copies what a `pom.xml` resolves to.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
/// Set to write the lock instead of obeying it.
const UPDATE: &str = "C8_DRILL_UPDATE_LOCK";

/// File name to SHA-256.
type Lock = BTreeMap<String, String>;

/// The jars of `sources/pom.xml`, exactly those of `sources/jars.lock`, in the order of their names.
pub(super) async fn fetch(place: &Place, sources: &Path) -> Result<Vec<PathBuf>> {
    let name = sources.file_name().context("sources lie in a folder")?;
    let folder = place.shared().join("jars").join(name);
    let lock_file = sources.join("jars.lock");
    let update = std::env::var_os(UPDATE).is_some();
    let lock = if update { Lock::new() } else { parse(&std::fs::read_to_string(&lock_file)?)? };
    let there = || folder.is_dir() && check(&folder, &lock).is_ok();
    if update || !there() {
        let fresh = folder.with_extension("new");
        for old in [&fresh, &folder] {
            if old.exists() {
                std::fs::remove_dir_all(old)?;
            }
        }
        std::fs::create_dir_all(&fresh)?;
        run(
            "mvn",
            [
                "--quiet".to_owned(),
                "--batch-mode".into(),
                "--no-transfer-progress".into(),
                format!("--file={}", sources.join("pom.xml").display()),
                COPY.into(),
                "-DincludeScope=runtime".into(),
                format!("-DoutputDirectory={}", fresh.display()),
            ],
        )
        .await
        .context("Maven could not fetch the jars")?;
        if update {
            std::fs::write(&lock_file, format(&read(&fresh)?))?;
        } else {
            check(&fresh, &lock).with_context(|| {
                format!("what Maven fetched is not what {} pins; nothing of it is used", lock_file.display())
            })?;
        }
        std::fs::rename(&fresh, &folder)?;
    }
    Ok(read(&folder)?.into_keys().map(|name| folder.join(name)).collect())
}

/// The jars of a folder with their checksums.
fn read(folder: &Path) -> Result<Lock> {
    let mut found = Lock::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        found.insert(name, digest(&path)?.0);
    }
    Ok(found)
}

/// Refuses a folder that holds anything else than the lock says: one line for each difference.
fn check(folder: &Path, lock: &Lock) -> Result<()> {
    let found = read(folder)?;
    let mut wrong = Vec::new();
    for (name, sum) in lock {
        match found.get(name) {
            None => wrong.push(format!("{name} is missing")),
            Some(other) if other != sum => wrong.push(format!("{name} has SHA-256 {other}, not {sum}")),
            Some(_) => {}
        }
    }
    wrong.extend(found.keys().filter(|name| !lock.contains_key(*name)).map(|name| format!("{name} is not pinned")));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// As `sha256sum` writes and reads it.
fn format(lock: &Lock) -> String {
    lock.iter().fold(String::new(), |mut text, (name, sum)| {
        let _ = writeln!(text, "{sum}  {name}");
        text
    })
}

fn parse(text: &str) -> Result<Lock> {
    let mut lock = Lock::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Some((sum, name)) = line.split_once("  ") else { bail!("jars.lock has a line that is none: {line}") };
        let whole = sum.len() == 64 && sum.chars().all(|digit| digit.is_ascii_hexdigit());
        ensure!(whole && !name.contains('/'), "jars.lock has a line that is none: {line}");
        lock.insert(name.to_owned(), sum.to_owned());
    }
    ensure!(!lock.is_empty(), "jars.lock is empty");
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_comes_back_as_it_was_written() {
        let lock = Lock::from([("a-1.jar".into(), "0".repeat(64)), ("b-2.jar".into(), "f".repeat(64))]);
        assert_eq!(parse(&format(&lock)).unwrap(), lock);
        for wrong in ["", "abc  a.jar", &format!("{}  ../a.jar", "0".repeat(64)), "one word"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn another_jar_a_missing_one_and_one_too_many_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.jar", "one");
        write("b.jar", "two");
        let mut lock = read(folder.path()).unwrap();
        check(folder.path(), &lock).unwrap();
        write("b.jar", "tampered");
        write("c.jar", "three");
        lock.insert("d.jar".into(), "0".repeat(64));
        let said = check(folder.path(), &lock).unwrap_err().to_string();
        assert!(said.contains("b.jar has SHA-256"), "{said}");
        assert!(said.contains("d.jar is missing") && said.contains("c.jar is not pinned"), "{said}");
    }
}
