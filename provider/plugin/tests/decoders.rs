//! What the decoders do with any bytes: over the corpus in `fuzz/corpus`, and over what random changes make of it. Bytes that
//! once broke something become a file of the corpus.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../fuzz/decoders.rs"]
mod decoders;

use std::{collections::BTreeSet, fs, path::Path};

use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

/// The seeds of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() > 4, "{}", folder.display());
    seeds.sort();
    seeds
}

/// A change of one place: another byte, some bytes more, or some less.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..6_usize).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

fn changed(mut seed: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        let place = |at: Index, seed: &[u8]| at.index(seed.len() + 1).min(seed.len());
        match change {
            Change::Set(at, byte) => {
                let at = place(at, &seed);
                if let Some(old) = seed.get_mut(at) {
                    *old = byte;
                }
            }
            Change::Insert(at, bytes) => {
                let at = place(at, &seed);
                drop(seed.splice(at..at, bytes));
            }
            Change::Remove(at, count) => {
                let at = place(at, &seed);
                let end = (at + count).min(seed.len());
                drop(seed.drain(at..end));
            }
        }
    }
    seed
}

fn survives(target: &str, decoder: fn(&[u8])) {
    let seeds = corpus(target);
    for seed in &seeds {
        decoder(seed);
    }
    let input =
        (select(seeds), prop::collection::vec(change(), 0..6)).prop_map(|(seed, changes)| changed(seed, changes));
    let mut runner = TestRunner::new(Config { cases: 4096, failure_persistence: None, ..Config::default() });
    runner
        .run(&input, |bytes| {
            decoder(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn msgpack() {
    survives("msgpack", decoders::msgpack);
}

#[test]
fn json() {
    survives("json", decoders::json);
}

#[test]
fn types_and_values() {
    survives("types_and_values", decoders::types_and_values);
}

#[test]
fn durations() {
    survives("durations", decoders::durations);
}

/// A decoder without a target is fuzzed by nobody.
#[test]
fn each_decoder_has_a_fuzz_target_and_a_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let read = |file: &str| fs::read_to_string(fuzz.join(file)).unwrap();
    let between = |text: &str, before: &str, after: char| -> BTreeSet<String> {
        text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap().to_owned()).collect()
    };
    let decoders = between(&read("decoders.rs"), "pub fn ", '(');
    assert!(decoders.contains("msgpack"), "{decoders:?}");
    assert_eq!(between(&read("Cargo.toml"), "[[bin]]\nname = \"", '"'), decoders);
    for decoder in &decoders {
        let target = read(&format!("fuzz_targets/{decoder}.rs"));
        assert!(target.contains(&format!("decoders::{decoder}(data)")), "{target}");
        corpus(decoder);
    }
    // each has a test above
    assert_eq!(between(include_str!("decoders.rs"), "survives(\"", '"'), decoders);
}
