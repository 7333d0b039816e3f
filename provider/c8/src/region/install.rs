//! What create and update have in common: the release is applied, and its search store becomes green.
//!
//! Nothing here waits for a broker: with half of the brokers there is no quorum.

use std::collections::BTreeSet;

use c8_clients::{
    Pace, Wait,
    kubernetes::{Error, Kubernetes},
};
use c8_release::{Mode, apply::Applier, mode, render};
use terraform_plugin::Context;

use super::{live, phase, setup::Setup};
use crate::{
    agreement,
    provider::{Alive, C8},
};

/// How far an installation came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The phase that it reached.
    pub phase: &'static str,
    /// What stopped it, if it is not complete.
    pub stopped: Option<String>,
    /// Why the region is held, if this call decided so.
    pub held: Option<String>,
}

/// Applies the release, but for what is in `keep`, and waits for the search store. Safe to repeat.
pub async fn install(
    ctx: &Context<C8>,
    setup: &Setup,
    alive: &Alive,
    keep: &BTreeSet<String>,
    wait: &Wait,
) -> Installed {
    let mut held = None;
    let stopped = |why: String, held: Option<String>| Installed { phase: phase::INSTALLING, stopped: Some(why), held };
    let work = async {
        let kubernetes = &alive.kubernetes;
        let (mode, why) = mode_of(ctx, setup, alive).await.map_err(|error| error.to_string())?;
        if why.is_some()
            && let Ok(Some(theirs)) = agreement::of_peer(&ctx.client, setup).await
            && let Some((_, text)) = agreement::against_peer(setup, &theirs)
        {
            // both were made at the same time: the first that is installed decides
            return Err(format!("the regions do not agree: {text}"));
        }
        if mode == Mode::Hold {
            held = why;
        }
        let manifests = render(&setup.release, mode).map_err(|error| error.to_string())?;
        let applier = Applier::new(kubernetes.clone(), &setup.release);
        applier.apply(&manifests, keep).await.map_err(|error| error.to_string())?;
        wait_for_store(kubernetes, setup, wait).await?;
        applier.mark_installed(&manifests).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(if mode == Mode::Hold { phase::HELD } else { phase::RUNNING })
    };
    match wait.run(work).await {
        Ok(Ok(phase)) => Installed { phase, stopped: None, held },
        Ok(Err(why)) => stopped(why, held),
        Err(ended) => stopped(ended.to_string(), held),
    }
}

/// The mode that the region has, or is born with and why.
async fn mode_of(ctx: &Context<C8>, setup: &Setup, alive: &Alive) -> Result<(Mode, Option<String>), Error> {
    let namespace = setup.release.namespace();
    if let Some(switched) = live::switched(&alive.kubernetes, namespace).await? {
        // decided before; since then it is c8_failover's
        return Ok((if switched.held || switched.web_apps_off { Mode::Hold } else { Mode::Normal }, None));
    }
    let own = live::record(&alive.kubernetes, namespace).await?;
    let peer = match setup.peer.place(ctx.client.project()) {
        Ok(place) => live::peer(&ctx.client, &place, setup.release.peer_namespace(), &setup.release.release).await,
        Err(error) => mode::Peer::Silent(error.to_string()),
    };
    let (mode, why) = mode::decide(setup.region_id, &alive.uid, own.as_ref(), &peer);
    tracing::info!(?mode, why, "mode of {}", setup.title());
    Ok((mode, Some(why)))
}

async fn wait_for_store(kubernetes: &Kubernetes, setup: &Setup, wait: &Wait) -> Result<(), String> {
    let pace = Pace::begin();
    loop {
        let seen = live::store_is_green(kubernetes, setup.release.namespace(), &setup.release.release).await;
        let Err(why) = seen else { return Ok(()) };
        if let Err(ended) = wait.pause(pace.pause()).await {
            return Err(format!("the search store is not green: {why}; {ended}"));
        }
    }
}
