//! Delete of `c8_region`: nothing is left behind, and nothing is taken away that the installation lives on.

use c8_clients::{Wait, gcp, kubernetes::Error};
use c8_release::{Record, RecordState, teardown::Teardown};
use c8_schemas::{Region, topology::Place};
use terraform_plugin::{Context, Delete, Fault};

use super::{Alone, Observation, RegionResource, live, phase, setup::title};
use crate::{
    installation::DEFAULT_RELEASE,
    provider::{C8, Reach, wait},
};

/// What a deletion is about.
struct Target {
    region_id: u8,
    namespace: String,
    release: String,
    place: Place,
    meant: Option<String>,
    group: Option<String>,
    /// The GKE cluster is ours to delete.
    created: bool,
    was_lost: bool,
}

impl Target {
    fn title(&self) -> String {
        title(self.region_id, &self.namespace)
    }
}

/// Deletes the region.
pub async fn delete(ctx: &Context<C8>, delete: Delete<RegionResource>) -> Result<(), Fault> {
    let prior = &delete.prior;
    let project = ctx.client.project();
    let Some(target) = target(prior, project)? else { return Ok(()) };
    let peer = prior.topology.known().and_then(|list| list.get(usize::from(target.region_id == 0))?.known());
    let peer_place = peer.and_then(|entry| entry.place(project).ok());
    let (own, peer_reach) = futures::join!(ctx.client.look(&target.place), async {
        match &peer_place {
            Some(place) => Some(ctx.client.look(place).await),
            None => None,
        }
    });

    if let Reach::Alive(alive) = &own
        && target.meant.as_ref().is_some_and(|uid| *uid != alive.uid)
    {
        ctx.warn(
            "Another cluster has taken the place",
            format!(
                "{} has the UID {}, not {}: it is not the one that is deleted here, and stays.",
                target.place,
                alive.uid,
                target.meant.as_deref().unwrap_or_default()
            ),
        );
        return Ok(());
    }

    let peer_namespace = peer.and_then(|entry| entry.namespace.known());
    let (record, read) = newest_record(&target, &own, peer_reach.as_ref(), peer_namespace).await.map_err(|error| {
        Fault::new(
            "Region can't be deleted",
            format!(
                "Whether {} carries the installation alone can't be read: {error}. Nothing was deleted; destroy again.",
                target.title()
            ),
        )
    })?;
    if let Some(record) = &record
        && record.survivor() == Some(target.region_id)
    {
        return Err(Fault::new(
            "Region carries the installation alone",
            format!(
                "The record of the installation says that {} runs alone since epoch {}. Destroy `c8_failover` first (a plain \
                 `terraform destroy` does), or fail back.",
                target.title(),
                record.epoch
            ),
        ));
    }

    if let Some(alone) = carries_alone(&own, read, delete.observation.as_ref(), target.region_id) {
        return Err(Fault::new(
            "Region carries the installation alone",
            format!(
                "No region answers with the record of the installation. When it was read last, it said that {} runs alone since \
                 epoch {}: its disks may be all there is. Nothing was deleted. Destroy again when a region answers; if nothing \
                 is to be saved, take it out of the state with `terraform state rm` and delete the cluster by hand.",
                target.title(),
                alone.epoch
            ),
        ));
    }

    let orphans = match &own {
        Reach::Alive(alive) => {
            let release = Teardown::new(alive.kubernetes.clone(), &target.release, &target.namespace, half(ctx));
            let left = release.run().await.map_err(|error| {
                Fault::new(
                    "Region can't be deleted",
                    format!(
                        "{}: {error}. What is gone is gone; destroy again.",
                        super::setup::capital(&target.title())
                    ),
                )
            })?;
            if !left.objects.is_empty() {
                ctx.warn("Something is left", format!("Not gone in time: {}.", left.objects.join(", ")));
            }
            left.disks
        }
        Reach::Absent => delete.observation.as_ref().map(|seen| seen.disks.clone()).unwrap_or_default(),
        Reach::Silent(silent) if target.created || target.was_lost => {
            tracing::info!(why = silent.why, "the cluster does not answer; its objects go with it");
            delete.observation.as_ref().map(|seen| seen.disks.clone()).unwrap_or_default()
        }
        Reach::Silent(silent) => {
            return Err(Fault::new(
                "Region can't be deleted",
                format!(
                    "The cluster of {} does not answer: {}. It is not ours to delete, so its release would stay behind. Try again \
                     when it answers, or `terraform state rm` the region.",
                    target.title(),
                    silent.why
                ),
            ));
        }
    };
    if target.created {
        delete_cluster(ctx, &target).await?;
    }
    if !orphans.is_empty() {
        ctx.warn(
            "Disks may be left",
            format!(
                "The disks of {} could not be seen to go. Look for them, and for forwarding rules of its services, in the \
                 project: {}.",
                target.title(),
                orphans.join(", ")
            ),
        );
    }
    if let Some(record) =
        record.filter(|record| record.state == RecordState::Released && record.lost != Some(target.region_id))
    {
        remove_rules(ctx, &target, &record).await;
    }
    Ok(())
}

fn target(prior: &Region, project: Option<&str>) -> Result<Option<Target>, Fault> {
    let Some(reference) = prior.r#ref.known() else { return Ok(None) };
    let place = reference
        .place(project)
        .map_err(|error| Fault::new("Region can't be deleted", format!("Its cluster can't be found: {error}.")))?;
    let text = |attr: &terraform_plugin::Attr<String>| attr.known().cloned();
    Ok(Some(Target {
        region_id: prior.region_id.known().and_then(|id| u8::try_from(*id).ok()).unwrap_or(0),
        namespace: text(&reference.namespace).unwrap_or_default(),
        release: text(&reference.release).unwrap_or_else(|| DEFAULT_RELEASE.to_owned()),
        created: prior.cluster.is_some() && matches!(place, Place::Gke { .. }),
        place,
        meant: text(&reference.cluster_uid),
        group: text(&reference.group),
        was_lost: prior.phase.known().is_some_and(|phase| phase == phase::LOST),
    }))
}

/// Half of the time for what is in the cluster, the rest for the cluster.
fn half(ctx: &Context<C8>) -> tokio::time::Instant {
    tokio::time::Instant::now() + ctx.remaining() / 2
}

/// The newest record that is not void where it lies. It lies in both regions as a rule, so that the peer's is not needed
/// where the own one can be read; one of them must be, if anybody answers: it may say that the region holds the only data.
async fn newest_record(
    target: &Target,
    own: &Reach,
    peer: Option<&Reach>,
    peer_namespace: Option<&String>,
) -> Result<(Option<Record>, bool), Error> {
    let mut found = Vec::new();
    let (mut read, mut unread) = (false, None);
    let places = [
        own.alive().map(|alive| (alive, target.region_id, &target.namespace)),
        peer.and_then(Reach::alive)
            .zip(peer_namespace)
            .map(|(alive, namespace)| (alive, u8::from(target.region_id == 0), namespace)),
    ];
    for (alive, region_id, namespace) in places.into_iter().flatten() {
        match live::record(&alive.kubernetes, namespace).await {
            Ok(record) => {
                read |= region_id == target.region_id || record.is_some();
                found.extend(record.filter(|record| !record.is_void_in(region_id, &alive.uid)));
            }
            Err(error) => unread = Some(error),
        }
    }
    newest(found, read, unread).map(|record| (record, read))
}

/// The region may hold the only data, as far as anybody knows: it can't be asked, and the last word on it says so. A cluster that
/// does not exist holds nothing.
fn carries_alone(own: &Reach, read: bool, seen: Option<&Observation>, region_id: u8) -> Option<Alone> {
    let silent = matches!(own, Reach::Silent(_)) && !read;
    seen?.alone.filter(|alone| silent && alone.survivor == region_id)
}

fn newest(found: Vec<Record>, read: bool, unread: Option<Error>) -> Result<Option<Record>, Error> {
    match unread {
        Some(error) if !read => Err(error),
        _ => Ok(found.into_iter().max_by_key(Record::version_order)),
    }
}

async fn delete_cluster(ctx: &Context<C8>, target: &Target) -> Result<(), Fault> {
    let Place::Gke { project, location, cluster: name } = &target.place else { return Ok(()) };
    let wait = wait(ctx);
    let clusters = ctx.client.gcp().clusters();
    let failed = |error: gcp::Error| {
        Fault::new("GKE cluster can't be deleted", format!("{}: {error}. Destroy again.", target.place))
    };
    let Some(found) = clusters.get(project, location, name).await.map_err(failed)? else { return Ok(()) };
    if found.owner() != target.group.as_deref() {
        ctx.warn(
            "GKE cluster stays",
            format!(
                "{} does not carry the label of this installation, so it was not created by the provider, and stays.",
                target.place
            ),
        );
        return Ok(());
    }
    if found.status != gcp::ClusterStatus::Stopping {
        // another operation may still run on it
        let outcome = loop {
            match clusters.delete(project, location, name).await {
                Err(gcp::Error::Conflict { .. }) if wait.pause(std::time::Duration::from_millis(500)).await.is_ok() => {
                }
                outcome => break outcome,
            }
        };
        match outcome {
            Ok(operation) => clusters.finished(&operation, &wait).await.map_err(failed)?,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(failed(error)),
        }
    }
    clusters.gone(project, location, name, &wait).await.map_err(failed)
}

/// The fence and the claims outlive `c8_failover`, so that a lost region that comes back stays out. With the survivor
/// they go.
async fn remove_rules(ctx: &Context<C8>, target: &Target, record: &Record) {
    let Place::Gke { project, .. } = &target.place else { return };
    let wait: Wait = wait(ctx);
    let firewalls = ctx.client.gcp().firewalls(project);
    for prefix in [format!("c8-fence-{}-", record.group), format!("c8-claim-{}-", record.group)] {
        let rules = match firewalls.list(&prefix).await {
            Ok(rules) => rules,
            Err(error) => {
                ctx.warn("Firewall rules may be left", format!("Rules named {prefix}… could not be listed: {error}."));
                continue;
            }
        };
        for rule in rules.iter().filter(|rule| is_own(&rule.name, &prefix)) {
            if let Err(error) = firewalls.delete(&rule.name, &wait).await {
                ctx.warn("Firewall rules may be left", format!("{}: {error}.", rule.name));
            }
        }
    }
}

/// `c8-fence-a-` also begins the rules of the group `a-b`.
fn is_own(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| {
        matches!(rest, "in" | "out" | "store") || (!rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Silent;

    #[test]
    fn a_record_that_can_not_be_read_is_not_no_record() {
        let error = || Some(Error::NotFound { what: "it".into() });
        assert!(newest(Vec::new(), false, error()).is_err());
        assert_eq!(newest(vec![Record::default()], true, error()).ok().flatten(), Some(Record::default()));
        assert_eq!(newest(Vec::new(), false, None).ok().flatten(), None);
    }

    #[test]
    fn a_silent_survivor_stays_unless_somebody_knows_better() {
        let silent =
            || Reach::Silent(std::sync::Arc::new(Silent { why: "hangs".into(), forbidden: false, cluster: None }));
        let seen = Observation { alone: Some(Alone { survivor: 0, epoch: 3 }), ..Observation::default() };
        assert!(carries_alone(&silent(), false, Some(&seen), 0).is_some());
        assert!(carries_alone(&silent(), false, Some(&seen), 1).is_none(), "the lost one may go");
        assert!(carries_alone(&silent(), true, Some(&seen), 0).is_none(), "the record was read, and decides");
        assert!(carries_alone(&Reach::Absent, false, Some(&seen), 0).is_none(), "nothing is left to lose");
        assert!(carries_alone(&silent(), false, Some(&Observation::default()), 0).is_none());
    }

    #[test]
    fn rules_of_another_group_are_not_ours() {
        assert!(is_own("c8-fence-a-in", "c8-fence-a-"));
        assert!(is_own("c8-claim-a-12", "c8-claim-a-"));
        assert!(!is_own("c8-fence-a-b-in", "c8-fence-a-"));
        assert!(!is_own("c8-claim-a-", "c8-claim-a-"));
    }
}
