//! Destroying the switch leaves the installation as it is.
//!
//! The record is marked as released in every region that answers: only then may the survivor be destroyed too. Claims go;
//! fences stay while not both regions are active, because the lost region's old brokers must not come back. The survivor's
//! region removes them when its brokers are gone.

use std::time::Duration;

use c8_clients::{gcp::Firewalls, kubernetes::Kubernetes};
use c8_dr::{Observation, State, classify};
use c8_release::record::RecordState;
use terraform_plugin::{Context, Delete, Fault};

use super::{
    Failover, claim, fence, lease,
    observe::{Depth, firewalls, observe},
    record,
};
use crate::{
    installation::Installation,
    provider::{C8, wait},
};

/// How long whoever holds the Lease is waited for: longer than a dead holder's Lease lives.
const LEASE: Duration = Duration::from_secs(90);

/// Deletes.
pub async fn delete(ctx: &Context<C8>, delete: Delete<Failover>) -> Result<(), Fault> {
    let Ok(installation) = Installation::resolve(&delete.prior.regions, ctx.client.project()) else { return Ok(()) };
    let reach = ctx.client.look_at_both(&installation).await;
    let depth = Depth::transition(false, None);
    let seen = observe(&ctx.client, &installation, &reach, delete.observation.as_ref(), depth).await;
    let o = seen.observation;
    let survivor = o.record().and_then(|record| record.lost).map_or(0, c8_dr::peer);
    let living: Vec<_> = [survivor, c8_dr::peer(survivor)]
        .into_iter()
        .filter_map(|region| {
            let alive = reach[usize::from(region != 0)].alive()?;
            Some((u8::from(region != 0), &alive.kubernetes, alive.uid.as_str()))
        })
        .collect();
    let recorded = |id: &u8| o.region(u32::from(*id)).record.is_known();
    let leading = living.iter().find(|(id, ..)| recorded(id));
    let lease = match leading {
        // an apply that is on its way somewhere else finds out at its next step
        Some((id, kubernetes, _)) => {
            let wait = wait(ctx).within(LEASE);
            Some(lease::acquire(ctx, kubernetes, &installation.region(*id).namespace, &wait).await?)
        }
        None => None,
    };
    let released = release(ctx, &installation, &o, &living).await;
    if let Some(lease) = lease
        && let Err(error) = lease.release().await
    {
        tracing::warn!(%error, "the Lease could not be released; it ends by itself");
    }
    released
}

/// Marks the record, and takes the rules away that are of no use any more.
async fn release(
    ctx: &Context<C8>,
    installation: &Installation,
    o: &Observation,
    living: &[(u8, &Kubernetes, &str)],
) -> Result<(), Fault> {
    if !living.is_empty() && o.record().is_some() {
        let (_, warnings) = record::write(installation, living, |record| record.state = RecordState::Released).await?;
        for warning in warnings {
            ctx.warn("The DR record was not released everywhere", warning);
        }
    }
    let healthy = classify(o) == State::Healthy;
    for region in [0_u8, 1] {
        let Some(rules) = firewalls(&ctx.client, installation, region) else { continue };
        remove_claims(ctx, &rules, installation).await;
        if healthy {
            remove_fences(ctx, &rules, installation).await;
        }
    }
    if !healthy {
        ctx.warn("The fence was kept", kept(o, installation));
    }
    Ok(())
}

async fn remove_claims(ctx: &Context<C8>, rules: &Firewalls, installation: &Installation) {
    for name in claim::all(rules, &installation.group).await.unwrap_or_default() {
        if let Err(error) = rules.delete(&name, &wait(ctx)).await {
            ctx.warn("A claim was not removed", format!("{name}: {error}. It has no effect; delete it by hand."));
        }
    }
}

async fn remove_fences(ctx: &Context<C8>, rules: &Firewalls, installation: &Installation) {
    let names = fence::names(&installation.group);
    for name in [names.incoming, names.outgoing, names.store] {
        if let Err(error) = rules.delete(&name, &wait(ctx)).await {
            ctx.warn("A fence was not removed", format!("{name}: {error}."));
        }
    }
}

fn kept(o: &Observation, installation: &Installation) -> String {
    let names = fence::names(&installation.group);
    format!(
        "The installation is {}. The firewall rules {}, {} and {}, as far as they exist, stay: brokers of a lost region must not \
         come back with old data. Destroying the surviving region removes them.",
        classify(o),
        names.incoming,
        names.outgoing,
        names.store
    )
}
