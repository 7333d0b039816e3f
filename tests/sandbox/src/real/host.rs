//! Real control planes behind the sandbox's GKE.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::plane::{Plane, Setup};
use super::{follow, front, node};
use crate::kubernetes::{ClusterHost as Client, Kind, MIRRORED, Store, manifests, serve_with};
use crate::world::host::{ClusterHost, HostedCluster};
use crate::world::{self, NewCluster, Power, Shared, World};

/// Makes a real control plane for each cluster. Pods, volumes and load balancers stay the sandbox's.
#[derive(Debug, Clone)]
pub struct RealHost {
    binary: PathBuf,
    planes: Arc<Mutex<BTreeMap<String, Plane>>>,
}

impl RealHost {
    /// With this binary, see [`super::hyperkube`].
    #[must_use]
    pub fn new(binary: PathBuf) -> Self {
        Self { binary, planes: Arc::default() }
    }

    async fn make(self, shared: Shared, spec: NewCluster) -> Result<HostedCluster, String> {
        let (mut settings, token_review) = {
            let mut world = shared.lock();
            (world::settings(&mut world, &spec), world.gcp.token_review_url())
        };
        let bind = || TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"));
        let (front, nodes) = (bind()?, bind()?);
        settings.kubelet_port = Some(port(&nodes)?);
        let advertised = settings.node_cidr.replace(".0/24", ".2");
        let setup = Setup {
            binary: self.binary.clone(),
            name: spec.name.clone(),
            service_cidr: settings.service_cidr.clone(),
            advertised,
            controllers: true,
            token_review,
        };
        let plane = Plane::start(&setup).await.map_err(|error| error.to_string())?;
        settings.ca_pem.clone_from(&plane.pki.ca_pem);
        let upstream = plane.upstream.clone();
        for object in manifests(&settings) {
            let Some(kind) = object["kind"].as_str().and_then(Kind::named) else { continue };
            let path = kind.collection(object["metadata"]["namespace"].as_str().unwrap_or(""));
            let (status, answer) = upstream.post(&path, &object).await.map_err(|error| error.to_string())?;
            if !status.is_success() && status.as_u16() != 409 {
                return Err(format!("{path}: {status} {}", answer["message"]));
            }
        }
        let (_, system) = upstream.get("/api/v1/namespaces/kube-system").await.map_err(|error| error.to_string())?;
        let uid = system["metadata"]["uid"].as_str().ok_or("kube-system has no UID")?.to_owned();
        let endpoint = format!("127.0.0.1:{}", port(&front)?);
        let hosted = HostedCluster {
            uid: uid.clone(),
            endpoint: endpoint.clone(),
            ca_pem: settings.ca_pem.clone(),
            pod_cidr: settings.pod_cidr.clone(),
            node_cidr: settings.node_cidr.clone(),
            service_cidr: settings.service_cidr.clone(),
            node_tags: spec.node_tags.clone(),
        };
        world::insert_cluster(&mut shared.lock(), spec, Store::mirror(settings), endpoint, Some(uid.clone()));
        for kind in MIRRORED.into_iter().filter_map(Kind::named) {
            tokio::spawn(follow::watch(shared.clone(), uid.clone(), upstream.clone(), kind));
        }
        tokio::spawn(follow::deliver(shared.clone(), uid.clone(), upstream.clone()));
        let client = Client { shared, uid: uid.as_str().into() };
        let tls = Some(plane.pki.server.clone());
        serve_with(client.clone(), front, tls.clone(), move |host, request| {
            front::answer(host, upstream.clone(), request)
        });
        serve_with(client, nodes, tls, node::answer);
        self.planes.lock().insert(uid, plane);
        Ok(hosted)
    }
}

fn port(listener: &TcpListener) -> Result<u16, String> {
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

impl ClusterHost for RealHost {
    fn create(&self, shared: Shared, spec: NewCluster) -> BoxFuture<'static, Result<HostedCluster, String>> {
        Box::pin(self.clone().make(shared, spec))
    }

    fn delete(&self, shared: Shared, uid: String) -> BoxFuture<'static, Result<(), String>> {
        let plane = self.planes.lock().remove(&uid);
        Box::pin(async move {
            world::remove_cluster(&mut shared.lock(), &uid);
            tokio::task::spawn_blocking(move || drop(plane)).await.map_err(|error| error.to_string())
        })
    }

    fn power(&self, world: &World, uid: &str) -> Option<Power> {
        world.clusters.get(uid).map(|cluster| cluster.power)
    }

    fn set_power(
        &self,
        shared: Shared,
        cluster: String,
        power: Power,
        empty_disks: bool,
    ) -> BoxFuture<'static, Result<bool, String>> {
        let planes = Arc::clone(&self.planes);
        Box::pin(async move {
            let (known, uid) = {
                let mut world = shared.lock();
                let uid = world.cluster(&cluster).map(|cluster| cluster.uid.clone());
                if empty_disks {
                    world.wipe_disks(&cluster);
                }
                (world.set_power(&cluster, power), uid)
            };
            // what runs in a crashed region stands still; nobody reaches its API server either
            if let Some(plane) = uid.as_ref().and_then(|uid| planes.lock().get(uid).map(Plane::controllers)) {
                plane.run(power.runs());
            }
            Ok(known)
        })
    }
}
