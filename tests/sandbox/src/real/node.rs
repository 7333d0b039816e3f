//! The kubelets' own endpoint, which a real API server asks for port-forwards and logs. One listener plays it for all nodes of a cluster.

use http::{Request, Response};
use hyper::body::Incoming;

use crate::kubernetes::{Body, ClusterHost, Dropped, Host as _, Query, full, plain, port_forward, refusal};

/// `/portForward/<namespace>/<pod>` and `/containerLogs/<namespace>/<pod>/<container>`.
pub async fn answer(host: ClusterHost, mut request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["portForward", namespace, pod] | ["portForward", namespace, pod, _] => {
            let ports: Vec<&str> = query.all("port").chain(query.all("ports")).collect();
            let (namespace, pod) = ((*namespace).to_owned(), (*pod).to_owned());
            Ok(port_forward(&host, namespace, pod, ports.into_iter(), &mut request)
                .unwrap_or_else(|error| refusal(&error)))
        }
        ["containerLogs", namespace, pod, container] => {
            let text = host.with_store(|store| {
                let uid = store.pod(namespace, pod)?.uid().to_owned();
                Some(store.logged(&uid, container, query.get("tailLines").parse().ok()))
            });
            Ok(plain(text.flatten().unwrap_or_default()))
        }
        _ => {
            let mut response = Response::new(full("404 page not found\n"));
            *response.status_mut() = http::StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}
