//! The DNS of one cluster: the Service before it, the domain that it forwards, its pods (dual-region.md 1.4).

use std::time::Duration;

use c8_clients::{
    Interrupted, Wait,
    kubernetes::{Apply, CONFIG_MAP, DEPLOYMENT, Delete, Error, Kubernetes, ObjectRef, POD, SERVICE as SERVICES},
};
use c8_release::names::{FIELD_MANAGER, MANAGED_BY};
use serde_json::{Value, json};

use super::stub_domains::{self, NotStubDomains, corefile};

const NAMESPACE: &str = "kube-system";
/// The internal load balancer before the cluster's DNS.
pub const SERVICE: &str = "c8-dns";
/// What both kube-dns and GKE's CoreDNS pods are labelled with.
const POD_LABEL: &str = "k8s-app=kube-dns";

/// Time for a load balancer to get its address.
const ADDRESS: Duration = Duration::from_secs(10 * 60);
/// Time for one DNS pod to be replaced by a ready one.
const RESTART: Duration = Duration::from_secs(3 * 60);
/// Time for a load balancer to be released.
const RELEASE: Duration = Duration::from_secs(5 * 60);

/// Why a cluster's DNS can't be made so.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// A call failed.
    #[error(transparent)]
    Kubernetes(#[from] Error),
    /// Somebody's stub domains can't be understood, and so not be added to.
    #[error("the ConfigMap kube-system/kube-dns can't be added to: {0}. Correct it by hand")]
    StubDomains(#[from] NotStubDomains),
    /// Neither kube-dns nor CoreDNS.
    #[error(
        "the cluster has neither kube-dns nor a CoreDNS whose configuration can be edited (Autopilot and Cloud DNS are such \
         clusters): names of the peer can't be forwarded. Use a Standard cluster with kube-dns"
    )]
    Unsupported,
    /// It changed under our hands again and again.
    #[error("the ConfigMap {0} is changed by somebody else all the time")]
    Contended(String),
    /// Waited in vain.
    #[error("waiting for {what}: {why}")]
    Waiting {
        /// For what.
        what: &'static str,
        /// Why it ended.
        why: Interrupted,
    },
}

/// For `Wait::until`, whose interruptions don't know what was waited for.
enum Ended {
    By(Interrupted),
    Error(Error),
}

impl From<Interrupted> for Ended {
    fn from(why: Interrupted) -> Self {
        Self::By(why)
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Ended {
    fn about(self, what: &'static str) -> DnsError {
        match self {
            Self::By(why) => DnsError::Waiting { what, why },
            Self::Error(error) => error.into(),
        }
    }
}

/// An API server that is away for a moment does not end a wait.
fn patient<T>(result: Result<Option<T>, Error>) -> Result<Option<T>, Ended> {
    match result {
        Err(error) if error.is_unreachable() => Ok(None),
        other => other.map_err(Ended::from),
    }
}

/// What resolves names in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    KubeDns,
    CoreDns,
}

impl Kind {
    fn config_map(self) -> ObjectRef {
        CONFIG_MAP.named(
            NAMESPACE,
            match self {
                Self::KubeDns => "kube-dns",
                Self::CoreDns => "coredns",
            },
        )
    }

    const fn key(self) -> &'static str {
        match self {
            Self::KubeDns => "stubDomains",
            Self::CoreDns => "Corefile",
        }
    }
}

/// The DNS of one cluster.
pub struct ClusterDns<'a> {
    kubernetes: &'a Kubernetes,
    wait: Wait,
}

impl<'a> ClusterDns<'a> {
    /// The DNS of a cluster; every wait ends with `wait`.
    pub const fn new(kubernetes: &'a Kubernetes, wait: Wait) -> Self {
        Self { kubernetes, wait }
    }

    /// Applies the Service and waits for its address.
    ///
    /// # Errors
    /// A call fails, or there is no address in time.
    pub async fn expose(&self) -> Result<String, DnsError> {
        self.kubernetes.apply(&service(), Apply::by(FIELD_MANAGER).forced()).await?;
        let look = || async { patient(self.find_address().await) };
        let what = "the load balancer of Service kube-system/c8-dns to get an address (`kubectl -n kube-system describe \
                    service c8-dns` says why)";
        self.wait.within(ADDRESS).until(look).await.map_err(|ended: Ended| ended.about(what))
    }

    /// The address of the Service; `None` if it has none yet, or does not exist.
    ///
    /// # Errors
    /// The call fails.
    pub async fn address(&self) -> Result<Option<String>, DnsError> {
        Ok(self.find_address().await?)
    }

    async fn find_address(&self) -> Result<Option<String>, Error> {
        let service = self.kubernetes.find(&the_service()).await?;
        let ip = service.as_ref().and_then(|service| service.pointer("/status/loadBalancer/ingress/0/ip")?.as_str());
        Ok(ip.filter(|ip| !ip.is_empty()).map(str::to_owned))
    }

    /// Deletes the Service and waits until its load balancer is released: otherwise its forwarding rule would outlive
    /// the cluster. A Service of that name that is not ours stays.
    ///
    /// # Errors
    /// A call fails, or it takes too long.
    pub async fn withdraw(&self) -> Result<(), DnsError> {
        let Some(found) = self.kubernetes.find(&the_service()).await? else { return Ok(()) };
        if found["metadata"]["labels"][MANAGED_BY] != FIELD_MANAGER {
            return Ok(());
        }
        let uid = found["metadata"]["uid"].as_str().unwrap_or_default();
        self.kubernetes.delete(&the_service(), &Delete::only(uid)).await?;
        Ok(self.kubernetes.deleted(&the_service(), uid, &self.wait.within(RELEASE)).await?)
    }

    /// Where `domain` is forwarded to.
    ///
    /// # Errors
    /// A call fails, or the configuration can't be understood.
    pub async fn forwarded(&self, domain: &str) -> Result<Vec<String>, DnsError> {
        let kind = self.kind().await?;
        let text = self.config(kind).await?.1;
        Ok(match kind {
            Kind::KubeDns => stub_domains::addresses(text.as_deref(), domain)?,
            Kind::CoreDns => corefile::addresses(text.as_deref().unwrap_or_default(), domain),
        })
    }

    /// Forwards `domain` to `addresses`; `true` if that was a change.
    ///
    /// # Errors
    /// A call fails, or the configuration can't be understood.
    pub async fn forward(&self, domain: &str, addresses: &[String]) -> Result<bool, DnsError> {
        self.edit(|kind, text| match kind {
            Kind::KubeDns => stub_domains::with(text, domain, addresses),
            Kind::CoreDns => Ok(corefile::with(text.unwrap_or_default(), domain, addresses)),
        })
        .await
    }

    /// No longer forwards `domain`; `true` if that was a change.
    ///
    /// # Errors
    /// A call fails, or the configuration can't be understood.
    pub async fn forget(&self, domain: &str) -> Result<bool, DnsError> {
        self.edit(|kind, text| match kind {
            Kind::KubeDns => stub_domains::without(text, domain),
            Kind::CoreDns => Ok(corefile::without(text.unwrap_or_default(), domain)),
        })
        .await
    }

    /// Reads, edits and writes the configuration until nobody was in between. Its `resourceVersion` guards what others
    /// write.
    async fn edit(
        &self,
        edit: impl Fn(Kind, Option<&str>) -> Result<Option<String>, NotStubDomains>,
    ) -> Result<bool, DnsError> {
        const TRIES: usize = 8;
        let kind = self.kind().await?;
        for _ in 0..TRIES {
            let (version, text) = self.config(kind).await?;
            let Some(edited) = edit(kind, text.as_deref())? else { return Ok(false) };
            let object = kind.config_map();
            let written = match version {
                Some(version) => {
                    let patch = json!({ "metadata": { "resourceVersion": version }, "data": { kind.key(): edited } });
                    self.kubernetes.merge_patch(&object, &patch, FIELD_MANAGER).await
                }
                None => {
                    let manifest = json!({
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "metadata": { "name": object.name, "namespace": NAMESPACE },
                        "data": { kind.key(): edited },
                    });
                    self.kubernetes.create(&manifest, FIELD_MANAGER).await
                }
            };
            match written {
                Ok(_) => return Ok(true),
                Err(Error::Conflict { .. } | Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let pause = self.wait.pause(Duration::from_millis(200)).await;
            pause.map_err(|why| DnsError::Waiting { what: "the DNS configuration to be free", why })?;
        }
        Err(DnsError::Contended(kind.config_map().name))
    }

    async fn config(&self, kind: Kind) -> Result<(Option<String>, Option<String>), DnsError> {
        let found = self.kubernetes.find(&kind.config_map()).await?;
        let text = |pointer: &str| found.as_ref().and_then(|found| found.pointer(pointer)?.as_str()).map(str::to_owned);
        Ok((text("/metadata/resourceVersion"), text(&format!("/data/{}", kind.key()))))
    }

    async fn kind(&self) -> Result<Kind, DnsError> {
        if self.kubernetes.find(&DEPLOYMENT.named(NAMESPACE, "kube-dns")).await?.is_some() {
            return Ok(Kind::KubeDns);
        }
        if self.kubernetes.find(&Kind::CoreDns.config_map()).await?.is_some() {
            return Ok(Kind::CoreDns);
        }
        // GKE writes the ConfigMap kube-dns in all clusters whose DNS reads it
        match self.kubernetes.find(&Kind::KubeDns.config_map()).await? {
            Some(_) => Ok(Kind::KubeDns),
            None => Err(DnsError::Unsupported),
        }
    }

    /// Restarts the DNS pods so that they read their configuration: one at a time, for the cluster needs names.
    ///
    /// # Errors
    /// A call fails, or a pod does not become ready in time.
    pub async fn restart(&self) -> Result<(), DnsError> {
        let before = self.kubernetes.list(&POD, NAMESPACE, POD_LABEL).await?;
        let wanted = before.len();
        for pod in &before {
            let field = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
            let uid = field("uid");
            self.kubernetes.delete(&POD.named(NAMESPACE, field("name")), &Delete::only(uid)).await?;
            let look = || async {
                let pods = self.kubernetes.list(&POD, NAMESPACE, POD_LABEL).await;
                patient(pods.map(|pods| {
                    let gone = pods.iter().all(|pod| pod["metadata"]["uid"] != uid);
                    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
                    (gone && ready >= wanted).then_some(())
                }))
            };
            let what = "the DNS pods to be ready again";
            self.wait.within(RESTART).until(look).await.map_err(|ended: Ended| ended.about(what))?;
        }
        Ok(())
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

fn the_service() -> ObjectRef {
    SERVICES.named(NAMESPACE, SERVICE)
}

/// The Service: internal, for an external one would be a public resolver; reachable from the peer's region; both
/// protocols, for truncated answers are asked for again over TCP.
fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": { MANAGED_BY: FIELD_MANAGER },
            "annotations": {
                "networking.gke.io/load-balancer-type": "Internal",
                "networking.gke.io/internal-load-balancer-allow-global-access": "true",
            },
        },
        "spec": {
            "type": "LoadBalancer",
            "selector": { "k8s-app": "kube-dns" },
            "ports": [
                { "name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53 },
                { "name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53 },
            ],
        },
    })
}
