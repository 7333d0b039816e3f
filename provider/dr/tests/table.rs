//! State × `failover_active` → no-op, update or refusal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod world;

use c8_dr::{Goal, Observation, Part, State, Step, assert_before, classify, goal, is_reached, next_steps, refuse};
use rstest::rstest;
use world::{SIZES, World};

fn run(world: &mut World, goal: Goal, until: impl Fn(&Step) -> bool) {
    for _ in 0..100 {
        match next_steps(&world.observe(), goal).into_iter().next() {
            Some(step) if !until(&step) => {
                world.act(&step, usize::MAX);
                world.tick();
            }
            _ => return,
        }
    }
    panic!("never ends");
}

fn never(_: &Step) -> bool {
    false
}

fn world(state: &str) -> World {
    let mut w = World::new();
    if state == "forming" {
        w.admits[0].clear();
        w.tick();
        return w;
    }
    w.tick();
    run(&mut w, Goal::Both, never);
    match state {
        "healthy" => {}
        "degraded" => {
            w.started.remove(&1);
            w.admits[0].insert(1);
        }
        "broker_waits" => {
            w.started.remove(&1);
        }
        "isolated" => {
            w.fence.brokers = true;
        }
        "both_lost" => {
            w.lose(0);
            w.lose(1);
        }
        "region_lost" => w.lose(1),
        "held_rebuild" => {
            w.lose(1);
            w.rebuild(1);
        }
        "claimed" => {
            w.lose(1);
            run(&mut w, Goal::Without(1), |s| matches!(s, Step::Fence { .. }));
        }
        "returned" => {
            w.lose(1);
            run(&mut w, Goal::Without(1), |s| matches!(s, Step::Withdraw { .. } | Step::ForceRemove { .. }));
            w.bring_back(1);
            w.started.extend(SIZES.brokers(1));
        }
        "removed" => {
            w.lose(1);
            run(&mut w, Goal::Without(1), |s| matches!(s, Step::DisableExporter { .. }));
        }
        "failed_over" | "rebuilt" | "old_returned" | "failing_back" => {
            w.lose(1);
            run(&mut w, Goal::Without(1), never);
            match state {
                "rebuilt" => w.rebuild(1),
                "old_returned" => {
                    w.alive[1] = true;
                    w.started.extend(SIZES.brokers(1));
                }
                "failing_back" => {
                    w.rebuild(1);
                    run(&mut w, Goal::Both, |s| matches!(s, Step::Resume { .. }));
                }
                _ => {}
            }
        }
        "split" => {
            w.records[1].as_mut().unwrap().version = Some("other".into());
        }
        other => panic!("{other}"),
    }
    w
}

/// What a plan does: with the switch as it was, and when it is turned to `active`.
fn outcome(w: &World, active: bool) -> (&'static str, &'static str) {
    let mut o = w.observe();
    if w.fence.brokers && !w.fence.any {
        o.fence = c8_dr::Part::Known(c8_dr::Fence::default());
    }
    let wanted = goal(&o, active, None);
    let steps = wanted.map(|g| next_steps(&o, g)).unwrap_or_default();
    let refused = match wanted {
        Some(g) => refuse(&o, g, false, true).is_some(),
        None => true,
    };
    let kept = if steps.is_empty() { "no-op" } else { "update" };
    (kept, if refused { "refuse" } else { kept })
}

#[rstest]
#[case("forming", "forming", ("update", "update"), ("no-op", "refuse"))]
#[case("healthy", "healthy", ("no-op", "no-op"), ("no-op", "refuse"))]
#[case("degraded", "degraded", ("update", "update"), ("no-op", "refuse"))]
#[case("broker_waits", "degraded", ("update", "update"), ("no-op", "refuse"))]
#[case("isolated", "isolated", ("no-op", "no-op"), ("no-op", "refuse"))]
#[case("both_lost", "unknown", ("no-op", "refuse"), ("no-op", "refuse"))]
#[case("split", "split", ("no-op", "refuse"), ("no-op", "refuse"))]
#[case("region_lost", "region_lost", ("no-op", "no-op"), ("update", "update"))]
#[case("held_rebuild", "region_lost", ("no-op", "no-op"), ("update", "update"))]
#[case("claimed", "failing_over", ("no-op", "refuse"), ("update", "update"))]
#[case("returned", "failing_over", ("update", "update"), ("update", "update"))]
#[case("removed", "failing_over", ("no-op", "refuse"), ("update", "update"))]
#[case("failed_over", "failed_over", ("update", "refuse"), ("no-op", "no-op"))]
#[case("old_returned", "failed_over", ("update", "refuse"), ("no-op", "no-op"))]
#[case("rebuilt", "region_rebuilt", ("update", "update"), ("no-op", "no-op"))]
#[case("failing_back", "failing_back", ("update", "update"), ("update", "update"))]
fn what_a_plan_does(
    #[case] name: &str,
    #[case] phase: &str,
    #[case] both: (&str, &str),
    #[case] survivor: (&str, &str),
) {
    let w = world(name);
    let mut o = w.observe();
    if w.fence.brokers && !w.fence.any {
        o.fence = c8_dr::Part::Known(c8_dr::Fence::default());
    }
    assert_eq!(classify(&o).phase(), phase, "{}", classify(&o));
    assert_eq!(outcome(&w, false), both, "failover_active = false");
    assert_eq!(outcome(&w, true), survivor, "failover_active = true");
}

#[test]
fn a_fail_over_is_planned_as_the_operator_reads_it() {
    let o = world("region_lost").observe();
    let steps: Vec<_> = next_steps(&o, Goal::Without(1)).iter().map(|s| s.text(&o)).collect();
    assert_eq!(
        steps,
        [
            "claim the transition: region 1 is lost, epoch 1",
            "fence: deny all traffic between ns-zero and ns-one but DNS",
            "withdraw the admission of brokers 1, 3, 5, 7",
            "force-remove brokers 1, 3, 5, 7",
            "disable exporter elasticsearchregion1",
            "verify that every partition commits and exports in region 0, and record it",
        ]
    );
}

#[test]
fn a_fail_back_is_planned_in_the_order_that_loses_nothing() {
    let o = world("rebuilt").observe();
    let steps: Vec<_> = next_steps(&o, Goal::Both).iter().map(|s| s.text(&o)).collect();
    assert_eq!(
        steps,
        [
            "stop the web apps and connectors in both regions",
            "lift the fence between ns-zero and ns-one, and prove it",
            "pause exporting, and wait until no position moves",
            "take a snapshot of the store of region 0, retaken if positions move",
            "restore it into the store of region 1, and verify that both are equal",
            "let brokers reach the store of region 1 again",
            "enable exporter elasticsearchregion1 from elasticsearchregion0",
            "resume exporting",
            "open the gates of region 1 to admitted brokers",
            "admit brokers 1, 3, 5, 7",
            "add brokers 1, 3, 5, 7 with all replicas of their partitions",
            "wait until all brokers are there, every partition has one leader and all are healthy",
            "start the web apps and connectors in both regions",
            "withdraw the admission of brokers 1, 3, 5, 7",
            "verify both regions and record that the installation is healthy",
        ]
    );
}

#[test]
fn temporary_brokers_are_planned_one_fresh_replica_at_a_time() {
    let mut w = World::fixed();
    w.tick();
    run(&mut w, Goal::Both, never);
    w.lose(1);
    w.tick();
    let texts = |w: &World, goal| {
        let o = w.observe();
        next_steps(&o, goal).iter().map(|s| s.text(&o)).collect::<Vec<_>>()
    };
    assert_eq!(
        texts(&w, Goal::Without(1)),
        [
            "claim the transition: region 1 is lost, epoch 1",
            "fence: deny all traffic between ns-zero and ns-one but DNS",
            "withdraw the admission of brokers 1, 3, 5, 7",
            "let another store stand in for the one of region 1, and restart the brokers of region 0 with it",
            "start temporary brokers 1, 5 on empty disks in ns-zero",
            "verify that every partition commits and exports in region 0, and record it",
        ]
    );
    run(&mut w, Goal::Without(1), never);
    w.rebuild(1);
    w.tick();
    assert_eq!(
        texts(&w, Goal::Both),
        [
            "stop the web apps and connectors in both regions",
            "lift the fence between ns-zero and ns-one, and prove it",
            "let the brokers of region 1 export to the store that stands in for theirs",
            "open the gates of region 1 to admitted brokers",
            "admit brokers 3, 7",
            "wait until brokers 3, 7 hold the log of all their partitions, and record it",
            "pause exporting, and wait until no position moves",
            "take a snapshot of the store of region 0, retaken if positions move",
            "restore it into the store of region 1, and verify that both are equal",
            "let brokers reach the store of region 1 again",
            "restart the brokers one by one with the store of region 1 itself",
            "resume exporting",
            "stop the temporary brokers and keep their disks",
            "verify that every partition commits without the temporary brokers, else start them again; then delete their disks",
            "admit brokers 1, 5",
            "wait until brokers 1, 5 hold the log of all their partitions, and record it",
            "wait until all brokers are there, every partition has one leader and all are healthy",
            "start the web apps and connectors in both regions",
            "withdraw the admission of brokers 1, 3, 5, 7",
            "verify both regions and record that the installation is healthy",
        ]
    );
    // all of L at once would be two fresh voters in each partition
    assert!(assert_before(&Step::Admit { brokers: vec![1, 3, 5, 7] }, &w.observe()).is_err());
    assert!(assert_before(&Step::Admit { brokers: vec![1, 5] }, &w.observe()).is_err(), "their ids are taken");
}

#[test]
fn refusals_show_the_evidence_and_the_way_out() {
    let o = world("failed_over").observe();
    let refusal = refuse(&o, Goal::Both, false, true).unwrap();
    assert_eq!(refusal.summary, "The lost region is not rebuilt");
    assert!(refusal.detail.contains("no answer within 10 s"), "{}", refusal.detail);
    assert!(refusal.detail.contains("-replace"), "{}", refusal.detail);
    let refusal = refuse(&world("rebuilt").observe(), Goal::Both, false, false).unwrap();
    assert_eq!(refusal.summary, "A fail-back needs a backup repository");
}

/// Empty lists of a region that could not be listed say nothing.
#[rstest]
#[case::region_lost("region_lost", 0, Goal::Without(1))]
#[case::removed("removed", 0, Goal::Without(1))]
#[case::failed_over("failed_over", 0, Goal::Both)]
#[case::rebuilt("rebuilt", 0, Goal::Both)]
#[case::failing_back("failing_back", 0, Goal::Both)]
fn nothing_is_done_while_the_survivor_can_not_be_read(#[case] name: &str, #[case] survivor: u32, #[case] goal: Goal) {
    for blind in [blind_lists as fn(&mut Observation, u32), blind_record] {
        let mut o = world(name).observe();
        blind(&mut o, survivor);
        assert_eq!(classify(&o).phase(), "unknown", "{}", classify(&o));
        assert!(next_steps(&o, goal).is_empty());
        assert!(refuse(&o, goal, true, true).is_some());
        assert!(!is_reached(&o, goal), "nothing due is not the same as done");
    }
}

fn blind_lists(o: &mut Observation, region: u32) {
    let region = o.region_mut(region);
    region.unread = Some("pods: timed out".into());
    region.pods.clear();
    region.disks.clear();
    region.admits.clear();
}

fn blind_record(o: &mut Observation, region: u32) {
    o.region_mut(region).record = Part::Unreachable("timed out".into());
}

#[test]
fn old_disks_that_can_not_be_listed_are_not_gone() {
    let mut o = world("old_returned").observe();
    blind_lists(&mut o, 1);
    assert_eq!(classify(&o), State::FailedOver(1), "not rebuilt");
    assert!(c8_dr::why_not_rebuilt(&o, 1).is_some());
    assert!(assert_before(&Step::LiftFence { lost: 1 }, &o).is_err());
    assert!(assert_before(&Step::OpenGates { region: 1 }, &o).is_err());
}

/// A region behind a cut network that answers us, but does not let us look, or only half: it may live.
#[test]
fn a_region_that_may_live_is_given_up_by_name_only() {
    let lists = |o: &mut Observation| {
        o.region_mut(1).api = Part::Known("one-1".into());
        o.region_mut(1).unread = Some("pods: timed out".into());
    };
    let forbidden = |o: &mut Observation| o.region_mut(1).forbidden = true;
    for may_live in [&lists as &dyn Fn(&mut Observation), &forbidden] {
        let mut o = world("region_lost").observe();
        may_live(&mut o);
        assert_eq!(classify(&o), State::Isolated);
        assert_eq!(goal(&o, true, None), None);
        assert!(refuse(&o, Goal::Without(1), false, true).is_some());
        assert_eq!(refuse(&o, Goal::Without(1), true, true), None);
        let steps = next_steps(&o, Goal::Without(1));
        assert!(matches!(steps[..2], [Step::Claim { .. }, Step::Fence { lost: 1 }]), "fenced first: {steps:?}");
    }
}

#[test]
fn a_lost_region_that_is_half_dead_is_not_in_the_way() {
    let mut o = world("held_rebuild").observe();
    blind_record(&mut o, 1);
    assert_eq!(classify(&o), State::RegionLost(1));
    let mut o = world("healthy").observe();
    blind_record(&mut o, 1);
    assert_eq!(classify(&o).phase(), "unknown", "what can't be read may be newer");
}

#[test]
fn brokers_that_are_members_again_are_not_given_up() {
    let mut w = world("rebuilt");
    run(&mut w, Goal::Both, |s| matches!(s, Step::RecordHealthy));
    let refusal = refuse(&w.observe(), Goal::Without(1), true, true).unwrap();
    assert_eq!(refusal.summary, "The fail-back can't be taken back any more");
}

#[test]
fn an_observation_survives_private_state() {
    for name in ["healthy", "region_lost", "failing_back"] {
        let o = world(name).observe();
        let value: serde_json::Value = serde_json::to_value(&o).unwrap();
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<c8_dr::Observation>(&text).unwrap(), o);
    }
}

/// An apply was killed right after it claimed, and the region came back: the claim is closed, so that the other region can be
/// given up later.
#[test]
fn a_claim_that_came_to_nothing_is_closed_and_blocks_nobody() {
    let mut w = world("healthy");
    let claim = c8_dr::Claim { epoch: 1, lost: 1 };
    let observe = |w: &World| Observation { claim: Some(claim), ..w.observe() };
    let o = observe(&w);
    assert_eq!(classify(&o), State::Healthy);
    assert_eq!(next_steps(&o, Goal::Both), [Step::RecordHealthy]);
    w.lose(0);
    let o = observe(&w);
    let refusal = refuse(&o, Goal::Without(0), true, true).unwrap();
    assert_eq!(refusal.summary, "Another transition was claimed");
    assert!(refusal.detail.contains("c8-claim-") && refusal.detail.contains("epoch 1"), "{}", refusal.detail);

    let mut w = world("healthy");
    for record in w.records.iter_mut().flatten() {
        record.epoch = 1;
    }
    assert!(next_steps(&observe(&w), Goal::Both).is_empty());
    w.lose(0);
    let o = observe(&w);
    assert_eq!(refuse(&o, Goal::Without(0), false, true), None);
    assert_eq!(next_steps(&o, Goal::Without(0))[0], Step::Claim { lost: 0, epoch: 2 });
}

/// The same decision is carried on in its own epoch.
#[test]
fn a_claim_of_the_same_region_is_carried_on() {
    let mut o = world("region_lost").observe();
    o.claim = Some(c8_dr::Claim { epoch: 1, lost: 1 });
    assert_eq!(refuse(&o, Goal::Without(1), false, true), None);
    assert_eq!(next_steps(&o, Goal::Without(1))[0], Step::Claim { lost: 1, epoch: 1 });
}
