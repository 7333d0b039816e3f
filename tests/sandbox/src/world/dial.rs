//! Connections into pods: what a port-forward reaches.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

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

fn serves_rest(world: &World, gateway: &str) -> bool {
    let gateway = world.zeebe.gateways.get(gateway);
    gateway.is_some_and(|gateway| zeebe::fixed::serves_rest(&gateway.node.settings.version))
}

/// Connects to a port of a pod. The other end is served by the process in it, as long as that process runs.
pub fn dial(shared: &Shared, cluster_uid: &str, namespace: &str, pod: &str, port: u16) -> Result<DuplexStream, String> {
    let found = find(&shared.lock(), cluster_uid, namespace, pod);
    let refused = || {
        format!("failed to connect to localhost:{port} inside namespace \"{namespace}\": connect: connection refused")
    };
    let (uid, role) = found.ok_or_else(refused)?;
    let router = router(shared, &uid, &role, port).ok_or_else(refused)?;
    let name = shared.lock().clusters.get(cluster_uid).map(|cluster| cluster.name.clone()).unwrap_or_default();
    let place = format!("{name}/{namespace}/{pod}:{port}");
    let (near, far) = tokio::io::duplex(64 * 1024);
    let cluster = cluster_uid.to_owned();
    tokio::spawn(serve(shared.clone(), far, router, place, move |world: &World| {
        world.clusters.get(&cluster).is_some_and(|cluster| cluster.power.runs())
            && world.processes.get(&uid).is_some_and(|process| process.stage == Stage::Running)
    }));
    Ok(near)
}

/// What a process answers on a port.
pub(crate) fn router(shared: &Shared, key: &str, role: &Role, port: u16) -> Option<axum::Router> {
    let (shared, key) = (shared.clone(), key.to_owned());
    Some(match (role, port) {
        (Role::Broker, 9600) => zeebe::broker_api::management(shared, key),
        (Role::Gateway, 9600) => zeebe::gateway_api::management(shared, key),
        (Role::Gateway, 8080) if serves_rest(&shared.lock(), &key) => zeebe::gateway_api::rest(shared, key),
        (Role::Gateway, 26500) => zeebe::grpc::router(shared, key),
        (Role::Elasticsearch, 9200) => elasticsearch::api::router(shared, key),
        (Role::WebApp(_), 8080) => axum::Router::new().fallback(async || "ok"),
        _ => return None,
    })
}

/// Serves a connection as long as the process behind it runs. Calls are recorded under `place`, and meet the faults that wait there.
pub(crate) async fn serve<S>(
    shared: Shared,
    stream: S,
    router: axum::Router,
    place: String,
    runs: impl Fn(&World) -> bool + Send + 'static,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = router.layer(middleware::from_fn_with_state((shared.clone(), place), record_and_inject));
    let builder = Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(serving);
    loop {
        tokio::select! {
            _ = &mut serving => return,
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                if !runs(&shared.lock()) {
                    return;
                }
            }
        }
    }
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
