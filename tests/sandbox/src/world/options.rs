//! How fast the world runs and where it listens.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::host::{Embedded, Host};

/// The settings of a world. The default is as fast as the simulation allows while every phase can still be seen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of everything random.
    pub seed: u64,
    /// The GCP project that exists.
    pub project: String,
    /// How long a GKE operation (create, delete) runs.
    pub cluster_create: Duration,
    /// From the start of a container until a broker, gateway, store or web app answers.
    pub process_start: Duration,
    /// From scheduling a pod until its containers run.
    pub pod_start: Duration,
    /// How long one operation of a cluster change takes.
    pub change_operation: Duration,
    /// How long a partition without a leader waits until it elects one.
    pub election: Duration,
    /// How long an exporter collects records before it flushes them.
    pub bulk_delay: Duration,
    /// How often a leader tells its followers the exporter positions.
    pub position_distribution: Duration,
    /// How long a snapshot or a restore runs.
    pub snapshot_time: Duration,
    /// Until a `LoadBalancer` Service has its address.
    pub load_balancer_time: Duration,
    /// The membership failure timeout of a process whose environment names none.
    pub failure_timeout: Duration,
    /// How many log entries a replica copies per tick while it catches up.
    pub replication_batch: usize,
    /// How often the world moves on.
    pub tick: Duration,
    /// Who runs the Kubernetes behind GKE's clusters.
    pub kubernetes: Host,
    /// Address on which the GCP endpoint listens, and by which it names itself. Clusters outside of this process must reach it.
    pub gcp_address: IpAddr,
    /// Port of the GCP endpoint; 0 = any free one.
    pub gcp_port: u16,
    /// Port of the control API; 0 = any free one.
    pub control_port: u16,
    /// Where brokers and gateways outside report to (see [`crate::outside`]); none = nobody can.
    pub outside: Option<std::net::SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            seed: 1,
            project: "sandbox".into(),
            cluster_create: ms(200),
            process_start: ms(150),
            pod_start: ms(40),
            change_operation: ms(30),
            election: ms(150),
            bulk_delay: ms(120),
            position_distribution: ms(200),
            snapshot_time: ms(150),
            load_balancer_time: ms(100),
            failure_timeout: ms(500),
            replication_batch: 500,
            tick: ms(20),
            kubernetes: Arc::new(Embedded),
            gcp_address: Ipv4Addr::LOCALHOST.into(),
            gcp_port: 0,
            control_port: 0,
            outside: None,
        }
    }
}
