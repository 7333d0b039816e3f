//! The network as brokers and exporters use it.

use std::net::Ipv4Addr;

use super::firewall::Protocol;
use super::{Host, dns, passes};
use crate::world::kubelet::{Role, Stage};
use crate::world::{World, dial};
use crate::zeebe::exporting::{Document, Flush};
use crate::zeebe::{Node, Surroundings};

/// The broker's internal port.
const INTERNAL: u16 = 26502;

/// The pod that listens at an address, if packets from `from` arrive there and a process answers.
pub fn listener(world: &World, from: &Host, ip: Ipv4Addr, port: u16) -> Option<String> {
    let ip = through_service(world, from, ip);
    let (uid, process) =
        world.processes.iter().find(|(_, process)| process.ip == Some(ip) && process.stage == Stage::Running)?;
    let to = Host { cluster: process.cluster.clone(), ip };
    (dial::ports(&process.role).contains(&port) && passes(world, from, &to, Protocol::Tcp, port)).then(|| uid.clone())
}

/// kube-proxy: the address of a Service means one of its pods, within the cluster only.
fn through_service(world: &World, from: &Host, ip: Ipv4Addr) -> Ipv4Addr {
    let Some(cluster) = world.clusters.get(&from.cluster) else { return ip };
    let text = ip.to_string();
    cluster
        .store
        .list("Service", None)
        .iter()
        .find(|service| service["spec"]["clusterIP"] == text.as_str())
        .and_then(|service| cluster.store.backends(service).first().and_then(|pod| pod.ip()?.parse().ok()))
        .unwrap_or(ip)
}

/// Host and port of a URL.
pub fn authority(url: &str) -> Option<(&str, u16)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((authority, 80)),
    }
}

/// The search store behind a URL, as a pod sees it.
pub fn store_behind(world: &World, from: &Host, namespace: &str, url: &str) -> Result<String, String> {
    let (host, port) = authority(url).ok_or_else(|| format!("{url}: no host"))?;
    let addresses = dns::resolve(world, from, namespace, host);
    if addresses.is_empty() {
        return Err(format!("{host}: Name or service not known"));
    }
    addresses
        .into_iter()
        .filter_map(|ip| listener(world, from, ip, port))
        .find(|uid| world.processes.get(uid).is_some_and(|process| process.role == Role::Elasticsearch))
        .ok_or_else(|| format!("{host}:{port}: connection timed out"))
}

/// A process in a simulated pod has the simulated network; one outside of the world has what is really there.
impl Surroundings for World {
    fn linked(&self, one: &Node, other: &Node) -> bool {
        match (self.outside.holds(&one.key), self.outside.holds(&other.key)) {
            (true, true) => self.outside.linked(&one.key, &other.key),
            (false, false) => {
                passes(self, &one.host, &other.host, Protocol::Tcp, INTERNAL)
                    && passes(self, &other.host, &one.host, Protocol::Tcp, INTERNAL)
            }
            _ => false,
        }
    }

    fn resolves(&self, from: &Node, name: &str) -> bool {
        // who connected by a real name has resolved it
        self.outside.holds(&from.key) || !dns::resolve(self, &from.host, &from.namespace, name).is_empty()
    }

    fn export(&mut self, from: &Node, url: &str, documents: &[Document]) -> Flush {
        if self.outside.holds(&from.key) {
            return self.outside.export(&from.key, url, documents);
        }
        match store_behind(self, &from.host, &from.namespace, url) {
            Ok(pod) if self.stores.bulk(&pod, documents) => Flush::Done,
            Ok(_) => Flush::Refused("the store has stopped".into()),
            Err(why) => Flush::Refused(why),
        }
    }

    fn flushed(&mut self, ticket: u64) -> Flush {
        self.outside.flushed(ticket)
    }
}
