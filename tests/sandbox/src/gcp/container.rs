//! GKE: clusters as long-running operations (dual-region.md 1.2).

use std::time::Instant;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Operation;
use super::response::{Answer, ApiError};
use crate::world::host::HostedCluster;
use crate::world::{self, NewCluster, Power, Shared};

/// GKE's view of a cluster.
#[derive(Clone, Debug)]
pub struct GkeCluster {
    /// The Kubernetes behind it, once it is provisioned.
    pub hosted: Option<HostedCluster>,
    /// `PROVISIONING`, `RUNNING`, `STOPPING`, or `ERROR` if it could not be made; a lost cluster reads as `ERROR`.
    pub status: &'static str,
    /// What the user sent, completed.
    pub body: Value,
}

const CLUSTER_STATUS: [&str; 7] =
    ["STATUS_UNSPECIFIED", "PROVISIONING", "RUNNING", "RECONCILING", "STOPPING", "ERROR", "DEGRADED"];
const OPERATION_STATUS: [&str; 5] = ["STATUS_UNSPECIFIED", "PENDING", "RUNNING", "DONE", "ABORTING"];

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/projects/{project}/locations/{location}/clusters", get(list).post(create))
        .route("/v1/projects/{project}/locations/{location}/clusters/{name}", get(read).delete(remove))
        .route("/v1/projects/{project}/locations/{location}/operations/{name}", get(operation))
}

fn number(table: &[&str], word: &str) -> usize {
    table.iter().position(|entry| *entry == word).unwrap_or(0)
}

async fn create(
    State(shared): State<Shared>,
    Path((project, location)): Path<(String, String)>,
    Json(request): Json<Value>,
) -> Answer {
    let mut body = request["cluster"].clone();
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty()
        || name.len() > 40
        || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    {
        return Err(ApiError::invalid(format!("Cluster.name \"{name}\" is invalid.")));
    }
    if !location_is_plausible(&location) {
        return Err(ApiError::invalid(format!("Location \"{location}\" does not exist.")));
    }
    if body["nodePools"].as_array().is_none_or(Vec::is_empty)
        && body["initialNodeCount"].as_i64().unwrap_or(0) == 0
        && body["autopilot"]["enabled"] != json!(true)
    {
        return Err(ApiError::invalid("Cluster.initial_node_count must be greater than zero."));
    }
    let key = format!("{project}/{location}/{name}");
    let delay = {
        let world = shared.lock();
        if let Some(existing) = world.gcp.gke.get(&key) {
            let state = existing.status;
            return Err(ApiError::already_exists(format!(
                "projects/{project}/locations/{location}/clusters/{name} ({state})"
            )));
        }
        world.options.cluster_create
    };
    let network = body["network"].as_str().filter(|n| !n.is_empty()).unwrap_or("default");
    let network = network.rsplit('/').next().unwrap_or(network).to_owned();
    let tags: Vec<String> = body["nodePools"][0]["config"]["tags"]
        .as_array()
        .map(|tags| tags.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let tags = if tags.is_empty() { vec![format!("gke-{name}-{:08x}-node", rand::random::<u32>())] } else { tags };
    let nodes = body["nodePools"][0]["initialNodeCount"].as_i64().unwrap_or(1).max(1) as usize;

    body["network"] = json!(network);
    body["selfLink"] =
        json!(format!("https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"));
    body["location"] = json!(location);
    body["zone"] = json!(location);
    body["id"] = json!(format!("{:064x}", rand::random::<u128>()));
    body["currentMasterVersion"] = json!("1.33.4-gke.1245000");
    if body["nodePools"][0].is_object() {
        body["nodePools"][0]["config"]["tags"] = json!(tags);
    }
    body["networkConfig"]["dnsConfig"] = json!({"clusterDns": 1});

    let operation = {
        let mut world = shared.lock();
        world.gcp.gke.insert(key.clone(), GkeCluster { hosted: None, status: "PROVISIONING", body });
        begin(&mut world.gcp, &project, &location, &name, 1, delay)
    };
    let answer = world_operation(&shared, &operation);
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let still_wanted = shared.lock().gcp.gke.get(&key).is_some_and(|cluster| cluster.status == "PROVISIONING");
        if !still_wanted {
            return;
        }
        let host = shared.lock().options.kubernetes.clone();
        let spec = NewCluster { project, location, name, network, node_tags: tags, node_count: nodes };
        let made = host.create(shared.clone(), spec).await;
        let mut world = shared.lock();
        let mut failure = None;
        if let Some(cluster) = world.gcp.gke.get_mut(&key) {
            match made {
                Ok(hosted) => {
                    cluster.hosted = Some(hosted);
                    cluster.status = "RUNNING";
                }
                Err(error) => {
                    cluster.status = "ERROR";
                    cluster.body["statusMessage"] = json!(error);
                    failure = Some(error);
                }
            }
        }
        finish(&mut world.gcp, &operation, failure);
    });
    answer
}

async fn read(State(shared): State<Shared>, Path((project, location, name)): Path<(String, String, String)>) -> Answer {
    let world = shared.lock();
    let cluster = world.gcp.gke.get(&format!("{project}/{location}/{name}"));
    let cluster = cluster
        .ok_or_else(|| ApiError::not_found(format!("projects/{project}/locations/{location}/clusters/{name}")))?;
    Ok(Json(view(&world, cluster)))
}

async fn list(State(shared): State<Shared>, Path((project, location)): Path<(String, String)>) -> Answer {
    let world = shared.lock();
    let clusters: Vec<Value> = world
        .gcp
        .gke
        .iter()
        .filter(|(key, _)| {
            let mut parts = key.split('/');
            parts.next() == Some(&*project) && (location == "-" || parts.next() == Some(&*location))
        })
        .map(|(_, cluster)| view(&world, cluster))
        .collect();
    Ok(Json(json!({"clusters": clusters})))
}

async fn remove(
    State(shared): State<Shared>,
    Path((project, location, name)): Path<(String, String, String)>,
) -> Answer {
    let key = format!("{project}/{location}/{name}");
    let (operation, delay) = {
        let mut world = shared.lock();
        let delay = world.options.cluster_create;
        let cluster =
            world.gcp.gke.get_mut(&key).ok_or_else(|| {
                ApiError::not_found(format!("projects/{project}/locations/{location}/clusters/{name}"))
            })?;
        if cluster.status == "STOPPING" {
            return Err(ApiError::precondition(format!("Cluster {name} is already being deleted.")));
        }
        if cluster.status == "PROVISIONING" {
            return Err(ApiError::precondition(format!(
                "Operation on {name} is in progress: cluster is currently being created. Please wait and try again once it is done."
            )));
        }
        cluster.status = "STOPPING";
        (begin(&mut world.gcp, &project, &location, &name, 2, delay), delay)
    };
    let answer = world_operation(&shared, &operation);
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let (host, uid) = {
            let world = shared.lock();
            let hosted = world.gcp.gke.get(&key).and_then(|cluster| cluster.hosted.as_ref());
            (world.options.kubernetes.clone(), hosted.map(|hosted| hosted.uid.clone()))
        };
        let ended = match uid {
            Some(uid) => host.delete(shared.clone(), uid).await,
            None => Ok(()),
        };
        let mut world = shared.lock();
        if ended.is_ok() {
            world.gcp.gke.remove(&key);
        } else if let Some(cluster) = world.gcp.gke.get_mut(&key) {
            cluster.status = "ERROR";
        }
        finish(&mut world.gcp, &operation, ended.err());
    });
    answer
}

async fn operation(State(shared): State<Shared>, Path((_, _, name)): Path<(String, String, String)>) -> Answer {
    world_operation(&shared, &name)
}

fn view(world: &world::World, cluster: &GkeCluster) -> Value {
    let mut body = cluster.body.clone();
    let mut status = cluster.status;
    if let Some(hosted) = &cluster.hosted {
        body["endpoint"] = json!(hosted.endpoint);
        body["masterAuth"] = json!({"clusterCaCertificate": super::keys::base64(hosted.ca_pem.as_bytes())});
        body["clusterIpv4Cidr"] = json!(hosted.pod_cidr);
        body["servicesIpv4Cidr"] = json!(hosted.service_cidr);
        body["ipAllocationPolicy"]["useIpAliases"] = json!(true);
        body["ipAllocationPolicy"]["clusterIpv4CidrBlock"] = json!(hosted.pod_cidr);
        body["ipAllocationPolicy"]["servicesIpv4CidrBlock"] = json!(hosted.service_cidr);
        body["ipAllocationPolicy"]["nodeIpv4CidrBlock"] = json!(hosted.node_cidr);
        let lost = matches!(world.options.kubernetes.power(world, &hosted.uid), Some(Power::Lost { .. }));
        if lost && status == "RUNNING" {
            status = "ERROR";
        }
    }
    body["status"] = json!(number(&CLUSTER_STATUS, status));
    body
}

fn begin(
    gcp: &mut super::Gcp,
    project: &str,
    location: &str,
    cluster: &str,
    kind: u32,
    delay: std::time::Duration,
) -> String {
    let name = format!("operation-{}", gcp.next_id());
    let body = json!({"name": name, "zone": location, "location": location, "operationType": kind,
        "status": number(&OPERATION_STATUS, "RUNNING"),
        "selfLink": format!("https://container.googleapis.com/v1/projects/{project}/locations/{location}/operations/{name}"),
        "targetLink": format!("https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{cluster}")});
    gcp.operations.insert(name.clone(), Operation { done_at: Instant::now() + delay, body });
    name
}

/// Ends an operation, with the `google.rpc.Status` of what went wrong.
fn finish(gcp: &mut super::Gcp, name: &str, failure: Option<String>) {
    if let Some(operation) = gcp.operations.get_mut(name) {
        operation.body["status"] = json!(number(&OPERATION_STATUS, "DONE"));
        if let Some(message) = failure {
            operation.body["error"] = json!({"code": 13, "message": message});
        }
    }
}

fn world_operation(shared: &Shared, name: &str) -> Answer {
    let world = shared.lock();
    world
        .gcp
        .operations
        .get(name)
        .map(|operation| Json(operation.body.clone()))
        .ok_or_else(|| ApiError::not_found(name))
}

/// `europe-west4` or `europe-west4-b`.
fn location_is_plausible(location: &str) -> bool {
    let parts: Vec<&str> = location.split('-').collect();
    matches!(parts.len(), 2 | 3)
        && parts[1].ends_with(|c: char| c.is_ascii_digit())
        && parts.get(2).is_none_or(|zone| zone.len() == 1 && zone.chars().all(|c| c.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::host::Recorded;

    #[test]
    fn locations_are_zones_or_regions() {
        assert!(location_is_plausible("europe-west4"));
        assert!(location_is_plausible("europe-west4-b"));
        assert!(!location_is_plausible("europe"));
        assert!(!location_is_plausible("europe-west"));
        assert!(!location_is_plausible("europe-west4-b-c"));
    }

    #[test]
    fn statuses_are_numbered_as_in_the_api() {
        assert_eq!(number(&CLUSTER_STATUS, "RUNNING"), 2);
        assert_eq!(number(&CLUSTER_STATUS, "ERROR"), 5);
        assert_eq!(number(&OPERATION_STATUS, "DONE"), 3);
    }

    /// Creates a cluster by GKE's API and waits until the operation ended: the operation, and the cluster as GKE shows it.
    async fn created(host: &std::sync::Arc<Recorded>) -> (Shared, Value, Value) {
        let options = crate::Options {
            kubernetes: std::sync::Arc::new(host.clone()),
            cluster_create: std::time::Duration::ZERO,
            ..crate::Options::default()
        };
        let shared = Shared::new(options);
        let place = ("sandbox".to_owned(), "europe-west1-b".to_owned());
        let request = json!({"cluster": {"name": "camunda-one", "initialNodeCount": 1}});
        let Json(begun) = create(State(shared.clone()), Path(place), Json(request)).await.expect("it begins");
        let done = ended(&shared, &begun).await;
        let path = Path(("sandbox".to_owned(), "europe-west1-b".to_owned(), "camunda-one".to_owned()));
        let Json(cluster) = read(State(shared.clone()), path).await.expect("GKE shows it");
        (shared, done, cluster)
    }

    async fn ended(shared: &Shared, begun: &Value) -> Value {
        let name = begun["name"].as_str().expect("an operation has a name");
        for _ in 0..500 {
            let Json(operation) = world_operation(shared, name).expect("the operation is known");
            if operation["status"] == json!(number(&OPERATION_STATUS, "DONE")) {
                return operation;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the operation does not end");
    }

    #[tokio::test]
    async fn clusters_of_another_host_are_handed_out_and_deleted() {
        let host = std::sync::Arc::new(Recorded::default());
        *host.answer.lock() = Some(Ok(HostedCluster {
            uid: "of-kube-system".into(),
            endpoint: "172.30.0.10:6443".into(),
            ca_pem: "a certificate".into(),
            pod_cidr: "10.20.0.0/16".into(),
            node_cidr: "172.30.0.0/24".into(),
            service_cidr: "10.90.0.0/16".into(),
            node_tags: vec!["node".into()],
        }));
        let (shared, operation, cluster) = created(&host).await;
        assert_eq!(operation["error"], Value::Null);
        assert_eq!(cluster["status"], json!(2));
        assert_eq!(cluster["endpoint"], "172.30.0.10:6443");
        assert_eq!(cluster["clusterIpv4Cidr"], "10.20.0.0/16");

        let path = || Path(("sandbox".to_owned(), "europe-west1-b".to_owned(), "camunda-one".to_owned()));
        let Json(begun) = remove(State(shared.clone()), path()).await.expect("it begins");
        ended(&shared, &begun).await;
        assert_eq!(*host.deleted.lock(), ["of-kube-system"]);
        assert!(read(State(shared), path()).await.is_err());
    }

    #[tokio::test]
    async fn a_cluster_that_could_not_be_made_is_an_error_of_the_operation() {
        let host = std::sync::Arc::new(Recorded::default());
        *host.answer.lock() = Some(Err("no room".into()));
        let (shared, operation, cluster) = created(&host).await;
        assert_eq!(operation["error"]["message"], "no room");
        assert_eq!(cluster["status"], json!(5));
        // and it can be deleted, without anything behind it
        let path = || Path(("sandbox".to_owned(), "europe-west1-b".to_owned(), "camunda-one".to_owned()));
        let Json(begun) = remove(State(shared.clone()), path()).await.expect("it begins");
        ended(&shared, &begun).await;
        assert!(host.deleted.lock().is_empty());
    }
}
