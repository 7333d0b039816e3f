//! `c8_failover`.

use terraform_plugin::{Attr, Model};

use crate::timeouts::Timeouts;
use crate::topology::{BackupRepoRef, RegionRef};

/// The switch: run on the surviving region, or on both.
///
/// With `failover_active = true` after the loss of a region, it fences the lost region off, restores the quorum of the
/// surviving brokers and lets exporting go on. With `failover_active = false` after the region was rebuilt, it copies
/// the search store, takes the region's brokers back in and ends with both regions active. The plan lists the steps.
/// Each step is skipped if it is done: an apply that was interrupted is completed by the next one.
///
/// Before Camunda 8.6 nobody can remove brokers from a cluster. There temporary brokers take the ids of half of the lost ones, and a
/// store of their own takes what is meant for the lost region's.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Failover {
    /// The two regions: `[c8_region.zero.ref, c8_region.one.ref]`, or literals with the same fields.
    #[tf(required)]
    pub regions: Attr<Vec<Attr<RegionRef>>>,
    /// The backup repository: `c8_es_backup_repo.this.ref`. Needed for a fail-back.
    #[tf(optional)]
    pub backup_repo: Attr<BackupRepoRef>,
    /// `true`: run on the surviving region. `false`: run on both.
    #[tf(required)]
    pub failover_active: Attr<bool>,
    /// Number of the lost region. If not set it is the one that is seen to be lost; it is never guessed.
    #[tf(optional, range(0, 1))]
    pub lost_region: Attr<i64>,
    /// How the lost region is kept away: `gcp_firewall` denies all traffic between the regions but DNS.
    #[tf(optional, default = "gcp_firewall", one_of("gcp_firewall"))]
    pub fence: Attr<String>,
    /// Limits for creating, updating and deleting. An interrupted transition is completed by the next apply.
    #[tf(block)]
    pub timeouts: Option<Timeouts>,

    /// Names both regions, so that it can be imported without contact.
    #[tf(computed)]
    pub id: Attr<String>,
    /// Name of the installation.
    #[tf(computed)]
    pub group: Attr<String>,
    /// Number of the last transition; 0 if there was none.
    #[tf(computed)]
    pub epoch: Attr<i64>,
    /// What the installation is seen to be, such as `healthy`, `region_lost` or `failed_over`.
    #[tf(computed)]
    pub phase: Attr<String>,
    /// The steps that the last change planned.
    #[tf(computed)]
    pub planned_steps: Attr<Vec<Attr<String>>>,
    /// The steps that the last change completed.
    #[tf(computed)]
    pub completed_steps: Attr<Vec<Attr<String>>>,
    /// What was found and proven in the last change.
    #[tf(computed)]
    pub report: Attr<Vec<Attr<String>>>,
    /// How long the last change took, in seconds.
    #[tf(computed)]
    pub recovery_time_seconds: Attr<i64>,
}
