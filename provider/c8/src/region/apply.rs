//! Create and update of `c8_region`.
//!
//! Once the cluster exists, a create ends as success, with a warning and `phase = "installing"` if not all could be
//! done: a failed create would be tainted, and Terraform would destroy the region, disks and all. The next plan is an
//! update in place.

use std::{collections::BTreeSet, time::Duration};

use c8_clients::Wait;
use c8_release::{Mode, apply::Applier, render};
use c8_schemas::{Region, topology::Place};
use terraform_plugin::{Apply, Attr, Context, Fault, Path};

use super::{
    Observation, RegionResource, cluster,
    install::{Installed, install},
    phase, plan,
    read::{known, note_cluster},
    setup::{Setup, capital},
};
use crate::{
    agreement,
    provider::{Alive, C8, Reach},
};

const INCOMPLETE: &str = "Region is not complete yet";

/// Ends a little before the call's own deadline, so that the result can be told.
fn patience(ctx: &Context<C8>) -> Wait {
    let reserve = (ctx.remaining() / 10).min(Duration::from_secs(20));
    Wait::new(ctx.deadline - reserve, ctx.cancel.clone())
}

/// Creates the region.
pub async fn create(ctx: &Context<C8>, apply: Apply<RegionResource>) -> Result<(Region, Observation), Fault> {
    let mut model = apply.planned;
    let setup = Setup::known(&model)?;
    let place = setup.place(ctx.client.project())?;
    // before anything is made: a second region that does not fit the first would have to be destroyed again
    agree(ctx, &setup).await?;
    let wait = patience(ctx);
    let ours = match (&model.cluster, &place) {
        (Some(block), Place::Gke { .. }) => {
            cluster::provision(&ctx.client, &setup, block, &place, &wait).await?;
            true
        }
        _ => false,
    };
    fill(&mut model, &setup, ctx.client.project());

    let alive = match cluster::answers(&ctx.client, &place, &wait).await {
        Ok(alive) => alive,
        Err(why) if ours => {
            ctx.warn(
                INCOMPLETE,
                format!("The GKE cluster of {} exists, but does not answer: {why}. Apply again.", setup.title()),
            );
            model.phase = Attr::Known(phase::PROVISIONING.to_owned());
            return Ok((model, Observation::default()));
        }
        Err(why) => {
            return Err(Fault::new("Region can't be created", format!("The cluster {place} is not usable: {why}.")));
        }
    };
    let applier = Applier::new(alive.kubernetes.clone(), &setup.release);
    if applier.is_installed().await.unwrap_or(false) {
        return Err(cluster::complete(&setup, &place));
    }
    note_cluster(&mut model, &alive);
    let installed = install(ctx, &setup, &alive, &BTreeSet::new(), &wait).await;
    model.phase = Attr::Known(installed.phase.to_owned());
    model.objects = objects(&setup, &alive, &installed).await;
    tell(ctx, &setup, &installed);
    Ok((model, Observation::default()))
}

/// Compares the region with what runs in its peer.
///
/// # Errors
/// They differ. A peer that does not answer is only warned of.
async fn agree(ctx: &Context<C8>, setup: &Setup) -> Result<(), Fault> {
    let theirs = match agreement::of_peer(&ctx.client, setup).await {
        Ok(Some(theirs)) => theirs,
        Ok(None) => return Ok(()),
        Err(why) => {
            ctx.warn(
                "Regions were not compared",
                format!(
                    "The peer of {} can't be looked at: {why}. Both must have the same sizes and version.",
                    setup.title()
                ),
            );
            return Ok(());
        }
    };
    match agreement::against_peer(setup, &theirs) {
        None => Ok(()),
        Some((attribute, text)) => Err(Fault::at(
            Path::root().attr("camunda").attr(attribute),
            "Regions do not agree",
            format!("{text} Nothing was made."),
        )),
    }
}

/// Changes the region in place, or goes on with what a create could not finish.
pub async fn update(ctx: &Context<C8>, apply: Apply<RegionResource>) -> Result<(Region, Observation), Fault> {
    let seen = apply.observation.clone().unwrap_or_default();
    let prior = apply.prior.clone().unwrap_or_default();
    let mut model = apply.planned;
    let prior_phase = prior.phase.known().cloned().unwrap_or_default();
    if phase::is_out_of_reach(&prior_phase) {
        // planned as it was; only what can be written down without contact has changed
        fill_unknown(&mut model, &prior);
        return Ok((model, seen));
    }
    let setup = Setup::known(&model)?;
    plan::refuse_restart(&prior, &setup)?;
    let place = setup.place(ctx.client.project())?;
    let wait = patience(ctx);
    if let (Some(before), Some(now)) = (prior.id.known(), setup.id(ctx.client.project()))
        && *before != now
    {
        return Err(Fault::new(
            "Region lies elsewhere",
            format!(
                "The state knows {before}, and the configuration says {now}. Is the provider's `project` another one?"
            ),
        ));
    }
    fill(&mut model, &setup, ctx.client.project());

    let meant = prior.r#ref.known().and_then(|reference| reference.cluster_uid.known().cloned());
    let alive = match ctx.client.look(&place).await {
        Reach::Alive(alive) => alive,
        reach if prior_phase == phase::PROVISIONING => match cluster::answers(&ctx.client, &place, &wait).await {
            Ok(alive) => alive,
            Err(why) => return Ok(out_of_reach(ctx, model, &prior, seen, &setup, &reach, &why)),
        },
        reach => return Ok(out_of_reach(ctx, model, &prior, seen, &setup, &reach, "it does not answer any more")),
    };
    if meant.as_ref().is_some_and(|uid| *uid != alive.uid) {
        return Err(Fault::new(
            "Region is another one",
            format!(
                "The cluster of {} has the UID {}, and the state knows {}: it was rebuilt outside of Terraform. Plan again.",
                setup.title(),
                alive.uid,
                meant.unwrap_or_default()
            ),
        ));
    }
    note_cluster(&mut model, &alive);
    let installed = install(ctx, &setup, &alive, &kept(&model, &setup), &wait).await;
    tell(ctx, &setup, &installed);
    if let Some(why) = &installed.stopped {
        // what was promised in `objects` can't be said to be there
        model.phase = Attr::Known(phase::INSTALLING.to_owned());
        if let Attr::Known(objects) = objects(&setup, &alive, &installed).await {
            model.objects = Attr::Known(objects);
        }
        apply.save.save(model, seen);
        return Err(Fault::new(
            INCOMPLETE,
            format!("{}: {why}. What is done stays done; apply again.", capital(&setup.title())),
        ));
    }
    if model.phase.is_unknown() {
        model.phase = Attr::Known(installed.phase.to_owned());
    }
    Ok((model, seen))
}

/// The region went out of reach between plan and apply. An error would make Terraform skip `c8_failover`, which may be
/// there to cure just that.
fn out_of_reach(
    ctx: &Context<C8>,
    mut model: Region,
    prior: &Region,
    seen: Observation,
    setup: &Setup,
    reach: &Reach,
    why: &str,
) -> (Region, Observation) {
    let why = match reach {
        Reach::Silent(silent) => silent.why.as_str(),
        _ => why,
    };
    ctx.warn(
        "Change postponed",
        format!("{} does not answer: {why}. The change is left until it does.", capital(&setup.title())),
    );
    if model.phase.is_unknown() {
        model.phase = Attr::Known(phase::UNREACHABLE.to_owned());
    }
    fill_unknown(&mut model, prior);
    (model, seen)
}

/// What was unknown at plan and needs no contact.
fn fill(model: &mut Region, setup: &Setup, project: Option<&str>) {
    if !model.id.is_known() {
        model.id = setup.id(project).map_or(Attr::Null, Attr::Known);
    }
    if !model.group.is_known() {
        model.group = Attr::Known(setup.group.clone());
    }
    if !model.r#ref.is_known() {
        model.r#ref = Attr::Known(setup.reference(Attr::Unknown));
    }
    if !model.broker_ids.is_known() {
        model.broker_ids = setup.broker_ids();
    }
    if !model.objects.is_known() {
        model.objects = known(Default::default());
    }
    // nothing may stay unknown, and what nobody could ask for is null
    if let Attr::Known(reference) = &mut model.r#ref
        && reference.cluster_uid.is_unknown()
    {
        reference.cluster_uid = Attr::Null;
    }
    for attr in [&mut model.pod_cidr, &mut model.node_tag] {
        if attr.is_unknown() {
            *attr = Attr::Null;
        }
    }
}

/// What is still unknown keeps its prior value.
fn fill_unknown(model: &mut Region, prior: &Region) {
    if model.id.is_unknown() {
        model.id = prior.id.clone();
    }
    if model.group.is_unknown() {
        model.group = prior.group.clone();
    }
    if model.phase.is_unknown() {
        model.phase = prior.phase.clone();
    }
    if model.objects.is_unknown() {
        model.objects = prior.objects.clone();
    }
    if model.broker_ids.is_unknown() {
        model.broker_ids = prior.broker_ids.clone();
    }
    if model.r#ref.is_unknown() {
        model.r#ref = prior.r#ref.clone();
    }
    if let Attr::Known(reference) = &mut model.r#ref
        && reference.cluster_uid.is_unknown()
    {
        reference.cluster_uid = prior.r#ref.known().map_or(Attr::Null, |reference| reference.cluster_uid.clone());
    }
}

/// Objects that the plan left as they are.
fn kept(model: &Region, setup: &Setup) -> BTreeSet<String> {
    let wanted = setup.objects();
    let planned = model.objects.known().into_iter().flatten();
    planned.filter(|(key, digest)| wanted.get(*key) != digest.known()).map(|(key, _)| key.clone()).collect()
}

/// What is there after an installation: what was applied, or a look if it stopped on the way.
async fn objects(
    setup: &Setup,
    alive: &Alive,
    installed: &Installed,
) -> Attr<std::collections::BTreeMap<String, Attr<String>>> {
    let Ok(manifests) = render(&setup.release, Mode::Normal) else { return known(Default::default()) };
    if installed.stopped.is_none() {
        return known(setup.objects());
    }
    let look = Applier::new(alive.kubernetes.clone(), &setup.release);
    let seen = tokio::time::timeout(Duration::from_secs(5), look.observe(&manifests)).await;
    known(seen.ok().and_then(Result::ok).unwrap_or_default())
}

fn tell(ctx: &Context<C8>, setup: &Setup, installed: &Installed) {
    if let Some(why) = &installed.held {
        ctx.warn(
            "Region is held",
            format!("The brokers and web apps of {} do not start until `c8_failover` says so: {why}.", setup.title()),
        );
    }
    if let Some(why) = &installed.stopped {
        ctx.warn(
            INCOMPLETE,
            format!("{} exists, but is not complete: {why}. Apply again to go on.", capital(&setup.title())),
        );
    }
}
