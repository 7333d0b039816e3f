//! Load balancers and endpoints of Services.

use std::time::Instant;

use serde_json::{Value, json};

use crate::kubernetes::bootstrap::nth_address;
use crate::kubernetes::defaults::add_finalizer;
use crate::kubernetes::pods::Pod;
use crate::kubernetes::store::Store;
use crate::kubernetes::views::{deleting, items, name, namespace, owner_reference, text, uid};

const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";

pub fn tick(store: &mut Store, now: Instant) {
    for service in store.list("Service", None) {
        balance(store, &service, now);
        if !deleting(&service) && service["spec"]["selector"].as_object().is_some_and(|s| !s.is_empty()) {
            endpoints(store, &service);
        }
    }
    for endpoints in store.list("Endpoints", None) {
        let managed = endpoints["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"] == "endpoint-controller";
        if managed && store.get("Service", namespace(&endpoints), name(&endpoints)).is_none() {
            store.delete("Endpoints", namespace(&endpoints), name(&endpoints));
        }
    }
}

/// The cloud controller: an address for a balancer, and its release.
pub fn balance(store: &mut Store, service: &Value, now: Instant) {
    let (ns, own) = (namespace(service).to_owned(), name(service).to_owned());
    let delay = store.settings.speeds.load_balancer;
    let wants = service["spec"]["type"] == "LoadBalancer" && !deleting(service);
    let has = items(service, "/metadata/finalizers").iter().any(|f| f == FINALIZER);
    if wants && !has {
        store.edit("Service", &ns, &own, "cloud-controller-manager", |service| add_finalizer(service, FINALIZER));
    }
    if wants
        && text(service, "/status/loadBalancer/ingress/0/ip").is_empty()
        && store.due(&format!("balance {}", uid(service)), delay, now)
    {
        let ip = free_address(store, service);
        store.set_load_balancer_address(&ns, &own, &ip);
    }
    if !wants && has && store.due(&format!("unbalance {}", uid(service)), delay, now) {
        store.edit_status("Service", &ns, &own, "cloud-controller-manager", |service| {
            service["status"]["loadBalancer"] = json!({})
        });
        store.drop_finalizer("Service", &ns, &own, FINALIZER);
    }
}

/// Internal balancers live in the nodes' subnet, others have a public address.
fn free_address(store: &Store, service: &Value) -> String {
    let wish = text(service, "/spec/loadBalancerIP");
    if !wish.is_empty() {
        return wish.to_owned();
    }
    let annotations = &service["metadata"]["annotations"];
    let internal = ["networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type"]
        .iter()
        .any(|key| annotations[*key] == "Internal");
    let range = if internal { store.settings.node_cidr.clone() } else { "34.90.0.0/16".to_owned() };
    let used: Vec<String> = store.load_balancers().into_iter().map(|(_, _, ip)| ip).collect();
    (200..250).filter_map(|n| nth_address(&range, n)).find(|ip| !used.contains(ip)).unwrap_or_default()
}

fn endpoints(store: &mut Store, service: &Value) {
    let (ns, own) = (namespace(service).to_owned(), name(service).to_owned());
    let pods = store.backends(service);
    let target = |pod: &Pod| json!({"kind": "Pod", "namespace": ns, "name": pod.name(), "uid": pod.uid()});
    let addresses: Vec<Value> =
        pods.iter().map(|pod| json!({"ip": pod.ip(), "nodeName": pod.node(), "targetRef": target(pod)})).collect();
    let ports: Vec<Value> = items(service, "/spec/ports")
        .iter()
        .map(|port| {
            let number = if port["targetPort"].is_number() {
                port["targetPort"].clone()
            } else {
                named_port(&pods, text(port, "/targetPort")).unwrap_or(port["port"].clone())
            };
            let mut out = json!({"port": number, "protocol": port["protocol"]});
            if let Some(name) = port.get("name") {
                out["name"] = name.clone();
            }
            out
        })
        .collect();
    let subsets = if addresses.is_empty() { json!([]) } else { json!([{"addresses": addresses, "ports": ports}]) };
    let slice: Vec<Value> = pods
        .iter()
        .map(|pod| {
            json!({"addresses": [pod.ip()], "nodeName": pod.node(), "targetRef": target(pod),
                "conditions": {"ready": pod.ready(), "serving": pod.ready(), "terminating": pod.deleting()}})
        })
        .collect();

    if store.get("Endpoints", &ns, &own).is_none() {
        let object = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": own, "namespace": ns,
            "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}});
        let _ = store.create("kube-controller-manager", object);
    }
    store.edit("Endpoints", &ns, &own, "kube-controller-manager", |object| object["subsets"] = subsets);
    let slice_name = format!("{own}-{}", &uid(service)[..5]);
    if store.get("EndpointSlice", &ns, &slice_name).is_none() {
        let object = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": slice_name, "namespace": ns, "ownerReferences": [owner_reference(service)],
                "labels": {"kubernetes.io/service-name": own, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}});
        let _ = store.create("kube-controller-manager", object);
    }
    store.edit("EndpointSlice", &ns, &slice_name, "kube-controller-manager", |object| {
        object["endpoints"] = Value::Array(slice);
        object["ports"] = Value::Array(ports);
    });
}

fn named_port(pods: &[Pod], port: &str) -> Option<Value> {
    let containers = items(pods.first()?.object(), "/spec/containers");
    containers.iter().flat_map(|c| items(c, "/ports")).find(|p| p["name"] == port).map(|p| p["containerPort"].clone())
}
