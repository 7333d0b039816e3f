//! `cargo xtask tofu`: OpenTofu, built once from its Go module, for the tests that must pass with it too.
//!
//! `xtask/tofu/go.mod` says which version, `go.sum` holds the sum of each module that it is made of. OpenTofu replaces one
//! of its dependencies, and Go ignores that in a module which isn't the main one, so ours repeats it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use acceptance::workspace_root;
use anyhow::{Context as _, Result, bail, ensure};

const MODULE: &str = "github.com/opentofu/opentofu";

/// Builds it, if that wasn't done yet, and prints its path.
pub fn run() -> Result<()> {
    println!("{}", binary()?.display());
    Ok(())
}

/// The binary, in a folder of its own below `target/`; built if it isn't there.
fn binary() -> Result<PathBuf> {
    let source = workspace_root().join("xtask/tofu");
    let manifest = std::fs::read_to_string(source.join("go.mod")).context("can't read xtask/tofu/go.mod")?;
    let version = version(&manifest)?;
    let folder = workspace_root().join("target/tools").join(format!("tofu-{version}"));
    let binary = folder.join("tofu");
    if !binary.is_file() {
        build(&source, &folder, &binary)?;
    }
    let mut said = Command::new(&binary);
    said.arg("version").env("TF_CLI_CONFIG_FILE", "/dev/null").env("CHECKPOINT_DISABLE", "1");
    let said = said.output().with_context(|| format!("can't start {}", binary.display()))?;
    let said = String::from_utf8_lossy(&said.stdout);
    ensure!(
        said.starts_with(&format!("OpenTofu v{version}\n")),
        "{} says of itself: {}; delete it, and run this again",
        binary.display(),
        said.lines().next().unwrap_or("nothing")
    );
    Ok(binary)
}

fn build(source: &Path, folder: &Path, binary: &Path) -> Result<()> {
    eprintln!("building OpenTofu from its Go module (minutes, once)…");
    std::fs::create_dir_all(folder)?;
    // one that was interrupted must not be taken for a binary
    let unfinished = folder.join(format!("tofu.{}", std::process::id()));
    let status = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath"])
        // as its makers build a release
        .args(["-ldflags", "-s -w -X github.com/opentofu/opentofu/version.dev=no"])
        .arg("-o")
        .arg(&unfinished)
        .arg(format!("{MODULE}/cmd/tofu"))
        .current_dir(source)
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .status()
        .context("can't start `go`: install Go 1.26 or newer, or put `terraform` or `tofu` on the PATH")?;
    if !status.success() {
        bail!("`go build` of OpenTofu failed in {}", source.display());
    }
    std::fs::rename(&unfinished, binary)?;
    Ok(())
}

/// The version that the manifest requires, without the `v`.
fn version(manifest: &str) -> Result<&str> {
    let mut words = manifest.lines().map(|line| line.trim().trim_start_matches("require "));
    let found = words.find_map(|line| line.strip_prefix(MODULE)?.strip_prefix(" v")?.split_whitespace().next());
    found.with_context(|| format!("go.mod does not require {MODULE}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_version_is_that_of_the_manifest() {
        assert_eq!(version("require (\n\tgithub.com/opentofu/opentofu v1.2.3\n)").unwrap(), "1.2.3");
        assert_eq!(version("require github.com/opentofu/opentofu v1.2.3").unwrap(), "1.2.3");
        assert!(version("tool github.com/opentofu/opentofu/cmd/tofu").is_err());
        let ours = std::fs::read_to_string(workspace_root().join("xtask/tofu/go.mod")).unwrap();
        assert!(version(&ours).unwrap().starts_with("1."));
    }

    /// Go reads a `replace` in the main module alone: without ours, another hcl would be built in.
    #[test]
    fn the_replaced_module_has_a_sum() {
        let folder = workspace_root().join("xtask/tofu");
        let manifest = std::fs::read_to_string(folder.join("go.mod")).unwrap();
        let (_, replacement) =
            manifest.lines().find(|line| line.starts_with("replace ")).unwrap().split_once(" => ").unwrap();
        let sums = std::fs::read_to_string(folder.join("go.sum")).unwrap();
        assert!(sums.lines().any(|line| line.starts_with(replacement)), "{replacement}");
    }
}
