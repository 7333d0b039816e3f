//! `c8_es_backup_repo`.

use terraform_plugin::{Attr, Model};

use crate::timeouts::Timeouts;
use crate::topology::{BackupRepoRef, RegionRef};

/// The snapshot repository through which a fail-back copies the search store: a bucket, a service account that may
/// write into it (and into no other), its key in each region, and the registered, verified repositories.
///
/// Each region writes below its own path and reads the other's; so nothing needs to be switched for a restore. The key
/// lives in the Secret `gcs-backup-key` of each region, never in the state.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct EsBackupRepo {
    /// The two regions: `[c8_region.zero.ref, c8_region.one.ref]`.
    #[tf(required)]
    pub regions: Attr<Vec<Attr<RegionRef>>>,
    /// Name of the repository in the search stores. The peer's is registered as `<repository>_peer`, read-only.
    #[tf(optional, default = "camunda_backup", replace)]
    pub repository: Attr<String>,
    /// Account id (the part before the `@`) of the service account. Derived from the name of the installation if not
    /// set.
    #[tf(optional, computed, replace)]
    pub service_account_id: Attr<String>,
    /// The bucket of the snapshots.
    #[tf(block, required)]
    pub bucket: Option<Bucket>,
    /// Limits for creating, updating and deleting the repository.
    #[tf(block)]
    pub timeouts: Option<Timeouts>,

    /// Name of the bucket and of the repository.
    #[tf(computed)]
    pub id: Attr<String>,
    /// The reference to this repository that `c8_failover` takes in `backup_repo`.
    #[tf(computed)]
    pub r#ref: Attr<BackupRepoRef>,
    /// Address of the service account.
    #[tf(computed)]
    pub service_account_email: Attr<String>,
    /// Id of the service account's key (not the key).
    #[tf(computed)]
    pub key_id: Attr<String>,
    /// The path in the bucket below which each region writes, in the order of the region numbers; empty text for a
    /// region that has none yet.
    #[tf(computed)]
    pub base_paths: Attr<Vec<Attr<String>>>,
}

/// The bucket of the snapshots. One that exists already is taken over only if this installation made it.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Bucket {
    /// Name of the bucket; unique in all of Google Cloud.
    #[tf(required, replace)]
    pub name: Attr<String>,
    /// Where the bucket is, such as `EU`. A bucket in a region that can be lost is of no use when it is lost: choose a
    /// multi-region or dual-region.
    #[tf(optional, default = "EU", replace)]
    pub location: Attr<String>,
    /// Delete the bucket with the snapshots in it. Otherwise a bucket that is not empty is not deleted.
    #[tf(optional, default = false)]
    pub force_destroy: Attr<bool>,
}
