//! `c8_failover`: the switch between both regions and the surviving one.
//!
//! Every decision is made in `c8_dr`, from what was seen; here is the looking and the doing.
//!
//! - [`plan`]: pure; the steps, the evidence, the refusals;
//! - `observe`, `look`, `engine`, `store`: one bounded look at everything, both regions at the same time;
//! - `run`: the loop {observe → classify → assert → one step → poll};
//! - `steps`: what each step does;
//! - `claim`, `fence`, `lease`, `record`: decision, firewall rules, who may change something now, the DR record;
//! - `outcome`, [`identity`]: what is left in the state.
//!
//! What must never happen: a step that was not planned; a mutation without the Lease; a broker removed before its region is
//! fenced off; a success that was not seen.

mod claim;
mod delete;
pub(crate) mod engine;
mod fence;
pub mod identity;
mod lease;
pub(crate) mod look;
pub(crate) mod observe;
mod outcome;
pub mod plan;
pub(crate) mod record;
mod run;
mod steps;
pub(crate) mod store;
mod time;

use std::time::Duration;

use c8_dr::{Goal, Observation, State, classify};
use c8_schemas::failover::Failover as Model;
use terraform_plugin::{Apply, Attr, Change, Context, Delete, Diagnostics, Fault, Path, Resource};

use self::{observe::Depth, plan::Intent, run::Run};
use crate::{
    installation::check_regions,
    provider::{C8, resolve},
};

/// The resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failover;

impl Resource for Failover {
    type Model = Model;
    type Client = C8;
    type Observation = Observation;
    type Intent = Intent;

    const NAME: &'static str = "c8_failover";
    const CREATE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
    const UPDATE_TIMEOUT: Duration = Duration::from_secs(90 * 60);
    const DELETE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

    fn validate(&self, config: &Model, diags: &mut Diagnostics) {
        check_regions(&config.regions, diags);
    }

    fn plan(&self, change: &mut Change<Self>) {
        plan::plan(change);
    }

    fn plan_destroy(&self, _: &Model, observation: Option<&Observation>, diags: &mut Diagnostics) {
        let Some(state) = observation.map(classify) else { return };
        if state != State::Healthy {
            diags.warning(
                Path::root(),
                "The switch is destroyed while not both regions are active",
                format!(
                    "The installation is {state}. Fence, record and all else stay as they are; only the record is marked as \
                     released, so that the regions can be destroyed too. To go back to both regions instead, apply \
                     `failover_active = false`."
                ),
            );
        }
    }

    async fn read(
        &self,
        ctx: &Context<C8>,
        mut prior: Model,
        observation: Option<Observation>,
    ) -> Result<Option<(Model, Observation)>, Fault> {
        let installation = resolve(&ctx.client, &prior.regions)?;
        let reach = ctx.client.reach_both(&installation).await;
        let repository = repository(&prior);
        let depth = Depth::refresh(true, repository.as_deref());
        let seen = observe::observe(&ctx.client, &installation, &reach, observation.as_ref(), depth).await;
        let o = seen.observation;
        if prior.failover_active.is_null() {
            // just imported: the switch is where the installation is
            let active = o.record().is_some_and(|record| record.state.is_failed_over());
            prior.failover_active = Attr::Known(active);
        }
        Ok(Some((outcome::observed(prior, &installation, &o), o)))
    }

    async fn create(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(Model, Observation), Fault> {
        drive(ctx, apply).await
    }

    async fn update(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(Model, Observation), Fault> {
        drive(ctx, apply).await
    }

    async fn delete(&self, ctx: &Context<C8>, delete: Delete<Self>) -> Result<(), Fault> {
        delete::delete(ctx, delete).await
    }

    fn import(&self, id: &str) -> Result<Model, Fault> {
        identity::import(id)
    }
}

/// Name of the snapshot repository, if one is set.
fn repository(model: &Model) -> Option<String> {
    model.backup_repo.known().and_then(|repo| repo.repository.known().cloned())
}

async fn drive(ctx: &Context<C8>, apply: Apply<Failover>) -> Result<(Model, Observation), Fault> {
    let installation = resolve(&ctx.client, &apply.planned.regions)?;
    let intent = apply.intent.clone().unwrap_or(Intent { open: true, ..Intent::default() });
    let mut run = Run::start(ctx, &installation, repository(&apply.planned), apply.observation.as_ref()).await;
    let result = go(&mut run, &apply, &intent).await;
    run.release().await;
    if result.is_err() && !run.completed.is_empty() {
        // the truth so far, with a last short look
        apply.save.save(outcome::applied(&apply.planned, apply.prior.as_ref(), &run), run.o().clone());
    }
    result?;
    Ok((outcome::applied(&apply.planned, apply.prior.as_ref(), &run), run.o().clone()))
}

async fn go(run: &mut Run<'_>, apply: &Apply<Failover>, intent: &Intent) -> Result<(), Fault> {
    let planned = &apply.planned;
    let declared = planned.lost_region.known().and_then(|id| u32::try_from(*id).ok());
    let active = planned.failover_active == Attr::Known(true);
    let creating = apply.prior.is_none();
    let state = classify(run.o());
    tracing::info!(%state, active, "observed");
    if creating && state == State::Absent {
        return Err(Fault::new(
            "There is nothing to watch",
            "No Camunda release was found in either region. Create the regions first (`c8_region`), and refer to them by \
             `regions = [c8_region.zero.ref, c8_region.one.ref]`.",
        ));
    }
    let Some(goal) = intent.goal.or_else(|| c8_dr::goal(run.o(), active, declared)) else {
        return Err(Fault::new(
            c8_dr::NOT_LOST,
            format!("`failover_active` is true, but the installation is {state}. Nothing was changed."),
        ));
    };
    if let (Goal::Without(_), true, false) = (goal, intent.open, creating) {
        // what could not be planned may only go on with a decision that was taken before
        let recorded = run.o().record().is_some_and(|record| record.state.is_failed_over());
        if !recorded {
            run.ctx.warn(
                "The fail-over is not planned yet",
                format!(
                    "A region was rebuilt in this apply, so the steps could not be shown. The installation is {state}; nothing \
                     was changed. Plan again to see the steps."
                ),
            );
            return Ok(());
        }
    }
    run.admit(goal, intent, declared.is_some())?;
    let (save, prior) = (apply.save.clone(), apply.prior.clone());
    run.to(goal, intent, |run| {
        if !run.completed.is_empty() {
            save.save(outcome::applied(planned, prior.as_ref(), run), run.o().clone());
        }
    })
    .await
}
