//! The service with a resource whose every step can go wrong, without a process around it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde_json::{Value as Json, json};
use tonic::Request;

use super::{Server, service::Service};
use crate::{
    Apply, Attr, Change, Context, Delete, Diagnostics, Fault, Model, Path, Provider, Resource, Type, Value,
    proto::tfplugin5::{
        self as proto, DynamicValue, apply_resource_change, configure, import_resource_state, plan_resource_change,
        provider_server::Provider as _, read_resource,
    },
    value::{json as codec, msgpack},
};

#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Config {}

struct Dice;

impl Provider for Dice {
    type Config = Config;
    type Client = AtomicI64;

    async fn configure(&self, _: Config, _: &str) -> Result<AtomicI64, Fault> {
        Ok(AtomicI64::new(0))
    }
}

/// A die.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Die {
    /// What goes wrong.
    #[tf(required)]
    trick: Attr<String>,
    /// Where it lies.
    #[tf(optional)]
    place: Attr<String>,
    /// What it is made of.
    #[tf(optional, replace)]
    stuff: Attr<String>,
    /// What it shows.
    #[tf(computed)]
    face: Attr<i64>,
}

/// Rolls differ within one process, as a live look at the world would.
static ROLLS: AtomicI64 = AtomicI64::new(0);

struct DieResource;

impl Resource for DieResource {
    type Model = Die;
    type Client = AtomicI64;
    type Observation = i64;
    type Intent = Vec<String>;

    const NAME: &'static str = "dice_die";

    fn plan(&self, change: &mut Change<Self>) {
        let trick = change.planned.trick.known().cloned().unwrap_or_default();
        match trick.as_str() {
            "random" => change.planned.face = ROLLS.fetch_add(1, Ordering::Relaxed).into(),
            "random intent" => change.intent = Some(vec![ROLLS.fetch_add(1, Ordering::Relaxed).to_string()]),
            "invalid" => change.planned.place = Attr::Known("elsewhere".to_owned()),
            "panic" => panic!("no plan"),
            "refuse" => change.diags.error(Path::from("trick"), "Refused", "As asked."),
            "replace" => {
                change.replace(Path::from("place"));
                change.replace(Path::from("trick"));
            }
            "observed" => change.intent = change.observation.map(|face| vec![format!("turn away from {face}")]),
            _ => {}
        }
    }

    fn plan_destroy(&self, prior: &Die, observation: Option<&i64>, diags: &mut Diagnostics) {
        if prior.trick.known().is_some_and(|trick| trick == "keep") {
            diags.error(None, "Kept", format!("It shows {observation:?}."));
        }
    }

    async fn read(
        &self,
        ctx: &Context<AtomicI64>,
        mut prior: Die,
        _: Option<i64>,
    ) -> Result<Option<(Die, i64)>, Fault> {
        match prior.trick.known().map(String::as_str) {
            Some("gone") => return Ok(None),
            Some("unknown") => prior.face = Attr::Unknown,
            Some("warn") => ctx.warn_at(Path::from("place"), "Slippery", "It may fall."),
            Some("fail") => return Err(Fault::new("Dark", "Nothing to be seen.")),
            _ => {}
        }
        Ok(Some((prior, 6)))
    }

    async fn create(&self, _: &Context<AtomicI64>, apply: Apply<Self>) -> Result<(Die, i64), Fault> {
        let mut die = apply.planned;
        die.face = 1.into();
        Ok((die, 1))
    }

    async fn update(&self, ctx: &Context<AtomicI64>, apply: Apply<Self>) -> Result<(Die, i64), Fault> {
        let what = apply.intent.unwrap_or_default().join(", ");
        ctx.warn("Asked", format!("{what}; seen {:?}", apply.observation));
        Err(Fault::new("Failed", "Nothing was done."))
    }

    async fn delete(&self, _: &Context<AtomicI64>, delete: Delete<Self>) -> Result<(), Fault> {
        let mut left = delete.prior;
        left.place = Attr::Unknown;
        delete.save.save(left, 3);
        Err(Fault::new("Half gone", "The rest is stuck."))
    }
}

fn ty() -> Type {
    Die::block().ty()
}

fn die(trick: &str, more: &Json) -> Json {
    let mut die = json!({ "trick": trick, "place": null, "stuff": null, "face": null });
    die.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    die
}

fn message(value: &Json) -> Option<DynamicValue> {
    let value = codec::decode(&ty(), value.to_string().as_bytes()).unwrap();
    Some(DynamicValue { msgpack: msgpack::encode(&ty(), &value).unwrap(), json: Vec::new() })
}

fn value(message: Option<&DynamicValue>) -> Value {
    msgpack::decode(&ty(), &message.unwrap().msgpack).unwrap()
}

fn said(diagnostics: &[proto::Diagnostic]) -> String {
    diagnostics.iter().map(|one| format!("{}: {}\n", one.summary, one.detail)).collect()
}

async fn service() -> Service<Dice> {
    let service = Service::new(Server::new("x/y/dice", "0.0.0", Dice).resource(DieResource).grace(Duration::ZERO));
    service.configure(Request::new(configure::Request::default())).await.unwrap();
    service
}

/// Plans as Terraform asks for it; computed attributes keep their prior value in what it proposes.
async fn plan(prior: &Json, config: &Json, private: &[u8]) -> plan_resource_change::Response {
    let mut proposed = config.clone();
    if let (Some(face), false) = (prior.get("face"), config.is_null()) {
        proposed["face"] = face.clone();
    }
    let request = plan_resource_change::Request {
        type_name: "dice_die".to_owned(),
        prior_state: message(prior),
        config: message(config),
        proposed_new_state: message(&proposed),
        prior_private: private.to_vec(),
        ..Default::default()
    };
    service().await.plan_resource_change(Request::new(request)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_plan_of_something_new_is_unknown_where_it_is_computed() {
    let answer = plan(&Json::Null, &die("none", &json!({})), b"").await;
    assert_eq!(said(&answer.diagnostics), "");
    assert!(value(answer.planned_state.as_ref()).get("face").unwrap().is_unknown());
    assert_eq!(answer.planned_private, br#"{"v":1}"#);
}

#[tokio::test]
async fn a_plan_that_does_not_repeat_is_a_bug() {
    for (trick, place) in [("random", " at `face`"), ("random intent", "")] {
        let answer = plan(&Json::Null, &die(trick, &json!({})), b"").await;
        let text = said(&answer.diagnostics);
        assert!(text.starts_with("Plan that doesn't repeat: This is a bug of the provider in `dice_die`"), "{text}");
        assert!(text.contains(place), "{text}");
    }
}

#[tokio::test]
async fn a_plan_that_terraform_would_refuse_is_a_bug() {
    let answer = plan(&Json::Null, &die("invalid", &json!({ "place": "here" })), b"").await;
    let text = said(&answer.diagnostics);
    assert!(text.starts_with("Invalid plan: This is a bug of the provider in `dice_die` at `place`"), "{text}");
}

#[tokio::test]
async fn a_refusal_and_a_panic_are_diagnostics() {
    let answer = plan(&Json::Null, &die("refuse", &json!({})), b"").await;
    assert_eq!(said(&answer.diagnostics), "Refused: As asked.\n");
    let answer = plan(&Json::Null, &die("panic", &json!({})), b"").await;
    assert!(said(&answer.diagnostics).contains("no plan"));
}

#[tokio::test]
async fn replacement_is_asked_for_where_something_differs() {
    let prior = die("replace", &json!({ "place": "a", "stuff": "wood", "face": 1 }));
    let paths = |answer: &plan_resource_change::Response| -> Vec<String> {
        let name = |path: &proto::AttributePath| format!("{:?}", path.steps);
        answer.requires_replace.iter().map(name).collect()
    };
    let answer = plan(&prior, &die("replace", &json!({ "place": "a", "stuff": "wood" })), b"").await;
    assert_eq!(paths(&answer), [""; 0]);
    let answer = plan(&prior, &die("replace", &json!({ "place": "b", "stuff": "bone" })), b"").await;
    let paths = paths(&answer);
    assert!(paths.len() == 2 && paths[0].contains("stuff") && paths[1].contains("place"), "{paths:?}");
}

#[tokio::test]
async fn what_was_seen_reaches_the_plan_and_what_was_decided_reaches_the_apply() {
    let service = service().await;
    let prior = die("observed", &json!({ "face": 6 }));
    let request = read_resource::Request {
        type_name: "dice_die".to_owned(),
        current_state: message(&prior),
        ..Default::default()
    };
    let seen = service.read_resource(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(seen.private, br#"{"observation":6,"v":1}"#);

    let config = die("observed", &json!({ "place": "table" }));
    let planned = plan(&prior, &config, &seen.private).await;
    assert_eq!(said(&planned.diagnostics), "");
    let request = apply_resource_change::Request {
        type_name: "dice_die".to_owned(),
        prior_state: message(&prior),
        planned_state: planned.planned_state,
        config: message(&config),
        planned_private: planned.planned_private,
        ..Default::default()
    };
    let applied = service.apply_resource_change(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(said(&applied.diagnostics), "Asked: turn away from 6; seen Some(6)\nFailed: Nothing was done.\n");
    // nothing was done, so nothing has changed
    assert_eq!(applied.new_state, message(&prior));
    assert_eq!(applied.private, seen.private);

    // what is made anew knows nothing of what was
    let planned = plan(&Json::Null, &config, &seen.private).await;
    assert_eq!(planned.planned_private, br#"{"v":1}"#);
}

#[tokio::test]
async fn a_read_never_loses_state() {
    let service = service().await;
    let read = async |trick: &str| {
        let request = read_resource::Request {
            type_name: "dice_die".to_owned(),
            current_state: message(&die(trick, &json!({ "face": 2 }))),
            private: b"before".to_vec(),
            ..Default::default()
        };
        service.read_resource(Request::new(request)).await.unwrap().into_inner()
    };
    for (trick, text) in [("fail", "Dark: "), ("unknown", "Unknown value in a result: This is a bug")] {
        let answer = read(trick).await;
        assert!(said(&answer.diagnostics).starts_with(text), "{:?}", answer.diagnostics);
        assert_eq!(answer.new_state, message(&die(trick, &json!({ "face": 2 }))));
        assert_eq!(answer.private, b"before");
    }
    let answer = read("warn").await;
    assert_eq!(answer.diagnostics[0].severity(), proto::diagnostic::Severity::Warning);
    assert!(answer.diagnostics[0].attribute.is_some());
    assert!(value(read("gone").await.new_state.as_ref()).is_null());
}

#[tokio::test]
async fn a_destroy_can_be_refused_and_what_is_left_is_kept() {
    let prior = die("keep", &json!({ "face": 2 }));
    let answer = plan(&prior, &Json::Null, br#"{"v":1,"observation":5}"#).await;
    assert_eq!(said(&answer.diagnostics), "Kept: It shows Some(5).\n");

    let prior = die("none", &json!({ "place": "table", "face": 2 }));
    let planned = plan(&prior, &Json::Null, b"private").await;
    assert_eq!(said(&planned.diagnostics), "");
    assert!(value(planned.planned_state.as_ref()).is_null());
    let request = apply_resource_change::Request {
        type_name: "dice_die".to_owned(),
        prior_state: message(&prior),
        planned_state: planned.planned_state,
        config: message(&Json::Null),
        planned_private: planned.planned_private,
        ..Default::default()
    };
    let answer = service().await.apply_resource_change(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "Half gone: The rest is stuck.\n");
    assert_eq!(answer.new_state, message(&die("none", &json!({ "place": null, "face": 2 }))));
    assert_eq!(answer.private, br#"{"observation":3,"v":1}"#);
}

#[tokio::test]
async fn import_is_refused_unless_offered() {
    let request =
        import_resource_state::Request { type_name: "dice_die".to_owned(), id: "x".to_owned(), ..Default::default() };
    let answer = service().await.import_resource_state(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "Import isn't supported: `dice_die` can't be imported.\n");
    assert!(answer.imported_resources.is_empty());
}
