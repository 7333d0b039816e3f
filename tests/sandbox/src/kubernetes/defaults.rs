//! Defaults and normal forms: what an API server adds to an object before it stores it.

use base64::Engine as _;
use serde_json::{Value, json};

use super::bootstrap::nth_address;
use super::kinds::Kind;
use super::quantity;
use super::store::Store;
use super::views::{items, text};

/// Sets a field that is absent.
fn default(object: &mut Value, field: &str, value: Value) {
    if object.get(field).is_none_or(Value::is_null) {
        object[field] = value;
    }
}

fn each<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Fills an object in. `live` is its stored state, if it has one: allocated values are carried over from there.
pub fn fill(store: &Store, kind: &Kind, live: Option<&Value>, object: &mut Value) {
    match kind.kind {
        "Namespace" => {
            let name = super::views::name(object).to_owned();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
            if !object["spec"].is_object() {
                object["spec"] = json!({"finalizers": ["kubernetes"]});
            }
            if live.is_none() {
                object["status"] = json!({"phase": "Active"});
            }
        }
        "Pod" => {
            default(object, "spec", json!({}));
            pod_spec(&mut object["spec"]);
            let class = quality(&object["spec"]);
            default(object, "status", json!({"phase": "Pending", "qosClass": class}));
            let spec = &mut object["spec"];
            default(spec, "serviceAccountName", json!("default"));
            let account = spec["serviceAccountName"].clone();
            default(spec, "serviceAccount", account);
            default(spec, "enableServiceLinks", json!(true));
            default(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
            default(spec, "priority", json!(0));
            default(
                spec,
                "tolerations",
                json!([{"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300},
                       {"effect": "NoExecute", "key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]),
            );
        }
        "Deployment" => {
            let spec = &mut object["spec"];
            default(spec, "replicas", json!(1));
            default(spec, "revisionHistoryLimit", json!(10));
            default(spec, "progressDeadlineSeconds", json!(600));
            default(spec, "strategy", json!({}));
            default(&mut spec["strategy"], "type", json!("RollingUpdate"));
            if spec["strategy"]["type"] == "RollingUpdate" {
                default(&mut spec["strategy"], "rollingUpdate", json!({}));
                default(&mut spec["strategy"]["rollingUpdate"], "maxSurge", json!("25%"));
                default(&mut spec["strategy"]["rollingUpdate"], "maxUnavailable", json!("25%"));
            }
            template(spec);
            default(object, "status", json!({}));
        }
        "ReplicaSet" => {
            default(&mut object["spec"], "replicas", json!(1));
            template(&mut object["spec"]);
            default(object, "status", json!({"replicas": 0}));
        }
        "PodDisruptionBudget" => {
            default(
                object,
                "status",
                json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}),
            );
        }
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => {
            let spec = &mut object["spec"];
            default(spec, "revisionHistoryLimit", json!(10));
            default(
                spec,
                "updateStrategy",
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
            );
            template(spec);
        }
        "Job" => {
            let labels = json!({"batch.kubernetes.io/controller-uid": super::views::uid(object), "batch.kubernetes.io/job-name": super::views::name(object),
                "controller-uid": super::views::uid(object), "job-name": super::views::name(object)});
            if live.is_none() && object["spec"]["manualSelector"] != true {
                let selector =
                    json!({"matchLabels": {"batch.kubernetes.io/controller-uid": super::views::uid(object)}});
                for pointer in ["metadata", "spec/template/metadata"] {
                    let holder = pointer.split('/').fold(&mut *object, |at, step| &mut at[step]);
                    let old = holder["labels"].as_object().cloned().unwrap_or_default();
                    holder["labels"] = labels.clone();
                    if let Some(map) = holder["labels"].as_object_mut() {
                        map.extend(old);
                    }
                }
                object["spec"]["selector"] = selector;
                default(object, "status", json!({}));
            }
            let spec = &mut object["spec"];
            default(spec, "manualSelector", json!(false));
            default(spec, "podReplacementPolicy", json!("TerminatingOrFailed"));
            for (field, value) in [
                ("completions", json!(1)),
                ("parallelism", json!(1)),
                ("backoffLimit", json!(6)),
                ("completionMode", json!("NonIndexed")),
                ("suspend", json!(false)),
            ] {
                default(spec, field, value);
            }
            template(spec);
        }
        "Service" => service(store, live, object),
        "ConfigMap" | "Lease" | "Role" | "RoleBinding" => {}
        "Secret" => {
            default(object, "type", json!("Opaque"));
            secret(object);
        }
        "StorageClass" => {
            default(object, "reclaimPolicy", json!("Delete"));
            default(object, "volumeBindingMode", json!("Immediate"));
        }
        "PersistentVolumeClaim" => {
            claim_spec(&mut object["spec"]);
            if live.is_none() {
                if object["spec"].get("storageClassName").is_none()
                    && let Some(class) = default_class(store)
                {
                    object["spec"]["storageClassName"] = json!(class);
                }
                object["status"] = json!({"phase": "Pending"});
                add_finalizer(object, "kubernetes.io/pvc-protection");
            }
        }
        "PersistentVolume" => {
            default(&mut object["spec"], "volumeMode", json!("Filesystem"));
            default(&mut object["spec"], "persistentVolumeReclaimPolicy", json!("Retain"));
            default(object, "status", json!({"phase": "Pending"}));
            if live.is_none() {
                add_finalizer(object, "kubernetes.io/pv-protection");
            }
        }
        "NetworkPolicy" => default(&mut object["spec"], "policyTypes", json!(["Ingress"])),
        _ => {}
    }
}

pub(crate) fn add_finalizer(object: &mut Value, name: &str) {
    if !object["metadata"]["finalizers"].is_array() {
        object["metadata"]["finalizers"] = json!([]);
    }
    if let Some(list) = object["metadata"]["finalizers"].as_array_mut()
        && !list.iter().any(|f| f == name)
    {
        list.push(json!(name));
    }
}

fn default_class(store: &Store) -> Option<String> {
    let marked = |class: &&super::store::Object| {
        class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    };
    store.list("StorageClass", None).iter().find(marked).map(|class| super::views::name(class).to_owned())
}

/// `stringData` is written into `data`, and never read back.
fn secret(object: &mut Value) {
    let Some(texts) = object.as_object_mut().and_then(|map| map.remove("stringData")) else { return };
    for (key, value) in texts.as_object().into_iter().flatten() {
        let bytes = value.as_str().unwrap_or("").as_bytes();
        object["data"][key] = json!(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
}

fn stateful_set(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "replicas", json!(1));
    default(spec, "podManagementPolicy", json!("OrderedReady"));
    default(spec, "revisionHistoryLimit", json!(10));
    default(spec, "updateStrategy", json!({}));
    // the partition has a default only where the strategy was not named, or where it was half written
    if spec["updateStrategy"].get("type").is_none_or(Value::is_null) {
        spec["updateStrategy"]["type"] = json!("RollingUpdate");
        default(&mut spec["updateStrategy"], "rollingUpdate", json!({}));
    }
    if spec["updateStrategy"]["type"] == "RollingUpdate" && spec["updateStrategy"].get("rollingUpdate").is_some() {
        default(&mut spec["updateStrategy"]["rollingUpdate"], "partition", json!(0));
    }
    default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    default(&mut spec["persistentVolumeClaimRetentionPolicy"], "whenDeleted", json!("Retain"));
    default(&mut spec["persistentVolumeClaimRetentionPolicy"], "whenScaled", json!("Retain"));
    for claim in each(spec, "volumeClaimTemplates") {
        default(claim, "apiVersion", json!("v1"));
        default(claim, "kind", json!("PersistentVolumeClaim"));
        if claim["metadata"].get("creationTimestamp").is_some()
            && let Some(metadata) = claim["metadata"].as_object_mut()
        {
            metadata.remove("creationTimestamp");
        }
        claim_spec(&mut claim["spec"]);
        default(claim, "status", json!({"phase": "Pending"}));
    }
    template(spec);
    default(object, "status", json!({"availableReplicas": 0, "replicas": 0}));
}

fn claim_spec(spec: &mut Value) {
    default(spec, "volumeMode", json!("Filesystem"));
    if spec.get("resources").is_some() {
        resources(&mut spec["resources"], false);
    }
}

fn template(spec: &mut Value) {
    if let Some(metadata) = spec["template"]["metadata"].as_object_mut() {
        metadata.remove("creationTimestamp");
    }
    pod_spec(&mut spec["template"]["spec"]);
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("securityContext", json!({})),
    ] {
        default(spec, field, value);
    }
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        default(spec, "serviceAccount", account);
    }
    for list in ["initContainers", "containers"] {
        for container in each(spec, list) {
            self::container(container);
        }
    }
    for volume in each(spec, "volumes") {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume.get(source).is_some_and(Value::is_object) {
                default(&mut volume[source], "defaultMode", json!(420));
            }
        }
        if volume.get("hostPath").is_some_and(Value::is_object) {
            default(&mut volume["hostPath"], "type", json!(""));
        }
        if volume.as_object().is_some_and(|map| map.len() == 1) {
            volume["emptyDir"] = json!({});
        }
    }
}

fn container(container: &mut Value) {
    let image = text(container, "/image").to_owned();
    let tag = image.rsplit('/').next().unwrap_or("").split_once(':').map(|(_, tag)| tag.to_owned());
    let always = !image.contains('@') && tag.as_deref().is_none_or(|tag| tag == "latest");
    default(container, "imagePullPolicy", json!(if always { "Always" } else { "IfNotPresent" }));
    default(container, "terminationMessagePath", json!("/dev/termination-log"));
    default(container, "terminationMessagePolicy", json!("File"));
    default(container, "resources", json!({}));
    resources(&mut container["resources"], true);
    for port in each(container, "ports") {
        default(port, "protocol", json!("TCP"));
    }
    for entry in each(container, "env") {
        if let Some(field) = entry.pointer_mut("/valueFrom/fieldRef") {
            default(field, "apiVersion", json!("v1"));
        }
        // an empty value is omitted when it is written
        if entry["value"] == ""
            && let Some(map) = entry.as_object_mut()
        {
            map.remove("value");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) else { continue };
        for (field, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            default(probe, field, json!(value));
        }
        if probe["initialDelaySeconds"] == 0
            && let Some(map) = probe.as_object_mut()
        {
            map.remove("initialDelaySeconds");
        }
        if let Some(get) = probe.get_mut("httpGet") {
            default(get, "scheme", json!("HTTP"));
            default(get, "path", json!("/"));
        }
        if let Some(grpc) = probe.get_mut("grpc") {
            default(grpc, "service", json!(""));
        }
    }
}

/// The quality of service of a pod.
fn quality(spec: &Value) -> &'static str {
    let containers: Vec<&Value> =
        ["initContainers", "containers"].iter().flat_map(|list| items(spec, &format!("/{list}"))).collect();
    let filled =
        |container: &Value, list: &str| container["resources"][list].as_object().is_some_and(|map| !map.is_empty());
    if !containers.iter().any(|c| filled(c, "requests") || filled(c, "limits")) {
        return "BestEffort";
    }
    let guaranteed = |c: &&Value| {
        ["cpu", "memory"].iter().all(|name| {
            let limit = &c["resources"]["limits"][*name];
            !limit.is_null() && *limit == c["resources"]["requests"][*name]
        })
    };
    if containers.iter().all(guaranteed) { "Guaranteed" } else { "Burstable" }
}

fn resources(resources: &mut Value, requests_from_limits: bool) {
    for list in ["limits", "requests"] {
        let Some(map) = resources.get_mut(list).and_then(Value::as_object_mut) else { continue };
        for value in map.values_mut() {
            let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let Some(canonical) = quantity::canonical(&written) {
                *value = json!(canonical);
            }
        }
    }
    if requests_from_limits {
        for (name, value) in resources["limits"].as_object().cloned().into_iter().flatten() {
            if resources["requests"].get(&name).is_none() {
                resources["requests"][&name] = value;
            }
        }
        if resources["limits"].is_null()
            && let Some(map) = resources.as_object_mut()
        {
            map.remove("limits");
        }
    }
}

fn service(store: &Store, live: Option<&Value>, object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "type", json!("ClusterIP"));
    default(spec, "sessionAffinity", json!("None"));
    let kind = text(spec, "/type").to_owned();
    if kind == "ExternalName" {
        default(object, "status", json!({"loadBalancer": {}}));
        return;
    }
    default(spec, "internalTrafficPolicy", json!("Cluster"));
    default(spec, "ipFamilies", json!(["IPv4"]));
    default(spec, "ipFamilyPolicy", json!("SingleStack"));
    for port in each(spec, "ports") {
        default(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        default(port, "targetPort", number);
    }
    if let Some(live) = live {
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(value) = live["spec"].get(field) {
                default(spec, field, value.clone());
            }
        }
    }
    if spec.get("clusterIP").and_then(Value::as_str).is_none_or(str::is_empty) {
        spec["clusterIP"] = json!(free_service_ip(store));
    }
    let ip = spec["clusterIP"].clone();
    default(spec, "clusterIPs", json!([ip]));
    if matches!(kind.as_str(), "LoadBalancer" | "NodePort") {
        default(spec, "externalTrafficPolicy", json!("Cluster"));
        let old = live.map(|live| items(live, "/spec/ports").to_vec()).unwrap_or_default();
        let mut taken = node_ports(store);
        for port in each(spec, "ports") {
            if port.get("nodePort").is_some() {
                continue;
            }
            let same = old
                .iter()
                .find(|o| o["port"] == port["port"] && o["protocol"] == port["protocol"])
                .and_then(|o| o["nodePort"].as_i64());
            let number = same.or_else(|| (30_000..32_768).find(|n| !taken.contains(n))).unwrap_or(30_000);
            taken.push(number);
            port["nodePort"] = json!(number);
        }
    }
    if kind == "LoadBalancer" {
        default(spec, "allocateLoadBalancerNodePorts", json!(true));
        if spec["externalTrafficPolicy"] == "Local" {
            let old = live.and_then(|live| live["spec"].get("healthCheckNodePort")).cloned();
            let taken = node_ports(store);
            let free = (30_000..32_768).rev().find(|n| !taken.contains(n)).unwrap_or(32_767);
            default(spec, "healthCheckNodePort", old.unwrap_or(json!(free)));
        }
    }
    default(object, "status", json!({"loadBalancer": {}}));
    super::services::settle(live, object);
}

fn node_ports(store: &Store) -> Vec<i64> {
    store
        .list("Service", None)
        .iter()
        .flat_map(|svc| items(svc, "/spec/ports").iter().filter_map(|p| p["nodePort"].as_i64()).collect::<Vec<_>>())
        .collect()
}

fn free_service_ip(store: &Store) -> String {
    let used: Vec<String> =
        store.list("Service", None).iter().map(|svc| text(svc, "/spec/clusterIP").to_owned()).collect();
    (11..4_000)
        .filter_map(|n| nth_address(&store.settings.service_cidr, n))
        .find(|ip| !used.contains(ip))
        .unwrap_or_default()
}
