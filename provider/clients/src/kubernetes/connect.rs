//! From a GKE cluster or a kubeconfig to a client. Nothing is contacted here, but exec plugins of a kubeconfig run.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Request, header};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tower::ServiceBuilder;
use tower::filter::AsyncFilterLayer;

use super::{Error, Kubernetes, TIMEOUT};
use crate::gcp::{Cluster, Gcp};

impl Kubernetes {
    /// The API server of a GKE cluster, with a token of `gcp` asked for with each request (it is cached there).
    pub fn from_gke(cluster: &Cluster, gcp: &Gcp) -> Result<Self, Error> {
        let invalid = |message: String| Error::Config { message: format!("GKE cluster {}: {message}", cluster.name) };
        if cluster.endpoint.is_empty() {
            return Err(invalid(format!("it has no endpoint yet (status {})", cluster.status)));
        }
        let endpoint = format!("https://{}", cluster.endpoint.trim_start_matches("https://"));
        let uri =
            endpoint.parse().map_err(|_| invalid(format!("its endpoint `{}` is no address", cluster.endpoint)))?;
        let mut config = kube::Config::new(uri);
        config.default_retry = false;
        config.root_cert = Some(
            certificates(&cluster.ca_certificate)
                .ok_or_else(|| invalid("its CA certificate is no PEM in base64".to_owned()))?,
        );

        let connector = config.rustls_https_connector().map_err(|error| invalid(error.to_string()))?;
        let transport = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
        let gcp = gcp.clone();
        let authorize = AsyncFilterLayer::new(move |mut request: Request<Body>| {
            let gcp = gcp.clone();
            async move {
                let token = gcp.token().await?;
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))?;
                value.set_sensitive(true);
                request.headers_mut().insert(header::AUTHORIZATION, value);
                Ok::<_, tower::BoxError>(request)
            }
        });
        let service = ServiceBuilder::new().layer(config.base_uri_layer()).layer(authorize).service(transport);
        Ok(Self { client: kube::Client::new(service, "default"), endpoint, timeout: TIMEOUT })
    }

    /// A context of a kubeconfig file; `None` is its current one.
    pub async fn from_kubeconfig(path: impl AsRef<Path>, context: Option<&str>) -> Result<Self, Error> {
        crate::tls::ensure_provider();
        let path = path.as_ref();
        let invalid = |message: String| Error::Config { message: format!("kubeconfig {}: {message}", path.display()) };
        let text = tokio::fs::read_to_string(path).await.map_err(|error| invalid(error.to_string()))?;
        let kubeconfig = Kubeconfig::from_yaml(&text).map_err(|error| invalid(error.to_string()))?;
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| invalid(error.to_string()))?;
        config.default_retry = false;
        config.connect_timeout = Some(TIMEOUT);
        let endpoint = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = kube::Client::try_from(config).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { client, endpoint, timeout: TIMEOUT })
    }

    /// A client of one's own making, for tests.
    #[cfg(test)]
    pub(crate) fn over(client: kube::Client, endpoint: &str) -> Self {
        Self { client, endpoint: endpoint.to_owned(), timeout: TIMEOUT }
    }
}

/// `masterAuth.clusterCaCertificate`: PEM in base64.
fn certificates(encoded: &str) -> Option<Vec<Vec<u8>>> {
    let pem = STANDARD.decode(encoded.trim()).ok()?;
    let certificates: Vec<Vec<u8>> =
        CertificateDer::pem_slice_iter(&pem).map(|der| der.map(|der| der.to_vec())).collect::<Result<_, _>>().ok()?;
    (!certificates.is_empty()).then_some(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_is_pem_in_base64() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(&STANDARD.encode(pem.repeat(2))), Some(vec![vec![0, 1, 2]; 2]));
        assert_eq!(certificates(pem), None, "not encoded");
        assert_eq!(certificates(""), None);
    }
}
