//! The claim: the decision "region L is lost in epoch e", which two operators can't both win.
//!
//! A disabled firewall rule that is created once: of two that create it, one is told that it exists. It is never changed, and
//! is kept until the next one exists. It passes no traffic and stops none.

use std::time::Duration;

use c8_clients::{
    Wait,
    gcp::{Direction, Error, Firewall, Firewalls, Ports},
};
use c8_dr::Claim;
use serde::{Deserialize, Serialize};
use terraform_plugin::Fault;

/// How long an operation on a rule takes.
const OPERATION: Duration = Duration::from_secs(5);

/// What a claim says, in the description of its rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The region that is given up.
    pub lost: u32,
    /// Tells two claims of the same decision apart.
    pub nonce: String,
}

/// Name of the rule.
pub fn name(group: &str, epoch: u64) -> String {
    format!("c8-claim-{group}-{epoch}")
}

/// Takes the decision, or finds that the same one was taken.
///
/// # Errors
/// Somebody decided otherwise, or the rule can't be made.
pub async fn take(
    rules: &Firewalls,
    network: &str,
    group: &str,
    epoch: u64,
    lost: u32,
    wait: &Wait,
) -> Result<Decision, Fault> {
    let name = name(group, epoch);
    let decision = Decision { lost, nonce: nonce() };
    let description = serde_json::to_string(&decision).unwrap_or_default();
    let rule = Firewall {
        name: name.clone(),
        network: network.to_owned(),
        direction: Direction::Ingress,
        priority: 65_534,
        disabled: true,
        source_ranges: vec!["192.0.2.0/32".to_owned()],
        destination_ranges: Vec::new(),
        source_tags: Vec::new(),
        target_tags: vec![format!("c8-claim-{epoch}")],
        allowed: Vec::new(),
        denied: vec![Ports::new("tcp", ["1"])],
        description,
    };
    // read back: only what is there counts
    let found = match rules.insert(&rule, wait).await {
        Ok(()) => rules.get(&name).await,
        Err(Error::AlreadyExists { .. }) => settled(rules, &name, wait).await,
        Err(error) => Err(error),
    };
    let found = found.map_err(|error| failed(&name, &error.to_string()))?;
    match found.as_ref().and_then(said) {
        Some(taken) if taken.lost == lost => Ok(taken),
        Some(taken) => Err(Fault::new(
            "Another transition was claimed",
            format!(
                "The firewall rule {name} says that region {} was given up in epoch {epoch}, but here it is region {lost}. Two \
                 regions can't be given up. If that claim was a mistake that did nothing, delete the rule.",
                taken.lost
            ),
        )),
        None => {
            Err(failed(&name, "somebody else's operation on it did not end in time, or its description is not a claim"))
        }
    }
}

/// A rule that somebody else creates. Its name is taken as soon as the operation begins, which may still fail: it counts once it
/// was there, the same, in two looks that lie further apart than an operation takes.
async fn settled(rules: &Firewalls, name: &str, wait: &Wait) -> Result<Option<Firewall>, Error> {
    let wait = wait.within(OPERATION * 4);
    let mut before: Option<Firewall> = None;
    loop {
        let found = rules.get(name).await?;
        if found.is_some() && found == before {
            return Ok(found);
        }
        before = found;
        if wait.pause(OPERATION).await.is_err() {
            return Ok(None);
        }
    }
}

fn said(rule: &Firewall) -> Option<Decision> {
    serde_json::from_str(&rule.description).ok()
}

/// The newest claim of an installation, among its rules.
pub fn newest(found: &[Firewall], group: &str) -> Option<Claim> {
    let claims =
        found.iter().filter_map(|rule| Some(Claim { epoch: number(&rule.name, group)?, lost: said(rule)?.lost }));
    claims.max_by_key(|claim| claim.epoch)
}

/// Removes the claims of earlier epochs. What can't be removed stays; it harms nobody.
pub async fn remove_older(rules: &Firewalls, group: &str, epoch: u64, wait: &Wait) {
    for name in all(rules, group).await.unwrap_or_default() {
        let older = number(&name, group).is_some_and(|found| found < epoch);
        if older && let Err(error) = rules.delete(&name, wait).await {
            tracing::warn!(name, %error, "an old claim could not be removed");
        }
    }
}

/// Names of all claims of the installation.
///
/// # Errors
/// The rules can't be listed.
pub async fn all(rules: &Firewalls, group: &str) -> Result<Vec<String>, Error> {
    let found = rules.list(&prefix(group)).await?;
    Ok(found.into_iter().map(|rule| rule.name).filter(|name| number(name, group).is_some()).collect())
}

/// What the names of all claims begin with.
pub fn prefix(group: &str) -> String {
    format!("c8-claim-{group}-")
}

fn number(name: &str, group: &str) -> Option<u64> {
    name.strip_prefix("c8-claim-")?.strip_prefix(group)?.strip_prefix('-')?.parse().ok()
}

/// Different for each call and process.
pub fn nonce() -> String {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map(|d| d.as_nanos()).unwrap_or_default();
    format!("{nanos:x}-{:x}", std::process::id())
}

fn failed(name: &str, why: &str) -> Fault {
    Fault::new("The transition can't be claimed", format!("Firewall rule {name}: {why}. Nothing was changed."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, description: &str) -> Firewall {
        Firewall {
            name: name.to_owned(),
            network: "default".to_owned(),
            direction: Direction::Ingress,
            priority: 65_534,
            disabled: true,
            source_ranges: Vec::new(),
            destination_ranges: Vec::new(),
            source_tags: Vec::new(),
            target_tags: Vec::new(),
            allowed: Vec::new(),
            denied: Vec::new(),
            description: description.to_owned(),
        }
    }

    #[test]
    fn the_newest_claim_counts() {
        let rules = [
            rule("c8-claim-a-9", r#"{"lost":0,"nonce":"x"}"#),
            rule("c8-claim-a-10", r#"{"lost":1,"nonce":"y"}"#),
            rule("c8-claim-a-11", "something else"),
            rule("c8-claim-a-b-12", r#"{"lost":0,"nonce":"z"}"#),
        ];
        assert_eq!(newest(&rules, "a"), Some(Claim { epoch: 10, lost: 1 }));
        assert_eq!(newest(&rules, "c"), None);
    }

    #[test]
    fn claims_of_another_group_are_not_ours() {
        assert_eq!(number("c8-claim-a-3", "a"), Some(3));
        assert_eq!(number("c8-claim-a-b-3", "a"), None);
        assert_eq!(number("c8-claim-ab-3", "a"), None);
    }
}
