use super::{Client, bare, model, said, start};
use crate::{
    Apply, Attr, Context, Delete, Fault, Model, Resource, Upgrades,
    proto::tfplugin5::{RawState, upgrade_resource_state},
};

/// The first shape.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct ThingV3 {
    /// Its title.
    #[tf(required)]
    title: Attr<String>,
}

/// The second shape.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct ThingV4 {
    /// Its name.
    #[tf(required)]
    name: Attr<String>,
}

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// Its name.
    #[tf(required)]
    name: Attr<String>,
    /// How long the name is.
    #[tf(computed)]
    length: Attr<i64>,
}

struct ThingResource;

impl Resource for ThingResource {
    type Model = Thing;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_thing";
    const VERSION: i64 = 5;

    async fn read(&self, _: &Context<()>, prior: Thing, _: Option<()>) -> Result<Option<(Thing, ())>, Fault> {
        Ok(Some((prior, ())))
    }

    async fn create(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Ok((apply.planned, ()))
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Ok((apply.planned, ()))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

fn first() -> Upgrades<ThingV4> {
    Upgrades::from_version(3).then(|old: ThingV3| Ok(ThingV4 { name: old.title }))
}

fn second(old: ThingV4) -> Result<Thing, Fault> {
    let name = old.name.known().ok_or_else(|| Fault::new("Nameless", "It has no name."))?;
    Ok(Thing { length: i64::try_from(name.len()).unwrap_or_default().into(), name: old.name })
}

async fn upgrade(client: &mut Client, version: i64, stored: &str) -> upgrade_resource_state::Response {
    let raw_state = Some(RawState { json: stored.as_bytes().to_vec(), ..Default::default() });
    let request = upgrade_resource_state::Request { type_name: "bare_thing".to_owned(), version, raw_state };
    client.upgrade_resource_state(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn every_old_shape_becomes_that_of_today() {
    let upgrades = first().then(second);
    let mut client = start(bare().resource(ThingResource).upgrades::<ThingResource>(upgrades)).await;
    let thing = Thing { name: "abc".into(), length: 3.into() };
    for (version, stored) in
        [(3, r#"{"title":"abc","gone":1}"#), (4, r#"{"name":"abc"}"#), (5, r#"{"name":"abc","length":3}"#)]
    {
        let answer = upgrade(&mut client, version, stored).await;
        assert_eq!(said(&answer.diagnostics), "", "{version}");
        assert_eq!(model::<Thing>(answer.upgraded_state.as_ref()), thing, "{version}");
    }
    let answer = upgrade(&mut client, 4, "{}").await;
    assert_eq!(said(&answer.diagnostics), "error: Nameless: It has no name.\n");
    for (version, hint) in [(2, "between the two"), (6, "newer version"), (i64::MIN, "between the two")] {
        let answer = upgrade(&mut client, version, "{}").await;
        assert!(said(&answer.diagnostics).contains(hint), "{:?}", answer.diagnostics);
    }
}

#[tokio::test]
async fn upgrades_that_end_too_early_are_a_bug() {
    let early = Upgrades::from_version(3).then(|old: ThingV3| Ok(Thing { name: old.title, ..Thing::default() }));
    let mut client = start(bare().resource(ThingResource).upgrades::<ThingResource>(early)).await;
    let text = said(&upgrade(&mut client, 3, r#"{"title":"abc"}"#).await.diagnostics);
    assert!(text.contains("bug of the provider") && text.contains("the upgrades end with version 4, not 5"), "{text}");
}
