//! Zeebe of one region: its gateway's management and REST API, its brokers, and one command.
//!
//! The call shapes are those of Camunda 8.6 and 8.7 (`dual-region.md 4.2`, `4.5`), and of 8.2 to 8.5 as far as those have them. Everything goes over a port-forward of
//! its own to a pod behind the Service: a ready one, else one that merely runs, each in turn.
//!
//! Two views must not be mixed up. [`Zeebe::topology`] is the gateway's gossip: it works without quorum and without the
//! coordinator, but dead brokers linger in it. [`Zeebe::cluster`] is the configuration, and is answered by the member with the
//! lowest ID alone, dead or not: [`Error::CoordinatorGone`] (`dual-region.md 2.2`, `2.3`).

mod cluster;
mod command;
mod error;
mod exporting;
mod partitions;
mod raft;
mod topology;

use serde::de::DeserializeOwned;

pub use cluster::{
    ChangeStatus, ClusterConfiguration, Finish, FinishedChange, Member, MemberPartition, Operation, PendingChange,
    PlannedChange, ReplicaState,
};
pub use command::{ProbeAnswer, probe_key};
pub use error::Error;
pub use exporting::{ExporterState, ExporterStatus};
pub use partitions::{BrokerPod, Health, PartitionStatus};
pub use raft::RaftLog;
pub use topology::{Broker, Partition, Role, Topology};

use crate::kubernetes::{Call, Kubernetes};

/// Management API of gateway and brokers.
const MANAGEMENT: u16 = 9600;
/// REST API of the gateway.
const REST: u16 = 8080;
/// gRPC API of the gateway.
const GRPC: u16 = 26500;

/// Zeebe of one region. Cheap to clone, contacts nothing by itself.
#[derive(Clone, Debug)]
pub struct Zeebe {
    kubernetes: Kubernetes,
    namespace: String,
    release: String,
}

impl Zeebe {
    /// The release `release` in `namespace`.
    pub fn new(kubernetes: Kubernetes, namespace: impl Into<String>, release: impl Into<String>) -> Self {
        Self { kubernetes, namespace: namespace.into(), release: release.into() }
    }

    fn gateway(&self) -> String {
        format!("{}-zeebe-gateway", self.release)
    }

    async fn ask<T: DeserializeOwned>(&self, port: u16, call: &Call) -> Result<T, Error> {
        let answer = self.kubernetes.call_service(&self.namespace, &self.gateway(), port, call).await?;
        if !answer.is_success() {
            return Err(Error::refused(&answer));
        }
        answer.json().map_err(|error| Error::unreadable(&call.path, &error, &answer))
    }

    /// A command whose answer says nothing.
    async fn tell(&self, port: u16, call: &Call) -> Result<(), Error> {
        let answer = self.kubernetes.call_service(&self.namespace, &self.gateway(), port, call).await?;
        if answer.is_success() { Ok(()) } else { Err(Error::refused(&answer)) }
    }
}

#[cfg(test)]
mod tests;
