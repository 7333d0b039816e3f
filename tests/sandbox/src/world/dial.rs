//! Connections into pods: what a port-forward reaches.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::DuplexStream;

use super::kubelet::{Role, Stage};
use super::{Shared, World, calls, faults};
use crate::{elasticsearch, zeebe};

/// The ports that a running process listens on.
pub fn ports(role: &Role) -> &'static [u16] {
    match role {
        Role::Dns { .. } => &[53],
        Role::Broker => &[9600, 26501, 26502],
        Role::Gateway => &[8080, 9600, 26500, 26502],
        Role::Elasticsearch => &[9200, 9300],
        Role::WebApp(_) => &[8080],
        Role::Probe | Role::Other => &[],
    }
}

fn find(world: &World, cluster: &str, namespace: &str, pod: &str) -> Option<(String, Role)> {
    let home = world.clusters.get(cluster).filter(|cluster| cluster.power.runs())?;
    world
        .processes
        .iter()
        .find(|(_, process)| {
            process.cluster == home.uid
                && process.namespace == namespace
                && process.pod == pod
                && process.stage == Stage::Running
        })
        .map(|(uid, process)| (uid.clone(), process.role.clone()))
}

/// Connects to a port of a pod. The other end is served by the process in it, as long as that process runs.
pub fn dial(shared: &Shared, cluster_uid: &str, namespace: &str, pod: &str, port: u16) -> Result<DuplexStream, String> {
    let found = find(&shared.lock(), cluster_uid, namespace, pod);
    let refused = || {
        format!("failed to connect to localhost:{port} inside namespace \"{namespace}\": connect: connection refused")
    };
    let (uid, role) = found.ok_or_else(refused)?;
    let router = match (&role, port) {
        (Role::Broker, 9600) => zeebe::broker_api::management(shared.clone(), uid.clone()),
        (Role::Gateway, 9600) => zeebe::gateway_api::management(shared.clone(), uid.clone()),
        (Role::Gateway, 8080) => zeebe::gateway_api::rest(shared.clone(), uid.clone()),
        (Role::Gateway, 26500) => zeebe::grpc::router(shared.clone(), uid.clone()),
        (Role::Elasticsearch, 9200) => elasticsearch::api::router(shared.clone(), uid.clone()),
        (Role::WebApp(_), 8080) => axum::Router::new().fallback(async || "ok"),
        _ => return Err(refused()),
    };
    let name = shared.lock().clusters.get(cluster_uid).map(|cluster| cluster.name.clone()).unwrap_or_default();
    let place = format!("{name}/{namespace}/{pod}:{port}");
    let router = router.layer(middleware::from_fn_with_state((shared.clone(), place), record_and_inject));
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (shared, cluster) = (shared.clone(), cluster_uid.to_owned());
    tokio::spawn(async move {
        let builder = Builder::new(TokioExecutor::new());
        let serving = builder.serve_connection(TokioIo::new(far), TowerToHyperService::new(router));
        tokio::pin!(serving);
        loop {
            tokio::select! {
                _ = &mut serving => return,
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    let world = shared.lock();
                    let runs = world.clusters.get(&cluster).is_some_and(|cluster| cluster.power.runs())
                        && world.processes.get(&uid).is_some_and(|process| process.stage == Stage::Running);
                    if !runs {
                        return;
                    }
                }
            }
        }
    });
    Ok(near)
}

async fn record_and_inject(State((shared, place)): State<(Shared, String)>, request: Request, next: Next) -> Response {
    let method = request.method().as_str().to_owned();
    let path = format!("{place}{}", request.uri().path_and_query().map_or("/", |path| path.as_str()));
    calls::record(&shared, &method, &path);
    if let Some(fault) = faults::check(&shared, &method, &path)
        && let Some(status) = fault.play().await
    {
        let status = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::SERVICE_UNAVAILABLE);
        return (status, axum::Json(serde_json::json!({"message": "Injected by the sandbox."}))).into_response();
    }
    next.run(request).await
}
