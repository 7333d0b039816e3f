//! The probe command: a harmless proof that a partition leads, commits and processes.
//!
//! `CancelProcessInstance` with the key `(p << 51) | 1` is routed to partition `p`, where no such instance ever is. NOT_FOUND
//! proves a leader, a commit and the processing of it, and leaves nothing behind; without a quorum the deadline passes
//! (real-components.md 4, seen on 8.0 and 8.6 brokers).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{Error, GRPC, Zeebe};
use crate::gcp::chain;
use crate::kubernetes::CallError;

#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub(super) mod wire {
    tonic::include_proto!("gateway_protocol");
}

use wire::CancelProcessInstanceRequest;
use wire::gateway_client::GatewayClient;

/// Time for one command. Real brokers take 14–90 ms, and 0.6 s the first time.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// What a partition said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// It has a leader that committed and processed the command.
    Processed,
    /// It has not: no leader, no quorum, or overload. The text says which.
    NoLeader(String),
}

/// The key that belongs to a partition and to no instance.
pub const fn probe_key(partition: u32) -> i64 {
    ((partition as i64) << 51) | 1
}

impl Zeebe {
    /// Sends the probe command to each of these partitions at the same time, through the first gateway that can be talked to.
    pub async fn probe(&self, partitions: &[u32]) -> Result<BTreeMap<u32, ProbeAnswer>, Error> {
        let gateway = self.gateway();
        let pods = self
            .kubernetes
            .pods_behind(&self.namespace, &gateway)
            .await
            .map_err(|error| Error::from(CallError::from(error)))?;
        let mut why = format!("no pod of {}/{gateway} is running", self.namespace);
        for pod in pods {
            let channel = match self.channel(&pod).await {
                Ok(channel) => channel,
                Err(error) => {
                    why = format!("{pod}: {error}");
                    continue;
                }
            };
            let answers = join_all(partitions.iter().map(|partition| command(channel.clone(), *partition))).await;
            // That a stream opens does not mean that a gateway is behind it.
            if let Some(error) =
                answers.iter().find_map(|(_, answer)| answer.as_ref().err().filter(|status| is_ours(status)))
                && answers.iter().all(|(_, answer)| answer.as_ref().is_err_and(is_ours))
            {
                why = format!("{pod}: {}", chain(error));
                continue;
            }
            return answers.into_iter().map(|(partition, answer)| Ok((partition, interpret(answer)?))).collect();
        }
        Err(Error::Unreachable(why))
    }

    /// A channel over a port-forward. It has one stream, for one connection: a reconnect fails.
    pub(super) async fn channel(&self, pod: &str) -> Result<Channel, String> {
        let stream = self.kubernetes.forward(&self.namespace, pod, GRPC).await.map_err(|error| error.to_string())?;
        let stream = Arc::new(Mutex::new(Some(TokioIo::new(stream))));
        let connector = tower::service_fn(move |_| {
            let stream = stream.lock().ok().and_then(|mut stream| stream.take());
            async move { stream.ok_or_else(|| std::io::Error::other("the port-forward has ended")) }
        });
        let endpoint = Endpoint::from_static("http://gateway").connect_timeout(Duration::from_secs(5));
        endpoint.connect_with_connector(connector).await.map_err(|error| chain(&error))
    }
}

async fn command(channel: Channel, partition: u32) -> (u32, Result<(), Status>) {
    let mut request = Request::new(CancelProcessInstanceRequest { process_instance_key: probe_key(partition) });
    request.set_timeout(PATIENCE);
    let mut client = GatewayClient::new(channel);
    let answer = tokio::time::timeout(PATIENCE + Duration::from_secs(2), client.cancel_process_instance(request)).await;
    (partition, answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))).map(drop))
}

/// Whether a status was made here, because the connection failed, and not by a gateway.
fn is_ours(status: &Status) -> bool {
    std::error::Error::source(status).is_some() && !matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded)
}

fn interpret(answer: Result<(), Status>) -> Result<ProbeAnswer, Error> {
    let status = match answer {
        Ok(()) => return Ok(ProbeAnswer::Processed),
        Err(status) => status,
    };
    let why = || format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        // "Expected to cancel a process instance with key …, but no such process was found"
        Code::NotFound if status.message().to_lowercase().contains("process") => Ok(ProbeAnswer::Processed),
        Code::NotFound
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Internal
        | Code::Unknown => Ok(ProbeAnswer::NoLeader(why())),
        Code::Unauthenticated | Code::PermissionDenied => {
            Err(Error::Rejected(format!("the gateway asks for credentials: {}", why())))
        }
        _ => Err(Error::Failed { status: 200, message: why() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_key_holds_the_partition() {
        assert_eq!(probe_key(1), 2_251_799_813_685_249);
        assert_eq!(probe_key(8) >> 51, 8);
    }

    #[test]
    fn only_the_processing_of_the_command_proves_a_leader() {
        let answer = |code, message: &str| interpret(Err(Status::new(code, message)));
        let found = "Command 'CANCEL' rejected with code 'NOT_FOUND': Expected to cancel a process instance with key '2251799813685249', but no such process was found";
        assert_eq!(answer(Code::NotFound, found).unwrap(), ProbeAnswer::Processed);
        assert!(matches!(answer(Code::NotFound, "no such partition").unwrap(), ProbeAnswer::NoLeader(_)));
        for code in [Code::DeadlineExceeded, Code::Unavailable, Code::ResourceExhausted] {
            assert!(matches!(answer(code, "m").unwrap(), ProbeAnswer::NoLeader(_)));
        }
        assert!(answer(Code::Unauthenticated, "m").is_err());
    }
}
