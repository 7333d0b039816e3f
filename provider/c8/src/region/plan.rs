//! Plan of `c8_region`: pure.
//!
//! | prior | change | plan |
//! |---|---|---|
//! | none | – | create; all is known but what the cluster alone can tell |
//! | lost or unreachable | any | prior values, "change postponed"; `-replace` still takes the new configuration |
//! | installing | any | update; nothing runs yet that a restart could hurt |
//! | held, running | own place | replace |
//! | running | brokers would restart | planned with a warning, refused by apply: an error here would be in the way of destroy
//! and `-replace`; postponed while the peer is in trouble, and if it is not the user's change |
//! | held, running | other objects | update |

use std::collections::BTreeMap;

use c8_schemas::{Camunda, Region, TopologyEntry, topology::Place};
use terraform_plugin::{Attr, Change, Fault, Path};

use super::{
    RegionResource, phase,
    setup::{Setup, SetupError},
};
use crate::agreement;

const WOULD_RESTART: &str = "Change would restart a running region";

/// Fills the computed attributes, postpones and refuses.
pub fn plan(change: &mut Change<RegionResource>) {
    let prior_phase = change.prior.as_ref().and_then(|prior| prior.phase.known().cloned()).unwrap_or_default();
    if let Some(prior) = change.prior.clone()
        && phase::is_out_of_reach(&prior_phase)
    {
        return postpone(change, &prior, &prior_phase);
    }
    let setup = match Setup::of(&change.planned) {
        Ok(setup) => setup,
        Err(SetupError::Invalid(diags)) => return change.diags.extend(diags),
        Err(SetupError::Unknown) => return all_unknown(&mut change.planned),
    };
    match change.prior.clone() {
        None => plan_create(change, &setup),
        Some(prior) => {
            let setup = spare_the_survivor(change, &prior, &prior_phase, setup);
            plan_update(change, &setup, &prior, &prior_phase);
        }
    }
}

fn all_unknown(planned: &mut Region) {
    planned.id = Attr::Unknown;
    planned.r#ref = Attr::Unknown;
    planned.phase = Attr::Unknown;
    planned.objects = Attr::Unknown;
    planned.broker_ids = Attr::Unknown;
}

fn plan_create(change: &mut Change<RegionResource>, setup: &Setup) {
    let planned = &mut change.planned;
    planned.group = Attr::Known(setup.group.clone());
    planned.id = setup.id(None).map_or(Attr::Unknown, Attr::Known);
    planned.r#ref = Attr::Known(setup.reference(Attr::Unknown));
    planned.broker_ids = setup.broker_ids();
    // what can't be applied in time is left to the next apply, and then `objects` must be free to say so
    planned.objects = Attr::Unknown;
    planned.phase = Attr::Unknown;
    planned.pod_cidr = Attr::Unknown;
    planned.node_tag = Attr::Unknown;
}

fn plan_update(change: &mut Change<RegionResource>, setup: &Setup, prior: &Region, prior_phase: &str) {
    let imported = prior.camunda.is_none();
    let before = if imported { None } else { Setup::of(prior).ok() };
    if let Some(before) = &before
        && moved(&before.own, &setup.own)
    {
        change.replace(Path::root().attr("topology"));
        return all_unknown(&mut change.planned);
    }
    if !imported {
        warn_of_nodes(change, prior);
    }
    // the peer may belong to another configuration; apply refuses what would not fit
    let theirs = change.observation.as_ref().and_then(|seen| seen.peer.clone());
    if let Some((attribute, text)) = theirs.and_then(|theirs| agreement::against_peer(setup, &theirs)) {
        change.diags.warning(Path::root().attr("camunda").attr(attribute), "Regions do not agree", text);
    }

    let planned = &mut change.planned;
    if !planned.group.is_known() {
        planned.group = Attr::Known(setup.group.clone());
    }
    let uid = prior.r#ref.known().map_or(Attr::Null, |reference| reference.cluster_uid.clone());
    let uid = if uid.is_known() { uid } else { Attr::Unknown };
    planned.r#ref = Attr::Known(setup.reference(uid));
    planned.broker_ids = setup.broker_ids();
    if prior.id.is_null() {
        planned.id = setup.id(None).map_or(Attr::Unknown, Attr::Known);
    }

    let mut wanted = setup.objects();
    let there = objects_of(prior);
    if phase::is_running(prior_phase) {
        keep_what_must_not_restart(change, setup, before.as_ref(), &there, &mut wanted);
    }
    let planned = &mut change.planned;
    let settled = wanted == there && phase::is_settled(prior_phase);
    planned.objects = Attr::Known(wanted.into_iter().map(|(key, digest)| (key, Attr::Known(digest))).collect());
    if !settled || planned.r#ref.known().is_some_and(|reference| reference.cluster_uid.is_unknown()) {
        planned.phase = Attr::Unknown;
    }
}

/// While the peer is in trouble, what would restart brokers or touch disks is postponed, not refused: a refusal would be
/// in the way of the fail-over.
fn spare_the_survivor(change: &mut Change<RegionResource>, prior: &Region, prior_phase: &str, setup: Setup) -> Setup {
    let peer_in_trouble = change.observation.as_ref().is_some_and(|seen| seen.peer_in_trouble);
    let Ok(before) = Setup::of(prior) else { return setup };
    if !peer_in_trouble
        || !phase::is_running(prior_phase)
        || moved(&before.own, &setup.own)
        || !must_not_change(&before, &setup)
    {
        return setup;
    }
    let mut postponed = false;
    keep(&mut change.planned.topology, &prior.topology, &mut postponed);
    if let (Some(planned), Some(prior)) = (&mut change.planned.camunda, &prior.camunda) {
        keep_camunda(planned, prior, &mut postponed);
    }
    let spared = Setup::of(&change.planned).unwrap_or(setup);
    change.diags.warning(
        Path::root().attr("camunda"),
        "Change postponed",
        format!(
            "The change would restart {} while the other region is lost or unreachable, and the installation has no broker to \
             spare. It is left until both regions are there.",
            spared.title()
        ),
    );
    spared
}

/// What an apply refuses, before it touches anything: the brokers of a running region never restart.
///
/// # Errors
/// The change would restart them, or replace disks that are in use.
pub fn refuse_restart(prior: &Region, planned: &Setup) -> Result<(), Fault> {
    let running = prior.phase.known().is_some_and(|phase| phase::is_running(phase));
    let Ok(before) = Setup::of(prior) else { return Ok(()) };
    if !running || !must_not_change(&before, planned) {
        return Ok(());
    }
    Err(Fault::at(
        Path::root().attr("camunda"),
        WOULD_RESTART,
        format!(
            "The change would restart the brokers of {}, or replace disks that are in use. This version of the provider does \
             neither. Nothing was changed. Take the change back.",
            planned.title()
        ),
    ))
}

/// Whether the user's change would restart brokers or change disks.
fn must_not_change(before: &Setup, after: &Setup) -> bool {
    let digest = |setup: &Setup| setup.objects().get(&after.broker_key()).cloned();
    let store = |setup: &Setup| (setup.release.elasticsearch_storage_size.clone(), setup.release.storage_class.clone());
    digest(before) != digest(after) || store(before) != store(after)
}

/// Brokers are never restarted by this version, and a volume claim template can't be changed.
fn keep_what_must_not_restart(
    change: &mut Change<RegionResource>,
    setup: &Setup,
    before: Option<&Setup>,
    there: &BTreeMap<String, String>,
    wanted: &mut BTreeMap<String, String>,
) {
    if before.is_some_and(|before| must_not_change(before, setup)) {
        change.diags.warning(
            Path::root().attr("camunda"),
            WOULD_RESTART,
            format!(
                "The change would restart the brokers of {}, or replace disks that are in use. This version of the provider does \
                 neither: apply will refuse it and change nothing. Take the change back. (`-replace` and destroy are not affected.)",
                setup.title()
            ),
        );
        return;
    }
    let key = setup.broker_key();
    let Some(digest) = there.get(&key).filter(|digest| Some(*digest) != wanted.get(&key)) else { return };
    change.diags.warning(
        None,
        "Change postponed",
        format!(
            "{key} was changed by hand or by another version of the provider ({digest}). It stays as it is: to repair it would \
             restart the brokers of {}.",
            setup.title()
        ),
    );
    wanted.insert(key, digest.clone());
}

/// Terraform accepts the prior value in the place of the configuration, if both are there.
fn keep<T: Clone + PartialEq>(planned: &mut Attr<T>, prior: &Attr<T>, postponed: &mut bool) {
    if planned != prior && !planned.is_null() && prior.is_known() {
        *postponed = true;
        *planned = prior.clone();
    }
}

fn postpone(change: &mut Change<RegionResource>, prior: &Region, prior_phase: &str) {
    let planned = &mut change.planned;
    let mut postponed = false;
    keep(&mut planned.topology, &prior.topology, &mut postponed);
    if let (Some(planned), Some(prior)) = (&mut planned.camunda, &prior.camunda) {
        keep_camunda(planned, prior, &mut postponed);
    }
    if let (Some(planned), Some(prior)) = (&mut planned.cluster, &prior.cluster) {
        keep(&mut planned.machine_type, &prior.machine_type, &mut postponed);
        keep(&mut planned.min_nodes, &prior.min_nodes, &mut postponed);
        keep(&mut planned.max_nodes, &prior.max_nodes, &mut postponed);
        keep(&mut planned.disk_type, &prior.disk_type, &mut postponed);
        keep(&mut planned.disk_size_gb, &prior.disk_size_gb, &mut postponed);
        keep(&mut planned.spot, &prior.spot, &mut postponed);
        keep(&mut planned.release_channel, &prior.release_channel, &mut postponed);
        keep(&mut planned.network, &prior.network, &mut postponed);
        keep(&mut planned.subnetwork, &prior.subnetwork, &mut postponed);
    }
    // a state that was imported in an outage knows little; the others need the reference all the same
    if prior.topology.is_null()
        && let Ok(setup) = Setup::of(planned)
    {
        let uid = prior.r#ref.known().map_or(Attr::Null, |reference| reference.cluster_uid.clone());
        planned.r#ref = Attr::Known(setup.reference(uid));
        planned.broker_ids = setup.broker_ids();
        if !planned.group.is_known() {
            planned.group = Attr::Known(setup.group.clone());
        }
    }
    if postponed {
        change.diags.warning(
            None,
            "Change postponed",
            format!(
                "The region is {prior_phase}: what the configuration changes is left until it answers again, or is rebuilt with \
                 `terraform apply -replace`."
            ),
        );
    }
}

fn keep_camunda(planned: &mut Camunda, prior: &Camunda, postponed: &mut bool) {
    keep(&mut planned.version, &prior.version, postponed);
    keep(&mut planned.release, &prior.release, postponed);
    keep(&mut planned.cluster_size, &prior.cluster_size, postponed);
    keep(&mut planned.partition_count, &prior.partition_count, postponed);
    keep(&mut planned.replication_factor, &prior.replication_factor, postponed);
    keep(&mut planned.storage_size, &prior.storage_size, postponed);
    keep(&mut planned.storage_class, &prior.storage_class, postponed);
    keep(&mut planned.cpu, &prior.cpu, postponed);
    keep(&mut planned.memory, &prior.memory, postponed);
    keep(&mut planned.failure_timeout, &prior.failure_timeout, postponed);
    keep(&mut planned.elasticsearch_storage_size, &prior.elasticsearch_storage_size, postponed);
    keep(&mut planned.images, &prior.images, postponed);
}

fn warn_of_nodes(change: &mut Change<RegionResource>, prior: &Region) {
    if change.planned.cluster.is_some() && prior.cluster.is_some() && change.planned.cluster != prior.cluster {
        change.diags.warning(
            Path::root().attr("cluster"),
            "Nodes are not changed in place",
            "The block `cluster` says how the GKE cluster is created. The change is written down and takes effect when the region \
             is rebuilt with `terraform apply -replace`.",
        );
    }
}

/// Whether the region would lie elsewhere. A project that is not set is the provider's, which is not known at plan.
fn moved(before: &TopologyEntry, after: &TopologyEntry) -> bool {
    if before.namespace != after.namespace {
        return true;
    }
    match (before.place(Some("")), after.place(Some(""))) {
        (
            Ok(Place::Gke { project, location, cluster }),
            Ok(Place::Gke { project: to_project, location: to_location, cluster: to_cluster }),
        ) => {
            location != to_location
                || cluster != to_cluster
                || (project != to_project && !project.is_empty() && !to_project.is_empty())
        }
        (Ok(before), Ok(after)) => before != after,
        _ => false,
    }
}

fn objects_of(model: &Region) -> BTreeMap<String, String> {
    let known = model.objects.known().into_iter().flatten();
    known.filter_map(|(key, digest)| Some((key.clone(), digest.known()?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use c8_schemas::RegionRef;
    use rstest::rstest;

    use super::*;
    use crate::region::Observation;
    use crate::region::setup::tests::{model, text};

    /// A region as it is after a good apply.
    fn settled(phase: &str) -> Region {
        let mut prior = model(0);
        let setup = Setup::of(&prior).unwrap();
        prior.group = text(&setup.group);
        prior.id = text("p/europe-west4-b/camunda-zero/camunda-ew4");
        prior.r#ref = Attr::Known(setup.reference(text("uid")));
        prior.phase = text(phase);
        prior.objects = Attr::Known(setup.objects().into_iter().map(|(k, v)| (k, Attr::Known(v))).collect());
        prior.broker_ids = setup.broker_ids();
        prior.pod_cidr = text("10.4.0.0/14");
        prior.node_tag = text("c8-camunda-zero");
        prior
    }

    fn planned(prior: &Region, edit: fn(&mut Region), peer_in_trouble: bool) -> Change<RegionResource> {
        let mut wanted = prior.clone();
        edit(&mut wanted);
        let seen = Observation { peer_in_trouble, ..Observation::default() };
        let mut change = Change::new(wanted.clone(), Some(prior.clone()), wanted, Some(seen));
        plan(&mut change);
        change
    }

    fn summaries(change: &Change<RegionResource>) -> Vec<&str> {
        change.diags.iter().map(|diagnostic| diagnostic.summary.as_str()).collect()
    }

    fn nothing(_: &mut Region) {}
    fn version(model: &mut Region) {
        model.camunda.as_mut().unwrap().version = text("8.7.9");
    }
    fn drop_version(model: &mut Region) {
        model.camunda.as_mut().unwrap().images = Attr::Known([("operate".to_owned(), text("x/operate:1"))].into());
    }
    fn store_disk(model: &mut Region) {
        model.camunda.as_mut().unwrap().elasticsearch_storage_size = text("128Gi");
    }
    fn machine(model: &mut Region) {
        model.cluster.as_mut().unwrap().machine_type = text("n2-standard-16");
    }
    fn elsewhere(model: &mut Region) {
        if let Attr::Known(list) = &mut model.topology
            && let Attr::Known(entry) = &mut list[0]
        {
            entry.location = text("europe-west9-a");
        }
    }

    #[test]
    fn create_knows_all_but_what_the_cluster_alone_can_tell() {
        let mut wanted = model(1);
        wanted.group = Attr::Unknown;
        let mut change = Change::<RegionResource>::new(model(1), None, wanted, None);
        plan(&mut change);
        assert!(!change.diags.has_errors());
        let reference = change.planned.r#ref.known().unwrap();
        assert!(reference.cluster_uid.is_unknown());
        assert_eq!(reference.group, text("camunda-ew4-camunda-ew1"));
        assert_eq!(reference.region_id, Attr::Known(1));
        assert!(change.planned.phase.is_unknown() && change.planned.objects.is_unknown());
        assert!(change.planned.broker_ids.is_known());
    }

    #[rstest]
    #[case("running")]
    #[case("held")]
    #[case("lost")]
    #[case("unreachable")]
    fn nothing_changes_if_nothing_changes(#[case] phase: &str) {
        let prior = settled(phase);
        let change = planned(&prior, nothing, true);
        assert_eq!(change.planned, prior);
        assert!(change.diags.is_empty() && change.replaces().is_empty());
    }

    #[rstest]
    #[case::broker_restart("running", version, false, &["Change would restart a running region"], true)]
    #[case::broker_restart_in_an_outage("running", version, true, &["Change postponed"], false)]
    #[case::held_brokers_do_not_run("held", version, false, &[], true)]
    #[case::not_yet_installed("installing", version, false, &[], true)]
    #[case::web_app("running", drop_version, false, &[], true)]
    #[case::store_disk("running", store_disk, false, &["Change would restart a running region"], true)]
    #[case::nodes("running", machine, false, &["Nodes are not changed in place"], false)]
    #[case::lost("lost", version, false, &["Change postponed"], false)]
    #[case::unreachable("unreachable", machine, false, &["Change postponed"], false)]
    #[case::unfinished("installing", nothing, false, &[], true)]
    fn what_a_change_does(
        #[case] phase: &str,
        #[case] edit: fn(&mut Region),
        #[case] peer_in_trouble: bool,
        #[case] diags: &[&str],
        #[case] applies: bool,
    ) {
        let prior = settled(phase);
        let change = planned(&prior, edit, peer_in_trouble);
        assert_eq!(summaries(&change), diags);
        assert!(change.replaces().is_empty());
        assert!(!change.diags.has_errors(), "a plan must not be in the way of destroy and -replace");
        assert_eq!(change.planned.phase.is_unknown(), applies, "{:?}", change.planned.phase);
        let refused = refuse_restart(&prior, &Setup::of(&change.planned).unwrap()).is_err();
        assert_eq!(refused, diags == ["Change would restart a running region"]);
        if phase::is_out_of_reach(phase) || peer_in_trouble {
            assert_eq!(change.planned, prior, "prior values");
        }
    }

    #[test]
    fn another_place_is_another_region() {
        assert_eq!(planned(&settled("running"), elsewhere, false).replaces(), [Path::root().attr("topology")]);
        // a lost region is replaced by the user's word only
        assert!(planned(&settled("lost"), elsewhere, false).replaces().is_empty());
    }

    #[test]
    fn drift_is_repaired_but_not_by_restarting_brokers() {
        let mut prior = settled("running");
        if let Attr::Known(objects) = &mut prior.objects {
            objects.remove("Service/camunda-ew4/c8-here");
        }
        let change = planned(&prior, nothing, false);
        assert!(change.planned.phase.is_unknown() && change.diags.is_empty());
        assert_eq!(change.planned.objects, settled("running").objects);

        let mut prior = settled("running");
        if let Attr::Known(objects) = &mut prior.objects {
            objects.insert("StatefulSet/camunda-ew4/camunda-zeebe".into(), text("drifted: spec.replicas"));
        }
        let change = planned(&prior, nothing, false);
        assert_eq!(summaries(&change), ["Change postponed"]);
        assert_eq!(change.planned, prior, "it never makes a plan that is never empty");
    }

    #[test]
    fn an_imported_region_is_updated_in_place() {
        let prior = Region {
            id: text("p/europe-west4-b/camunda-zero/camunda-ew4"),
            region_id: Attr::Known(0),
            group: text("camunda-ew4-camunda-ew1"),
            phase: text("running"),
            objects: settled("running").objects,
            r#ref: Attr::Known(RegionRef {
                project: text("p"),
                cluster_uid: text("uid"),
                ..Setup::of(&model(0)).unwrap().reference(Attr::Null)
            }),
            ..Region::default()
        };
        let mut wanted = model(0);
        wanted.group = prior.group.clone();
        wanted.id = prior.id.clone();
        wanted.phase = prior.phase.clone();
        let mut change = Change::<RegionResource>::new(model(0), Some(prior), wanted, None);
        plan(&mut change);
        assert!(change.diags.is_empty() && change.replaces().is_empty());
        let reference = change.planned.r#ref.known().unwrap();
        // as the configuration says it, or the resources that take the reference would all change
        assert_eq!((&reference.project, &reference.cluster_uid), (&Attr::Null, &text("uid")));
        assert!(change.planned.phase.is_known());
    }

    #[test]
    fn a_region_imported_in_an_outage_still_has_a_reference() {
        let prior = Region { id: text("p/l/c/n"), phase: text("unreachable"), ..Region::default() };
        let mut change = Change::<RegionResource>::new(model(0), Some(prior), model(0), None);
        plan(&mut change);
        let reference = change.planned.r#ref.known().unwrap();
        assert_eq!(reference.namespace, text("camunda-ew4"));
        assert!(reference.cluster_uid.is_null());
    }
}
