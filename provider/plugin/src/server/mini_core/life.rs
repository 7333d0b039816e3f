//! How calls end that don't end by themselves.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{sync::Notify, time::timeout};

use super::{
    bare,
    run::{self, Kept},
    start,
};
use crate::{Apply, Attr, Context, Delete, Fault, Model, Resource, proto::tfplugin5::stop};

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// How it ends.
    #[tf(required)]
    ends: Attr<String>,
    /// Its number.
    #[tf(computed)]
    id: Attr<String>,
    /// How long things may take.
    #[tf(block)]
    timeouts: Option<Timeouts>,
}

/// How long things may take.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Timeouts {
    /// To make it.
    #[tf(optional)]
    create: Attr<String>,
}

/// What the test sees of the inside.
#[derive(Clone, Default)]
struct Signs {
    begun: Arc<Notify>,
    dropped: Arc<Notify>,
    cancelled: Arc<Notify>,
}

struct ThingResource(Signs);

/// Tells when what it lives in is gone.
struct Tell(Arc<Notify>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Resource for ThingResource {
    type Model = Thing;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_thing";

    async fn read(&self, _: &Context<()>, prior: Thing, _: Option<()>) -> Result<Option<(Thing, ())>, Fault> {
        Ok(Some((prior, ())))
    }

    async fn create(&self, ctx: &Context<()>, mut apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        apply.planned.id = "1".into();
        apply.save.save(apply.planned.clone(), ());
        let cancel = ctx.cancel.clone();
        let cancelled = Arc::clone(&self.0.cancelled);
        // as a watch beside the work would
        tokio::spawn(async move {
            cancel.cancelled().await;
            cancelled.notify_one();
        });
        let _told = Tell(Arc::clone(&self.0.dropped));
        self.0.begun.notify_one();
        match apply.planned.ends.known().map(String::as_str) {
            Some("lock") => {
                let _mine = ctx.lock("key").await?;
                ctx.lock("key").await.map(|_| (apply.planned, ()))
            }
            _ => std::future::pending().await,
        }
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Ok((apply.planned, ()))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), what).await.expect("it never happened")
}

/// A create that hangs, of a client that does something about it.
async fn hanging(ends: &str, timeout: Option<&str>) -> (super::Client, Signs, tokio::task::JoinHandle<(Kept, String)>) {
    let signs = Signs::default();
    let server = bare().resource(ThingResource(signs.clone())).grace(Duration::from_millis(50));
    let client = start(server).await;
    let mut ours = client.clone();
    let config = run::config::<ThingResource>(&json!({ "ends": ends, "timeouts": { "create": timeout } }));
    let apply = tokio::spawn(async move {
        let none = Kept::default();
        let plan = run::planned::<ThingResource>(&mut ours, &none, &config).await;
        run::applied::<ThingResource>(&mut ours, &none, &config, &plan).await
    });
    soon(signs.begun.notified()).await;
    (client, signs, apply)
}

#[tokio::test]
async fn a_stop_ends_it_and_what_is_true_is_kept() {
    let (mut client, signs, apply) = hanging("never", None).await;
    client.stop(stop::Request {}).await.unwrap();
    let (kept, said) = soon(apply).await.unwrap();
    assert!(said.starts_with("error: Stopped: The creation of `bare_thing` was stopped"), "{said}");
    assert_eq!(kept.value.get("id"), Some(&"1".into()));
    soon(signs.dropped.notified()).await;
    soon(signs.cancelled.notified()).await;
}

#[tokio::test]
async fn so_does_its_time() {
    let (_client, signs, apply) = hanging("never", Some("100ms")).await;
    let (kept, said) = soon(apply).await.unwrap();
    assert!(said.contains("did not end within 100ms") && said.contains("more time in the `timeouts` block"), "{said}");
    assert_eq!(kept.value.get("id"), Some(&"1".into()));
    soon(signs.dropped.notified()).await;
}

#[tokio::test]
async fn a_stop_reaches_who_waits_for_a_turn() {
    let (mut client, _signs, apply) = hanging("lock", Some("100ms")).await;
    // in the queue, its time doesn't run
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!apply.is_finished());
    client.stop(stop::Request {}).await.unwrap();
    let (_, said) = soon(apply).await.unwrap();
    assert!(said.contains("waited for its turn with `key`"), "{said}");
}

#[tokio::test]
async fn no_call_outlives_its_client() {
    let (client, signs, apply) = hanging("never", None).await;
    drop(client);
    apply.abort();
    // the work is gone, and what it has started beside itself was told
    soon(signs.dropped.notified()).await;
    soon(signs.cancelled.notified()).await;
}
