use serde_json::json;

use super::{Client, bare, model, of, packed, read, said, start};
use crate::{
    Apply, Attr, Change, Context, Delete, Fault, Identified, Model, Object, Resource, Typed, Value,
    proto::tfplugin5::{
        RawState, ResourceIdentityData, apply_resource_change, get_resource_identity_schemas, import_resource_state,
        plan_resource_change, read_resource, upgrade_resource_identity,
    },
};

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub(super) struct Disk {
    /// Where it is.
    #[tf(required, replace)]
    pub(super) zone: Attr<String>,
    /// How large it is.
    #[tf(optional)]
    pub(super) size: Attr<i64>,
    /// Its number.
    #[tf(computed)]
    pub(super) number: Attr<i64>,
}

pub(super) struct DiskResource;

impl Resource for DiskResource {
    type Model = Disk;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_disk";

    fn plan(&self, change: &mut Change<Self>) {
        // a number that isn't kept: forbidden, and found out by its identity
        if change.prior.is_some() && change.planned.size.known() == Some(&666) {
            change.planned.number = 13.into();
        }
        if change.prior.is_some() && change.planned.size.known() == Some(&7) {
            change.planned.number = Attr::Unknown;
        }
    }

    async fn read(&self, _: &Context<()>, mut prior: Disk, _: Option<()>) -> Result<Option<(Disk, ())>, Fault> {
        prior.size = 10.into();
        Ok(Some((prior, ())))
    }

    async fn create(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Disk, ()), Fault> {
        Ok((Disk { number: 42.into(), ..apply.planned }, ()))
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Disk, ()), Fault> {
        Ok((apply.planned, ()))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Object)]
pub(super) struct DiskId {
    /// Where it is; that of the provider if it is left out.
    #[tf(optional)]
    pub(super) zone: Attr<String>,
    /// Its number.
    pub(super) number: Attr<i64>,
}

pub(super) struct DiskIdentity;

impl Identified for DiskIdentity {
    type Resource = DiskResource;
    type Identity = DiskId;

    const VERSION: i64 = 1;

    fn identify(&self, disk: &Disk) -> DiskId {
        DiskId { zone: disk.zone.clone(), number: disk.number }
    }

    fn import(&self, identity: DiskId) -> Result<Disk, Fault> {
        Ok(Disk { zone: identity.zone, number: identity.number, ..Disk::default() })
    }

    fn upgrade(&self, version: i64, old: serde_json::Value) -> Result<DiskId, Fault> {
        match (version, old["id"].as_i64()) {
            (0, Some(number)) => Ok(DiskId { zone: Attr::Null, number: number.into() }),
            _ => Err(Fault::new("Too old", "Nobody knows it.")),
        }
    }
}

fn name() -> String {
    "bare_disk".to_owned()
}

fn id(zone: &str, number: Value) -> Option<ResourceIdentityData> {
    let value = Value::object([("zone", Value::from(zone)), ("number", number)]);
    Some(ResourceIdentityData { identity_data: packed(&DiskId::ty(), &value) })
}

fn seen(data: Option<&ResourceIdentityData>) -> Value {
    read(&DiskId::ty(), data.unwrap().identity_data.as_ref())
}

async fn client() -> Client {
    start(bare().resource(DiskResource).identified(DiskIdentity)).await
}

async fn plan(
    client: &mut Client,
    prior: &serde_json::Value,
    config: &serde_json::Value,
    prior_identity: Option<ResourceIdentityData>,
) -> plan_resource_change::Response {
    let mut proposed = config.clone();
    if !prior.is_null() && !config.is_null() {
        proposed["number"] = prior["number"].clone();
    }
    let request = plan_resource_change::Request {
        type_name: name(),
        prior_state: of::<Disk>(prior),
        proposed_new_state: of::<Disk>(&proposed),
        config: of::<Disk>(config),
        prior_identity,
        ..Default::default()
    };
    client.plan_resource_change(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_schema_says_what_an_import_needs() {
    let mut client = client().await;
    let request = get_resource_identity_schemas::Request {};
    let answer = client.get_resource_identity_schemas(request).await.unwrap().into_inner();
    let schema = &answer.identity_schemas["bare_disk"];
    assert_eq!(schema.version, 1);
    let [zone, number] = schema.identity_attributes.as_slice() else { panic!("{schema:?}") };
    assert!(zone.optional_for_import && !zone.required_for_import);
    assert!(number.required_for_import && !number.optional_for_import);
    assert_eq!((number.r#type.as_slice(), number.description.as_str()), (&br#""number""#[..], "Its number."));
}

#[tokio::test]
async fn an_identity_is_planned_made_and_kept() {
    let mut client = client().await;
    let config = json!({ "zone": "a", "size": 10 });
    let planned = plan(&mut client, &serde_json::Value::Null, &config, None).await;
    assert_eq!(said(&planned.diagnostics), "");
    assert!(seen(planned.planned_identity.as_ref()).get("number").unwrap().is_unknown());
    let request = apply_resource_change::Request {
        type_name: name(),
        prior_state: of::<Disk>(&serde_json::Value::Null),
        planned_state: planned.planned_state,
        config: of::<Disk>(&config),
        planned_private: planned.planned_private,
        planned_identity: planned.planned_identity,
        ..Default::default()
    };
    let applied = client.apply_resource_change(request).await.unwrap().into_inner();
    assert_eq!(said(&applied.diagnostics), "");
    assert_eq!(applied.new_identity, id("a", 42.into()));

    let state = json!({ "zone": "a", "size": 10, "number": 42 });
    for (config, anew) in [
        (json!({ "zone": "a", "size": 11 }), false),
        // not known yet, but it can only be the same
        (json!({ "zone": "a", "size": 7 }), false),
        (json!({ "zone": "b", "size": 10 }), true),
    ] {
        let planned = plan(&mut client, &state, &config, applied.new_identity.clone()).await;
        assert_eq!(said(&planned.diagnostics), "");
        assert_eq!(planned.requires_replace.len(), usize::from(anew));
        let zone = if anew { "b" } else { "a" };
        assert_eq!(planned.planned_identity, id(zone, 42.into()), "{config}");
    }
    let destroyed = plan(&mut client, &state, &serde_json::Value::Null, applied.new_identity.clone()).await;
    assert_eq!(destroyed.planned_identity, applied.new_identity);
}

#[tokio::test]
async fn an_identity_that_changes_is_a_bug() {
    let mut client = client().await;
    let state = json!({ "zone": "a", "size": 10, "number": 42 });
    let planned = plan(&mut client, &state, &json!({ "zone": "a", "size": 666 }), id("a", 42.into())).await;
    let text = said(&planned.diagnostics);
    assert!(text.contains("Changed identity: This is a bug of the provider in `bare_disk` at `number`"), "{text}");
    let request = read_resource::Request {
        type_name: name(),
        current_state: of::<Disk>(&state),
        current_identity: id("a", 41.into()),
        ..Default::default()
    };
    let answer = client.read_resource(request).await.unwrap().into_inner();
    assert!(said(&answer.diagnostics).contains("Changed identity"), "{:?}", answer.diagnostics);
    assert_eq!(answer.new_identity, id("a", 41.into()));
}

#[tokio::test]
async fn a_thing_is_imported_by_its_identity_and_read_gives_it_one() {
    let mut client = client().await;
    let request =
        import_resource_state::Request { type_name: name(), identity: id("a", 42.into()), ..Default::default() };
    let answer = client.import_resource_state(request).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "");
    let imported = &answer.imported_resources[0];
    assert_eq!(imported.identity, id("a", 42.into()));
    assert_eq!(model::<Disk>(imported.state.as_ref()).zone, "a".into());
    // a state of an older provider has no identity yet
    let request =
        read_resource::Request { type_name: name(), current_state: imported.state.clone(), ..Default::default() };
    let answer = client.read_resource(request).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "");
    assert_eq!(answer.new_identity, id("a", 42.into()));
}

#[tokio::test]
async fn an_identity_of_any_version_is_read() {
    let mut client = client().await;
    let mut upgrade = async |version, stored: &str| {
        let raw_identity = Some(RawState { json: stored.as_bytes().to_vec(), ..Default::default() });
        let request = upgrade_resource_identity::Request { type_name: name(), version, raw_identity };
        client.upgrade_resource_identity(request).await.unwrap().into_inner()
    };
    assert_eq!(upgrade(1, r#"{"zone":"a","number":42,"gone":1}"#).await.upgraded_identity, id("a", 42.into()));
    let old = upgrade(0, r#"{"id":42}"#).await.upgraded_identity;
    assert_eq!(seen(old.as_ref()).get("number"), Some(&42.into()));
    assert_eq!(said(&upgrade(7, "{}").await.diagnostics), "error: Too old: Nobody knows it.\n");
}
