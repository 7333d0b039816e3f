//! Load balancers: a Service of type `LoadBalancer` gets an address, which kube-proxy on the node serves, and a firewall rule of its own.

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};

use super::objects::{self, text};
use crate::place::Addresses;

/// As GKE's service controller, which waits with it until the balancer is released.
const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

/// A load balancer that has its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancer {
    /// `namespace/name` of its Service.
    pub service: String,
    /// Its address.
    pub address: String,
    /// Protocol (`tcp`, `udp`) and port.
    pub ports: Vec<(String, u16)>,
    /// CIDRs of those who may call; empty: all.
    pub sources: Vec<String>,
    /// Whether other regions reach it: an internal one without global access is for its own region.
    pub global: bool,
}

/// Looks once at all Services: gives and takes addresses. Returns the balancers that are there.
///
/// # Errors
/// The API server does not answer.
pub async fn look(client: &Client, addresses: Addresses) -> Result<Vec<Balancer>> {
    let services = objects::list(client, "/api/v1/services").await?;
    let mut used: Vec<String> =
        services.iter().map(|service| address(service).to_owned()).filter(|address| !address.is_empty()).collect();
    let mut balancers = Vec::new();
    for service in services {
        let path = format!(
            "/api/v1/namespaces/{}/services/{}",
            text(&service, "/metadata/namespace"),
            text(&service, "/metadata/name")
        );
        let wants = wants_balancer(&service);
        let finalizers = service["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        let holds = finalizers.iter().any(|one| one == FINALIZER);
        if !wants {
            if holds {
                let rest: Vec<Value> = finalizers.into_iter().filter(|one| one != FINALIZER).collect();
                if service["metadata"]["deletionTimestamp"].is_null() {
                    objects::patch(
                        client,
                        &format!("{path}/status"),
                        &json!({"status": {"loadBalancer": {"ingress": null}}}),
                    )
                    .await?;
                }
                // the version guards what others add meanwhile
                let version = &service["metadata"]["resourceVersion"];
                objects::patch(client, &path, &json!({"metadata": {"finalizers": rest, "resourceVersion": version}}))
                    .await?;
            }
            continue;
        }
        if !holds {
            let all: Vec<Value> = finalizers.into_iter().chain([json!(FINALIZER)]).collect();
            let version = &service["metadata"]["resourceVersion"];
            objects::patch(client, &path, &json!({"metadata": {"finalizers": all, "resourceVersion": version}}))
                .await?;
            continue;
        }
        let mut own = address(&service).to_owned();
        if own.is_empty() {
            let Some(free) = free_address(&service, addresses, &used) else { continue };
            let ingress = json!([{"ip": free, "ipMode": "VIP"}]);
            objects::patch(
                client,
                &format!("{path}/status"),
                &json!({"status": {"loadBalancer": {"ingress": ingress}}}),
            )
            .await?;
            used.push(free.clone());
            own = free;
        }
        balancers.push(balancer(&service, own));
    }
    Ok(balancers)
}

fn wants_balancer(service: &Value) -> bool {
    text(service, "/spec/type") == "LoadBalancer" && service["metadata"]["deletionTimestamp"].is_null()
}

fn address(service: &Value) -> &str {
    text(service, "/status/loadBalancer/ingress/0/ip")
}

/// A reserved address if one is asked for and lies in the region's range, else the first that is free.
fn free_address(service: &Value, addresses: Addresses, used: &[String]) -> Option<String> {
    let all = (0..u8::MAX).map_while(|n| addresses.balancer(n));
    let mut free = all.filter(|address| !used.contains(address));
    match text(service, "/spec/loadBalancerIP") {
        "" => free.next(),
        wish => free.find(|address| address == wish),
    }
}

fn balancer(service: &Value, address: String) -> Balancer {
    let note = |key: &str| service["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let internal = note("networking.gke.io/load-balancer-type") == "Internal"
        || note("cloud.google.com/load-balancer-type") == "Internal";
    let ports = service["spec"]["ports"].as_array().into_iter().flatten().filter_map(|port| {
        let number = u16::try_from(port["port"].as_u64()?).ok()?;
        Some((port["protocol"].as_str().unwrap_or("TCP").to_lowercase(), number))
    });
    let sources = service["spec"]["loadBalancerSourceRanges"].as_array().into_iter().flatten();
    Balancer {
        service: format!("{}/{}", text(service, "/metadata/namespace"), text(service, "/metadata/name")),
        address,
        ports: ports.collect(),
        sources: sources.filter_map(|range| range.as_str().map(str::to_owned)).collect(),
        global: !internal || note("networking.gke.io/internal-load-balancer-allow-global-access") == "true",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn service(annotations: Value) -> Value {
        json!({"metadata": {"name": "c8-dns", "namespace": "kube-system", "annotations": annotations},
            "spec": {"type": "LoadBalancer", "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}})
    }

    #[test]
    fn an_internal_balancer_is_for_its_region_unless_it_says_otherwise() {
        let internal = json!({"networking.gke.io/load-balancer-type": "Internal"});
        assert!(!balancer(&service(internal.clone()), "1.2.3.4".into()).global);
        let mut global = internal;
        global["networking.gke.io/internal-load-balancer-allow-global-access"] = json!("true");
        let seen = balancer(&service(global), "1.2.3.4".into());
        assert!(seen.global);
        assert_eq!(seen.ports, [("udp".to_owned(), 53), ("tcp".to_owned(), 53)]);
    }

    #[test]
    fn addresses_are_given_once_and_a_reserved_one_only_if_it_is_of_the_region() {
        let addresses = Place::at("/tmp/drill".into(), 0).unwrap().addresses(0);
        let mut service = service(json!({}));
        assert_eq!(free_address(&service, addresses, &[]).unwrap(), "172.30.1.130");
        assert_eq!(free_address(&service, addresses, &["172.30.1.130".into()]).unwrap(), "172.30.1.131");
        service["spec"]["loadBalancerIP"] = json!("172.30.1.140");
        assert_eq!(free_address(&service, addresses, &[]).unwrap(), "172.30.1.140");
        assert_eq!(free_address(&service, addresses, &["172.30.1.140".into()]), None);
        service["spec"]["loadBalancerIP"] = json!("10.0.0.1");
        assert_eq!(free_address(&service, addresses, &[]), None);
    }
}
