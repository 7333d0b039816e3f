//! `cargo xtask bench`: the release build, measured beside the machine's own `true` in the same run.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use acceptance::{build, find_terraform};
use anyhow::{Context as _, Result, bail, ensure};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Launches that each median is taken from.
    #[arg(long, default_value_t = 41)]
    launches: usize,
}

/// What Terraform sets for a provider (provider-protocol.md 1.1).
const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// Measures and prints a table.
pub async fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.launches > 0, "--launches must be at least 1");
    println!("building the release binary (minutes, the first time)…");
    let provider = build("terraform-provider-c8", &["--release"])?;
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])?.cert.pem();

    // turn by turn, so that whatever else the machine does hits both alike
    let (mut base, mut plain, mut mutual) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..arguments.launches {
        base.push(start_true()?);
        plain.push(launch(&provider, None)?);
        mutual.push(launch(&provider, Some(&certificate))?);
    }
    let (base, plain, mutual) = (median(base), median(plain), median(mutual));
    let memory = memory_after_schema(&provider).await?;

    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let ratio = |time: Duration| time.as_secs_f64() / base.as_secs_f64();
    println!("\n{:44} {:>9} {:>12}", "median of one run, release build", "", "× `true`");
    println!("{:44} {:>6.2} ms {:>12.1}", "start and end of `true`", milliseconds(base), 1.0);
    println!("{:44} {:>6.2} ms {:>12.1}", "launch to handshake line, plain", milliseconds(plain), ratio(plain));
    println!("{:44} {:>6.2} ms {:>12.1}", "launch to handshake line, mutual TLS", milliseconds(mutual), ratio(mutual));
    println!("{:44} {:>6.2} MB", "peak memory over `providers schema -json`", memory as f64 / 1024.0);
    let size = std::fs::metadata(&provider)?.len();
    println!("{:44} {:>6.2} MB", "size of the binary", size as f64 / 1e6);
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn start_true() -> Result<Duration> {
    let begun = Instant::now();
    Command::new("true").status().context("no `true` on the PATH")?;
    Ok(begun.elapsed())
}

/// From the launch to the complete handshake line.
fn launch(provider: &Path, certificate: Option<&str>) -> Result<Duration> {
    let mut command = Command::new(provider);
    command.env(COOKIE.0, COOKIE.1).env("PLUGIN_PROTOCOL_VERSIONS", "5");
    command.env_remove("PLUGIN_CLIENT_CERT");
    if let Some(certificate) = certificate {
        command.env("PLUGIN_CLIENT_CERT", certificate);
    }
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take().context("the child has no stdout")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let took = begun.elapsed();
    child.kill()?;
    child.wait()?;
    ensure!(line.starts_with("1|5|"), "no handshake line but `{}`", line.trim_end());
    Ok(took)
}

/// Highest resident memory in KiB of any process of the provider while Terraform reads its schema.
async fn memory_after_schema(provider: &Path) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let programs = provider.parent().context("a binary has a folder")?;
    let config = format!(
        "provider_installation {{\n  dev_overrides {{ \"camunda-community-hub/c8\" = \"{}\" }}\n  direct {{}}\n}}\n",
        programs.display()
    );
    std::fs::write(folder.path().join("cli.tfrc"), config)?;
    let main = "terraform {\n  required_providers {\n    c8 = { source = \"camunda-community-hub/c8\" }\n  }\n}\n";
    std::fs::write(folder.path().join("main.tf"), main)?;
    let mut child = tokio::process::Command::new(find_terraform()?)
        .args(["providers", "schema", "-json"])
        .current_dir(folder.path())
        .env("TF_CLI_CONFIG_FILE", folder.path().join("cli.tfrc"))
        .env("CHECKPOINT_DISABLE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut highest = 0;
    let status = loop {
        highest = highest.max(peak_of(provider));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    if !status.success() || highest == 0 {
        bail!("`terraform providers schema -json` failed or ran no provider");
    }
    Ok(highest)
}

/// `VmHWM` in KiB of the running processes of `provider`.
fn peak_of(provider: &Path) -> u64 {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    processes
        .filter_map(Result::ok)
        .filter(|process| std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == provider))
        .filter_map(|process| std::fs::read_to_string(process.path().join("status")).ok())
        .filter_map(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
            line.split_whitespace().nth(1)?.parse().ok()
        })
        .max()
        .unwrap_or(0)
}
