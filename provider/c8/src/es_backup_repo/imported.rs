//! Import: an ID names bucket, repository and regions; bucket and Secrets tell the rest.

use c8_clients::gcp::Error as GcpError;
use c8_schemas::{Bucket, EsBackupRepo};
use terraform_plugin::{Attr, Context, Fault};

use super::{
    cloud::CloudError,
    converge::{base_paths, cloud, complete, refused, uids},
    names,
    store::Store,
};
use crate::{
    installation::{Installation, import},
    provider::{C8, wait},
};

/// A first state from `<bucket>/<repository>,<region 0>,<region 1>` and, where it is set, `,<group>`. Contacts nothing.
///
/// # Errors
/// The ID has another form.
pub fn parse(id: &str) -> Result<EsBackupRepo, Fault> {
    let parts = id.split_once(',').and_then(|(own, regions)| Some((own.trim().split_once('/')?, regions)));
    let Some(((bucket, repository), regions)) = parts.filter(|((bucket, repository), _)| {
        names::bucket_fault(bucket).is_none() && names::repository_fault(repository).is_none()
    }) else {
        return Err(Fault::new(
            "Invalid import ID",
            format!(
                "`{id}` does not begin with a bucket and a repository. Write `bucket/repository`, a comma, and the two regions as \
                 in the documentation: `my-backup/camunda_backup,project/location/cluster/namespace,project/location/cluster/namespace`."
            ),
        ));
    };
    Ok(EsBackupRepo {
        regions: import::regions(regions)?,
        repository: Attr::Known(repository.to_owned()),
        bucket: Some(Bucket {
            name: Attr::Known(bucket.to_owned()),
            location: Attr::Null,
            force_destroy: Attr::Known(false),
        }),
        ..EsBackupRepo::default()
    })
}

/// Completes what was parsed. `None` if there is no such bucket.
///
/// # Errors
/// The bucket is somebody else's, or Google does not answer.
pub async fn fill(
    ctx: &Context<C8>,
    installation: &Installation,
    mut model: EsBackupRepo,
) -> Result<Option<EsBackupRepo>, Fault> {
    model.regions = import::complete(&ctx.client, installation).await;
    let reaches = ctx.client.reach_both(installation).await;
    let stores = installation.regions.iter().zip(&reaches).filter_map(|(region, reach)| {
        let alive = reach.alive()?;
        let store = Store::new(&alive.kubernetes, region, wait(ctx));
        Some(async move { store.key().await.ok().flatten() })
    });
    let key = futures::future::join_all(stores).await.into_iter().flatten().next();
    let account = key.as_ref().and_then(|key| key.email.split_once('@')).map(|(account, _)| account.to_owned());
    let account = account.unwrap_or_else(|| names::service_account_id(&installation.group));
    model.service_account_id = Attr::Known(account);
    model.key_id = Attr::Known(key.map(|key| key.id).unwrap_or_default());
    let cloud = cloud(&ctx.client, installation, &model)?;
    let found = match cloud.own_bucket().await {
        Ok(Some(found)) => found,
        Ok(None) | Err(CloudError::Gcp(GcpError::NotFound { .. })) => return Ok(None),
        Err(error) => return Err(refused(&error)),
    };
    if let Some(bucket) = &mut model.bucket {
        bucket.location = Attr::Known(found.location);
    }
    complete(&mut model, installation, &cloud);
    model.base_paths = base_paths(installation, &uids(installation, &reaches));
    Ok(Some(model))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn an_id_names_bucket_repository_and_regions() {
        let model = parse("my-backup/camunda_backup,p/l/c0/a,p/l/c1/b").unwrap();
        assert_eq!(model.bucket.unwrap().name, Attr::Known("my-backup".into()));
        assert_eq!(model.repository, Attr::Known("camunda_backup".into()));
        assert_eq!(Installation::resolve(&model.regions, None).unwrap().group, "a-b");
    }

    #[test]
    fn what_is_no_id() {
        for id in [
            "",
            "my-backup/camunda_backup",
            "my-backup,p/l/c0/a,p/l/c1/b",
            "my-backup/A,p/l/c0/a,p/l/c1/b",
            "b/r,p/l/c0/a",
        ] {
            assert!(parse(id).is_err(), "{id}");
        }
    }
}
