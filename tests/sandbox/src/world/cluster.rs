//! Clusters come and go: address ranges, certificate, the content of a fresh GKE cluster.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use super::{Cluster, NewCluster, Power, Shared, World, objects};
use crate::kubernetes;

/// Makes a cluster that runs, with an API server on a free loopback port. Returns its UID.
///
/// Called without the lock when GKE's create operation finishes. Its address ranges were never used before.
pub fn provision_cluster(shared: &Shared, spec: NewCluster) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.set_nonblocking(true).expect("a listener can be made non-blocking");
    let endpoint = listener.local_addr().expect("a bound listener has an address").to_string();
    let (ca_pem, tls) = certificate(&spec.name);
    let uid = objects::new_uid();

    {
        let mut world = shared.lock();
        let k = world.serial;
        world.serial = world.serial.wrapping_add(1);
        let mut cluster = Cluster {
            uid: uid.clone(),
            project: spec.project,
            location: spec.location,
            name: spec.name,
            power: Power::Up,
            store: objects::new_store(),
            pod_cidr: format!("10.{}.0.0/14", 4 + 4 * (k % 48)),
            node_cidr: format!("10.200.{k}.0/24"),
            service_cidr: "34.118.224.0/20".into(),
            node_tags: spec.node_tags,
            network: spec.network,
            endpoint,
            ca_pem,
            addresses: 0,
        };
        furnish(&mut cluster, spec.node_count.max(1), k);
        world.clusters.insert(uid.clone(), cluster);
    }
    kubernetes::serve(shared.clone(), uid.clone(), listener, tls);
    uid
}

/// Ends a cluster with all that is in it, its disks included.
pub fn remove_cluster(world: &mut World, uid: &str) {
    world.clusters.remove(uid);
    world.processes.retain(|_, process| process.cluster != uid);
    world.zeebe.forget_cluster(uid);
    world.stores.forget_cluster(uid);
}

/// What GKE puts into a fresh cluster, as far as anything looks at it.
fn furnish(cluster: &mut Cluster, nodes: usize, k: u8) {
    for name in ["kube-system", "default", "kube-public", "kube-node-lease"] {
        let mut object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}});
        if name == "kube-system" {
            object["metadata"]["uid"] = json!(cluster.uid);
        }
        objects::create(&mut cluster.store, object);
    }
    for index in 0..nodes {
        objects::create(
            &mut cluster.store,
            json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": format!("gke-{}-default-pool-{index}", cluster.name), "labels": {
                    "kubernetes.io/hostname": format!("gke-{}-default-pool-{index}", cluster.name),
                    "cloud.google.com/gke-nodepool": "default-pool",
                    "topology.kubernetes.io/zone": cluster.location,
                }},
                "spec": {"podCIDR": cluster.pod_cidr},
                "status": {
                    "addresses": [{"type": "InternalIP", "address": format!("10.200.{k}.{}", 10 + index)}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            }),
        );
    }
    objects::create(
        &mut cluster.store,
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists"}},
        }),
    );
    objects::create(
        &mut cluster.store,
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
                "template": {
                    "metadata": {"labels": {"k8s-app": "kube-dns"}},
                    "spec": {"containers": [{"name": "kubedns", "image": "gke.gcr.io/k8s-dns-kube-dns:1.23.0"}]},
                },
            },
        }),
    );
    objects::create(
        &mut cluster.store,
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {"selector": {"k8s-app": "kube-dns"}, "clusterIP": "34.118.224.10", "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ]},
        }),
    );
}

/// A CA of its own for each cluster, and the API server's certificate for loopback.
fn certificate(name: &str) -> (String, Arc<rustls::ServerConfig>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut params = CertificateParams::new(vec![]).expect("no names are valid names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("{name}-ca"));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key can be made")).expect("a CA can sign itself");
    let key = KeyPair::generate().expect("a key can be made");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
        .expect("loopback names are valid")
        .signed_by(&key, &ca)
        .expect("the CA can sign");
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
        .expect("the certificate fits its key");
    (ca.pem(), Arc::new(tls))
}
