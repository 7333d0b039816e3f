//! Over HTTP, with the real `kube` client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent,
    WatchParams,
};
use kube::{Client, Config};
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Alone, config_map, control, stateful_set, store};
use crate::kubernetes::host::{Fault, Reach};
use crate::kubernetes::rest::serve_host;

struct Server {
    host: Alone,
    port: u16,
}

fn start() -> Server {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let host = Alone {
        store: Arc::new(Mutex::new(store())),
        reach: Arc::new(Mutex::new(Reach::Answers)),
        fault: Arc::default(),
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    serve_host(host.clone(), listener, None);
    let ticking = host.clone();
    tokio::spawn(async move {
        loop {
            control::tick(&mut ticking.store.lock(), Instant::now());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    Server { host, port }
}

impl Server {
    fn client_with(&self, token: &str) -> Client {
        let mut config = Config::new(format!("http://127.0.0.1:{}", self.port).parse().unwrap());
        config.auth_info.token = Some(token.to_owned().into());
        config.default_namespace = "a".to_owned();
        config.default_retry = false;
        config.read_timeout = Some(Duration::from_millis(800));
        Client::try_from(config).unwrap()
    }

    fn client(&self) -> Client {
        self.client_with("good")
    }
}

fn status(error: kube::Error) -> Box<kube::core::Status> {
    match error {
        kube::Error::Api(status) => status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn errors_have_their_codes() {
    let server = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client());
    let missing = status(maps.get("none").await.unwrap_err());
    assert_eq!(
        (missing.code, missing.reason.as_str(), missing.message.as_str()),
        (404, "NotFound", "configmaps \"none\" not found")
    );
    let stranger: Api<ConfigMap> = Api::default_namespaced(server.client_with("bad"));
    assert_eq!(status(stranger.get("none").await.unwrap_err()).code, 401);
    *server.host.fault.lock() = Some(Fault::Error { status: 503 });
    assert_eq!(status(maps.get("none").await.unwrap_err()).code, 503);
    *server.host.fault.lock() = Some(Fault::Drop);
    assert!(!matches!(maps.get("none").await.unwrap_err(), kube::Error::Api(_)));
    assert_eq!(server.client().apiserver_version().await.unwrap().minor, "33");
}

#[tokio::test]
async fn apply_conflict_force_and_dry_run() {
    let server = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client());
    let one = PatchParams::apply("one");
    let dry = PatchParams::apply("one").dry_run();
    maps.patch("m", &dry, &Patch::Apply(config_map(json!({"k": "v"})))).await.unwrap();
    assert!(maps.get_opt("m").await.unwrap().is_none());
    maps.patch("m", &one, &Patch::Apply(config_map(json!({"k": "v"})))).await.unwrap();
    let two = PatchParams::apply("two").validation_strict();
    let conflict = status(maps.patch("m", &two, &Patch::Apply(config_map(json!({"k": "w"})))).await.unwrap_err());
    assert!(conflict.is_conflict());
    let causes = conflict.details.unwrap().causes;
    assert_eq!((causes[0].reason.as_str(), causes[0].field.as_str()), ("FieldManagerConflict", ".data.k"));
    let forced = maps.patch("m", &two.clone().force(), &Patch::Apply(config_map(json!({"k": "w"})))).await.unwrap();
    assert_eq!(forced.data.unwrap()["k"], "w");
    assert_eq!(forced.metadata.managed_fields.unwrap().len(), 1);
}

#[tokio::test]
async fn discovery_and_dynamic_objects() {
    let server = start();
    let client = server.client();
    let groups = client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "apps"));
    let resources = client.list_api_group_resources("apps/v1").await.unwrap();
    assert!(resources.resources.iter().any(|r| r.name == "statefulsets/scale"));
    assert!(client.list_core_api_resources("v1").await.unwrap().resources.iter().any(|r| r.name == "pods"));
    let kind = kube::core::GroupVersionKind::gvk("apps", "v1", "StatefulSet");
    let (resource, _) = kube::discovery::pinned_kind(&client, &kind).await.unwrap();
    let sets: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    sets.patch("s", &PatchParams::apply("m"), &Patch::Apply(stateful_set(1, "x:1"))).await.unwrap();
    assert_eq!(sets.list(&ListParams::default().fields("metadata.name=s")).await.unwrap().items.len(), 1);
    let typed: Api<StatefulSet> = Api::default_namespaced(client);
    let scale = typed.get_scale("s").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(1));
    typed.patch_scale("s", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 2}}))).await.unwrap();
    let object = typed.get("s").await.unwrap();
    assert_eq!(object.spec.unwrap().replicas, Some(2));
    assert!(object.metadata.managed_fields.unwrap().iter().any(|entry| entry.subresource.as_deref() == Some("scale")));
    assert_eq!(
        Api::<Namespace>::all(server.client()).get("a").await.unwrap().status.unwrap().phase.as_deref(),
        Some("Active")
    );
}

#[tokio::test]
async fn watch_sees_changes_and_deletion() {
    let server = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client());
    let version = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut watch = Box::pin(maps.watch(&WatchParams::default().fields("metadata.name=m"), &version).await.unwrap());
    maps.create(&PostParams::default(), &serde_json::from_value(config_map(json!({"k": "1"}))).unwrap()).await.unwrap();
    maps.patch("m", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "2"}}))).await.unwrap();
    let stale =
        DeleteParams::default().preconditions(Preconditions { uid: Some("x".to_owned()), resource_version: None });
    assert!(status(maps.delete("m", &stale).await.unwrap_err()).is_conflict());
    maps.delete("m", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(match watch.next().await.unwrap().unwrap() {
            WatchEvent::Added(object) => ("added", object.data.unwrap()["k"].clone()),
            WatchEvent::Modified(object) => ("modified", object.data.unwrap()["k"].clone()),
            WatchEvent::Deleted(object) => ("deleted", object.data.unwrap()["k"].clone()),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, [("added", "1".to_owned()), ("modified", "2".to_owned()), ("deleted", "2".to_owned())]);
}

async fn ready_pod(client: &Client) -> Api<Pod> {
    let sets: Api<StatefulSet> = Api::default_namespaced(client.clone());
    sets.patch("s", &PatchParams::apply("m"), &Patch::Apply(stateful_set(1, "x:1"))).await.unwrap();
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    for _ in 0..500 {
        let pod = pods.get_opt("s-0").await.unwrap();
        if pod.and_then(|pod| pod.status?.phase).as_deref() == Some("Running") {
            return pods;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no pod");
}

#[tokio::test]
async fn port_forward_carries_bytes_and_errors() {
    let server = start();
    let pods = ready_pod(&server.client()).await;
    let mut forward = pods.portforward("s-0", &[9600]).await.unwrap();
    let mut stream = forward.take_stream(9600).unwrap();
    stream.write_all(b"ping!").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello from s-0\nping!");

    let mut forward = pods.portforward("s-0", &[9999]).await.unwrap();
    let error = forward.take_error(9999).unwrap();
    assert!(error.await.unwrap().contains("connection refused"));
    assert!(pods.portforward("none", &[9600]).await.is_err());

    server.host.store.lock().log("a", "s-0", "c", "a line");
    assert_eq!(pods.logs("s-0", &LogParams::default()).await.unwrap(), "a line\n");
}

#[tokio::test]
async fn power_ends_or_freezes_connections() {
    let server = start();
    let client = server.client();
    let pods = ready_pod(&client).await;
    let mut forward = pods.portforward("s-0", &[9600]).await.unwrap();
    let mut stream = forward.take_stream(9600).unwrap();
    *server.host.reach.lock() = Reach::Hangs;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), pods.get("s-0")).await.is_err());
    *server.host.reach.lock() = Reach::Refuses;
    let mut text = String::new();
    let ended = tokio::time::timeout(Duration::from_secs(2), stream.read_to_string(&mut text)).await;
    assert!(ended.is_ok(), "a crash ends what was open");
    assert!(!matches!(pods.get("s-0").await.unwrap_err(), kube::Error::Api(_)));
    *server.host.reach.lock() = Reach::Answers;
    assert!(pods.get("s-0").await.is_ok());
}
