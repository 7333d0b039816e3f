//! `c8_dr_state`: what the installation is seen to be right now, from the topology alone, with the evidence.

use c8_dr::{Observation, Topology, classify, evidence};
use c8_schemas::{
    RegionRef,
    dr_state::{BrokerState, DrState},
    topology::TopologyEntry,
};
use terraform_plugin::{Attr, Context, DataSource, Diagnostics, Fault, Path};

use crate::{
    failover::observe::{Depth, observe},
    installation::{Installation, RegionRefs, check_group},
    provider::C8,
};

/// The data source.
#[derive(Clone, Copy, Debug, Default)]
pub struct DrStateSource;

impl DataSource for DrStateSource {
    type Model = DrState;
    type Client = C8;

    const NAME: &'static str = "c8_dr_state";

    fn validate(&self, config: &DrState, diags: &mut Diagnostics) {
        if let Attr::Known(entries) = &config.topology
            && entries.len() != 2
        {
            diags.error(
                Path::root().attr("topology"),
                "Two regions are needed",
                format!("`topology` has {} entries; a dual-region installation has two.", entries.len()),
            );
        }
        if let Attr::Known(group) = &config.group {
            check_group(group, Path::root().attr("group"), diags);
        }
    }

    async fn read(&self, ctx: &Context<C8>, mut config: DrState) -> Result<DrState, Fault> {
        let regions = references(&config);
        let installation = Installation::resolve(&regions, ctx.client.project()).map_err(|error| {
            Fault::at(
                Path::root().attr("topology"),
                "Topology can't be resolved",
                format!("The attribute is not usable: {error}."),
            )
        })?;
        let reach = ctx.client.reach_both(&installation).await;
        let depth = Depth { stores: false, repository: None };
        let o = observe(&ctx.client, &installation, &reach, None, depth).await.observation;
        fill(&mut config, &installation, &o);
        Ok(config)
    }
}

fn references(config: &DrState) -> RegionRefs {
    let Attr::Known(entries) = &config.topology else { return Attr::Unknown };
    let reference = |(id, entry): (usize, &Attr<TopologyEntry>)| match entry {
        Attr::Known(entry) => Attr::Known(RegionRef {
            region_id: Attr::Known(i64::from(id != 0)),
            namespace: entry.namespace.clone(),
            group: config.group.clone(),
            project: entry.project.clone(),
            location: entry.location.clone(),
            cluster: entry.cluster.clone(),
            release: config.release.clone(),
            kubeconfig_path: entry.kubeconfig_path.clone(),
            kubeconfig_context: entry.kubeconfig_context.clone(),
            network: entry.network.clone(),
            cluster_uid: Attr::Null,
        }),
        Attr::Null => Attr::Null,
        Attr::Unknown => Attr::Unknown,
    };
    Attr::Known(entries.iter().enumerate().map(reference).collect())
}

fn fill(model: &mut DrState, installation: &Installation, o: &Observation) {
    let state = classify(o);
    if !model.group.is_known() {
        model.group = Attr::Known(installation.group.clone());
    }
    model.state = Attr::Known(state.phase().to_uppercase());
    model.lost_region = state.lost().map_or(Attr::Null, |lost| Attr::Known(i64::from(lost)));
    let epoch = o.record().and_then(|record| i64::try_from(record.epoch).ok()).unwrap_or_default();
    model.epoch = Attr::Known(epoch);
    let mut lines = vec![state.to_string()];
    lines.extend(
        evidence(o, state.lost()).into_iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")),
    );
    model.evidence = Attr::Known(lines.into_iter().map(Attr::Known).collect());
    let view = state.lost().map_or_else(|| o.best_view().map(|(_, view)| view), |lost| o.view_from(c8_dr::peer(lost)));
    let ids = o.sizes.map(|sizes| sizes.all()).unwrap_or_default();
    let brokers = ids.into_iter().map(|id| {
        let seen = view.and_then(|view| view.brokers.get(&id));
        let leads = seen.into_iter().flat_map(|seen| &seen.partitions).filter(|(_, replica)| replica.leader);
        Attr::Known(BrokerState {
            id: Attr::Known(i64::from(id)),
            region_id: Attr::Known(i64::from(Topology::region_of(id))),
            seen: Attr::Known(seen.is_some()),
            leads: Attr::Known(leads.map(|(partition, _)| Attr::Known(i64::from(*partition))).collect()),
        })
    });
    model.brokers = Attr::Known(brokers.collect());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_order_of_the_topology_numbers_the_regions() {
        let entry = |ns: &str| {
            Attr::Known(TopologyEntry {
                namespace: Attr::Known(ns.into()),
                kubeconfig_context: Attr::Known(ns.into()),
                ..TopologyEntry::default()
            })
        };
        let config = DrState { topology: Attr::Known(vec![entry("a"), entry("b")]), ..DrState::default() };
        let installation = Installation::resolve(&references(&config), None).unwrap();
        assert_eq!(installation.region(1).namespace, "b");
        let mut model = config;
        fill(&mut model, &installation, &Observation::default());
        assert_eq!(model.state, Attr::Known("ABSENT".into()));
        assert_eq!(model.group, Attr::Known("a-b".into()));
        assert_eq!(model.lost_region, Attr::Null);
    }
}
