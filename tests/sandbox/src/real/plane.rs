//! One real control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler on loopback ports, in a folder of its own.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::pki::{Pki, write_private};
use super::process::Process;
use super::upstream::Upstream;

/// How long etcd and the API server may take together; they share the machine with what is being tested.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a control plane is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// See [`super::hyperkube`].
    pub binary: PathBuf,
    /// Name, for its CA.
    pub name: String,
    /// Range of Service addresses.
    pub service_cidr: String,
    /// The address that it believes to have; nothing listens there.
    pub advertised: String,
    /// Whether the controller manager and the scheduler run.
    pub controllers: bool,
    /// URL that answers TokenReviews; without one, only the components' own tokens are good.
    pub token_review: Option<String>,
}

/// A running control plane. Everything ends when it is dropped.
pub struct Plane {
    /// Its CA and certificates; also those of whoever stands in front of it.
    pub pki: Pki,
    /// The API server, with a token of group `system:masters`.
    pub upstream: Upstream,
    /// Controller manager and scheduler come before what they talk to: dropped in order.
    controllers: Vec<Process>,
    servers: Vec<Process>,
    folder: PathBuf,
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane").field("folder", &self.folder).finish_non_exhaustive()
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

impl Plane {
    /// Starts etcd and the API server, waits for it, then starts the controllers.
    ///
    /// # Errors
    /// Something does not start in time; the text ends with its log.
    pub async fn start(setup: &Setup) -> Result<Plane, Error> {
        let folder = std::env::temp_dir().join(format!("c8-plane-{:016x}", rand::random::<u64>()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let pki = Pki::generate(&setup.name)?;
        pki.write(&folder)?;
        // the components have one identity: what each of them may do is not what is looked at here
        let admin = format!("{:032x}", rand::random::<u128>());
        let tokens = format!("{admin},admin,admin,system:masters\n");
        write_private(&folder.join("tokens.csv"), &tokens)?;
        let (store, peer, api) = (free_port()?, free_port()?, free_port()?);
        let upstream = Upstream::new(api, Some(pki.client.clone()), &admin);
        let mut plane = Plane { pki, upstream, controllers: Vec::new(), servers: Vec::new(), folder };
        plane.serve(setup, "kube-apiserver", &plane.apiserver(setup, store, api)?)?;
        // started last, so that it ends last
        plane.serve(setup, "etcd", &etcd(store, peer))?;
        plane.ready().await?;
        if !setup.controllers {
            return Ok(plane);
        }
        for component in ["kube-controller-manager", "kube-scheduler"] {
            let config = plane.kubeconfig(component, api, &admin)?;
            let arguments = controller(component, &config, &plane.folder);
            plane.controllers.push(Process::start(&setup.binary, component, &arguments, &plane.folder)?);
        }
        Ok(plane)
    }

    fn serve(&mut self, setup: &Setup, component: &str, arguments: &[String]) -> std::io::Result<()> {
        self.servers.push(Process::start(&setup.binary, component, arguments, &self.folder)?);
        Ok(())
    }

    fn apiserver(&self, setup: &Setup, store: u16, api: u16) -> std::io::Result<Vec<String>> {
        let at = |file: &str| self.folder.join(file).display().to_string();
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{store}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={api}"),
            format!("--advertise-address={}", setup.advertised),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--service-cluster-ip-range={}", setup.service_cidr),
            format!("--tls-cert-file={}", at("server.crt")),
            format!("--tls-private-key-file={}", at("server.key")),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            // nodes are ready when they register; no controller is there to take the taint off again
            "--disable-admission-plugins=TaintNodesByCondition".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", at("sa.pub")),
            format!("--service-account-signing-key-file={}", at("sa.key")),
            // nodes have addresses of the simulated network; the one where somebody answers is the external one
            "--kubelet-preferred-address-types=ExternalIP".to_owned(),
            "--profiling=false".to_owned(),
        ];
        if let Some(url) = &setup.token_review {
            let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
            write_private(&self.folder.join("review.json"), &config.to_string())?;
            arguments.extend([
                format!("--authentication-token-webhook-config-file={}", at("review.json")),
                "--authentication-token-webhook-version=v1".to_owned(),
                "--authentication-token-webhook-cache-ttl=5s".to_owned(),
            ]);
        }
        Ok(arguments)
    }

    fn kubeconfig(&self, component: &str, api: u16, token: &str) -> std::io::Result<String> {
        let path = self.folder.join(format!("{component}.json"));
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("https://127.0.0.1:{api}"), "certificate-authority": self.folder.join("ca.crt")}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
        write_private(&path, &config.to_string())?;
        Ok(path.display().to_string())
    }

    async fn ready(&self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            if let Ok((status, _)) = self.upstream.get("/readyz").await
                && status.is_success()
                && let Ok((status, _)) = self.upstream.get("/api/v1/namespaces/kube-system").await
                && status.is_success()
            {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let logs: Vec<String> = self.servers.iter().map(Process::complaint).collect();
                return Err(format!(
                    "the API server is not ready after {} s:\n{}",
                    PATIENCE.as_secs(),
                    logs.join("\n---\n")
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The controllers, to be halted.
    pub fn controllers(&self) -> Controllers {
        Controllers(self.controllers.iter().map(Process::id).collect())
    }

    /// Where logs and keys are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Controller manager and scheduler of a plane.
#[derive(Debug)]
pub struct Controllers(Vec<u32>);

impl Controllers {
    /// Lets them go on or stand still: what a crash of the region means for them.
    pub fn run(&self, run: bool) {
        for id in &self.0 {
            super::process::signal(*id, if run { "CONT" } else { "STOP" });
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.controllers.clear();
        self.servers.clear();
        if std::env::var_os("C8_KEEP_LOGS").is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn etcd(store: u16, peer: u16) -> Vec<String> {
    let (client, peer) = (format!("http://127.0.0.1:{store}"), format!("http://127.0.0.1:{peer}"));
    vec![
        "--data-dir=etcd".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}

fn controller(component: &str, config: &str, folder: &Path) -> Vec<String> {
    let mut arguments =
        vec![format!("--kubeconfig={config}"), "--leader-elect=false".to_owned(), "--secure-port=0".to_owned()];
    if component == "kube-controller-manager" {
        arguments.extend([
            // nodes and attachments are the sandbox's: it has neither heartbeats nor a CSI driver
            "--controllers=*,-node-lifecycle-controller,-persistentvolume-attach-detach-controller".to_owned(),
            format!("--service-account-private-key-file={}", folder.join("sa.key").display()),
            format!("--root-ca-file={}", folder.join("ca.crt").display()),
        ]);
    }
    arguments
}
