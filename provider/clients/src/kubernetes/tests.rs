//! Against a small API server on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ::http::{Method, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::Wait;

type Answer = (u16, Value);
type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

/// Serves `answer(method, path and query, body)` on a loopback port.
async fn fake(answer: impl Fn(&Method, &str, &str) -> Answer + Send + Sync + 'static) -> Kubernetes {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let answer = answer.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
                        let (status, json) = answer(&head.method, &head.uri.to_string(), &body);
                        let text = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
                        Ok::<_, Infallible>(
                            Response::builder().status(status).body(Full::new(Bytes::from(text))).unwrap(),
                        )
                    }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    at(&url)
}

fn at(url: &str) -> Kubernetes {
    let mut config = kube::Config::new(url.parse().unwrap());
    config.default_retry = false;
    Kubernetes::over(kube::Client::try_from(config).unwrap(), url)
}

fn failure(code: u16, reason: &str) -> Answer {
    (code, json!({ "kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": reason }))
}

#[tokio::test]
async fn a_region_that_answers_says_which_cluster_it_is() {
    let kubernetes = fake(|_, path, _| match path {
        "/readyz" => (200, json!("ok")),
        "/api/v1/namespaces/kube-system" | "/api/v1/namespaces/kube-system?" => {
            (200, json!({ "metadata": { "uid": "u-1" } }))
        }
        other => panic!("{other}"),
    })
    .await;
    assert_eq!(kubernetes.probe().await, Reachability::Ok { cluster_uid: "u-1".into() });
}

#[tokio::test]
async fn a_dead_region_is_unreachable_at_once_and_a_hanging_one_in_time() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    let started = Instant::now();
    let hanging = at(&url).with_timeout(Duration::from_millis(300));
    let error = hanging.list(&POD, "ns", "").await.unwrap_err();
    assert_eq!(error, Error::Unreachable { endpoint: url.clone(), cause: "nothing within 0 s".into() });
    drop(free);
    let Reachability::Unreachable { why } = at(&url).probe().await else { panic!() };
    assert!(why.to_lowercase().contains("refused"), "{why}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[rstest::rstest]
#[case(failure(403, "Forbidden"), Reachability::Forbidden { verb: "get Namespace kube-system".into() })]
#[case(failure(503, "ServiceUnavailable"), Reachability::Unreachable { why: "HTTP 503: ServiceUnavailable".into() })]
#[case(failure(500, "etcd failed"), Reachability::Unreachable { why: "its API server is not ready: etcd failed".into() })]
#[tokio::test]
async fn what_is_no_answer(#[case] answer: Answer, #[case] expected: Reachability) {
    let kubernetes = fake(move |_, _, _| answer.clone()).await;
    assert_eq!(kubernetes.probe().await, expected);
}

#[tokio::test]
async fn applying_names_its_manager_and_asks_only_when_dry() {
    let kubernetes = fake(|method, path, body| {
        assert_eq!(
            (method, path),
            (&Method::PATCH, "/api/v1/namespaces/ns/configmaps/c?&dryRun=All&force=true&fieldManager=m")
        );
        (200, serde_json::from_str(body).unwrap())
    })
    .await;
    let manifest = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c", "namespace": "ns" } });
    assert_eq!(kubernetes.apply(&manifest, Apply::by("m").forced().dry()).await.unwrap(), manifest);
}

#[tokio::test]
async fn a_list_goes_on_to_its_end_and_its_items_are_manifests() {
    let kubernetes = fake(|_, path, _| {
        assert!(path.contains("labelSelector=a%3Db"), "{path}");
        if path.contains("continue=more") {
            (200, json!({ "metadata": {}, "items": [{ "metadata": { "name": "two" } }] }))
        } else {
            (200, json!({ "metadata": { "continue": "more" }, "items": [{ "metadata": { "name": "one" } }] }))
        }
    })
    .await;
    let pods = kubernetes.list(&POD, "ns", "a=b").await.unwrap();
    assert_eq!(pods.len(), 2);
    assert_eq!(ObjectRef::of(&json!({ "apiVersion": pods[1]["apiVersion"], "kind": pods[1]["kind"], "metadata": { "name": "two", "namespace": "ns" } })).unwrap(), POD.named("ns", "two"));
}

#[tokio::test]
async fn deleting_another_one_is_not_done() {
    let kubernetes = fake(|_, _, body| {
        assert!(body.contains("\"uid\":\"old\""), "{body}");
        failure(409, "Conflict")
    })
    .await;
    assert!(!kubernetes.delete(&POD.named("ns", "p"), &Delete::only("old")).await.unwrap());
}

#[tokio::test]
async fn a_wait_tells_what_it_saw_last() {
    let kubernetes = fake(|_, _, _| {
        (
            200,
            json!({ "spec": { "replicas": 2 }, "status": { "replicas": 2, "readyReplicas": 1, "updatedReplicas": 2 } }),
        )
    })
    .await;
    let error = kubernetes
        .rolled_out(&DEPLOYMENT.named("ns", "d"), &Wait::at_most(Duration::from_millis(400)))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "waiting for Deployment ns/d to be ready: the time for it ran out (1 of 2 replicas are ready, 2 up to date, 2 there)"
    );
}

/// Stores objects by path, with resource versions: enough for leases and probe pods.
fn store() -> (Objects, impl Fn(&Method, &str, &str) -> Answer) {
    let objects = Objects::default();
    let kept = objects.clone();
    let answer = move |method: &Method, path: &str, body: &str| {
        let path = path.split('?').next().unwrap().to_owned();
        let mut objects = kept.lock().unwrap();
        let version = objects
            .values()
            .filter_map(|object| object.pointer("/metadata/resourceVersion")?.as_str()?.parse::<u64>().ok())
            .max()
            .unwrap_or(0)
            + 1;
        match *method {
            Method::GET => objects.get(&path).map_or_else(|| failure(404, "NotFound"), |object| (200, object.clone())),
            Method::DELETE => objects.remove(&path).map_or_else(|| failure(404, "NotFound"), |object| (200, object)),
            _ => {
                let mut object: Value = serde_json::from_str(body).unwrap();
                let path = if *method == Method::POST {
                    format!("{path}/{}", object["metadata"]["name"].as_str().unwrap())
                } else {
                    path
                };
                if *method == Method::POST && objects.contains_key(&path) {
                    return failure(409, "AlreadyExists");
                }
                if *method == Method::PUT
                    && objects.get(&path).map(|old| &old["metadata"]["resourceVersion"])
                        != Some(&object["metadata"]["resourceVersion"])
                {
                    return failure(409, "Conflict");
                }
                object["metadata"]["resourceVersion"] = json!(version.to_string());
                if object["kind"] == "Pod" {
                    object["status"] = json!({ "phase": "Succeeded", "containerStatuses": [{ "state": { "terminated": { "message": "0 ok 10.0.0.1" } } }] });
                }
                objects.insert(path, object.clone());
                (200, object)
            }
        }
    };
    (objects, answer)
}

fn claim(holder: &str, life: Duration) -> lease::Claim<'_> {
    lease::Claim { namespace: "ns", name: "c8-dr", holder, life, manager: "m" }
}

#[tokio::test]
async fn a_lease_is_held_by_one_and_given_back() {
    let (_, answer) = store();
    let kubernetes = fake(answer).await;
    let short = Wait::at_most(Duration::from_millis(700));
    let mine = lease::Lease::acquire(&kubernetes, &claim("a", lease::LIFE), &short, |_| {}).await.unwrap();
    mine.check().await.unwrap();
    let mut told = Vec::new();
    let error =
        lease::Lease::acquire(&kubernetes, &claim("b", lease::LIFE), &short, |holder| told.push(holder.to_owned()))
            .await
            .unwrap_err();
    assert_eq!(error, Error::Held { what: "Lease ns/c8-dr".into(), holder: "a".into() });
    assert_eq!(told, ["a"], "told once");
    mine.release().await.unwrap();
    let wait = Wait::at_most(Duration::from_secs(5));
    lease::Lease::acquire(&kubernetes, &claim("b", lease::LIFE), &wait, |_| panic!("it is free")).await.unwrap();
}

#[tokio::test]
async fn a_dead_holder_is_succeeded_and_notices_it() {
    let (_, answer) = store();
    let kubernetes = fake(answer).await;
    let wait = Wait::at_most(Duration::from_secs(20));
    let dead = lease::Lease::acquire(&kubernetes, &claim("dead", Duration::from_secs(1)), &wait, |_| {}).await.unwrap();
    // As after a kill: no renewal, no release.
    let dead = std::mem::ManuallyDrop::new(dead);
    dead.stop_renewing();
    let next = lease::Lease::acquire(&kubernetes, &claim("next", Duration::from_secs(1)), &wait, |_| {}).await.unwrap();
    assert_eq!(dead.check().await.unwrap_err(), Error::Held { what: "Lease ns/c8-dr".into(), holder: "next".into() });
    next.check().await.unwrap();
}

#[tokio::test]
async fn a_living_holder_is_not_succeeded() {
    let (_, answer) = store();
    let kubernetes = fake(answer).await;
    let wait = Wait::at_most(Duration::from_secs(3));
    let _living = lease::Lease::acquire(&kubernetes, &claim("a", Duration::from_secs(1)), &wait, |_| {}).await.unwrap();
    let error =
        lease::Lease::acquire(&kubernetes, &claim("b", Duration::from_secs(1)), &wait, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Held { holder, .. } if holder == "a"));
}

#[tokio::test]
async fn a_probe_pod_answers_and_is_gone() {
    let (objects, answer) = store();
    let kubernetes = fake(answer).await;
    let items = [probe::ProbeItem::Resolve("c8-here.b.svc.cluster.local".into())];
    let results = probe::run(&kubernetes, "ns", &items, &Wait::at_most(Duration::from_secs(5))).await.unwrap();
    assert!(results[0].ok);
    assert_eq!(results[0].detail, "10.0.0.1");
    assert!(objects.lock().unwrap().is_empty(), "the pod is deleted");
}

#[tokio::test]
async fn a_probe_pod_is_gone_also_when_nobody_waits_any_more() {
    let (objects, answer) = store();
    let kubernetes = fake(move |method, path, body| {
        let (status, mut object) = answer(method, path, body);
        object["status"] = json!({ "phase": "Pending" });
        (status, object)
    })
    .await;
    let items = [probe::ProbeItem::Resolve("x".into())];
    let _ = tokio::time::timeout(
        Duration::from_millis(300),
        probe::run(&kubernetes, "ns", &items, &Wait::at_most(Duration::from_secs(60))),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(objects.lock().unwrap().is_empty());
}
