//! One look at the whole installation: both regions at the same time, every part bounded.

use std::time::Duration;

use c8_clients::gcp::Firewalls;
use c8_dr::{Claim, Fence, Observation, Part, Region, Strategy};
use c8_schemas::topology::Place;
use tokio::time::{Instant, timeout_at};

use super::{
    claim,
    engine::{self, Reports},
    fence,
    look::{self, Release},
    store, time,
};
use crate::{
    agreement::{self, Terms},
    installation::{Installation, RegionAt},
    provider::{C8, Reach},
};

/// Time for the look of a refresh, both its halves together: with the probe before it, a read of an installation that hangs
/// takes 20 s.
const REFRESH: Duration = Duration::from_secs(10);
/// Time for a look of a transition, whose brokers may be busy.
const TRANSITION: Duration = Duration::from_secs(60);

/// How much is looked at, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Depth<'a> {
    /// What does not answer by then is unreachable.
    within: Duration,
    /// Both stores, once a fail-over is recorded; `None` never.
    pub stores: bool,
    /// Repository to look for snapshots in.
    pub repository: Option<&'a str>,
}

impl<'a> Depth<'a> {
    /// For a refresh.
    pub fn refresh(stores: bool, repository: Option<&'a str>) -> Self {
        Self { within: REFRESH, stores, repository }
    }

    /// For an apply.
    pub fn transition(stores: bool, repository: Option<&'a str>) -> Self {
        Self { within: TRANSITION, stores, repository }
    }
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
    let until = Instant::now() + depth.within;
    let [zero, one] = &installation.regions;
    let (rules, (zero, zero_release, zero_reports), (one, one_release, one_reports)) = futures::join!(
        async {
            let looked = timeout_at(until, rules(client, installation)).await;
            looked.unwrap_or_else(|_| (Part::Unreachable(too_late(depth)), None))
        },
        region_by(until, zero, &reach[0], depth),
        region_by(until, one, &reach[1], depth),
    );
    let (fence, claim) = rules;
    let mut o = Observation { at: time::now(), regions: [zero, one], fence, claim, ..Observation::default() };
    o.sizes = zero_release.sizes.or(one_release.sizes).or_else(|| o.record().and_then(|record| record.sizes));
    for region in &mut o.regions {
        let Part::Known(view) = &mut region.view else { continue };
        for reports in [&zero_reports, &one_reports].into_iter().filter_map(Part::known) {
            engine::believe_brokers(view, reports);
        }
    }
    exporting(&mut o, [zero_reports, one_reports]);
    if depth.stores && o.record().is_some_and(|record| record.state.is_failed_over()) {
        let look = |id: u8, reach: &Reach| {
            let at = installation.region(id).clone();
            let reach = reach.clone();
            let repository = depth.repository.map(str::to_owned);
            async move {
                let alive = reach.alive()?;
                let elastic = store::elastic(&at, alive);
                let looked = timeout_at(until, store::look(&elastic, repository.as_deref())).await;
                Some(looked.unwrap_or_else(|_| Part::Unreachable(too_late(depth))))
            }
        };
        let (zero, one) = futures::join!(look(0, &reach[0]), look(1, &reach[1]));
        for (id, store) in [(0, zero), (1, one)] {
            if let Some(store) = store {
                o.region_mut(id).store = store;
            }
        }
    }
    o.disagreements = disagreements(installation, [&zero_release, &one_release]);
    remember_missing(&mut o, previous);
    Seen { observation: o, releases: [zero_release, one_release] }
}

fn too_late(depth: Depth<'_>) -> String {
    format!("no answer within {} s", depth.within.as_secs())
}

async fn region_by(until: Instant, at: &RegionAt, reach: &Reach, depth: Depth<'_>) -> (Region, Release, Part<Reports>) {
    match timeout_at(until, region(at, reach)).await {
        Ok(seen) => seen,
        Err(_) => {
            let why = too_late(depth);
            (look::silent(at, reach, &why), Release::default(), Part::Unreachable(why))
        }
    }
}

fn disagreements(installation: &Installation, releases: [&Release; 2]) -> Vec<String> {
    let [Some(zero), Some(one)] = releases.map(Terms::running) else { return Vec::new() };
    let name = |id: u8| format!("region {id} ({})", installation.region(id).namespace);
    zero.differences(&one).iter().map(|difference| agreement::sentence(&name(0), &name(1), difference)).collect()
}

async fn region(at: &RegionAt, reach: &Reach) -> (Region, Release, Part<Reports>) {
    let (mut region, release) = look::look(at, reach).await;
    region.version.clone_from(&release.version);
    let mut reports = Part::Absent;
    if let Some(alive) = reach.alive() {
        let zeebe = engine::zeebe(at, alive);
        let fixed = release.version.as_deref().and_then(Strategy::of).is_some_and(Strategy::is_temporary);
        let configuration = async {
            if fixed {
                return Part::Unreachable("there is no cluster API before 8.6".to_owned());
            }
            engine::configuration(&zeebe).await
        };
        let (view, configuration, found) =
            futures::join!(engine::view(&zeebe), configuration, engine::all_reports(&zeebe, at, &region));
        region.view = view;
        region.configuration = configuration;
        reports = found;
    }
    (region, release, reports)
}

/// What brokers say about exporting. With fixed members the leaders may run anywhere: then all brokers that answer count together,
/// and one that should answer and does not leaves nobody the wiser.
fn exporting(o: &mut Observation, reports: [Part<Reports>; 2]) {
    let each = |part: &Part<Reports>| match part {
        Part::Known(reports) => Part::Known(engine::summarise(reports)),
        Part::Unreachable(why) => Part::Unreachable(why.clone()),
        Part::Absent => Part::Absent,
    };
    let own = reports.each_ref().map(each);
    let together = match &reports {
        [Part::Unreachable(why), _] | [_, Part::Unreachable(why)] => Part::Unreachable(why.clone()),
        [zero, one] => {
            let all: Reports =
                [zero, one].into_iter().filter_map(Part::known).flatten().map(|(id, all)| (*id, all.clone())).collect();
            if all.is_empty() { Part::Absent } else { Part::Known(engine::summarise(&all)) }
        }
    };
    let fixed = Strategy::seen(o).is_temporary();
    for (region, own) in o.regions.iter_mut().zip(own) {
        if region.api.is_known() {
            region.exporting = if fixed { together.clone() } else { own };
        }
    }
}

/// The firewall rules of the installation's project, if it has one: clusters of the user's own can't be fenced this way.
pub fn firewalls(client: &C8, installation: &Installation, region: u8) -> Option<Firewalls> {
    match &installation.region(region).place {
        Place::Gke { project, .. } => Some(client.gcp().firewalls(project.clone())),
        Place::Kubeconfig { .. } => None,
    }
}

/// Which fences there are, and the newest claim.
async fn rules(client: &C8, installation: &Installation) -> (Part<Fence>, Option<Claim>) {
    let mut found = Vec::new();
    let mut projects = Vec::new();
    for region in &installation.regions {
        let Place::Gke { project, .. } = &region.place else { continue };
        if projects.contains(&project) {
            continue;
        }
        projects.push(project);
        match client.gcp().firewalls(project.clone()).list("c8-").await {
            Ok(rules) => found.extend(rules),
            Err(error) => return (Part::Unreachable(error.to_string()), None),
        }
    }
    (Part::Known(fence::among(&found, &installation.group)), claim::newest(&found, &installation.group))
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
