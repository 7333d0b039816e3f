//! The engine of one region, in the words of `c8_dr`: gossip view, configuration, and what each broker says of its replicas
//! (dual-region.md 2.2–2.4).

use std::collections::{BTreeMap, BTreeSet};

use c8_clients::zeebe::{ClusterConfiguration, Error, PartitionStatus, Role, Topology as Gossip, Zeebe};
use c8_dr::{
    BrokerId, Configuration, ExporterState, Exporting, Part, PartitionId, Pending, Phase, Region, Replica, Seen,
    Topology, View,
};
use c8_release::names;

use crate::{installation::RegionAt, provider::Alive};

/// Zeebe of a region.
pub fn zeebe(at: &RegionAt, alive: &Alive) -> Zeebe {
    Zeebe::new(alive.kubernetes.clone(), &at.namespace, &at.release)
}

/// Name of a broker's pod.
pub fn pod_name(at: &RegionAt, broker: BrokerId) -> String {
    format!("{}-{}", names::brokers(&at.release), Topology::ordinal(broker))
}

/// The pod of a temporary broker.
pub fn temporary_pod_name(at: &RegionAt, broker: BrokerId) -> String {
    format!("{}-{}", names::temporary(&at.release), Topology::ordinal(broker) / 2)
}

/// Every running broker's report.
pub type Reports = BTreeMap<BrokerId, BTreeMap<PartitionId, PartitionStatus>>;

fn part<T, U>(result: Result<T, Error>, read: impl FnOnce(&T) -> U) -> Part<U> {
    match result {
        Ok(found) => Part::Known(read(&found)),
        Err(error) => Part::Unreachable(error.to_string()),
    }
}

/// The gossip view.
pub async fn view(zeebe: &Zeebe) -> Part<View> {
    part(zeebe.topology().await, read_view)
}

/// The cluster configuration; only the coordinator answers (dual-region.md 2.3).
pub async fn configuration(zeebe: &Zeebe) -> Part<Configuration> {
    part(zeebe.cluster().await, read_configuration)
}

/// Pods of the brokers that run in a region, temporary ones included.
pub fn running(at: &RegionAt, region: &Region) -> Vec<(BrokerId, String)> {
    let own = region.pods.iter().map(|pod| (pod, pod_name(at, pod.id)));
    let temporary = region.temporary.iter().flat_map(|temporary| &temporary.pods);
    let temporary = temporary.map(|pod| (pod, temporary_pod_name(at, pod.id)));
    own.chain(temporary).filter(|(pod, _)| pod.running).map(|(pod, name)| (pod.id, name)).collect()
}

/// What every broker that runs in a region says of its own replicas, temporary ones included. `Absent` if none runs.
pub async fn all_reports(zeebe: &Zeebe, at: &RegionAt, region: &Region) -> Part<Reports> {
    let running = running(at, region);
    if running.is_empty() {
        return Part::Absent;
    }
    let asked = running.iter().map(|(id, pod)| async move { Ok((*id, zeebe.partitions(pod).await?)) });
    let found: Result<Reports, Error> = futures::future::join_all(asked).await.into_iter().collect();
    part(found, Reports::clone)
}

fn read_view(gossip: &Gossip) -> View {
    let brokers = gossip.brokers.iter().map(|broker| {
        let partitions = broker.partitions.iter().map(|partition| {
            let healthy = partition.health.eq_ignore_ascii_case("healthy");
            (partition.partition_id, Replica { leader: partition.role == Role::Leader, healthy })
        });
        (broker.node_id, Seen { host: broker.host.clone(), partitions: partitions.collect() })
    });
    View {
        brokers: brokers.collect(),
        cluster_size: gossip.cluster_size,
        partition_count: gossip.partitions_count,
        replication_factor: gossip.replication_factor,
    }
}

fn read_configuration(cluster: &ClusterConfiguration) -> Configuration {
    let mut configuration = Configuration::default();
    let mut exporters: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for broker in &cluster.brokers {
        // one that has left is listed for a while
        if broker.state == c8_clients::zeebe::ReplicaState::Left {
            continue;
        }
        configuration.members.insert(broker.id);
        for partition in &broker.partitions {
            configuration.replicas.entry(partition.id).or_default().insert(broker.id);
            for (id, state) in partition.exporters() {
                exporters.entry(id.to_owned()).or_default().insert(state);
            }
        }
    }
    configuration.exporters = exporters
        .into_iter()
        .map(|(id, states)| {
            let state = match states.into_iter().collect::<Vec<_>>().as_slice() {
                ["ENABLED"] => ExporterState::Enabled,
                ["DISABLED"] => ExporterState::Disabled,
                [_] => ExporterState::Unknown,
                _ => ExporterState::Mixed,
            };
            (id, state)
        })
        .collect();
    configuration.pending = cluster.pending_change.as_ref().map(|pending| Pending {
        id: pending.id,
        operations: pending.pending.iter().map(|operation| operation.operation.clone()).collect(),
    });
    configuration
}

/// Takes the lead from every replica whose own broker denies it: a gateway goes on listing a leader whose broker has been restarted, until
/// the partition has another one, which without a quorum is never (seen on real 8.0 brokers).
pub fn believe_brokers(view: &mut View, reports: &Reports) {
    for (id, listed) in &mut view.brokers {
        let Some(own) = reports.get(id) else { continue };
        for (partition, replica) in &mut listed.partitions {
            replica.leader &= own.get(partition).is_some_and(PartitionStatus::is_leader);
        }
    }
}

/// All brokers together: null says nothing (dual-region.md 2.4).
pub fn summarise(reports: &Reports) -> Exporting {
    let all = || reports.values().flat_map(BTreeMap::iter);
    let phases: BTreeSet<&str> = all().filter_map(|(_, report)| report.exporter_phase.as_deref()).collect();
    let phase = match phases.into_iter().collect::<Vec<_>>().as_slice() {
        ["PAUSED"] => Phase::Paused,
        ["EXPORTING"] => Phase::Exporting,
        phases if phases.contains(&"PAUSED") || phases.contains(&"SOFT_PAUSED") => Phase::Mixed,
        _ => Phase::Unknown,
    };
    let positions = all()
        .filter(|(_, report)| report.is_leader())
        .filter_map(|(partition, report)| Some((*partition, report.exported_position?)))
        .collect();
    Exporting { phase, positions }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_tells_members_replicas_exporters_and_what_is_pending() {
        let exporters = |one: &str| {
            json!({"exporting": {"exporters": [
            {"id": "elasticsearchregion0", "state": "ENABLED"}, {"id": "elasticsearchregion1", "state": one}]}})
        };
        let cluster: ClusterConfiguration = serde_json::from_value(json!({
            "version": 12,
            "brokers": [
                {"id": 0, "state": "ACTIVE", "partitions": [{"id": 1, "state": "ACTIVE", "config": exporters("DISABLED")}]},
                {"id": 2, "state": "ACTIVE", "partitions": [{"id": 1, "state": "ACTIVE", "config": exporters("ENABLED")}]},
                {"id": 3, "state": "LEFT", "partitions": []},
            ],
            "pendingChange": {"id": 8, "status": "IN_PROGRESS", "pending": [{"operation": "PARTITION_JOIN", "brokerId": 1}], "completed": []},
        }))
        .unwrap();
        let configuration = read_configuration(&cluster);
        assert_eq!(configuration.members, BTreeSet::from([0, 2]));
        assert_eq!(configuration.replicas[&1], BTreeSet::from([0, 2]));
        assert_eq!(configuration.exporters["elasticsearchregion0"], ExporterState::Enabled);
        assert_eq!(configuration.exporters["elasticsearchregion1"], ExporterState::Mixed);
        assert_eq!(configuration.pending.unwrap().operations, ["PARTITION_JOIN"]);
    }

    #[test]
    fn a_leader_is_none_if_its_own_broker_denies_it() {
        let leads = |partition: u32| (partition, Replica { leader: true, healthy: true });
        let seen =
            |partitions: [u32; 2]| Seen { partitions: partitions.into_iter().map(leads).collect(), ..Seen::default() };
        let mut view = View { brokers: BTreeMap::from([(0, seen([1, 2])), (2, seen([3, 4]))]), ..View::default() };
        let role = |role: &str| serde_json::from_value::<PartitionStatus>(json!({"role": role})).unwrap();
        // broker 0 has just been started and knows no partition yet
        let mut reports = Reports::from([(0, BTreeMap::new())]);
        believe_brokers(&mut view, &reports);
        assert_eq!(view.led(), BTreeSet::from([3, 4]), "whoever was not asked is taken at the gateway's word");
        reports.insert(2, BTreeMap::from([(3, role("LEADER")), (4, role("FOLLOWER"))]));
        believe_brokers(&mut view, &reports);
        assert_eq!(view.led(), BTreeSet::from([3]));
    }

    #[test]
    fn null_phases_say_nothing_and_one_that_differs_is_mixed() {
        let report = |phase: Option<&str>| -> PartitionStatus {
            serde_json::from_value(json!({"role": "LEADER", "exportedPosition": 9, "exporterPhase": phase})).unwrap()
        };
        let reports =
            |a, b| BTreeMap::from([(0, BTreeMap::from([(1, report(a))])), (2, BTreeMap::from([(2, report(b))]))]);
        assert_eq!(summarise(&reports(Some("PAUSED"), None)).phase, Phase::Paused);
        assert_eq!(summarise(&reports(Some("PAUSED"), Some("EXPORTING"))).phase, Phase::Mixed);
        assert_eq!(summarise(&reports(None, None)).phase, Phase::Unknown);
        assert_eq!(summarise(&reports(None, None)).positions, BTreeMap::from([(1, 9), (2, 9)]));
    }
}
