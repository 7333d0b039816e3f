//! Who may do what in a bucket: by the bucket's own policy, or as the project's owner.

use super::super::Gcp;
use super::super::response::ApiError;

/// What a service account may do in a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketAccess {
    /// May read objects and see the bucket.
    pub read: bool,
    /// May create and delete objects.
    pub write: bool,
}

/// The permissions that the APIs here ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    BucketGet,
    List,
    Get,
    Create,
    Delete,
}

impl Permission {
    const fn name(self) -> &'static str {
        match self {
            Self::BucketGet => "storage.buckets.get",
            Self::List => "storage.objects.list",
            Self::Get => "storage.objects.get",
            Self::Create => "storage.objects.create",
            Self::Delete => "storage.objects.delete",
        }
    }
}

/// What the roles of Cloud Storage consist of, as far as objects and the sight of a bucket are concerned.
fn holds(role: &str, permission: Permission) -> bool {
    use Permission::{BucketGet, Create, Delete, Get, List};
    match role {
        "roles/storage.admin" => true,
        "roles/storage.objectAdmin" | "roles/storage.objectUser" => permission != BucketGet,
        "roles/storage.objectViewer" => matches!(permission, List | Get),
        "roles/storage.objectCreator" => permission == Create,
        "roles/storage.legacyBucketReader" => matches!(permission, BucketGet | List),
        "roles/storage.legacyBucketWriter" | "roles/storage.legacyBucketOwner" => {
            matches!(permission, BucketGet | List | Create | Delete)
        }
        "roles/storage.legacyObjectReader" | "roles/storage.legacyObjectOwner" => permission == Get,
        _ => false,
    }
}

impl Gcp {
    /// What `email` may do in `bucket` by the bucket's own policy.
    pub fn bucket_access(&self, bucket: &str, email: &str) -> BucketAccess {
        let all = |permissions: &[Permission]| permissions.iter().all(|one| self.permits(bucket, email, *one));
        BucketAccess {
            read: all(&[Permission::BucketGet, Permission::List, Permission::Get]),
            write: all(&[Permission::BucketGet, Permission::Create, Permission::Delete]),
        }
    }

    fn permits(&self, bucket: &str, email: &str, permission: Permission) -> bool {
        let member = format!("serviceAccount:{email}");
        self.buckets.get(bucket).is_some_and(|bucket| {
            bucket.policy.iter().any(|(role, members)| members.contains(&member) && holds(role, permission))
        })
    }

    /// Refuses `principal` what it may not do, and everyone what is not there.
    pub(super) fn require(&self, bucket: &str, principal: &str, permission: Permission) -> Result<(), ApiError> {
        if !self.buckets.contains_key(bucket) {
            return Err(ApiError::new(404, "notFound", "The specified bucket does not exist."));
        }
        let owner = self.operator.as_ref().is_some_and(|operator| operator.email == principal);
        if owner || self.permits(bucket, principal, permission) {
            return Ok(());
        }
        let name = permission.name();
        Err(ApiError::new(
            403,
            "forbidden",
            format!(
                "{principal} does not have {name} access to the Google Cloud Storage bucket. Permission '{name}' denied on resource (or it may not exist)."
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bucket;
    use super::*;

    fn gcp(roles: &[&str]) -> Gcp {
        let mut gcp = Gcp::default();
        let member = "serviceAccount:es@p.iam.gserviceaccount.com".to_owned();
        let policy = roles.iter().map(|role| (format!("roles/storage.{role}"), vec![member.clone()])).collect();
        gcp.buckets.insert("backup".into(), Bucket { policy, ..Bucket::default() });
        gcp
    }

    #[rstest::rstest]
    #[case::none(&[], (false, false))]
    #[case::admin(&["admin"], (true, true))]
    #[case::objects_alone_do_not_show_the_bucket(&["objectAdmin"], (false, false))]
    #[case::as_the_provider_binds_them(&["objectAdmin", "legacyBucketReader"], (true, true))]
    #[case::viewer(&["objectViewer", "legacyBucketReader"], (true, false))]
    #[case::creator_can_not_overwrite(&["objectCreator", "legacyBucketReader"], (false, false))]
    fn access_comes_from_roles(#[case] roles: &[&str], #[case] (read, write): (bool, bool)) {
        let gcp = gcp(roles);
        assert_eq!(gcp.bucket_access("backup", "es@p.iam.gserviceaccount.com"), BucketAccess { read, write });
        assert_eq!(gcp.bucket_access("backup", "other@p.iam.gserviceaccount.com"), BucketAccess::default());
        assert_eq!(gcp.bucket_access("other", "es@p.iam.gserviceaccount.com"), BucketAccess::default());
    }
}
