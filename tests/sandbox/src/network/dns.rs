//! Names inside a cluster: its own Services and pods, and through stub domains those of others (dual-region.md 1.4).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Host, reaches_load_balancer};
use crate::world::kubelet::Role;
use crate::world::{Cluster, World};

/// What `ConfigMap kube-system/kube-dns` says under `stubDomains`: domain to addresses. A text that is no such JSON counts as none.
pub fn stub_domains(text: &str) -> BTreeMap<String, Vec<String>> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The names that a resolver tries, by the search list of a pod and `ndots:5`.
pub fn candidates(namespace: &str, name: &str) -> Vec<String> {
    if let Some(absolute) = name.strip_suffix('.') {
        return vec![absolute.to_owned()];
    }
    let searched = [
        format!("{name}.{namespace}.svc.cluster.local"),
        format!("{name}.svc.cluster.local"),
        format!("{name}.cluster.local"),
    ];
    if name.matches('.').count() >= 5 {
        std::iter::once(name.to_owned()).chain(searched).collect()
    } else {
        searched.into_iter().chain([name.to_owned()]).collect()
    }
}

/// The addresses behind `name` for a pod. It resolves only if *every* DNS pod of the cluster resolves it: which one is asked is chance.
pub fn resolve(world: &World, from: &Host, namespace: &str, name: &str) -> Vec<Ipv4Addr> {
    if let Ok(address) = name.parse() {
        return vec![address];
    }
    let Some(cluster) = world.clusters.get(&from.cluster).filter(|cluster| cluster.power.runs()) else { return vec![] };
    let servers: Vec<_> = world
        .processes
        .values()
        .filter(|process| process.cluster == cluster.uid)
        .filter_map(|process| match &process.role {
            Role::Dns { stub_domains } => Some((process.ip, stub_domains)),
            _ => None,
        })
        .collect();
    let mut answer = Vec::new();
    for (ip, stub_domains) in servers {
        let Some(ip) = ip else { return vec![] };
        let server = Host { cluster: cluster.uid.clone(), ip };
        answer = candidates(namespace, name)
            .iter()
            .map(|candidate| ask(world, cluster, &server, stub_domains, candidate))
            .find(|addresses| !addresses.is_empty())
            .unwrap_or_default();
        if answer.is_empty() {
            return answer;
        }
    }
    answer
}

fn ask(
    world: &World,
    cluster: &Cluster,
    server: &Host,
    stub_domains: &BTreeMap<String, Vec<String>>,
    name: &str,
) -> Vec<Ipv4Addr> {
    let stub = stub_domains
        .iter()
        .filter(|(domain, _)| {
            name == domain.as_str() || name.strip_suffix(domain.as_str()).is_some_and(|head| head.ends_with('.'))
        })
        .max_by_key(|(domain, _)| domain.len());
    match stub {
        Some((_, upstreams)) => upstreams
            .iter()
            .map(|upstream| forward(world, server, upstream, name))
            .find(|a| !a.is_empty())
            .unwrap_or_default(),
        None => own(cluster, name),
    }
}

/// Asks the DNS behind another cluster's load balancer.
fn forward(world: &World, server: &Host, upstream: &str, name: &str) -> Vec<Ipv4Addr> {
    let (address, port) = match upstream.split_once(':') {
        Some((address, port)) => (address, port.parse().unwrap_or(53)),
        None => (upstream, 53_u16),
    };
    let Ok(ip) = address.parse::<Ipv4Addr>() else { return vec![] };
    for target in world.clusters.values() {
        for (namespace, service, _) in target.store.load_balancers().into_iter().filter(|(_, _, at)| at == address) {
            let Some(object) = target.store.get("Service", &namespace, &service) else { continue };
            let udp = object["spec"]["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|p| p["port"] == port && p["protocol"] == "UDP");
            let serves_dns =
                object["spec"]["selector"]["k8s-app"] == "kube-dns" && !target.store.backends(&object).is_empty();
            if udp
                && serves_dns
                && target.uid != server.cluster
                && reaches_load_balancer(world, server, target, &object, ip, port)
            {
                return own(target, name);
            }
        }
    }
    vec![]
}

/// What a cluster knows of its own names.
fn own(cluster: &Cluster, name: &str) -> Vec<Ipv4Addr> {
    let Some(head) = name.strip_suffix(".svc.cluster.local") else { return vec![] };
    let labels: Vec<&str> = head.split('.').collect();
    let found = match labels.as_slice() {
        [service, namespace] => cluster.store.resolve_service(namespace, service).unwrap_or_default(),
        [host, service, namespace] => cluster.store.resolve_pod(namespace, service, host).into_iter().collect(),
        _ => vec![],
    };
    found.iter().filter_map(|ip| ip.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_list() {
        let names = candidates("ew1", "camunda-zeebe-0.camunda-zeebe.ew4.svc");
        assert_eq!(names[2], "camunda-zeebe-0.camunda-zeebe.ew4.svc.cluster.local");
        assert_eq!(candidates("ew1", "c8-here.ew4.svc.cluster.local.").len(), 1);
        assert_eq!(candidates("ew1", "a.b.ew4.svc.cluster.local")[0], "a.b.ew4.svc.cluster.local");
    }

    #[test]
    fn stub_domains_are_json_in_a_string() {
        let parsed = stub_domains(r#"{"ew1.svc.cluster.local": ["10.0.0.5"]}"#);
        assert_eq!(parsed["ew1.svc.cluster.local"], vec!["10.0.0.5"]);
        assert!(stub_domains("ew1: 10.0.0.5").is_empty());
    }
}
