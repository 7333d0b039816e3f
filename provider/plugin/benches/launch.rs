//! What each process of a provider costs: `cargo bench --bench launch -- --launches 41 tiny=PATH c8=PATH`.
//!
//! Terraform starts a provider three to five times in a command. All that is named is measured turn by turn, beside the
//! machine's own `true`, so that whatever else the machine does hits all alike. Prints one line of JSON: milliseconds and KiB,
//! medians.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/tiny/mod.rs"]
mod tiny;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use terraform_plugin::proto::tfplugin5::{get_provider_schema, provider_client::ProviderClient, stop};
use tiny::{Credentials, Tiny};

/// What one launch showed.
#[derive(Default)]
struct Samples {
    /// From the launch to the handshake line, without TLS.
    plain: Vec<f64>,
    /// The same with mutual TLS, as Terraform starts it.
    mutual: Vec<f64>,
    /// The first `GetProviderSchema` of a process, over a connection that stands.
    schema: Vec<f64>,
    /// Resident memory after it: now, the part of it that is not the binary's file, and the most there ever was.
    now: Vec<f64>,
    own: Vec<f64>,
    peak: Vec<f64>,
}

#[tokio::main]
async fn main() {
    let (launches, providers) = arguments();
    let mut base = Vec::new();
    let mut all: BTreeMap<_, Samples> = BTreeMap::new();
    for _ in 0..launches {
        let begun = Instant::now();
        Command::new("true").status().expect("no `true` on the PATH");
        base.push(milliseconds(begun.elapsed()));
        for (name, binary) in &providers {
            measure(binary, all.entry(name.clone()).or_default()).await;
        }
    }
    let providers: serde_json::Map<_, _> = all.into_iter().map(|(name, samples)| (name, samples.medians())).collect();
    println!("{}", json!({ "true": median(base), "providers": providers }));
}

fn arguments() -> (usize, Vec<(String, PathBuf)>) {
    let mut launches = 41;
    let mut providers = Vec::new();
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        match (word.as_str(), word.split_once('=')) {
            ("--launches", _) => launches = words.next().and_then(|count| count.parse().ok()).expect("a number"),
            (_, Some((name, path))) => providers.push((name.to_owned(), PathBuf::from(path))),
            _ => panic!("name each provider's binary: `name=path`"),
        }
    }
    assert!(!providers.is_empty() && launches > 0, "name at least one provider's binary: `name=path`");
    (launches, providers)
}

async fn measure(binary: &std::path::Path, samples: &mut Samples) {
    let plain = Tiny::start_binary(binary, None, &[]);
    samples.plain.push(milliseconds(plain.launched));
    drop(plain);

    let client = Credentials::new();
    let mutual = Tiny::start_binary(binary, Some(&client), &[]);
    samples.mutual.push(milliseconds(mutual.launched));
    let channel = mutual.connect(Some(&client)).await;
    let mut provider = ProviderClient::new(channel).max_decoding_message_size(64 << 20);
    // connects, and is no part of what is measured
    provider.stop(stop::Request {}).await.unwrap();
    let begun = Instant::now();
    let answer = provider.get_schema(get_provider_schema::Request {}).await.unwrap().into_inner();
    samples.schema.push(milliseconds(begun.elapsed()));
    assert!(answer.provider.is_some() && answer.diagnostics.is_empty(), "{:?}", answer.diagnostics);
    for (samples, name) in [(&mut samples.now, "VmRSS"), (&mut samples.own, "RssAnon"), (&mut samples.peak, "VmHWM")] {
        samples.push(mutual.memory(name) as f64);
    }
}

impl Samples {
    fn medians(self) -> serde_json::Value {
        json!({
            "plain": median(self.plain),
            "mutual": median(self.mutual),
            "schema": median(self.schema),
            "now": median(self.now),
            "own": median(self.own),
            "peak": median(self.peak),
        })
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
