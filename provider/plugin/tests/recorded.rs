//! What a real Terraform says, byte for byte.
//!
//! `tests/golden/wire/` has a folder for each Terraform or OpenTofu that was listened to: requests and responses as they went
//! over the wire, and what they say as text. Each is decoded and encoded again: the bytes must be the same, and the text must be
//! what it says. What the Terraform at hand says is held to the same rule, and with `UPDATE_GOLDEN=1` it is kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "only its schemas are wanted here")]
#[path = "../examples/every.rs"]
mod every;
mod tiny;

use std::{
    collections::BTreeSet,
    fmt::{Debug, Write as _},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use prost::Message;
use terraform_plugin::{
    Type, Value,
    proto::tfplugin5::{
        DynamicValue, apply_resource_change, configure, get_functions, get_provider_schema,
        get_resource_identity_schemas, plan_resource_change, prepare_provider_config, read_resource, stop,
        upgrade_resource_state, validate_resource_type_config,
    },
    value::{json, msgpack},
};
use terraform_plugin_testing::{Call, Recorder};
use tokio::process::Command;

/// A thing with a value of every kind: unknown ones, promises about them, numbers that no float can hold, text outside ASCII.
const FIRST: &str = r#"
  text             = "two   words"
  password         = "hunter2"
  password_version = 1
  any              = { a = [1, "x", null, true], b = { c = 0.1 } }
  labels           = ["pre-${terraform_data.first.id}", null, "é <&>"]
  new              = true
  share            = 123456789012345678901234567890.125
  ports            = [443, 80, -1, 65536]
  tags             = { "a b" = "c", none = null, later = terraform_data.first.id }
  owner            = { name = "me", telephone = null }
  rule { port = 443 }
  disk "data" { gb = 10 }
  step { what = "begin" }
  step { what = terraform_data.first.id }
  life { days = 30 }
"#;

fn folders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire")
}

#[test]
fn what_was_recorded_is_understood_and_written_alike() {
    let cores: Vec<_> = fs::read_dir(folders()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!cores.is_empty());
    let mut said = BTreeSet::new();
    for core in cores {
        let requests = fs::read_dir(&core).unwrap().map(|entry| entry.unwrap().path());
        for request in requests.filter(|path| path.extension().is_some_and(|extension| extension == "request")) {
            let name = request.file_stem().unwrap().to_str().unwrap();
            let (_, call) = name.split_once('-').unwrap();
            let read = |extension| fs::read(request.with_extension(extension)).unwrap().into();
            let call = Call { name: call.to_owned(), request: read("request"), response: read("response") };
            let expected = fs::read_to_string(request.with_extension("txt")).unwrap();
            assert_eq!(text(&call), expected, "{}", request.display());
            said.insert(call.name);
        }
    }
    for call in ["GetSchema", "Configure", "ValidateResourceTypeConfig", "UpgradeResourceState", "ReadResource"] {
        assert!(said.contains(call), "{call} was never recorded: {said:?}");
    }
    assert!(said.contains("PlanResourceChange") && said.contains("ApplyResourceChange"), "{said:?}");
}

#[tokio::test]
async fn what_the_terraform_at_hand_says_is_understood_and_written_alike() {
    let (core, calls) = listen().await;
    let texts: Vec<_> = calls.iter().map(text).collect();
    assert!(texts.iter().any(|text| text.contains("prefix \"pre-\"")), "no promise about an unknown value");
    if std::env::var_os("UPDATE_GOLDEN").is_none() {
        return;
    }
    let folder = folders().join(core);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (index, (call, text)) in calls.iter().zip(texts).enumerate() {
        let file = |extension| folder.join(format!("{:02}-{}.{extension}", index + 1, call.name));
        fs::write(file("request"), &call.request).unwrap();
        fs::write(file("response"), &call.response).unwrap();
        fs::write(file("txt"), text).unwrap();
    }
}

/// Creates, looks at, changes and destroys a thing; gives each call that differs from those before, and whose they are.
async fn listen() -> (String, Vec<Call>) {
    let recorder = Recorder::start(&tiny::example("every"), &[]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (variable, reattach) = recorder.environment();
    let run = async |arguments: &[&str]| {
        let output = Command::new(tiny::terraform())
            .args(arguments)
            .current_dir(folder.path())
            .env(variable, &reattach)
            .env("TF_IN_AUTOMATION", "1")
            .env_remove("TF_LOG")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    let version = run(&["version"]).await;
    let core = version.lines().find(|line| line.contains(" v")).unwrap().replace(" v", "-").to_lowercase();
    let write = |body: &str| {
        let head = "terraform {\n  required_providers {\n    every = { source = \"acme/every\" }\n  }\n  \
                    provider_meta \"every\" {\n    module = \"network\"\n  }\n}\n";
        let rest =
            format!("resource \"terraform_data\" \"first\" {{}}\nresource \"every_thing\" \"this\" {{\n{body}\n}}\n");
        fs::write(folder.path().join("main.tf"), format!("{head}{rest}")).unwrap();
    };
    write(FIRST);
    run(&["init"]).await;
    run(&["apply", "-auto-approve"]).await;
    write(
        &FIRST
            .replace("rule {", "rule { port = 22 }\n  rule {")
            .replace("password_version = 1", "password_version = 2"),
    );
    run(&["apply", "-auto-approve"]).await;
    run(&["destroy", "-auto-approve"]).await;
    let mut heard = BTreeSet::new();
    let mut calls = recorder.take_calls();
    calls.retain(|call| heard.insert((call.name.clone(), call.request.clone())));
    (core, calls)
}

/// What a call says; fails if it isn't written as it was read.
fn text(call: &Call) -> String {
    let thing = every::server().schemas().resources["every_thing"].block.ty();
    let config = every::server().schemas().provider.block.ty();
    let meta = every::server().schemas().provider_meta.unwrap().block.ty();
    let mut page = Page::default();
    macro_rules! both {
        ($call:ident, [$($asked:ident: $asked_ty:expr),*], [$($answered:ident: $answered_ty:expr),*]) => {{
            page.message::<$call::Request>("request", &call.request, |_page, _message| {
                $(_page.value(stringify!($asked), $asked_ty, _message.$asked.take());)*
            });
            page.message::<$call::Response>("response", &call.response, |_page, _message| {
                $(_page.value(stringify!($answered), $answered_ty, _message.$answered.take());)*
            });
        }};
    }
    match call.name.as_str() {
        "GetSchema" => both!(get_provider_schema, [], []),
        // what tofu asks first; a provider without them doesn't serve it
        "GetFunctions" => both!(get_functions, [], []),
        "GetResourceIdentitySchemas" => both!(get_resource_identity_schemas, [], []),
        "PrepareProviderConfig" => both!(prepare_provider_config, [config: &config], [prepared_config: &config]),
        "Configure" => both!(configure, [config: &config], []),
        "ValidateResourceTypeConfig" => both!(validate_resource_type_config, [config: &thing], []),
        "UpgradeResourceState" => {
            page.message::<upgrade_resource_state::Request>("request", &call.request, |page, asked| {
                page.stored(&thing, &asked.raw_state.take().unwrap().json);
            });
            page.message::<upgrade_resource_state::Response>("response", &call.response, |page, answer| {
                page.value("upgraded_state", &thing, answer.upgraded_state.take());
            });
        }
        "ReadResource" => {
            both!(read_resource, [current_state: &thing, provider_meta: &meta], [new_state: &thing]);
        }
        "PlanResourceChange" => both!(
            plan_resource_change,
            [prior_state: &thing, proposed_new_state: &thing, config: &thing, provider_meta: &meta],
            [planned_state: &thing]
        ),
        "ApplyResourceChange" => both!(
            apply_resource_change,
            [prior_state: &thing, planned_state: &thing, config: &thing, provider_meta: &meta],
            [new_state: &thing]
        ),
        "Stop" => both!(stop, [], []),
        other => panic!("`{other}` is new here: say which values it has"),
    }
    page.0
}

/// What is written about a call.
#[derive(Default)]
struct Page(String);

impl Page {
    /// The values of a message, and then the rest of it.
    fn message<M: Message + Debug + Default>(&mut self, what: &str, bytes: &[u8], values: impl Fn(&mut Self, &mut M)) {
        let mut message = M::decode(bytes).unwrap();
        assert_eq!(message.encode_to_vec(), bytes, "the {what} is written otherwise than it was read: {message:?}");
        writeln!(self.0, "== {what}").unwrap();
        values(self, &mut message);
        self.folded(&format!("{message:#?}"));
    }

    /// A message, its bytes side by side instead of one below the other.
    fn folded(&mut self, text: &str) {
        let mut lines = text.lines().peekable();
        let byte = |line: &str| line.trim().strip_suffix(',').is_some_and(|byte| byte.parse::<u8>().is_ok());
        while let Some(line) = lines.next() {
            self.0.push_str(line);
            while byte(line)
                && let Some(next) = lines.next_if(|next| byte(next))
            {
                write!(self.0, " {}", next.trim()).unwrap();
            }
            self.0.push('\n');
        }
    }

    fn value(&mut self, name: &str, ty: &Type, value: Option<DynamicValue>) {
        let Some(DynamicValue { msgpack: bytes, json }) = value else { return };
        assert!(json.is_empty(), "{name} came as JSON");
        let value = msgpack::decode(ty, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut again, mut bytes) = (msgpack::encode(ty, &value).unwrap(), bytes);
        if has_unordered(&value) {
            assert_eq!(msgpack::decode(ty, &again).as_ref(), Ok(&value));
            again.sort_unstable();
            bytes.sort_unstable();
        }
        assert_eq!(again, bytes, "{name} is written otherwise than it was read: {value}");
        writeln!(self.0, "{name} =").unwrap();
        self.entries(&value);
    }

    /// A state as Terraform stores it. It escapes what HTML would mind, so that only the values can be compared.
    fn stored(&mut self, ty: &Type, bytes: &[u8]) {
        let value = json::decode(ty, bytes).unwrap();
        assert_eq!(json::decode(ty, &json::encode(ty, &value).unwrap()), Ok(value.clone()));
        writeln!(self.0, "raw_state =").unwrap();
        self.entries(&value);
    }

    /// One line an attribute.
    fn entries(&mut self, value: &Value) {
        match value {
            Value::Object(attributes) if !attributes.is_empty() => {
                for (name, value) in attributes {
                    writeln!(self.0, "  {name} = {}", shown(value)).unwrap();
                }
            }
            other => writeln!(self.0, "  {}", shown(other)).unwrap(),
        }
    }
}

/// Whether several objects are in a set: Terraform orders them by a hash of its own, and means nothing by it.
fn has_unordered(value: &Value) -> bool {
    match value {
        Value::Set(values) => values.len() > 1 && values.iter().any(|one| matches!(one, Value::Object(_))),
        Value::List(values) | Value::Tuple(values) => values.iter().any(has_unordered),
        Value::Map(values) | Value::Object(values) => values.values().any(has_unordered),
        Value::Dynamic(_, value) => has_unordered(value),
        _ => false,
    }
}

/// A value with all that is known of what isn't.
fn shown(value: &Value) -> String {
    let all = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
    match value {
        Value::Unknown(None) => "(unknown)".into(),
        Value::Unknown(Some(known)) => {
            let mut text = "unknown".to_owned();
            if let Some(null) = known.null {
                text += if null { ", null" } else { ", not null" };
            }
            if let Some(prefix) = &known.prefix {
                write!(text, ", prefix {prefix:?}").unwrap();
            }
            let lengths = (known.min_length, known.max_length);
            if lengths != (None, None) {
                write!(text, ", lengths {lengths:?}").unwrap();
            }
            assert!(known.lower.is_none() && known.upper.is_none(), "bounds of numbers are new here");
            format!("({text})")
        }
        Value::List(values) => format!("[{}]", all(values)),
        Value::Set(values) => format!("set[{}]", all(values)),
        Value::Tuple(values) => format!("tuple[{}]", all(values)),
        Value::Map(values) | Value::Object(values) => {
            let entries = values.iter().map(|(name, value)| format!("{name:?} = {}", shown(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Dynamic(ty, value) => format!("{} of {}", shown(value), String::from_utf8_lossy(&ty.to_json_bytes())),
        known => known.to_string(),
    }
}
