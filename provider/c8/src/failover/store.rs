//! The search store of one region, in the words of `c8_dr`: what it holds, and the snapshots for a fail-back.

use std::collections::BTreeMap;

use c8_clients::elasticsearch::{Elasticsearch, Error, Positions, Status};
use c8_dr::{Part, PartitionId, Snapshot, Store, Sum};
use serde_json::{Value, json};

use crate::{installation::RegionAt, provider::Alive};

/// Prefixes of Camunda's indices.
const CAMUNDA: [&str; 4] = ["zeebe-record", "operate-", "tasklist-", "camunda-"];
const PURPOSE: &str = "failback";

/// Elasticsearch of a region.
pub fn elastic(at: &RegionAt, alive: &Alive) -> Elasticsearch {
    Elasticsearch::new(alive.kubernetes.clone(), &at.namespace, &at.release)
}

/// Camunda's indices with their number of documents.
///
/// # Errors
/// The store can't be asked.
pub async fn indices(store: &Elasticsearch) -> Result<BTreeMap<String, u64>, Error> {
    let all = store.indices().await?.into_iter();
    let ours = all.filter(|index| CAMUNDA.iter().any(|prefix| index.name.starts_with(prefix)));
    Ok(ours.map(|index| (index.name, index.documents)).collect())
}

/// Exported records per partition, up to these positions (empty: all).
///
/// # Errors
/// The store can't be asked.
pub async fn sums(
    store: &Elasticsearch,
    up_to: &BTreeMap<PartitionId, i64>,
) -> Result<BTreeMap<PartitionId, Sum>, Error> {
    let found = store.positions(up_to).await?;
    Ok(found.into_iter().map(|(partition, positions)| (partition, sum(&positions))).collect())
}

/// Elasticsearch adds in floating point, in any order: the last digits of a large sum say nothing.
fn sum(positions: &Positions) -> Sum {
    Sum { count: positions.count, min: positions.min, max: positions.max, sum: format!("{:.9e}", positions.sum) }
}

/// What a snapshot says of itself.
pub fn metadata(snapshot: &Snapshot, lost: u32) -> Value {
    json!({ "purpose": PURPOSE, "epoch": snapshot.epoch, "lost": lost, "positions": snapshot.positions })
}

/// Complete fail-back snapshots of a repository, newest last.
///
/// # Errors
/// The store can't be asked. A repository that is not registered holds none.
pub async fn snapshots(store: &Elasticsearch, repository: &str) -> Result<Vec<Snapshot>, Error> {
    let found = match store.snapshots(repository).await {
        Ok(found) => found,
        Err(Error::NotFound(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut snapshots: Vec<Snapshot> = found
        .into_iter()
        .filter(c8_clients::elasticsearch::Snapshot::is_complete)
        .filter_map(|snapshot| read(&snapshot.name, &snapshot.metadata))
        .collect();
    // `failback-<epoch>-<Unix seconds>`
    snapshots.sort_by(|a, b| a.epoch.cmp(&b.epoch).then_with(|| a.name.cmp(&b.name)));
    Ok(snapshots)
}

fn read(name: &str, metadata: &Value) -> Option<Snapshot> {
    if metadata["purpose"] != PURPOSE {
        return None;
    }
    let positions = metadata["positions"].as_object()?.iter();
    Some(Snapshot {
        name: name.to_owned(),
        epoch: metadata["epoch"].as_u64()?,
        positions: positions
            .filter_map(|(partition, position)| Some((partition.parse().ok()?, position.as_i64()?)))
            .collect(),
    })
}

/// What it holds, and the newest snapshot in its own repository.
pub async fn look(store: &Elasticsearch, repository: Option<&str>) -> Part<Store> {
    match observe(store, repository).await {
        Ok(found) => Part::Known(found),
        Err(error) => Part::Unreachable(error.to_string()),
    }
}

async fn observe(store: &Elasticsearch, repository: Option<&str>) -> Result<Store, Error> {
    let health = store.health().await?;
    let healthy = matches!(health.status, Status::Green | Status::Yellow);
    // counts lag behind writes by the refresh interval; a store without indices has nothing to refresh
    if let Err(error) = store.refresh("*").await
        && error.is_silence()
    {
        return Err(error);
    }
    let none = BTreeMap::new();
    let (indices, partitions) = futures::try_join!(indices(store), sums(store, &none))?;
    let snapshot = match repository {
        Some(repository) => snapshots(store, repository).await?.pop(),
        None => None,
    };
    Ok(Store { healthy, indices, partitions, snapshot })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_snapshot_tells_what_it_is_for() {
        let snapshot =
            Snapshot { name: "failback-3-1700000000".into(), epoch: 3, positions: BTreeMap::from([(1, 42), (2, 7)]) };
        assert_eq!(read(&snapshot.name, &metadata(&snapshot, 1)), Some(snapshot));
        assert_eq!(read("nightly", &json!({"purpose": "backup"})), None);
        assert_eq!(read("nightly", &Value::Null), None);
    }
}
