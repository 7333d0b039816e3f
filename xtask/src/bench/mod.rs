//! `cargo xtask bench`: the release build of the provider, beside the framework's tiny one and the machine's own `true`.
//!
//! What is measured is measured by optimised programs, `provider/plugin/benches`; this one builds them, runs them, and sets the
//! figures beside the aims.

mod figures;
mod growth;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use acceptance::build_among;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use self::figures::{Aim, Table};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Launches that each median is taken from.
    #[arg(long, default_value_t = 41)]
    launches: usize,
    /// Plans that each median of the growth is taken from.
    #[arg(long, default_value_t = 3)]
    plans: usize,
    /// The target of the binaries; without it, the form that README.md installs.
    #[arg(long, default_value_t = format!("{}-unknown-linux-musl", std::env::consts::ARCH))]
    target: String,
}

/// Measures and prints.
pub async fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.launches > 0 && arguments.plans > 0, "--launches and --plans must be at least 1");
    println!("building the release binaries (minutes, the first time)…");
    let target = format!("--target={}", arguments.target);
    let release = ["--release", &target];
    // as users build them: with their own features, not those of the whole workspace
    let framework = &["--package=terraform-plugin"];
    let directory = tempfile::tempdir()?;
    let c8 = build_among(&["--package=terraform-provider-c8"], "bin", "terraform-provider-c8", &release)?;
    let c8 = installed(&c8, directory.path())?;
    let tiny = installed(&build_among(framework, "example", "tiny", &release)?, directory.path())?;
    let launch = build_among(framework, "bench", "launch", &["--release"])?;
    let codec = build_among(framework, "bench", "codec", &release)?;

    let launched = measured(
        &launch,
        &[
            "--launches".to_owned(),
            arguments.launches.to_string(),
            format!("tiny={}", tiny.display()),
            format!("c8={}", c8.display()),
        ],
    )?;
    print!("\n{}", processes(&launched, &tiny, &c8)?);
    print!("\n{}", states(&measured(&codec, &[])?));
    println!(
        "\nseconds of one plan that creates so many instances, and milliseconds that each one more than before took"
    );
    print!("{}", growth::table(&tiny, &c8, arguments.plans).await?);
    Ok(())
}

/// The binary as Terraform unpacks it. What a linker wrote in one go lies in large pieces of the page cache, and a process that
/// touches a page of one counts all of it as its own: 16 MB for 8 in the same file (Linux 6.18, ext4).
fn installed(binary: &Path, directory: &Path) -> Result<PathBuf> {
    // what Go copies at a time
    const PIECE: usize = 32 << 10;
    let path = directory.join(binary.file_name().context("a binary without a name")?);
    let mut to = File::create(&path)?;
    for piece in fs::read(binary)?.chunks(PIECE) {
        to.write_all(piece)?;
    }
    fs::set_permissions(&path, fs::metadata(binary)?.permissions())?;
    Ok(path)
}

/// The line of JSON that a program prints.
fn measured(program: &Path, arguments: &[String]) -> Result<Value> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("can't start {}", program.display()))?;
    ensure!(output.status.success(), "{} failed", program.display());
    serde_json::from_slice(&output.stdout).with_context(|| format!("{} printed no JSON", program.display()))
}

/// What each process costs.
fn processes(launched: &Value, tiny: &Path, c8: &Path) -> Result<Table> {
    let base = launched["true"].as_f64().context("`true` was not measured")?;
    let of = |measure: &str, factor: f64| {
        ["tiny", "c8"].map(|name| launched["providers"][name][measure].as_f64().map(|value| value * factor))
    };
    let mut table = Table::new("medians, release build", &["tiny", "c8"]);
    table.row("start and end of `true`, ms", [Some(base), Some(base)], None);
    table.row("launch to handshake, ms", of("plain", 1.0), Some(Aim(5.0)));
    table.row("launch to handshake, mutual TLS, ms", of("mutual", 1.0), Some(Aim(5.0)));
    table.row("  × `true`", of("mutual", base.recip()), None);
    table.row("GetProviderSchema, the first, ms", of("schema", 1.0), Some(Aim(3.0)));
    table.row("resident memory after it, MB", of("now", 1024e-6), Some(Aim(10.0)));
    table.row("  of it not the binary's file, MB", of("own", 1024e-6), None);
    table.row("  at its highest, MB", of("peak", 1024e-6), Some(Aim(10.0)));
    let size = |binary: &Path| fs::metadata(binary).map(|file| file.len() as f64 / 1e6).ok();
    table.row("size of the binary, MB", [size(tiny), size(c8)], None);
    Ok(table)
}

/// What values cost.
fn states(measured: &Value) -> Table {
    let megabytes = |form: &str| measured[form]["bytes"].as_f64().map(|bytes| bytes / 1e6);
    let mut table = Table::new("decode and encode a state", &["msgpack", "JSON"]);
    table.row("size, MB", ["msgpack", "json"].map(megabytes), None);
    table.row("there and back, ms", ["msgpack", "json"].map(|form| measured[form]["ms"].as_f64()), Some(Aim(20.0)));
    table
}
