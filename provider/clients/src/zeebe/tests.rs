//! Over port-forwards to a region on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use serde_json::json;
use tonic::{Request, Response, Status};

use super::command::wire;
use super::*;
use crate::fake::{Port, Region};

async fn zeebe(pods: Vec<(&'static str, bool)>, dial: impl Fn(&str, u16) -> Port + Send + Sync + 'static) -> Zeebe {
    Zeebe::new(Region { pods, dial: Arc::new(dial) }.serve().await, "ns", "camunda")
}

#[tokio::test]
async fn a_pod_that_refuses_is_passed_over_for_one_that_is_not_ready() {
    let zeebe = zeebe(vec![("not-ready", false), ("ready", true)], |pod, port| match (pod, port) {
        ("not-ready", 8080) => Port::http(|_, path, _| {
            assert_eq!(path, "/v2/topology");
            (
                200,
                json!({ "brokers": [{ "nodeId": 0 }], "clusterSize": 4, "partitionsCount": 8, "replicationFactor": 2 }),
            )
        }),
        _ => Port::Refused,
    })
    .await;
    assert_eq!(zeebe.topology().await.unwrap().broker_ids(), [0]);
    let error = zeebe.cluster().await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable(why) if why.contains("connection refused")), "{error:?}");
}

#[tokio::test]
async fn a_change_that_was_delivered_is_not_sent_twice() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let zeebe = zeebe(vec![("a", true), ("b", true)], move |_, _| Port::Drops(count.clone())).await;
    let error = zeebe.force_keep(&[0, 2], false).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer(_)), "{error:?}");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert!(zeebe.cluster().await.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 3, "reading asks both");
}

#[tokio::test]
async fn a_silent_pod_is_given_up_in_time() {
    let zeebe = zeebe(vec![("a", true)], |_, _| Port::Silent).await;
    let started = Instant::now();
    let call = Call::get("/").within(Duration::from_millis(300));
    let error = zeebe.kubernetes.call_pod("ns", "a", 9600, &call).await.unwrap_err();
    assert!(matches!(error, crate::kubernetes::CallError::NoAnswer { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn the_calls_of_8_7() {
    let zeebe = zeebe(vec![("a", true)], |_, port| {
        assert_eq!(port, 9600);
        Port::http(|method, path, body| match (method.as_str(), path, body) {
            ("POST", "/actuator/cluster/brokers?force=true&dryRun=true", r#"["0","2"]"#) => {
                (202, json!({ "changeId": 6 }))
            }
            ("POST", "/actuator/cluster/brokers?replicationFactor=4", r#"["0","1","2","3"]"#) => {
                (409, json!({ "message": "Another configuration change is in progress." }))
            }
            ("POST", "/actuator/exporters/elasticsearchregion1/disable", "") => (202, json!({ "changeId": 7 })),
            (
                "POST",
                "/actuator/exporters/elasticsearchregion1/enable",
                r#"{"initializeFrom":"elasticsearchregion0"}"#,
            ) => (202, json!({ "changeId": 8 })),
            ("POST", "/actuator/exporting/pause", "") => {
                (200, json!({ "body": { "message": "Expected 4 members of partition 1 but found 2" }, "status": 500 }))
            }
            ("POST", "/actuator/exporting/resume", "") => {
                (200, json!({ "body": null, "status": 204, "contentType": null }))
            }
            ("POST", "/actuator/partitions/pauseExporting", "") => (503, json!({})),
            ("POST", "/actuator/partitions/resumeExporting", "") => (200, json!({ "1": { "role": "FOLLOWER" } })),
            ("POST", "/actuator/rebalance", "") => (200, json!({})),
            ("GET", "/actuator/exporters", "") => (404, json!({})),
            ("GET", "/actuator/cluster", "") => (502, json!({ "message": "Failed to connect channel for address …" })),
            other => panic!("{other:?}"),
        })
    })
    .await;
    assert_eq!(zeebe.force_keep(&[0, 2], true).await.unwrap().change_id, 6);
    assert!(matches!(zeebe.add(&[0, 1, 2, 3], 4, false).await, Err(Error::ChangeInProgress(_))));
    assert_eq!(zeebe.disable_exporter("elasticsearchregion1").await.unwrap().change_id, 7);
    assert_eq!(zeebe.enable_exporter("elasticsearchregion1", "elasticsearchregion0").await.unwrap().change_id, 8);
    assert_eq!(
        zeebe.pause_exporting().await,
        Err(Error::Incomplete("Expected 4 members of partition 1 but found 2".into()))
    );
    zeebe.resume_exporting().await.unwrap();
    zeebe.resume_exporting_of("a").await.unwrap();
    assert!(matches!(zeebe.pause_exporting_of("a").await, Err(Error::Failed { status: 503, .. })));
    zeebe.rebalance().await.unwrap();
    // The fall-back asks the coordinator, which is gone.
    assert!(matches!(zeebe.exporters().await, Err(Error::CoordinatorGone(_))));
}

struct Gateway;

#[tonic::async_trait]
impl wire::gateway_server::Gateway for Gateway {
    async fn topology(&self, _: Request<wire::TopologyRequest>) -> Result<Response<wire::TopologyResponse>, Status> {
        let partition = wire::Partition { partition_id: 1, role: 0, health: 0 };
        let broker = wire::BrokerInfo {
            node_id: 1,
            host: "camunda-zeebe-temporary-0.camunda-zeebe-temporary.ns0.svc".into(),
            partitions: vec![partition],
            ..wire::BrokerInfo::default()
        };
        Ok(Response::new(wire::TopologyResponse { brokers: vec![broker], cluster_size: 4, ..Default::default() }))
    }

    async fn cancel_process_instance(
        &self,
        request: Request<wire::CancelProcessInstanceRequest>,
    ) -> Result<Response<wire::CancelProcessInstanceResponse>, Status> {
        assert!(request.metadata().contains_key("grpc-timeout"));
        match request.into_inner().process_instance_key {
            key if key == probe_key(1) => Err(Status::not_found(
                "Expected to cancel a process instance with key …, but no such process was found",
            )),
            key if key == probe_key(2) => Err(Status::resource_exhausted(
                "Expected to execute the command on one of the partitions, but all failed",
            )),
            key => panic!("{key}"),
        }
    }
}

#[tokio::test]
async fn each_partition_answers_the_probe_for_itself() {
    let zeebe = zeebe(vec![("dead", true), ("gateway", true)], |pod, port| {
        assert_eq!(port, 26500);
        if pod == "dead" {
            return Port::Refused;
        }
        Port::Raw(Arc::new(|stream| {
            let service =
                hyper_util::service::TowerToHyperService::new(wire::gateway_server::GatewayServer::new(Gateway));
            let server = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }))
    })
    .await;
    let answers = zeebe.probe(&[1, 2]).await.unwrap();
    assert_eq!(answers[&1], ProbeAnswer::Processed);
    assert!(matches!(&answers[&2], ProbeAnswer::NoLeader(why) if why.contains("all failed")));
}

#[tokio::test]
async fn no_gateway_is_an_answer_too() {
    let zeebe = zeebe(vec![], |_, _| Port::Refused).await;
    assert_eq!(
        zeebe.topology().await.unwrap_err().to_string(),
        "Zeebe can't be reached: no pod of ns/camunda-zeebe-gateway is running"
    );
    assert!(matches!(zeebe.probe(&[1]).await, Err(Error::Unreachable(_))));
}
