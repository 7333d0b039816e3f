//! One look at the whole installation: both regions at the same time, every part bounded.

use c8_clients::gcp::Firewalls;
use c8_dr::{Fence, Observation, Part, Region};
use c8_schemas::topology::Place;

use super::{
    engine, fence,
    look::{self, Release},
    store, time,
};
use crate::{
    installation::{Installation, RegionAt},
    provider::{C8, Reach},
};

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Depth<'a> {
    /// Both stores, once a fail-over is recorded; `None` never.
    pub stores: bool,
    /// Repository to look for snapshots in.
    pub repository: Option<&'a str>,
}

/// What was seen, and what else the steps need to know.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// For the engine.
    pub observation: Observation,
    /// What the releases say, by region.
    pub releases: [Release; 2],
}

/// Looks. `previous` tells since when brokers are missing.
pub async fn observe(
    client: &C8,
    installation: &Installation,
    reach: &[Reach; 2],
    previous: Option<&Observation>,
    depth: Depth<'_>,
) -> Seen {
    let [zero, one] = &installation.regions;
    let (fences, (zero, zero_release), (one, one_release)) =
        futures::join!(fences(client, installation), region(zero, &reach[0]), region(one, &reach[1]),);
    let mut o = Observation { at: time::now(), regions: [zero, one], fence: fences, ..Observation::default() };
    o.sizes = zero_release.sizes.or(one_release.sizes).or_else(|| o.record().and_then(|record| record.sizes));
    if depth.stores && o.record().is_some_and(|record| record.state.is_failed_over()) {
        let look = |id: u8, reach: &Reach| {
            let at = installation.region(id).clone();
            let reach = reach.clone();
            let repository = depth.repository.map(str::to_owned);
            async move {
                match reach.alive() {
                    Some(alive) => Some(store::look(&store::elastic(&at, alive), repository.as_deref()).await),
                    None => None,
                }
            }
        };
        let (zero, one) = futures::join!(look(0, &reach[0]), look(1, &reach[1]));
        for (id, store) in [(0, zero), (1, one)] {
            if let Some(store) = store {
                o.region_mut(id).store = store;
            }
        }
    }
    remember_missing(&mut o, previous);
    Seen { observation: o, releases: [zero_release, one_release] }
}

async fn region(at: &RegionAt, reach: &Reach) -> (Region, Release) {
    let (mut region, release) = look::look(at, reach).await;
    region.version.clone_from(&release.version);
    if let Some(alive) = reach.alive() {
        let zeebe = engine::zeebe(at, alive);
        let (view, configuration, exporting) = futures::join!(
            engine::view(&zeebe),
            engine::configuration(&zeebe),
            engine::exporting(&zeebe, at, &region.pods)
        );
        region.view = view;
        region.configuration = configuration;
        region.exporting = exporting;
    }
    (region, release)
}

/// The firewall rules of the installation's project, if it has one: clusters of the user's own can't be fenced this way.
pub fn firewalls(client: &C8, installation: &Installation, region: u8) -> Option<Firewalls> {
    match &installation.region(region).place {
        Place::Gke { project, .. } => Some(client.gcp().firewalls(project.clone())),
        Place::Kubeconfig { .. } => None,
    }
}

async fn fences(client: &C8, installation: &Installation) -> Part<Fence> {
    let mut found = Fence::default();
    let mut projects = Vec::new();
    for region in &installation.regions {
        let Place::Gke { project, .. } = &region.place else { continue };
        if projects.contains(&project) {
            continue;
        }
        projects.push(project);
        match fence::look(&client.gcp().firewalls(project.clone()), &installation.group).await {
            Ok(fence) => {
                found.brokers |= fence.brokers;
                found.any |= fence.any;
                found.store |= fence.store;
            }
            Err(error) => return Part::Unreachable(error.to_string()),
        }
    }
    Part::Known(found)
}

/// Since when all brokers of a region are missing in the peer's view: carried from look to look.
fn remember_missing(o: &mut Observation, previous: Option<&Observation>) {
    let Some(sizes) = o.sizes else { return };
    for lost in [0_u32, 1] {
        let gone =
            o.view_from(c8_dr::peer(lost)).is_some_and(|view| sizes.brokers(lost).iter().all(|id| !view.lists(*id)));
        let before = previous.and_then(|previous| previous.missing_since[lost as usize]);
        o.missing_since[lost as usize] = gone.then(|| before.unwrap_or(o.at));
    }
}
