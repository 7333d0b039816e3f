//! A state of one megabyte, there and back: `cargo bench --bench codec`. Prints one line of JSON: medians in milliseconds.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use serde_json::json;
use terraform_plugin::{
    Number, Type, Value,
    value::{json as text, msgpack},
};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 21;

fn main() {
    let ty = Type::object([("things", Type::list(thing()))]);
    // as many as make a megabyte of what Terraform sends
    let count = (1 << 20) / msgpack::encode(&thing(), &one(0)).unwrap().len();
    let state = Value::object([("things", Value::list((0..count).map(|index| one(i64::try_from(index).unwrap()))))]);
    let packed = msgpack::encode(&ty, &state).unwrap();
    let written = text::encode(&ty, &state).unwrap();
    assert_eq!(msgpack::decode(&ty, &packed).unwrap(), state);
    assert_eq!(text::decode(&ty, &written).unwrap(), state);

    let (mut by_msgpack, mut by_json) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        by_msgpack.push(timed(|| msgpack::encode(&ty, &msgpack::decode(&ty, black_box(&packed)).unwrap()).unwrap()));
        // as a state is read that was stored, and answered
        by_json.push(timed(|| msgpack::encode(&ty, &text::decode(&ty, black_box(&written)).unwrap()).unwrap()));
    }
    println!(
        "{}",
        json!({
            "msgpack": { "bytes": packed.len(), "ms": median(by_msgpack) },
            "json": { "bytes": written.len(), "ms": median(by_json) },
        })
    );
}

/// What a resource may look like: some text, numbers of each form, collections.
fn thing() -> Type {
    Type::object([
        ("id", Type::String),
        ("name", Type::String),
        ("count", Type::Number),
        ("share", Type::Number),
        ("exact", Type::Number),
        ("enabled", Type::Bool),
        ("missing", Type::String),
        ("labels", Type::map(Type::String)),
        ("zones", Type::set(Type::String)),
    ])
}

fn one(index: i64) -> Value {
    let label = |key: &str| (key.to_owned(), Value::from(format!("{key} of {index}")));
    let exact: Number = "0.1".parse().unwrap();
    Value::object([
        ("id", Value::from(format!("projects/things/{index}"))),
        ("name", Value::from(format!("thing-{index}"))),
        ("count", Value::from(index)),
        ("share", Value::from(Number::try_from(0.5).unwrap())),
        ("exact", Value::from(exact)),
        ("enabled", Value::from(index % 2 == 0)),
        ("missing", Value::Null),
        ("labels", Value::map([label("owner"), label("environment"), label("team")])),
        ("zones", Value::set(["europe-west1-b", "europe-west1-c", "europe-west4-a"].map(Value::from))),
    ])
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}
