//! `c8_region`: the cluster of a region and what of Camunda runs in it.
//!
//! - [`setup`]: the model → what the region is made of;
//! - [`plan`]: pure; postpones what would hurt, refuses what can't be done;
//! - `read`: keeps the state of a region that can't be seen; [`phase`]: what it calls it;
//! - `cluster`, `install`, `apply`: cluster created, adopted or found; mode decided; release applied; store green;
//! - `delete`: release, disks, namespace, cluster; `import`: a state without contact;
//! - `live`: what can be seen of a region, its record and its peer.
//!
//! What must never happen: a tainted region (Terraform would destroy it, disks and all); a region that vanishes from the
//! state because it is lost; brokers that start beside living ones on empty disks, because a rebuilt region took itself
//! for a first installation.

mod apply;
mod cluster;
mod delete;
mod import;
mod install;
pub(crate) mod live;
pub mod phase;
pub mod plan;
mod read;
pub mod setup;

use std::time::Duration;

use c8_release::Record;
use c8_schemas::Region;
use serde::{Deserialize, Serialize};
use terraform_plugin::{Apply, Change, Context, Delete, Diagnostics, Fault, Resource};

use crate::{
    agreement::{Agreement, Terms},
    provider::C8,
};

/// The resource.
#[derive(Clone, Debug, Default)]
pub struct RegionResource {
    agreement: Agreement,
}

impl RegionResource {
    /// The resource; `agreement` is shared with the provider, which begins each walk.
    #[must_use]
    pub const fn new(agreement: Agreement) -> Self {
        Self { agreement }
    }
}

/// What the last read saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The other region is lost or unreachable.
    #[serde(default)]
    pub peer_in_trouble: bool,
    /// The region's disks, by the cloud's names, to be named when the cluster can't be asked any more.
    #[serde(default)]
    pub disks: Vec<String>,
    /// The installation runs in one region alone, by the last record that could be read.
    #[serde(default)]
    pub alone: Option<Alone>,
    /// What runs in the other region, when it was seen last.
    #[serde(default)]
    pub peer: Option<Terms>,
}

/// One region carries the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alone {
    /// Which.
    pub survivor: u8,
    /// Since which decision.
    pub epoch: u64,
}

impl Alone {
    /// What a record says.
    pub fn by(record: &Record) -> Option<Self> {
        Some(Self { survivor: record.survivor()?, epoch: record.epoch })
    }
}

impl Resource for RegionResource {
    type Model = Region;
    type Client = C8;
    type Observation = Observation;
    type Intent = ();

    const NAME: &'static str = "c8_region";
    const CREATE_TIMEOUT: Duration = Duration::from_secs(45 * 60);
    const UPDATE_TIMEOUT: Duration = Duration::from_secs(45 * 60);
    const DELETE_TIMEOUT: Duration = Duration::from_secs(45 * 60);

    fn validate(&self, config: &Region, diags: &mut Diagnostics) {
        match setup::Setup::of(config) {
            Ok(setup) => self.agreement.check(&setup, diags),
            Err(setup::SetupError::Invalid(found)) => diags.extend(found),
            Err(setup::SetupError::Unknown) => {}
        }
    }

    fn plan(&self, change: &mut Change<Self>) {
        plan::plan(change);
    }

    async fn read(
        &self,
        ctx: &Context<C8>,
        prior: Region,
        observation: Option<Observation>,
    ) -> Result<Option<(Region, Observation)>, Fault> {
        read::read(ctx, prior, observation).await
    }

    async fn create(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(Region, Observation), Fault> {
        apply::create(ctx, apply).await
    }

    async fn update(&self, ctx: &Context<C8>, apply: Apply<Self>) -> Result<(Region, Observation), Fault> {
        apply::update(ctx, apply).await
    }

    async fn delete(&self, ctx: &Context<C8>, delete: Delete<Self>) -> Result<(), Fault> {
        delete::delete(ctx, delete).await
    }

    fn import(&self, id: &str) -> Result<Region, Fault> {
        import::import(id)
    }
}
