//! Kills at any instant, repeated applies, both regions: it ends in the same place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod world;

use c8_dr::{Goal, Part, State, Step, assert_before, classify, is_covered, is_reached, next_steps, refuse};
use proptest::prelude::*;
use world::{SIZES, World};

/// One apply: runs the steps that were planned, killed after `life` parts. `true` if nothing is left to do.
fn apply(world: &mut World, goal: Goal, mut life: usize) -> bool {
    let planned = next_steps(&world.observe(), goal);
    for _ in 0..200 {
        let o = world.observe();
        let Some(step) = next_steps(&o, goal).into_iter().next() else {
            assert!(is_reached(&o, goal), "nothing is due in {}, which is not {goal:?}", classify(&o));
            return true;
        };
        assert!(is_covered(&step, &planned), "{step:?} was not planned: {planned:?} in {}", classify(&o));
        assert_before(&step, &o).unwrap_or_else(|e| panic!("{step:?} in {}: {e}", classify(&o)));
        let before = world.clone();
        let full = world.act(&step, life.min(20));
        if !full {
            return false;
        }
        life = life.saturating_sub(1);
        world.tick();
        if life == 0 {
            return false;
        }
        let _ = before;
    }
    panic!("never ends: {:?} in {}", next_steps(&world.observe(), goal), classify(&world.observe()));
}

fn settle(world: &mut World, goal: Goal, lives: &[usize]) {
    for life in lives {
        if apply(world, goal, *life) {
            return;
        }
        world.tick();
    }
    assert!(apply(world, goal, 10_000), "{:?}", next_steps(&world.observe(), goal));
}

fn healthy_world() -> World {
    healthy(World::new())
}

fn healthy(mut world: World) -> World {
    for _ in 0..3 {
        world.tick();
    }
    settle(&mut world, Goal::Both, &[]);
    assert_eq!(classify(&world.observe()), State::Healthy);
    world
}

fn assert_equal_and_complete(world: &mut World) {
    world.tick();
    assert_eq!(world.store[0], world.store[1], "stores differ");
    assert_eq!(world.store[0].len() as i64, world.log, "documents are missing");
    assert!(!world.fence.any && !world.fence.store, "a fence is left");
    assert!(world.admits.iter().all(std::collections::BTreeSet::is_empty), "an admission is left");
    assert_eq!(world.apps, [true; 2]);
    assert_eq!(world.members, SIZES.all());
    assert!(world.temporary.is_none(), "temporary brokers are left");
    assert_eq!(world.told, [false; 2], "a store still stands in for another");
}

fn story(lost: u32, forming: &[usize], over: &[usize], back: &[usize]) {
    story_in(World::new(), lost, forming, over, back);
}

fn story_in(mut world: World, lost: u32, forming: &[usize], over: &[usize], back: &[usize]) {
    world.tick();
    settle(&mut world, Goal::Both, forming);
    for _ in 0..5 {
        world.tick();
    }
    world.lose(lost);
    world.tick();
    assert_eq!(classify(&world.observe()), State::RegionLost(lost));
    assert!(next_steps(&world.observe(), Goal::Both).is_empty());
    settle(&mut world, Goal::Without(lost), over);
    assert_eq!(classify(&world.observe()), State::FailedOver(lost));
    for _ in 0..5 {
        world.tick();
    }
    world.rebuild(lost);
    world.tick();
    assert_eq!(classify(&world.observe()), State::Rebuilt(lost));
    assert!(next_steps(&world.observe(), Goal::Without(lost)).is_empty());
    assert!(SIZES.brokers(lost).iter().all(|id| !world.started.contains(id)), "a held broker started");
    assert_eq!(refuse(&world.observe(), Goal::Both, false, true), None);
    settle(&mut world, Goal::Both, back);
    assert_eq!(classify(&world.observe()), State::Healthy);
    assert!(next_steps(&world.observe(), Goal::Both).is_empty());
    assert_equal_and_complete(&mut world);
}

#[test]
fn the_straight_path_in_both_regions() {
    story(0, &[], &[], &[]);
    story(1, &[], &[], &[]);
}

#[test]
fn the_straight_path_with_temporary_brokers() {
    story_in(World::fixed(), 0, &[], &[], &[]);
    story_in(World::fixed(), 1, &[], &[], &[]);
}

#[test]
fn a_region_without_cluster_api_that_returns_before_temporary_brokers_run_gets_its_own_store_again() {
    for life in 1..6 {
        let mut world = healthy(World::fixed());
        world.lose(1);
        world.tick();
        apply(&mut world, Goal::Without(1), life);
        if world.temporary.as_ref().is_some_and(|t| t.replicas > 0) {
            continue;
        }
        world.bring_back(1);
        world.started.extend(SIZES.brokers(1));
        world.tick();
        assert_eq!(refuse(&world.observe(), Goal::Both, false, true), None, "{}", classify(&world.observe()));
        settle(&mut world, Goal::Both, &[]);
        assert_eq!(classify(&world.observe()), State::Healthy);
        assert_equal_and_complete(&mut world);
    }
}

#[test]
fn a_second_loss_with_temporary_brokers_can_be_abandoned_until_their_ids_are_given_back() {
    for life in 1..16 {
        let mut world = healthy(World::fixed());
        world.lose(1);
        settle(&mut world, Goal::Without(1), &[]);
        world.rebuild(1);
        apply(&mut world, Goal::Both, life);
        world.lose(1);
        world.tick();
        settle(&mut world, Goal::Without(1), &[]);
        assert!(world.all_led(), "no quorum, killed after {life}");
        assert!(!world.paused, "still paused, killed after {life}");
        world.tick();
        assert_eq!(world.exported[0], world.log, "killed after {life}");
        world.rebuild(1);
        settle(&mut world, Goal::Both, &[]);
        assert_equal_and_complete(&mut world);
    }
}

#[test]
fn a_survivor_on_a_new_disk_is_no_ground_for_temporary_brokers() {
    let mut world = healthy(World::fixed());
    world.lose(1);
    world.disks.insert(2, "disk-2-new".into());
    settle_until(&mut world, |step| matches!(step, Step::StartTemporary { .. }));
    let violation = assert_before(&Step::StartTemporary { lost: 1 }, &world.observe()).unwrap_err();
    assert!(violation.0.contains("brokers 2"), "{violation}");
}

#[test]
fn temporary_brokers_start_as_soon_as_the_survivors_run_without_waiting_until_they_are_listed() {
    let mut world = healthy(World::fixed());
    world.lose(1);
    settle_until(&mut world, |step| matches!(step, Step::StartTemporary { .. }));
    let start = Step::StartTemporary { lost: 1 };
    let mut o = world.observe();
    let Part::Known(view) = &mut o.region_mut(0).view else { panic!("no gateway") };
    view.brokers.clear();
    assert_before(&start, &o).unwrap();
    o.region_mut(0).pods.iter_mut().find(|pod| pod.id == 2).unwrap().running = false;
    assert!(assert_before(&start, &o).unwrap_err().0.contains("brokers 2"));
    let mut o = world.observe();
    o.region_mut(0).view = Part::Unreachable("timed out".into());
    assert!(assert_before(&start, &o).unwrap_err().0.contains("gateway"), "it could say that region 1 is alive");
}

fn settle_until(world: &mut World, until: impl Fn(&Step) -> bool) {
    for _ in 0..50 {
        match next_steps(&world.observe(), Goal::Without(1)).into_iter().next() {
            Some(step) if !until(&step) => {
                world.act(&step, usize::MAX);
                world.tick();
            }
            _ => return,
        }
    }
    panic!("never comes");
}

#[test]
fn two_rounds_count_epochs() {
    let mut world = healthy_world();
    for (round, lost) in [1, 0].into_iter().enumerate() {
        world.lose(lost);
        settle(&mut world, Goal::Without(lost), &[]);
        assert_eq!(world.observe().record().unwrap().epoch, round as u64 + 1);
        world.rebuild(lost);
        settle(&mut world, Goal::Both, &[]);
        assert_equal_and_complete(&mut world);
    }
}

#[test]
fn region_zero_starts_its_bootstrap_coordinator_last() {
    let mut world = healthy_world();
    world.lose(0);
    settle(&mut world, Goal::Without(0), &[]);
    world.rebuild(0);
    let steps = next_steps(&world.observe(), Goal::Both);
    let admits: Vec<_> = steps.iter().filter(|s| matches!(s, Step::Admit { .. })).cloned().collect();
    assert_eq!(admits, [Step::Admit { brokers: vec![2, 4, 6] }, Step::Admit { brokers: vec![0] }]);
}

#[test]
fn a_rebuild_before_any_fail_over_ends_held_and_safe() {
    for lost in [0, 1] {
        let mut world = healthy_world();
        world.lose(lost);
        world.rebuild(lost);
        world.tick();
        let o = world.observe();
        assert_eq!(classify(&o), State::RegionLost(lost));
        assert!(next_steps(&o, Goal::Both).is_empty());
        assert!(SIZES.brokers(lost).iter().all(|id| !world.started.contains(id)));
        // from there: fail-over, then fail-back
        assert_eq!(refuse(&o, Goal::Without(lost), false, true), None);
        settle(&mut world, Goal::Without(lost), &[]);
        settle(&mut world, Goal::Both, &[]);
        assert_equal_and_complete(&mut world);
    }
}

#[test]
fn a_region_that_returns_before_anything_was_removed_is_let_in_again() {
    for life in 1..5 {
        let mut world = healthy_world();
        world.lose(1);
        world.tick();
        apply(&mut world, Goal::Without(1), life);
        if world.members != SIZES.all() {
            continue;
        }
        world.bring_back(1);
        world.tick();
        // its brokers run, whether the fence hides them or not
        world.started.extend(SIZES.brokers(1));
        let o = world.observe();
        assert_eq!(refuse(&o, Goal::Both, false, true), None, "{}", classify(&o));
        settle(&mut world, Goal::Both, &[]);
        assert_eq!(classify(&world.observe()), State::Healthy);
        assert_equal_and_complete(&mut world);
    }
}

#[test]
fn a_second_loss_in_the_middle_of_a_fail_back_can_be_abandoned() {
    for life in 1..12 {
        let mut world = healthy_world();
        world.lose(1);
        settle(&mut world, Goal::Without(1), &[]);
        world.rebuild(1);
        apply(&mut world, Goal::Both, life);
        world.lose(1);
        world.tick();
        settle(&mut world, Goal::Without(1), &[]);
        assert!(world.all_led(), "no quorum, killed after {life}");
        assert!(!world.paused, "still paused, killed after {life}");
        assert!(world.apps[0], "web apps are still off, killed after {life}");
        world.tick();
        assert_eq!(world.exported[0], world.log);
        world.rebuild(1);
        settle(&mut world, Goal::Both, &[]);
        assert_equal_and_complete(&mut world);
    }
}

#[test]
fn a_broker_that_lost_its_disk_is_admitted_alone() {
    let mut world = healthy_world();
    world.started.remove(&3);
    world.disks.insert(3, "disk-3-new".into());
    let steps = next_steps(&world.observe(), Goal::Both);
    assert_eq!(steps[0], Step::Admit { brokers: vec![3] });
    settle(&mut world, Goal::Both, &[]);
    assert_equal_and_complete(&mut world);
    // two of one partition at once: none starts
    let mut world = healthy_world();
    world.started.remove(&3);
    world.started.remove(&5);
    assert!(next_steps(&world.observe(), Goal::Both).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn kills_at_any_instant_end_in_the_same_place(
        lost in 0u32..2,
        forming in prop::collection::vec(1usize..6, 0..4),
        over in prop::collection::vec(1usize..6, 0..8),
        back in prop::collection::vec(1usize..8, 0..12),
    ) {
        story(lost, &forming, &over, &back);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn kills_at_any_instant_with_temporary_brokers_end_in_the_same_place(
        lost in 0u32..2,
        forming in prop::collection::vec(1usize..6, 0..4),
        over in prop::collection::vec(1usize..8, 0..8),
        back in prop::collection::vec(1usize..10, 0..12),
    ) {
        story_in(World::fixed(), lost, &forming, &over, &back);
    }
}
