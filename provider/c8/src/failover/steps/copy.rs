//! Copying the store: pause, snapshot, restore, compare (dual-region.md 4.2, 4.6).

use std::{collections::BTreeMap, time::Duration};

use c8_clients::elasticsearch::{Elasticsearch, Error, NewSnapshot};
use c8_dr::{PartitionId, Phase, Snapshot, peer, state::exporter_id};
use terraform_plugin::{Fault, parse_duration};

use crate::{
    es_backup_repo::names::peer_repository,
    failover::{run::Run, store, time},
};

/// Time for both stores to become equal again once both are written to.
const EQUAL: Duration = Duration::from_secs(3 * 60);

impl Run<'_> {
    fn elastic(&self, region: u32) -> Result<Elasticsearch, Fault> {
        let alive = self.reach[usize::from(region != 0)].alive();
        let alive = alive.ok_or_else(|| fault(&format!("region {region} does not answer")))?;
        Ok(store::elastic(self.at(region), alive))
    }

    fn repository(&self) -> Result<String, Fault> {
        self.repository.clone().ok_or_else(|| fault("`backup_repo` is not set"))
    }

    pub(super) async fn pause_exporting(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        self.pause_all(lost).await?;
        self.settle(survivor).await
    }

    /// Waits until nothing moves any more: a bulk that was under way when exporting was paused may still be written.
    async fn settle(&mut self, survivor: u32) -> Result<(), Fault> {
        self.pause_each(peer(survivor)).await?;
        let quiet = self.bulk_delay(survivor) + Duration::from_millis(500);
        let mut before = None;
        loop {
            self.look().await;
            let exporting = self.o().region(survivor).exporting.known().cloned();
            let sums = store::sums(&self.elastic(survivor)?, &BTreeMap::new())
                .await
                .map_err(|error| fault(&error.to_string()))?;
            if let Some(exporting) = exporting.filter(|e| e.phase == Phase::Paused && !e.positions.is_empty()) {
                // what lies in the store must not be ahead of what the exporter has acknowledged
                let ahead = sums
                    .iter()
                    .any(|(partition, sum)| exporting.positions.get(partition).is_some_and(|p| sum.max > *p));
                let strayed = self.stand_in_is_ahead(survivor, &sums).await?;
                let now = Some((exporting.positions, sums));
                if now == before && !ahead && !strayed {
                    self.settled = true;
                    return Ok(());
                }
                before = now;
            }
            self.pause(quiet).await?;
        }
    }

    /// The store that stands in for the lost region's must not be ahead of the survivor's: what it has, the restored store would lack.
    async fn stand_in_is_ahead(&self, survivor: u32, own: &BTreeMap<PartitionId, c8_dr::Sum>) -> Result<bool, Fault> {
        if !self.o().region(survivor).temporary.as_ref().is_some_and(|temporary| temporary.store) {
            return Ok(false);
        }
        let theirs = store::sums(&self.stand_in(survivor)?, &BTreeMap::new()).await;
        let theirs = theirs.map_err(|error| fault(&error.to_string()))?;
        Ok(theirs.iter().any(|(partition, sum)| own.get(partition).is_none_or(|own| sum.max > own.max)))
    }

    fn bulk_delay(&self, region: u32) -> Duration {
        let key = format!("ZEEBE_BROKER_EXPORTERS_{}_ARGS_BULK_DELAY", exporter_id(region).to_uppercase());
        let text = self.seen.releases[usize::from(region != 0)].env.get(&key);
        // a plain number is seconds, as in the exporter's own configuration
        text.and_then(|text| {
            text.parse().map(Duration::from_secs).ok().or_else(|| parse_duration(&text.to_lowercase()).ok())
        })
        .unwrap_or(Duration::from_secs(5))
    }

    pub(super) async fn snapshot(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        // an earlier apply may have been killed between pausing and settling
        if !self.settled {
            self.settle(survivor).await?;
        }
        // a second snapshot means that something moved all the same
        self.settled = false;
        let repository = self.repository()?;
        let o = self.o();
        let epoch = o.record().map_or(0, |record| record.epoch);
        let positions = o.region(survivor).exporting.known().map(|e| e.positions.clone()).unwrap_or_default();
        let elastic = self.elastic(survivor)?;
        if elastic.repository(&repository).await.map_err(|error| fault(&error.to_string()))?.is_none() {
            return Err(fault(&format!(
                "the repository {repository} is not registered in region {survivor}; apply `c8_es_backup_repo` first"
            )));
        }
        let indices = store::indices(&elastic).await.map_err(|error| fault(&error.to_string()))?;
        let snapshot = Snapshot { name: format!("failback-{epoch}-{}", time::now()), epoch, positions };
        if indices.is_empty() {
            return Err(fault(&format!("the store of region {survivor} holds no index of Camunda")));
        }
        let new = NewSnapshot {
            indices: indices.keys().cloned().collect(),
            include_global_state: true,
            metadata: store::metadata(&snapshot, lost),
        };
        self.still_ours().await?;
        elastic
            .take_snapshot(&repository, &snapshot.name, &new, &self.wait)
            .await
            .map_err(|error| fault(&format!("the snapshot of region {survivor} failed: {error}")))?;
        self.report.push(format!("snapshot {} holds {} indices of region {survivor}", snapshot.name, indices.len()));
        Ok(())
    }

    pub(super) async fn restore(&mut self, lost: u32) -> Result<(), Fault> {
        let survivor = peer(lost);
        let repository = self.repository()?;
        let snapshot = self
            .o()
            .region(survivor)
            .store
            .known()
            .and_then(|store| store.snapshot.clone())
            .ok_or_else(|| fault("the snapshot is gone"))?;
        let explain = |error: Error| fault(&format!("the restore into region {lost} failed: {error}"));
        let source = self.elastic(survivor)?.repository(&repository).await.map_err(explain)?;
        let source =
            source.ok_or_else(|| fault(&format!("the repository {repository} is gone from region {survivor}")))?;
        let peers = peer_repository(&repository);
        let elastic = self.elastic(lost)?;
        let mut source = source.gcs;
        source.readonly = true;
        // a repository that was registered before the snapshot was written may show a stale list
        let mut tries = 0;
        loop {
            elastic.delete_repository(&peers).await.map_err(explain)?;
            elastic.put_repository(&peers, &source).await.map_err(explain)?;
            let listed = store::snapshots(&elastic, &peers).await.map_err(explain)?;
            if listed.iter().any(|other| other.name == snapshot.name) {
                break;
            }
            tries += 1;
            if tries == 3 {
                return Err(fault(&format!("region {lost} does not see the snapshot {} in the bucket", snapshot.name)));
            }
            self.pause(Duration::from_secs(5)).await?;
        }
        // never the only copy: the exporter to this store is disabled
        let old: Vec<String> = store::indices(&elastic).await.map_err(explain)?.into_keys().collect();
        self.still_ours().await?;
        elastic.delete_indices(&old).await.map_err(explain)?;
        elastic.restore(&peers, &snapshot.name, &[], true, &self.wait).await.map_err(explain)?;
        self.look().await;
        if c8_dr::stores_equal(self.o()) {
            let records: u64 = self
                .o()
                .region(lost)
                .store
                .known()
                .map(|store| store.partitions.values().map(|sum| sum.count).sum())
                .unwrap_or_default();
            self.report.push(format!("stores: restored from {}; equal, {records} records", snapshot.name));
        }
        Ok(())
    }

    /// Both stores up to P, the smaller exported position of both, per partition.
    pub(super) async fn compare_live_stores(&mut self) -> Result<(), Fault> {
        let wait = self.wait.within(EQUAL);
        let mut why = "exported positions can't be read".to_owned();
        loop {
            // a broker reports the lowest position of its exporters, which is P
            let positions: BTreeMap<PartitionId, i64> = self
                .o()
                .regions
                .iter()
                .filter_map(|region| region.exporting.known())
                .flat_map(|exporting| exporting.positions.clone())
                .collect();
            if !positions.is_empty() {
                match self.sums_up_to(&positions).await {
                    Ok([zero, one]) if zero == one => {
                        let records: u64 = zero.values().map(|sum| sum.count).sum();
                        self.report
                            .push(format!("stores: equal up to the exported positions of both, {records} records"));
                        return Ok(());
                    }
                    Ok([zero, one]) => {
                        let differ: Vec<PartitionId> = positions
                            .keys()
                            .copied()
                            .filter(|partition| zero.get(partition) != one.get(partition))
                            .collect();
                        why = format!("the stores differ in partitions {}", c8_dr::topology::list(&differ));
                    }
                    Err(text) => why = text,
                }
            }
            if wait.pause(Duration::from_millis(500)).await.is_err() {
                return Err(fault(&why));
            }
            self.look().await;
        }
    }

    async fn sums_up_to(
        &self,
        positions: &BTreeMap<PartitionId, i64>,
    ) -> Result<[BTreeMap<PartitionId, c8_dr::Sum>; 2], String> {
        let of = |region: u32| async move {
            let elastic = self.elastic(region).map_err(|_| format!("region {region} does not answer"))?;
            store::sums(&elastic, positions).await.map_err(|error| error.to_string())
        };
        let (zero, one) = futures::join!(of(0), of(1));
        Ok([zero?, one?])
    }
}

fn fault(why: &str) -> Fault {
    Fault::new("The store can't be copied", format!("{why}."))
}
