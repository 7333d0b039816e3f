//! Server-side apply as real API servers do it.

use serde_json::json;

use super::{apply, config_map, stateful_set, store};
use crate::kubernetes::fields;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::write::{Patch, WriteOptions};

fn owners(object: &serde_json::Value) -> Vec<(String, &'static str, Vec<String>)> {
    fields::entries(object)
        .iter()
        .map(|e| (e.manager.clone(), e.operation, e.fields.iter().map(|path| fields::display(path)).collect()))
        .collect()
}

#[test]
fn create_owns_only_what_was_applied() {
    let mut store = store();
    let object = apply(&mut store, "m", false, stateful_set(2, "x:1")).unwrap();
    assert_eq!(object["spec"]["updateStrategy"]["type"], "RollingUpdate");
    assert_eq!(object["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"], "500m");
    let entries = owners(&object);
    assert_eq!(entries.len(), 1);
    let (manager, operation, paths) = &entries[0];
    assert_eq!((manager.as_str(), *operation), ("m", "Apply"));
    assert!(
        paths.contains(&".spec.template.spec.containers[name=\"c\"].env[name=\"A\"].value".to_owned()),
        "{paths:?}"
    );
    assert!(
        paths.contains(
            &".spec.template.spec.containers[name=\"c\"].ports[containerPort=80,protocol=\"TCP\"]".to_owned()
        ),
        "{paths:?}"
    );
    assert!(paths.contains(&".spec.volumeClaimTemplates".to_owned()));
    assert!(!paths.iter().any(|path| path.contains("updateStrategy") || path.contains("restartPolicy")));
}

#[test]
fn fields_v1_survives_a_round_trip() {
    let object = stateful_set(1, "x:1");
    let kind = Kind::named("StatefulSet").unwrap();
    let set = fields::of(kind, &object);
    let encoded = fields::encode(&set);
    assert_eq!(encoded["f:spec"]["f:replicas"], json!({}));
    let container = &encoded["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"];
    assert_eq!(container["."], json!({}));
    assert_eq!(container["f:volumeMounts"]["k:{\"mountPath\":\"/data\"}"]["f:name"], json!({}));
    let holder = json!({"metadata": {"managedFields": [{"manager": "m", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": encoded}]}});
    assert_eq!(fields::entries(&holder)[0].fields, set);
}

#[test]
fn same_value_is_shared_and_survives_one_owner() {
    let mut store = store();
    apply(&mut store, "one", false, config_map(json!({"k": "v", "x": "1"}))).unwrap();
    apply(&mut store, "two", false, config_map(json!({"k": "v"}))).unwrap();
    let object = apply(&mut store, "one", false, config_map(json!({}))).unwrap();
    assert_eq!(object["data"], json!({"k": "v"}), "x had one owner, k has another");
    let object = apply(&mut store, "two", false, config_map(json!({}))).unwrap();
    assert!(object.get("data").is_none(), "{object}");
}

#[test]
fn conflicts_name_manager_and_field() {
    let mut store = store();
    apply(&mut store, "one", false, config_map(json!({"k": "v", "x": "1"}))).unwrap();
    let error = apply(&mut store, "two", false, config_map(json!({"k": "w"}))).unwrap_err();
    assert_eq!((error.code, error.reason), (409, "Conflict"));
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    assert_eq!(
        error.details["causes"][0],
        json!({"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.k"})
    );
    let error = apply(&mut store, "two", false, config_map(json!({"k": "w", "x": "2"}))).unwrap_err();
    assert_eq!(error.message, "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.k\n- .data.x");

    let object = apply(&mut store, "two", true, config_map(json!({"k": "w"}))).unwrap();
    assert_eq!(object["data"], json!({"k": "w", "x": "1"}));
    let all = owners(&object);
    assert_eq!(
        all,
        vec![
            ("one".to_owned(), "Apply", vec![".data.x".to_owned()]),
            ("two".to_owned(), "Apply", vec![".data.k".to_owned()])
        ]
    );
}

#[test]
fn an_update_takes_ownership_and_conflicts() {
    let mut store = store();
    apply(&mut store, "one", false, stateful_set(2, "x:1")).unwrap();
    let kind = Kind::named("StatefulSet").unwrap();
    store
        .patch(kind, "a", "s", Patch::Merge(json!({"spec": {"replicas": 3}})), &WriteOptions::manager("kubectl"))
        .unwrap();
    let error = apply(&mut store, "one", false, stateful_set(2, "x:1")).unwrap_err();
    assert!(
        error
            .message
            .starts_with("Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas"),
        "{}",
        error.message
    );
    assert!(error.message.ends_with(": .spec.replicas"));
}

#[test]
fn removed_fields_fall_back_to_their_defaults() {
    let mut store = store();
    apply(&mut store, "one", false, stateful_set(3, "x:1")).unwrap();
    let mut config = stateful_set(3, "x:1");
    config["spec"].as_object_mut().unwrap().remove("replicas");
    config["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "B", "value": "2"}]);
    let object = apply(&mut store, "one", false, config).unwrap();
    assert_eq!(object["spec"]["replicas"], 1);
    assert_eq!(object["spec"]["template"]["spec"]["containers"][0]["env"], json!([{"name": "B", "value": "2"}]));
    assert_eq!(object["metadata"]["generation"], 2);
}

#[test]
fn a_field_of_another_manager_in_a_shared_list_item_survives() {
    let mut store = store();
    apply(&mut store, "one", false, stateful_set(1, "x:1")).unwrap();
    let side = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "a"},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "B", "value": "2"}]}]}}}});
    apply(&mut store, "two", false, side).unwrap();
    let object = apply(&mut store, "one", false, stateful_set(1, "x:2")).unwrap();
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]));
    assert_eq!(container["image"], "x:2");
}

#[test]
fn nothing_new_writes_nothing() {
    let mut store = store();
    let mut config = stateful_set(1, "x:1");
    // an empty value is stored as none, which must not look like a change for ever
    config["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("");
    let first = apply(&mut store, "one", false, config.clone()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    let second = apply(&mut store, "one", false, config).unwrap();
    assert_eq!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
    let mut options = WriteOptions::manager("one");
    options.dry_run = true;
    let kind = Kind::named("StatefulSet").unwrap();
    let dry =
        store.patch(kind, "a", "s", Patch::Apply { config: stateful_set(1, "x:9"), force: false }, &options).unwrap();
    assert_eq!(dry["spec"]["template"]["spec"]["containers"][0]["image"], "x:9");
    assert_eq!(
        store.get("StatefulSet", "a", "s").unwrap()["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
}

#[test]
fn bad_applies_are_refused() {
    let mut store = store();
    let mut twice = stateful_set(1, "x:1");
    twice["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
    let error = apply(&mut store, "one", false, twice).unwrap_err();
    assert_eq!(error.code, 500);
    assert!(error.message.contains("duplicate entries for key [name=\"A\"]"), "{}", error.message);

    let error = apply(&mut store, "", false, config_map(json!({}))).unwrap_err();
    assert_eq!(error.code, 422);
    assert!(error.message.contains("fieldManager: Required value"));

    let mut typo = stateful_set(1, "x:1");
    typo["spec"]["replica"] = json!(1);
    let error = apply(&mut store, "one", false, typo.clone()).unwrap_err();
    assert_eq!((error.code, error.message.ends_with(".spec.replica: field not declared in schema")), (500, true));
    let kind = Kind::named("StatefulSet").unwrap();
    let mut strict = WriteOptions::manager("one");
    strict.strict = true;
    let error = store.patch(kind, "a", "s", Patch::Apply { config: typo, force: false }, &strict).unwrap_err();
    // the schema speaks before the strict decoder
    assert_eq!((error.code, error.message.ends_with(".spec.replica: field not declared in schema")), (500, true));

    let mut managed = config_map(json!({}));
    managed["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    assert_eq!(apply(&mut store, "one", false, managed).unwrap_err().message, "metadata.managedFields must be nil");
}
