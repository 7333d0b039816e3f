use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{
    bare,
    run::{self, Kept},
    said, start,
};
use crate::{
    Apply, Attr, Change, Context, Delete, Fault, Model, Path, Resource, Secret, Value,
    proto::tfplugin5::{
        RawState, get_provider_schema, import_resource_state, move_resource_state, upgrade_resource_state,
    },
};

/// A login.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Login {
    /// Who.
    #[tf(required)]
    user: Attr<String>,
    /// The password.
    #[tf(optional, write_only)]
    password: Attr<Secret<String>>,
    /// Counts the passwords.
    #[tf(optional)]
    version: Attr<i64>,
    /// More logins.
    #[tf(block)]
    also: Vec<Also>,
}

/// Another login.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Also {
    /// The password.
    #[tf(required, write_only)]
    password: Attr<Secret<String>>,
}

/// Writes down the passwords that reach it, and puts them wherever it can.
struct LoginResource(Arc<Mutex<Vec<String>>>);

impl LoginResource {
    fn note(&self, config: &Login) {
        let also = config.also.iter().map(|also| &also.password);
        let known = also.chain([&config.password]).filter_map(|one| one.known().map(|one| one.expose().clone()));
        self.0.lock().unwrap().extend(known);
    }
}

impl Resource for LoginResource {
    type Model = Login;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_login";

    fn plan(&self, change: &mut Change<Self>) {
        self.note(&change.config);
        change.planned.password = change.config.password.clone();
        if change.prior.as_ref().is_some_and(|prior| prior.version != change.planned.version) {
            change.replace(Path::from("password"));
        }
    }

    async fn read(&self, _: &Context<()>, mut prior: Login, _: Option<()>) -> Result<Option<(Login, ())>, Fault> {
        prior.password = "read".into();
        Ok(Some((prior, ())))
    }

    async fn create(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Login, ()), Fault> {
        assert_eq!(apply.planned.password, Attr::Null);
        self.note(&apply.config);
        apply.save.save(apply.config.clone(), ());
        match apply.config.user.known().map(String::as_str) {
            Some("nobody") => Err(Fault::new("Nobody", "There is no such user.")),
            _ => Ok((apply.config, ())),
        }
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Login, ()), Fault> {
        Ok((apply.config, ()))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }

    fn import(&self, id: &str) -> Result<Login, Fault> {
        Ok(Login { user: id.into(), password: "imported".into(), ..Login::default() })
    }
}

/// A login of another type.
struct FromOther;

impl crate::Move for FromOther {
    type Target = LoginResource;

    fn take(&self, source: &crate::Source) -> Result<Option<Login>, Fault> {
        source.decode().map(Some)
    }
}

fn login() -> (super::super::Server<super::Bare>, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::default();
    (bare().resource(LoginResource(Arc::clone(&seen))).moved(FromOther), seen)
}

const STORED: &str = r#"{"user":"me","password":"stored","version":null,"also":[{"password":"stored"}]}"#;

#[tokio::test]
async fn it_reaches_the_provider_and_no_state() {
    let (server, seen) = login();
    let mut client = start(server).await;
    let json = json!({ "user": "me", "password": "hunter2", "also": [{ "password": "hunter3" }] });
    // `apply` checks plan and result by Terraform's rules, and that the next plan is empty
    let kept = run::apply::<LoginResource>(&mut client, &Kept::default(), &json).await;
    assert!(!format!("{kept:?}").contains("hunter"), "{kept:?}");
    assert_eq!(kept.value.get("password"), Some(&Value::Null));
    assert_eq!(kept.value.at(&Path::from("also").index(0).attr("password")), Some(&Value::Null));
    let seen = seen.lock().unwrap();
    assert!(["hunter2", "hunter3"].iter().all(|one| seen.iter().filter(|seen| seen == one).count() >= 2), "{seen:?}");
}

#[tokio::test]
async fn what_is_saved_half_way_has_none() {
    let (server, _) = login();
    let mut client = start(server).await;
    let config = run::config::<LoginResource>(&json!({ "user": "nobody", "password": "hunter2" }));
    let none = Kept::default();
    let plan = run::planned::<LoginResource>(&mut client, &none, &config).await;
    let (kept, said) = run::applied::<LoginResource>(&mut client, &none, &config, &plan).await;
    assert_eq!(said, "error: Nobody: There is no such user.\n");
    assert_eq!(kept.value.get("user"), Some(&"nobody".into()));
    assert_eq!(kept.value.get("password"), Some(&Value::Null));
}

#[tokio::test]
async fn a_change_that_only_the_provider_sees_can_replace() {
    let (server, _) = login();
    let mut client = start(server).await;
    let kept = run::apply::<LoginResource>(&mut client, &Kept::default(), &json!({ "user": "me", "version": 1 })).await;
    let config = run::config::<LoginResource>(&json!({ "user": "me", "version": 2, "password": "new" }));
    let plan = run::planned::<LoginResource>(&mut client, &kept, &config).await;
    assert_eq!(plan.requires_replace.len(), 1, "{plan:?}");
}

#[tokio::test]
async fn nor_do_imports_upgrades_and_moves_bring_one_in() {
    let (server, _) = login();
    let mut client = start(server).await;
    let raw = Some(RawState { json: STORED.as_bytes().to_vec(), ..Default::default() });
    let name = || "bare_login".to_owned();

    let request = import_resource_state::Request { type_name: name(), id: "me".to_owned(), ..Default::default() };
    let imported = client.import_resource_state(request).await.unwrap().into_inner().imported_resources.remove(0);
    let request = upgrade_resource_state::Request { type_name: name(), version: 0, raw_state: raw.clone() };
    let upgraded = client.upgrade_resource_state(request).await.unwrap().into_inner();
    let request = move_resource_state::Request {
        source_type_name: "other_login".to_owned(),
        source_state: raw,
        target_type_name: name(),
        ..Default::default()
    };
    let moved = client.move_resource_state(request).await.unwrap().into_inner();
    assert_eq!(said(&moved.diagnostics), "");
    for state in [imported.state, upgraded.upgraded_state, moved.target_state] {
        let bytes = state.unwrap().msgpack;
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("me") && !text.contains("stored") && !text.contains("imported"), "{text}");
    }
}

#[tokio::test]
async fn an_older_terraform_that_would_keep_it_is_told_so() {
    let (server, _) = login();
    let mut client = start(server).await;
    let json = json!({ "user": "me", "password": "x", "also": [{ "password": "y" }] });
    assert_eq!(run::validate::<LoginResource>(&mut client, &json, true).await, "");
    let said = run::validate::<LoginResource>(&mut client, &json, false).await;
    assert_eq!(said.matches("Write-only arguments need a newer Terraform").count(), 2, "{said}");
    assert!(said.contains("`password`") && said.contains("`also[0].password`"), "{said}");
    assert_eq!(run::validate::<LoginResource>(&mut client, &json!({ "user": "me" }), false).await, "");
}

#[tokio::test]
async fn the_schema_says_so() {
    let (server, _) = login();
    assert_eq!(server.problems(), [""; 0]);
    let mut client = start(server).await;
    let schema = client.get_schema(get_provider_schema::Request {}).await.unwrap().into_inner();
    let block = schema.resource_schemas["bare_login"].block.as_ref().unwrap();
    let write_only: Vec<_> = block.attributes.iter().filter(|one| one.write_only).map(|one| &one.name).collect();
    assert_eq!(write_only, ["password"]);
}
