use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde_json::json;

use super::{
    Client, bare,
    identity::{Disk, DiskId, DiskIdentity, DiskResource},
    model, of, read, said, start,
};
use crate::{
    Attr, Context, Diagnostics, Fault, Found, List, Model, Path, Results, Typed,
    proto::tfplugin5::{
        get_metadata, get_provider_schema,
        list_resource::{self, Event},
        validate_list_resource_config,
    },
};

/// Which disks.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Which {
    /// Where they are.
    #[tf(required)]
    zone: Attr<String>,
    /// How many there are; a negative number is a failure after that many.
    #[tf(optional)]
    count: Attr<i64>,
}

struct Disks;

/// How many were looked at in the zone `endless`.
static LOOKED: AtomicI64 = AtomicI64::new(0);
/// Whether the search of the zone `endless` has ended.
static ENDED: AtomicI64 = AtomicI64::new(0);

struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        ENDED.fetch_add(1, Ordering::SeqCst);
    }
}

impl List for Disks {
    type Identified = DiskIdentity;
    type Config = Which;

    fn validate(&self, config: &Which, diags: &mut Diagnostics) {
        if config.zone.known().is_some_and(String::is_empty) {
            diags.error(Path::from("zone"), "No zone", "Name one.");
        }
    }

    async fn list(&self, ctx: &Context<()>, config: Which, results: &Results<Self>) -> Result<(), Fault> {
        let zone = config.zone.into_known().unwrap_or_default();
        let _ended = (zone == "endless").then(|| Ended);
        let count = config.count.into_known().unwrap_or(i64::MAX);
        for number in 0..count.abs() {
            if zone == "endless" {
                LOOKED.fetch_add(1, Ordering::SeqCst);
            }
            let id = if zone == "unknown" { Attr::Unknown } else { number.into() };
            let found = Found {
                identity: DiskId { zone: zone.as_str().into(), number: id },
                name: format!("disk {number}"),
                model: Some(Disk { zone: zone.as_str().into(), number: number.into(), size: Attr::Null }),
            };
            if results.send(found).await == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        ctx.warn("Forgetful", "There may be more.");
        if count < 0 { Err(Fault::new("Lost", "The rest can't be seen.")) } else { Ok(()) }
    }
}

fn request(zone: &str, count: Option<i64>, limit: i64, models: bool) -> list_resource::Request {
    list_resource::Request {
        type_name: "bare_disk".to_owned(),
        config: of::<Which>(&json!({ "zone": zone, "count": count })),
        include_resource_object: models,
        limit,
    }
}

async fn all(client: &mut Client, request: list_resource::Request) -> Vec<Event> {
    let mut stream = client.list_resource(request).await.unwrap().into_inner();
    let mut events = Vec::new();
    while let Some(event) = stream.message().await.unwrap() {
        events.push(event);
    }
    events
}

async fn client() -> Client {
    start(bare().resource(DiskResource).identified(DiskIdentity).list(Disks)).await
}

fn number(event: &Event) -> i64 {
    let identity = event.identity.as_ref().unwrap().identity_data.as_ref();
    read(&DiskId::ty(), identity).get("number").unwrap().as_number().unwrap().as_i64().unwrap()
}

#[tokio::test]
async fn what_exists_is_found_one_by_one() {
    let mut client = client().await;
    let events = all(&mut client, request("a", Some(40), 0, false)).await;
    assert_eq!(events[..40].iter().map(number).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
    assert!(events[..40].iter().all(|event| event.resource_object.is_none() && event.diagnostic.is_empty()));
    assert_eq!(events[3].display_name, "disk 3");
    assert!(events[40].identity.is_none());
    assert_eq!(said(&events[40].diagnostic), "warning: Forgetful: There may be more.\n");
    assert_eq!(events.len(), 41);

    let events = all(&mut client, request("a", Some(2), 0, true)).await;
    assert_eq!(model::<Disk>(events[1].resource_object.as_ref()).number, 1.into());
}

#[tokio::test]
async fn a_limit_is_kept() {
    let mut client = client().await;
    assert_eq!(all(&mut client, request("a", None, 7, false)).await.len(), 7);
    assert_eq!(all(&mut client, request("a", Some(3), 7, false)).await.len(), 4);
}

#[tokio::test]
async fn what_goes_wrong_comes_after_what_was_found() {
    let mut client = client().await;
    let events = all(&mut client, request("a", Some(-2), 0, false)).await;
    assert_eq!(events.len(), 3);
    assert!(said(&events[2].diagnostic).ends_with("error: Lost: The rest can't be seen.\n"), "{events:?}");
    let events = all(&mut client, request("unknown", Some(1), 0, false)).await;
    assert!(said(&events[0].diagnostic).contains("bug of the provider in `bare_disk` at `number`"), "{events:?}");
    let nothing = list_resource::Request { type_name: "bare_nothing".to_owned(), ..Default::default() };
    let events = all(&mut client, nothing).await;
    assert!(said(&events[0].diagnostic).starts_with("error: Unknown list resource"), "{events:?}");
}

#[tokio::test]
async fn nobody_searches_for_a_client_that_is_gone() {
    let mut client = client().await;
    let mut stream = client.list_resource(request("endless", None, 0, true)).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    // the window of the connection fills up, and then it waits for its reader
    let mut ahead = 0;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if std::mem::replace(&mut ahead, LOOKED.load(Ordering::SeqCst)) == LOOKED.load(Ordering::SeqCst) {
            break;
        }
    }
    assert_eq!(LOOKED.load(Ordering::SeqCst), ahead, "it runs on while nobody reads");
    drop(stream);
    for _ in 0..100 {
        if ENDED.load(Ordering::SeqCst) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it still searches");
}

#[tokio::test]
async fn a_list_is_announced_and_its_configuration_checked() {
    let mut client = client().await;
    let schema = client.get_schema(get_provider_schema::Request {}).await.unwrap().into_inner();
    let block = schema.list_resource_schemas["bare_disk"].block.as_ref().unwrap();
    assert_eq!(block.attributes.len(), 2);
    let metadata = client.get_metadata(get_metadata::Request {}).await.unwrap().into_inner();
    assert_eq!(metadata.list_resources[0].type_name, "bare_disk");
    let config = of::<Which>(&json!({ "zone": "" }));
    let request =
        validate_list_resource_config::Request { type_name: "bare_disk".to_owned(), config, ..Default::default() };
    let answer = client.validate_list_resource_config(request).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "error: No zone: Name one.\n");
}
