//! What can be seen of a region in its cluster.

use c8_clients::kubernetes::{CONFIG_MAP, Call, Error, Kubernetes, POD};
use c8_clients::zeebe::{Topology, Zeebe};
use c8_release::{Record, mode, mode::Peer, names, record};
use c8_schemas::topology::Place;
use serde_json::Value;

use crate::provider::{C8, Reach};

/// The data of a ConfigMap, if there is one.
async fn data(kubernetes: &Kubernetes, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
    let found = kubernetes.find(&CONFIG_MAP.named(namespace, name)).await?;
    Ok(found.map(|mut map| map["data"].take()))
}

/// The DR record that lies in a region. One that can't be read counts as none, loudly.
pub async fn record(kubernetes: &Kubernetes, namespace: &str) -> Result<Option<Record>, Error> {
    let Some(data) = data(kubernetes, namespace, record::NAME).await? else { return Ok(None) };
    let Some(text) = data[record::KEY].as_str() else { return Ok(None) };
    match Record::parse(text) {
        Ok(record) => Ok(Some(record)),
        Err(error) => Err(Error::Config {
            message: format!("the record in ConfigMap {namespace}/{} can't be read: {error}", record::NAME),
        }),
    }
}

/// What `c8-mode` says: whether the gates are held, and whether the web apps are off. `None` if it does not exist yet.
pub async fn switched(kubernetes: &Kubernetes, namespace: &str) -> Result<Option<Switched>, Error> {
    let data = data(kubernetes, namespace, names::MODE).await?;
    Ok(data.map(|data| Switched { held: data["hold"] == "true", web_apps_off: data["webapps"] == "off" }))
}

/// What `c8-mode` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switched {
    /// The gates are held.
    pub held: bool,
    /// The web apps are off.
    pub web_apps_off: bool,
}

/// Whether the search store is green; else what it says.
pub async fn store_is_green(kubernetes: &Kubernetes, namespace: &str, release: &str) -> Result<(), String> {
    let pod = format!("{}-0", names::elasticsearch(release));
    let call = Call::get("/_cluster/health");
    let answer = kubernetes.call_pod(namespace, &pod, 9200, &call).await.map_err(|error| error.to_string())?;
    let health: Value = answer.json().unwrap_or_default();
    match health["status"].as_str() {
        Some("green") => Ok(()),
        Some(status) => Err(format!("its health is {status}")),
        None => Err(format!("it answers {}: {}", answer.status, answer.text())),
    }
}

/// A look at the peer before a region is born.
pub async fn peer(client: &C8, place: &Place, namespace: &str, release: &str) -> Peer {
    let reach = client.look(place).await;
    let alive = match &reach {
        Reach::Absent => return Peer::Absent,
        Reach::Silent(silent) => {
            let status = silent.cluster.as_ref().map(|cluster| cluster.status);
            return match status {
                Some(c8_clients::gcp::ClusterStatus::Provisioning) => Peer::Absent,
                _ => Peer::Silent(silent.why.clone()),
            };
        }
        Reach::Alive(alive) => alive,
    };
    let kubernetes = &alive.kubernetes;
    let look = async {
        let record = record(kubernetes, namespace).await?;
        let labels = names::pods_of(release, "zeebe-broker");
        let pods = kubernetes.list(&POD, namespace, &labels).await?;
        Ok::<_, Error>((record, pods.iter().any(mode::past_gate)))
    };
    match look.await {
        Ok((record, started)) => Peer::Seen { cluster_uid: alive.uid.clone(), record: record.map(Box::new), started },
        Err(error) => Peer::Silent(error.to_string()),
    }
}

/// What the peer's gateway says against a region that does not answer, if it says anything.
pub async fn missed_by(kubernetes: &Kubernetes, namespace: &str, release: &str, region_id: u8) -> Option<String> {
    let topology = Zeebe::new(kubernetes.clone(), namespace, release).topology().await.ok()?;
    missing_in(&topology, region_id)
}

/// Whether a topology lists brokers, but none of a region.
fn missing_in(topology: &Topology, region_id: u8) -> Option<String> {
    let ids = topology.broker_ids();
    let size = topology.cluster_size;
    let of_region = |id: &u32| *id % names::REGIONS == u32::from(region_id);
    if ids.is_empty() || ids.iter().any(of_region) {
        return None;
    }
    let missing: Vec<_> = names::broker_ids(size, region_id).iter().map(ToString::to_string).collect();
    Some(match missing.as_slice() {
        [] => "the other region's topology lists none of its brokers".to_owned(),
        missing => format!("the other region's topology misses brokers {}", missing.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::all(json!({"clusterSize": 4, "partitionsCount": 1, "replicationFactor": 4, "brokers": [{"nodeId": 0}, {"nodeId": 1}, {"nodeId": 2}]}), None)]
    #[case::gone(json!({"clusterSize": 4, "partitionsCount": 1, "replicationFactor": 4, "brokers": [{"nodeId": 0}, {"nodeId": 2}]}), Some("the other region's topology misses brokers 1, 3"))]
    // the survivor's own configuration has shrunk after the fail-over
    #[case::nothing_known(json!({"clusterSize": 0, "partitionsCount": 0, "replicationFactor": 0, "brokers": []}), None)]
    fn what_counts_as_missing(#[case] topology: serde_json::Value, #[case] expected: Option<&str>) {
        let topology: Topology = serde_json::from_value(topology).unwrap();
        assert_eq!(missing_in(&topology, 1).as_deref(), expected);
    }
}
