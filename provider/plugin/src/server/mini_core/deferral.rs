use serde_json::json;

use super::{
    model, of, packed, read,
    run::{self, Kept},
    said, start,
};
use crate::{
    Action, Apply, Attr, Change, Context, DataSource, Deferred, Delete, Diagnostics, Ephemeral, Fault, Model, Opened,
    Progress, Provider, Resource, Server, Value, plan,
    proto::tfplugin5::{
        self as proto, ClientCapabilities, close_ephemeral_resource, configure, deferred::Reason,
        import_resource_state, open_ephemeral_resource, plan_action, plan_resource_change, read_data_source,
        read_resource,
    },
};

/// Where it is.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Config {
    /// The address.
    #[tf(optional)]
    address: Attr<String>,
}

struct Lazy;

impl Provider for Lazy {
    type Config = Config;
    type Client = ();

    fn defer(&self, config: &Config) -> Option<Deferred> {
        config.address.is_unknown().then_some(Deferred::ProviderConfigUnknown)
    }

    async fn configure(&self, _: Config, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// What it stands on.
    #[tf(required)]
    ground: Attr<String>,
    /// Its number.
    #[tf(computed)]
    id: Attr<String>,
}

struct ThingResource;

const WHY: &str = "Apply the ground first.";

impl Resource for ThingResource {
    type Model = Thing;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "lazy_thing";

    fn plan(&self, change: &mut Change<Self>) {
        if change.config.ground.is_unknown() {
            change.defer(Deferred::ResourceConfigUnknown, WHY);
        }
    }

    async fn read(&self, ctx: &Context<()>, prior: Thing, _: Option<()>) -> Result<Option<(Thing, ())>, Fault> {
        ctx.defer(Deferred::AbsentPrerequisite, WHY)?;
        Ok(Some((prior, ())))
    }

    async fn create(&self, _: &Context<()>, _: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Err(Fault::new("Unreached", "Nothing is applied here."))
    }

    async fn update(&self, _: &Context<()>, _: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Err(Fault::new("Unreached", "Nothing is applied here."))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }

    fn import(&self, id: &str) -> Result<Thing, Fault> {
        Ok(Thing { id: id.into(), ..Thing::default() })
    }
}

struct ThingSource;

impl DataSource for ThingSource {
    type Model = Thing;
    type Client = ();

    const NAME: &'static str = "lazy_thing";

    async fn read(&self, ctx: &Context<()>, config: Thing) -> Result<Thing, Fault> {
        ctx.defer(Deferred::AbsentPrerequisite, WHY)?;
        Ok(Thing { id: Attr::Unknown, ..config })
    }
}

struct Lease;

impl Ephemeral for Lease {
    type Model = Thing;
    type Client = ();
    type Handle = ();

    const NAME: &'static str = "lazy_lease";

    async fn open(&self, ctx: &Context<()>, config: Thing) -> Result<Opened<Self>, Fault> {
        ctx.defer(Deferred::AbsentPrerequisite, WHY)?;
        Ok(Opened { model: Thing { id: Attr::Unknown, ..config }, handle: (), renew_at: None })
    }

    async fn close(&self, _: &Context<()>, (): ()) -> Result<(), Fault> {
        Err(Fault::new("Closed", "It was never opened."))
    }
}

/// Something to do.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Todo {}

struct Act;

impl Action for Act {
    type Config = Todo;
    type Client = ();

    const NAME: &'static str = "lazy_act";

    fn plan(&self, _: &Todo, diags: &mut Diagnostics) {
        diags.warning(None, "Asked", "The provider was asked.");
    }

    async fn invoke(&self, _: &Context<()>, _: Todo, _: &Progress) -> Result<(), Fault> {
        Ok(())
    }
}

const ALLOWED: Option<ClientCapabilities> =
    Some(ClientCapabilities { deferral_allowed: true, write_only_attributes_allowed: false });

/// A client that lets things wait or not, with a provider whose address is known or not.
async fn lazy(address: Value, allowed: bool) -> (super::Client, Option<ClientCapabilities>) {
    let server = Server::new("registry.terraform.io/test/lazy", "0.0.0", Lazy)
        .resource(ThingResource)
        .data_source(ThingSource)
        .ephemeral(Lease)
        .action(Act);
    let mut client = start(server).await;
    let capabilities = if allowed { ALLOWED } else { None };
    let request = configure::Request {
        config: packed(&Config::block().ty(), &Value::object([("address", address)])),
        client_capabilities: capabilities,
        ..Default::default()
    };
    assert_eq!(said(&client.configure(request).await.unwrap().into_inner().diagnostics), "");
    (client, capabilities)
}

fn reason(deferred: Option<&proto::Deferred>) -> Option<Reason> {
    deferred.map(proto::Deferred::reason)
}

fn unknown_ground() -> Value {
    Value::object([("ground", Value::unknown()), ("id", Value::Null)])
}

async fn planned(
    client: &mut super::Client,
    capabilities: Option<ClientCapabilities>,
    config: &Value,
) -> plan_resource_change::Response {
    let request = plan_resource_change::Request {
        type_name: "lazy_thing".to_owned(),
        prior_state: run::pack::<ThingResource>(&Value::Null),
        config: run::pack::<ThingResource>(config),
        proposed_new_state: run::pack::<ThingResource>(&plan::proposed_new(&Thing::block(), &Value::Null, config)),
        client_capabilities: capabilities,
        ..Default::default()
    };
    client.plan_resource_change(request).await.unwrap().into_inner()
}

async fn refreshed(
    client: &mut super::Client,
    capabilities: Option<ClientCapabilities>,
) -> (read_resource::Response, Kept) {
    let kept = Kept { value: run::config::<ThingResource>(&json!({ "ground": "g", "id": "1" })), private: vec![1] };
    let request = read_resource::Request {
        type_name: "lazy_thing".to_owned(),
        current_state: run::pack::<ThingResource>(&kept.value),
        private: kept.private.clone(),
        client_capabilities: capabilities,
        ..Default::default()
    };
    (client.read_resource(request).await.unwrap().into_inner(), kept)
}

#[tokio::test]
async fn a_thing_waits_where_terraform_lets_it() {
    let (mut client, allowed) = lazy("here".into(), true).await;
    let answer = planned(&mut client, allowed, &unknown_ground()).await;
    assert_eq!(said(&answer.diagnostics), "");
    assert_eq!(reason(answer.deferred.as_ref()), Some(Reason::ResourceConfigUnknown));
    assert!(read(&Thing::block().ty(), answer.planned_state.as_ref()).get("id").unwrap().is_unknown());
    let (answer, kept) = refreshed(&mut client, allowed).await;
    assert_eq!(reason(answer.deferred.as_ref()), Some(Reason::AbsentPrereq));
    assert_eq!(read(&Thing::block().ty(), answer.new_state.as_ref()), kept.value);
    // what is known needs no waiting
    let known = run::config::<ThingResource>(&json!({ "ground": "g" }));
    assert_eq!(reason(planned(&mut client, allowed, &known).await.deferred.as_ref()), None);

    let request = read_data_source::Request {
        type_name: "lazy_thing".to_owned(),
        config: of::<Thing>(&json!({ "ground": "g" })),
        client_capabilities: allowed,
        ..Default::default()
    };
    let answer = client.read_data_source(request).await.unwrap().into_inner();
    assert_eq!(
        (said(&answer.diagnostics), reason(answer.deferred.as_ref())),
        (String::new(), Some(Reason::AbsentPrereq))
    );
    assert!(model::<Thing>(answer.state.as_ref()).id.is_unknown());

    let request = open_ephemeral_resource::Request {
        type_name: "lazy_lease".to_owned(),
        config: of::<Thing>(&json!({ "ground": "g" })),
        client_capabilities: allowed,
    };
    let answer = client.open_ephemeral_resource(request).await.unwrap().into_inner();
    assert_eq!(
        (said(&answer.diagnostics), reason(answer.deferred.as_ref())),
        (String::new(), Some(Reason::AbsentPrereq))
    );
}

#[tokio::test]
async fn otherwise_it_is_an_error_that_says_what_to_do() {
    let (mut client, none) = lazy(Value::unknown(), false).await;
    let answer = planned(&mut client, none, &unknown_ground()).await;
    assert_eq!(said(&answer.diagnostics), "error: Configuration isn't known yet: Apply the ground first.\n");
    assert_eq!(reason(answer.deferred.as_ref()), None);
    let (answer, kept) = refreshed(&mut client, none).await;
    assert_eq!(said(&answer.diagnostics), "error: Something is missing: Apply the ground first.\n");
    assert_eq!(reason(answer.deferred.as_ref()), None);
    assert_eq!(read(&Thing::block().ty(), answer.new_state.as_ref()), kept.value);
}

#[tokio::test]
async fn a_provider_that_is_not_known_yet_makes_everything_wait() {
    let (mut client, allowed) = lazy(Value::unknown(), true).await;
    let why = Some(Reason::ProviderConfigUnknown);
    let known = run::config::<ThingResource>(&json!({ "ground": "g" }));
    let answer = planned(&mut client, allowed, &known).await;
    assert_eq!(reason(answer.deferred.as_ref()), why);
    let thing = model::<Thing>(answer.planned_state.as_ref());
    assert_eq!(thing, Thing { ground: "g".into(), id: Attr::Unknown });

    let (answer, kept) = refreshed(&mut client, allowed).await;
    assert_eq!((reason(answer.deferred.as_ref()), answer.private), (why, kept.private));
    assert_eq!(read(&Thing::block().ty(), answer.new_state.as_ref()), kept.value);

    let request = import_resource_state::Request {
        type_name: "lazy_thing".to_owned(),
        id: "1".to_owned(),
        client_capabilities: allowed,
        ..Default::default()
    };
    let answer = client.import_resource_state(request).await.unwrap().into_inner();
    assert_eq!(reason(answer.deferred.as_ref()), why);
    assert!(read(&Thing::block().ty(), answer.imported_resources[0].state.as_ref()).is_unknown());

    let config = of::<Thing>(&json!({ "ground": "g" }));
    let request = read_data_source::Request {
        type_name: "lazy_thing".to_owned(),
        config: config.clone(),
        client_capabilities: allowed,
        ..Default::default()
    };
    let answer = client.read_data_source(request).await.unwrap().into_inner();
    assert_eq!(reason(answer.deferred.as_ref()), why);
    assert!(model::<Thing>(answer.state.as_ref()).id.is_unknown());

    let request =
        open_ephemeral_resource::Request { type_name: "lazy_lease".to_owned(), config, client_capabilities: allowed };
    let answer = client.open_ephemeral_resource(request).await.unwrap().into_inner();
    assert_eq!((reason(answer.deferred.as_ref()), &answer.private), (why, &None));
    let request = close_ephemeral_resource::Request { type_name: "lazy_lease".to_owned(), private: None };
    assert_eq!(said(&client.close_ephemeral_resource(request).await.unwrap().into_inner().diagnostics), "");

    let request = plan_action::Request {
        action_type: "lazy_act".to_owned(),
        config: of::<Todo>(&json!({})),
        client_capabilities: allowed,
    };
    let answer = client.plan_action(request).await.unwrap().into_inner();
    assert_eq!((reason(answer.deferred.as_ref()), said(&answer.diagnostics)), (why, String::new()));

    // a client that forbids it in one call gets an answer
    let answer = planned(&mut client, None, &known).await;
    assert_eq!((reason(answer.deferred.as_ref()), said(&answer.diagnostics)), (None, String::new()));
}
