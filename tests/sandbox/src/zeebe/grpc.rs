//! The gateway's gRPC on 26500.

use std::time::Duration;

use tonic::{Request, Response, Status};

use super::commands::{Command, Outcome, Rejection};
use crate::world::{Shared, objects};

/// The generated messages, service and client.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod wire {
    tonic::include_proto!("gateway_protocol");
}

use wire::gateway_server::{Gateway, GatewayServer};

const EXHAUSTED: &str = "Expected to execute the command on one of the partitions, but all failed; there are no more partitions available to retry. Please try again. If the error persists contact your zeebe operator";

/// The gRPC service of a gateway.
pub fn router(shared: Shared, pod: String) -> axum::Router {
    tonic::service::Routes::new(GatewayServer::new(Service { shared, pod })).into_axum_router()
}

struct Service {
    shared: Shared,
    pod: String,
}

/// `grpc-timeout`: digits and a unit.
fn deadline<T>(request: &Request<T>) -> Duration {
    let text = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok()).unwrap_or("10S");
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: u64 = number.parse().unwrap_or(10);
    let asked = match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => Duration::from_secs(number),
    };
    asked.min(Duration::from_secs(10))
}

impl Service {
    async fn execute(&self, command: Command, patience: Duration) -> Result<i64, Status> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut ticket = None;
        loop {
            {
                let mut world = self.shared.lock();
                if ticket.is_none() {
                    match world.zeebe.submit(&self.pod, &command) {
                        Ok(taken) => ticket = Some(taken),
                        Err(Rejection::Exhausted) => return Err(Status::resource_exhausted(EXHAUSTED)),
                        Err(Rejection::NoPartition(partition)) => {
                            return Err(Status::not_found(format!(
                                "Expected to find partition {partition}, but it does not exist"
                            )));
                        }
                        // the gateway goes on looking for a leader until the deadline
                        Err(Rejection::NoLeader(_)) => {}
                    }
                }
                if let Some(taken) = ticket {
                    match world.zeebe.outcome(taken) {
                        Outcome::Done(key) => {
                            world.zeebe.forget(taken);
                            return Ok(key);
                        }
                        Outcome::NotFound(key) => {
                            world.zeebe.forget(taken);
                            return Err(Status::not_found(not_found(&command, key)));
                        }
                        Outcome::Pending | Outcome::InDoubt => {}
                    }
                }
            }
            if tokio::time::Instant::now() >= deadline {
                if let Some(taken) = ticket {
                    self.shared.lock().zeebe.forget(taken);
                }
                return Err(Status::deadline_exceeded("Time out between gateway and broker"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The client's own unique key: the variable `businessKey`.
fn business(variables: &str) -> String {
    let variables: serde_json::Value = serde_json::from_str(variables).unwrap_or_default();
    variables["businessKey"].as_str().map_or_else(objects::new_uid, str::to_owned)
}

fn not_found(command: &Command, key: i64) -> String {
    match command {
        Command::Cancel { .. } => {
            format!(
                "Command 'CANCEL' rejected with code 'NOT_FOUND': Expected to cancel a process instance with key '{key}', but no such process was found"
            )
        }
        _ => format!(
            "Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job with key '{key}', but no such job was found"
        ),
    }
}

#[tonic::async_trait]
impl Gateway for Service {
    type ActivateJobsStream = tokio_stream::Iter<std::vec::IntoIter<Result<wire::ActivateJobsResponse, Status>>>;

    async fn activate_jobs(
        &self,
        request: Request<wire::ActivateJobsRequest>,
    ) -> Result<Response<Self::ActivateJobsStream>, Status> {
        let asked = request.into_inner();
        let most = usize::try_from(asked.max_jobs_to_activate).unwrap_or(1);
        let millis = u64::try_from(asked.timeout).unwrap_or(1000);
        let jobs = self.shared.lock().zeebe.activate_jobs(&self.pod, most, millis);
        let jobs = jobs
            .into_iter()
            .map(|(key, instance)| wire::ActivatedJob {
                key,
                r#type: asked.r#type.clone(),
                process_instance_key: instance,
            })
            .collect();
        Ok(Response::new(tokio_stream::iter(vec![Ok(wire::ActivateJobsResponse { jobs })])))
    }

    async fn cancel_process_instance(
        &self,
        request: Request<wire::CancelProcessInstanceRequest>,
    ) -> Result<Response<wire::CancelProcessInstanceResponse>, Status> {
        let patience = deadline(&request);
        self.execute(Command::Cancel { instance: request.into_inner().process_instance_key }, patience).await?;
        Ok(Response::new(wire::CancelProcessInstanceResponse {}))
    }

    async fn complete_job(
        &self,
        request: Request<wire::CompleteJobRequest>,
    ) -> Result<Response<wire::CompleteJobResponse>, Status> {
        let patience = deadline(&request);
        self.execute(Command::Complete { job: request.into_inner().job_key }, patience).await?;
        Ok(Response::new(wire::CompleteJobResponse {}))
    }

    async fn deploy_resource(
        &self,
        _: Request<wire::DeployResourceRequest>,
    ) -> Result<Response<wire::DeployResourceResponse>, Status> {
        Err(Status::unimplemented("the simulated brokers know the process `order` and no other"))
    }

    async fn create_process_instance(
        &self,
        request: Request<wire::CreateProcessInstanceRequest>,
    ) -> Result<Response<wire::CreateProcessInstanceResponse>, Status> {
        let patience = deadline(&request);
        let asked = request.into_inner();
        let key = self.execute(Command::Create { business: business(&asked.variables) }, patience).await?;
        Ok(Response::new(wire::CreateProcessInstanceResponse {
            process_definition_key: 2_251_799_813_685_249,
            bpmn_process_id: asked.bpmn_process_id,
            version: 1,
            process_instance_key: key,
        }))
    }

    async fn topology(&self, _: Request<wire::TopologyRequest>) -> Result<Response<wire::TopologyResponse>, Status> {
        let world = self.shared.lock();
        let gateway =
            world.zeebe.gateways.get(&self.pod).ok_or_else(|| Status::unavailable("the gateway has stopped"))?;
        let number = |value: usize| i32::try_from(value).unwrap_or(0);
        let mut brokers: Vec<wire::BrokerInfo> = gateway
            .seen
            .values()
            .map(|seen| wire::BrokerInfo {
                node_id: number(seen.id as usize),
                host: seen.host.clone(),
                port: 26501,
                version: seen.version.clone(),
                partitions: seen
                    .partitions
                    .iter()
                    .map(|(id, leads)| wire::Partition {
                        partition_id: number(*id as usize),
                        role: i32::from(!*leads),
                        health: 0,
                    })
                    .collect(),
            })
            .collect();
        brokers.sort_by_key(|broker| broker.node_id);
        let config = gateway.config.as_ref();
        Ok(Response::new(wire::TopologyResponse {
            brokers,
            cluster_size: config.map_or(0, |config| number(config.members.len())),
            partitions_count: config.map_or(0, |config| number(config.partitions().len())),
            replication_factor: config.map_or(0, |config| number(config.replication_factor())),
            gateway_version: gateway.node.settings.version.clone(),
        }))
    }
}
