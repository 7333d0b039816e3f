use serde_json::{Value as Json, json};

use super::{
    bare, of,
    run::{self, Kept},
    said, start,
};
use crate::{
    Apply, Attr, Context, Delete, Fault, Model, Resource, Secret, Value, plan,
    proto::tfplugin5::generate_resource_config, value::json as codec,
};

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// Its name.
    #[tf(required)]
    name: Attr<String>,
    /// How many.
    #[tf(default = 3)]
    count_of: Attr<i64>,
    /// Where.
    #[tf(optional, computed)]
    zone: Attr<String>,
    /// Its number.
    #[tf(computed)]
    id: Attr<String>,
    /// The password.
    #[tf(optional, write_only)]
    password: Attr<Secret<String>>,
    /// The old way.
    #[tf(optional, deprecated = "Use `zone`.")]
    place: Attr<String>,
    /// One way.
    #[tf(optional, computed, conflicts_with("other"))]
    one: Attr<String>,
    /// Another way.
    #[tf(optional, computed)]
    other: Attr<String>,
    /// Parts.
    #[tf(block)]
    part: Vec<Part>,
    /// How long things may take.
    #[tf(block)]
    timeouts: Option<Timeouts>,
}

/// A part.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Part {
    /// How heavy.
    #[tf(default = 1)]
    weight: Attr<i64>,
    /// Its number.
    #[tf(computed)]
    id: Attr<String>,
}

/// How long things may take.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Timeouts {
    /// To make it.
    #[tf(optional)]
    create: Attr<String>,
}

struct ThingResource;

impl Resource for ThingResource {
    type Model = Thing;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_thing";

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

#[tokio::test]
async fn the_configuration_of_what_exists_is_short_and_changes_nothing() {
    let mut client = start(bare().resource(ThingResource)).await;
    let state = json!({
        "name": "a", "count_of": 3, "zone": "z", "id": "1", "one": "x", "other": "y", "place": "z",
        "part": [{ "weight": 1, "id": "p" }, { "weight": 2, "id": "q" }],
        "timeouts": { "create": "1h" },
    });
    let request = generate_resource_config::Request { type_name: "bare_thing".to_owned(), state: of::<Thing>(&state) };
    let answer = client.generate_resource_config(request).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "");
    let config = super::read(&Thing::block().ty(), answer.config.as_ref());
    let shown: Json = serde_json::from_slice(&codec::encode(&Thing::block().ty(), &config).unwrap()).unwrap();
    assert_eq!(
        shown,
        json!({
            "name": "a", "count_of": null, "zone": "z", "id": null, "password": null, "place": null, "one": "x",
            "other": null, "part": [{ "weight": null, "id": null }, { "weight": 2, "id": null }], "timeouts": null,
        })
    );
    assert_eq!(run::validate::<ThingResource>(&mut client, &shown, true).await, "");
    // without what is deprecated, and what is about runs
    let Value::Object(mut values) = run::config::<ThingResource>(&state) else { panic!("no object") };
    values.insert("place".to_owned(), Value::Null);
    values.insert("timeouts".to_owned(), Value::Null);
    let kept = Kept { value: Value::Object(values), private: Vec::new() };
    let again = run::planned::<ThingResource>(&mut client, &kept, &config).await;
    assert_eq!(super::read(&Thing::block().ty(), again.planned_state.as_ref()), kept.value);
    assert_eq!(plan::config_of(&Thing::block(), &Value::Null), Value::Null);
}
