//! Clusters come and go: address ranges and certificate. What is in a fresh cluster is the API server's matter.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Cluster, NewCluster, Power, Shared, World};
use crate::kubernetes::{self, Settings, Speeds, Store};

/// Makes a cluster that runs, with an API server on a free loopback port. Returns its UID.
///
/// Called without the lock when GKE's create operation finishes. Its address ranges were never used before.
pub fn provision_cluster(shared: &Shared, spec: NewCluster) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.set_nonblocking(true).expect("a listener can be made non-blocking");
    let endpoint = listener.local_addr().expect("a bound listener has an address").to_string();
    let (ca_pem, tls) = certificate(&spec.name);
    let uid = add_cluster(&mut shared.lock(), spec, endpoint, ca_pem);
    kubernetes::serve(shared.clone(), uid.clone(), listener, tls);
    uid
}

/// The same without an API server: for tests that drive the world directly.
pub fn add_cluster(world: &mut World, spec: NewCluster, endpoint: String, ca_pem: String) -> String {
    let mut settings = settings(world, &spec);
    settings.ca_pem.clone_from(&ca_pem);
    insert_cluster(world, spec, Store::new(settings), endpoint, None)
}

/// The settings of a new cluster, with address ranges that were never used before.
pub(crate) fn settings(world: &mut World, spec: &NewCluster) -> Settings {
    let k = world.serial;
    world.serial = world.serial.wrapping_add(1);
    let (pod_cidr, node_cidr) = (format!("10.{}.0.0/14", 4 + 4 * (k % 48)), format!("10.200.{k}.0/24"));
    let mut settings =
        Settings::new(&spec.project, &spec.location, &spec.name, &pod_cidr, &node_cidr, "34.118.224.0/20");
    settings.node_count = u32::try_from(spec.node_count.max(1)).unwrap_or(1);
    settings.speeds = Speeds {
        pod_start: world.options.pod_start,
        load_balancer: world.options.load_balancer_time,
        ..Speeds::default()
    };
    settings
}

/// Files a cluster; `uid` is its identity where the store does not know it yet.
pub(crate) fn insert_cluster(
    world: &mut World,
    spec: NewCluster,
    store: Store,
    endpoint: String,
    uid: Option<String>,
) -> String {
    let uid = uid.unwrap_or_else(|| store.cluster_uid());
    let settings = store.settings().clone();
    let cluster = Cluster {
        uid: uid.clone(),
        project: spec.project,
        location: spec.location,
        name: spec.name,
        power: Power::Up,
        store,
        pod_cidr: settings.pod_cidr,
        node_cidr: settings.node_cidr,
        service_cidr: settings.service_cidr,
        node_tags: spec.node_tags,
        network: spec.network,
        endpoint,
        ca_pem: settings.ca_pem,
    };
    world.clusters.insert(uid.clone(), cluster);
    uid
}

/// Ends a cluster with all that is in it, its disks included.
pub fn remove_cluster(world: &mut World, uid: &str) {
    if let Some(cluster) = world.clusters.remove(uid) {
        // volumes and load balancers that nobody deleted leave disks and forwarding rules behind, as on GCP
        let disks = cluster.store.disks().into_iter().map(|disk| format!("{}/{}", cluster.name, disk.name));
        let balancers = cluster
            .store
            .load_balancers()
            .into_iter()
            .map(|(namespace, service, ip)| format!("{}/{namespace}/{service} {ip}", cluster.name));
        let orphans = &mut world.orphans;
        if cluster.power.runs() {
            orphans.disks.extend(disks);
            orphans.load_balancers.extend(balancers);
        } else {
            orphans.of_lost_clusters.extend(disks.chain(balancers));
        }
    }
    world.processes.retain(|_, process| process.cluster != uid);
    world.zeebe.forget_cluster(uid);
    world.stores.forget_cluster(uid);
    world.webapps.forget_cluster(uid);
}

/// A CA of its own for each cluster, and the API server's certificate for loopback.
fn certificate(name: &str) -> (String, Arc<rustls::ServerConfig>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut params = CertificateParams::new(vec![]).expect("no names are valid names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("{name}-ca"));
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key can be made"))
        .expect("a CA can sign itself");
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
