//! What the derive says about how attributes are planned.

use serde_json::json;

use super::{
    bare, read,
    run::{self, Kept},
    said, start,
};
use crate::{
    Apply, Attr, Context, DataSource, Delete, Fault, Model, Path, Resource, Value,
    proto::tfplugin5::read_data_source,
    schema::{self, Modify},
    value::Refinement,
};

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

fn shrinks(prior: &Attr<i64>, planned: &Attr<i64>) -> bool {
    planned.known() < prior.known()
}

fn at_least_before(change: &Modify<'_, i64>) -> Attr<i64> {
    match (change.prior, change.planned) {
        (Some(Attr::Known(before)), Attr::Known(after)) if before > after && change.config.is_null() => {
            (*before).into()
        }
        _ => *change.planned,
    }
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Page {
    /// What it says.
    #[tf(required, same_if("they have the same words", same_words))]
    text: Attr<String>,
    /// How large it is.
    #[tf(required, replace_if("it shrinks", shrinks))]
    size: Attr<i64>,
    /// How many copies there are.
    #[tf(default = 1, modify("Never shrinks by itself", at_least_before))]
    copies: Attr<i64>,
    /// Its number.
    #[tf(computed, begins_with = "page-")]
    id: Attr<String>,
    /// How many words it has.
    #[tf(computed, never_null, changes_with("text"))]
    words: Attr<i64>,
    /// A sum over the words.
    #[tf(computed, changes_with("words"))]
    digest: Attr<String>,
    /// When it was last changed.
    #[tf(computed, volatile)]
    revision: Attr<i64>,
    /// A line of it.
    #[tf(block)]
    line: Vec<Line>,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Line {
    /// What it says.
    #[tf(required, same_if("they have the same words", same_words))]
    text: Attr<String>,
    /// How long it is.
    #[tf(computed, changes_with("text"))]
    length: Attr<i64>,
}

struct PageResource;

fn written(mut page: Page, revision: i64) -> Result<(Page, ()), Fault> {
    let text = page.text.known().cloned().unwrap_or_default();
    let length = |text: &str| i64::try_from(text.len()).unwrap();
    if page.id.is_unknown() {
        page.id = (if text.contains("liar") { "x-1" } else { "page-1" }).into();
    }
    if page.words.is_unknown() {
        page.words = i64::try_from(text.split_whitespace().count()).unwrap().into();
    }
    if page.digest.is_unknown() {
        page.digest = format!("{}", page.words.known().unwrap()).into();
    }
    if page.revision.is_unknown() {
        page.revision = revision.into();
    }
    for line in page.line.iter_mut().filter(|line| line.length.is_unknown()) {
        line.length = length(line.text.known().unwrap()).into();
    }
    // the server writes it in its own way
    page.text = text.split_whitespace().collect::<Vec<_>>().join(" ").into();
    Ok((page, ()))
}

impl Resource for PageResource {
    type Model = Page;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_page";

    async fn read(&self, _: &Context<()>, mut prior: Page, _: Option<()>) -> Result<Option<(Page, ())>, Fault> {
        let text = prior.text.known().cloned().unwrap_or_default();
        prior.text = text.split_whitespace().collect::<Vec<_>>().join("\n").into();
        Ok(Some((prior, ())))
    }

    async fn create(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Page, ()), Fault> {
        written(apply.planned, 1)
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Page, ()), Fault> {
        let before = apply.prior.and_then(|prior| prior.revision.into_known()).unwrap_or_default();
        written(apply.planned, before + 1)
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

/// What a plan of a change from `from` to `to` says.
async fn change(from: serde_json::Value, to: serde_json::Value) -> (Value, usize) {
    let mut client = start(bare().resource(PageResource)).await;
    let kept = run::apply::<PageResource>(&mut client, &Kept::default(), &from).await;
    let plan = run::planned::<PageResource>(&mut client, &kept, &run::config::<PageResource>(&to)).await;
    assert_eq!(said(&plan.diagnostics), "");
    (read(&Page::block().ty(), plan.planned_state.as_ref()), plan.requires_replace.len())
}

#[tokio::test]
async fn a_spelling_is_no_change_and_what_the_server_makes_of_it_neither() {
    let mut client = start(bare().resource(PageResource)).await;
    let first = json!({ "text": "a   page", "size": 1, "line": [{ "text": "one  line" }] });
    // neither the result of apply nor a read is spelled like the configuration: `apply` sees an empty plan all the same
    let kept = run::apply::<PageResource>(&mut client, &Kept::default(), &first).await;
    assert_eq!(kept.value.get("text"), Some(&"a   page".into()));
    let second = json!({ "text": "a page", "size": 1, "line": [{ "text": "one line" }] });
    let plan = run::planned::<PageResource>(&mut client, &kept, &run::config::<PageResource>(&second)).await;
    assert_eq!(read(&Page::block().ty(), plan.planned_state.as_ref()), kept.value);
}

#[tokio::test]
async fn what_hangs_on_a_change_is_computed_anew_and_nothing_else() {
    let old = json!({ "text": "a page", "size": 1, "line": [{ "text": "one" }, { "text": "two" }] });
    let (planned, _) = change(
        old.clone(),
        json!({ "text": "another page", "size": 1, "line": [{ "text": "one" }, { "text": "three" }] }),
    )
    .await;
    let unknown = |path: Path| planned.at(&path).is_some_and(Value::is_unknown);
    let unknowns: Vec<_> =
        ["id", "words", "digest", "revision"].into_iter().filter(|name| unknown(Path::from(*name))).collect();
    assert_eq!(unknowns, ["words", "digest", "revision"]);
    let lines = Path::from("line");
    assert!(!unknown(lines.index(0).attr("length")) && unknown(lines.index(1).attr("length")));

    let (planned, replaced) = change(old, json!({ "text": "a page", "size": 2, "line": [{ "text": "one" }] })).await;
    let unknowns: Vec<_> = ["id", "words", "digest", "revision"]
        .into_iter()
        .filter(|name| planned.get(name).is_some_and(Value::is_unknown))
        .collect();
    assert_eq!((unknowns.as_slice(), replaced), (["revision"].as_slice(), 0));
}

#[tokio::test]
async fn a_change_replaces_if_it_says_so() {
    let page = |size: i64| json!({ "text": "a", "size": size });
    assert_eq!(change(page(2), page(3)).await.1, 0);
    assert_eq!(change(page(2), page(1)).await.1, 1);
}

#[tokio::test]
async fn a_modifier_has_the_last_word() {
    let page = |copies: serde_json::Value| json!({ "text": "a", "size": 1, "copies": copies });
    let (planned, _) = change(page(json!(5)), page(json!(null))).await;
    assert_eq!(planned.get("copies"), Some(&5.into()));
    let (planned, _) = change(page(json!(5)), page(json!(2))).await;
    assert_eq!(planned.get("copies"), Some(&2.into()));
}

#[tokio::test]
async fn promises_are_made_at_plan_and_kept_at_apply() {
    let mut client = start(bare().resource(PageResource)).await;
    let none = Kept::default();
    let config = run::config::<PageResource>(&json!({ "text": "a liar", "size": 1 }));
    let plan = run::planned::<PageResource>(&mut client, &none, &config).await;
    let planned = read(&Page::block().ty(), plan.planned_state.as_ref());
    let expected = Refinement { prefix: Some("page-".into()), ..Refinement::NOT_NULL };
    assert_eq!(planned.get("id"), Some(&Value::refined(expected)));
    assert_eq!(planned.get("words"), Some(&Value::refined(Refinement::NOT_NULL)));
    let (kept, said) = run::applied::<PageResource>(&mut client, &none, &config, &plan).await;
    assert!(said.contains("at `id`") && said.contains("not what the plan promised"), "{said}");
    assert_eq!(kept.value.get("id"), Some(&"x-1".into()), "the truth is kept all the same");
}

/// A page to look at.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Looked {
    /// What it says.
    #[tf(required, same_if("they have the same words", same_words))]
    text: Attr<String>,
}

struct Look;

impl DataSource for Look {
    type Model = Looked;
    type Client = ();

    const NAME: &'static str = "bare_look";

    async fn read(&self, _: &Context<()>, _: Looked) -> Result<Looked, Fault> {
        Ok(Looked { text: "a page".into() })
    }
}

#[tokio::test]
async fn data_sources_keep_the_spelling_too() {
    let mut client = start(bare().data_source(Look)).await;
    let config = super::of::<Looked>(&json!({ "text": "a  page" }));
    let request = read_data_source::Request { type_name: "bare_look".to_owned(), config, ..Default::default() };
    let answer = client.read_data_source(request).await.unwrap().into_inner();
    assert_eq!(super::model::<Looked>(answer.state.as_ref()).text, "a  page".into());
}

#[test]
fn the_documentation_says_so() {
    let page = schema::markdown(&Page::block());
    for line in [
        "- `text` (String) What it says. Two values are the same if they have the same words.\n",
        "- `size` (Number) How large it is. A change replaces the resource if it shrinks.\n",
        "- `copies` (Number) How many copies there are. Default: `1`. Never shrinks by itself.\n",
        "- `id` (String) Its number. Begins with `page-`.\n",
        "- `words` (Number) How many words it has. Changes with `text`.\n",
        "- `revision` (Number) When it was last changed. Changes with every update.\n",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    assert_eq!(Page::block().problems(), [""; 0]);
}
