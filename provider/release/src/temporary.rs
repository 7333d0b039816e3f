//! What runs in a surviving region while the other is lost, before there was a cluster API: temporary brokers, and a store that
//! stands in for the lost one (dual-region.md 3.1, 4.1).
//!
//! Both are made from what lives: the brokers' and the store's own StatefulSets with other names, so that images, settings and
//! sizes are the same whoever rendered them. They lie in the region's own namespace: its names are chained already.
//!
//! Where the exporters write to is an annotation of the pod template, `c8-store-<region>`, which the start script reads. A fail-over
//! therefore changes no environment that `c8_region` owns, and each pod says by itself where it exports to.

use serde_json::{Map, Value, json};

use crate::names;

/// Component of the temporary brokers' pods. Not the brokers': the Services of those must not find them.
pub const COMPONENT: &str = "zeebe-temporary";
/// Component of the store that stands in.
pub const STORE_COMPONENT: &str = "elasticsearch-temporary";

/// Every other id of a lost region: the id of the temporary broker with this ordinal.
pub fn broker_id(lost: u32, ordinal: u32) -> u32 {
    ordinal * 2 * names::REGIONS + lost
}

/// Headless Service and StatefulSet of temporary brokers with ids of region `lost`, made from the survivor's brokers.
/// `None` if `brokers` is no StatefulSet with a broker in it.
pub fn brokers(brokers: &Value, release: &str, lost: u32, replicas: u32, url: &str) -> Option<[Value; 2]> {
    let name = names::temporary(release);
    let namespace = brokers.pointer("/metadata/namespace")?.as_str()?;
    let selector = selector(release, COMPONENT);
    let ports = json!([
        { "name": "http", "port": 9600, "protocol": "TCP", "targetPort": 9600 },
        { "name": "internal", "port": 26502, "protocol": "TCP", "targetPort": 26502 },
        { "name": "command", "port": 26501, "protocol": "TCP", "targetPort": 26501 },
    ]);
    let mut template = brokers.pointer("/spec/template")?.clone();
    template["metadata"] =
        json!({ "labels": labels(release, COMPONENT), "annotations": { (names::store_of(lost)): url } });
    let spec = template.get_mut("spec")?.as_object_mut()?;
    // nobody admits them: what they need was asserted before they were made
    spec.remove("initContainers");
    let container = spec.get_mut("containers")?.as_array_mut()?.iter_mut().find(|c| c["name"] == "zeebe")?;
    for entry in container.get_mut("env")?.as_array_mut()? {
        match entry["name"].as_str() {
            Some("C8_REGIONS") => entry["value"] = (names::REGIONS * 2).to_string().into(),
            Some("C8_REGION_ID") => entry["value"] = lost.to_string().into(),
            Some("K8S_SERVICE_NAME") => entry["value"] = name.clone().into(),
            _ => {}
        }
    }
    let claims: Vec<Value> = brokers
        .pointer("/spec/volumeClaimTemplates")?
        .as_array()?
        .iter()
        .map(|claim| {
            let mut spec = Map::new();
            for key in ["accessModes", "storageClassName", "resources"] {
                if let Some(value) = claim.pointer(&format!("/spec/{key}")) {
                    spec.insert(key.to_owned(), value.clone());
                }
            }
            json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": { "name": claim.pointer("/metadata/name"), "labels": selector },
                "spec": spec,
            })
        })
        .collect();
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": name, "namespace": namespace, "labels": labels(release, COMPONENT) },
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "updateStrategy": { "type": "RollingUpdate" },
            "selector": { "matchLabels": selector },
            "template": template,
            "volumeClaimTemplates": claims,
        },
    });
    Some([service(&name, namespace, release, COMPONENT, &ports), set])
}

/// Headless Service and StatefulSet of a store that takes what is meant for the lost region's, made from the survivor's store.
/// It keeps nothing: only that it answers matters.
pub fn store(store: &Value, release: &str) -> Option<[Value; 2]> {
    let name = names::stand_in(release);
    let namespace = store.pointer("/metadata/namespace")?.as_str()?;
    let mut template = store.pointer("/spec/template")?.clone();
    template["metadata"] = json!({ "labels": labels(release, STORE_COMPONENT) });
    let spec = template.get_mut("spec")?.as_object_mut()?;
    spec.remove("initContainers");
    let containers = spec.get_mut("containers")?.as_array_mut()?;
    containers.retain(|container| container["name"] == "elasticsearch");
    let mounts = containers.first_mut()?.get_mut("volumeMounts")?.as_array_mut()?;
    mounts.retain(|mount| mount["name"] == "data");
    spec.insert("volumes".to_owned(), json!([{ "name": "data", "emptyDir": {} }]));
    let ports = json!([{ "name": "http", "port": 9200, "protocol": "TCP", "targetPort": 9200 }]);
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": name, "namespace": namespace, "labels": labels(release, STORE_COMPONENT) },
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "updateStrategy": { "type": "RollingUpdate" },
            "selector": { "matchLabels": selector(release, STORE_COMPONENT) },
            "template": template,
        },
    });
    Some([service(&name, namespace, release, STORE_COMPONENT, &ports), set])
}

/// Address of the store that stands in, for brokers of both regions.
pub fn store_url(release: &str, namespace: &str) -> String {
    format!("http://{}.{namespace}.svc.cluster.local:9200", names::stand_in(release))
}

fn service(name: &str, namespace: &str, release: &str, component: &str, ports: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": namespace, "labels": labels(release, component) },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "ports": ports,
            "selector": selector(release, component),
        },
    })
}

fn selector(release: &str, component: &str) -> Value {
    json!({ "app.kubernetes.io/instance": release, "app.kubernetes.io/component": component })
}

fn labels(release: &str, component: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "camunda-platform",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/component": component,
        (names::MANAGED_BY): names::FIELD_MANAGER,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::{Mode, config::tests::config, render};

    fn rendered(name: &str) -> Value {
        let mut config = config(0);
        config.version = "8.2.25".into();
        let manifests = render(&config, Mode::Normal).unwrap();
        manifests.into_iter().find(|m| m.key.kind == "StatefulSet" && m.key.name == name).unwrap().content
    }

    #[test]
    fn temporary_brokers_differ_in_name_place_and_ids_only() {
        let url = store_url("camunda", "camunda-ew4");
        let own = rendered("camunda-zeebe");
        let [service, set] = brokers(&own, "camunda", 1, 2, &url).unwrap();
        assert_eq!([0, 1].map(|ordinal| broker_id(1, ordinal)), [1, 5]);
        assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
        assert_eq!(set["spec"]["template"]["metadata"]["annotations"], json!({"c8-store-1": url}));
        let pod = &set["spec"]["template"]["spec"];
        assert!(pod.get("initContainers").is_none());
        let env = |set: &Value, name: &str| {
            let all = set["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap().clone();
            all.into_iter().find(|entry| entry["name"] == name).unwrap()["value"].clone()
        };
        for (name, value) in
            [("C8_REGIONS", "4"), ("C8_REGION_ID", "1"), ("K8S_SERVICE_NAME", "camunda-zeebe-temporary")]
        {
            assert_eq!(env(&set, name), value, "{name}");
        }
        for name in [
            "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS",
            "ZEEBE_BROKER_CLUSTER_CLUSTERSIZE",
            "ZEEBE_BROKER_CLUSTER_CLUSTERNAME",
        ] {
            assert_eq!(env(&set, name), env(&own, name), "{name}");
        }
        // no Service and no set of the region's own finds them
        let own = own["spec"]["selector"]["matchLabels"].as_object().unwrap();
        let theirs = set["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
        assert!(own.iter().any(|(key, value)| theirs.get(key) != Some(value)));
    }

    #[test]
    fn a_store_that_stands_in_keeps_nothing() {
        let [service, set] = store(&rendered("camunda-elasticsearch-master"), "camunda").unwrap();
        assert!(set["spec"].get("volumeClaimTemplates").is_none());
        let pod = &set["spec"]["template"]["spec"];
        assert_eq!(pod["volumes"], json!([{"name": "data", "emptyDir": {}}]));
        assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
        assert!(store_url("camunda", "ns").contains(service["metadata"]["name"].as_str().unwrap()));
        assert!(store(&json!({}), "camunda").is_none());
    }
}
