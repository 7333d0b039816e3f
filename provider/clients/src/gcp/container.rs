//! GKE clusters (`dual-region.md 1.2`).
//!
//! The API's operations are no `google.longrunning` ones, so there is no poller in the library (crates.md 1.1): they are
//! polled here, and every wait ends with its deadline or its cancellation. Creation and the wait for it are two calls,
//! because a provider that was killed in between finds a cluster that is PROVISIONING.

use google_cloud_container_v1::model;

use super::cluster::{Cluster, ClusterStatus, NewCluster, last_segment};
use super::error::Subject;
use super::{Error, Gcp, Service};
use crate::Wait;

/// An operation that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `projects/p/locations/l/operations/o`
    pub name: String,
    /// What it works on, for messages.
    pub what: String,
}

/// GKE clusters.
#[derive(Clone, Debug)]
pub struct Clusters {
    gcp: Gcp,
}

impl Clusters {
    pub(super) const fn new(gcp: Gcp) -> Self {
        Self { gcp }
    }

    /// `GET projects/{project}/locations/{location}/clusters/{name}`; `None` is 404.
    pub async fn get(&self, project: &str, location: &str, name: &str) -> Result<Option<Cluster>, Error> {
        let subject = Subject { verb: "get", kind: "GKE cluster", name };
        let client = self.gcp.container_client().await?;
        let request = client.get_cluster().set_name(path(project, location, name));
        let answer = self.gcp.call(Service::Container, subject, request.send()).await;
        Ok(Error::absent(answer)?.map(|cluster| Cluster::read(project, location, &cluster)))
    }

    /// Starts the creation. [`Error::AlreadyExists`] if the name is taken.
    pub async fn create(&self, new: &NewCluster) -> Result<Operation, Error> {
        let subject = Subject { verb: "create", kind: "GKE cluster", name: &new.name };
        let client = self.gcp.container_client().await?;
        let parent = format!("projects/{}/locations/{}", new.project, new.location);
        let request = client
            .create_cluster()
            .with_request(model::CreateClusterRequest::new().set_parent(parent).set_cluster(new.to_model()));
        let operation = self.gcp.call(Service::Container, subject, request.send()).await?;
        Ok(operation_of(&new.project, &new.location, &operation.name, &new.name))
    }

    /// Starts the deletion. [`Error::NotFound`] if it is gone, [`Error::Conflict`] while another operation runs.
    pub async fn delete(&self, project: &str, location: &str, name: &str) -> Result<Operation, Error> {
        let subject = Subject { verb: "delete", kind: "GKE cluster", name };
        let client = self.gcp.container_client().await?;
        let request = client.delete_cluster().set_name(path(project, location, name));
        let operation = self.gcp.call(Service::Container, subject, request.send()).await?;
        Ok(operation_of(project, location, &operation.name, name))
    }

    /// Polls an operation until it is DONE; its error is [`Error::Operation`]. Short outages of the API are sat out.
    pub async fn finished(&self, operation: &Operation, wait: &Wait) -> Result<(), Error> {
        let subject = Subject { verb: "get", kind: "operation", name: &operation.name };
        let client = self.gcp.container_client().await?;
        let look = || async {
            let request = client.get_operation().set_name(&operation.name);
            let state = match self.gcp.call(Service::Container, subject, request.send()).await {
                Ok(state) => state,
                Err(error) if error.is_unreachable() => return Ok(None),
                Err(error) => return Err(Poll::Api(error)),
            };
            if state.status != model::operation::Status::Done {
                return Ok(None);
            }
            match state.error.filter(|error| error.code != 0) {
                Some(error) => {
                    Err(Poll::Api(Error::Operation { what: operation.what.clone(), message: error.message }))
                }
                None => Ok(Some(())),
            }
        };
        wait.until(look).await.map_err(|error| error.about(&operation.what))
    }

    /// Waits until the cluster is usable. Also for one that somebody else, or a killed provider, is creating.
    pub async fn usable(&self, project: &str, location: &str, name: &str, wait: &Wait) -> Result<Cluster, Error> {
        let what = format!("GKE cluster {name}");
        let look = || async {
            match self.get(project, location, name).await {
                Ok(Some(cluster)) if cluster.status.is_usable() && !cluster.endpoint.is_empty() => Ok(Some(cluster)),
                Ok(Some(cluster)) if cluster.status == ClusterStatus::Error => Err(Poll::Api(Error::Operation {
                    what: what.clone(),
                    message: format!("its status is ERROR: {}", cluster.status_message),
                })),
                Ok(Some(_)) => Ok(None),
                Ok(None) => Err(Poll::Api(Error::NotFound { what: what.clone() })),
                Err(error) if error.is_unreachable() => Ok(None),
                Err(error) => Err(Poll::Api(error)),
            }
        };
        wait.until(look).await.map_err(|error| error.about(&what))
    }

    /// Waits until a namesake in STOPPING has become 404.
    pub async fn gone(&self, project: &str, location: &str, name: &str, wait: &Wait) -> Result<(), Error> {
        let look = || async {
            match self.get(project, location, name).await {
                Ok(None) => Ok(Some(())),
                Ok(Some(_)) => Ok(None),
                Err(error) if error.is_unreachable() => Ok(None),
                Err(error) => Err(Poll::Api(error)),
            }
        };
        wait.until(look).await.map_err(|error| error.about(&format!("the end of GKE cluster {name}")))
    }
}

/// The end of a polling loop before its goal.
pub(super) enum Poll {
    Api(Error),
    Interrupted(crate::Interrupted),
}

impl From<crate::Interrupted> for Poll {
    fn from(why: crate::Interrupted) -> Self {
        Self::Interrupted(why)
    }
}

impl Poll {
    pub(super) fn about(self, what: &str) -> Error {
        match self {
            Self::Api(error) => error,
            Self::Interrupted(why) => Error::interrupted(what, why),
        }
    }
}

fn path(project: &str, location: &str, name: &str) -> String {
    format!("projects/{project}/locations/{location}/clusters/{name}")
}

fn operation_of(project: &str, location: &str, operation: &str, cluster: &str) -> Operation {
    let id = last_segment(operation);
    Operation {
        name: format!("projects/{project}/locations/{location}/operations/{id}"),
        what: format!("GKE cluster {cluster}"),
    }
}
