//! What the drill needs of the machine: found out before anything is built, one clear line for each thing that is missing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A program, and how to get it.
struct Program {
    name: &'static str,
    get: Get,
}

enum Get {
    /// In this Debian package.
    Debian(&'static str),
    /// By the user; the text says what and why.
    ByHand(&'static str),
}

/// Programs, all of which must be there.
const PROGRAMS: &[Program] = &[
    Program { name: "ip", get: Get::Debian("iproute2") },
    Program { name: "nft", get: Get::Debian("nftables") },
    Program { name: "conntrack", get: Get::Debian("conntrack") },
    Program { name: "mount", get: Get::Debian("mount") },
    Program { name: "nsenter", get: Get::Debian("util-linux") },
    Program { name: "unshare", get: Get::Debian("util-linux") },
    Program { name: "sysctl", get: Get::Debian("procps") },
    Program { name: "containerd", get: Get::Debian("containerd") },
    Program { name: "ctr", get: Get::Debian("containerd") },
    Program { name: "runc", get: Get::Debian("runc") },
    // what the shell of the images is made of
    Program { name: "busybox", get: Get::Debian("busybox-static") },
    Program { name: "nc.traditional", get: Get::Debian("netcat-traditional") },
    Program { name: "dash", get: Get::Debian("dash") },
    Program {
        name: "go",
        get: Get::ByHand("Go 1.25 or newer, which builds Kubernetes and CoreDNS: https://go.dev/dl"),
    },
    Program { name: "java", get: Get::ByHand("a JDK of 21 or newer, which runs brokers and search stores") },
    Program {
        name: "javac",
        get: Get::ByHand("a JDK of 21 or newer (a JRE does not do), which builds their launchers"),
    },
    Program { name: "mvn", get: Get::ByHand("Maven 3.8 or newer, which fetches brokers and search stores") },
    Program {
        name: "terraform",
        get: Get::ByHand("Terraform 1.5 or newer, which the drill is about: https://developer.hashicorp.com/terraform"),
    },
];

/// Plugins of the container network interface, and their package.
const CNI: &str = "/usr/lib/cni";
const CNI_PLUGINS: &[&str] = &["bridge", "host-local", "loopback", "portmap"];
const CNI_PACKAGE: &str = "containernetworking-plugins";

/// What is missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Debian packages that setup can install.
    pub packages: Vec<&'static str>,
    /// One line each: what the user has to do.
    pub by_hand: Vec<String>,
}

impl Missing {
    /// Whether nothing is missing.
    pub fn is_nothing(&self) -> bool {
        self.packages.is_empty() && self.by_hand.is_empty()
    }

    /// One line for each thing that is missing.
    pub fn lines(&self) -> Vec<String> {
        let packages = self.packages.iter().map(|package| format!("the Debian package {package} is missing"));
        packages.chain(self.by_hand.iter().cloned()).collect()
    }
}

/// The machine, as far as it matters.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Operating system, as Rust names it.
    pub os: String,
    /// Effective user id.
    pub user: u32,
    /// Effective capabilities, as a bit set.
    pub capabilities: u64,
    /// Folders with programs.
    pub path: Vec<PathBuf>,
    /// Where the container network plugins should be.
    pub cni: PathBuf,
    /// Whether `/sys/fs/cgroup` has hierarchies for memory and cpu (v1), or is unified (v2).
    pub cgroups: bool,
    /// Whether packages can be installed with apt-get.
    pub debian: bool,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut path: Vec<PathBuf> = std::env::split_paths(&path).collect();
        for folder in ["/usr/sbin", "/sbin"] {
            if !path.iter().any(|known| known == OsStr::new(folder)) {
                path.push(folder.into());
            }
        }
        let debian = find(&path, "apt-get").is_some();
        let cgroup = Path::new("/sys/fs/cgroup");
        let cgroups = cgroup.join("memory").is_dir() || cgroup.join("cgroup.controllers").is_file();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            os: std::env::consts::OS.into(),
            user: field(&status, "Uid:", 1, 10).and_then(|uid| u32::try_from(uid).ok()).unwrap_or(u32::MAX),
            capabilities: field(&status, "CapEff:", 0, 16).unwrap_or(0),
            path,
            cni: CNI.into(),
            cgroups,
            debian,
        }
    }

    /// What this machine lacks.
    pub fn missing(&self) -> Missing {
        let mut missing = Missing::default();
        if self.os != "linux" {
            missing.by_hand.push(format!("Linux is needed (namespaces, nftables, containerd): this is {}", self.os));
            return missing;
        }
        if self.user != 0 {
            missing.by_hand.push("root is needed, to make network namespaces and mounts: use sudo".into());
        } else {
            for (bit, name) in [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN"), (19, "CAP_SYS_PTRACE")] {
                if self.capabilities & (1 << bit) == 0 {
                    missing.by_hand.push(format!("the capability {name} is needed: run the container privileged"));
                }
            }
        }
        if !self.cgroups {
            missing.by_hand.push("control groups are needed: mount them at /sys/fs/cgroup".into());
        }
        let mut lacks = |package: &'static str| {
            if !self.debian {
                missing
                    .by_hand
                    .push(format!("install {package} (the name of the Debian package; apt-get is not here)"));
            } else if !missing.packages.contains(&package) {
                missing.packages.push(package);
            }
        };
        for program in PROGRAMS {
            if let Get::Debian(package) = program.get
                && find(&self.path, program.name).is_none()
            {
                lacks(package);
            }
        }
        if CNI_PLUGINS.iter().any(|plugin| !self.cni.join(plugin).is_file()) {
            lacks(CNI_PACKAGE);
        }
        for program in PROGRAMS {
            if let Get::ByHand(what) = program.get
                && find(&self.path, program.name).is_none()
            {
                missing.by_hand.push(format!("{} is missing: install {what}", program.name));
            }
        }
        missing
    }
}

/// A number in a line of `/proc/self/status`.
fn field(status: &str, name: &str, column: usize, radix: u32) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(line.split_whitespace().nth(column)?, radix).ok()
}

fn find(path: &[PathBuf], program: &str) -> Option<PathBuf> {
    path.iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Refuses if anything is missing; for commands other than setup.
///
/// # Errors
/// Something is missing; the text has one line for each thing.
pub fn check() -> Result<()> {
    let missing = Machine::this().missing();
    if missing.is_nothing() {
        return Ok(());
    }
    let lines: Vec<String> = missing.lines().into_iter().map(|line| format!("- {line}")).collect();
    let hint = if missing.packages.is_empty() { "" } else { "\n`cargo drill setup` installs the packages" };
    bail!("this machine lacks something:\n{}{hint}", lines.join("\n"))
}

/// Installs what can be installed. Whatever else is missing is said first, and nothing is installed then.
///
/// # Errors
/// Something has to be done by hand, or the packages can't be installed.
pub async fn provide() -> Result<()> {
    let missing = Machine::this().missing();
    if !missing.by_hand.is_empty() {
        return check();
    }
    if missing.packages.is_empty() {
        return Ok(());
    }
    let apt = |arguments: Vec<&'static str>| async move {
        let output = tokio::process::Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(&arguments)
            .output()
            .await
            .context("apt-get does not start")?;
        if !output.status.success() {
            bail!("`apt-get {}` failed:\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    };
    let mut install = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    install.extend(&missing.packages);
    if apt(install.clone()).await.is_err() {
        // the lists may be old, or were never fetched
        apt(vec!["update", "--quiet"]).await?;
        apt(install).await?;
    }
    check()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these programs, in a folder of its own.
    fn machine(folder: &Path, programs: &[&str]) -> Machine {
        for program in programs.iter().chain(CNI_PLUGINS) {
            std::fs::write(folder.join(program), "").unwrap();
        }
        Machine {
            os: "linux".into(),
            user: 0,
            capabilities: u64::MAX,
            path: vec![folder.into()],
            cni: folder.into(),
            cgroups: true,
            debian: true,
        }
    }

    fn all() -> Vec<&'static str> {
        PROGRAMS.iter().map(|program| program.name).collect()
    }

    #[test]
    fn nothing_is_missing_on_a_whole_machine() {
        let folder = tempfile::tempdir().unwrap();
        assert!(machine(folder.path(), &all()).missing().is_nothing());
    }

    #[test]
    fn every_missing_thing_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let lacking = ["go", "mvn", "containerd", "ctr", "nsenter"];
        let there: Vec<&str> = all().into_iter().filter(|name| !lacking.contains(name)).collect();
        let mut machine = machine(folder.path(), &there);
        let missing = machine.missing();
        assert_eq!(missing.packages, ["util-linux", "containerd"]);
        assert_eq!(missing.by_hand.len(), 2);
        assert!(missing.by_hand[0].starts_with("go is missing: install Go 1.25"));
        assert!(missing.lines().iter().all(|line| !line.contains('\n')));

        // without apt-get the packages are the user's matter too
        machine.debian = false;
        assert!(machine.missing().packages.is_empty());
        assert_eq!(machine.missing().by_hand.len(), 5);
    }

    #[test]
    fn rights_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = machine(folder.path(), &all());
        machine.capabilities &= !(1 << 21);
        assert_eq!(machine.missing().by_hand, ["the capability CAP_SYS_ADMIN is needed: run the container privileged"]);
        machine.user = 1000;
        assert_eq!(machine.missing().by_hand.len(), 1);
        machine.os = "macos".into();
        assert_eq!(machine.missing().lines().len(), 1);
    }

    #[test]
    fn the_status_of_a_process_is_read() {
        let status = "Name:\tdrill\nUid:\t1000\t0\t0\t0\nCapEff:\t000001ffffffffff\n";
        assert_eq!(field(status, "Uid:", 1, 10), Some(0));
        assert_eq!(field(status, "CapEff:", 0, 16), Some(0x1ff_ffff_ffff));
        assert_eq!(field(status, "Gid:", 0, 10), None);
    }
}
