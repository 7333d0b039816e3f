//! Exporters, and pausing them (`dual-region.md 2.4`, `4.5`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::message;
use super::{ClusterConfiguration, Error, MANAGEMENT, PlannedChange, Zeebe};
use crate::kubernetes::{Answer, Call};

/// State of an exporter in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExporterState {
    /// Being enabled.
    Enabling,
    /// Enabled everywhere.
    Enabled,
    /// Being disabled.
    Disabling,
    /// Disabled everywhere: it does not hold back the log.
    Disabled,
    /// Brokers don't have it in their configuration files any more.
    ConfigNotFound,
    /// Unknown, not the same everywhere, or newer than this provider.
    #[serde(other)]
    Unknown,
}

/// An exporter with its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExporterStatus {
    /// `elasticsearchregion1`
    pub exporter_id: String,
    /// Its state.
    pub status: ExporterState,
}

impl Zeebe {
    /// `GET :9600/actuator/exporters`; where that is missing, the same out of `/actuator/cluster` (real-components.md 4).
    pub async fn exporters(&self) -> Result<Vec<ExporterStatus>, Error> {
        match self.ask(MANAGEMENT, &Call::get("/actuator/exporters")).await {
            Err(Error::NotFound(_)) => Ok(configured(&self.cluster().await?)),
            result => result,
        }
    }

    /// Disables an exporter on all members and partitions. Only when no dead broker is a member: the change would never end.
    pub async fn disable_exporter(&self, id: &str) -> Result<PlannedChange, Error> {
        self.ask(MANAGEMENT, &Call::post(format!("/actuator/exporters/{id}/disable"))).await
    }

    /// Enables an exporter, from the position and with the counters of another one, which must not be disabled.
    pub async fn enable_exporter(&self, id: &str, initialize_from: &str) -> Result<PlannedChange, Error> {
        let call =
            Call::post(format!("/actuator/exporters/{id}/enable")).json(json!({ "initializeFrom": initialize_from }));
        self.ask(MANAGEMENT, &call).await
    }

    /// Pauses exporting on all replicas of the cluster. Proven only by `exporterPhase` and standing positions.
    pub async fn pause_exporting(&self) -> Result<(), Error> {
        self.exporting("pause").await
    }

    /// Resumes exporting on all replicas of the cluster.
    pub async fn resume_exporting(&self) -> Result<(), Error> {
        self.exporting("resume").await
    }

    /// Pauses exporting on the replicas of one broker (`POST <broker>:9600/actuator/partitions/pauseExporting`).
    pub async fn pause_exporting_of(&self, pod: &str) -> Result<(), Error> {
        self.exporting_of(pod, "pauseExporting").await
    }

    /// Resumes exporting on the replicas of one broker, where not all replicas of the cluster are there to be told at once
    /// (`POST <broker>:9600/actuator/partitions/resumeExporting`).
    pub async fn resume_exporting_of(&self, pod: &str) -> Result<(), Error> {
        self.exporting_of(pod, "resumeExporting").await
    }

    async fn exporting_of(&self, pod: &str, what: &str) -> Result<(), Error> {
        let call = Call::post(format!("/actuator/partitions/{what}"));
        let answer = self.kubernetes.call_pod(&self.namespace, pod, MANAGEMENT, &call).await?;
        if answer.is_success() { Ok(()) } else { Err(Error::refused(&answer)) }
    }

    async fn exporting(&self, what: &str) -> Result<(), Error> {
        let call = Call::post(format!("/actuator/exporting/{what}"));
        let answer = self.kubernetes.call_service(&self.namespace, &self.gateway(), MANAGEMENT, &call).await?;
        verdict(&answer)
    }
}

/// HTTP is 200 in most versions, whatever happened; the truth is `body.status` (camunda-docs#8435).
fn verdict(answer: &Answer) -> Result<(), Error> {
    match answer.status {
        204 => return Ok(()),
        200 => {}
        500 => return Err(Error::Incomplete(message(answer))),
        _ => return Err(Error::refused(answer)),
    }
    if answer.body.is_empty() {
        return Ok(());
    }
    let json: Value = answer.json().map_err(|error| Error::unreadable("/actuator/exporting", &error, answer))?;
    match json["status"].as_u64() {
        Some(200..=299) => Ok(()),
        Some(status) => {
            let text = json["body"]["message"].as_str().or_else(|| json["body"].as_str());
            let text = text.map_or_else(|| answer.text(), str::to_owned);
            if status == 500 {
                Err(Error::Incomplete(text))
            } else {
                Err(Error::Failed { status: u16::try_from(status).unwrap_or(0), message: text })
            }
        }
        // Neither a success nor a failure that we know: positions must tell.
        None => Err(Error::Failed { status: answer.status, message: answer.text() }),
    }
}

fn configured(cluster: &ClusterConfiguration) -> Vec<ExporterStatus> {
    let mut states: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for partition in cluster.brokers.iter().flat_map(|broker| &broker.partitions) {
        for (id, state) in partition.exporters() {
            states.entry(id).or_default().push(state);
        }
    }
    let pending = cluster.pending_change.iter().flat_map(|change| &change.pending);
    let pending: Vec<_> = pending
        .filter_map(|operation| Some((operation.exporter_id.as_deref()?, operation.operation.as_str())))
        .collect();
    let status = |id: &str, states: &[&str]| {
        let all = |state: &str| states.iter().all(|other| *other == state);
        let running = |operation: &str| pending.contains(&(id, operation));
        if running("PARTITION_DISABLE_EXPORTER") {
            ExporterState::Disabling
        } else if running("PARTITION_ENABLE_EXPORTER") {
            ExporterState::Enabling
        } else if all("ENABLED") {
            ExporterState::Enabled
        } else if all("DISABLED") {
            ExporterState::Disabled
        } else if all("CONFIG_NOT_FOUND") {
            ExporterState::ConfigNotFound
        } else {
            ExporterState::Unknown
        }
    };
    states
        .iter()
        .map(|(id, states)| ExporterStatus { exporter_id: (*id).to_owned(), status: status(id, states) })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(204, "", Ok(()))]
    #[case(200, r#"{"body":null,"status":204,"contentType":null}"#, Ok(()))]
    #[case(200, r#"{"body":{"message":"Expected 3 members of partition 1 but found 2, …"},"status":500,"contentType":null}"#, Err(Error::Incomplete("Expected 3 members of partition 1 but found 2, …".into())))]
    #[case(500, r#"{"message":"m"}"#, Err(Error::Incomplete("m".into())))]
    #[case(200, r#"{"odd":1}"#, Err(Error::Failed { status: 200, message: r#"{"odd":1}"#.into() }))]
    fn http_200_is_not_success(#[case] status: u16, #[case] body: &'static str, #[case] expected: Result<(), Error>) {
        assert_eq!(verdict(&Answer { status, body: Bytes::from(body) }), expected);
    }

    #[rstest]
    #[case(&["ENABLED", "ENABLED"], None, ExporterState::Enabled)]
    #[case(&["DISABLED", "DISABLED"], None, ExporterState::Disabled)]
    #[case(&["DISABLED", "ENABLED"], None, ExporterState::Unknown)]
    #[case(&["DISABLED", "ENABLED"], Some("PARTITION_DISABLE_EXPORTER"), ExporterState::Disabling)]
    #[case(&["DISABLED", "DISABLED"], Some("PARTITION_ENABLE_EXPORTER"), ExporterState::Enabling)]
    fn states_from_the_configuration(
        #[case] states: &[&str],
        #[case] pending: Option<&str>,
        #[case] expected: ExporterState,
    ) {
        let partitions: Vec<Value> = states
            .iter()
            .map(|state| json!({ "id": 1, "config": { "exporting": { "exporters": [{ "id": "e1", "state": state }] } } }))
            .collect();
        let mut cluster = json!({ "brokers": [{ "id": 0, "partitions": partitions }] });
        if let Some(operation) = pending {
            cluster["pendingChange"] = json!({ "id": 1, "status": "IN_PROGRESS", "pending": [{ "operation": operation, "exporterId": "e1" }] });
        }
        let cluster: ClusterConfiguration = serde_json::from_value(cluster).unwrap();
        assert_eq!(configured(&cluster), [ExporterStatus { exporter_id: "e1".into(), status: expected }]);
    }

    #[test]
    fn the_body_of_the_facts() {
        let body =
            r#"[{"exporterId":"camundaregion0","status":"ENABLED"},{"exporterId":"camundaregion1","status":"NEW"}]"#;
        let exporters: Vec<ExporterStatus> = serde_json::from_str(body).unwrap();
        assert_eq!((exporters[0].status, exporters[1].status), (ExporterState::Enabled, ExporterState::Unknown));
    }
}
