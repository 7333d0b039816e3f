//! What a new GKE cluster contains: storage classes, the cluster's DNS, and nodes of the machine type's size.

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};

use super::objects;
use crate::place::DNS_SERVICE;

/// Image of the cluster's DNS.
pub const COREDNS: &str = "registry.k8s.io/coredns/coredns:v1.12.4";

/// Puts everything into a cluster; `cloud` is the address of what stands for Google's.
///
/// # Errors
/// The API server refuses.
pub async fn install(client: &Client, cloud: &str) -> Result<()> {
    for object in all(cloud) {
        objects::apply(client, &object).await?;
    }
    Ok(())
}

fn all(cloud: &str) -> Vec<Value> {
    let mut all = node_size();
    all.extend(storage_classes());
    all.extend(dns(cloud));
    all
}

/// The kubelet reports the size of this machine, and would then admit no more than that. The nodes of the configuration are larger: what
/// Camunda asks for is far more than a drill uses, and the limits of containers still hold.
fn node_size() -> Vec<Value> {
    let size = [("cpu", "8"), ("memory", "32869176Ki")];
    let edits: Vec<String> = ["capacity", "allocatable"]
        .iter()
        .flat_map(|field| size.iter().map(move |(resource, value)| (field, resource, value)))
        .map(|(field, resource, value)| {
            format!("JSONPatch{{op: \"add\", path: \"/status/{field}/{resource}\", value: \"{value}\"}}")
        })
        .collect();
    let rule =
        json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["nodes/status"]});
    vec![
        json!({"apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": "machine-type"},
            "spec": {"matchConstraints": {"resourceRules": [rule]}, "failurePolicy": "Ignore", "reinvocationPolicy": "Never",
                "matchConditions": [{"name": "reported", "expression": "has(object.status.capacity) && has(object.status.allocatable)"}],
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": format!("[{}]", edits.join(", "))}}]}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": "machine-type"},
            "spec": {"policyName": "machine-type"}}),
    ]
}

fn storage_classes() -> Vec<Value> {
    [("standard", "pd-standard", false), ("standard-rwo", "pd-balanced", true), ("premium-rwo", "pd-ssd", false)]
        .into_iter()
        .map(|(name, disk, default)| {
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default.to_string()}},
                "provisioner": super::volumes::PROVISIONER, "parameters": {"type": disk}, "allowVolumeExpansion": true,
                "volumeBindingMode": if name == "standard" { "Immediate" } else { "WaitForFirstConsumer" }})
        })
        .collect()
}

const COREFILE: &str = ".:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa {
        pods insecure
        fallthrough in-addr.arpa
        ttl 5
    }
    hosts {
        {cloud} storage.googleapis.com
        fallthrough
    }
    cache 5
    reload 2s 1s
    loadbalance
}
";

/// CoreDNS behind the Service that GKE names kube-dns.
fn dns(cloud: &str) -> Vec<Value> {
    let meta = |name: &str| json!({"name": name, "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}});
    let role = "system:coredns";
    let port = |name: &str, protocol: &str| json!({"name": name, "protocol": protocol, "port": 53, "targetPort": 53});
    let probe = |path: &str, port: u16| json!({"httpGet": {"path": path, "port": port}, "periodSeconds": 2});
    let container = json!({"name": "coredns", "image": COREDNS, "imagePullPolicy": "IfNotPresent", "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 53, "name": "dns", "protocol": "UDP"}, {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"}],
        "readinessProbe": probe("/ready", 8181), "livenessProbe": probe("/health", 8080),
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": true}]});
    let config =
        json!({"name": "config", "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]}});
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("coredns")}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": [
            {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("coredns"), "data": {"Corefile": COREFILE.replace("{cloud}", cloud)}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("kube-dns"),
            "spec": {"clusterIP": DNS_SERVICE, "selector": {"k8s-app": "kube-dns"}, "ports": [port("dns", "UDP"), port("dns-tcp", "TCP")]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("coredns"),
            "spec": {"replicas": 2, "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
                "template": {"metadata": {"labels": {"k8s-app": "kube-dns"}},
                    "spec": {"serviceAccountName": "coredns", "dnsPolicy": "Default", "priorityClassName": "system-cluster-critical",
                        "tolerations": [{"operator": "Exists"}], "terminationGracePeriodSeconds": 2,
                        "containers": [container], "volumes": [config]}}}}),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_a_path() {
        for object in all("172.30.0.1") {
            assert!(objects::path(&object).is_ok(), "{object}");
        }
    }

    #[test]
    fn one_class_is_the_default() {
        let key = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
        let defaults = storage_classes().into_iter().filter(|class| objects::text(class, key) == "true").count();
        assert_eq!(defaults, 1);
    }
}
