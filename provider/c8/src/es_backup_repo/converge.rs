//! Makes the repository so: the Google half, then both regions at the same time. A region that does not answer is left
//! out with a warning.

use c8_clients::{elasticsearch::GcsRepository, gcp::Error as GcpError};
use c8_schemas::{EsBackupRepo, topology::Place};
use terraform_plugin::{Apply, Attr, Context, Fault, Path};

use super::{
    EsBackupRepoResource,
    cloud::{Cloud, CloudError},
    key::{self, Key},
    names,
    store::{Registration, Store, StoreError},
};
use crate::{
    drift::Drift,
    installation::{Installation, RegionAt, capital},
    provider::{Alive, C8, Reach, living, resolve, wait, within_a_look},
};

/// Looks, without changing anything. `None` if the bucket is gone.
///
/// What can't be looked at is named in a warning, and what was known of it stays; a cluster that does not answer is
/// `c8_region`'s to tell.
pub async fn look(ctx: &Context<C8>, prior: EsBackupRepo, before: Drift) -> Option<(EsBackupRepo, Drift)> {
    let unseen = |prior| Some((prior, before.clone()));
    let Ok(installation) = Installation::resolve(&prior.regions, ctx.client.project()) else { return unseen(prior) };
    let Ok(cloud) = cloud(&ctx.client, &installation, &prior) else { return unseen(prior) };
    let looks = async {
        futures::join!(
            async { ctx.client.gcp().buckets().get(&cloud.bucket).await },
            cloud.is_granted(),
            cloud.key_ids(),
            ctx.client.reach_both(&installation),
        )
    };
    let Some((bucket, granted, keys, reaches)) = within_a_look(looks).await else {
        unclear(ctx, &["Google Cloud does not answer in time".to_owned()]);
        return unseen(prior);
    };
    if let Err(error @ GcpError::Forbidden { .. }) = &bucket {
        ctx.client.warn_of_rights(ctx, &installation, "The backup repository", &error.to_string()).await;
        return unseen(prior);
    }
    match bucket {
        Ok(None) => return None,
        Ok(Some(_)) => {}
        Err(error) => {
            unclear(ctx, &[error.to_string()]);
            return unseen(prior);
        }
    }
    let (mut drift, mut unread) = (Vec::new(), Vec::new());
    match granted {
        Ok(true) => {}
        Ok(false) => drift.push(format!("{} may not write into the bucket", cloud.email())),
        Err(error) => unread.push(error.to_string()),
    }
    let state_key = &prior.key_id.known().cloned().unwrap_or_default();
    match keys {
        Ok(keys) if !keys.contains(state_key) => drift.push("the key of the service account is gone".to_owned()),
        Ok(_) => {}
        Err(error) => unread.push(error.to_string()),
    }
    let uids = uids(&installation, &reaches);
    let halves = installation.regions.iter().zip(&reaches).filter_map(|(region, reach)| {
        let alive = living(region, reach).ok()?;
        let registrations = registrations(&installation, &prior, region.id, &uids);
        let store = Store::new(&alive.kubernetes, region, wait(ctx));
        Some(async move {
            let (key, differences) = futures::join!(store.key(), store.differences(&registrations));
            let (mut found, mut unread) = (Vec::new(), Vec::new());
            match differences {
                Ok(differences) => found.extend(differences),
                Err(error) => unread.push(format!("{}: {error}", region.title())),
            }
            match key {
                Ok(Some(key)) if key.id == *state_key => {}
                Ok(_) => {
                    found.push(format!("{}: the Secret `{}` does not hold the key", region.title(), names::SECRET))
                }
                Err(error) => unread.push(format!("{}: {error}", region.title())),
            }
            (found, unread)
        })
    });
    match within_a_look(futures::future::join_all(halves)).await {
        Some(found) => {
            for (found, failed) in found {
                drift.extend(found);
                unread.extend(failed);
            }
        }
        None => unread.push("the search stores do not answer in time".to_owned()),
    }
    if !unread.is_empty() {
        unclear(ctx, &unread);
        // what was out of order before, and is not seen to be mended
        let more: Vec<String> = before.drift.iter().filter(|known| !drift.contains(known)).cloned().collect();
        drift.extend(more);
    }
    Some((prior, Drift { drift }))
}

fn unclear(ctx: &Context<C8>, unread: &[String]) {
    let lines: Vec<String> = unread.iter().map(|why| format!("{}.", capital(why))).collect();
    ctx.warn(
        "The backup repository can't be looked at",
        format!(
            "{}\nWhat is known of it stays as it is; a change of it may go unseen until it can be looked at.",
            lines.join("\n")
        ),
    );
}

/// Creates and changes until all is so.
pub async fn converge(ctx: &Context<C8>, apply: Apply<EsBackupRepoResource>) -> Result<(EsBackupRepo, Drift), Fault> {
    let installation = resolve(&ctx.client, &apply.planned.regions)?;
    let mut model = apply.planned.clone();
    if model.service_account_id.known().is_none() {
        model.service_account_id = Attr::Known(names::service_account_id(&installation.group));
    }
    let cloud = cloud(&ctx.client, &installation, &model)?;
    let location = model.bucket.as_ref().and_then(|bucket| bucket.location.known().cloned()).unwrap_or_default();

    cloud.ensure_bucket(&location).await.map_err(|error| refused(&error))?;
    complete(&mut model, &installation, &cloud);
    apply.save.save(model.clone(), unfinished());
    cloud.ensure_account().await.map_err(|error| refused(&error))?;
    cloud.ensure_grants(&wait(ctx)).await.map_err(|error| refused(&error))?;

    let reaches = ctx.client.look_at_both(&installation).await;
    let uids = uids(&installation, &reaches);
    model.base_paths = base_paths(&installation, &uids);
    let halves = [0, 1].map(|id| living(installation.region(id), &reaches[usize::from(id)]));
    if let [Err(zero), Err(one)] = &halves {
        return Err(Fault::new(
            "No region answers",
            format!(
                "{}: {zero}.\n{}: {one}.\nBucket and service account are made; the key has nowhere to go. Apply again when \
                 one of them answers.",
                installation.regions[0].title(),
                installation.regions[1].title()
            ),
        ));
    }
    for (region, half) in installation.regions.iter().zip(&halves) {
        if let Err(why) = half {
            postponed(ctx, region, why);
        }
    }

    let mut halves = halves.map(Result::ok);
    let key = distribute(ctx, &installation, &cloud, &mut halves, &apply).await?;
    model.key_id = Attr::Known(key.id.clone());
    apply.save.save(model.clone(), unfinished());

    let register = |id: u8| {
        let half = halves[usize::from(id)];
        let registrations = registrations(&installation, &model, id, &uids);
        let region = installation.region(id);
        async move {
            let alive = half?;
            Some(Store::new(&alive.kubernetes, region, wait(ctx)).register(&registrations).await)
        }
    };
    let (zero, one) = futures::join!(register(0), register(1));
    let mut complete = true;
    for (region, registered) in installation.regions.iter().zip([zero, one]) {
        match registered {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tell(ctx, region, &error).await?;
                complete = false;
            }
            None => complete = false,
        }
    }
    if complete {
        // both have the key: whatever other keys there are, nobody needs
        if let Err(error) = cloud.delete_other_keys(&key.id).await {
            ctx.warn("Old keys are left", format!("{error}. The next change of the repository tries again."));
        }
    }
    Ok((model, Drift::default()))
}

/// Sees to it that all living regions have one key that works; a new one only if none has.
async fn distribute(
    ctx: &Context<C8>,
    installation: &Installation,
    cloud: &Cloud,
    halves: &mut [Option<&Alive>; 2],
    apply: &Apply<EsBackupRepoResource>,
) -> Result<Key, Fault> {
    let store = |id: u8, alive: &'_ Alive| {
        // the borrow of `alive` ends with the call
        let kubernetes = alive.kubernetes.clone();
        (kubernetes, installation.region(id))
    };
    let read = |id: u8, half: Option<&Alive>| {
        let target = half.map(|alive| store(id, alive));
        async move {
            let (kubernetes, region) = target?;
            Some(Store::new(&kubernetes, region, wait(ctx)).key().await)
        }
    };
    let (zero, one) = futures::join!(read(0, halves[0]), read(1, halves[1]));
    let mut found = [None, None];
    for (index, read) in [zero, one].into_iter().enumerate() {
        match read {
            Some(Ok(key)) => found[index] = key,
            Some(Err(error)) => {
                tell(ctx, &installation.regions[index], &error.into()).await?;
                halves[index] = None;
            }
            None => {}
        }
    }
    let usable = cloud.key_ids().await.map_err(|error| refused(&error.into()))?;
    let state = apply.prior.as_ref().and_then(|prior| prior.key_id.known());
    let kept = key::keep(found.iter().flatten(), &cloud.email(), &usable, state.map(String::as_str)).cloned();
    let key = match kept {
        Some(key) => key,
        None => {
            let (id, file) = cloud.create_key(&wait(ctx)).await.map_err(|error| refused(&error))?;
            // the id of the answer counts: it is what Google lists and deletes
            Key { id, email: cloud.email(), file }
        }
    };
    let write = |id: u8, half: Option<&Alive>, has: bool| {
        let target = half.filter(|_| !has).map(|alive| store(id, alive));
        let key = &key;
        async move {
            let (kubernetes, region) = target?;
            Some(Store::new(&kubernetes, region, wait(ctx)).put_key(key).await)
        }
    };
    let has = [0, 1].map(|index: usize| found[index].as_ref().is_some_and(|found| *found == key));
    let (zero, one) = futures::join!(write(0, halves[0], has[0]), write(1, halves[1], has[1]));
    for (index, written) in [zero, one].into_iter().enumerate() {
        match written {
            Some(Err(c8_clients::kubernetes::Error::NotFound { .. })) => {
                postponed(ctx, &installation.regions[index], "its namespace does not exist yet");
                halves[index] = None;
            }
            Some(Err(error)) => {
                tell(ctx, &installation.regions[index], &error.into()).await?;
                halves[index] = None;
            }
            Some(Ok(())) | None => {}
        }
    }
    Ok(key)
}

/// Takes all of it away: repositories and Secrets, account, bucket.
pub async fn remove(ctx: &Context<C8>, prior: &EsBackupRepo) -> Result<(), Fault> {
    let installation = resolve(&ctx.client, &prior.regions)?;
    let cloud = cloud(&ctx.client, &installation, prior)?;
    let force = prior.bucket.as_ref().is_some_and(|bucket| bucket.force_destroy == Attr::Known(true));
    let buckets = ctx.client.gcp().buckets();

    // refused before anything is taken away
    let own = match cloud.own_bucket().await {
        Ok(bucket) => bucket.is_some(),
        Err(CloudError::ForeignBucket { .. }) => false,
        Err(error) => return Err(refused(&error)),
    };
    if own && !force {
        let objects =
            GcpError::absent(buckets.objects(&cloud.bucket, "").await).map_err(|error| refused(&error.into()))?;
        let count = objects.map_or(0, |objects| objects.len());
        if count > 0 {
            return Err(Fault::at(
                Path::root().attr("bucket").attr("force_destroy"),
                "Bucket is not empty",
                format!(
                    "The bucket `{}` holds {count} objects: the snapshots of the search store. Nothing was deleted. Set \
                     `force_destroy = true` in the block `bucket`, apply, and destroy again; or empty it yourself.",
                    cloud.bucket
                ),
            ));
        }
    }

    let reaches = ctx.client.look_at_both(&installation).await;
    let repository = prior.repository.known().cloned().unwrap_or_default();
    let leave = |id: u8| {
        let (region, reach, repository) = (installation.region(id), &reaches[usize::from(id)], repository.as_str());
        async move {
            let Ok(alive) = living(region, reach) else { return Ok(()) };
            let store = Store::new(&alive.kubernetes, region, wait(ctx));
            for name in [names::peer_repository(repository), repository.to_owned()] {
                // a store that does not answer has nothing that could outlive it
                if let Err(error) = store.unregister(&name).await {
                    tracing::info!(%error, region = region.id, repository = name, "could not be unregistered");
                }
            }
            match store.remove_key().await {
                Ok(()) => Ok(()),
                Err(error) => tell(ctx, region, &error.into()).await,
            }
        }
    };
    let (zero, one) = futures::join!(leave(0), leave(1));
    zero.and(one)?;

    cloud.remove_account().await.map_err(|error| refused(&error.into()))?;
    if own {
        if force {
            GcpError::absent(buckets.empty(&cloud.bucket).await).map_err(|error| refused(&error.into()))?;
        }
        buckets.delete(&cloud.bucket).await.map_err(|error| refused(&error.into()))?;
    }
    Ok(())
}

pub(super) fn cloud(client: &C8, installation: &Installation, model: &EsBackupRepo) -> Result<Cloud, Fault> {
    let of_region = installation.regions.iter().find_map(|region| match &region.place {
        Place::Gke { project, .. } => Some(project.as_str()),
        Place::Kubeconfig { .. } => None,
    });
    let Some(project) = client.project().or(of_region) else {
        return Err(Fault::new(
            "Project is missing",
            "The bucket and the service account need a Google Cloud project. Set `project` in the provider's configuration.",
        ));
    };
    let text = |attr: Option<&String>| attr.cloned().unwrap_or_default();
    Ok(Cloud {
        gcp: client.gcp().clone(),
        project: project.to_owned(),
        group: installation.group.clone(),
        bucket: text(model.bucket.as_ref().and_then(|bucket| bucket.name.known())),
        account_id: text(model.service_account_id.known()),
    })
}

/// What is known once the bucket exists.
pub(super) fn complete(model: &mut EsBackupRepo, installation: &Installation, cloud: &Cloud) {
    let repository = model.repository.known().cloned().unwrap_or_default();
    model.id = Attr::Known(super::plan::id(&cloud.bucket, &repository));
    model.service_account_email = Attr::Known(cloud.email());
    model.r#ref = Attr::Known(c8_schemas::BackupRepoRef {
        repository: Attr::Known(repository),
        bucket: Attr::Known(cloud.bucket.clone()),
        group: Attr::Known(installation.group.clone()),
        secret: Attr::Known(names::SECRET.to_owned()),
    });
}

/// Which cluster each region is: what the reference says, else what answers.
pub(super) fn uids(installation: &Installation, reaches: &[Reach; 2]) -> [Option<String>; 2] {
    [0, 1].map(|index: usize| {
        let said = installation.regions[index].cluster_uid.clone();
        said.or_else(|| reaches[index].alive().map(|alive| alive.uid.clone()))
    })
}

pub(super) fn base_paths(installation: &Installation, uids: &[Option<String>; 2]) -> Attr<Vec<Attr<String>>> {
    let path =
        |uid: &Option<String>| uid.as_deref().map(|uid| names::base_path(&installation.group, uid)).unwrap_or_default();
    Attr::Known(uids.iter().map(|uid| Attr::Known(path(uid))).collect())
}

/// What a region registers: its own path, and its peer's read-only.
fn registrations(
    installation: &Installation,
    model: &EsBackupRepo,
    id: u8,
    uids: &[Option<String>; 2],
) -> Vec<Registration> {
    let repository = model.repository.known().cloned().unwrap_or_default();
    let bucket = model.bucket.as_ref().and_then(|bucket| bucket.name.known().cloned()).unwrap_or_default();
    let registration = |name: String, region: u8, readonly: bool| {
        let uid = uids[usize::from(region)].as_deref()?;
        let base_path = names::base_path(&installation.group, uid);
        let gcs = GcsRepository { bucket: bucket.clone(), base_path, client: "default".to_owned(), readonly };
        Some(Registration { name, gcs })
    };
    let peer = u8::from(id == 0);
    let own = registration(repository.clone(), id, false);
    let other = registration(names::peer_repository(&repository), peer, true);
    own.into_iter().chain(other).collect()
}

fn unfinished() -> Drift {
    Drift { drift: vec!["the repository was not completed".to_owned()] }
}

/// A half failed: an error if its cluster answers, a warning if it was lost in between.
async fn tell(ctx: &Context<C8>, region: &RegionAt, error: &StoreError) -> Result<(), Fault> {
    wait(ctx).check().map_err(|why| {
        Fault::new(
            "Backup repository is not complete",
            format!("{}: {error}. While it was being made, {why}. Apply again to go on.", region.title()),
        )
    })?;
    match ctx.client.look(&region.place).await {
        Reach::Alive(_) => Err(Fault::new(
            "Backup repository can't be made right",
            format!("{}: {error}. What was done stays; apply again to go on.", region.title()),
        )),
        Reach::Absent => {
            postponed(ctx, region, "its cluster does not exist");
            Ok(())
        }
        Reach::Silent(silent) => {
            postponed(ctx, region, &silent.why);
            Ok(())
        }
    }
}

pub(super) fn refused(error: &CloudError) -> Fault {
    Fault::new(
        "Google Cloud refuses the backup repository, or does not answer",
        format!("{}. What was done stays; apply again to go on.", capital(&error.to_string())),
    )
}

fn postponed(ctx: &Context<C8>, region: &RegionAt, why: &str) {
    ctx.warn(
        "Backup repository is postponed",
        format!(
            "{}: {why}. Key and repository of this region are left as they are; the next apply after it is back or rebuilt \
             makes them.",
            region.title()
        ),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use c8_schemas::Bucket;

    use super::*;
    use crate::installation::testing::regions;

    fn model() -> EsBackupRepo {
        EsBackupRepo {
            regions: regions("u0", "u1"),
            repository: Attr::Known("camunda_backup".into()),
            bucket: Some(Bucket { name: Attr::Known("b".into()), ..Default::default() }),
            ..Default::default()
        }
    }

    #[test]
    fn each_region_writes_its_own_path_and_reads_the_peers() {
        let installation = Installation::resolve(&model().regions, None).unwrap();
        let uids = [Some("u0".to_owned()), Some("u1".to_owned())];
        let one = registrations(&installation, &model(), 1, &uids);
        let short: Vec<_> =
            one.iter().map(|it| (it.name.as_str(), it.gcs.base_path.as_str(), it.gcs.readonly)).collect();
        assert_eq!(short, [("camunda_backup", "a-b/u1", false), ("camunda_backup_peer", "a-b/u0", true)]);
    }

    #[test]
    fn a_peer_that_nobody_knows_is_not_registered() {
        let installation = Installation::resolve(&model().regions, None).unwrap();
        let zero = registrations(&installation, &model(), 0, &[Some("u0".to_owned()), None]);
        assert_eq!(zero.len(), 1);
        assert_eq!(
            base_paths(&installation, &[Some("u0".to_owned()), None]),
            Attr::Known(vec![Attr::Known("a-b/u0".into()), Attr::Known(String::new())])
        );
    }
}
