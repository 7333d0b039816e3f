//! Ten applies at once, as Terraform makes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{sync::Barrier, task::JoinSet, time::timeout};

use super::{
    bare,
    run::{self, Kept},
    start,
};
use crate::{Apply, Attr, Context, Delete, Fault, Model, Resource};

/// How many Terraform makes at once, unless told otherwise.
const PARALLEL: usize = 10;

/// A thing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Thing {
    /// What it belongs to.
    #[tf(required)]
    key: Attr<String>,
}

/// Waits until all are there, or takes its turn with its key.
struct ThingResource {
    all: Option<Barrier>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl ThingResource {
    fn new(all: Option<Barrier>) -> Self {
        Self { all, inside: Arc::default(), most: Arc::default() }
    }
}

impl Resource for ThingResource {
    type Model = Thing;
    type Client = ();
    type Observation = ();
    type Intent = ();

    const NAME: &'static str = "bare_thing";
    // less than all turns together take
    const CREATE_TIMEOUT: Duration = Duration::from_secs(2);

    async fn read(&self, _: &Context<()>, prior: Thing, _: Option<()>) -> Result<Option<(Thing, ())>, Fault> {
        Ok(Some((prior, ())))
    }

    async fn create(&self, ctx: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        if let Some(all) = &self.all {
            all.wait().await;
            return Ok((apply.planned, ()));
        }
        let ctx = ctx.lock(apply.planned.key.known().unwrap()).await?;
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        assert!(!ctx.remaining().is_zero(), "its own time is not up");
        Ok((apply.planned, ()))
    }

    async fn update(&self, _: &Context<()>, apply: Apply<Self>) -> Result<(Thing, ()), Fault> {
        Ok((apply.planned, ()))
    }

    async fn delete(&self, _: &Context<()>, _: Delete<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Applies one thing for each key, all at once.
async fn all_at_once(resource: ThingResource, keys: impl IntoIterator<Item = String>) {
    let client = start(bare().resource(resource).grace(Duration::from_millis(50))).await;
    let mut applies = JoinSet::new();
    for key in keys {
        let mut client = client.clone();
        applies.spawn(async move {
            run::apply::<ThingResource>(&mut client, &Kept::default(), &json!({ "key": key })).await
        });
    }
    timeout(Duration::from_secs(30), applies.join_all()).await.expect("one waits for another");
}

#[tokio::test]
async fn ten_applies_never_wait_for_each_other() {
    // each ends only when all of them have begun
    let resource = ThingResource::new(Some(Barrier::new(PARALLEL)));
    all_at_once(resource, (0..PARALLEL).map(|key| key.to_string())).await;
}

#[tokio::test]
async fn those_with_one_key_take_turns_and_none_is_late() {
    let resource = ThingResource::new(None);
    let most = Arc::clone(&resource.most);
    all_at_once(resource, (0..PARALLEL).map(|_| "one".to_owned())).await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
}
