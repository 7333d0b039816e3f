//! Processes outside come, report and go.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Instant;

use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use super::wire::{Kind, Order, Registration, SILENCE};
use crate::network::Host;
use crate::world::{World, objects};
use crate::zeebe::{self, settings};

/// A process that lives.
#[derive(Debug)]
pub struct Session {
    /// Broker or gateway.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// What lies on its volume; empty for a gateway.
    pub disk: String,
    /// Whom it reaches, by key.
    pub reaches: BTreeSet<String>,
    heard: Instant,
    pub(super) orders: UnboundedSender<Order>,
    told: bool,
}

impl World {
    /// A process has started. Returns its key.
    ///
    /// # Errors
    /// It must not run: why.
    pub fn enter(
        &mut self,
        who: Registration,
        from: Ipv4Addr,
        orders: UnboundedSender<Order>,
        now: Instant,
    ) -> Result<String, String> {
        let key = format!("outside-{}", objects::new_uid());
        let mut settings =
            zeebe::Settings::from_environment(&who.env, &who.namespace, &who.version, self.options.failure_timeout);
        if who.kind == Kind::Gateway {
            settings.advertised.clear();
        }
        let node = zeebe::Node {
            key: key.clone(),
            host: Host { cluster: format!("outside/{}", who.namespace), ip: from },
            namespace: who.namespace.clone(),
            pod: who.pod.clone(),
            settings,
            since: now,
        };
        match who.kind {
            Kind::Gateway => self.zeebe.start_gateway(&key, node),
            Kind::Broker => {
                if who.disk.is_empty() {
                    return Err("a broker needs a disk".into());
                }
                if who.initialised && !self.zeebe.disks.contains_key(&who.disk) {
                    return Err(format!(
                        "the disk {} was written by a broker of another world, which took the content with it",
                        who.disk
                    ));
                }
                // a volume is mounted once: whoever held it is dead, even if nobody noticed yet
                let former: Vec<String> = self
                    .outside
                    .sessions
                    .iter()
                    .filter(|(_, session)| session.disk == who.disk)
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in former {
                    self.leave(&key);
                }
                self.zeebe.start_broker(&key, node, settings::node_id(&who.env, &who.pod), &who.disk);
            }
        }
        let session = Session {
            kind: who.kind,
            namespace: who.namespace,
            pod: who.pod,
            disk: who.disk,
            reaches: BTreeSet::new(),
            heard: now,
            orders,
            told: false,
        };
        self.outside.sessions.insert(key.clone(), session);
        Ok(key)
    }

    /// A process ended; its disk stays.
    pub fn leave(&mut self, key: &str) {
        if self.outside.sessions.remove(key).is_some() {
            self.zeebe.stop(key);
        }
    }

    /// Whom a process reaches. False: nobody knows it any more, and it should end.
    pub fn hear(&mut self, key: &str, reaches: BTreeSet<String>, now: Instant) -> bool {
        let Some(session) = self.outside.sessions.get_mut(key) else { return false };
        session.reaches = reaches;
        session.heard = now;
        true
    }

    /// A volume was deleted, and what a broker wrote to it. False: there is none, or a broker runs on it.
    pub fn shred(&mut self, disk: &str) -> bool {
        self.outside.sessions.values().all(|session| session.disk != disk) && self.zeebe.disks.remove(disk).is_some()
    }
}

/// Ends those that have been silent for too long; tells those whose disk was initialised.
pub fn tick(world: &mut World, now: Instant) {
    let silent: Vec<String> = world
        .outside
        .sessions
        .iter()
        .filter(|(_, session)| now.duration_since(session.heard) > SILENCE)
        .map(|(key, _)| key.clone())
        .collect();
    for key in silent {
        tracing::warn!(%key, "a process outside fell silent");
        world.leave(&key);
    }
    for session in world.outside.sessions.values_mut().filter(|session| !session.told) {
        let Some(disk) = world.zeebe.disks.get(&session.disk).filter(|disk| disk.is_initialised()) else { continue };
        let content = disk.config.as_ref().map_or_else(|| json!({"replicas": disk.replicas.len()}), |c| c.json());
        session.told = session.orders.send(Order::Initialised { content: content.to_string() }).is_ok();
    }
}
