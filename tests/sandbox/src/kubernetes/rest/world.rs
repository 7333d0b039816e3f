//! The API server of a cluster of the world.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::io::DuplexStream;

use super::connection::serve_host;
use crate::kubernetes::host::{Fault, Host, Reach};
use crate::kubernetes::store::Store;
use crate::world::{Power, Shared, calls, faults};

/// Serves a cluster's API until the cluster is removed. TLS must not offer HTTP/2.
pub fn serve(shared: Shared, cluster_uid: String, listener: TcpListener, tls: Arc<rustls::ServerConfig>) {
    serve_host(ClusterHost { shared, uid: cluster_uid.into() }, listener, Some(tls));
}

/// A cluster of the world, as what serves in it sees it.
#[derive(Clone)]
pub struct ClusterHost {
    /// The world.
    pub shared: Shared,
    /// UID of the cluster.
    pub uid: Arc<str>,
}

impl Host for ClusterHost {
    fn with_store<R>(&self, f: impl FnOnce(&mut Store) -> R) -> Option<R> {
        self.shared.lock().clusters.get_mut(&*self.uid).map(|cluster| f(&mut cluster.store))
    }

    fn reach(&self) -> Reach {
        match self.shared.lock().clusters.get(&*self.uid).map(|cluster| cluster.power) {
            Some(Power::Up | Power::Isolated) => Reach::Answers,
            Some(Power::Lost { hang: true }) => Reach::Hangs,
            Some(Power::Lost { hang: false }) | None => Reach::Refuses,
        }
    }

    fn authorised(&self, token: &str) -> bool {
        crate::gcp::token_is_valid(&self.shared.lock().gcp, token)
    }

    fn dial(&self, namespace: &str, pod: &str, port: u16) -> Result<DuplexStream, String> {
        crate::world::dial(&self.shared, &self.uid, namespace, pod, port)
    }

    fn called(&self, method: &str, path: &str) -> Option<Fault> {
        let name = self.shared.lock().clusters.get(&*self.uid).map(|cluster| cluster.name.clone()).unwrap_or_default();
        let path = format!("{name}{path}");
        calls::record(&self.shared, method, &path);
        faults::check(&self.shared, method, &path).map(|fault| match fault {
            faults::Fault::Error(status) => Fault::Error { status },
            faults::Fault::Drop => Fault::Drop,
            faults::Fault::Delay(time) => Fault::Delay(time),
        })
    }
}
