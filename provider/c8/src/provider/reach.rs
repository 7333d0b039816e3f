//! Whether a cluster answers: one bounded probe, shared.

use std::{path::PathBuf, sync::Arc, time::Duration};

use c8_clients::{
    Wait,
    gcp::{Cluster, Error, Gcp},
    kubernetes::{Kubernetes, Reachability},
};
use c8_schemas::topology::Place;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;

/// Time for a probe, everything included (design.md 3.9).
pub const PROBE: Duration = Duration::from_secs(10);
/// How long the answer counts: about a refresh.
const FRESH: Duration = Duration::from_secs(30);

/// Whether a cluster answers.
#[derive(Clone, Debug)]
pub enum Reach {
    /// It does.
    Alive(Arc<Alive>),
    /// Google says that there is no such cluster.
    Absent,
    /// Nobody knows.
    Silent(Arc<Silent>),
}

/// A cluster that answers.
#[derive(Debug)]
pub struct Alive {
    /// Its API.
    pub kubernetes: Kubernetes,
    /// UID of the namespace `kube-system`: another value is another cluster.
    pub uid: String,
    /// What Google says of it; `None` for a cluster of the user's own.
    pub cluster: Option<Cluster>,
}

/// A cluster that does not answer.
#[derive(Debug)]
pub struct Silent {
    /// Why, as a part of a sentence.
    pub why: String,
    /// It is a matter of permissions: the verb and the thing. Never evidence of a loss (design.md 3.8).
    pub forbidden: bool,
    /// What Google says of it.
    pub cluster: Option<Cluster>,
}

impl Reach {
    /// The cluster, if it answers.
    #[must_use]
    pub fn alive(&self) -> Option<&Alive> {
        match self {
            Self::Alive(alive) => Some(alive),
            _ => None,
        }
    }

    fn silent(why: impl Into<String>, forbidden: bool, cluster: Option<Cluster>) -> Self {
        Self::Silent(Arc::new(Silent { why: why.into(), forbidden, cluster }))
    }
}

/// A probe that runs or has run. It goes on when the one who asked first is gone.
#[derive(Clone, Debug)]
pub struct Probe {
    started: Instant,
    result: Shared<BoxFuture<'static, Reach>>,
}

impl Probe {
    /// Starts to look.
    pub fn start(gcp: Gcp, place: Place) -> Self {
        Self { started: Instant::now(), result: probe(gcp, place).boxed().shared() }
    }

    /// Whether it belongs to this refresh.
    pub fn is_fresh(&self) -> bool {
        self.started.elapsed() < FRESH
    }

    /// What was seen.
    pub async fn result(self) -> Reach {
        self.result.await
    }
}

/// Looks at a cluster, for ten seconds at most.
pub async fn probe(gcp: Gcp, place: Place) -> Reach {
    let wait = Wait::at_most(PROBE);
    let mut described = None;
    let looked = wait.run(look(&gcp, &place, &mut described)).await;
    looked.unwrap_or_else(|_| Reach::silent(format!("no answer within {} s", PROBE.as_secs()), false, described))
}

async fn look(gcp: &Gcp, place: &Place, described: &mut Option<Cluster>) -> Reach {
    let kubernetes = match place {
        Place::Gke { project, location, cluster: name } => {
            let cluster = match gcp.clusters().get(project, location, name).await {
                Ok(Some(cluster)) => cluster,
                Ok(None) => return Reach::Absent,
                Err(error) => {
                    let forbidden = matches!(error, Error::Forbidden { .. } | Error::Credentials { .. });
                    return Reach::silent(error.to_string(), forbidden, None);
                }
            };
            *described = Some(cluster.clone());
            Kubernetes::from_gke(&cluster, gcp)
        }
        Place::Kubeconfig { path, context } => {
            Kubernetes::from_kubeconfig(kubeconfig(path.as_deref()), context.as_deref()).await
        }
    };
    let cluster = described.clone();
    let kubernetes = match kubernetes {
        Ok(kubernetes) => kubernetes,
        Err(error) => return Reach::silent(error.to_string(), false, cluster),
    };
    match kubernetes.probe().await {
        Reachability::Ok { cluster_uid: uid } => Reach::Alive(Arc::new(Alive { kubernetes, uid, cluster })),
        Reachability::Unreachable { why } => {
            Reach::silent(format!("no answer from {}: {why}", kubernetes.endpoint()), false, cluster)
        }
        Reachability::Forbidden { verb } => Reach::silent(format!("not allowed to {verb}"), true, cluster),
    }
}

/// Where a kubeconfig is, by the rules of kubectl.
fn kubeconfig(path: Option<&str>) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    match path {
        Some(path) => match path.strip_prefix("~/") {
            Some(rest) => home().join(rest),
            None => PathBuf::from(path),
        },
        None => std::env::var_os("KUBECONFIG").map_or_else(|| home().join(".kube/config"), PathBuf::from),
    }
}
