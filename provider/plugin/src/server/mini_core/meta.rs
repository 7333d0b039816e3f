use serde_json::json;

use super::{Bare, bare, of, packed, said, start};
use crate::{
    Apply, Attr, Change, Context, DataSource, Delete, Fault, Model, Resource, Server, Value,
    proto::tfplugin5::{
        DynamicValue, apply_resource_change, get_provider_schema, plan_resource_change, read_data_source, read_resource,
    },
};

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Meta {
    /// Name of the module.
    #[tf(required, one_of("network", "disks"))]
    module: Attr<String>,
}

/// A thing that says for whom it is.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// Who planned it.
    #[tf(computed)]
    planned: Attr<String>,
    /// Who made it.
    #[tf(computed)]
    made: Attr<String>,
}

fn module(meta: Option<Meta>) -> Attr<String> {
    meta.map_or_else(|| "nobody".into(), |meta| meta.module)
}

struct ThingResource;

impl Resource for ThingResource {
    type Model = Thing;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_thing";

    fn plan(&self, change: &mut Change<Self>) {
        match change.meta::<Meta>() {
            Ok(meta) => change.planned.planned = module(meta),
            Err(fault) => change.diags.extend(fault.diagnostics),
        }
    }

    async fn read(&self, ctx: &Context<()>, _: Thing, _: Option<()>) -> Result<Option<(Thing, ())>, Fault> {
        let asked = module(ctx.meta()?);
        Ok(Some((Thing { planned: asked.clone(), made: asked }, ())))
    }

    async fn create(&self, ctx: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Ok((Thing { made: module(ctx.meta()?), ..apply.planned }, ()))
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Ok((apply.planned, ()))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

struct ThingSource;

impl DataSource for ThingSource {
    type Model = Thing;
    type Client = ();

    const NAME: &'static str = "bare_thing";

    async fn read(&self, ctx: &Context<()>, _: Thing) -> Result<Thing, Fault> {
        let asked = module(ctx.meta()?);
        Ok(Thing { planned: asked.clone(), made: asked })
    }
}

fn server() -> Server<Bare> {
    bare().resource(ThingResource).data_source(ThingSource).provider_meta::<Meta>()
}

fn meta(module: &str) -> Option<DynamicValue> {
    of::<Meta>(&json!({ "module": module }))
}

fn thing(planned: Value, made: Value) -> Option<DynamicValue> {
    packed(&Thing::block().ty(), &Value::object([("planned", planned), ("made", made)]))
}

fn empty() -> Option<DynamicValue> {
    of::<Thing>(&json!({}))
}

#[tokio::test]
async fn what_a_module_says_reaches_every_call_on_its_behalf() {
    let server = server();
    assert_eq!(server.problems(), [""; 0]);
    let mut client = start(server).await;
    let schema = client.get_schema(get_provider_schema::Request {}).await.unwrap().into_inner();
    assert_eq!(schema.provider_meta.unwrap().block.unwrap().attributes[0].name, "module");
    let name = || "bare_thing".to_owned();
    for (given, expected) in
        [(meta("network"), "network"), (None, "nobody"), (packed(&Meta::block().ty(), &Value::Null), "nobody")]
    {
        let request = plan_resource_change::Request {
            type_name: name(),
            prior_state: packed(&Thing::block().ty(), &Value::Null),
            config: empty(),
            proposed_new_state: empty(),
            provider_meta: given.clone(),
            ..Default::default()
        };
        let planned = client.plan_resource_change(request).await.unwrap().into_inner();
        assert_eq!(planned.planned_state, thing(expected.into(), Value::unknown()), "{:?}", planned.diagnostics);
        let request = apply_resource_change::Request {
            type_name: name(),
            prior_state: packed(&Thing::block().ty(), &Value::Null),
            planned_state: planned.planned_state,
            config: empty(),
            provider_meta: given.clone(),
            ..Default::default()
        };
        let applied = client.apply_resource_change(request).await.unwrap().into_inner();
        let made = thing(expected.into(), expected.into());
        assert_eq!(applied.new_state, made);
        let request = read_resource::Request {
            type_name: name(),
            current_state: thing("".into(), "".into()),
            provider_meta: given.clone(),
            ..Default::default()
        };
        assert_eq!(client.read_resource(request).await.unwrap().into_inner().new_state, made);
        let request = read_data_source::Request {
            type_name: name(),
            config: empty(),
            provider_meta: given,
            ..Default::default()
        };
        assert_eq!(client.read_data_source(request).await.unwrap().into_inner().state, made);
    }
}

#[tokio::test]
async fn nonsense_is_refused_at_plan() {
    let mut client = start(server()).await;
    let request = plan_resource_change::Request {
        type_name: "bare_thing".to_owned(),
        prior_state: packed(&Thing::block().ty(), &Value::Null),
        config: empty(),
        proposed_new_state: empty(),
        provider_meta: meta("sheds"),
        ..Default::default()
    };
    let text = said(&client.plan_resource_change(request).await.unwrap().into_inner().diagnostics);
    assert!(text.contains("`sheds` is not allowed for `module`"), "{text}");
}
