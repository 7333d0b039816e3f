#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use c8_dr::{
    BrokerPod, Configuration, ExporterState, Exporting, Fence, Mode, Part, Phase, Record, RecordState, Replica, Seen,
    Topology, View,
};
use terraform_plugin::Severity;

use super::*;
use crate::installation::testing::regions;

const SIZES: Topology = Topology { cluster_size: 8, partition_count: 8, replication_factor: 4 };

/// Both regions alive and well; `alive` takes one away.
fn observation(alive: [bool; 2]) -> Observation {
    let mut o =
        Observation { at: 1_000, sizes: Some(SIZES), fence: Part::Known(Fence::default()), ..Observation::default() };
    let record = Record {
        epoch: 3,
        revision: 7,
        state: RecordState::Healthy,
        cluster_uids: [(0, "u0".to_owned()), (1, "u1".to_owned())].into(),
        sizes: Some(SIZES),
        ..Record::default()
    };
    for id in 0..2_u32 {
        let region = o.region_mut(id);
        region.id = id;
        region.namespace = ["a", "b"][id as usize].into();
        region.location = "europe-west1-b".into();
        region.ranges = vec![format!("10.{id}.0.0/16")];
        if !alive[id as usize] {
            let silent = || "no answer within 10 s".to_owned();
            region.api = Part::Unreachable(silent());
            region.view = Part::Unreachable(silent());
            region.record = Part::Unreachable(silent());
            continue;
        }
        region.api = Part::Known(format!("u{id}"));
        region.version = Some("8.7.2".into());
        region.record = Part::Known(record.clone());
        region.mode = Some(Mode { mode: "normal".into(), hold: false, web_apps: true });
        let all_led = alive == [true; 2];
        let mut view = View { cluster_size: 8, partition_count: 8, replication_factor: 4, ..View::default() };
        for broker in SIZES.all().into_iter().filter(|b| alive[(b % 2) as usize]) {
            let partitions = SIZES.partitions().filter(|p| SIZES.replicas(*p).contains(&broker));
            let replica =
                |p: u32| Replica { leader: all_led && SIZES.replicas(p).first() == Some(&broker), healthy: true };
            view.brokers.insert(
                broker,
                Seen { host: String::new(), partitions: partitions.map(|p| (p, replica(p))).collect() },
            );
        }
        region.view = Part::Known(view);
        region.configuration = Part::Known(Configuration {
            members: SIZES.all(),
            replicas: SIZES.partitions().map(|p| (p, SIZES.replicas(p))).collect(),
            exporters: (0..2).map(|r| (format!("elasticsearchregion{r}"), ExporterState::Enabled)).collect(),
            pending: None,
        });
        region.exporting = Part::Known(Exporting { phase: Phase::Exporting, positions: [(1, 5)].into() });
        region.pods = SIZES
            .brokers(id)
            .into_iter()
            .map(|id| BrokerPod { id, running: true, ready: true, waiting: false })
            .collect();
    }
    o
}

fn state(active: bool) -> Model {
    Model {
        regions: regions("u0", "u1"),
        failover_active: Attr::Known(active),
        fence: Attr::Known("gcp_firewall".into()),
        id: Attr::Known("id".into()),
        group: Attr::Known("a-b".into()),
        epoch: Attr::Known(3),
        phase: Attr::Known("healthy".into()),
        planned_steps: Attr::Known(Vec::new()),
        completed_steps: Attr::Known(Vec::new()),
        report: Attr::Known(Vec::new()),
        recovery_time_seconds: Attr::Known(0),
        ..Model::default()
    }
}

fn planned(prior: Option<Model>, planned: Model, o: Option<Observation>) -> Change<Failover> {
    let mut change = Change::new(planned.clone(), prior.clone(), planned.clone(), o.clone());
    plan(&mut change);
    // pure: the same again
    let mut again = Change::new(planned.clone(), prior, planned, o);
    plan(&mut again);
    assert_eq!(change.planned, again.planned);
    assert_eq!(change.intent, again.intent);
    change
}

fn texts(model: &Model) -> Vec<String> {
    model.planned_steps.known().unwrap().iter().map(|text| text.known().unwrap().clone()).collect()
}

#[test]
fn nothing_to_do_is_an_empty_plan() {
    for (alive, active) in [([true, true], false), ([true, false], false), ([false, true], false)] {
        let change = planned(Some(state(active)), state(active), Some(observation(alive)));
        assert_eq!(change.planned, state(active), "{alive:?}");
        assert!(change.diags.is_empty(), "{alive:?}");
        assert_eq!(change.intent, None);
    }
}

#[test]
fn a_loss_and_the_switch_plan_the_steps_with_the_evidence() {
    let change = planned(Some(state(false)), state(true), Some(observation([true, false])));
    assert!(!change.diags.has_errors(), "{:?}", change.diags);
    assert_eq!(texts(&change.planned)[0], "claim the transition: region 1 is lost, epoch 4");
    assert_eq!(change.planned.phase, Attr::Unknown);
    // what is certain is said
    assert_eq!((&change.planned.id, &change.planned.group), (&Attr::Known("id".into()), &Attr::Known("a-b".into())));
    assert_eq!(change.planned.epoch, Attr::Known(4), "as the claim says");
    let warning = change.diags.iter().next().unwrap();
    assert_eq!(warning.summary, "Region 1 (b, europe-west1-b) is lost");
    assert!(warning.detail.contains("no answer within 10 s"), "{}", warning.detail);
    assert!(warning.detail.contains("4 brokers, 2 replicas per partition"), "{}", warning.detail);
    // texts hold no counts and no seconds
    assert!(texts(&change.planned).iter().all(|text| !text.contains(" s ") && !text.contains(" of 8")));
    let intent = change.intent.unwrap();
    assert_eq!((intent.goal, intent.epoch, intent.open), (Some(Goal::Without(1)), 3, false));
}

#[test]
fn the_switch_is_refused_when_no_region_is_lost() {
    let change = planned(Some(state(false)), state(true), Some(observation([true, true])));
    let error = change.diags.iter().next().unwrap();
    assert_eq!((error.severity, error.summary.as_str()), (Severity::Error, c8_dr::NOT_LOST));
    assert_eq!(error.path, Some(Path::root().attr("failover_active")));
}

#[test]
fn another_lost_region_than_the_declared_one_is_refused() {
    let wanted = Model { lost_region: Attr::Known(0), ..state(true) };
    let change = planned(Some(state(false)), wanted, Some(observation([true, false])));
    assert!(change.diags.has_errors());
}

#[test]
fn a_cluster_that_is_rebuilt_in_this_apply_leaves_the_steps_unknown() {
    for uid in [Attr::Unknown, Attr::Known("u1-new".to_owned())] {
        let mut wanted = state(false);
        let Attr::Known(list) = &mut wanted.regions else { panic!() };
        let Attr::Known(one) = &mut list[1] else { panic!() };
        one.cluster_uid = uid;
        let change = planned(Some(state(true)), wanted, Some(observation([true, false])));
        assert!(!change.diags.has_errors(), "{:?}", change.diags);
        assert_eq!(change.planned.planned_steps, Attr::Unknown);
        assert_eq!(change.planned.epoch, Attr::Known(3), "no claim is taken without a plan that says so");
        let intent = change.intent.unwrap();
        assert_eq!((intent.open, intent.epoch), (true, 3), "what is not planned goes on for this epoch only");
    }
}

#[test]
fn a_rebuilt_cluster_that_is_lost_before_it_is_recorded_hides_no_steps() {
    let rebuilt = |active| Model { regions: regions("u0", "u1-new"), ..state(active) };
    let change = planned(Some(rebuilt(false)), rebuilt(true), Some(observation([true, false])));
    assert!(!change.diags.has_errors(), "{:?}", change.diags);
    assert!(!texts(&change.planned).is_empty());
}

#[test]
fn a_changed_input_without_steps_moves_only_the_phase() {
    let wanted = Model { backup_repo: Attr::Known(c8_schemas::topology::BackupRepoRef::default()), ..state(false) };
    let change = planned(Some(state(false)), wanted.clone(), Some(observation([true, true])));
    assert_eq!(change.planned, Model { phase: Attr::Unknown, ..wanted });
}

#[test]
fn a_creation_with_the_switch_on_needs_the_lost_region() {
    let wanted = |lost| Model { lost_region: lost, ..state(true) };
    assert!(planned(None, wanted(Attr::Null), None).diags.has_errors());
    assert!(!planned(None, wanted(Attr::Known(1)), None).diags.has_errors());
    assert!(!planned(None, wanted(Attr::Unknown), None).diags.has_errors());
}

#[test]
fn two_living_halves_are_ambiguous() {
    let mut o = observation([true, true]);
    for id in 0..2_u32 {
        let Part::Known(view) = &mut o.region_mut(id).view else { panic!() };
        view.brokers.retain(|broker, _| broker % 2 == id);
        for seen in view.brokers.values_mut() {
            seen.partitions.values_mut().for_each(|replica| replica.leader = false);
        }
    }
    let change = planned(Some(state(false)), state(true), Some(o.clone()));
    assert_eq!(change.diags.iter().next().unwrap().summary, "It is ambiguous which region is lost");
    let wanted = Model { lost_region: Attr::Known(1), ..state(true) };
    assert!(!planned(Some(state(false)), wanted, Some(o)).diags.has_errors());
}
