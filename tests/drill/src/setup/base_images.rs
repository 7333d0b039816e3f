//! The images without which no pod runs: pause and CoreDNS, each one static binary.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::cloud::addons::COREDNS;
use crate::command::run;
use crate::place::Place;
use crate::region::components::PAUSE;

/// Binary and image.
const IMAGES: &[(&str, &str)] = &[("pause", PAUSE), ("coredns", COREDNS)];

/// Makes the archives that are missing or older than their binary.
///
/// # Errors
/// A file can't be written.
pub async fn build(place: &Place) -> Result<()> {
    std::fs::create_dir_all(place.images())?;
    for (name, image) in IMAGES {
        let (binary, archive) = (place.bin(name), place.images().join(format!("{name}.tar")));
        let age = |file: &Path| file.metadata().and_then(|meta| meta.modified()).ok();
        if age(&archive) < age(&binary) {
            pack(&binary, image, &archive).await.with_context(|| format!("image {image} can't be made"))?;
        }
    }
    Ok(())
}

/// Writes a docker archive with one layer: the binary as `/NAME`, which is the entry point.
async fn pack(binary: &Path, image: &str, archive: &Path) -> Result<()> {
    let name = binary.file_name().context("a binary has a name")?.to_string_lossy().into_owned();
    let aside = archive.with_file_name(format!(".{name}.parts"));
    crate::region::remove_folder(&aside)?;
    std::fs::create_dir_all(&aside)?;
    let inside = |file: &str| aside.join(file);
    let folder = binary.parent().context("a binary lies in a folder")?;
    let tar = |target: &Path, folder: &Path, files: &[&str]| {
        let mut all = vec!["--create", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        all.push(format!("--file={}", target.display()));
        all.push(format!("--directory={}", folder.display()));
        all.extend(files.iter().map(|file| (*file).to_owned()));
        async move { run("tar", all).await }
    };
    tar(&inside("layer.tar"), folder, &[&name]).await?;
    let digest: String =
        Sha256::digest(std::fs::read(inside("layer.tar"))?).iter().map(|byte| format!("{byte:02x}")).collect();
    let config = json!({"architecture": architecture(), "os": "linux", "config": {"Entrypoint": [format!("/{name}")]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]}});
    std::fs::write(inside("config.json"), config.to_string())?;
    let manifest = json!([{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]);
    std::fs::write(inside("manifest.json"), manifest.to_string())?;
    let fresh = archive.with_file_name(format!(".{name}.new"));
    tar(&fresh, &aside, &["manifest.json", "config.json", "layer.tar"]).await?;
    std::fs::rename(fresh, archive)?;
    crate::region::remove_folder(&aside)
}

/// This machine's, as image indices name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_archive_names_its_image_and_holds_its_layer() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path().into(), 0).unwrap();
        std::fs::create_dir_all(place.bin("")).unwrap();
        for (name, _) in IMAGES {
            std::fs::write(place.bin(name), "a program").unwrap();
        }
        build(&place).await.unwrap();
        let archive = place.images().join("pause.tar").display().to_string();
        let listed = run("tar", ["--list", "--file", &archive]).await.unwrap();
        assert_eq!(listed.lines().collect::<Vec<_>>(), ["manifest.json", "config.json", "layer.tar"]);
        let manifest = run("tar", ["--extract", "--to-stdout", "--file", &archive, "manifest.json"]).await.unwrap();
        assert!(manifest.contains(PAUSE));
        assert_eq!(std::fs::read_dir(place.images()).unwrap().count(), IMAGES.len());
    }
}
