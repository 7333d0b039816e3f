//! Brokers and gateways as real processes: what their network, disks and stores do is what counts, and the audit must be able to say no.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod outside_support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use c8_sandbox::audit;
use outside_support::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_reach_both_stores_through_real_ports() {
    let bench = Bench::started().await;
    let report = bench.workload(20).await;
    assert_eq!((report.acknowledged, report.completed, report.gateways), (20, 20, 2), "{report:?}");
    let audit = bench.settled().await;
    // 5 events an instance, and each of them in both stores
    bench.until("all is exported", |bench| bench.documents(0) == 100 && bench.documents(1) == 100).await;
    assert_eq!(audit.acknowledged, 20);
    assert_eq!(bench.audit().await.compared.values().copied().collect::<Vec<_>>(), [100, 100]);

    // a document that is gone is missed, one too many is noticed
    let (place, document) = bench.stores[0].documents.lock().pop_first().unwrap();
    let audit = bench.audit().await;
    assert_eq!((audit.ok, audit.missing), (false, 1), "{audit:?}");
    bench.stores[0].documents.lock().insert(place.clone(), document.clone());
    bench.stores[0].documents.lock().insert((format!("{}-restored", place.0), place.1.clone()), document);
    let audit = bench.audit().await;
    assert_eq!((audit.ok, audit.foreign), (false, 1), "{audit:?}");

    // a store that can't be read proves nothing
    let nobody = [("1".to_owned(), "http://127.0.0.1:1".to_owned())].into();
    assert!(!audit::audit_with(bench.sandbox.shared(), &nobody).await.ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_packet_reaches_has_no_vote() {
    let bench = Bench::started().await;
    bench.workload(4).await;
    // only *towards* 1 and 3 nothing passes, also on connections that stand
    bench.doors[1].shut(true);
    bench.doors[3].shut(true);
    bench.until("nobody leads without a quorum", |bench| bench.led() == 0).await;
    let report = bench.workload(4).await;
    assert_eq!((report.acknowledged, report.refused), (0, 4), "{report:?}");
    bench.doors[1].shut(false);
    bench.until("one of them is enough", |bench| bench.led() == 4).await;
    bench.doors[3].shut(false);
    // gateways dial again too: until then they refuse
    bench.eventually(async || (bench.workload(4).await.acknowledged == 4).then_some(())).await;
    bench.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_comes_back_with_its_volume_or_without() {
    let mut bench = Bench::started().await;
    bench.workload(8).await;
    for name in ["broker-1", "broker-3"] {
        bench.kill(name).await;
    }
    bench.until("two of four are no quorum", |bench| bench.led() == 0).await;
    assert!(bench.disk("disk-1").join(".topology.meta").is_file(), "the gate looks for it");
    bench.start_broker(1, "disk-1");
    bench.until("three of four are one", |bench| bench.led() == 4).await;
    bench.eventually(async || (bench.workload(8).await.completed == 8).then_some(())).await;

    // an empty volume is an empty replica, which catches up
    bench.start_broker(3, "another");
    bench
        .until("it holds what the others hold", |bench| {
            let world = bench.sandbox.shared().lock();
            let lengths: Vec<usize> =
                world.zeebe.disks.values().filter_map(|disk| disk.replicas.get(&1)).map(|r| r.commit).collect();
            lengths.len() == 5 && lengths.iter().filter(|length| *length == lengths.iter().max().unwrap()).count() == 4
        })
        .await;
    bench.settled().await;

    // when all volumes are lost, what was promised is lost, and the audit says so
    for id in 0..4 {
        bench.kill(&format!("broker-{id}")).await;
    }
    bench.until("nobody is left", |bench| bench.sandbox.shared().lock().zeebe.brokers.is_empty()).await;
    for id in 0..4 {
        bench.start_broker(id, &format!("wiped-{id}"));
    }
    bench.until("empty disks lead", |bench| bench.led() == 4).await;
    let audit = bench.audit().await;
    assert!(!audit.ok && audit.lost > 0, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_move_only_with_the_stores_answer() {
    let bench = Bench::started().await;
    bench.stores[1].down.store(true, Ordering::Relaxed);
    assert_eq!(bench.workload(8).await.completed, 8);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(bench.documents(1), 0);
    {
        let world = bench.sandbox.shared().lock();
        let positions: Vec<u64> = world
            .zeebe
            .disks
            .values()
            .flat_map(|disk| disk.replicas.values())
            .filter_map(|replica| replica.exporters.get("region1"))
            .map(|own| own.position)
            .collect();
        assert!(!positions.is_empty() && positions.iter().all(|position| *position == 0), "{positions:?}");
    }
    // what the other store has is no more than its exporter says, and nothing is missing
    assert!(bench.audit().await.ok);
    bench.stores[1].down.store(false, Ordering::Relaxed);
    bench.until("all arrives later", |bench| bench.documents(1) == 40 && bench.documents(0) == 40).await;
    bench.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_of_another_world_is_refused() {
    let mut bench = Bench::started().await;
    let strange = bench.disk("strange");
    std::fs::create_dir_all(&strange).unwrap();
    std::fs::write(strange.join(".c8-disk"), "of-another-world").unwrap();
    std::fs::write(strange.join(".topology.meta"), "{}").unwrap();
    bench.kill("broker-2").await;
    bench.start_broker(2, "strange");
    let why = bench.end_of("broker-2").await;
    assert!(why.contains("of-another-world"), "{why}");
}
