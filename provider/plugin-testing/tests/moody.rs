//! The recorder against a provider that plans by what it should not: it has to find that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, path::Path};

use hyper_util::rt::TokioIo;
use terraform_plugin::{
    Type, Value,
    proto::tfplugin5::{DynamicValue, configure, plan_resource_change, provider_client::ProviderClient},
    value::{ObjectType, msgpack},
};
use terraform_plugin_testing::{Action, Recorder, replay};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

const BINARY: &str = env!("CARGO_BIN_EXE_moody-provider");

async fn connect(socket: &Path) -> ProviderClient<Channel> {
    let socket = socket.to_owned();
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        }))
        .await
        .unwrap();
    ProviderClient::new(channel)
}

fn packed(ty: &Type, value: &Value) -> Option<DynamicValue> {
    Some(DynamicValue { msgpack: msgpack::encode(ty, value).unwrap(), json: Vec::new() })
}

fn object(fields: &[&str]) -> Type {
    let attributes = fields.iter().map(|name| ((*name).to_owned(), Type::String)).collect();
    Type::Object(ObjectType { attributes, optional: Default::default() })
}

/// As Terraform asks for the creation of a thing.
async fn plan(client: &mut ProviderClient<Channel>, kind: &str, name: &str) {
    let ty = object(&["name", "mood"]);
    let thing = |mood| Value::object([("name", Value::from(name)), ("mood", mood)]);
    let request = plan_resource_change::Request {
        type_name: kind.to_owned(),
        prior_state: packed(&ty, &Value::Null),
        proposed_new_state: packed(&ty, &thing(Value::unknown())),
        config: packed(&ty, &thing(Value::Null)),
        ..Default::default()
    };
    let answer = client.plan_resource_change(request).await.unwrap().into_inner();
    assert!(answer.diagnostics.is_empty(), "the provider's own check is content: {:?}", answer.diagnostics);
}

#[tokio::test]
async fn a_plan_by_the_world_or_by_the_process_is_found_and_an_honest_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world");
    fs::write(&world, "sunny").unwrap();
    let recorder = Recorder::start(Path::new(BINARY), &[]).await.unwrap();
    let mut client = connect(recorder.socket()).await;
    let config = packed(&object(&["world"]), &Value::object([("world", Value::Null)]));
    let configured = client.configure(configure::Request { config, ..Default::default() }).await.unwrap().into_inner();
    assert!(configured.diagnostics.is_empty());
    let name = world.to_str().unwrap();
    for kind in ["moody_steady", "moody_worldly"] {
        plan(&mut client, kind, name).await;
    }
    let plans = recorder.take().unwrap();
    assert_eq!(plans.iter().map(|plan| plan.resource.as_str()).collect::<Vec<_>>(), ["moody_steady", "moody_worldly"]);
    assert!(plans.iter().all(|plan| plan.action == Action::Create && !plan.replaces));
    assert!(recorder.take().unwrap().is_empty(), "taken is taken");

    // nothing has changed so far
    assert_eq!(replay(Path::new(BINARY), &[], &plans).await.unwrap(), []);

    fs::write(&world, "rainy").unwrap();
    let found = replay(Path::new(BINARY), &[], &plans).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].resource.as_str(), found[0].action), ("moody_worldly", Action::Create));
    assert_eq!(found[0].parts, ["the planned state", "the private state"]);
    assert!(found[0].said[0].contains("sunny") && found[0].said[1].contains("rainy"), "{}", found[0]);

    // what only another process shows
    plan(&mut client, "moody_selfish", name).await;
    let found = replay(Path::new(BINARY), &[], &recorder.take().unwrap()).await.unwrap();
    assert_eq!(found.iter().map(|one| one.resource.as_str()).collect::<Vec<_>>(), ["moody_selfish"]);
}

#[tokio::test]
async fn what_is_no_provider_is_said_so() {
    let error = Recorder::start(Path::new("/bin/true"), &[]).await.err().unwrap().to_string();
    assert!(error.contains("does not serve in debug mode"), "{error}");
}
