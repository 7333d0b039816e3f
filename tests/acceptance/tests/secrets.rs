//! No secret that the world issued is found in state, plan, output or logs, however much is logged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use acceptance::{Installation, Run};
use anyhow::{Result, ensure};

/// Tokens, private keys and the contents of credentials, as they are and as they look inside JSON.
fn secrets(it: &Installation) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pem = |whose: &str, pem: &str| {
        // one line of the key is enough to give it away, and survives every kind of escaping
        for line in pem.lines().filter(|line| line.len() > 40 && !line.contains("PRIVATE KEY")) {
            found.push((format!("private key of {whose}"), line.to_owned()));
        }
    };
    let sandbox = it.world.sandbox();
    let own = std::fs::read_to_string(sandbox.credentials_path()).unwrap();
    let own: serde_json::Value = serde_json::from_str(&own).unwrap();
    pem("the operator", own["private_key"].as_str().unwrap());
    let shared = sandbox.shared();
    let world = shared.lock();
    for (email, account) in &world.gcp.accounts {
        for key in account.keys.values() {
            pem(email, &key.private_key_pem);
        }
    }
    for (token, whose) in &world.gcp.tokens {
        found.push((format!("token of {whose}"), token.clone()));
    }
    found
}

fn holds_none(what: &str, text: &str, secrets: &[(String, String)]) -> Result<()> {
    for (name, secret) in secrets {
        ensure!(!text.contains(secret), "{what} holds the {name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_written_anywhere() -> Result<()> {
    let mut it = Installation::planned().await?;
    it.project.environment("TF_LOG", "TRACE");
    let mut runs: Vec<Run> = vec![it.project.apply(&[]).await?.ok()?];
    it.works(5).await?;
    it.lose(1).await?;
    it.failover_active(true)?;
    runs.push(it.project.plan(&["-out=failover.tfplan"]).await?.exits(2)?);
    let shown = it.project.run(&["show", "-json", "failover.tfplan"]).await?.ok()?.stdout;
    runs.push(it.project.apply(&["failover.tfplan"]).await?.ok()?);

    let secrets = secrets(&it);
    ensure!(secrets.iter().any(|(name, _)| name.contains("token")), "the world issued no token");
    let accounts = secrets.iter().filter(|(name, _)| name.contains("c8-es-")).count();
    ensure!(accounts > 0, "the world issued no key for the backup");
    for run in &runs {
        ensure!(run.stderr.contains("[TRACE]"), "nothing was logged");
        holds_none(&format!("the output of `terraform {}`", run.command), &run.text(), &secrets)?;
    }
    holds_none("the plan", &shown, &secrets)?;
    for entry in std::fs::read_dir(it.project.path())? {
        let path = entry?.path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            holds_none(&path.display().to_string(), &text, &secrets)?;
        }
    }
    Ok(())
}
