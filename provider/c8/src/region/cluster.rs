//! The GKE cluster of a region: created, adopted, or found.

use c8_clients::{
    Interrupted, Pace, Wait,
    gcp::{ClusterStatus, Clusters, Error, NewCluster},
};
use c8_schemas::{Cluster, topology::Place};
use std::sync::Arc;
use terraform_plugin::{Attr, Fault, Path};

use super::setup::Setup;
use crate::provider::{Alive, C8, Reach};

/// Creates the region's GKE cluster, or adopts one that an interrupted create of the same region left behind.
///
/// A namesake that is being deleted is waited for, and never adopted.
pub async fn provision(client: &C8, setup: &Setup, block: &Cluster, place: &Place, wait: &Wait) -> Result<(), Fault> {
    let Place::Gke { project, location, cluster: name } = place else { return Ok(()) };
    let clusters = client.gcp().clusters();
    // another process may create or delete a namesake between two looks
    for _ in 0..3 {
        let found = clusters.get(project, location, name).await.map_err(|error| failed(place, &error))?;
        match found {
            None => match create(&clusters, setup, block, (project, location, name), wait).await {
                Err(Error::AlreadyExists { .. }) => continue,
                done => return done.map_err(|error| failed(place, &error)),
            },
            Some(found) if found.status == ClusterStatus::Stopping => {
                tracing::info!(%place, "waiting for the end of a namesake");
                clusters.gone(project, location, name, wait).await.map_err(|error| failed(place, &error))?;
            }
            Some(found) if found.owner() == Some(&setup.group) => {
                tracing::info!(%place, "adopting the cluster of an interrupted create");
                return clusters
                    .usable(project, location, name, wait)
                    .await
                    .map(drop)
                    .map_err(|error| failed(place, &error));
            }
            Some(found) => return Err(foreign(setup, place, found.owner())),
        }
    }
    Err(Fault::new(
        "GKE cluster can't be created",
        format!("{place} keeps appearing and vanishing: somebody else creates or deletes it."),
    ))
}

async fn create(
    clusters: &Clusters,
    setup: &Setup,
    block: &Cluster,
    (project, location, name): (&str, &str, &str),
    wait: &Wait,
) -> Result<(), Error> {
    let count =
        |attr: &Attr<i64>, default: i32| attr.known().and_then(|count| i32::try_from(*count).ok()).unwrap_or(default);
    let new = NewCluster {
        project: project.to_owned(),
        location: location.to_owned(),
        name: name.to_owned(),
        owner: setup.group.clone(),
        machine_type: block.machine_type.known().cloned().unwrap_or_else(|| "n2-standard-8".to_owned()),
        min_nodes: count(&block.min_nodes, 1),
        max_nodes: count(&block.max_nodes, 24),
        disk_type: block.disk_type.known().cloned(),
        disk_size_gb: block.disk_size_gb.known().and_then(|size| i32::try_from(*size).ok()),
        spot: block.spot.known().copied().unwrap_or(false),
        release_channel: block.release_channel.known().cloned(),
        network: setup.network.known().cloned(),
        subnetwork: block.subnetwork.known().cloned(),
    };
    let operation = clusters.create(&new).await?;
    clusters.finished(&operation, wait).await?;
    clusters.usable(project, location, name, wait).await.map(drop)
}

/// Waits until the cluster's API answers; else why it does not.
pub async fn answers(client: &C8, place: &Place, wait: &Wait) -> Result<Arc<Alive>, String> {
    let mut why = String::new();
    let pace = Pace::begin();
    loop {
        match client.look(place).await {
            Reach::Alive(alive) => return Ok(alive),
            Reach::Absent => return Err("the cluster does not exist".to_owned()),
            Reach::Silent(silent) if silent.forbidden => return Err(silent.why.clone()),
            Reach::Silent(silent) => why.clone_from(&silent.why),
        }
        if let Err(ended) = wait.pause(pace.pause()).await {
            return Err(match ended {
                Interrupted::Deadline => format!("{why}; the time for it ran out"),
                Interrupted::Cancelled => format!("{why}; it was interrupted"),
            });
        }
    }
}

fn failed(place: &Place, error: &Error) -> Fault {
    Fault::at(Path::root().attr("cluster"), "GKE cluster can't be created", format!("{place}: {error}."))
}

fn foreign(setup: &Setup, place: &Place, owner: Option<&str>) -> Fault {
    let whose = match owner {
        Some(owner) => format!("it belongs to the installation `{owner}`"),
        None => "it was not created by this provider".to_owned(),
    };
    Fault::at(
        Path::root().attr("cluster"),
        "GKE cluster exists already",
        format!(
            "{place} exists, and {whose}. To run in it, leave the block `cluster` out, or import it: \
             `terraform import <address> {place}/{}`.",
            setup.release.namespace()
        ),
    )
}

/// There is a complete release: somebody's state knows it.
pub fn complete(setup: &Setup, place: &Place) -> Fault {
    let namespace = setup.release.namespace();
    Fault::new(
        "Region exists already",
        format!(
            "A complete release `{}` runs in {place}, namespace {namespace}. It is not taken over by a create: import it with \
             `terraform import <address> {place}/{namespace}`.",
            setup.release.release
        ),
    )
}
