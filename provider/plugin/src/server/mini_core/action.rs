use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde_json::json;

use super::{Client, bare, of, packed, said, start};
use crate::{
    Action, Attr, Context, Diagnostics, Fault, Model, Path, Progress, Value,
    proto::tfplugin5::{
        get_metadata, get_provider_schema,
        invoke_action::{
            self,
            event::{Completed, Type as Kind},
        },
        plan_action, stop, validate_action_config,
    },
};

/// What to ring.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bell {
    /// How it ends.
    #[tf(required)]
    trick: Attr<String>,
    /// How often.
    #[tf(optional)]
    times: Attr<i64>,
}

struct Ring;

/// How many calls of `wait` came to their own end.
static STOPPED: AtomicI64 = AtomicI64::new(0);

impl Action for Ring {
    type Config = Bell;
    type Client = ();

    const NAME: &'static str = "bare_ring";
    const TIMEOUT: Duration = Duration::from_secs(5);

    fn validate(&self, config: &Bell, diags: &mut Diagnostics) {
        if config.times.known().is_some_and(|times| *times < 0) {
            diags.error(Path::from("times"), "Negative", "A bell can't be unrung.");
        }
    }

    fn plan(&self, config: &Bell, diags: &mut Diagnostics) {
        if config.times.is_unknown() {
            diags.warning(Path::from("times"), "It may be loud", "Nobody knows how often it rings.");
        }
    }

    async fn invoke(&self, ctx: &Context<()>, config: Bell, progress: &Progress) -> Result<(), Fault> {
        for time in 1..=config.times.into_known().unwrap_or(1) {
            progress.say(format!("ding {time}"));
        }
        match config.trick.known().map(String::as_str) {
            Some("panic") => panic!("cracked"),
            Some("fail") => Err(Fault::new("Cracked", "It needs another bell.")),
            Some("keep") => {
                // somebody who holds on to it must not hold up the end
                std::mem::forget(progress.clone());
                Ok(())
            }
            Some("wait") => {
                ctx.cancel.cancelled().await;
                STOPPED.fetch_add(1, Ordering::SeqCst);
                Err(Fault::new("Stopped", "As asked."))
            }
            _ => {
                ctx.warn("Loud", "The neighbours woke up.");
                Ok(())
            }
        }
    }
}

async fn client() -> Client {
    start(bare().action(Ring).grace(Duration::from_secs(2))).await
}

fn request(trick: &str, times: i64) -> invoke_action::Request {
    invoke_action::Request {
        action_type: "bare_ring".to_owned(),
        config: of::<Bell>(&json!({ "trick": trick, "times": times })),
        ..Default::default()
    }
}

/// What was said on the way, and at the end.
async fn invoke(client: &mut Client, request: invoke_action::Request) -> (Vec<String>, String) {
    let mut stream = client.invoke_action(request).await.unwrap().into_inner();
    let mut progress = Vec::new();
    loop {
        match stream.message().await.unwrap().expect("it ended without a last word").r#type.unwrap() {
            Kind::Progress(one) => progress.push(one.message),
            Kind::Completed(Completed { diagnostics }) => {
                assert!(stream.message().await.unwrap().is_none(), "there is more after the last word");
                return (progress, said(&diagnostics));
            }
        }
    }
}

#[tokio::test]
async fn an_action_says_how_it_goes_and_how_it_ends() {
    let mut client = client().await;
    let dings = |n: i64| (1..=n).map(|time| format!("ding {time}")).collect::<Vec<_>>();
    for (trick, times, end) in [
        ("none", 3, "warning: Loud: The neighbours woke up.\n"),
        ("fail", 100, "error: Cracked: It needs another bell.\n"),
        ("keep", 2, ""),
    ] {
        assert_eq!(invoke(&mut client, request(trick, times)).await, (dings(times), end.to_owned()));
    }
    let (progress, end) = invoke(&mut client, request("panic", 1)).await;
    assert!(progress == dings(1) && end.contains("cracked"), "{end}");
    let nothing = invoke_action::Request { action_type: "bare_nothing".to_owned(), ..Default::default() };
    let (_, end) = invoke(&mut client, nothing).await;
    assert!(end.starts_with("error: Unknown action"), "{end}");
}

#[tokio::test]
async fn a_stop_and_a_client_that_goes_away_both_stop_it() {
    let mut client = client().await;
    let mut stream = client.invoke_action(request("wait", 1)).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    client.stop(stop::Request {}).await.unwrap();
    let Some(Kind::Completed(last)) = stream.message().await.unwrap().unwrap().r#type else { panic!("no end") };
    assert_eq!(said(&last.diagnostics), "error: Stopped: As asked.\n");
    assert_eq!(STOPPED.load(Ordering::SeqCst), 1);

    let mut stream = client.invoke_action(request("wait", 1)).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    drop(stream);
    for _ in 0..100 {
        if STOPPED.load(Ordering::SeqCst) == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it still runs");
}

#[tokio::test]
async fn an_action_is_announced_checked_and_planned() {
    let mut client = client().await;
    let schema = client.get_schema(get_provider_schema::Request {}).await.unwrap().into_inner();
    let schema = schema.action_schemas["bare_ring"].schema.as_ref().unwrap();
    assert_eq!(schema.block.as_ref().unwrap().attributes.len(), 2);
    let metadata = client.get_metadata(get_metadata::Request {}).await.unwrap().into_inner();
    assert_eq!(metadata.actions[0].type_name, "bare_ring");

    let config = of::<Bell>(&json!({ "trick": "none", "times": -1 }));
    let request = validate_action_config::Request { action_type: "bare_ring".to_owned(), config };
    let answer = client.validate_action_config(request).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "error: Negative: A bell can't be unrung.\n");

    let config = Value::object([("trick", Value::from("none")), ("times", Value::unknown())]);
    let config = packed(&Bell::block().ty(), &config);
    let request = plan_action::Request { action_type: "bare_ring".to_owned(), config, ..Default::default() };
    let answer = client.plan_action(request).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "warning: It may be loud: Nobody knows how often it rings.\n");
}
