//! `/actuator/cluster`: the configuration and its changes (`dual-region.md 2.3`, `4.2`, `4.5`).

use serde::{Deserialize, Deserializer, Serialize};

use super::{Error, MANAGEMENT, Zeebe};
use crate::Wait;
use crate::kubernetes::Call;

/// The dynamic configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterConfiguration {
    /// Grows with each change.
    #[serde(default)]
    pub version: i64,
    /// Members, not sorted.
    #[serde(default)]
    pub brokers: Vec<Member>,
    /// Absent before the first change.
    #[serde(default)]
    pub last_change: Option<FinishedChange>,
    /// Absent when nothing runs.
    #[serde(default)]
    pub pending_change: Option<PendingChange>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Broker ID.
    #[serde(deserialize_with = "id")]
    pub id: u32,
    /// State.
    #[serde(default)]
    pub state: ReplicaState,
    /// The replicas that it is meant to have.
    #[serde(default)]
    pub partitions: Vec<MemberPartition>,
}

/// A replica that a member is meant to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberPartition {
    /// Partition ID.
    pub id: u32,
    /// State.
    #[serde(default)]
    pub state: ReplicaState,
    /// The highest is the preferred leader.
    #[serde(default)]
    pub priority: i32,
    #[serde(default)]
    config: PartitionConfig,
}

impl MemberPartition {
    /// The exporters with their states (`ENABLED`, `DISABLED`, …).
    pub fn exporters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.config.exporting.exporters.iter().map(|exporter| (exporter.id.as_str(), exporter.state.as_str()))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PartitionConfig {
    #[serde(default)]
    exporting: Exporting,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Exporting {
    #[serde(default)]
    exporters: Vec<ConfiguredExporter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ConfiguredExporter {
    id: String,
    state: String,
}

/// State of a member or of its replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReplicaState {
    /// In use.
    Active,
    /// On its way in.
    Joining,
    /// On its way out.
    Leaving,
    /// Out.
    Left,
    /// Being recovered.
    Recovering,
    /// Unknown, or newer than this provider.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How a change ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeStatus {
    /// Running.
    InProgress,
    /// Done.
    Completed,
    /// Not done.
    Failed,
    /// Cancelled; what was applied stays applied.
    Cancelled,
    /// Newer than this provider.
    #[serde(other)]
    Unknown,
}

/// The last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FinishedChange {
    /// Its ID.
    #[serde(deserialize_with = "number")]
    pub id: i64,
    /// How it ended.
    pub status: ChangeStatus,
    /// RFC 3339.
    #[serde(default)]
    pub started_at: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub completed_at: Option<String>,
}

/// The change that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingChange {
    /// Its ID.
    #[serde(deserialize_with = "number")]
    pub id: i64,
    /// Usually in progress.
    pub status: ChangeStatus,
    /// What is still to be done.
    #[serde(default)]
    pub pending: Vec<Operation>,
    /// What is done.
    #[serde(default)]
    pub completed: Vec<Operation>,
}

/// A part of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// `PARTITION_JOIN`, `BROKER_REMOVE`, …; some appear as `UNKNOWN` (real-components.md 4).
    pub operation: String,
    /// The broker that carries it out.
    #[serde(default, deserialize_with = "maybe_id")]
    pub broker_id: Option<u32>,
    /// The partition.
    #[serde(default)]
    pub partition_id: Option<u32>,
    /// The exporter.
    #[serde(default)]
    pub exporter_id: Option<String>,
    /// The brokers that it is about.
    #[serde(default, deserialize_with = "ids")]
    pub brokers: Vec<u32>,
}

/// The answer to a change that was accepted, or tried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedChange {
    /// The ID to look for in [`ClusterConfiguration::last_change`].
    #[serde(deserialize_with = "number")]
    pub change_id: i64,
    /// What will be done.
    #[serde(default)]
    pub planned_changes: Vec<Operation>,
    /// What comes of it.
    #[serde(default)]
    pub expected_topology: Vec<Member>,
}

impl ClusterConfiguration {
    /// The IDs of the members, sorted.
    pub fn member_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.brokers.iter().map(|broker| broker.id).collect();
        ids.sort_unstable();
        ids
    }

    /// The members that have a replica of a partition, sorted.
    pub fn replicas(&self, partition: u32) -> Vec<u32> {
        let has = |member: &&Member| member.partitions.iter().any(|other| other.id == partition);
        let mut ids: Vec<u32> = self.brokers.iter().filter(has).map(|member| member.id).collect();
        ids.sort_unstable();
        ids
    }
}

impl Zeebe {
    /// `GET :9600/actuator/cluster`
    pub async fn cluster(&self) -> Result<ClusterConfiguration, Error> {
        self.ask(MANAGEMENT, &Call::get("/actuator/cluster")).await
    }

    /// Forced removal of all brokers but these (`POST …/brokers?force=true`). It does **not** check that the others are dead,
    /// nor where they are: the wrong list amputates the living half. With `dry_run` it tells what it would do.
    pub async fn force_keep(&self, keep: &[u32], dry_run: bool) -> Result<PlannedChange, Error> {
        let dry = if dry_run { "&dryRun=true" } else { "" };
        let call = Call::post(format!("/actuator/cluster/brokers?force=true{dry}")).json(strings(keep));
        self.ask(MANAGEMENT, &call).await
    }

    /// Makes these (all of them, not only the new ones) the brokers, with so many replicas of each partition.
    pub async fn add(&self, all: &[u32], replication_factor: u32, dry_run: bool) -> Result<PlannedChange, Error> {
        let dry = if dry_run { "&dryRun=true" } else { "" };
        let call = Call::post(format!("/actuator/cluster/brokers?replicationFactor={replication_factor}{dry}"))
            .json(strings(all));
        self.ask(MANAGEMENT, &call).await
    }

    /// Moves leaders to the replicas with the highest priority.
    pub async fn rebalance(&self) -> Result<(), Error> {
        self.tell(MANAGEMENT, &Call::post("/actuator/rebalance")).await
    }

    /// Polls until a change has ended: COMPLETED is the configuration, anything else [`Error::Failed`]. While the coordinator
    /// or the gateway is silent it goes on, since a forced removal begins with a dead coordinator.
    pub async fn change_finished(&self, change_id: i64, wait: &Wait) -> Result<ClusterConfiguration, Finish> {
        let look = || async {
            let cluster = match self.cluster().await {
                Ok(cluster) => cluster,
                Err(error) if error.is_silence() || matches!(error, Error::CoordinatorGone(_)) => return Ok(None),
                Err(error) => return Err(Finish::Zeebe(error)),
            };
            ended(&cluster, change_id).map(|ended| ended.then_some(cluster)).map_err(Finish::Zeebe)
        };
        wait.until(look).await
    }
}

/// Why [`Zeebe::change_finished`] ended without the change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finish {
    /// The change failed, or Zeebe did.
    #[error(transparent)]
    Zeebe(Error),
    /// The wait ended.
    #[error("waiting for a change of the cluster: {0}")]
    Interrupted(#[from] crate::Interrupted),
}

fn ended(cluster: &ClusterConfiguration, change_id: i64) -> Result<bool, Error> {
    if cluster.pending_change.is_some() {
        return Ok(false);
    }
    match &cluster.last_change {
        Some(change) if change.id == change_id => match change.status {
            ChangeStatus::Completed => Ok(true),
            ChangeStatus::InProgress | ChangeStatus::Unknown => Ok(false),
            status @ (ChangeStatus::Failed | ChangeStatus::Cancelled) => {
                Err(Error::Failed { status: 200, message: format!("change {change_id} ended as {status:?}") })
            }
        },
        // A later one has ended: ours has too, and how is for the caller to see.
        Some(change) if change.id > change_id => Ok(true),
        _ => Ok(false),
    }
}

/// IDs go as strings, which both generations of the endpoint take (`dual-region.md 4.2`).
fn strings(ids: &[u32]) -> serde_json::Value {
    ids.iter().map(ToString::to_string).collect()
}

/// IDs come as numbers or strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

impl Id {
    fn number<E: serde::de::Error>(self) -> Result<i64, E> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Text(text) => text.parse().map_err(|_| E::custom(format!("`{text}` is no ID"))),
        }
    }

    fn broker<E: serde::de::Error>(self) -> Result<u32, E> {
        u32::try_from(self.number()?).map_err(|_| E::custom("a broker ID is negative or too large"))
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Id::deserialize(deserializer)?.number()
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Id::deserialize(deserializer)?.broker()
}

fn maybe_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Option::<Id>::deserialize(deserializer)?.map(Id::broker).transpose()
}

fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    Option::<Vec<Id>>::deserialize(deserializer)?.unwrap_or_default().into_iter().map(Id::broker).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CLUSTER: &str = r#"{"version":12,
        "brokers":[{"id":1,"state":"ACTIVE","version":3,"lastUpdatedAt":"0000-01-01T00:00:00Z","partitions":[]},
          {"id":"0","state":"SOMETHING","version":3,"lastUpdatedAt":"2025-01-01T00:00:00Z",
          "partitions":[{"id":1,"state":"ACTIVE","priority":4,
            "config":{"exporting":{"exporters":[{"id":"camundaregion0","state":"ENABLED"},{"id":"camundaregion1","state":"DISABLED"}]}}}]}],
        "lastChange":{"id":7,"status":"COMPLETED","startedAt":"2025","completedAt":"2025"},
        "pendingChange":{"id":8,"status":"IN_PROGRESS","pending":[{"operation":"PARTITION_JOIN","brokerId":1,"partitionId":1,"priority":1}],
                         "completed":[{"operation":"BROKER_ADD","brokerId":1,"completedAt":"2025","brokers":[]}]},
        "routing":{},"clusterId":"c","partitionDistribution":{"type":"ROUND_ROBIN"}}"#;

    #[test]
    fn the_body_of_the_facts() {
        let mut cluster: ClusterConfiguration = serde_json::from_str(CLUSTER).unwrap();
        assert_eq!(cluster.member_ids(), [0, 1]);
        assert_eq!(cluster.replicas(1), [0]);
        assert_eq!(cluster.brokers[1].state, ReplicaState::Unknown);
        let exporters: Vec<_> = cluster.brokers[1].partitions[0].exporters().collect();
        assert_eq!(exporters, [("camundaregion0", "ENABLED"), ("camundaregion1", "DISABLED")]);
        assert_eq!(ended(&cluster, 7), Ok(false), "something runs");
        cluster.pending_change = None;
        assert_eq!(ended(&cluster, 7), Ok(true));
        assert_eq!(ended(&cluster, 8), Ok(false), "not begun");
    }

    #[test]
    fn before_the_first_change_there_is_none() {
        let cluster: ClusterConfiguration = serde_json::from_str(r#"{"version":1,"brokers":[]}"#).unwrap();
        assert_eq!((cluster.last_change, cluster.pending_change), (None, None));
    }

    #[test]
    fn the_answer_to_a_forced_removal() {
        let planned: PlannedChange = serde_json::from_str(
            r#"{"changeId":6,"currentTopology":[],"plannedChanges":[{"operation":"PARTITION_FORCE_RECONFIGURE","brokerId":2,"partitionId":1,"brokers":[2,0]},
            {"operation":"BROKER_REMOVE","brokerId":"0","brokers":["1"]}],"expectedTopology":[{"id":0},{"id":"2"}]}"#,
        )
        .unwrap();
        assert_eq!(planned.change_id, 6);
        assert_eq!(planned.planned_changes[0].brokers, [2, 0]);
        assert_eq!(
            (planned.planned_changes[1].broker_id, planned.planned_changes[1].brokers.as_slice()),
            (Some(0), [1].as_slice())
        );
        assert_eq!(strings(&[0, 2]), serde_json::json!(["0", "2"]));
    }

    #[test]
    fn a_change_that_failed_is_an_error() {
        let cluster: ClusterConfiguration =
            serde_json::from_str(r#"{"version":1,"brokers":[],"lastChange":{"id":"7","status":"FAILED"}}"#).unwrap();
        assert!(ended(&cluster, 7).is_err());
    }
}
