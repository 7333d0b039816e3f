//! `c8_firewall`: admits the peer's pods to each region's nodes (dual-region.md 1.5).
//!
//! - [`rules`]: which rules are wanted, from what the clusters are;
//! - [`plan`]: what of it is known before apply;
//! - `converge`: looks at clusters and rules, and makes the rules so.
//!
//! Everything it needs comes from Google's APIs, which answer while a region is lost. A cluster that is gone makes both
//! rules unknowable: they stay as they are, for the fence of `c8_failover` decides then, and this resource never touches it.

mod converge;
pub mod plan;
pub mod rules;

use std::time::Duration;

use c8_schemas::Firewall;
use terraform_plugin::{Apply, Attr, Change, Context, Delete, Diagnostics, Fault, Path, Resource};

use crate::{
    drift::Drift,
    installation::{Installation, check_regions, import},
    provider::C8,
};

/// The resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirewallResource;

impl Resource for FirewallResource {
    type Model = Firewall;
    type Client = C8;
    type Observation = Drift;
    type Intent = ();

    const NAME: &'static str = "c8_firewall";
    const CREATE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
    const UPDATE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
    const DELETE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

    fn validate(&self, config: &Firewall, diags: &mut Diagnostics) {
        check_regions(&config.regions, diags);
        let references = config.regions.known().into_iter().flatten().enumerate();
        for (index, reference) in references {
            let Some(reference) = reference.known() else { continue };
            if reference.kubeconfig_context.is_known() || reference.kubeconfig_path.is_known() {
                diags.error(
                    Path::root().attr("regions").index(index),
                    "Firewall needs GKE clusters",
                    "The region is a cluster of your own, reached by a kubeconfig; its network is not known. Open tcp \
                     9200, 26500-26502, 53 and udp 53 from the peer's pods yourself, and leave `c8_firewall` out.",
                );
            }
        }
    }

    fn plan(&self, change: &mut Change<Self>) {
        plan::plan(change);
    }

    async fn read(
        &self,
        ctx: &Context<C8>,
        mut prior: Firewall,
        before: Option<Drift>,
    ) -> Result<Option<(Firewall, Drift)>, Fault> {
        let before = before.unwrap_or_default();
        let Ok(installation) = Installation::resolve(&prior.regions, ctx.client.project()) else {
            return Ok(Some((prior, before)));
        };
        let imported = prior.id.is_null();
        if imported {
            prior.regions = import::complete(&ctx.client, &installation).await;
            prior.id = Attr::Known(installation.group.clone());
            prior.rules = Attr::Known(Vec::new());
        }
        let Some(seen) = converge::look(ctx, &installation, &before).await else {
            // c8_region warns of what does not answer; a second warning helps nobody
            return Ok(Some((prior, before)));
        };
        if imported && seen.rules.is_empty() {
            return Ok(None);
        }
        prior.rules = Attr::Known(seen.rules.into_iter().map(Attr::Known).collect());
        Ok(Some((prior, Drift { drift: seen.drift })))
    }

    async fn create(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(Firewall, Drift), Fault> {
        converge::converge(ctx, apply).await
    }

    async fn update(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(Firewall, Drift), Fault> {
        converge::converge(ctx, apply).await
    }

    async fn delete(&self, ctx: &Context<C8>, delete: Delete<Self>) -> Result<(), Fault> {
        let installation = crate::provider::resolve(&ctx.client, &delete.prior.regions)?;
        converge::remove(ctx, &installation).await
    }

    fn import(&self, id: &str) -> Result<Firewall, Fault> {
        Ok(Firewall { regions: import::regions(id)?, ..Firewall::default() })
    }
}
