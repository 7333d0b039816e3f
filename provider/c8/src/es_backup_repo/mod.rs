//! `c8_es_backup_repo`: the snapshot repository through which a fail-back copies the search store (dual-region.md 6).
//!
//! - [`names`]: derived names, and rules for those that the user chooses;
//! - [`plan`]: validation, and what is known before apply;
//! - `cloud`: bucket, service account, IAM, keys;
//! - [`key`]: which key is kept;
//! - `store`: the Secret and the registered repositories of one region;
//! - `converge`: all of it, in order;
//! - `imported`: a state from an ID.
//!
//! The key goes from Google to the Secrets and nowhere else: not into state, plan, diagnostics or logs.

mod cloud;
mod converge;
mod imported;
pub mod key;
pub mod names;
pub mod plan;
mod store;

use std::time::Duration;

use c8_schemas::EsBackupRepo;
use terraform_plugin::{Apply, Change, Context, Delete, Diagnostics, Fault, Resource};

use crate::{
    drift::Drift,
    provider::{C8, resolve},
};

/// The resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct EsBackupRepoResource;

impl Resource for EsBackupRepoResource {
    type Model = EsBackupRepo;
    type Client = C8;
    type Observation = Drift;
    type Intent = ();

    const NAME: &'static str = "c8_es_backup_repo";
    const CREATE_TIMEOUT: Duration = Duration::from_secs(20 * 60);
    const UPDATE_TIMEOUT: Duration = Duration::from_secs(20 * 60);
    const DELETE_TIMEOUT: Duration = Duration::from_secs(20 * 60);

    fn validate(&self, config: &EsBackupRepo, diags: &mut Diagnostics) {
        plan::validate(config, diags);
    }

    fn plan(&self, change: &mut Change<Self>) {
        plan::plan(change);
    }

    async fn read(
        &self,
        ctx: &Context<C8>,
        prior: EsBackupRepo,
        seen: Option<Drift>,
    ) -> Result<Option<(EsBackupRepo, Drift)>, Fault> {
        if prior.r#ref.is_null() {
            let installation = resolve(&ctx.client, &prior.regions)?;
            let Some(model) = imported::fill(ctx, &installation, prior).await? else { return Ok(None) };
            return Ok(converge::look(ctx, model, Drift::default()).await);
        }
        Ok(converge::look(ctx, prior, seen.unwrap_or_default()).await)
    }

    async fn create(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(EsBackupRepo, Drift), Fault> {
        converge::converge(ctx, apply).await
    }

    async fn update(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(EsBackupRepo, Drift), Fault> {
        converge::converge(ctx, apply).await
    }

    async fn delete(&self, ctx: &Context<C8>, delete: Delete<Self>) -> Result<(), Fault> {
        converge::remove(ctx, &delete.prior).await
    }

    fn import(&self, id: &str) -> Result<EsBackupRepo, Fault> {
        imported::parse(id)
    }
}
