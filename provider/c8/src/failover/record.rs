//! The DR record: reading it as the engine's, and writing it to all living regions.
//!
//! It is written only by the holder of the Lease, the survivor first; the highest (epoch, revision) wins.

use std::collections::BTreeMap;

use c8_clients::kubernetes::{Apply, CONFIG_MAP, Kubernetes};
use c8_dr::{BrokerId, FenceNote, Observation, RecordState as DrState};
use c8_release::{
    names,
    record::{self, Record, RecordState},
};
use serde_json::{Value, json};
use terraform_plugin::Fault;

use crate::installation::{Installation, capital};

/// Field of the record with what is known of the fence.
const FENCE: &str = "fence";
/// Field of the record with the disks that were proven since the last HEALTHY.
const PROVEN: &str = "proven";
/// Field of the record with the sizes of the cluster.
const SIZES: &str = "sizes";

/// As the engine reads it.
pub fn to_dr(found: &Record) -> c8_dr::Record {
    let by_id = |map: &BTreeMap<String, String>| {
        map.iter().filter_map(|(id, value)| Some((id.parse().ok()?, value.clone()))).collect()
    };
    let lists = |map: &BTreeMap<String, Vec<String>>| {
        map.iter().filter_map(|(id, value)| Some((id.parse().ok()?, value.clone()))).collect()
    };
    let extra = |key: &str| found.extra.get(key).cloned().unwrap_or(Value::Null);
    c8_dr::Record {
        group: found.group.clone(),
        epoch: found.epoch,
        revision: found.revision,
        state: match found.state {
            RecordState::RegionLost | RecordState::FailingOver => DrState::FailingOver,
            RecordState::FailedOver => DrState::FailedOver,
            RecordState::FailingBack => DrState::FailingBack,
            RecordState::Released => DrState::Released,
            RecordState::Healthy | RecordState::Other(_) => DrState::Healthy,
        },
        lost: found.lost.map(u32::from),
        cluster_uids: by_id(&found.cluster_uids),
        disks: by_id(&found.pvc_uids),
        proven: serde_json::from_value(extra(PROVEN)).unwrap_or_default(),
        ranges: lists(&found.ranges),
        tags: lists(&found.tags),
        sizes: serde_json::from_value(extra(SIZES)).ok(),
        version: found.version.clone(),
        fence: serde_json::from_value(extra(FENCE)).unwrap_or_default(),
        last_healthy: found.last_healthy.as_deref().and_then(super::time::parse),
    }
}

/// States what the fence is, in a record.
pub fn note_fence(record: &mut Record, note: FenceNote) {
    if let Ok(value) = serde_json::to_value(note) {
        record.extra.insert(FENCE.to_owned(), value);
    }
}

/// Enters disks into the ledger: they were proven to hold the log.
pub fn note_proven(record: &mut Record, disks: &BTreeMap<BrokerId, String>) {
    let mut proven: BTreeMap<BrokerId, String> =
        record.extra.get(PROVEN).cloned().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    proven.extend(disks.clone());
    if let Ok(value) = serde_json::to_value(proven) {
        record.extra.insert(PROVEN.to_owned(), value);
    }
}

/// Fills a record with what a healthy installation shows.
pub fn fill_healthy(record: &mut Record, o: &Observation) {
    record.state = RecordState::Healthy;
    record.lost = None;
    // a claim that came to nothing is closed: who took it finds that the record is past it
    if let Some(claim) = o.open_claim() {
        record.epoch = record.epoch.max(claim.epoch);
    }
    note_fence(record, FenceNote::None);
    record.extra.remove(PROVEN);
    for region in &o.regions {
        let id = region.id.to_string();
        if let Some(uid) = region.api.known() {
            record.cluster_uids.insert(id.clone(), uid.clone());
        }
        if !region.ranges.is_empty() {
            record.ranges.insert(id.clone(), region.ranges.clone());
        }
        if !region.tags.is_empty() {
            record.tags.insert(id, region.tags.clone());
        }
        for (broker, disk) in &region.disks {
            record.pvc_uids.insert(broker.to_string(), disk.clone());
        }
        if let Some(version) = &region.version {
            record.version = Some(version.clone());
        }
    }
    if let Some(sizes) = o.sizes.and_then(|sizes| serde_json::to_value(sizes).ok()) {
        record.extra.insert(SIZES.to_owned(), sizes);
    }
    record.last_healthy = Some(super::time::format(o.at));
}

/// The newest of the records that lie in the living regions and are not void there, and what could not be read.
///
/// # Errors
/// None was found, and one could not be read: it may be the only one.
async fn newest(
    installation: &Installation,
    living: &[(u8, &Kubernetes, &str)],
) -> Result<(Option<Record>, Vec<String>), Fault> {
    let mut found = Vec::new();
    let mut unread = Vec::new();
    for (id, kubernetes, uid) in living {
        match read(installation, *id, kubernetes).await {
            Ok(record) => found.extend(record.filter(|record| !record.is_void_in(*id, uid))),
            Err(why) => unread.push(format!("the record of region {id} can't be read: {why}")),
        }
    }
    let newest = found.into_iter().max_by_key(Record::version_order);
    match (&newest, unread.is_empty()) {
        (None, false) => Err(Fault::new(
            "The DR record can't be read",
            format!("{}. Nothing is decided without it.", capital(&unread.join("; "))),
        )),
        _ => Ok((newest, unread)),
    }
}

async fn read(installation: &Installation, id: u8, kubernetes: &Kubernetes) -> Result<Option<Record>, String> {
    let object = CONFIG_MAP.named(&installation.region(id).namespace, record::NAME);
    let map = kubernetes.find(&object).await.map_err(|error| error.to_string())?;
    let text = map.as_ref().and_then(|map| map.pointer("/data/record")).and_then(Value::as_str);
    text.map(Record::parse).transpose().map_err(|error| format!("ConfigMap {}: {error}", record::NAME))
}

/// Changes the newest record and writes it to all living regions, in their order.
///
/// # Errors
/// No record can be read where one may be, or the first region's can't be written. What fails in another region is returned as
/// a warning: the newest record wins, and the next write copies it there.
pub async fn write(
    installation: &Installation,
    living: &[(u8, &Kubernetes, &str)],
    change: impl FnOnce(&mut Record),
) -> Result<(Record, Vec<String>), Fault> {
    let (newest, mut warnings) = newest(installation, living).await?;
    let mut newest = newest.unwrap_or_default();
    newest.group.clone_from(&installation.group);
    newest.revision += 1;
    change(&mut newest);
    for (position, (id, kubernetes, _)) in living.iter().enumerate() {
        match put(installation, *id, kubernetes, &newest).await {
            Ok(()) => {}
            Err(error) if position == 0 => {
                return Err(Fault::new(
                    "The DR record can't be written",
                    format!("Region {id}: {error}. Nothing is decided without it."),
                ));
            }
            Err(error) => warnings.push(format!("the record could not be copied to region {id}: {error}")),
        }
    }
    Ok((newest, warnings))
}

async fn put(installation: &Installation, id: u8, kubernetes: &Kubernetes, record: &Record) -> Result<(), String> {
    let text = record.to_json().map_err(|error| error.to_string())?;
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": record::NAME,
            "namespace": installation.region(id).namespace,
            "labels": { names::MANAGED_BY: names::FIELD_MANAGER },
        },
        "data": { record::KEY: text },
    });
    kubernetes
        .apply(&manifest, Apply::by(names::SWITCH_FIELD_MANAGER).forced())
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_healthy_record_is_read_as_it_was_written() {
        let mut o = Observation {
            at: 1_700_000_000,
            sizes: Some(c8_dr::Topology { cluster_size: 8, partition_count: 8, replication_factor: 4 }),
            ..Observation::default()
        };
        for id in 0..2 {
            let region = o.region_mut(id);
            region.id = id;
            region.api = c8_dr::Part::Known(format!("uid-{id}"));
            region.ranges = vec![format!("10.{id}.0.0/16")];
            region.disks.insert(id, format!("disk-{id}"));
            region.version = Some("8.7.2".into());
        }
        let mut record = Record { epoch: 3, revision: 9, lost: Some(1), ..Record::default() };
        note_fence(&mut record, FenceNote::Proven);
        assert_eq!(to_dr(&record).fence, FenceNote::Proven);
        fill_healthy(&mut record, &o);
        let again = to_dr(&Record::parse(&record.to_json().unwrap()).unwrap());
        assert_eq!(again.cluster_uids[&1], "uid-1");
        assert_eq!(again.disks[&0], "disk-0");
        assert_eq!(again.sizes, o.sizes);
        assert_eq!((again.lost, again.fence, again.epoch), (None, FenceNote::None, 3));
        assert_eq!(again.last_healthy, Some(1_700_000_000));
    }
}
