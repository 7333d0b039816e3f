//! `c8_topology`: the installation as its regions show it, the part of `c8_dr_state` that says nothing about disasters.

use std::collections::BTreeSet;

use c8_clients::elasticsearch::{Health, Status};
use c8_dr::{BrokerId, ExporterState, Observation, PartitionId, Phase, Topology, View};
use c8_schemas::cluster_topology::{BrokerView, ClusterTopology, PartitionView, RegionView, StoreView};
use terraform_plugin::{Attr, Context, DataSource, Diagnostics, Fault};

use super::regions;
use crate::{
    failover::{
        observe::{Depth, observe},
        store,
    },
    installation::Installation,
    provider::{C8, Reach},
};

/// The data source.
#[derive(Clone, Copy, Debug, Default)]
pub struct TopologySource;

impl DataSource for TopologySource {
    type Model = ClusterTopology;
    type Client = C8;

    const NAME: &'static str = "c8_topology";

    fn validate(&self, config: &ClusterTopology, diags: &mut Diagnostics) {
        regions::check(&config.topology, &config.group, diags);
    }

    async fn read(&self, ctx: &Context<C8>, mut config: ClusterTopology) -> Result<ClusterTopology, Fault> {
        let project = ctx.client.project();
        let installation = regions::resolve(&config.topology, &config.group, &config.release, project)?;
        let reach = ctx.client.reach_both(&installation).await;
        let depth = Depth::refresh(false, None);
        let (seen, zero, one) = futures::join!(
            observe(&ctx.client, &installation, &reach, None, depth),
            health(&installation, 0, &reach[0]),
            health(&installation, 1, &reach[1])
        );
        fill(&mut config, &installation, &seen.observation, &[zero, one]);
        Ok(config)
    }
}

/// How a region's store is, or why nobody knows.
async fn health(installation: &Installation, id: u8, reach: &Reach) -> Result<Health, String> {
    match reach {
        Reach::Alive(alive) => {
            let store = store::elastic(installation.region(id), alive);
            store.health().await.map_err(|error| error.to_string())
        }
        Reach::Absent => Err("its cluster does not exist".to_owned()),
        Reach::Silent(silent) => Err(silent.why.clone()),
    }
}

fn fill(
    model: &mut ClusterTopology,
    installation: &Installation,
    o: &Observation,
    stores: &[Result<Health, String>; 2],
) {
    if !model.group.is_known() {
        model.group = Attr::Known(installation.group.clone());
    }
    model.regions = list([0, 1].map(|id| region(installation, o, id)));
    model.stores = list([0, 1].map(|id| store_view(id, &stores[usize::from(id)])));

    // a fail-over leaves the lost region's gateway, if it still answers, with a view of the past
    let lost = o.record().filter(|record| record.state.is_failed_over()).and_then(|record| record.lost);
    let view = match lost {
        Some(lost) => o.view_from(c8_dr::peer(lost)),
        None => o.best_view().map(|(_, view)| view),
    };
    let configuration = o.configuration(lost);
    let size = |of_view: fn(&View) -> u32, of_release: fn(&Topology) -> u32| {
        let found = view.map(of_view).or_else(|| o.sizes.as_ref().map(of_release));
        found.map_or(Attr::Null, number)
    };
    model.cluster_size = size(|view| view.cluster_size, |sizes| sizes.cluster_size);
    model.partition_count = size(|view| view.partition_count, |sizes| sizes.partition_count);
    model.replication_factor = size(|view| view.replication_factor, |sizes| sizes.replication_factor);

    // brokers that should be there, and brokers that are
    let mut ids: BTreeSet<BrokerId> = o.sizes.map(|sizes| sizes.all()).unwrap_or_default();
    ids.extend(view.into_iter().flat_map(|view| view.brokers.keys()));
    let members = configuration.map(|configuration| &configuration.members);
    model.brokers = list(ids.into_iter().map(|id| broker(id, view, members)));
    let partitions = view.map_or(0, |view| view.partition_count);
    model.partitions = list((1..=partitions).map(|id| partition(id, view)));
    model.exporters = configuration.map_or(Attr::Null, |configuration| {
        let states = configuration.exporters.iter();
        Attr::Known(states.map(|(name, state)| (name.clone(), exporter(*state).to_owned())).collect())
    });
    let pending = configuration.and_then(|configuration| configuration.pending.as_ref());
    model.pending_change = pending.map_or(Attr::Null, |pending| Attr::Known(pending.id));
}

fn region(installation: &Installation, o: &Observation, id: u8) -> RegionView {
    let seen = o.region(u32::from(id));
    let reason = match seen.api.why() {
        Some(why) => Attr::Known(why.to_owned()),
        None if seen.api.is_known() => Attr::Null,
        None => Attr::Known("its cluster does not exist".to_owned()),
    };
    RegionView {
        region_id: Attr::Known(i64::from(id)),
        namespace: Attr::Known(installation.region(id).namespace.clone()),
        reachable: Attr::Known(seen.api.is_known()),
        reason,
        version: seen.version.clone().into(),
        exporting: Attr::Known(phase(seen.exporting.known().map_or(Phase::Unknown, |all| all.phase)).to_owned()),
    }
}

fn broker(id: BrokerId, view: Option<&View>, members: Option<&BTreeSet<BrokerId>>) -> BrokerView {
    let seen = view.and_then(|view| view.brokers.get(&id));
    let with = |leader: bool| {
        let replicas = seen.into_iter().flat_map(|seen| &seen.partitions);
        let of = replicas.filter(|(_, replica)| replica.leader == leader);
        Attr::Known(of.map(|(partition, _)| i64::from(*partition)).collect())
    };
    BrokerView {
        id: number(id),
        region_id: number(Topology::region_of(id)),
        seen: view.map_or(Attr::Null, |_| Attr::Known(seen.is_some())),
        member: members.map_or(Attr::Null, |members| Attr::Known(members.contains(&id))),
        host: seen.map_or(Attr::Null, |seen| Attr::Known(seen.host.clone())),
        healthy: seen.map_or(Attr::Null, |seen| Attr::Known(seen.partitions.values().all(|replica| replica.healthy))),
        leads: with(true),
        follows: with(false),
    }
}

fn partition(id: PartitionId, view: Option<&View>) -> PartitionView {
    let brokers = view.into_iter().flat_map(|view| &view.brokers);
    let replicas: Vec<_> =
        brokers.filter_map(|(broker, seen)| seen.partitions.get(&id).map(|replica| (*broker, *replica))).collect();
    let leaders: Vec<_> = replicas.iter().filter(|(_, replica)| replica.leader).map(|(broker, _)| *broker).collect();
    let leader = match leaders.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    PartitionView {
        id: number(id),
        leader: leader.map_or(Attr::Null, number),
        replicas: Attr::Known(replicas.iter().map(|(broker, _)| i64::from(*broker)).collect()),
        healthy: Attr::Known(leader.is_some() && replicas.iter().all(|(_, replica)| replica.healthy)),
    }
}

fn store_view(id: u8, health: &Result<Health, String>) -> StoreView {
    let found = health.as_ref().ok();
    StoreView {
        region_id: Attr::Known(i64::from(id)),
        reachable: Attr::Known(found.is_some()),
        reason: health.as_ref().err().map_or(Attr::Null, |why| Attr::Known(why.clone())),
        status: found.map_or(Attr::Null, |health| Attr::Known(light(health.status).to_owned())),
        nodes: found.map_or(Attr::Null, |health| number(health.number_of_nodes)),
    }
}

fn list<T>(all: impl IntoIterator<Item = T>) -> Attr<Vec<Attr<T>>> {
    Attr::Known(all.into_iter().map(Attr::Known).collect())
}

fn number(number: u32) -> Attr<i64> {
    Attr::Known(i64::from(number))
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Exporting => "EXPORTING",
        Phase::Paused => "PAUSED",
        Phase::Mixed => "MIXED",
        Phase::Unknown => "UNKNOWN",
    }
}

fn exporter(state: ExporterState) -> &'static str {
    match state {
        ExporterState::Enabled => "ENABLED",
        ExporterState::Disabled => "DISABLED",
        ExporterState::Mixed => "MIXED",
        ExporterState::Unknown => "UNKNOWN",
    }
}

fn light(status: Status) -> &'static str {
    match status {
        Status::Green => "green",
        Status::Yellow => "yellow",
        Status::Red => "red",
        Status::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::collections::BTreeMap;

    use c8_dr::{Configuration, Part, Replica, Seen};

    use super::*;
    use crate::data::regions::tests::topology;

    fn filled(o: &Observation, stores: &[Result<Health, String>; 2]) -> ClusterTopology {
        let installation = regions::resolve(&topology(), &Attr::Null, &Attr::Null, None).unwrap();
        let mut model = ClusterTopology::default();
        fill(&mut model, &installation, o, stores);
        model
    }

    fn seen(replicas: &[(PartitionId, bool)]) -> Seen {
        let replica = |(id, leader): &(PartitionId, bool)| (*id, Replica { leader: *leader, healthy: true });
        Seen { host: "h".into(), partitions: replicas.iter().map(replica).collect() }
    }

    #[test]
    fn nobody_answers_and_nothing_is_made_up() {
        let mut o = Observation::default();
        o.region_mut(0).api = Part::Unreachable("no answer within 10 s".into());
        let silent = || Err("no answer within 10 s".to_owned());
        let model = filled(&o, &[silent(), silent()]);
        assert_eq!((model.cluster_size, model.exporters, model.pending_change), (Attr::Null, Attr::Null, Attr::Null));
        assert_eq!((model.brokers, model.partitions), (Attr::Known(vec![]), Attr::Known(vec![])));
        let Attr::Known(regions) = model.regions else { panic!("they are known") };
        let reasons: Vec<_> = regions.iter().map(|one| one.known().unwrap().reason.known().cloned().unwrap()).collect();
        assert_eq!(reasons, ["no answer within 10 s", "its cluster does not exist"]);
    }

    #[test]
    fn leaders_members_and_exporters_are_those_of_the_view() {
        let mut o = Observation {
            sizes: Some(Topology { cluster_size: 4, partition_count: 2, replication_factor: 4 }),
            ..Observation::default()
        };
        o.region_mut(0).api = Part::Known("uid".into());
        o.region_mut(0).view = Part::Known(View {
            brokers: BTreeMap::from([(0, seen(&[(1, true), (2, true)])), (2, seen(&[(1, false), (2, true)]))]),
            cluster_size: 4,
            partition_count: 2,
            replication_factor: 4,
        });
        o.region_mut(0).configuration = Part::Known(Configuration {
            members: BTreeSet::from([0, 2]),
            exporters: BTreeMap::from([("elasticsearchregion1".into(), ExporterState::Disabled)]),
            ..Configuration::default()
        });
        let green = Health { status: Status::Green, number_of_nodes: 1, unassigned_shards: 0 };
        let model = filled(&o, &[Ok(green), Err("gone".into())]);

        let Attr::Known(brokers) = model.brokers else { panic!("they are known") };
        let brokers: Vec<_> = brokers.iter().map(|one| one.known().unwrap()).collect();
        assert_eq!(
            brokers.iter().map(|one| one.seen.known().copied().unwrap()).collect::<Vec<_>>(),
            [true, false, true, false]
        );
        assert_eq!((&brokers[1].member, &brokers[1].healthy), (&false.into(), &Attr::Null));
        assert_eq!((&brokers[2].leads, &brokers[2].follows), (&vec![2].into(), &vec![1].into()));

        // two brokers claim partition 2: that is no leader
        let Attr::Known(partitions) = model.partitions else { panic!("they are known") };
        let partitions: Vec<_> = partitions.iter().map(|one| one.known().unwrap()).collect();
        assert_eq!((&partitions[0].leader, &partitions[0].healthy), (&0.into(), &true.into()));
        assert_eq!((&partitions[1].leader, &partitions[1].healthy), (&Attr::Null, &false.into()));

        let expected = BTreeMap::from([("elasticsearchregion1".to_owned(), "DISABLED".to_owned())]);
        assert_eq!(model.exporters, Attr::Known(expected));
        let Attr::Known(stores) = model.stores else { panic!("they are known") };
        assert_eq!(stores[0].known().unwrap().status, Attr::Known("green".into()));
        assert_eq!(stores[1].known().unwrap().reason, Attr::Known("gone".into()));
    }
}
