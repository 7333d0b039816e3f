//! The transports against small fakes on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::Wait;

/// Made for these tests, used nowhere.
pub(super) const TEST_KEY: &str = include_str!("testdata/throw-away-key.pem");

type Answer = (u16, serde_json::Value);

/// Serves `answer(method, path, body)` on a loopback port.
async fn fake(answer: impl Fn(&str, &str, &str, Option<&str>) -> Answer + Send + Sync + 'static) -> String {
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
                        let bearer = head.headers.get("authorization").and_then(|value| value.to_str().ok());
                        let (status, json) = answer(head.method.as_str(), head.uri.path(), &body, bearer);
                        let response = Response::builder().status(status).header("content-type", "application/json");
                        Ok::<_, Infallible>(response.body(Full::new(bytes::Bytes::from(json.to_string()))).unwrap())
                    }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    url
}

fn at(url: &str) -> Gcp {
    let all = Some(url.to_owned());
    Gcp::new(GcpConfig {
        project: Some("p".into()),
        credentials: None,
        access_token: Some("t0".into()),
        endpoints: Endpoints { container: all.clone(), compute: all.clone(), storage: all.clone(), iam: all },
    })
}

fn google_error(code: u16, status: &str, message: &str) -> Answer {
    (code, json!({ "error": { "code": code, "status": status, "message": message } }))
}

#[tokio::test]
async fn a_refused_endpoint_is_unreachable_within_seconds() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let gcp = at(&url);
    let started = Instant::now();
    let cluster = gcp.clusters().get("p", "l", "c").await.unwrap_err();
    let rules = gcp.firewalls("p").list("c8-").await.unwrap_err();
    let bucket = gcp.buckets().get("b").await.unwrap_err();
    let account = gcp.service_accounts("p").get("a@b").await.unwrap_err();
    for error in [cluster, rules, bucket, account] {
        assert!(matches!(&error, Error::Unreachable { endpoint, .. } if *endpoint == url), "{error:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_hanging_endpoint_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gcp = at(&format!("http://{}", listener.local_addr().unwrap()));
    let started = Instant::now();
    let (clusters, buckets) = (gcp.clusters(), gcp.buckets());
    let (cluster, bucket) = tokio::join!(clusters.get("p", "l", "c"), buckets.get("b"));
    assert!(cluster.unwrap_err().is_unreachable());
    assert!(bucket.unwrap_err().is_unreachable());
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
}

/// Whoever asks while a token is waited for in vain, or right after, is told so and does not wait as long again.
#[tokio::test]
async fn a_hanging_token_endpoint_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let key = json!({ "type": "service_account", "client_email": "c8@p.iam.gserviceaccount.com", "private_key_id": "k1",
        "private_key": TEST_KEY, "token_uri": format!("{url}/token") });
    let gcp = Gcp::new(GcpConfig {
        project: Some("p".into()),
        credentials: Some(key.to_string().into()),
        access_token: None,
        endpoints: Endpoints::default(),
    });
    let (zero, one) = tokio::join!(gcp.token(), gcp.token());
    for error in [zero.unwrap_err(), one.unwrap_err(), gcp.token().await.unwrap_err()] {
        assert!(
            matches!(&error, Error::Unreachable { endpoint, .. } if *endpoint == format!("{url}/token")),
            "{error:?}"
        );
    }
    let mut asked = 0;
    while let Ok(Ok(_)) = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await {
        asked += 1;
    }
    assert_eq!(asked, 1);
}

#[rstest::rstest]
#[case(
    google_error(403, "PERMISSION_DENIED", "Required \"container.clusters.get\" permission"),
    "not allowed to get GKE cluster c: Required \"container.clusters.get\" permission"
)]
#[case(google_error(401, "UNAUTHENTICATED", "expired"), "not allowed to get GKE cluster c: expired")]
#[case((403, json!({ "error": { "code": 403, "message": "no status" } })), "not allowed to get GKE cluster c: no status")]
#[case(google_error(400, "INVALID_ARGUMENT", "bad"), "can't get GKE cluster c: bad")]
#[tokio::test]
async fn errors_are_classified(#[case] answer: Answer, #[case] expected: &str) {
    let url = fake(move |_, _, _, _| answer.clone()).await;
    assert_eq!(at(&url).clusters().get("p", "l", "c").await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn absent_is_none_and_unavailable_is_unreachable() {
    let url = fake(|_, path, _, _| match path {
        "/v1/projects/p/locations/l/clusters/c" => google_error(404, "NOT_FOUND", "gone"),
        _ => google_error(503, "UNAVAILABLE", "try later"),
    })
    .await;
    let gcp = at(&url);
    assert_eq!(gcp.clusters().get("p", "l", "c").await.unwrap(), None);
    assert!(gcp.clusters().get("p", "l", "other").await.unwrap_err().is_unreachable());
}

#[tokio::test]
async fn a_cluster_is_created_polled_and_its_failure_told() {
    let polls = AtomicUsize::new(0);
    let url = fake(move |method, path, body, bearer| {
        assert_eq!(bearer, Some("Bearer t0"));
        match (method, path) {
            ("POST", "/v1/projects/p/locations/l/clusters") => {
                let body: serde_json::Value = serde_json::from_str(body).unwrap();
                assert_eq!(body["cluster"]["name"], "c");
                (200, json!({ "name": "operation-1", "status": "RUNNING" }))
            }
            ("GET", "/v1/projects/p/locations/l/operations/operation-1") => match polls.fetch_add(1, Ordering::SeqCst) {
                0 => (200, json!({ "name": "operation-1", "status": "RUNNING" })),
                _ => (200, json!({ "name": "operation-1", "status": "DONE", "error": { "code": 8, "message": "no capacity" } })),
            },
            other => panic!("{other:?}"),
        }
    })
    .await;
    let clusters = at(&url).clusters();
    let new = NewCluster {
        project: "p".into(),
        location: "l".into(),
        name: "c".into(),
        owner: "g".into(),
        machine_type: "e2-small".into(),
        min_nodes: 1,
        max_nodes: 2,
        disk_type: None,
        disk_size_gb: None,
        spot: false,
        release_channel: None,
        network: None,
        subnetwork: None,
    };
    let operation = clusters.create(&new).await.unwrap();
    let error = clusters.finished(&operation, &Wait::at_most(Duration::from_secs(10))).await.unwrap_err();
    assert_eq!(error.to_string(), "GKE cluster c: the operation failed: no capacity");
}

#[tokio::test]
async fn a_taken_name_is_already_exists() {
    let url =
        fake(|_, _, _, _| (409, json!({ "error": { "code": 409, "message": "The resource already exists" } }))).await;
    let rule = Firewall {
        name: "c8-claim-g-1".into(),
        network: "default".into(),
        direction: Direction::Ingress,
        priority: 1000,
        disabled: true,
        source_ranges: vec!["10.0.0.0/8".into()],
        destination_ranges: vec![],
        source_tags: vec![],
        target_tags: vec![],
        allowed: vec![Ports::new("tcp", ["1"])],
        denied: vec![],
        description: "{}".into(),
    };
    let error = at(&url).firewalls("p").insert(&rule, &Wait::at_most(Duration::from_secs(5))).await.unwrap_err();
    assert_eq!(error, Error::AlreadyExists { what: "firewall rule c8-claim-g-1".into() });
}

#[tokio::test]
async fn a_wait_for_an_operation_is_stopped() {
    let url = fake(|_, _, _, _| (200, json!({ "name": "o", "status": "RUNNING" }))).await;
    let wait = Wait::at_most(Duration::from_secs(600));
    let cancel = wait.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    let operation = Operation { name: "projects/p/locations/l/operations/o".into(), what: "GKE cluster c".into() };
    let error = at(&url).clusters().finished(&operation, &wait).await.unwrap_err();
    assert_eq!(error.to_string(), "waiting for GKE cluster c: it was interrupted");
}

#[tokio::test]
async fn a_service_account_key_is_exchanged_once_and_used_everywhere() {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let seen = exchanges.clone();
    let url = fake(move |_, path, body, bearer| match path {
        "/token" => {
            assert!(
                body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"),
                "{body}"
            );
            seen.fetch_add(1, Ordering::SeqCst);
            (200, json!({ "access_token": "ya29.test", "expires_in": 3600, "token_type": "Bearer" }))
        }
        _ => {
            assert_eq!(bearer, Some("Bearer ya29.test"));
            google_error(404, "NOT_FOUND", "gone")
        }
    })
    .await;
    let key = json!({ "type": "service_account", "client_email": "a@p", "private_key": TEST_KEY, "token_uri": format!("{url}/token") });
    let gcp = Gcp::new(GcpConfig {
        credentials: Some(Secret::new(key.to_string())),
        endpoints: Endpoints { container: Some(url.clone()), iam: Some(url), ..Endpoints::default() },
        ..GcpConfig::default()
    });
    assert_eq!(gcp.token().await.unwrap().expose(), "ya29.test");
    assert_eq!(gcp.clusters().get("p", "l", "c").await.unwrap(), None);
    assert_eq!(gcp.service_accounts("p").get("x@p").await.unwrap(), None);
    assert_eq!(exchanges.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refused_key_is_told_as_credentials_and_at_once() {
    let url =
        fake(|_, _, _, _| (400, json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." })))
            .await;
    let key = json!({ "type": "service_account", "client_email": "a@p", "private_key": TEST_KEY, "token_uri": url });
    let gcp = Gcp::new(GcpConfig {
        credentials: Some(Secret::new(key.to_string())),
        endpoints: Endpoints { container: Some(url), ..Endpoints::default() },
        ..GcpConfig::default()
    });
    let started = Instant::now();
    let error = gcp.clusters().get("p", "l", "c").await.unwrap_err();
    assert!(error.to_string().contains("invalid_grant: Invalid JWT Signature."), "{error}");
    assert!(matches!(error, Error::Credentials { .. }));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_key_is_given_once_and_as_a_secret() {
    let url = fake(|_, path, _, _| {
        assert_eq!(path, "/v1/projects/p/serviceAccounts/a@p.iam/keys");
        (200, json!({ "name": "projects/p/serviceAccounts/a@p.iam/keys/k9", "privateKeyData": "eyJ0eXBlIjoieCJ9" }))
    })
    .await;
    let (id, key) = at(&url).service_accounts("p").create_key("a@p.iam").await.unwrap();
    assert_eq!((id.as_str(), key.expose().as_str()), ("k9", r#"{"type":"x"}"#));
    assert!(!format!("{key:?}").contains("type"));
}
