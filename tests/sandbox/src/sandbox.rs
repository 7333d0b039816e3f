//! A running sandbox: the world with its ticker, the Google Cloud endpoint, the control API, and credentials in a folder of its own.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::objects;
use crate::{Options, Shared, control, gcp, outside};

/// Where the Google Cloud APIs listen. All of them share one port.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Kubernetes Engine.
    pub container: String,
    /// Compute Engine.
    pub compute: String,
    /// Cloud Storage (gRPC and JSON).
    pub storage: String,
    /// IAM.
    pub iam: String,
}

/// A world that runs until it is dropped.
pub struct Sandbox {
    shared: Shared,
    project: String,
    endpoint: String,
    control: String,
    outside: Option<SocketAddr>,
    folder: PathBuf,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts everything.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (tick, project) = (options.tick, options.project.clone());
        let apis = TcpListener::bind(SocketAddr::new(options.gcp_address, options.gcp_port)).await?;
        let outside = match options.outside {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let controls = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.control_port))).await?;
        let endpoint = format!("http://{}", apis.local_addr()?);
        let control = format!("http://{}", controls.local_addr()?);
        let shared = Shared::new(options);

        let pair = tokio::task::spawn_blocking(gcp::KeyPair::generate).await.map_err(std::io::Error::other)?;
        let key = shared.lock().gcp.set_operator(&project, pair, &format!("{endpoint}/token"));
        let folder = std::env::temp_dir().join(format!("c8-sandbox-{}", objects::new_uid()));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join("credentials.json"))?;
        serde_json::to_writer_pretty(file, &key)?;

        let mut tasks = Vec::new();
        tasks.push(serve(apis, gcp::router(shared.clone())));
        tasks.push(serve(controls, control::router(shared.clone())));
        let mut outside_address = None;
        if let Some(listener) = outside {
            outside_address = Some(listener.local_addr()?);
            let shared = shared.clone();
            tasks.push(tokio::spawn(async move {
                if let Err(error) = outside::serve(shared, listener).await {
                    tracing::error!(%error, "the endpoint for processes outside ended");
                }
            }));
        }
        let world = shared.clone();
        tasks.push(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(tick);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let world = world.clone();
                // a tick may take milliseconds of computing: not on a thread that serves connections
                let done = tokio::task::spawn_blocking(move || world.lock().tick(Instant::now())).await;
                if let Err(error) = done {
                    tracing::error!(%error, "the world stands still");
                    return;
                }
            }
        }));
        Ok(Self { shared, project, endpoint, control, outside: outside_address, folder, tasks })
    }

    /// The Google Cloud endpoints.
    pub fn endpoints(&self) -> Endpoints {
        let endpoint = self.endpoint.clone();
        Endpoints { container: endpoint.clone(), compute: endpoint.clone(), storage: endpoint.clone(), iam: endpoint }
    }

    /// Where a Kubernetes API server has the tokens of this world reviewed (`authentication.k8s.io/v1` TokenReview).
    pub fn token_review_url(&self) -> String {
        format!("{}{}", self.endpoint, gcp::TOKEN_REVIEW_PATH)
    }

    /// Base URL of the control API.
    pub fn control_url(&self) -> &str {
        &self.control
    }

    /// Where brokers and gateways outside report to, if [`Options::outside`] asked for it.
    pub fn outside_address(&self) -> Option<SocketAddr> {
        self.outside
    }

    /// A service account's key file (mode 0600) with which a provider may do everything here.
    pub fn credentials_path(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    /// The folder that goes with the sandbox.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The world, for tests that look into it.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The provider block of a configuration that uses this sandbox.
    pub fn provider_block(&self) -> String {
        let Endpoints { container, compute, storage, iam } = self.endpoints();
        format!(
            "provider \"c8\" {{\n  project     = \"{}\"\n  credentials = \"{}\"\n\n  endpoints {{\n    container = \"{container}\"\n    compute   = \"{compute}\"\n    storage   = \"{storage}\"\n    iam       = \"{iam}\"\n  }}\n}}\n",
            self.project,
            self.credentials_path().display()
        )
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn serve(listener: TcpListener, router: axum::Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "an endpoint of the sandbox ended");
        }
    })
}
