//! Writing, owning, deleting, listing: with the kinds that no controller touches.

use serde_json::{Value, json};

use super::case::{Case, apply, case, delete, get, merge, post, put, steps, strategic};

pub fn cases() -> Vec<Case> {
    vec![
        creating(),
        replacing(),
        patching(),
        applying(),
        ownership(),
        deleting(),
        finalizers(),
        leases(),
        secrets(),
        classes(),
        lists(),
        namespaces(),
    ]
}

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data})
}

fn creating() -> Case {
    let all = "/api/v1/namespaces/creating/configmaps";
    let named = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    case(
        "creating",
        vec![
            post(&format!("{all}?fieldManager=one"), map(json!({"a": "1"}))),
            post(all, map(json!({"a": "1"}))),
            post(&format!("{all}?dryRun=All&fieldManager=one"), named("dry")),
            get(&format!("{all}/dry")),
            post(all, named("Upper")),
            post(all, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})),
            post(all, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}})),
            post(all, json!({"apiVersion": "apps/v1", "kind": "ConfigMap", "metadata": {"name": "x"}})),
            post(all, json!({"metadata": {"name": "bare"}})),
            post(all, json!({"metadata": {"name": "elsewhere", "namespace": "default"}})),
            post(all, json!({"metadata": {"name": "versioned", "resourceVersion": "1"}})),
            post(all, json!({"metadata": {"name": "typed"}, "data": {"n": 1}})),
            post(all, json!({"metadata": {"name": "labelled", "labels": {"a": "not valid!"}}})),
            post(all, json!({"metadata": {"name": "labelled", "labels": {"a": 1}}})),
            post(all, json!({"metadata": {"name": "annotated", "annotations": {"Not Valid/x": "1"}}})),
            post(&format!("{all}?fieldValidation=Strict"), json!({"metadata": {"name": "strict"}, "dta": {}})),
            post(
                &format!("{all}?fieldValidation=Warn&fieldManager=one"),
                json!({"metadata": {"name": "lax"}, "dta": {}}),
            ),
            post(all, json!({"metadata": {"name": "keys"}, "data": {"not valid": "x"}})),
            post("/api/v1/namespaces/nowhere/configmaps", named("m")),
            get(&format!("{all}/none")),
            get("/api/v1/namespaces/creating/nothings/x"),
            get("/apis/nothing.example/v1/things"),
            post(
                &format!("{all}?fieldManager=one"),
                json!({"metadata": {"name": "immutable"}, "immutable": true, "data": {"a": "1"}}),
            ),
            merge(&format!("{all}/immutable"), json!({"data": {"a": "2"}})),
            merge(&format!("{all}/immutable"), json!({"immutable": null})),
            merge(&format!("{all}/immutable?fieldManager=one"), json!({"metadata": {"labels": {"a": "b"}}})),
        ],
    )
}

fn replacing() -> Case {
    let all = "/api/v1/namespaces/replacing/configmaps";
    let at = format!("{all}/m");
    let with = |metadata: Value, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
    case(
        "replacing",
        vec![
            put(&at, map(json!({"a": "1"}))),
            post(&format!("{all}?fieldManager=one"), map(json!({"a": "1", "b": "1"}))),
            put(&format!("{at}?fieldManager=two"), map(json!({"a": "1", "c": "1"}))),
            put(&format!("{at}?fieldManager=two"), map(json!({"a": "1", "c": "1"}))),
            put(&at, with(json!({"name": "m", "resourceVersion": "1"}), json!({}))),
            put(&at, with(json!({"name": "m", "uid": "00000000-0000-4000-8000-000000000000"}), json!({}))),
            put(&at, with(json!({"name": "other"}), json!({}))),
            put(
                &at,
                with(
                    json!({"name": "m", "resourceVersion": format!("{{rv:{at}}}"), "uid": format!("{{uid:{at}}}")}),
                    json!({"d": "1"}),
                ),
            ),
            put(&format!("{at}?dryRun=All&fieldManager=one"), map(json!({"e": "1"}))),
            get(&at),
        ],
    )
}

fn patching() -> Case {
    let all = "/api/v1/namespaces/patching/configmaps";
    let at = format!("{all}/m");
    case(
        "patching",
        vec![
            merge(&at, json!({"data": {"a": "1"}})),
            post(&format!("{all}?fieldManager=one"), map(json!({"a": "1", "b": "1"}))),
            merge(&format!("{at}?fieldManager=two"), json!({"data": {"a": null, "c": "1"}})),
            merge(&format!("{at}?fieldManager=two"), json!({"data": {"c": "1"}})),
            merge(&at, json!({"data": {"c": 5}})),
            merge(&at, json!({"metadata": {"name": "x"}})),
            merge(&at, json!({"metadata": {"resourceVersion": "1"}, "data": {"c": "2"}})),
            merge(&at, json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}, "data": {"c": "2"}})),
            merge(
                &format!("{at}?fieldManager=two"),
                json!({"metadata": {"uid": format!("{{uid:{at}}}"), "resourceVersion": format!("{{rv:{at}}}")}, "data": {"c": "3"}}),
            ),
            merge(&at, json!({"data": null})),
            strategic(
                &format!("{at}?fieldManager=three"),
                json!({"data": {"x": "1"}, "metadata": {"labels": {"l": "1"}}}),
            ),
            steps(
                &format!("{at}?fieldManager=four"),
                json!([{"op": "test", "path": "/data/x", "value": "1"}, {"op": "replace", "path": "/data/x", "value": "2"}]),
            ),
            steps(&at, json!([{"op": "test", "path": "/data/x", "value": "1"}])),
            steps(&at, json!([{"op": "remove", "path": "/data/none"}])),
            steps(&at, json!([{"op": "add", "path": "/none/x", "value": "1"}])),
            merge(&format!("{at}?dryRun=All"), json!({"data": {"dry": "1"}})),
            get(&at),
        ],
    )
}

fn applying() -> Case {
    let all = "/api/v1/namespaces/applying/configmaps";
    let at = format!("{all}/m");
    let one = format!("{at}?fieldManager=one");
    let bare = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    case(
        "applying",
        vec![
            apply(&at, map(json!({"a": "1"}))),
            apply(&format!("{one}&dryRun=All"), map(json!({"a": "1"}))),
            get(&at),
            apply(&one, map(json!({"a": "1", "b": "1"}))),
            apply(&one, map(json!({"a": "1", "b": "1"}))),
            apply(&one, map(json!({"a": "1"}))),
            apply(&one, bare.clone()),
            apply(&one, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}})),
            apply(&one, json!({"metadata": {"name": "m"}, "data": {}})),
            apply(
                &one,
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "labels": {"l": "1"}, "annotations": {"a/b": "c"}}, "data": {"a": null, "c": ""}}),
            ),
            apply(&one, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "dta": {"a": "1"}})),
            apply(
                &format!("{one}&fieldValidation=Strict"),
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "dta": {"a": "1"}}),
            ),
            apply(
                &one,
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "managedFields": [{"manager": "x"}]}}),
            ),
            apply(
                &one,
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "resourceVersion": "1"}}),
            ),
            apply(
                &one,
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "uid": "00000000-0000-4000-8000-000000000000"}}),
            ),
            apply(
                &format!("{all}/absent?fieldManager=one"),
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "absent", "uid": "00000000-0000-4000-8000-000000000000"}}),
            ),
            apply(
                &one,
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "finalizers": ["a.example/x", "a.example/x"]}}),
            ),
            apply(&one, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"n": 1}})),
            apply("/api/v1/namespaces/nowhere/configmaps/m?fieldManager=one", bare),
        ],
    )
}

fn ownership() -> Case {
    let all = "/api/v1/namespaces/ownership/configmaps";
    let at = format!("{all}/m");
    let by = |manager: &str| format!("{at}?fieldManager={manager}");
    case(
        "ownership",
        vec![
            apply(&by("one"), map(json!({"a": "1", "b": "1"}))),
            apply(&by("two"), map(json!({"a": "2"}))),
            apply(&by("two"), map(json!({"a": "1"}))),
            apply(&by("two"), map(json!({"a": "2", "b": "2"}))),
            apply(&format!("{}&force=true", by("two")), map(json!({"a": "2"}))),
            apply(&by("one"), map(json!({"a": "1", "b": "1"}))),
            apply(&by("one"), map(json!({"b": "1"}))),
            merge(&by("three"), json!({"data": {"a": "3"}})),
            apply(&by("two"), map(json!({"a": "2"}))),
            // a manager that updates what it applied itself
            merge(&by("one"), json!({"data": {"b": "4"}})),
            apply(&by("one"), map(json!({"b": "1"}))),
            apply(&by("two"), json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}})),
            put(&by("four"), map(json!({"z": "1"}))),
            apply(&by("one"), map(json!({"b": "1"}))),
            merge(&by("five"), json!({"metadata": {"managedFields": []}})),
            merge(&by("five"), json!({"metadata": {"managedFields": [{}]}})),
            apply(&by("one"), map(json!({"b": "2"}))),
            delete(&at, None),
        ],
    )
}

fn deleting() -> Case {
    let all = "/api/v1/namespaces/deleting/configmaps";
    let at = format!("{all}/m");
    let options = |more: Value| {
        let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        Some(body)
    };
    case(
        "deleting",
        vec![
            delete(&at, None),
            post(all, map(json!({}))),
            delete(&at, options(json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}}))),
            delete(&at, options(json!({"preconditions": {"resourceVersion": "1"}}))),
            delete(&at, options(json!({"dryRun": ["All"]}))),
            get(&at),
            delete(&at, options(json!({"propagationPolicy": "Sideways"}))),
            delete(
                &at,
                options(json!({"propagationPolicy": "Background", "preconditions": {"uid": format!("{{uid:{at}}}")}})),
            ),
            get(&at),
            post(all, map(json!({}))),
            delete(&at, options(json!({"propagationPolicy": "Foreground"}))),
            get(&at),
            post(all, map(json!({}))),
            delete(&format!("{at}?gracePeriodSeconds=0&propagationPolicy=Background"), None),
            post(
                "/api/v1/namespaces/deleting/services",
                json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}),
            ),
            delete("/api/v1/namespaces/deleting/services/s", None),
            post("/api/v1/namespaces/deleting/secrets", json!({"metadata": {"name": "s"}})),
            delete("/api/v1/namespaces/deleting/secrets/s", None),
            delete("/api/v1/namespaces/deleting/serviceaccounts/default", None),
            delete("/apis/apps/v1/namespaces/deleting/deployments/none", None),
            delete("/api/v1/namespaces/none", None),
            delete("/api/v1/namespaces/kube-system", None),
            delete("/api/v1/namespaces/default", None),
            delete("/api/v1/namespaces/kube-public", None),
            delete("/api/v1/namespaces/kube-node-lease", None),
        ],
    )
}

fn finalizers() -> Case {
    let all = "/api/v1/namespaces/finalizers/configmaps";
    let at = format!("{all}/m");
    let held =
        |list: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "finalizers": list}});
    case(
        "finalizers",
        vec![
            post(all, held(json!(["plain"]))),
            post(&format!("{all}?fieldManager=one"), held(json!(["c8.example/a", "c8.example/b"]))),
            delete(&at, None),
            delete(&at, None),
            merge(&format!("{at}?fieldManager=two"), json!({"data": {"a": "1"}})),
            merge(&at, json!({"metadata": {"finalizers": ["c8.example/a", "c8.example/c"]}})),
            apply(&format!("{at}?fieldManager=three"), map(json!({"b": "1"}))),
            merge(&format!("{at}?fieldManager=two"), json!({"metadata": {"finalizers": ["c8.example/a"]}})),
            merge(&format!("{at}?fieldManager=two"), json!({"metadata": {"finalizers": null}})),
            get(&at),
        ],
    )
}

fn leases() -> Case {
    let all = "/apis/coordination.k8s.io/v1/namespaces/leases/leases";
    let at = format!("{all}/l");
    let lease = |metadata: Value, spec: Value| json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec});
    let full = |holder: &str| json!({"holderIdentity": holder, "leaseDurationSeconds": 60, "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.123456Z", "leaseTransitions": 0});
    case(
        "leases",
        vec![
            post(&format!("{all}?fieldManager=one"), lease(json!({"name": "l"}), full("a"))),
            post(all, lease(json!({"name": "l"}), full("a"))),
            put(&at, lease(json!({"name": "l"}), full("b"))),
            put(
                &format!("{at}?fieldManager=one"),
                lease(json!({"name": "l", "resourceVersion": format!("{{rv:{at}}}")}), full("b")),
            ),
            put(&at, lease(json!({"name": "l", "resourceVersion": "1"}), full("c"))),
            put(&format!("{all}/fresh?fieldManager=one"), lease(json!({"name": "fresh"}), full("a"))),
            put(&format!("{all}/stale"), lease(json!({"name": "stale", "resourceVersion": "1"}), full("a"))),
            post(all, lease(json!({"name": "bad"}), json!({"leaseDurationSeconds": 0}))),
            post(all, lease(json!({"name": "bad"}), json!({"renewTime": "yesterday"}))),
            post(all, lease(json!({"name": "bad"}), json!({"leaseTransitions": -1}))),
            post(all, lease(json!({"name": "bad"}), json!({"holderIdentity": ""}))),
            post(
                &format!("{all}?fieldManager=one"),
                lease(json!({"name": "millis"}), json!({"renewTime": "2026-01-01T00:00:00Z"})),
            ),
            delete(&at, Some(json!({"preconditions": {"resourceVersion": format!("{{rv:{at}}}")}}))),
        ],
    )
}

fn secrets() -> Case {
    let all = "/api/v1/namespaces/secrets/secrets";
    let secret = |more: Value| {
        let mut body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let at = format!("{all}/s?fieldManager=one");
    case(
        "secrets",
        vec![
            post(all, secret(json!({"data": {"k": "not base64!"}}))),
            apply(&at, secret(json!({"stringData": {"k": "v"}}))),
            apply(&at, secret(json!({"stringData": {"k": "w"}, "data": {"j": "dg=="}}))),
            apply(&at, secret(json!({"data": {"j": "dg=="}}))),
            apply(&at, secret(json!({"type": "kubernetes.io/tls", "data": {"j": "dg=="}}))),
            merge(&format!("{all}/s?fieldManager=two"), json!({"stringData": {"k": "x"}})),
            get(&format!("{all}/s")),
        ],
    )
}

fn classes() -> Case {
    let all = "/apis/storage.k8s.io/v1/storageclasses";
    let class = |more: Value| {
        let mut body = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c8-ssd"}, "provisioner": "pd.csi.storage.gke.io"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let at = format!("{all}/c8-ssd?fieldManager=one");
    case(
        "classes",
        vec![
            apply(
                &at,
                class(
                    json!({"parameters": {"type": "pd-ssd"}, "reclaimPolicy": "Delete", "allowVolumeExpansion": true, "volumeBindingMode": "WaitForFirstConsumer"}),
                ),
            ),
            apply(
                &at,
                class(json!({"parameters": {"type": "pd-standard"}, "volumeBindingMode": "WaitForFirstConsumer"})),
            ),
            apply(
                &at,
                class(
                    json!({"parameters": {"type": "pd-ssd"}, "reclaimPolicy": "Retain", "volumeBindingMode": "Immediate"}),
                ),
            ),
            apply(&at, class(json!({"parameters": {"type": "pd-ssd"}, "volumeBindingMode": "WaitForFirstConsumer"}))),
            post(all, json!({"metadata": {"name": "none"}})),
            post(
                &format!("{all}?fieldManager=one"),
                json!({"metadata": {"name": "plain"}, "provisioner": "p.example"}),
            ),
            delete(&format!("{all}/c8-ssd"), None),
            delete(&format!("{all}/plain"), None),
        ],
    )
}

fn lists() -> Case {
    let all = "/api/v1/namespaces/lists/configmaps";
    let made = |name: &str, label: &str| post(all, json!({"metadata": {"name": name, "labels": {"l": label}}}));
    case(
        "lists",
        vec![
            get("/api/v1/namespaces/nowhere/configmaps"),
            made("b", "1"),
            made("a", "1"),
            made("c", "2"),
            get(all),
            get(&format!("{all}?labelSelector=l%3D1")),
            get(&format!("{all}?labelSelector=l%20in%20(2,3)")),
            get(&format!("{all}?labelSelector=l%20is%20x")),
            get(&format!("{all}?fieldSelector=metadata.name%3Dc")),
            get(&format!("{all}?fieldSelector=data.x%3Dc")),
            delete(&format!("{all}?labelSelector=l%3D1"), None),
            get(all),
        ],
    )
}

fn namespaces() -> Case {
    let at = "/api/v1/namespaces/camunda?fieldManager=one";
    case(
        "namespaces",
        vec![
            apply(at, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "camunda"}})),
            apply(
                at,
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "camunda", "labels": {"a": "b"}}}),
            ),
            apply(at, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "camunda"}})),
            post("/api/v1/namespaces", json!({"metadata": {"name": "Not.valid"}})),
            delete("/api/v1/namespaces/camunda", None),
            get("/api/v1/namespaces/camunda"),
            post("/api/v1/namespaces/camunda/configmaps", map(json!({}))),
            apply(
                at,
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "camunda", "labels": {"c": "d"}}}),
            ),
        ],
    )
}
