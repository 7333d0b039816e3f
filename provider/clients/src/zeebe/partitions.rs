//! Each broker's own word on its replicas: `GET <broker>:9600/actuator/partitions` (`dual-region.md 2.4`).

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, MANAGEMENT, Zeebe};
use crate::kubernetes::{Call, POD};

/// A replica, as its broker sees it. Followers have null for most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartitionStatus {
    /// `LEADER`, `FOLLOWER`, ….
    pub role: Option<String>,
    /// The last position that was processed.
    pub processed_position: Option<i64>,
    /// The last position that all exporters have; null on followers of some versions.
    pub exported_position: Option<i64>,
    /// `EXPORTING`, `PAUSED`, `SOFT_PAUSED`, `CLOSED`; may be null.
    pub exporter_phase: Option<String>,
    /// `PROCESSING`, `REPLAY`, ….
    pub stream_processor_phase: Option<String>,
    /// The last snapshot.
    pub snapshot_id: Option<String>,
    /// Health.
    pub health: Option<Health>,
}

/// Health of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// `HEALTHY`, `UNHEALTHY`, `DEAD`.
    pub status: String,
}

impl PartitionStatus {
    /// Whether it says that it leads.
    pub fn is_leader(&self) -> bool {
        self.role.as_deref() == Some("LEADER")
    }

    /// Null counts as paused, as in Zeebe's own test (`dual-region.md 2.4`).
    pub fn is_paused(&self) -> bool {
        matches!(self.exporter_phase.as_deref(), None | Some("PAUSED"))
    }
}

/// A broker's pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerPod {
    /// Name.
    pub name: String,
    /// The number at its end.
    pub ordinal: u32,
    /// UID of the pod.
    pub uid: String,
    /// `Running`, `Pending`, ….
    pub phase: String,
    /// Ready.
    pub ready: bool,
    /// Whether the broker's container runs, that is: it is past its gate.
    pub started: bool,
    /// Image of the broker's container.
    pub image: String,
    /// Its address.
    pub ip: Option<String>,
    /// The UID of nothing else tells a new disk from an old one; the claim's name is `data-<pod>`.
    pub claim: String,
}

impl Zeebe {
    /// The brokers' pods, by ordinal.
    pub async fn broker_pods(&self) -> Result<Vec<BrokerPod>, Error> {
        let labels = format!("app.kubernetes.io/instance={},app.kubernetes.io/component=zeebe-broker", self.release);
        let pods = self.kubernetes.list(&POD, &self.namespace, &labels).await.map_err(Error::Kubernetes)?;
        let mut pods: Vec<BrokerPod> = pods.iter().filter_map(broker_pod).collect();
        pods.sort_by_key(|pod| pod.ordinal);
        Ok(pods)
    }

    /// The replicas of one broker, by partition.
    pub async fn partitions(&self, pod: &str) -> Result<BTreeMap<u32, PartitionStatus>, Error> {
        let call = Call::get("/actuator/partitions");
        let answer = self.kubernetes.call_pod(&self.namespace, pod, MANAGEMENT, &call).await?;
        if !answer.is_success() {
            return Err(Error::refused(&answer));
        }
        answer.json().map_err(|error| Error::unreadable(&call.path, &error, &answer))
    }

    /// The replicas of all brokers that have started, asked at the same time, by ordinal.
    pub async fn all_partitions(&self) -> Result<BTreeMap<u32, Result<BTreeMap<u32, PartitionStatus>, Error>>, Error> {
        let pods = self.broker_pods().await?;
        let asked =
            pods.iter().filter(|pod| pod.started).map(|pod| async { (pod.ordinal, self.partitions(&pod.name).await) });
        Ok(join_all(asked).await.into_iter().collect())
    }
}

fn broker_pod(pod: &Value) -> Option<BrokerPod> {
    let field = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |pointer: &str| pod.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let name = field("/metadata/name");
    let ordinal = name.rsplit('-').next()?.parse().ok()?;
    let status = list("/status/containerStatuses").find(|status| status["name"] == "zeebe");
    let container = list("/spec/containers").find(|container| container["name"] == "zeebe");
    Some(BrokerPod {
        ordinal,
        uid: field("/metadata/uid"),
        phase: field("/status/phase"),
        ready: list("/status/conditions")
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
        started: status.is_some_and(|status| status.pointer("/state/running").is_some()),
        image: container.and_then(|container| container["image"].as_str()).unwrap_or_default().to_owned(),
        ip: Some(field("/status/podIP")).filter(|ip| !ip.is_empty()),
        claim: format!("data-{name}"),
        name,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_body_of_real_brokers() {
        let body = r#"{"1":{"role":"LEADER","snapshotId":null,"processedPosition":126,"processedPositionInSnapshot":null,
            "streamProcessorPhase":"PROCESSING","exporterPhase":"PAUSED","exportedPosition":129,"health":{"status":"HEALTHY"}},
            "2":{"role":"FOLLOWER","processedPosition":null,"exporterPhase":null}}"#;
        let partitions: BTreeMap<u32, PartitionStatus> = serde_json::from_str(body).unwrap();
        assert!(partitions[&1].is_leader() && partitions[&1].is_paused());
        assert_eq!(partitions[&1].exported_position, Some(129));
        assert!(!partitions[&2].is_leader() && partitions[&2].is_paused());
        let none: BTreeMap<u32, PartitionStatus> = serde_json::from_str("{}").unwrap();
        assert!(none.is_empty(), "a broker that is no member");
    }

    #[test]
    fn a_pod_in_its_gate_has_not_started() {
        let pod = json!({ "metadata": { "name": "camunda-zeebe-3", "uid": "u" },
            "spec": { "containers": [{ "name": "zeebe", "image": "camunda/zeebe:8.7.2" }] },
            "status": { "phase": "Pending", "podIP": "10.0.0.9", "initContainerStatuses": [{ "name": "gate", "state": { "running": {} } }],
                "containerStatuses": [{ "name": "zeebe", "state": { "waiting": { "reason": "PodInitializing" } } }] } });
        let pod = broker_pod(&pod).unwrap();
        assert_eq!((pod.ordinal, pod.started, pod.ready), (3, false, false));
        assert_eq!((pod.claim.as_str(), pod.image.as_str()), ("data-camunda-zeebe-3", "camunda/zeebe:8.7.2"));
    }
}
