//! Defaults, merge keys and immutable fields of what runs in a region.

use serde_json::{Value, json};

use super::case::{Case, apply, case, delete, get, merge, post, put, steps, strategic};

pub fn cases() -> Vec<Case> {
    vec![
        services(),
        service_errors(),
        stateful_sets(),
        stateful_set_errors(),
        containers(),
        deployments(),
        pods(),
        pod_errors(),
        claims(),
        others(),
        scale(),
        status(),
    ]
}

fn service(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

fn services() -> Case {
    let all = "/api/v1/namespaces/services/services";
    let by = |name: &str| format!("{all}/{name}?fieldManager=one");
    let balanced = |more: Value| {
        let mut spec = json!({"type": "LoadBalancer", "selector": {"k8s-app": "kube-dns"}, "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53}]});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let mut body = service("lb", spec);
        body["metadata"]["annotations"] = json!({"networking.gke.io/load-balancer-type": "Internal"});
        body
    };
    case(
        "services",
        vec![
            apply(
                &by("here"),
                service(
                    "here",
                    json!({"type": "ClusterIP", "ports": [{"name": "here", "port": 80, "protocol": "TCP", "targetPort": 80}]}),
                ),
            ),
            apply(
                &by("here"),
                service(
                    "here",
                    json!({"type": "ClusterIP", "ports": [{"name": "here", "port": 81, "protocol": "TCP", "targetPort": 80}]}),
                ),
            ),
            apply(
                &by("headless"),
                service(
                    "headless",
                    json!({"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"a": "b"},
                "ports": [{"name": "http", "port": 9600}, {"name": "internal", "port": 26502, "targetPort": 26502}]}),
                ),
            ),
            apply(
                &by("headless"),
                service(
                    "headless",
                    json!({"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"a": "c"},
                "ports": [{"name": "internal", "port": 26502, "targetPort": 26502}]}),
                ),
            ),
            apply(&by("lb"), balanced(json!({}))),
            apply(&by("lb"), balanced(json!({"loadBalancerIP": "10.200.0.77"}))),
            apply(&by("lb"), balanced(json!({"externalTrafficPolicy": "Local"}))),
            merge(
                &format!("{all}/lb/status?fieldManager=cloud"),
                json!({"status": {"loadBalancer": {"ingress": [{"ip": "10.200.0.77", "ipMode": "VIP"}]}}}),
            ),
            apply(
                &by("lb"),
                service(
                    "lb",
                    json!({"type": "ClusterIP", "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}]}),
                ),
            ),
            post(
                &format!("{all}?fieldManager=one"),
                service("external", json!({"type": "ExternalName", "externalName": "a.example"})),
            ),
            post(&format!("{all}?fieldManager=one"), service("plain", json!({"ports": [{"port": 80}]}))),
            merge(
                &format!("{all}/plain?fieldManager=two"),
                json!({"spec": {"ports": [{"port": 80}, {"port": 81, "name": "x"}]}}),
            ),
            merge(
                &format!("{all}/plain?fieldManager=two"),
                json!({"spec": {"ports": [{"port": 80, "name": "y"}, {"port": 81, "name": "x"}], "selector": {"a": "b"}}}),
            ),
            strategic(
                &format!("{all}/plain?fieldManager=three"),
                json!({"spec": {"ports": [{"port": 81, "targetPort": 8081}]}}),
            ),
            put(&format!("{all}/plain?fieldManager=four"), service("plain", json!({"ports": [{"port": 80}]}))),
            delete(&format!("{all}/lb"), None),
        ],
    )
}

fn service_errors() -> Case {
    let all = "/api/v1/namespaces/service-errors/services";
    let port = json!([{"port": 80}]);
    case(
        "service-errors",
        vec![
            post(all, service("no-ports", json!({}))),
            post(all, service("1digit", json!({"ports": port}))),
            post(all, service("Upper", json!({"ports": port}))),
            post(all, service("p", json!({"ports": [{"port": 0}]}))),
            post(all, service("p", json!({"ports": [{"port": 70000}]}))),
            post(all, service("p", json!({"ports": [{"port": "80"}]}))),
            post(all, service("p", json!({"ports": [{"port": 80}, {"port": 81}]}))),
            post(all, service("p", json!({"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}))),
            post(all, service("p", json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}))),
            post(all, service("p", json!({"type": "Nothing", "ports": port}))),
            post(all, service("p", json!({"clusterIP": "1.2.3.4", "ports": port}))),
            post(all, service("p", json!({"clusterIP": "x", "ports": port}))),
            post(all, service("s", json!({"ports": port}))),
            merge(&format!("{all}/s"), json!({"spec": {"clusterIP": "34.118.224.99"}})),
            merge(&format!("{all}/s"), json!({"spec": {"clusterIP": "None"}})),
            merge(&format!("{all}/s?fieldManager=one"), json!({"spec": {"clusterIP": null}})),
            apply(
                &format!("{all}/d?fieldManager=one"),
                service("d", json!({"ports": [{"port": 53, "name": "a"}, {"port": 53, "name": "b"}]})),
            ),
            apply(&format!("{all}/d?fieldManager=one"), service("d", json!({"ports": [{"name": "a"}]}))),
        ],
    )
}

/// A StatefulSet as the chart renders it, without replicas: no controller is to be missed.
fn set(more: Value) -> Value {
    let mut body = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "labels": {"app": "s"}},
        "spec": {"replicas": 0, "serviceName": "s", "podManagementPolicy": "Parallel", "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": {"app": "s"}},
            "template": {"metadata": {"labels": {"app": "s"}}, "spec": {
                "securityContext": {"fsGroup": 1001, "runAsUser": 1001, "runAsNonRoot": true},
                "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "s"}}}}]}},
                "initContainers": [{"name": "gate", "image": "busybox:1.36", "command": ["/bin/sh", "-c", "true"],
                    "env": [{"name": "A", "value": "1"}, {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "containers": [{"name": "zeebe", "image": "camunda/zeebe:8.7.2", "env": [{"name": "A", "value": "1"}, {"name": "E", "value": ""}, {"name": "B", "value": "$(A)"}],
                    "ports": [{"name": "http", "containerPort": 9600, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}],
                    "startupProbe": {"httpGet": {"path": "/x", "port": 9600, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 3, "failureThreshold": 60},
                    "readinessProbe": {"httpGet": {"port": "http"}, "initialDelaySeconds": 0},
                    "livenessProbe": {"tcpSocket": {"port": 9600}},
                    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"memory": "2Gi", "cpu": "1000m"}},
                    "volumeMounts": [{"name": "data", "mountPath": "/usr/local/zeebe/data"}, {"name": "tmp", "mountPath": "/tmp"}]}],
                "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "mode", "configMap": {"name": "c8-mode", "optional": true}},
                    {"name": "key", "secret": {"secretName": "key", "optional": true}}, {"name": "all", "projected": {"sources": [{"configMap": {"name": "c8-mode"}}]}}]}},
            "volumeClaimTemplates": [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "labels": {"app": "s"}},
                "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "premium-rwo", "resources": {"requests": {"storage": "1024Mi"}}}}]}});
    for (pointer, value) in more.as_object().unwrap() {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    body
}

fn stateful_sets() -> Case {
    let all = "/apis/apps/v1/namespaces/stateful-sets/statefulsets";
    let by = |manager: &str| format!("{all}/s?fieldManager={manager}");
    case(
        "stateful-sets",
        vec![
            apply(&format!("{}&dryRun=All", by("one")), set(json!({}))),
            apply(&by("one"), set(json!({}))),
            apply(&by("one"), set(json!({}))),
            apply(&by("one"), set(json!({"/spec/template/metadata/annotations": {"c8/config": "1"}}))),
            apply(&by("one"), set(json!({"/spec/podManagementPolicy": "OrderedReady"}))),
            apply(&by("one"), set(json!({"/spec/serviceName": "t"}))),
            apply(&by("one"), set(json!({"/spec/selector": {"matchLabels": {"app": "t"}}}))),
            apply(
                &by("one"),
                set(json!({"/spec/volumeClaimTemplates/0/spec/resources": {"requests": {"storage": "2Gi"}}})),
            ),
            apply(&by("one"), set(json!({"/spec/volumeClaimTemplates": []}))),
            apply(&by("one"), set(json!({"/spec/minReadySeconds": 5, "/spec/updateStrategy": {"type": "OnDelete"}}))),
            apply(
                &by("two"),
                json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}, "spec": {"replicas": 0}}),
            ),
            merge(
                &by("two"),
                json!({"spec": {"replicas": 0, "template": {"metadata": {"annotations": {"restartedAt": "now"}}}}}),
            ),
            merge(&by("two"), json!({"metadata": {"annotations": {"a": "b"}}})),
            get(&format!("{all}/s")),
            delete(&format!("{all}/s"), Some(json!({"propagationPolicy": "Background"}))),
            apply(&by("one"), set(json!({}))),
            delete(&format!("{all}/s"), Some(json!({"propagationPolicy": "Foreground"}))),
            get(&format!("{all}/s")),
        ],
    )
}

fn stateful_set_errors() -> Case {
    let all = "/apis/apps/v1/namespaces/stateful-set-errors/statefulsets";
    let wrong = |more: Value| post(all, set(more));
    case(
        "stateful-set-errors",
        vec![
            wrong(json!({"/spec/replicas": -1})),
            wrong(json!({"/spec/replicas": "1"})),
            wrong(json!({"/spec/selector": {"matchLabels": {"app": "t"}}})),
            wrong(json!({"/spec/selector": {}})),
            wrong(json!({"/spec/selector": null})),
            wrong(json!({"/spec/podManagementPolicy": "Sideways"})),
            wrong(json!({"/spec/template/spec/containers": []})),
            wrong(json!({"/spec/template/spec/containers/0/name": "Upper"})),
            wrong(json!({"/spec/template/spec/containers/0/image": ""})),
            wrong(json!({"/spec/template/spec/containers/0/env": [{"name": ""}]})),
            wrong(json!({"/spec/template/spec/containers/0/env": [{"name": "a b"}]})),
            wrong(json!({"/spec/template/spec/containers/0/env": [{"name": "A", "value": 1}]})),
            wrong(
                json!({"/spec/template/spec/containers/0/env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            ),
            wrong(
                json!({"/spec/template/spec/containers/0/env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            ),
            wrong(json!({"/spec/template/spec/containers/0/volumeMounts": [{"name": "none", "mountPath": "/x"}]})),
            wrong(
                json!({"/spec/template/spec/containers/0/volumeMounts": [{"name": "tmp", "mountPath": "/x"}, {"name": "tmp", "mountPath": "/x"}]}),
            ),
            wrong(json!({"/spec/template/spec/containers/0/ports": [{"containerPort": 0}]})),
            wrong(
                json!({"/spec/template/spec/containers/0/ports": [{"containerPort": 80, "name": "a-name-that-is-too-long"}]}),
            ),
            wrong(json!({"/spec/template/spec/containers/0/resources": {"requests": {"cpu": "much"}}})),
            wrong(
                json!({"/spec/template/spec/containers/0/resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}),
            ),
            wrong(json!({"/spec/template/spec/containers/0/imagePullPolicy": "Sometimes"})),
            wrong(json!({"/spec/template/spec/restartPolicy": "Never"})),
            wrong(json!({"/spec/template/spec/volumes": [{"name": "tmp"}, {"name": "tmp"}]})),
            wrong(json!({"/spec/updateStrategy": {"type": "Rolling"}})),
            wrong(json!({"/spec/template/spec/containers/0/readinessProbe": {"periodSeconds": 1}})),
            wrong(
                json!({"/spec/template/spec/containers/0/livenessProbe": {"tcpSocket": {"port": 9600}, "successThreshold": 2}}),
            ),
            wrong(json!({"/metadata/name": "a.b"})),
            wrong(json!({"/spec/template/spec/initContainers/0/name": "zeebe"})),
            apply(
                &format!("{all}/s?fieldManager=one"),
                set(
                    json!({"/spec/template/spec/containers/0/env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
                ),
            ),
            apply(&format!("{all}/s?fieldManager=one"), set(json!({"/spec/unknown": 1}))),
            apply(&format!("{all}/s?fieldManager=one"), set(json!({"/spec/replicas": "1"}))),
            apply(
                &format!("{all}/s?fieldManager=one&fieldValidation=Strict"),
                set(json!({"/spec/template/spec/containers/0/imag": "x"})),
            ),
        ],
    )
}

/// Lists that merge by their keys.
fn containers() -> Case {
    let all = "/apis/apps/v1/namespaces/containers/statefulsets";
    let by = |manager: &str| format!("{all}/s?fieldManager={manager}");
    let part = |container: Value| json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}, "spec": {"template": {"spec": {"containers": [container]}}}});
    case(
        "containers",
        vec![
            apply(&by("one"), set(json!({}))),
            apply(&by("two"), part(json!({"name": "zeebe", "env": [{"name": "C", "value": "2"}]}))),
            apply(&by("two"), part(json!({"name": "zeebe", "env": [{"name": "A", "value": "2"}]}))),
            apply(&by("two"), part(json!({"name": "zeebe", "ports": [{"containerPort": 9600, "name": "other"}]}))),
            apply(&by("two"), part(json!({"name": "side", "image": "busybox"}))),
            apply(
                &by("one"),
                set(
                    json!({"/spec/template/spec/containers/0/env": [{"name": "B", "value": "1"}, {"name": "A", "value": "1"}]}),
                ),
            ),
            apply(&by("two"), json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}})),
            merge(&by("three"), json!({"spec": {"template": {"spec": {"volumes": null}}}})),
            strategic(
                &by("three"),
                json!({"spec": {"template": {"spec": {"containers": [{"name": "zeebe", "env": [{"name": "D", "value": "4"}]}]}}}}),
            ),
            strategic(
                &by("three"),
                json!({"spec": {"template": {"spec": {"containers": [{"name": "zeebe", "env": [{"name": "D", "$patch": "delete"}]}]}}}}),
            ),
            steps(
                &by("four"),
                json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "camunda/zeebe:8.7.3"}]),
            ),
            apply(&by("one"), set(json!({}))),
            apply(&format!("{}&force=true", by("one")), set(json!({}))),
        ],
    )
}

fn deployment(more: Value) -> Value {
    let mut body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": {"metadata": {"labels": {"app": "d"}},
            "spec": {"containers": [{"name": "c", "image": "busybox"}]}}}});
    for (pointer, value) in more.as_object().unwrap() {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    body
}

fn deployments() -> Case {
    let all = "/apis/apps/v1/namespaces/deployments/deployments";
    let by = |manager: &str| format!("{all}/d?fieldManager={manager}");
    case(
        "deployments",
        vec![
            apply(&by("one"), deployment(json!({}))),
            apply(&by("one"), deployment(json!({"/spec/strategy": {"type": "Recreate"}}))),
            // an applied null takes nothing away, a patched one does
            apply(&by("one"), deployment(json!({"/spec/strategy": {"type": "Recreate", "rollingUpdate": null}}))),
            merge(&by("one"), json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}})),
            apply(&by("one"), deployment(json!({"/spec/strategy": {"type": "Recreate"}}))),
            apply(&by("one"), deployment(json!({}))),
            apply(
                &by("one"),
                deployment(
                    json!({"/spec/selector": {"matchLabels": {"app": "e"}}, "/spec/template/metadata/labels": {"app": "e"}}),
                ),
            ),
            apply(
                &by("one"),
                deployment(json!({"/spec/strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}})),
            ),
            // who does not name the replicas does not own them
            apply(&by("one"), {
                let mut body = deployment(json!({}));
                body["spec"].as_object_mut().unwrap().remove("replicas");
                body
            }),
            apply(
                &by("switch"),
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 0}}),
            ),
            merge(&by("switch"), json!({"spec": {"replicas": 0}})),
            merge(&by("kubectl"), json!({"spec": {"paused": true}})),
            delete(&format!("{all}/d"), None),
        ],
    )
}

fn pod(name: &str, more: Value) -> Value {
    let mut body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"restartPolicy": "Never",
        "containers": [{"name": "probe", "image": "busybox:1.36", "env": [{"name": "C8_PROBE", "value": "[]"}]}]}});
    for (pointer, value) in more.as_object().unwrap() {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    body
}

fn pods() -> Case {
    let all = "/api/v1/namespaces/pods/pods";
    case(
        "pods",
        vec![
            post(&format!("{all}?fieldManager=one"), pod("p", json!({"/spec/automountServiceAccountToken": false}))),
            merge(
                &format!("{all}/p?fieldManager=two"),
                json!({"spec": {"containers": [{"name": "probe", "image": "other"}]}}),
            ),
            strategic(
                &format!("{all}/p?fieldManager=two"),
                json!({"spec": {"containers": [{"name": "probe", "image": "busybox:2"}]}}),
            ),
            strategic(
                &format!("{all}/p?fieldManager=two"),
                json!({"spec": {"containers": [{"name": "probe", "env": [{"name": "X", "value": "1"}]}]}}),
            ),
            merge(&format!("{all}/p?fieldManager=two"), json!({"spec": {"nodeName": "n"}})),
            merge(&format!("{all}/p?fieldManager=two"), json!({"metadata": {"labels": {"a": "b"}}})),
            delete(&format!("{all}/p"), Some(json!({"gracePeriodSeconds": 0}))),
            get(&format!("{all}/p")),
            post(
                &format!("{all}?fieldManager=one"),
                pod(
                    "guaranteed",
                    json!({"/spec/automountServiceAccountToken": false, "/spec/containers/0/resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}),
                ),
            ),
            post(
                &format!("{all}?fieldManager=one"),
                pod(
                    "burstable",
                    json!({"/spec/automountServiceAccountToken": false, "/spec/containers/0/resources": {"requests": {"cpu": "1"}}}),
                ),
            ),
            get(&format!("{all}/p/log")),
            get(&format!("{all}/burstable/log")),
        ],
    )
}

fn pod_errors() -> Case {
    let all = "/api/v1/namespaces/pod-errors/pods";
    case(
        "pod-errors",
        vec![
            post(all, pod("p", json!({"/spec/containers": []}))),
            post(all, pod("p", json!({"/spec/restartPolicy": "Sometimes"}))),
            post(all, pod("p", json!({"/spec/serviceAccountName": "nobody"}))),
            post(all, pod("p", json!({"/spec/priorityClassName": "nothing"}))),
            post(all, pod("p", json!({"/spec/nodeSelector": {"a": 1}}))),
            post("/api/v1/namespaces/pod-errors/serviceaccounts", json!({"metadata": {"name": "somebody"}})),
            post(all, json!({"metadata": {"name": "p"}})),
        ],
    )
}

fn claims() -> Case {
    let all = "/api/v1/namespaces/claims/persistentvolumeclaims";
    let claim = |spec: Value| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec});
    case(
        "claims",
        vec![
            post(all, claim(json!({"accessModes": ["ReadWriteOnce"]}))),
            post(all, claim(json!({"resources": {"requests": {"storage": "1Gi"}}}))),
            post(
                &format!("{all}?fieldManager=one"),
                claim(
                    json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "x", "resources": {"requests": {"storage": "1Gi"}}}),
                ),
            ),
            merge(&format!("{all}/c"), json!({"spec": {"accessModes": ["ReadWriteMany"]}})),
            merge(&format!("{all}/c"), json!({"spec": {"storageClassName": "y"}})),
            merge(&format!("{all}/c"), json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}})),
            delete(&format!("{all}/c"), None),
            get(&format!("{all}/c")),
            merge(&format!("{all}/c"), json!({"metadata": {"finalizers": null}})),
        ],
    )
}

fn others() -> Case {
    let ns = "others";
    case(
        ns,
        vec![
            apply(
                &format!("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/b?fieldManager=one"),
                json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}}),
            ),
            apply(
                &format!("/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/n?fieldManager=one"),
                json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"}, "spec": {"podSelector": {"matchLabels": {"a": "b"}}, "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 53, "protocol": "UDP"}]}], "policyTypes": ["Egress"]}}),
            ),
            apply(
                &format!("/api/v1/namespaces/{ns}/serviceaccounts/a?fieldManager=one"),
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "annotations": {"iam.gke.io/gcp-service-account": "x@y"}}}),
            ),
            apply(
                &format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles/r?fieldManager=one"),
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
            ),
            apply(
                &format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/r?fieldManager=one"),
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "r"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": ns}]}),
            ),
            merge(
                &format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/r"),
                json!({"roleRef": {"name": "s"}}),
            ),
            apply(
                &format!("/apis/batch/v1/namespaces/{ns}/jobs/j?fieldManager=one"),
                json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}}}),
            ),
        ],
    )
}

fn scale() -> Case {
    let at = "/apis/apps/v1/namespaces/scale/deployments/d";
    case(
        "scale",
        vec![
            apply(&format!("{at}?fieldManager=one"), deployment(json!({}))),
            get(&format!("{at}/scale")),
            merge(&format!("{at}/scale?fieldManager=two"), json!({"spec": {"replicas": 2}})),
            get(at),
            put(
                &format!("{at}/scale?fieldManager=two"),
                json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d", "namespace": "scale"}, "spec": {"replicas": 1}}),
            ),
            merge(&format!("{at}/scale"), json!({"spec": {"replicas": -1}})),
            apply(&format!("{at}?fieldManager=one"), deployment(json!({}))),
        ],
    )
}

fn status() -> Case {
    let at = "/apis/apps/v1/namespaces/status/statefulsets/s";
    case(
        "status",
        vec![
            apply(&format!("{at}?fieldManager=one"), set(json!({}))),
            merge(
                &format!("{at}/status?fieldManager=two"),
                json!({"status": {"replicas": 1, "readyReplicas": 1}, "spec": {"replicas": 3}}),
            ),
            merge(&format!("{at}?fieldManager=two"), json!({"status": {"replicas": 5}})),
            apply(&format!("{at}?fieldManager=one"), {
                let mut body = set(json!({}));
                body["status"] = json!({"replicas": 7});
                body
            }),
            get(&format!("{at}/status")),
        ],
    )
}
