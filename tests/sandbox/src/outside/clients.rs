//! Clients and workers that use the real ports of real gateways. What they were told goes into the same log as that of the simulated ones.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::Shared;
use crate::workload::{Answer, Report, Workload};
use crate::zeebe::grpc::wire::gateway_client::GatewayClient;
use crate::zeebe::grpc::wire::{
    ActivateJobsRequest, CompleteJobRequest, CreateProcessInstanceRequest, DeployResourceRequest, Resource,
};

type Client = GatewayClient<Channel>;

/// How long a connection may take: a region that is lost does not refuse, it is silent.
const CONNECT: Duration = Duration::from_secs(1);

/// Runs a workload through `workload.gateways`, as `host:port`.
pub async fn run(shared: &Shared, workload: &Workload) -> Report {
    let mut clients: Vec<Client> = Vec::new();
    for address in &workload.gateways {
        let Ok(endpoint) = Endpoint::from_shared(format!("http://{address}")) else { continue };
        if let Ok(channel) = endpoint.connect_timeout(CONNECT).connect().await {
            clients.push(GatewayClient::new(channel));
        }
    }
    let mut report = Report { gateways: clients.len(), ..Report::default() };
    let patience = Duration::from_millis(workload.timeout_ms);
    if workload.deploy
        && let Some(client) = clients.first()
        && let Err(status) = deploy(client.clone(), patience).await
    {
        tracing::warn!("the process can't be deployed: {status}");
    }
    let orders: Vec<String> = {
        let ledger = &mut shared.lock().ledger;
        (0..workload.instances).map(|_| ledger.next_key()).collect()
    };
    let mut answers = futures::stream::iter(orders.into_iter().enumerate().map(|(index, order)| {
        let client = (!clients.is_empty()).then(|| clients[index % clients.len()].clone());
        async move {
            let answer = match client {
                Some(client) => create(client, &order, patience).await,
                None => Answer::Refused,
            };
            (order, answer)
        }
    }))
    .buffer_unordered(workload.concurrency.max(1));
    let mut started = Vec::new();
    while let Some((order, answer)) = answers.next().await {
        match answer {
            Answer::Acknowledged(key) => {
                report.acknowledged += 1;
                started.push(key);
            }
            Answer::Refused => report.refused += 1,
            Answer::Ambiguous => report.ambiguous += 1,
        }
        shared.lock().ledger.requests.insert(order, answer);
    }
    if workload.work {
        report.completed = work(shared, &clients, &started, workload.drain, patience).await;
    }
    report
}

fn within<T>(message: T, patience: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(patience);
    request
}

/// Deploys the process `order`: one task for the workers.
async fn deploy(mut client: Client, patience: Duration) -> Result<(), Status> {
    let content = include_bytes!("order.bpmn").to_vec();
    let resources = vec![Resource { name: "order.bpmn".into(), content }];
    client.deploy_resource(within(DeployResourceRequest { resources }, patience)).await.map(drop)
}

async fn create(mut client: Client, order: &str, patience: Duration) -> Answer {
    let request = CreateProcessInstanceRequest {
        process_definition_key: 0,
        bpmn_process_id: "order".into(),
        version: -1,
        variables: json!({"businessKey": order}).to_string(),
    };
    match client.create_process_instance(within(request, patience)).await {
        Ok(answer) => Answer::Acknowledged(answer.into_inner().process_instance_key),
        Err(status) => refused_or_in_doubt(&status),
    }
}

/// Only what the gateway itself said no to was surely not done. A connection that broke may have carried the request.
fn refused_or_in_doubt(status: &Status) -> Answer {
    match status.code() {
        Code::ResourceExhausted | Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => Answer::Refused,
        _ => Answer::Ambiguous,
    }
}

/// How long workers may keep a job that they did not complete, in milliseconds.
const HELD: i64 = 5000;
/// Without a job for so long none is left: what a worker that went away held has come again.
const IDLE: Duration = Duration::from_millis(7000);
/// The same once all that was acknowledged is completed: only what nobody knows to have been started could be held.
const SETTLED: Duration = Duration::from_millis(1000);

/// Workers complete what any gateway hands them, until the started instances are done (and, if asked for, no job is left) or time
/// is over.
async fn work(shared: &Shared, clients: &[Client], started: &[i64], drain: bool, patience: Duration) -> usize {
    let deadline = tokio::time::Instant::now() + patience.max(Duration::from_secs(5)) * 4;
    let mut busy = tokio::time::Instant::now();
    loop {
        let (done, open) = {
            let ledger = &shared.lock().ledger;
            (started.iter().filter(|key| ledger.completed.contains(key)).count(), ledger.open())
        };
        let enough = if open == 0 { SETTLED } else { IDLE };
        let over = done == started.len() && (!drain || busy.elapsed() >= enough);
        if over || tokio::time::Instant::now() >= deadline {
            return done;
        }
        let mut jobs: BTreeMap<i64, (i64, Client)> = BTreeMap::new();
        for client in clients {
            let request = ActivateJobsRequest {
                r#type: "order".into(),
                worker: "outside".into(),
                timeout: HELD,
                max_jobs_to_activate: 50,
                // answered at once: a gateway that was not told of a job holds the request for 10 s
                request_timeout: -1,
            };
            let Ok(answer) = client.clone().activate_jobs(within(request, patience)).await else { continue };
            let mut stream = answer.into_inner();
            while let Ok(Some(batch)) = stream.message().await {
                jobs.extend(batch.jobs.into_iter().map(|job| (job.key, (job.process_instance_key, client.clone()))));
            }
        }
        if jobs.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        } else {
            busy = tokio::time::Instant::now();
        }
        let completing = jobs.into_iter().map(|(job, (instance, mut client))| async move {
            // the side effect comes before the completion: it may happen twice, never not at all
            *shared.lock().ledger.side_effects.entry(instance).or_default() += 1;
            let request = CompleteJobRequest { job_key: job, variables: String::new() };
            if client.complete_job(within(request, patience)).await.is_ok() {
                shared.lock().ledger.completed.insert(instance);
            }
        });
        futures::stream::iter(completing).buffer_unordered(20).collect::<Vec<()>>().await;
    }
}
