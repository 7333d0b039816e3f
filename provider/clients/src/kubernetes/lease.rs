//! Who may change a region now (`coordination.k8s.io` Lease).
//!
//! A lease never blocks longer than it lives. It is renewed in the background, and its holder asks with [`Lease::check`]
//! before each change, because a renewal may have failed in the meantime. Whoever waits tells whose it is.
//!
//! Clocks of two operators may differ. So a foreign lease counts as dead if it was seen unchanged for its whole life, or if
//! it says of itself that it has expired *and* was seen unchanged for longer than its holder takes between two renewals.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::watch::text;
use super::{Error, Kubernetes, LEASE, ObjectRef};
use crate::{Interrupted, Wait};

/// How long a lease lives without a renewal.
pub const LIFE: Duration = Duration::from_secs(60);

/// A lease that is held. Released by [`Lease::release`]; otherwise it dies after its life.
#[derive(Debug)]
pub struct Lease {
    kubernetes: Kubernetes,
    object: ObjectRef,
    holder: String,
    life: Duration,
    manager: String,
    renewal: JoinHandle<()>,
}

/// What to acquire.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Namespace of the Lease.
    pub namespace: &'a str,
    /// Its name, `c8-dr`.
    pub name: &'a str,
    /// Who we are, readable for others, different for each process.
    pub holder: &'a str,
    /// Its life, usually [`LIFE`].
    pub life: Duration,
    /// Field manager.
    pub manager: &'a str,
}

impl Lease {
    /// Acquires the lease, or waits for it. `waiting` is called with the holder's name, once for each.
    pub async fn acquire(
        kubernetes: &Kubernetes,
        claim: &Claim<'_>,
        wait: &Wait,
        mut waiting: impl FnMut(&str),
    ) -> Result<Self, Error> {
        let object = LEASE.named(claim.namespace, claim.name);
        let mut foreign: Option<(String, Instant)> = None;
        let mut told = String::new();
        loop {
            let current = kubernetes.find(&object).await?;
            let verdict = current.as_ref().map_or(Verdict::Free, |lease| judge(lease, claim.holder));
            let free = match &verdict {
                Verdict::Free => true,
                Verdict::Foreign { holder, version, life, expired } => {
                    if foreign.as_ref().is_none_or(|(seen, _)| seen != version) {
                        foreign = Some((version.clone(), Instant::now()));
                    }
                    let unchanged = foreign.as_ref().map(|(_, since)| since.elapsed()).unwrap_or_default();
                    let dead = unchanged >= *life || (*expired && unchanged >= *life / 3);
                    if !dead && *holder != told {
                        waiting(holder);
                        told.clone_from(holder);
                    }
                    dead
                }
            };
            if free {
                match write(kubernetes, claim, current.as_ref()).await {
                    Ok(()) => break,
                    // Somebody was faster; look again.
                    Err(Error::Conflict { .. } | Error::AlreadyExists { .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            let pause = Duration::from_millis(500).min(claim.life / 4);
            if let Err(why) = wait.pause(pause).await {
                return Err(match why {
                    Interrupted::Deadline => Error::Held { what: object.to_string(), holder: told },
                    Interrupted::Cancelled => Error::Interrupted {
                        what: object.to_string(),
                        why,
                        last: Some(format!("it is held by {told}")),
                    },
                });
            }
        }
        Ok(Self {
            kubernetes: kubernetes.clone(),
            renewal: tokio::spawn(keep(
                kubernetes.clone(),
                object.clone(),
                claim.holder.to_owned(),
                claim.life,
                claim.manager.to_owned(),
            )),
            object,
            holder: claim.holder.to_owned(),
            life: claim.life,
            manager: claim.manager.to_owned(),
        })
    }

    /// Renews it now, and errs if it is somebody else's: [`Error::Held`]. Before each change.
    pub async fn check(&self) -> Result<(), Error> {
        renew(&self.kubernetes, &self.object, &self.holder, self.life, &self.manager).await
    }

    /// As if the process had been killed.
    #[cfg(test)]
    pub(super) fn stop_renewing(&self) {
        self.renewal.abort();
    }

    /// Gives it back, if it is still ours.
    pub async fn release(self) -> Result<(), Error> {
        self.renewal.abort();
        let Some(mut lease) = self.kubernetes.find(&self.object).await? else { return Ok(()) };
        if text(&lease, "/spec/holderIdentity") != self.holder {
            return Ok(());
        }
        lease["spec"]["holderIdentity"] = Value::Null;
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        strip(&mut lease);
        match self.kubernetes.replace(&lease, &self.manager).await {
            Ok(_) | Err(Error::Conflict { .. } | Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nobody's, or ours.
    Free,
    Foreign {
        holder: String,
        version: String,
        life: Duration,
        expired: bool,
    },
}

fn judge(lease: &Value, us: &str) -> Verdict {
    let holder = text(lease, "/spec/holderIdentity");
    if holder.is_empty() || holder == us {
        return Verdict::Free;
    }
    let seconds = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(LIFE.as_secs());
    let life = Duration::from_secs(seconds);
    let renewed: Option<Timestamp> = text(lease, "/spec/renewTime").parse().ok();
    let age =
        renewed.and_then(|renewed| u64::try_from(Timestamp::now().as_second() - renewed.as_second()).ok()).unwrap_or(0);
    Verdict::Foreign {
        holder: holder.to_owned(),
        version: format!("{}/{}", text(lease, "/metadata/resourceVersion"), text(lease, "/spec/renewTime")),
        life,
        expired: age > seconds,
    }
}

/// Microseconds, as the API wants them.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

async fn write(kubernetes: &Kubernetes, claim: &Claim<'_>, current: Option<&Value>) -> Result<(), Error> {
    let mut spec = json!({ "holderIdentity": claim.holder, "leaseDurationSeconds": claim.life.as_secs().max(1), "acquireTime": now(), "renewTime": now() });
    let Some(current) = current else {
        let lease = json!({
            "apiVersion": LEASE.api_version, "kind": LEASE.kind,
            "metadata": { "name": claim.name, "namespace": claim.namespace },
            "spec": spec,
        });
        return kubernetes.create(&lease, claim.manager).await.map(drop);
    };
    let transitions = current.pointer("/spec/leaseTransitions").and_then(Value::as_i64).unwrap_or(0);
    spec["leaseTransitions"] = json!(transitions + 1);
    let mut lease = current.clone();
    lease["spec"] = spec;
    strip(&mut lease);
    kubernetes.replace(&lease, claim.manager).await.map(drop)
}

async fn renew(
    kubernetes: &Kubernetes,
    object: &ObjectRef,
    holder: &str,
    life: Duration,
    manager: &str,
) -> Result<(), Error> {
    // The background renewal may be in between; that is us, so look again.
    for _ in 0..3 {
        let mut lease = kubernetes.get(object).await?;
        let other = text(&lease, "/spec/holderIdentity");
        if other != holder {
            return Err(Error::Held {
                what: object.to_string(),
                holder: if other.is_empty() { "nobody".to_owned() } else { other.to_owned() },
            });
        }
        lease["spec"]["renewTime"] = json!(now());
        lease["spec"]["leaseDurationSeconds"] = json!(life.as_secs().max(1));
        strip(&mut lease);
        match kubernetes.replace(&lease, manager).await {
            Ok(_) => return Ok(()),
            Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict { what: object.to_string(), fields: Vec::new(), message: "it changes all the time".to_owned() })
}

async fn keep(kubernetes: Kubernetes, object: ObjectRef, holder: String, life: Duration, manager: String) {
    loop {
        tokio::time::sleep(life / 4).await;
        match renew(&kubernetes, &object, &holder, life, &manager).await {
            Ok(()) => {}
            Err(Error::Held { holder: other, .. }) => {
                tracing::warn!(%object, other, "the lease was lost");
                return;
            }
            Err(error) => tracing::warn!(%object, %error, "the lease could not be renewed"),
        }
    }
}

/// `managedFields` must not be sent back.
fn strip(lease: &mut Value) {
    if let Some(metadata) = lease.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_lease_is_free_when_released_or_ours() {
        assert_eq!(judge(&json!({ "spec": {} }), "us"), Verdict::Free);
        assert_eq!(judge(&json!({ "spec": { "holderIdentity": "us" } }), "us"), Verdict::Free);
    }

    #[test]
    fn a_foreign_lease_knows_whether_it_has_expired() {
        let lease = |renewed: &str| json!({ "metadata": { "resourceVersion": "7" }, "spec": { "holderIdentity": "them", "leaseDurationSeconds": 60, "renewTime": renewed } });
        let Verdict::Foreign { expired, life, .. } = judge(&lease("2020-01-01T00:00:00.000000Z"), "us") else {
            panic!()
        };
        assert!(expired);
        assert_eq!(life, LIFE);
        let Verdict::Foreign { expired, .. } = judge(&lease(&now()), "us") else { panic!() };
        assert!(!expired);
    }

    #[test]
    fn times_have_microseconds() {
        let now = now();
        assert_eq!(now.len(), "2025-01-01T00:00:00.000000Z".len(), "{now}");
    }
}
