//! The provider block and what all resources share.
//!
//! - [`C8Provider`]: configuration → [`C8`]; stores values only, so that a plan works while nothing answers;
//! - [`C8`]: Google clients, and the way into the cluster of a region;
//! - [`Reach`]: whether a cluster answers. Asked once a refresh and shared by all resources, within ten seconds
//!   ([`C8::reach`]); an apply looks again right before it decides ([`C8::look`]).

mod config;
mod reach;

use std::{collections::HashMap, time::Duration};

use c8_clients::{
    Wait,
    gcp::{Gcp, GcpConfig},
};
use c8_schemas::{ProviderConfig, topology::Place};
use terraform_plugin::{Context, Diagnostics, Fault, Path, Provider};
use tokio::sync::Mutex;

pub use reach::{Alive, Reach, Silent};

use crate::{
    agreement::Agreement,
    installation::{Installation, RegionAt, RegionRefs},
};

/// The provider.
#[derive(Clone, Debug, Default)]
pub struct C8Provider {
    agreement: Agreement,
}

impl C8Provider {
    /// The provider; `agreement` is shared with `c8_region`.
    #[must_use]
    pub const fn new(agreement: Agreement) -> Self {
        Self { agreement }
    }
}

impl Provider for C8Provider {
    type Config = ProviderConfig;
    type Client = C8;

    fn validate(&self, config: &ProviderConfig, diags: &mut Diagnostics) {
        self.agreement.forget();
        config::validate(config, diags);
    }

    async fn configure(&self, config: ProviderConfig, _terraform_version: &str) -> Result<C8, Fault> {
        // a process that was attached to serves one walk after the other
        self.agreement.forget();
        Ok(C8::new(config::gcp(&config)))
    }
}

/// What resources talk to the world with.
#[derive(Debug)]
pub struct C8 {
    gcp: Gcp,
    project: Option<String>,
    probes: Mutex<HashMap<Place, reach::Probe>>,
}

impl C8 {
    /// Stores values; connects with the first call.
    #[must_use]
    pub fn new(config: GcpConfig) -> Self {
        let project = config.project.clone();
        Self { gcp: Gcp::new(config), project, probes: Mutex::default() }
    }

    /// The Google clients.
    #[must_use]
    pub const fn gcp(&self) -> &Gcp {
        &self.gcp
    }

    /// The project of the provider block.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Whether a cluster answers, as seen in this refresh: at most one probe a cluster, shared by all who ask, all
    /// clusters at the same time. For reads.
    pub async fn reach(&self, place: &Place) -> Reach {
        let probe = {
            let mut probes = self.probes.lock().await;
            match probes.get(place) {
                Some(probe) if probe.is_fresh() => probe.clone(),
                _ => {
                    let probe = reach::Probe::start(self.gcp.clone(), place.clone());
                    probes.insert(place.clone(), probe.clone());
                    probe
                }
            }
        };
        probe.result().await
    }

    /// Whether a cluster answers right now. For applies, which decide by it.
    pub async fn look(&self, place: &Place) -> Reach {
        reach::probe(self.gcp.clone(), place.clone()).await
    }

    /// [`reach`](Self::reach) of both regions, at the same time.
    pub async fn reach_both(&self, installation: &Installation) -> [Reach; 2] {
        let [zero, one] = &installation.regions;
        let (zero, one) = futures::join!(self.reach(&zero.place), self.reach(&one.place));
        [zero, one]
    }

    /// [`look`](Self::look) at both regions, at the same time.
    pub async fn look_at_both(&self, installation: &Installation) -> [Reach; 2] {
        let [zero, one] = &installation.regions;
        let (zero, one) = futures::join!(self.look(&zero.place), self.look(&one.place));
        [zero, one]
    }
}

impl C8 {
    /// Warns that a look was refused, unless `c8_region` has the same to say of a whole region.
    pub async fn warn_of_rights(&self, ctx: &Context<Self>, installation: &Installation, what: &str, why: &str) {
        let refused = |reach: &Reach| matches!(reach, Reach::Silent(silent) if silent.forbidden);
        if self.reach_both(installation).await.iter().any(refused) {
            return;
        }
        ctx.warn(
            format!("{what} can't be looked at"),
            format!(
                "{}.\nThat says nothing of their health: what is known of them stays as it is. The guide \"Permissions\" lists \
                 what a plan needs.",
                crate::installation::capital(why)
            ),
        );
    }
}

/// Resolves `regions` where all is known, as a fault that points at the attribute.
///
/// # Errors
/// The references do not name an installation; see [`crate::installation::InstallationError`].
pub fn resolve(client: &C8, regions: &RegionRefs) -> Result<Installation, Fault> {
    Installation::resolve(regions, client.project()).map_err(|error| {
        Fault::at(
            Path::root().attr("regions"),
            "Regions can't be resolved",
            format!("The attribute is not usable: {error}."),
        )
    })
}

/// Time for what a refresh looks at once the cluster is known to answer. Together with the probe it keeps a plan of an
/// installation that hangs within half a minute.
const LOOK: Duration = Duration::from_secs(10);

/// A look of a refresh; `None` if it takes too long. Nothing can be said then, and what is known stays.
pub async fn within_a_look<T>(look: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LOOK, look).await.ok()
}

/// Deadline and cancellation of a call, for everything that polls.
#[must_use]
pub fn wait<C>(ctx: &Context<C>) -> Wait {
    Wait::new(ctx.deadline, ctx.cancel.clone())
}

/// The living cluster of a region, if it is the one that `region` means. Otherwise why its half is left out.
///
/// # Errors
/// A sentence for a warning: it does not answer, does not exist, or was rebuilt since the plan.
pub fn living<'a>(region: &RegionAt, reach: &'a Reach) -> Result<&'a Alive, String> {
    match reach {
        Reach::Alive(alive) => match &region.cluster_uid {
            Some(meant) if *meant != alive.uid => Err(format!(
                "it is not the cluster that was planned for (UID {meant}, found {}): it was rebuilt in between",
                alive.uid
            )),
            _ => Ok(alive),
        },
        Reach::Absent => Err("its cluster does not exist".to_owned()),
        Reach::Silent(silent) => Err(silent.why.clone()),
    }
}
