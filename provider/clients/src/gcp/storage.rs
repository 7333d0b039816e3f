//! Buckets and who may use them (`dual-region.md 6`).
//!
//! The client library speaks gRPC for buckets (crates.md 1.1). Permissions are changed by read-modify-write with the
//! policy's etag, at the bucket only, never at the project.

use std::collections::BTreeMap;

use google_cloud_iam_v1::model as iam;
use google_cloud_storage::model;
use google_cloud_storage::model::bucket::IamConfig;
use google_cloud_storage::model::bucket::iam_config::UniformBucketLevelAccess;

use super::error::Subject;
use super::{Error, Gcp, Service};

/// A bucket as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name, unique in the world.
    pub name: String,
    /// Project, as the API gives it: `projects/<number>`.
    pub project: String,
    /// Location, upper case.
    pub location: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A role with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `roles/storage.objectAdmin`
    pub role: String,
    /// `serviceAccount:…`
    pub members: Vec<String>,
}

/// The policy of a bucket. Conditions and what else it holds are kept as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    inner: iam::Policy,
}

impl Policy {
    /// Its bindings.
    pub fn bindings(&self) -> Vec<Binding> {
        self.inner
            .bindings
            .iter()
            .map(|binding| Binding { role: binding.role.clone(), members: binding.members.clone() })
            .collect()
    }

    /// Whether `member` has `role` without a condition.
    pub fn grants(&self, role: &str, member: &str) -> bool {
        self.inner
            .bindings
            .iter()
            .any(|binding| unconditional(binding, role) && binding.members.iter().any(|other| other == member))
    }

    /// Adds a member. `false` if nothing was to be done.
    pub fn grant(&mut self, role: &str, member: &str) -> bool {
        if self.grants(role, member) {
            return false;
        }
        match self.inner.bindings.iter_mut().find(|binding| unconditional(binding, role)) {
            Some(binding) => binding.members.push(member.to_owned()),
            None => self.inner.bindings.push(iam::Binding::new().set_role(role).set_members([member])),
        }
        true
    }

    /// Removes a member, and the binding with its last one. `false` if nothing was to be done.
    pub fn revoke(&mut self, role: &str, member: &str) -> bool {
        if !self.grants(role, member) {
            return false;
        }
        for binding in self.inner.bindings.iter_mut().filter(|binding| unconditional(binding, role)) {
            binding.members.retain(|other| other != member);
        }
        self.inner.bindings.retain(|binding| !binding.members.is_empty());
        true
    }
}

fn unconditional(binding: &iam::Binding, role: &str) -> bool {
    binding.role == role && binding.condition.is_none()
}

/// Buckets.
#[derive(Clone, Debug)]
pub struct Buckets {
    gcp: Gcp,
}

/// How often a change of a policy is tried again when somebody else was faster.
const POLICY_ATTEMPTS: u32 = 5;

impl Buckets {
    pub(super) const fn new(gcp: Gcp) -> Self {
        Self { gcp }
    }

    /// `None` is 404. Another owner's bucket is [`Error::Forbidden`].
    pub async fn get(&self, name: &str) -> Result<Option<Bucket>, Error> {
        let client = self.gcp.storage_client().await?;
        let request = client.get_bucket().set_name(resource(name));
        let answer = self.gcp.call(Service::Storage, subject("get", name), request.send()).await;
        Ok(Error::absent(answer)?.map(|bucket| read(name, &bucket)))
    }

    /// Creates a bucket with uniform access that can't be made public. [`Error::AlreadyExists`]: look whose it is.
    pub async fn create(
        &self,
        project: &str,
        name: &str,
        location: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Bucket, Error> {
        let client = self.gcp.storage_client().await?;
        let access = IamConfig::new()
            .set_uniform_bucket_level_access(UniformBucketLevelAccess::new().set_enabled(true))
            .set_public_access_prevention("enforced");
        let bucket = model::Bucket::new()
            .set_project(format!("projects/{project}"))
            .set_location(location)
            .set_labels(labels.clone())
            .set_iam_config(access);
        let request = client.create_bucket().set_parent("projects/_").set_bucket_id(name).set_bucket(bucket);
        let created = self.gcp.call(Service::Storage, subject("create", name), request.send()).await?;
        Ok(read(name, &created))
    }

    /// Deletes an empty bucket. `false` if there was none; [`Error::Conflict`] if it is not empty.
    pub async fn delete(&self, name: &str) -> Result<bool, Error> {
        let client = self.gcp.storage_client().await?;
        let request = client.delete_bucket().set_name(resource(name));
        let answer = self.gcp.call(Service::Storage, subject("delete", name), request.send()).await;
        Ok(Error::absent(answer)?.is_some())
    }

    /// The names of its objects under `prefix` (empty: all).
    pub async fn objects(&self, name: &str, prefix: &str) -> Result<Vec<String>, Error> {
        let client = self.gcp.storage_client().await?;
        let mut names = Vec::new();
        let mut page = String::new();
        loop {
            let request = client.list_objects().set_parent(resource(name)).set_prefix(prefix).set_page_token(&page);
            let answer = self.gcp.call(Service::Storage, subject("list the objects of", name), request.send()).await?;
            names.extend(answer.objects.into_iter().map(|object| object.name));
            if answer.next_page_token.is_empty() || answer.next_page_token == page {
                return Ok(names);
            }
            page = answer.next_page_token;
        }
    }

    /// Deletes one object. `false` if there was none.
    pub async fn delete_object(&self, name: &str, object: &str) -> Result<bool, Error> {
        let client = self.gcp.storage_client().await?;
        let request = client.delete_object().set_bucket(resource(name)).set_object(object);
        let answer = self.gcp.call(Service::Storage, subject("delete an object of", name), request.send()).await;
        Ok(Error::absent(answer)?.is_some())
    }

    /// Deletes all objects, for `force_destroy`. Gives their number.
    pub async fn empty(&self, name: &str) -> Result<usize, Error> {
        let objects = self.objects(name, "").await?;
        for object in &objects {
            self.delete_object(name, object).await?;
        }
        Ok(objects.len())
    }

    /// Its policy, with the etag.
    pub async fn policy(&self, name: &str) -> Result<Policy, Error> {
        let client = self.gcp.storage_client().await?;
        let options = iam::GetPolicyOptions::new().set_requested_policy_version(3);
        let request = client.get_iam_policy().set_resource(resource(name)).set_options(options);
        let inner = self.gcp.call(Service::Storage, subject("get the policy of", name), request.send()).await?;
        Ok(Policy { inner })
    }

    /// Writes a policy that was read before; [`Error::Conflict`] if it changed in between.
    pub async fn set_policy(&self, name: &str, policy: Policy) -> Result<Policy, Error> {
        let client = self.gcp.storage_client().await?;
        let request = client.set_iam_policy().set_resource(resource(name)).set_policy(policy.inner);
        let inner = self.gcp.call(Service::Storage, subject("set the policy of", name), request.send()).await?;
        Ok(Policy { inner })
    }

    /// Reads, changes and writes the policy until nobody was in between. `change` says whether anything is to be written.
    pub async fn change_policy(&self, name: &str, change: impl Fn(&mut Policy) -> bool) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let mut policy = self.policy(name).await?;
            if !change(&mut policy) {
                return Ok(());
            }
            match self.set_policy(name, policy).await {
                Ok(_) => return Ok(()),
                Err(Error::Conflict { .. }) if attempt < POLICY_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

fn resource(name: &str) -> String {
    format!("projects/_/buckets/{name}")
}

const fn subject<'a>(verb: &'static str, name: &'a str) -> Subject<'a> {
    Subject { verb, kind: "bucket", name }
}

fn read(name: &str, bucket: &model::Bucket) -> Bucket {
    Bucket {
        name: name.to_owned(),
        project: bucket.project.clone(),
        location: bucket.location.clone(),
        labels: bucket.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn granting_leaves_others_and_conditions_alone() {
        let conditional: iam::Binding = serde_json::from_value(serde_json::json!({
            "role": "roles/storage.objectAdmin", "members": ["user:b"], "condition": { "expression": "false" },
        }))
        .unwrap();
        let mut policy = Policy {
            inner: iam::Policy::new().set_etag(bytes::Bytes::from_static(b"e1")).set_bindings([conditional.clone()]),
        };
        assert!(policy.grant("roles/storage.objectAdmin", "serviceAccount:a"));
        assert!(!policy.grant("roles/storage.objectAdmin", "serviceAccount:a"), "done already");
        assert_eq!(policy.inner.bindings.len(), 2, "the conditional binding is another one");
        assert!(policy.revoke("roles/storage.objectAdmin", "serviceAccount:a"));
        assert_eq!(policy.inner.bindings, [conditional]);
        assert_eq!(policy.inner.etag.as_ref(), b"e1");
    }
}
