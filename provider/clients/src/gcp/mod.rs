//! Google Cloud: clusters, firewall rules, buckets, service accounts.
//!
//! [`Gcp`] is what a provider block becomes. It stores values only; each client is built with its first use, once.
//! All calls go through one place that gets the token first (so that a problem of the credentials is told as such, and
//! not retried for a minute by the client library) and that ends a call which hangs.

mod cluster;
mod compute;
mod container;
mod credentials;
mod error;
mod iam;
mod service_account;
mod silence;
mod storage;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_compute_v1::client::Firewalls as FirewallsClient;
use google_cloud_container_v1::client::ClusterManager;
use google_cloud_gax::client_builder::ClientBuilder;
use google_cloud_gax::exponential_backoff::ExponentialBackoffBuilder;
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicyExt};
use google_cloud_iam_admin_v1::client::Iam;
use google_cloud_storage::client::StorageControl;
use tokio::sync::OnceCell;

pub use cluster::{Cluster, ClusterStatus, DnsProvider, NewCluster, OWNER_LABEL};
pub use compute::{Direction, Firewall, Firewalls, Ports};
pub use container::{Clusters, Operation};
pub use error::Error;
pub(crate) use error::{chain, root};
pub use iam::{ServiceAccount, ServiceAccountKey, ServiceAccounts};
pub use storage::{Binding, Bucket, Buckets, Policy};

use crate::Secret;
use credentials::TokenSource;

use error::Subject;

/// Where the APIs are; `None` is Google's own. For test worlds and private endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// GKE, `https://container.googleapis.com`.
    pub container: Option<String>,
    /// Compute Engine, `https://compute.googleapis.com`.
    pub compute: Option<String>,
    /// Cloud Storage (gRPC), `https://storage.googleapis.com`.
    pub storage: Option<String>,
    /// IAM, `https://iam.googleapis.com`.
    pub iam: Option<String>,
}

/// The provider block, as far as it concerns Google Cloud.
#[derive(Clone, Debug, Default)]
pub struct GcpConfig {
    /// The project of what names none itself.
    pub project: Option<String>,
    /// Path or inline JSON of a service account key or another ADC file. Wins over ADC.
    pub credentials: Option<Secret>,
    /// A ready access token, used as it is. Wins over `credentials`.
    pub access_token: Option<Secret>,
    /// Other endpoints than Google's.
    pub endpoints: Endpoints,
}

/// Time for one attempt of one call.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Time for one call with its (few) attempts, whatever the library does.
const CALL: Duration = Duration::from_secs(20);

/// All Google Cloud clients. Cheap to clone; contacts nothing until the first call.
#[derive(Clone, Debug)]
pub struct Gcp {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: GcpConfig,
    tokens: TokenSource,
    container: OnceCell<ClusterManager>,
    compute: OnceCell<FirewallsClient>,
    storage: OnceCell<StorageControl>,
    iam: OnceCell<Iam>,
}

impl Gcp {
    /// Stores the configuration.
    pub fn new(config: GcpConfig) -> Self {
        crate::tls::ensure_provider();
        let tokens = TokenSource::new(config.access_token.clone(), config.credentials.clone());
        let inner = Inner {
            config,
            tokens,
            container: OnceCell::new(),
            compute: OnceCell::new(),
            storage: OnceCell::new(),
            iam: OnceCell::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The project of the provider block.
    pub fn project(&self) -> Option<&str> {
        self.inner.config.project.as_deref()
    }

    /// An OAuth access token, for GKE's API servers. Cached until shortly before it expires.
    ///
    /// A service account key is exchanged at its `token_uri` (RFC 7523) and not turned into a self-signed JWT, which GKE
    /// is not proven to take (crates.md 1.2).
    pub async fn token(&self) -> Result<Secret, Error> {
        self.inner.tokens.token().await
    }

    /// GKE clusters.
    pub fn clusters(&self) -> Clusters {
        Clusters::new(self.clone())
    }

    /// Firewall rules of `project`.
    pub fn firewalls(&self, project: impl Into<String>) -> Firewalls {
        Firewalls::new(self.clone(), project.into())
    }

    /// Buckets.
    pub fn buckets(&self) -> Buckets {
        Buckets::new(self.clone())
    }

    /// Service accounts of `project`.
    pub fn service_accounts(&self, project: impl Into<String>) -> ServiceAccounts {
        ServiceAccounts::new(self.clone(), project.into())
    }

    async fn container_client(&self) -> Result<&ClusterManager, Error> {
        let build = || async {
            let builder = self.tuned(ClusterManager::builder(), self.inner.config.endpoints.container.as_deref());
            builder.build().await.map_err(|error| Error::building("GKE", &error))
        };
        self.inner.container.get_or_try_init(build).await
    }

    async fn compute_client(&self) -> Result<&FirewallsClient, Error> {
        let build = || async {
            let builder = self.tuned(FirewallsClient::builder(), self.inner.config.endpoints.compute.as_deref());
            builder.build().await.map_err(|error| Error::building("Compute Engine", &error))
        };
        self.inner.compute.get_or_try_init(build).await
    }

    async fn storage_client(&self) -> Result<&StorageControl, Error> {
        let build = || async {
            let builder = self.tuned(StorageControl::builder(), self.inner.config.endpoints.storage.as_deref());
            builder.build().await.map_err(|error| Error::building("Cloud Storage", &error))
        };
        self.inner.storage.get_or_try_init(build).await
    }

    async fn iam_client(&self) -> Result<&Iam, Error> {
        let build = || async {
            let builder = self.tuned(Iam::builder(), self.inner.config.endpoints.iam.as_deref());
            builder.build().await.map_err(|error| Error::building("IAM", &error))
        };
        self.inner.iam.get_or_try_init(build).await
    }

    /// Few attempts, short pauses, our own credentials.
    fn tuned<F>(
        &self,
        builder: ClientBuilder<F, google_cloud_auth::credentials::Credentials>,
        endpoint: Option<&str>,
    ) -> ClientBuilder<F, google_cloud_auth::credentials::Credentials> {
        let backoff = ExponentialBackoffBuilder::new()
            .with_initial_delay(Duration::from_millis(200))
            .with_maximum_delay(Duration::from_secs(1))
            .clamp();
        let builder = builder
            .with_credentials(self.inner.tokens.credentials())
            .with_retry_policy(Aip194Strict.with_attempt_limit(3))
            .with_backoff_policy(backoff)
            .with_attempt_timeout(ATTEMPT);
        match endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint.trim_end_matches('/')),
            None => builder,
        }
    }

    fn endpoint(&self, service: Service) -> String {
        let endpoints = &self.inner.config.endpoints;
        let (own, default) = match service {
            Service::Container => (&endpoints.container, "https://container.googleapis.com"),
            Service::Compute => (&endpoints.compute, "https://compute.googleapis.com"),
            Service::Storage => (&endpoints.storage, "https://storage.googleapis.com"),
            Service::Iam => (&endpoints.iam, "https://iam.googleapis.com"),
        };
        own.clone().unwrap_or_else(|| default.to_owned())
    }

    /// One call: the token first, then `work`, bounded in time, its error classified.
    async fn call<T>(
        &self,
        service: Service,
        subject: Subject<'_>,
        work: impl Future<Output = google_cloud_gax::Result<T>>,
    ) -> Result<T, Error> {
        self.token().await?;
        let endpoint = self.endpoint(service);
        match tokio::time::timeout(CALL, work).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Error::classify(&endpoint, subject, &error)),
            Err(_) => Err(Error::Unreachable { endpoint, cause: format!("no answer within {} s", CALL.as_secs()) }),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Service {
    Container,
    Compute,
    Storage,
    Iam,
}

#[cfg(test)]
mod tests;
