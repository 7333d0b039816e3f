//! `GET /v2/topology` (`dual-region.md 2.2`): who is seen, who leads.

use serde::{Deserialize, Serialize};

use super::command::wire::gateway_client::GatewayClient;
use super::command::{PATIENCE, wire};
use super::{Error, REST, Zeebe};
use crate::kubernetes::Call;

/// The gateway's view. A *missing* broker proves a loss, a listed one does not prove life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Brokers that are seen; not sorted.
    #[serde(default)]
    pub brokers: Vec<Broker>,
    /// Brokers in the configuration.
    pub cluster_size: u32,
    /// Partitions.
    pub partitions_count: u32,
    /// Replicas of each partition: halves with a forced removal.
    pub replication_factor: u32,
    /// Version of the gateway.
    #[serde(default)]
    pub gateway_version: String,
}

/// A broker that is seen. One that runs but is no member has no partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Broker {
    /// Broker ID.
    pub node_id: u32,
    /// Its advertised host; names pod and namespace.
    #[serde(default)]
    pub host: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Its replicas.
    #[serde(default)]
    pub partitions: Vec<Partition>,
}

/// A replica as a gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partition {
    /// Partition ID, from 1.
    pub partition_id: u32,
    /// Role.
    pub role: Role,
    /// `healthy`, `unhealthy`, `dead`.
    #[serde(default)]
    pub health: String,
}

/// Role of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Leads its partition. A killed leader is still listed as one for seconds.
    Leader,
    /// Follows.
    Follower,
    /// Neither.
    Inactive,
    /// Something newer.
    #[serde(other)]
    Unknown,
}

impl Topology {
    /// The IDs of the brokers that are seen, sorted.
    pub fn broker_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.brokers.iter().map(|broker| broker.node_id).collect();
        ids.sort_unstable();
        ids
    }

    /// The brokers that say that they lead a partition.
    pub fn leaders(&self, partition: u32) -> Vec<u32> {
        let leads = |broker: &&Broker| {
            broker.partitions.iter().any(|other| other.partition_id == partition && other.role == Role::Leader)
        };
        self.brokers.iter().filter(leads).map(|broker| broker.node_id).collect()
    }
}

impl From<wire::TopologyResponse> for Topology {
    fn from(found: wire::TopologyResponse) -> Self {
        let number = |number: i32| u32::try_from(number).unwrap_or_default();
        let partition = |partition: wire::Partition| Partition {
            partition_id: number(partition.partition_id),
            role: match partition.role() {
                wire::partition::PartitionBrokerRole::Leader => Role::Leader,
                wire::partition::PartitionBrokerRole::Follower => Role::Follower,
                wire::partition::PartitionBrokerRole::Inactive => Role::Inactive,
            },
            health: partition.health().as_str_name().to_lowercase(),
        };
        let broker = |broker: wire::BrokerInfo| Broker {
            node_id: number(broker.node_id),
            host: broker.host,
            version: broker.version,
            partitions: broker.partitions.into_iter().map(partition).collect(),
        };
        Self {
            cluster_size: number(found.cluster_size),
            partitions_count: number(found.partitions_count),
            replication_factor: number(found.replication_factor),
            gateway_version: found.gateway_version,
            brokers: found.brokers.into_iter().map(broker).collect(),
        }
    }
}

impl Zeebe {
    /// `GET :8080/v2/topology`; by gRPC from a gateway that has no REST API, as before 8.5.
    pub async fn topology(&self) -> Result<Topology, Error> {
        match self.ask(REST, &Call::get("/v2/topology")).await {
            Err(error) if error.is_silence() || matches!(error, Error::NotFound(_)) => {
                self.topology_by_grpc().await.map_err(|_| error)
            }
            result => result,
        }
    }

    async fn topology_by_grpc(&self) -> Result<Topology, Error> {
        let pods = self.kubernetes.pods_behind(&self.namespace, &self.gateway()).await.map_err(Error::Kubernetes)?;
        let mut why = "no gateway runs".to_owned();
        for pod in pods {
            match self.channel(&pod).await {
                Ok(channel) => {
                    let mut client = GatewayClient::new(channel);
                    let mut request = tonic::Request::new(wire::TopologyRequest {});
                    request.set_timeout(PATIENCE);
                    match tokio::time::timeout(PATIENCE, client.topology(request)).await {
                        Ok(Ok(answer)) => return Ok(answer.into_inner().into()),
                        Ok(Err(status)) => why = format!("{pod}: {}", status.message()),
                        Err(_) => why = format!("{pod}: no answer"),
                    }
                }
                Err(error) => why = format!("{pod}: {error}"),
            }
        }
        Err(Error::Unreachable(why))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_body_of_the_facts() {
        let topology: Topology = serde_json::from_str(
            r#"{"brokers":[{"nodeId":6,"host":"camunda-zeebe-3.camunda-zeebe.ns0.svc","port":26501,"version":"8.8.x",
             "partitions":[{"partitionId":4,"role":"follower","health":"healthy"},{"partitionId":5,"role":"leader","health":"healthy"},
             {"partitionId":6,"role":"whatever","health":"dead","state":"active"}]},{"nodeId":2,"partitions":[]}],
             "clusterSize":8,"partitionsCount":8,"replicationFactor":4,"gatewayVersion":"8.8.x","lastCompletedChangeId":"-1","clusterId":"c"}"#,
        )
        .unwrap();
        assert_eq!(topology.broker_ids(), [2, 6]);
        assert_eq!(topology.leaders(5), [6]);
        assert!(topology.leaders(4).is_empty());
        assert_eq!(topology.brokers[0].partitions[2].role, Role::Unknown);
    }
}
