//! Controller manager, scheduler, provisioner, cloud controller and the kubelet's bookkeeping, one step at a time.

mod cloud;
mod collector;
mod deployment;
mod kubelet;
mod namespace;
mod replicas;
mod service;
mod stateful;
mod volume;

use std::time::Instant;

use super::store::Store;

/// Lets every controller look once. Cheap when nothing changed and nothing is due.
pub fn tick(store: &mut Store, now: Instant) {
    let revision = store.revision;
    if revision == store.ticked && store.timers.is_empty() {
        return;
    }
    if store.is_mirror() {
        cloud::tick(store, now);
        store.ticked = revision;
        store.timers.retain(|_, timer| std::mem::take(&mut timer.asked));
        return;
    }
    namespace::tick(store);
    collector::tick(store);
    deployment::tick(store);
    replicas::tick(store);
    stateful::tick(store);
    volume::tick(store, now);
    kubelet::tick(store, now);
    service::tick(store, now);
    store.ticked = revision;
    store.timers.retain(|_, timer| std::mem::take(&mut timer.asked));
}
