//! Who reaches whom, and what names mean.
//!
//! Pods of one cluster always reach each other. Between clusters a packet passes only if both clusters run, none is cut off, they share a
//! network, the sender's egress rules and the receiver's ingress rules admit it (dual-region.md 1.5).

pub mod dns;
pub mod firewall;
pub mod surroundings;

use std::net::Ipv4Addr;
use std::time::Instant;

use firewall::{Packet, Protocol};

use crate::world::{Cluster, Power, World};

/// One end of a connection: a pod of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    /// UID of the cluster.
    pub cluster: String,
    /// Address of the pod.
    pub ip: Ipv4Addr,
}

/// Whether a packet from `from` to `to` arrives. Says nothing of whether anybody listens there.
pub fn passes(world: &World, from: &Host, to: &Host, protocol: Protocol, port: u16) -> bool {
    let (Some(source), Some(target)) = (world.clusters.get(&from.cluster), world.clusters.get(&to.cluster)) else {
        return false;
    };
    if !source.power.runs() || !target.power.runs() {
        return false;
    }
    if source.uid == target.uid {
        return true;
    }
    crosses(source, target) && {
        let packet = packet(source, target, from.ip, to.ip, protocol, port);
        firewall::admits(&world.gcp.rules_in_force(Instant::now()), &packet)
    }
}

/// Whether a query to the internal load balancer `service` (a Service object) of `target` arrives. GKE itself opens the port for it, at priority 1000.
pub(crate) fn reaches_load_balancer(
    world: &World,
    from: &Host,
    target: &Cluster,
    service: &serde_json::Value,
    address: Ipv4Addr,
    port: u16,
) -> bool {
    let Some(source) = world.clusters.get(&from.cluster) else { return false };
    if !source.power.runs() || !target.power.runs() || !crosses(source, target) {
        return false;
    }
    let note = |key: &str| service["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let internal = note("networking.gke.io/load-balancer-type") == "Internal"
        || note("cloud.google.com/load-balancer-type") == "Internal";
    let global = note("networking.gke.io/internal-load-balancer-allow-global-access") == "true";
    if internal && !global && region(&source.location) != region(&target.location) {
        return false;
    }
    let mut rules: Vec<_> = world.gcp.rules_in_force(Instant::now()).into_iter().cloned().collect();
    rules.push(firewall::load_balancer_rule(&target.network, &target.node_tags, port));
    let packet = packet(source, target, from.ip, address, Protocol::Udp, port);
    firewall::admits(&rules.iter().collect::<Vec<_>>(), &packet)
}

fn crosses(source: &Cluster, target: &Cluster) -> bool {
    source.power != Power::Isolated && target.power != Power::Isolated && source.network == target.network
}

fn packet<'a>(
    source: &'a Cluster,
    target: &'a Cluster,
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: Protocol,
    port: u16,
) -> Packet<'a> {
    Packet {
        network: &source.network,
        from,
        to,
        from_tags: &source.node_tags,
        to_tags: &target.node_tags,
        from_is_node: firewall::contains(&source.node_cidr, from),
        protocol,
        port,
    }
}

/// The region of a zone: `europe-west1-b` is in `europe-west1`.
fn region(location: &str) -> &str {
    match location.rsplit_once('-') {
        Some((region, zone)) if zone.len() == 1 => region,
        _ => location,
    }
}
