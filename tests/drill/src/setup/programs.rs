//! The Go programs that setup builds: Kubernetes with etcd in one binary, CoreDNS, and the pause of pods.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::place::Place;

/// Version of Kubernetes in `hyperkube/go.mod`. The binary has to be told: a module does not know its own version.
pub const KUBERNETES: &str = "1.34.2";

/// Components that the one binary plays under these names.
pub const COMPONENTS: &[&str] =
    &["etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"];

/// A Go module below `tests/drill` that becomes a binary of the same name.
struct Module {
    name: &'static str,
    /// Packages of a build from nothing, for the progress bar.
    packages: u64,
}

const MODULES: &[Module] = &[
    Module { name: "pause", packages: 60 },
    Module { name: "hyperkube", packages: 1750 },
    Module { name: "coredns", packages: 900 },
];

/// Whether everything is built from the sources as they are.
pub fn are_built(place: &Place) -> bool {
    MODULES.iter().all(|module| is_built(place, module))
}

/// Builds what is not built. The bar shows packages.
///
/// # Errors
/// A build fails; the text has its last lines.
pub async fn build(place: &Place, bar: &ProgressBar) -> Result<()> {
    std::fs::create_dir_all(place.bin(""))?;
    for module in MODULES {
        if is_built(place, module) {
            continue;
        }
        bar.set_message(format!("building {}", module.name));
        bar.set_position(0);
        bar.set_length(module.packages);
        compile(place, module, bar).await.with_context(|| format!("{} can't be built", module.name))?;
        std::fs::write(stamp_file(place, module), stamp(place, module)?)?;
    }
    for component in COMPONENTS {
        let link = place.bin(component);
        if !link.exists() {
            std::os::unix::fs::symlink("hyperkube", &link)
                .with_context(|| format!("{} can't be linked", link.display()))?;
        }
    }
    Ok(())
}

async fn compile(place: &Place, module: &Module, bar: &ProgressBar) -> Result<()> {
    // built aside: a binary that is there is whole
    let fresh = place.bin(&format!(".{}.new", module.name));
    let mut build = Command::new("go")
        .current_dir(place.sources().join(module.name))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env_remove("GOFLAGS")
        .args(["build", "-v", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags"])
        .arg(linker_flags(module.name))
        .arg("-o")
        .arg(&fresh)
        .arg(".")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("go does not start")?;
    let said = build.stderr.take().context("go has no standard error")?;
    let mut lines = BufReader::new(said).lines();
    let mut last = Vec::new();
    while let Some(line) = lines.next_line().await? {
        bar.inc(1);
        last.push(line);
        if last.len() > 12 {
            last.remove(0);
        }
    }
    if !build.wait().await?.success() {
        bail!("go said:\n{}", last.join("\n"));
    }
    std::fs::rename(fresh, place.bin(module.name))?;
    Ok(())
}

/// Smaller binaries, and Kubernetes' version where its packages look for it.
fn linker_flags(module: &str) -> String {
    let mut flags = "-s -w".to_owned();
    if module == "hyperkube" {
        let mut parts = KUBERNETES.split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
            flags.push_str(&format!(
                " -X {package}.gitVersion=v{KUBERNETES} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
            ));
        }
    }
    flags
}

fn stamp_file(place: &Place, module: &Module) -> std::path::PathBuf {
    place.bin(&format!(".{}.stamp", module.name))
}

fn is_built(place: &Place, module: &Module) -> bool {
    let built = std::fs::read_to_string(stamp_file(place, module)).ok();
    place.bin(module.name).is_file() && built.is_some() && built == stamp(place, module).ok()
}

/// What the binary depends on: its sources and flags. The versions are in the sources, by their checksums.
fn stamp(place: &Place, module: &Module) -> Result<String> {
    let folder = place.sources().join(module.name);
    let mut hash = Sha256::new();
    hash.update(linker_flags(module.name));
    for file in ["go.mod", "go.sum", "main.go"] {
        hash_file(&mut hash, &folder.join(file))?;
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn hash_file(hash: &mut Sha256, file: &Path) -> Result<()> {
    match std::fs::read(file) {
        Ok(content) => hash.update(content),
        // a module without dependencies has no go.sum
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => hash.update("none"),
        Err(error) => return Err(error).context(format!("{} can't be read", file.display())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_agree_with_the_module() {
        let module = include_str!("../../hyperkube/go.mod");
        assert!(module.contains(&format!("k8s.io/kubernetes v{KUBERNETES}")));
        assert!(linker_flags("hyperkube").contains("gitMinor=34"));
        assert_eq!(linker_flags("pause"), "-s -w");
    }

    #[test]
    fn every_module_is_pinned_by_checksums() {
        assert!(include_str!("../../hyperkube/go.sum").contains("k8s.io/kubernetes v1.34.2 h1:"));
        assert!(include_str!("../../coredns/go.sum").contains("github.com/coredns/coredns v1.12.4 h1:"));
    }

    #[test]
    fn nothing_counts_as_built_without_its_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path().into(), 0).unwrap();
        assert!(!are_built(&place));
        std::fs::create_dir_all(place.bin("")).unwrap();
        for module in MODULES {
            std::fs::write(place.bin(module.name), "").unwrap();
        }
        assert!(!are_built(&place));
        for module in MODULES {
            std::fs::write(stamp_file(&place, module), stamp(&place, module).unwrap()).unwrap();
        }
        assert!(are_built(&place));
    }
}
