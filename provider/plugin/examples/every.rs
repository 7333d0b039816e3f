//! What a schema can say, in one resource: write-only arguments, values that mean the same, blocks of every kind, values of any
//! type, promises about what isn't known yet, and what a module tells the provider. The world that it changes is only in the
//! state.
//!
//! Start it with `--debug` and give Terraform the line that it prints. `tests/features.rs` does just that.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use terraform_plugin::{
    Apply, Attr, Change, Context, Delete, Fault, Model, Number, Object, Provider, Resource, Secret, Server,
    value::{BlockSet, Dynamic, Group},
};

/// A provider of things.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub(crate) struct Config {}

pub(crate) struct Every;

impl Provider for Every {
    type Config = Config;
    type Client = ();

    async fn configure(&self, _: Config, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

/// What a module says.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Meta {
    /// Its name.
    #[tf(required)]
    module: Attr<String>,
}

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// What it says.
    #[tf(required, same_if("they have the same words", same_words))]
    text: Attr<String>,
    /// How many words it has.
    #[tf(computed, never_null, changes_with("text"))]
    words: Attr<i64>,
    /// A password.
    #[tf(optional, write_only)]
    password: Attr<Secret<String>>,
    /// Count it up when the password changes.
    #[tf(optional)]
    password_version: Attr<i64>,
    /// How long the password is.
    #[tf(computed, changes_with("password_version"))]
    password_length: Attr<i64>,
    /// How large it is.
    #[tf(default = 1, replace_if("it shrinks", shrinks))]
    size: Attr<i64>,
    /// Anything.
    #[tf(optional)]
    any: Attr<Dynamic>,
    /// Labels.
    #[tf(optional)]
    labels: Attr<Vec<Attr<String>>>,
    /// Whether it is new.
    #[tf(optional)]
    new: Attr<bool>,
    /// How much of it is left.
    #[tf(optional)]
    share: Attr<Number>,
    /// Where it listens.
    #[tf(optional)]
    ports: Attr<BTreeSet<i64>>,
    /// What else is said of it.
    #[tf(optional)]
    tags: Attr<BTreeMap<String, Attr<String>>>,
    /// Who has it.
    #[tf(optional)]
    owner: Attr<Owner>,
    /// The module that it is for.
    #[tf(computed)]
    module: Attr<String>,
    /// Its number.
    #[tf(computed, begins_with = "thing-")]
    id: Attr<String>,
    /// What is let through.
    #[tf(block)]
    rule: BlockSet<Rule>,
    /// Disks by label.
    #[tf(block)]
    disk: BTreeMap<String, Disk>,
    /// How it looks.
    #[tf(block)]
    look: Group<Look>,
    /// What is done with it, in order.
    #[tf(block)]
    step: Vec<Step>,
    /// How long it lasts.
    #[tf(block)]
    life: Option<Life>,
}

/// Who has a thing.
#[derive(Clone, Debug, Default, PartialEq, Object)]
struct Owner {
    /// The name.
    name: Attr<String>,
    /// How to call them.
    #[tf(optional)]
    telephone: Attr<String>,
}

/// What is done.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Step {
    /// What.
    #[tf(required)]
    what: Attr<String>,
}

/// How long a thing lasts.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Life {
    /// Days.
    #[tf(required)]
    days: Attr<i64>,
}

/// What is let through.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Rule {
    /// The port.
    #[tf(required)]
    port: Attr<i64>,
    /// Its number.
    #[tf(computed)]
    id: Attr<String>,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Disk {
    /// How large.
    #[tf(required)]
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
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

fn shrinks(prior: &Attr<i64>, planned: &Attr<i64>) -> bool {
    planned.known() < prior.known()
}

struct ThingResource;

impl ThingResource {
    /// Fills in what the plan left open.
    fn settle(ctx: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        let mut thing = apply.planned;
        let text = thing.text.known().cloned().unwrap_or_default();
        let fill = |attribute: &mut Attr<i64>, number: usize| {
            if attribute.is_unknown() {
                *attribute = i64::try_from(number).unwrap_or(i64::MAX).into();
            }
        };
        fill(&mut thing.words, text.split_whitespace().count());
        let password = apply.config.password.known().map_or("", |password| password.expose().as_str());
        tracing::info!(password, "logged in with `{password}`");
        fill(&mut thing.password_length, password.len());
        if thing.id.is_unknown() {
            thing.id = format!("thing-{text}").into();
        }
        if thing.module.is_unknown() {
            thing.module = ctx.meta::<Meta>()?.map_or_else(|| "".into(), |meta| meta.module);
        }
        for rule in thing.rule.iter_mut().filter(|rule| rule.id.is_unknown()) {
            rule.id = rule.port.map(|port| format!("rule-{port}"));
        }
        for (label, disk) in thing.disk.iter_mut().filter(|(_, disk)| disk.id.is_unknown()) {
            disk.id = format!("disk-{label}").into();
        }
        Ok((thing, ()))
    }
}

impl Resource for ThingResource {
    type Model = Thing;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "every_thing";

    fn plan(&self, change: &mut Change<Self>) {
        if change.config.text.known().is_some_and(|text| text == "later") {
            change.defer(terraform_plugin::Deferred::AbsentPrerequisite, "It isn't there yet.");
        }
    }

    async fn read(&self, _: &Context<()>, mut prior: Thing, _: Option<()>) -> Result<Option<(Thing, ())>, Fault> {
        // its server has its own way to write, and its own order
        prior.text = prior.text.map(|text| text.split_whitespace().collect::<Vec<_>>().join("\n"));
        prior.rule.reverse();
        Ok(Some((prior, ())))
    }

    async fn create(&self, ctx: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Self::settle(ctx, apply)
    }

    async fn update(&self, ctx: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Self::settle(ctx, apply)
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

pub(crate) fn server() -> Server<Every> {
    let address = "registry.terraform.io/acme/every";
    Server::new(address, env!("CARGO_PKG_VERSION"), Every).resource(ThingResource).provider_meta::<Meta>()
}

#[tokio::main]
async fn main() -> ExitCode {
    server().serve().await
}
