use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{
    bare, read,
    run::{self, Kept},
    said, start,
};
use crate::{
    Apply, Attr, Change, Context, Delete, Fault, Model, Path, Resource, Value,
    proto::tfplugin5::{get_provider_schema, schema::nested_block::NestingMode},
    value::{BlockSet, Group},
};

/// A wall.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Wall {
    /// Its name.
    #[tf(required)]
    name: Attr<String>,
    /// What is let through.
    #[tf(block, max = 3)]
    rule: BlockSet<Rule>,
    /// Disks by label.
    #[tf(block)]
    disk: BTreeMap<String, Disk>,
    /// How it looks.
    #[tf(block)]
    look: Group<Look>,
}

/// What is let through.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Rule {
    /// The port.
    #[tf(required)]
    port: Attr<i64>,
    /// How.
    #[tf(default = "tcp")]
    protocol: Attr<String>,
    /// Its number.
    #[tf(computed)]
    id: Attr<String>,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Disk {
    /// How large.
    #[tf(required, replace)]
    gb: Attr<i64>,
    /// Its number.
    #[tf(computed)]
    id: Attr<String>,
}

/// How it looks.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Look {
    /// The colour.
    #[tf(default = "grey")]
    colour: Attr<String>,
    /// How bright.
    #[tf(optional)]
    light: Attr<i64>,
}

struct WallResource;

/// Gives numbers to what has none.
fn built(mut wall: Wall) -> Wall {
    for rule in wall.rule.iter_mut().filter(|rule| !rule.id.is_known()) {
        rule.id = format!("r{}", rule.port.known().unwrap()).into();
    }
    for (label, disk) in wall.disk.iter_mut().filter(|(_, disk)| !disk.id.is_known()) {
        disk.id = format!("d-{label}").into();
    }
    wall
}

impl Resource for WallResource {
    type Model = Wall;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_wall";

    fn plan(&self, change: &mut Change<Self>) {
        if change.planned.name.known().is_some_and(|name| name == "odd") {
            change.planned.rule.pop();
        }
    }

    async fn read(&self, _: &Context<()>, mut prior: Wall, _: Option<()>) -> Result<Option<(Wall, ())>, Fault> {
        // servers answer in whatever order
        prior.rule.reverse();
        Ok(Some((prior, ())))
    }

    async fn create(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Wall, ()), Fault> {
        Ok((built(apply.planned), ()))
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Wall, ()), Fault> {
        Ok((built(apply.planned), ()))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

/// The same in JSON as a state has it.
fn shown(kept: &Kept) -> Json {
    let ty = Wall::block().ty();
    serde_json::from_slice(&crate::value::json::encode(&ty, &kept.value).unwrap()).unwrap()
}

#[tokio::test]
async fn blocks_of_every_kind_live() {
    let server = bare().resource(WallResource);
    assert_eq!(server.problems(), [""; 0]);
    let mut client = start(server).await;
    let first = json!({
        "name": "a",
        "rule": [{ "port": 80 }, { "port": 443, "protocol": "udp" }],
        "disk": { "data": { "gb": 10 } },
        "look": {},
    });
    let kept = run::apply::<WallResource>(&mut client, &Kept::default(), &first).await;
    assert_eq!(
        shown(&kept),
        json!({
            "name": "a",
            "rule": [
                { "id": "r443", "port": 443, "protocol": "udp" },
                { "id": "r80", "port": 80, "protocol": "tcp" },
            ],
            "disk": { "data": { "gb": 10, "id": "d-data" } },
            "look": { "colour": "grey", "light": null },
        })
    );
    // what stays keeps its number, whatever comes, goes or moves around it
    let second = json!({
        "name": "a",
        "rule": [{ "port": 22 }, { "port": 80 }],
        "disk": { "data": { "gb": 10 }, "logs": { "gb": 1 } },
        "look": { "light": 7 },
    });
    let plan = run::planned::<WallResource>(&mut client, &kept, &run::config::<WallResource>(&second)).await;
    let planned = read(&Wall::block().ty(), plan.planned_state.as_ref());
    let ids: Vec<_> =
        planned.get("rule").unwrap().elements().unwrap().iter().map(|rule| rule.get("id").cloned()).collect();
    assert!(ids.contains(&Some("r80".into())) && ids.contains(&Some(Value::unknown())), "{ids:?}");
    assert_eq!(planned.at(&Path::from("disk").key("data").attr("id")), Some(&"d-data".into()));
    assert_eq!(planned.at(&Path::from("disk").key("logs").attr("id")), Some(&Value::unknown()));
    assert_eq!(plan.requires_replace, []);
    let kept = run::apply::<WallResource>(&mut client, &kept, &second).await;
    assert_eq!(shown(&kept)["rule"][1], json!({ "id": "r80", "port": 80, "protocol": "tcp" }));
    assert_eq!(shown(&kept)["look"], json!({ "colour": "grey", "light": 7 }));

    // all of it goes
    let third = json!({ "name": "a", "rule": [], "disk": {}, "look": {} });
    let kept = run::apply::<WallResource>(&mut client, &kept, &third).await;
    assert_eq!(
        shown(&kept),
        json!({ "name": "a", "rule": [], "disk": {}, "look": { "colour": "grey", "light": null } })
    );
}

#[tokio::test]
async fn a_change_below_a_label_replaces() {
    let mut client = start(bare().resource(WallResource)).await;
    let with = |gb: i64| json!({ "name": "a", "rule": [], "disk": { "data": { "gb": gb } }, "look": {} });
    let kept = run::apply::<WallResource>(&mut client, &Kept::default(), &with(1)).await;
    let plan = run::planned::<WallResource>(&mut client, &kept, &run::config::<WallResource>(&with(2))).await;
    let steps = format!("{:?}", plan.requires_replace);
    assert!(plan.requires_replace.len() == 1 && steps.contains("data") && steps.contains("gb"), "{steps}");
}

#[tokio::test]
async fn a_plan_that_loses_a_block_is_a_bug() {
    let mut client = start(bare().resource(WallResource)).await;
    let json = json!({ "name": "odd", "rule": [{ "port": 1 }, { "port": 2 }], "disk": {}, "look": {} });
    let plan = run::planned::<WallResource>(&mut client, &Kept::default(), &run::config::<WallResource>(&json)).await;
    let text = said(&plan.diagnostics);
    assert!(
        text.contains("bug of the provider in `bare_wall` at `rule`") && text.contains("1 blocks are planned"),
        "{text}"
    );
}

#[tokio::test]
async fn rules_hold_for_each_of_them() {
    let mut client = start(bare().resource(WallResource)).await;
    let rules: Vec<_> = (1..=4).map(|port| json!({ "port": port })).collect();
    let json = json!({ "name": "a", "rule": rules, "disk": { "data": {} }, "look": {} });
    let said = run::validate::<WallResource>(&mut client, &json, true).await;
    assert!(said.contains("At most 3 blocks `rule`") && said.contains("`disk[\"data\"].gb` is null here"), "{said}");
}

#[tokio::test]
async fn the_schema_has_the_modes_of_the_protocol() {
    let mut client = start(bare().resource(WallResource)).await;
    let schema = client.get_schema(get_provider_schema::Request {}).await.unwrap().into_inner();
    let blocks = &schema.resource_schemas["bare_wall"].block.as_ref().unwrap().block_types;
    let modes: Vec<_> =
        blocks.iter().map(|one| (one.type_name.as_str(), one.nesting(), one.min_items, one.max_items)).collect();
    assert_eq!(
        modes,
        [("rule", NestingMode::Set, 0, 3), ("disk", NestingMode::Map, 0, 0), ("look", NestingMode::Group, 0, 0)]
    );
}
