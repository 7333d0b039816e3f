//! The programs that a test needs: `terraform` or `tofu` from the PATH, and the provider, built when it is out of date.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

/// The folder with the workspace's `Cargo.toml`.
pub fn workspace_root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().nth(2).unwrap_or(here).to_path_buf()
    })
}

/// `terraform`, else `tofu`; `C8_TERRAFORM` (or `TF_ACC_TERRAFORM_PATH`, as other providers' tests call it) names another one.
///
/// # Errors
/// Neither is on the PATH; the text says what to install.
pub fn find_terraform() -> Result<PathBuf> {
    let named = ["C8_TERRAFORM", "TF_ACC_TERRAFORM_PATH"].iter().find_map(std::env::var_os);
    if let Some(named) = named {
        return Ok(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["terraform", "tofu"]
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
        .context(
            "neither `terraform` nor `tofu` is on the PATH: install Terraform 1.5 or newer, or OpenTofu 1.6 or newer",
        )
}

/// The provider's binary, built by cargo if it is out of date; `C8_PROVIDER` names another one.
///
/// # Errors
/// It does not compile.
pub fn provider_binary() -> Result<&'static Path> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let find = || match std::env::var_os("C8_PROVIDER") {
        Some(named) => Ok(PathBuf::from(named)),
        None => build("terraform-provider-c8", &[]).map_err(|error| format!("{error:#}")),
    };
    match BINARY.get_or_init(find) {
        Ok(path) => Ok(path),
        Err(error) => bail!("{error}"),
    }
}

/// Builds the binary `bin` of the workspace and returns its path.
///
/// # Errors
/// It does not compile.
pub fn build(bin: &str, flags: &[&str]) -> Result<PathBuf> {
    build_target("bin", bin, flags)
}

/// Builds a target of any kind that can be run, a `bin`, an `example` or a `bench`, and returns its path.
///
/// # Errors
/// It does not compile.
pub fn build_target(kind: &str, name: &str, flags: &[&str]) -> Result<PathBuf> {
    // of the whole workspace: features are then those of the tests, and the registry's crates aren't built again
    build_among(&["--workspace"], kind, name, flags)
}

/// The same with the features of some packages only (`--package=…`).
///
/// # Errors
/// It does not compile.
pub fn build_among(packages: &[&str], kind: &str, name: &str, flags: &[&str]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", &format!("--{kind}"), name])
        .args(packages)
        .arg("--message-format=json-render-diagnostics")
        .args(flags)
        .current_dir(workspace_root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    // what cargo sets for the running test would make build scripts believe that everything changed
    let own = |name: &str| {
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_CRATE_NAME"
    };
    for (name, _) in std::env::vars().filter(|(name, _)| own(name)) {
        command.env_remove(name);
    }
    let output = command.output().context("can't start cargo")?;
    if !output.status.success() {
        bail!("`cargo build {} --{kind} {name}` failed", packages.join(" "));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name && message["target"]["kind"][0] == kind)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no {kind} {name}"))
}
