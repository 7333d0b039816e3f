//! The claim: the decision "region L is lost in epoch e", which two operators can't both win.
//!
//! A disabled firewall rule that is created once: of two that create it, one is told that it exists. It is never changed, and
//! is kept until the next one exists. It passes no traffic and stops none.

use c8_clients::{
    Wait,
    gcp::{Direction, Error, Firewall, Firewalls, Ports},
};
use serde::{Deserialize, Serialize};
use terraform_plugin::Fault;

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
    match rules.insert(&rule, wait).await {
        Ok(()) | Err(Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(failed(&name, &error.to_string())),
    }
    // read back: only what is there counts
    let found = rules.get(&name).await.map_err(|error| failed(&name, &error.to_string()))?;
    let taken: Option<Decision> = found.as_ref().and_then(|rule| serde_json::from_str(&rule.description).ok());
    match taken {
        Some(taken) if taken.lost == lost => Ok(taken),
        Some(taken) => Err(Fault::new(
            "Another transition was claimed",
            format!(
                "The firewall rule {name} says that region {} was given up in epoch {epoch}, but here it is region {lost}. Two \
                 regions can't be given up. If that claim was a mistake that did nothing, delete the rule.",
                taken.lost
            ),
        )),
        None => Err(failed(&name, "it is not there, or its description is not a claim")),
    }
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
    let found = rules.list(&format!("c8-claim-{group}-")).await?;
    Ok(found.into_iter().map(|rule| rule.name).filter(|name| number(name, group).is_some()).collect())
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

    #[test]
    fn claims_of_another_group_are_not_ours() {
        assert_eq!(number("c8-claim-a-3", "a"), Some(3));
        assert_eq!(number("c8-claim-a-b-3", "a"), None);
        assert_eq!(number("c8-claim-ab-3", "a"), None);
    }
}
