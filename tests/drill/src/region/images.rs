//! Images in a machine. Archives are imported once: the image store outlives the clusters of a slot.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Region;
use super::components::CONTAINERD;

/// Imports all archives of the drill that the machine does not have in this form, and waits for the runtime before.
///
/// # Errors
/// The runtime does not answer, or an archive can't be read.
pub async fn import_all(region: &mut Region) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = ctr(region, &["version"]).await {
        if !region.runs() {
            bail!("the machine of {} ended: {}", region.cluster.name, region.last_words("machine"));
        }
        if Instant::now() > until {
            bail!("containerd does not answer ({error}): {}", region.last_words("containerd"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let folder = region.place().images();
    let known_file = region.place().containerd(region.slot).join("imported.json");
    let mut known: BTreeMap<String, String> =
        std::fs::read(&known_file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    for (name, stamp) in archives(&folder)? {
        if known.get(&name) != Some(&stamp) {
            import(region, &folder.join(&name)).await?;
            known.insert(name, stamp);
            std::fs::write(&known_file, serde_json::to_vec_pretty(&known)?)?;
        }
    }
    Ok(())
}

/// Imports an archive (OCI or docker) into a running machine.
///
/// # Errors
/// It can't be read.
pub async fn import(region: &Region, archive: &Path) -> Result<()> {
    let path = archive.to_string_lossy();
    let imported = ctr(region, &["images", "import", "--no-unpack", &path]).await;
    imported.with_context(|| format!("{path} can't be imported into {}", region.cluster.name)).map(drop)
}

async fn ctr(region: &Region, arguments: &[&str]) -> Result<String> {
    let mut all = vec!["ctr", "--address", CONTAINERD, "--namespace", "k8s.io"];
    all.extend(arguments);
    region.inside(&all).await
}

/// Archives of a folder with a stamp of their content.
fn archives(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (name, meta) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata()?);
        if name.ends_with(".tar") && !name.starts_with('.') {
            let age = meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            found.push((name, format!("{} bytes of {}.{:09}", meta.len(), age.as_secs(), age.subsec_nanos())));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_was_written_again_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        assert!(archives(&folder.path().join("none")).unwrap().is_empty());
        std::fs::write(folder.path().join("pause.tar"), "one").unwrap();
        std::fs::write(folder.path().join(".broker.tar"), "half written").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        let first = archives(folder.path()).unwrap();
        assert_eq!(first.len(), 1);
        std::fs::write(folder.path().join("pause.tar"), "three").unwrap();
        assert_ne!(archives(folder.path()).unwrap(), first);
    }
}
