//! Cloud Storage over gRPC, as the official client speaks it (crates.md 1.1): buckets, their policies, objects.

use std::collections::BTreeMap;

use tonic::{Request, Response, Status};

use super::Bucket;
use crate::gcp::ServiceAccount;
use crate::world::Shared;

mod wire {
    #![allow(missing_docs, clippy::all)]
    pub mod google {
        pub mod iam {
            pub mod v1 {
                tonic::include_proto!("google.iam.v1");
            }
        }
        pub mod storage {
            pub mod v2 {
                tonic::include_proto!("google.storage.v2");
            }
            pub mod control {
                pub mod v2 {
                    tonic::include_proto!("google.storage.control.v2");
                }
            }
        }
    }
}

use wire::google::iam::v1 as iam;
use wire::google::storage::control::v2::storage_control_server::{StorageControl, StorageControlServer};
use wire::google::storage::v2 as api;
use wire::google::storage::v2::storage_server::{Storage, StorageServer};

pub(super) fn routes(shared: Shared) -> axum::Router {
    tonic::service::Routes::new(StorageServer::new(Service { shared: shared.clone() }))
        .add_service(StorageControlServer::new(Service { shared }))
        .into_axum_router()
}

struct Service {
    shared: Shared,
}

fn bucket_name(resource: &str) -> Result<&str, Status> {
    resource
        .strip_prefix("projects/_/buckets/")
        .filter(|name| !name.is_empty() && !name.contains('/'))
        .ok_or_else(|| Status::invalid_argument(format!("Invalid bucket name: {resource}")))
}

fn missing(_: &str) -> Status {
    Status::not_found("The specified bucket does not exist.")
}

/// The rules of bucket names that matter: 3–63 of lower case, digits, `-`, `_`, `.`; letter or digit at both ends.
fn name_is_valid(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.starts_with("goog")
}

fn view(name: &str, bucket: &Bucket) -> api::Bucket {
    api::Bucket {
        name: format!("projects/_/buckets/{name}"),
        bucket_id: name.to_owned(),
        project: format!("projects/{}", bucket.project),
        metageneration: 1,
        location: bucket.location.clone(),
        location_type: if bucket.location.contains('-') { "region" } else { "multi-region" }.to_owned(),
        storage_class: "STANDARD".to_owned(),
        labels: bucket.labels.clone().into_iter().collect(),
        iam_config: Some(api::bucket::IamConfig {
            uniform_bucket_level_access: Some(api::bucket::iam_config::UniformBucketLevelAccess { enabled: true }),
            public_access_prevention: "enforced".to_owned(),
        }),
        etag: "CAE=".to_owned(),
    }
}

#[tonic::async_trait]
impl Storage for Service {
    async fn create_bucket(&self, request: Request<api::CreateBucketRequest>) -> Result<Response<api::Bucket>, Status> {
        let request = request.into_inner();
        let body = request.bucket.unwrap_or_default();
        let name = request.bucket_id;
        if !name_is_valid(&name) {
            return Err(Status::invalid_argument(format!("Invalid bucket name: '{name}'")));
        }
        let project = body
            .project
            .strip_prefix("projects/")
            .or(request.parent.strip_prefix("projects/"))
            .unwrap_or_default()
            .to_owned();
        if project.is_empty() || project == "_" {
            return Err(Status::invalid_argument("A project is required to create a bucket."));
        }
        let mut world = self.shared.lock();
        if world.gcp.buckets.contains_key(&name) {
            return Err(Status::already_exists(
                "Your previous request to create the named bucket succeeded and you already own it.",
            ));
        }
        let location = if body.location.is_empty() { "US".to_owned() } else { body.location.to_uppercase() };
        let bucket = Bucket { project, location, labels: body.labels.into_iter().collect(), ..Bucket::default() };
        let answer = view(&name, &bucket);
        world.gcp.buckets.insert(name, bucket);
        Ok(Response::new(answer))
    }

    async fn get_bucket(&self, request: Request<api::GetBucketRequest>) -> Result<Response<api::Bucket>, Status> {
        let request = request.into_inner();
        let name = bucket_name(&request.name)?;
        let world = self.shared.lock();
        let bucket = world.gcp.buckets.get(name).ok_or_else(|| missing(name))?;
        Ok(Response::new(view(name, bucket)))
    }

    async fn list_buckets(
        &self,
        request: Request<api::ListBucketsRequest>,
    ) -> Result<Response<api::ListBucketsResponse>, Status> {
        let request = request.into_inner();
        let project = request.parent.strip_prefix("projects/").unwrap_or_default();
        let world = self.shared.lock();
        let buckets = world
            .gcp
            .buckets
            .iter()
            .filter(|(name, bucket)| bucket.project == project && name.starts_with(&request.prefix))
            .map(|(name, bucket)| view(name, bucket))
            .collect();
        Ok(Response::new(api::ListBucketsResponse { buckets, next_page_token: String::new() }))
    }

    async fn delete_bucket(&self, request: Request<api::DeleteBucketRequest>) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        let name = bucket_name(&request.name)?;
        let mut world = self.shared.lock();
        let bucket = world.gcp.buckets.get(name).ok_or_else(|| missing(name))?;
        if !bucket.objects.is_empty() {
            return Err(Status::failed_precondition("The bucket you tried to delete is not empty."));
        }
        world.gcp.buckets.remove(name);
        Ok(Response::new(()))
    }

    async fn list_objects(
        &self,
        request: Request<api::ListObjectsRequest>,
    ) -> Result<Response<api::ListObjectsResponse>, Status> {
        let request = request.into_inner();
        let name = bucket_name(&request.parent)?;
        let world = self.shared.lock();
        let bucket = world.gcp.buckets.get(name).ok_or_else(|| missing(name))?;
        let size = if request.page_size > 0 { request.page_size as usize } else { 1000 };
        let mut matching = bucket
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(&request.prefix) && **key > request.page_token)
            .peekable();
        let mut objects: Vec<api::Object> = Vec::new();
        while objects.len() < size {
            let Some((key, object)) = matching.next() else { break };
            objects.push(api::Object {
                name: key.clone(),
                bucket: request.parent.clone(),
                generation: object.generation as i64,
                size: object.data.len() as i64,
            });
        }
        let next_page_token = match (matching.peek(), objects.last()) {
            (Some(_), Some(last)) => last.name.clone(),
            _ => String::new(),
        };
        Ok(Response::new(api::ListObjectsResponse { objects, next_page_token }))
    }

    async fn delete_object(&self, request: Request<api::DeleteObjectRequest>) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        let name = bucket_name(&request.bucket)?;
        let mut world = self.shared.lock();
        let bucket = world.gcp.buckets.get_mut(name).ok_or_else(|| missing(name))?;
        bucket
            .objects
            .remove(&request.object)
            .ok_or_else(|| Status::not_found(format!("No such object: {name}/{}", request.object)))?;
        Ok(Response::new(()))
    }
}

#[tonic::async_trait]
impl StorageControl for Service {
    async fn get_iam_policy(
        &self,
        request: Request<iam::GetIamPolicyRequest>,
    ) -> Result<Response<iam::Policy>, Status> {
        let request = request.into_inner();
        let name = bucket_name(&request.resource)?;
        let world = self.shared.lock();
        let bucket = world.gcp.buckets.get(name).ok_or_else(|| missing(name))?;
        Ok(Response::new(policy(bucket)))
    }

    async fn set_iam_policy(
        &self,
        request: Request<iam::SetIamPolicyRequest>,
    ) -> Result<Response<iam::Policy>, Status> {
        let request = request.into_inner();
        let name = bucket_name(&request.resource)?;
        let wanted = request.policy.unwrap_or_default();
        let mut world = self.shared.lock();
        for member in wanted.bindings.iter().flat_map(|binding| &binding.members) {
            if let Some(email) = member.strip_prefix("serviceAccount:")
                && email.ends_with(".iam.gserviceaccount.com")
                && !world.gcp.accounts.get(email).is_some_and(ServiceAccount::is_known)
            {
                return Err(Status::invalid_argument(format!("Service account {email} does not exist.")));
            }
        }
        let bucket = world.gcp.buckets.get_mut(name).ok_or_else(|| missing(name))?;
        if !wanted.etag.is_empty() && wanted.etag != etag(bucket) {
            return Err(Status::aborted(
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
            ));
        }
        let mut roles: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for binding in wanted.bindings {
            roles.entry(binding.role).or_default().extend(binding.members);
        }
        bucket.policy = roles;
        bucket.policy_version += 1;
        Ok(Response::new(policy(bucket)))
    }
}

fn etag(bucket: &Bucket) -> Vec<u8> {
    bucket.policy_version.to_be_bytes().to_vec()
}

fn policy(bucket: &Bucket) -> iam::Policy {
    let bindings = bucket
        .policy
        .iter()
        .map(|(role, members)| iam::Binding { role: role.clone(), members: members.clone() })
        .collect();
    iam::Policy { version: 1, etag: etag(bucket), bindings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules() {
        assert!(name_is_valid("my-camunda-backup"));
        for wrong in ["ab", "-abc", "abc-", "Abc", "goog-bucket", &"a".repeat(64)] {
            assert!(!name_is_valid(wrong), "{wrong}");
        }
    }

    #[test]
    fn resources_are_named_by_the_wildcard_project() {
        assert_eq!(bucket_name("projects/_/buckets/b").expect("valid"), "b");
        assert!(bucket_name("b").is_err());
        assert!(bucket_name("projects/p/buckets/b").is_err());
    }
}
