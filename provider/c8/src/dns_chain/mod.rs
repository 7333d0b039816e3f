//! `c8_dns_chain`: each region resolves the names of the other (dual-region.md 1.4).
//!
//! - [`stub_domains`]: the texts that make a cluster's DNS forward a domain;
//! - `cluster_dns`: the DNS of one cluster;
//! - [`plan`]: what is known before apply;
//! - `converge`: both regions at the same time, and the proof that names resolve.

mod cluster_dns;
mod converge;
pub mod plan;
pub mod stub_domains;

use std::time::Duration;

use c8_schemas::DnsChain;
use terraform_plugin::{Apply, Change, Context, Delete, Diagnostics, Fault, Resource};

use crate::{
    drift::Drift,
    installation::{Installation, check_regions, import},
    provider::{C8, resolve},
};

/// The resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct DnsChainResource;

impl Resource for DnsChainResource {
    type Model = DnsChain;
    type Client = C8;
    type Observation = Drift;
    type Intent = ();

    const NAME: &'static str = "c8_dns_chain";
    const CREATE_TIMEOUT: Duration = Duration::from_secs(20 * 60);
    const UPDATE_TIMEOUT: Duration = Duration::from_secs(20 * 60);
    const DELETE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

    fn validate(&self, config: &DnsChain, diags: &mut Diagnostics) {
        check_regions(&config.regions, diags);
    }

    fn plan(&self, change: &mut Change<Self>) {
        plan::plan(change);
    }

    async fn read(
        &self,
        ctx: &Context<C8>,
        prior: DnsChain,
        before: Option<Drift>,
    ) -> Result<Option<(DnsChain, Drift)>, Fault> {
        let before = before.unwrap_or_default();
        let Ok(installation) = Installation::resolve(&prior.regions, ctx.client.project()) else {
            return Ok(Some((prior, before)));
        };
        if prior.id.is_null() {
            return Ok(converge::imported(ctx, &installation, prior).await);
        }
        Ok(Some(converge::look(ctx, &installation, prior, before).await))
    }

    async fn create(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(DnsChain, Drift), Fault> {
        converge::converge(ctx, apply).await
    }

    async fn update(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(DnsChain, Drift), Fault> {
        converge::converge(ctx, apply).await
    }

    async fn delete(&self, ctx: &Context<C8>, delete: Delete<Self>) -> Result<(), Fault> {
        let installation = resolve(&ctx.client, &delete.prior.regions)?;
        converge::remove(ctx, &installation).await
    }

    fn import(&self, id: &str) -> Result<DnsChain, Fault> {
        Ok(DnsChain { regions: import::regions(id)?, ..DnsChain::default() })
    }
}
