//! The sandbox's Kubernetes API against a real kube-apiserver: the same requests, the same answers.
//!
//! Needs the binary that `cargo drill setup` builds (or `C8_HYPERKUBE`); without it the tests say so and pass. What differs and is
//! meant to is in `FIDELITY.md` and named in the case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod case;
mod normal;
mod rules;
mod side;
mod workloads;

use case::Case;
use side::Side;

/// Runs cases on both sides and complains about all differences at once.
async fn compare(cases: Vec<Case>) {
    let binary = match c8_sandbox::real::hyperkube() {
        Ok(binary) => binary,
        Err(why) => {
            println!("SKIPPED, nothing was compared: {why}");
            return;
        }
    };
    let only = std::env::var("C8_CASE").unwrap_or_default();
    let (simulated, real) = (Side::simulated(), Side::real(&binary).await);
    let mut differences = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        let (ours, theirs) = (case.run(&simulated).await, case.run(&real).await);
        for ((step, ours), theirs) in case.steps.iter().zip(&ours).zip(&theirs) {
            if let Some(difference) = normal::difference(ours, theirs) {
                differences.push(format!("{}: {}\n{difference}", case.name, step.shown()));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences (- sandbox, + real):\n\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_as_a_real_one() {
    let mut cases = rules::cases();
    cases.extend(workloads::cases());
    compare(cases).await;
}
