//! The example provider as a process, driven the way that Terraform drives one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod tiny;

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use terraform_plugin::{
    Type, Value,
    proto::tfplugin5::{
        DynamicValue, RawState, call_function, get_functions, get_metadata, get_provider_schema, plan_resource_change,
        provider_client::ProviderClient, read_data_source, read_resource, stop, upgrade_resource_state,
        validate_resource_type_config,
    },
    value::msgpack,
};
use tiny::{Credentials, Tiny, create, errors, state};
use tokio::{net::UnixStream, time::timeout};

#[test]
fn run_by_hand_it_explains_itself() {
    let output = Command::new(tiny::binary()).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with(concat!("terraform-provider-tiny ", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.contains("source = \"acme/tiny\""), "{text}");
}

#[tokio::test]
async fn it_ends_at_once_and_leaves_nothing() {
    let tiny = Tiny::start(None, &[]);
    assert!(tiny.line.ends_with("|grpc|\n"), "{}", tiny.line);
    let directory = tiny.socket.parent().unwrap().to_owned();
    assert!(directory.exists());
    let mut health = tonic_health::pb::health_client::HealthClient::new(tiny.connect(None).await);
    let request = tonic_health::pb::HealthCheckRequest { service: "plugin".to_owned() };
    assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);
    let (status, took, log) = tiny.shut_down().await;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_millis(700), "{took:?}");
    assert!(!directory.exists());
    assert_eq!(log, "", "nobody asked for logs");
}

#[tokio::test]
async fn only_the_client_that_started_it_may_talk_to_it() {
    let client = Credentials::new();
    let tiny = Tiny::start(Some(&client), &[]);
    // a peer that says nothing must not hold up the others
    let _silent = UnixStream::connect(&tiny.socket).await.unwrap();
    for refused in [None, Some(Credentials::new())] {
        let mut stranger = ProviderClient::new(tiny.connect(refused.as_ref()).await);
        stranger.get_metadata(get_metadata::Request {}).await.unwrap_err();
    }
    let mut provider = ProviderClient::new(tiny.connect(Some(&client)).await);
    let metadata = provider.get_metadata(get_metadata::Request {}).await.unwrap().into_inner();
    assert_eq!(metadata.resources[0].type_name, "tiny_note");
    assert_eq!(metadata.data_sources[0].type_name, "tiny_count");
    let capabilities = metadata.server_capabilities.unwrap();
    assert!(capabilities.plan_destroy && capabilities.get_provider_schema_optional);
}

#[tokio::test]
async fn schemas_need_no_configuration() {
    let tiny = Tiny::start(None, &[]);
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    let schema = provider.get_schema(get_provider_schema::Request {}).await.unwrap().into_inner();
    let note = schema.resource_schemas["tiny_note"].block.as_ref().unwrap();
    assert_eq!(note.description, "A note in a file.");
    let priority = note.attributes.iter().find(|one| one.name == "priority").unwrap();
    assert!(priority.optional && priority.computed && !priority.required);
    assert_eq!(note.block_types[0].type_name, "timeouts");
    let functions = provider.get_functions(get_functions::Request {}).await.unwrap().into_inner().functions;
    assert_eq!(functions, schema.functions);
    let name = &functions["note_name"];
    assert!(name.parameters[0].allow_null_value && !name.parameters[0].allow_unknown_values);
    assert_eq!(name.variadic_parameter.as_ref().unwrap().r#type, br#""string""#);
    assert_eq!(name.r#return.as_ref().unwrap().r#type, br#""string""#);
}

#[tokio::test]
async fn a_function_needs_no_configuration_and_names_the_argument_at_fault() {
    let tiny = Tiny::start(None, &[]);
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    let mut call = async |name: &str, arguments: Vec<Value>| {
        let encode = |one: &Value| DynamicValue { msgpack: msgpack::encode(&Type::String, one).unwrap(), json: vec![] };
        let arguments = arguments.iter().map(encode).collect();
        let request = call_function::Request { name: name.to_owned(), arguments };
        let answer = provider.call_function(request).await.unwrap().into_inner();
        match (answer.result, answer.error) {
            (Some(result), None) => Ok(msgpack::decode(&Type::String, &result.msgpack).unwrap()),
            (None, Some(error)) => Err((error.text, error.function_argument)),
            both => panic!("{both:?}"),
        }
    };
    let [a, b, bad] = ["a", "b", "b/c"].map(Value::from);
    assert_eq!(call("note_name", vec![a.clone(), b.clone()]).await, Ok("a-b".into()));
    assert_eq!(call("note_name", vec![Value::Null]).await, Ok("".into()));
    assert_eq!(call("note_name", vec![a.clone(), Value::unknown()]).await, Ok(Value::unknown()));
    let fault = |text: &str, argument| Err((text.to_owned(), argument));
    let slash = fault("a word can't have a `/` in it", Some(2));
    assert_eq!(call("note_name", vec![a.clone(), b, bad]).await, slash);
    assert_eq!(call("note_name", vec![a, Value::Null]).await, fault("must not be null", Some(1)));
    assert_eq!(call("note_name", vec![]).await, fault("takes at least 1 argument, got 0", None));
    let unknown = fault("this version of the provider has no function `nothing`", None);
    assert_eq!(call("nothing", vec![]).await, unknown);
}

#[tokio::test]
async fn a_panic_is_a_diagnostic_and_the_process_lives() {
    let notes = tempfile::tempdir().unwrap();
    let tiny = Tiny::start(None, &[]);
    let mut provider = tiny.configured(notes.path()).await;
    let answer = provider.apply_resource_change(create("a", "panic", None)).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), ["The provider panicked"]);
    assert!(answer.diagnostics[0].detail.contains("asked to"), "{:?}", answer.diagnostics);
    let saved = state(answer.new_state.as_ref());
    assert_eq!(saved.get("text"), Some(&Value::String("panic".to_owned())));
    assert_eq!(saved.get("size"), Some(&Value::Null), "what isn't known yet is null");

    let answer = provider.apply_resource_change(create("b", "fine", None)).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), [""; 0]);
    assert_eq!(state(answer.new_state.as_ref()).get("size"), Some(&Value::Number(4.into())));
    let (_, _, log) = tiny.shut_down().await;
    assert!(log.starts_with("panic: asked to at "), "{log}");
}

#[tokio::test]
async fn failing_before_anything_was_done_leaves_no_state() {
    let tiny = Tiny::start(None, &[]);
    let mut provider = tiny.configured(Path::new("/nowhere")).await;
    let answer = provider.apply_resource_change(create("a", "text", None)).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), ["Unusable file"]);
    assert!(state(answer.new_state.as_ref()).is_null());
}

#[tokio::test]
async fn a_result_that_breaks_the_plan_is_said_to_be_a_bug() {
    let notes = tempfile::tempdir().unwrap();
    let tiny = Tiny::start(None, &[]);
    let mut provider = tiny.configured(notes.path()).await;
    let answer = provider.apply_resource_change(create("a", "lie", None)).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), ["Inconsistent result"]);
    let detail = &answer.diagnostics[0].detail;
    assert!(detail.contains("bug of the provider in `tiny_note` at `text`"), "{detail}");
    assert!(!state(answer.new_state.as_ref()).is_null());
}

#[tokio::test]
async fn stop_ends_a_call_and_only_that() {
    let notes = tempfile::tempdir().unwrap();
    let tiny = Tiny::start(None, &[]);
    let provider = tiny.configured(notes.path()).await;
    let mut hanging = provider.clone();
    let hung = tokio::spawn(async move { hanging.apply_resource_change(create("a", "hang", None)).await });
    wait_for(&notes.path().join("a")).await;
    let start = Instant::now();
    let mut provider = provider;
    provider.stop(stop::Request {}).await.unwrap();
    let answer = hung.await.unwrap().unwrap().into_inner();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(errors(&answer.diagnostics), ["Stopped while hanging"]);
    assert!(!state(answer.new_state.as_ref()).is_null());
    // the next command of the same process isn't stopped
    let answer = provider.apply_resource_change(create("b", "fine", None)).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), [""; 0]);
}

#[tokio::test]
async fn a_call_ends_when_its_time_is_up() {
    let notes = tempfile::tempdir().unwrap();
    let tiny = Tiny::start(None, &[]);
    let mut provider = tiny.configured(notes.path()).await;
    let request = create("a", "hang", Some("100ms"));
    let answer = timeout(Duration::from_secs(5), provider.apply_resource_change(request)).await.unwrap().unwrap();
    let answer = answer.into_inner();
    assert_eq!(errors(&answer.diagnostics), ["Timed out"]);
    assert!(answer.diagnostics[0].detail.contains("did not end within 100ms"), "{:?}", answer.diagnostics);
    assert!(!state(answer.new_state.as_ref()).is_null());
}

#[tokio::test]
async fn ctrl_c_is_for_terraform_and_sigterm_for_us() {
    let mut tiny = Tiny::start(None, &[]);
    let directory = tiny.socket.parent().unwrap().to_owned();
    tiny.signal("INT");
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    provider.get_metadata(get_metadata::Request {}).await.unwrap();
    tiny.signal("TERM");
    assert_eq!(tiny.child.wait().unwrap().code(), Some(143));
    assert!(!directory.exists());
}

#[tokio::test]
async fn state_is_read_by_the_schema_of_today() {
    let tiny = Tiny::start(None, &[]);
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    let mut upgrade = async |version, stored: serde_json::Value| {
        let raw_state = Some(RawState { json: stored.to_string().into_bytes(), ..Default::default() });
        let type_name = "tiny_note".to_owned();
        let request = upgrade_resource_state::Request { type_name, version, raw_state };
        provider.upgrade_resource_state(request).await.unwrap().into_inner()
    };
    let answer = upgrade(0, json!({ "name": "a", "gone": [1, { "x": null }] })).await;
    assert_eq!(errors(&answer.diagnostics), [""; 0]);
    let upgraded = state(answer.upgraded_state.as_ref());
    assert_eq!(upgraded.get("name"), Some(&Value::String("a".to_owned())));
    assert_eq!(upgraded.get("text"), Some(&Value::Null));
    assert_eq!(upgraded.get("gone"), None);
    let answer = upgrade(7, json!({ "name": "a" })).await;
    assert_eq!(errors(&answer.diagnostics), ["Unreadable state"]);
    assert!(answer.diagnostics[0].detail.contains("newer version"), "{:?}", answer.diagnostics);
}

#[tokio::test]
async fn a_plan_needs_no_configured_provider() {
    let tiny = Tiny::start(None, &[]);
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    let config = json!({ "name": "a", "text": "t", "priority": null, "id": null, "size": null, "timeouts": null });
    let request = plan_resource_change::Request {
        type_name: "tiny_note".to_owned(),
        prior_state: tiny::json(&serde_json::Value::Null),
        proposed_new_state: tiny::json(&config),
        config: tiny::json(&config),
        ..Default::default()
    };
    let answer = provider.plan_resource_change(request).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), [""; 0]);
    let planned = state(answer.planned_state.as_ref());
    assert_eq!(planned.get("priority"), Some(&Value::Number(1.into())));
    assert!(planned.get("id").unwrap().is_unknown());

    let request = read_resource::Request {
        type_name: "tiny_note".to_owned(),
        current_state: tiny::json(&config),
        private: b"kept".to_vec(),
        ..Default::default()
    };
    let answer = provider.read_resource(request).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), ["The provider isn't configured"]);
    assert_eq!((answer.new_state, answer.private), (tiny::json(&config), b"kept".to_vec()));
}

#[tokio::test]
async fn bad_input_is_a_diagnostic_with_its_path() {
    let tiny = Tiny::start(None, &[]);
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    let config = json!({
        "name": "a/b", "text": "t", "priority": 9, "id": null, "size": null, "timeouts": { "create": "soon" }
    });
    let request = validate_resource_type_config::Request {
        type_name: "tiny_note".to_owned(),
        config: tiny::json(&config),
        ..Default::default()
    };
    let answer = provider.validate_resource_type_config(request).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics).len(), 3, "{:?}", answer.diagnostics);
    assert!(answer.diagnostics.iter().all(|one| one.attribute.is_some()));
    let detail: String = answer.diagnostics.iter().map(|one| one.detail.as_str()).collect();
    assert!(detail.contains("`soon`"), "{detail}");

    // never a gRPC status, whatever comes
    let request = read_data_source::Request { type_name: "tiny_nothing".to_owned(), ..Default::default() };
    let answer = provider.read_data_source(request).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), ["Unknown data source"]);
    let request = plan_resource_change::Request {
        type_name: "tiny_note".to_owned(),
        config: tiny::json(&json!("text")),
        ..Default::default()
    };
    let answer = provider.plan_resource_change(request).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics).len(), 1);
}

#[tokio::test]
async fn logs_are_lines_that_terraform_can_parse() {
    let tiny = Tiny::start(None, &[("TF_LOG", "DEBUG")]);
    let mut provider = ProviderClient::new(tiny.connect(None).await);
    let request = read_data_source::Request { type_name: "tiny_nothing".to_owned(), ..Default::default() };
    provider.read_data_source(request).await.unwrap();
    let (_, _, log) = tiny.shut_down().await;
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = lines.iter().find(|line| line["@message"] == "failed").unwrap();
    assert_eq!(failed["tf_rpc"], "ReadDataSource");
    assert_eq!(failed["tf_resource_type"], "tiny_nothing");
    assert_eq!(failed["@level"], "debug");
}

async fn wait_for(file: &Path) {
    let start = Instant::now();
    while !file.exists() {
        assert!(start.elapsed() < Duration::from_secs(10), "{} never came", file.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
