//! `c8_dr_state`: what the installation is seen to be right now, from the topology alone, with the evidence.

use c8_dr::{Observation, Topology, classify};
use c8_schemas::dr_state::{BrokerState, DrState};
use terraform_plugin::{Attr, Context, DataSource, Diagnostics, Fault};

use super::regions;
use crate::{
    failover::observe::{Depth, observe},
    installation::Installation,
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
        regions::check(&config.topology, &config.group, diags);
    }

    async fn read(&self, ctx: &Context<C8>, mut config: DrState) -> Result<DrState, Fault> {
        let project = ctx.client.project();
        let installation = regions::resolve(&config.topology, &config.group, &config.release, project)?;
        let reach = ctx.client.reach_both(&installation).await;
        let depth = Depth::refresh(false, None);
        let o = observe(&ctx.client, &installation, &reach, None, depth).await.observation;
        fill(&mut config, &installation, &o);
        Ok(config)
    }
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
    lines.extend(c8_dr::evidence::lines(o, state.lost()).iter().map(ToString::to_string));
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
    use crate::data::regions::tests::topology;

    #[test]
    fn nothing_seen_is_absent() {
        let installation = regions::resolve(&topology(), &Attr::Null, &Attr::Null, None).unwrap();
        let mut model = DrState::default();
        fill(&mut model, &installation, &Observation::default());
        assert_eq!(model.state, Attr::Known("ABSENT".into()));
        assert_eq!(model.group, Attr::Known("a-b".into()));
        assert_eq!(model.lost_region, Attr::Null);
    }
}
