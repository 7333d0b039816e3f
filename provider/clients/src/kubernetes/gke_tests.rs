//! A GKE API server with a CA of its own, over TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Kubernetes, Reachability};
use crate::fake::{Port, Region};
use crate::gcp::{Cluster, ClusterStatus, DnsProvider, Gcp, GcpConfig};

fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

fn cluster(endpoint: String, ca: &str) -> Cluster {
    Cluster {
        project: "p".into(),
        location: "l".into(),
        name: "c".into(),
        id: String::new(),
        status: ClusterStatus::Running,
        status_message: String::new(),
        endpoint,
        ca_certificate: STANDARD.encode(ca),
        pod_cidr: String::new(),
        node_cidr: None,
        network: String::new(),
        subnetwork: String::new(),
        labels: std::collections::BTreeMap::new(),
        node_tags: Vec::new(),
        dns: DnsProvider::KubeDns,
        version: String::new(),
        created: String::new(),
    }
}

#[tokio::test]
async fn the_token_goes_along_and_another_ca_is_not_trusted() {
    let gcp = Gcp::new(GcpConfig { access_token: Some("t0".into()), ..GcpConfig::default() });
    let (issuer, ca) = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            let region = Region { pods: vec![], dial: Arc::new(|_, _| Port::Refused) };
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    region.connection(stream).await;
                }
            });
        }
    });

    let kubernetes = Kubernetes::from_gke(&cluster(endpoint.clone(), &ca), &gcp).unwrap();
    assert_eq!(kubernetes.probe().await, Reachability::Ok { cluster_uid: "uid for Bearer t0".into() });

    let (_, other) = authority();
    let Reachability::Unreachable { why } =
        Kubernetes::from_gke(&cluster(endpoint.clone(), &other), &gcp).unwrap().probe().await
    else {
        panic!()
    };
    assert!(why.to_lowercase().contains("certificate"), "{why}");

    let no_token = Gcp::new(GcpConfig { credentials: Some("/nonexistent".into()), ..GcpConfig::default() });
    let Reachability::Forbidden { verb } =
        Kubernetes::from_gke(&cluster(endpoint, &ca), &no_token).unwrap().probe().await
    else {
        panic!()
    };
    assert_eq!(verb, "get Namespace kube-system");
}

#[test]
fn a_cluster_without_an_endpoint_has_no_client_yet() {
    let gcp = Gcp::new(GcpConfig::default());
    let error = Kubernetes::from_gke(&cluster(String::new(), ""), &gcp).unwrap_err();
    assert_eq!(error.to_string(), "GKE cluster c: it has no endpoint yet (status RUNNING)");
}
