//! The Lease: who may change the installation now. It lies in the region that decides, and lives for a minute.

use c8_clients::{
    Wait,
    kubernetes::{
        Error, Kubernetes,
        lease::{self, Claim, Lease},
    },
};
use c8_release::{names, record};
use terraform_plugin::{Context, Fault};

use super::claim;
use crate::provider::C8;

/// Acquires the Lease in a region, or waits for whoever holds it and says so.
///
/// # Errors
/// Somebody holds it for longer than there is time to wait, or it can't be written.
pub async fn acquire(ctx: &Context<C8>, kubernetes: &Kubernetes, namespace: &str, wait: &Wait) -> Result<Lease, Fault> {
    // a process id is the same in every container
    let holder = format!("terraform-provider-c8/{}", claim::nonce());
    let claim = Claim {
        namespace,
        name: record::NAME,
        holder: &holder,
        life: lease::LIFE,
        manager: names::SWITCH_FIELD_MANAGER,
    };
    let waiting = |other: &str| {
        tracing::info!(holder = other, "waiting for the Lease");
        ctx.warn("Another operator held the Lease", format!("The apply waited for {other}."));
    };
    Lease::acquire(kubernetes, &claim, wait, waiting).await.map_err(|error| fault(&error))
}

/// It is not ours, or nobody can tell.
pub fn fault(error: &Error) -> Fault {
    let (summary, way_out) = match error {
        Error::Held { .. } => {
            ("Another operator changes this installation", "A Lease lives for a minute at most; apply again then.")
        }
        _ => ("The Lease can't be held", "Without it another operator could work at the same time. Apply again."),
    };
    Fault::new(summary, format!("Lease {}: {error}. Nothing more was changed. {way_out}", record::NAME))
}
