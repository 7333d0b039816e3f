//! Validation and plan of `c8_es_backup_repo`: pure.

use c8_schemas::{BackupRepoRef, EsBackupRepo, RegionRef};
use terraform_plugin::{Attr, Change, Diagnostics, Path};

use super::{EsBackupRepoResource, names};
use crate::{
    drift::Drift,
    installation::{Installation, RegionsChange, check_regions, regions_change},
};

/// Checks the configuration; what is unknown is accepted.
pub fn validate(config: &EsBackupRepo, diags: &mut Diagnostics) {
    check_regions(&config.regions, diags);
    if let Some(bucket) = &config.bucket
        && let Some((name, fault)) = fault(&bucket.name, names::bucket_fault)
    {
        diags.error(
            Path::root().attr("bucket").attr("name"),
            "Invalid bucket name",
            format!("`{name}` can't be the name of a bucket: {fault}."),
        );
    }
    if let Some((name, fault)) = fault(&config.repository, names::repository_fault) {
        diags.error(
            Path::root().attr("repository"),
            "Invalid repository name",
            format!("`{name}` can't be the name of a snapshot repository: {fault}."),
        );
    }
    if let Some((id, fault)) = fault(&config.service_account_id, names::account_fault) {
        diags.error(
            Path::root().attr("service_account_id"),
            "Invalid account id",
            format!("`{id}` can't be the account id of a service account: {fault}."),
        );
    }
}

fn fault(attr: &Attr<String>, check: impl Fn(&str) -> Option<&'static str>) -> Option<(&str, &'static str)> {
    let text = attr.known()?;
    Some((text, check(text)?))
}

/// Fills the computed attributes: what the configuration decides is known even before the clusters are.
pub fn plan(change: &mut Change<EsBackupRepoResource>) {
    let installation = Installation::resolve(&change.planned.regions, Some("")).ok();
    let group = installation.map(|installation| installation.group);
    if let Some(prior) = &change.prior {
        let regions = regions_change(&prior.regions, &change.planned.regions);
        let repair = Drift::tell(change.observation.as_ref(), "Backup repository", &mut change.diags);
        if !repair && regions == RegionsChange::None {
            return;
        }
    }
    let other_group = group.as_ref().is_some_and(|group| {
        change
            .prior
            .as_ref()
            .and_then(|prior| prior.r#ref.known())
            .and_then(|prior| prior.group.known())
            .is_some_and(|prior| prior != group)
    });
    if other_group {
        // the bucket is labelled with the installation that it belongs to
        change.replace(Path::root().attr("regions"));
    }
    let planned = &mut change.planned;
    let bucket = planned.bucket.as_ref().map_or(Attr::Null, |bucket| bucket.name.clone());
    let known_group = group.clone().map_or(Attr::Unknown, Attr::Known);
    if let (Some(bucket), Some(repository)) = (bucket.known(), planned.repository.known()) {
        planned.id = Attr::Known(id(bucket, repository));
    }
    if planned.service_account_id.is_unknown() && change.config.service_account_id.is_null() {
        planned.service_account_id =
            group.as_deref().map_or(Attr::Unknown, |group| Attr::Known(names::service_account_id(group)));
    }
    planned.r#ref = Attr::Known(BackupRepoRef {
        repository: planned.repository.clone(),
        bucket,
        group: known_group,
        secret: Attr::Known(names::SECRET.to_owned()),
    });
    planned.base_paths = base_paths(&planned.regions, group.as_deref());
    if change.prior.is_some() {
        // a rebuilt region may need another key
        planned.key_id = Attr::Unknown;
    }
}

/// `id` of the resource.
#[must_use]
pub fn id(bucket: &str, repository: &str) -> String {
    format!("{bucket}/{repository}")
}

/// The paths of both regions, as far as the references say which clusters they are.
fn base_paths(regions: &Attr<Vec<Attr<RegionRef>>>, group: Option<&str>) -> Attr<Vec<Attr<String>>> {
    let (Attr::Known(list), Some(group)) = (regions, group) else { return Attr::Unknown };
    let mut paths = [Attr::Unknown, Attr::Unknown];
    for reference in list.iter().filter_map(Attr::known) {
        let index = reference.region_id.known().and_then(|id| usize::try_from(*id).ok());
        if let (Some(slot), Some(uid)) = (index.and_then(|index| paths.get_mut(index)), reference.cluster_uid.known()) {
            *slot = Attr::Known(names::base_path(group, uid));
        }
    }
    Attr::Known(paths.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use c8_schemas::Bucket;
    use rstest::rstest;

    use super::*;
    use crate::{
        drift::Drift,
        installation::{RegionRefs, testing::regions},
    };

    fn text(value: &str) -> Attr<String> {
        Attr::Known(value.to_owned())
    }

    fn config(regions: RegionRefs) -> EsBackupRepo {
        EsBackupRepo {
            regions,
            repository: text("camunda_backup"),
            bucket: Some(Bucket { name: text("backup"), location: text("EU"), force_destroy: Attr::Known(false) }),
            ..Default::default()
        }
    }

    fn unknown(config: EsBackupRepo) -> EsBackupRepo {
        EsBackupRepo {
            service_account_id: Attr::Unknown,
            id: Attr::Unknown,
            r#ref: Attr::Unknown,
            service_account_email: Attr::Unknown,
            key_id: Attr::Unknown,
            base_paths: Attr::Unknown,
            ..config
        }
    }

    fn run(
        config: &EsBackupRepo,
        prior: Option<EsBackupRepo>,
        planned: EsBackupRepo,
        drift: &[&str],
    ) -> Change<EsBackupRepoResource> {
        let observation = Drift { drift: drift.iter().map(|text| (*text).to_owned()).collect() };
        let mut change = Change::new(config.clone(), prior, planned, Some(observation));
        plan(&mut change);
        change
    }

    fn settled() -> EsBackupRepo {
        let config = config(regions("u0", "u1"));
        let planned = run(&config, None, unknown(config.clone()), &[]).planned;
        EsBackupRepo { service_account_email: text("c8-es-a-b@p.iam"), key_id: text("k"), ..planned }
    }

    #[test]
    fn the_reference_is_known_before_the_clusters_are() {
        let config = config(regions("", ""));
        let planned = run(&config, None, unknown(config.clone()), &[]).planned;
        let reference = planned.r#ref.known().unwrap();
        assert_eq!(reference.group, text("a-b"));
        assert_eq!(reference.bucket, text("backup"));
        assert_eq!(planned.id, text("backup/camunda_backup"));
        assert_eq!(planned.service_account_id, text("c8-es-a-b"));
        assert_eq!(planned.base_paths, Attr::Known(vec![Attr::Unknown, Attr::Unknown]));
        assert!(planned.key_id.is_unknown());
    }

    #[test]
    fn an_unchanged_repository_plans_nothing() {
        let config = config(regions("u0", "u1"));
        let change = run(&config, Some(settled()), settled(), &[]);
        assert_eq!(change.planned, settled());
        assert_eq!(settled().base_paths, Attr::Known(vec![text("a-b/u0"), text("a-b/u1")]));
    }

    #[test]
    fn force_destroy_changes_nothing_else() {
        let mut wanted = settled();
        wanted.bucket.as_mut().unwrap().force_destroy = Attr::Known(true);
        let change = run(&wanted, Some(settled()), wanted.clone(), &[]);
        assert_eq!(change.planned, wanted);
    }

    #[rstest]
    #[case::rebuilt(regions("u0", "u2"), &[], text("a-b/u2"))]
    #[case::to_be_rebuilt(regions("u0", ""), &[], Attr::Unknown)]
    #[case::drift(regions("u0", "u1"), &["the Secret is gone"], text("a-b/u1"))]
    fn an_update_keeps_what_it_does_not_touch(
        #[case] wanted: RegionRefs,
        #[case] drift: &[&str],
        #[case] path: Attr<String>,
    ) {
        let config = config(wanted.clone());
        let change = run(&config, Some(settled()), EsBackupRepo { regions: wanted, ..settled() }, drift);
        assert!(change.replaces().is_empty());
        assert!(change.planned.key_id.is_unknown());
        assert_eq!(change.planned.base_paths, Attr::Known(vec![text("a-b/u0"), path]));
        assert_eq!(change.planned.service_account_email, settled().service_account_email);
        assert_eq!(change.planned.r#ref, settled().r#ref, "c8_failover must not see a change");
    }

    #[rstest]
    #[case::good(config(regions("u0", "u1")), &[])]
    #[case::bad_repository(EsBackupRepo { repository: text("A"), ..config(regions("u0", "u1")) }, &["Invalid repository name"])]
    #[case::bad_account(EsBackupRepo { service_account_id: text("x"), ..config(regions("u0", "u1")) }, &["Invalid account id"])]
    #[case::unknown(EsBackupRepo { repository: Attr::Unknown, ..config(Attr::Unknown) }, &[])]
    fn bad_input_is_refused(#[case] config: EsBackupRepo, #[case] expected: &[&str]) {
        let mut diags = Diagnostics::default();
        validate(&config, &mut diags);
        let found: Vec<_> = diags.iter().map(|diagnostic| diagnostic.summary.clone()).collect();
        assert_eq!(found, expected);
    }
}
