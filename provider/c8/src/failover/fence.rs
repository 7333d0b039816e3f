//! The fences: deny rules on the survivor's nodes that keep the lost region away (design: "broker fence", "store fence").
//!
//! DNS stays open, because a deny can't say "all but" and wins at equal priority: all ports but 53, and the other protocols
//! by name.

use c8_clients::{
    Wait,
    gcp::{Direction, Error, Firewall, Firewalls, Ports},
};
use c8_dr::Fence;

/// The rules of one installation.
pub struct Rules {
    /// INGRESS on the survivor's tags.
    pub incoming: String,
    /// EGRESS on the survivor's tags.
    pub outgoing: String,
    /// EGRESS to the lost region's store.
    pub store: String,
}

/// Names of the rules.
pub fn names(group: &str) -> Rules {
    Rules {
        incoming: format!("c8-fence-{group}-in"),
        outgoing: format!("c8-fence-{group}-out"),
        store: format!("c8-fence-{group}-store"),
    }
}

/// What the rules are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Name of the installation.
    pub group: String,
    /// Network of the survivor.
    pub network: String,
    /// Tags of the survivor's nodes.
    pub tags: Vec<String>,
    /// Pod and node ranges of the lost region.
    pub ranges: Vec<String>,
}

impl Line {
    /// The broker fence: all but DNS, both ways.
    pub fn brokers(&self) -> [Firewall; 2] {
        let names = names(&self.group);
        let all_but_dns = || {
            let mut denied = vec![Ports::new("tcp", ["0-52", "54-65535"]), Ports::new("udp", ["0-52", "54-65535"])];
            denied.extend(
                ["icmp", "esp", "ah", "sctp", "ipip"].map(|protocol| Ports::new(protocol, Vec::<String>::new())),
            );
            denied
        };
        [
            self.rule(names.incoming, Direction::Ingress, all_but_dns()),
            self.rule(names.outgoing, Direction::Egress, all_but_dns()),
        ]
    }

    /// The store fence: the survivor's brokers can't write to the lost region's Elasticsearch.
    pub fn store(&self) -> Firewall {
        self.rule(names(&self.group).store, Direction::Egress, vec![Ports::new("tcp", ["9200"])])
    }

    fn rule(&self, name: String, direction: Direction, denied: Vec<Ports>) -> Firewall {
        let ingress = direction == Direction::Ingress;
        Firewall {
            name,
            network: self.network.clone(),
            direction,
            priority: 0,
            disabled: false,
            source_ranges: if ingress { self.ranges.clone() } else { Vec::new() },
            destination_ranges: if ingress { Vec::new() } else { self.ranges.clone() },
            source_tags: Vec::new(),
            target_tags: self.tags.clone(),
            allowed: Vec::new(),
            denied,
            description: format!("c8_failover of {}: keeps a lost region away", self.group),
        }
    }
}

/// Which fences are among the rules.
pub fn among(found: &[Firewall], group: &str) -> Fence {
    let names = names(group);
    let there = |name: &str| found.iter().any(|rule| rule.name == name && !rule.disabled);
    Fence {
        brokers: there(&names.incoming) && there(&names.outgoing),
        any: there(&names.incoming) || there(&names.outgoing),
        store: there(&names.store),
    }
}

/// Makes a rule so.
///
/// # Errors
/// It can't be made or read.
pub async fn ensure(rules: &Firewalls, wanted: &Firewall, wait: &Wait) -> Result<(), Error> {
    match rules.get(&wanted.name).await? {
        None => match rules.insert(wanted, wait).await {
            Err(Error::AlreadyExists { .. }) => rules.update(wanted, wait).await,
            other => other,
        },
        Some(found) if same(&found, wanted) => Ok(()),
        Some(found) if found.network != wanted.network => {
            // the network of a rule can't be changed
            rules.delete(&wanted.name, wait).await?;
            rules.insert(wanted, wait).await
        }
        Some(_) => rules.update(wanted, wait).await,
    }
}

fn same(found: &Firewall, wanted: &Firewall) -> bool {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    let ports = |list: &[Ports]| {
        let mut list: Vec<_> = list.iter().map(|entry| (entry.protocol.clone(), sorted(&entry.ports))).collect();
        list.sort();
        list
    };
    found.network == wanted.network
        && found.direction == wanted.direction
        && found.priority == wanted.priority
        && found.disabled == wanted.disabled
        && sorted(&found.source_ranges) == sorted(&wanted.source_ranges)
        && sorted(&found.destination_ranges) == sorted(&wanted.destination_ranges)
        && sorted(&found.target_tags) == sorted(&wanted.target_tags)
        && ports(&found.denied) == ports(&wanted.denied)
        && found.allowed.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            group: "g".into(),
            network: "default".into(),
            tags: vec!["c8-zero".into()],
            ranges: vec!["10.4.0.0/14".into()],
        }
    }

    #[test]
    fn a_fence_leaves_dns_open_and_stops_all_else() {
        let [incoming, outgoing] = line().brokers();
        assert_eq!(incoming.name, "c8-fence-g-in");
        assert_eq!((incoming.priority, incoming.disabled), (0, false));
        assert_eq!((incoming.source_ranges.len(), incoming.destination_ranges.len()), (1, 0));
        assert_eq!((outgoing.source_ranges.len(), outgoing.destination_ranges.len()), (0, 1));
        for rule in [incoming, outgoing] {
            for protocol in ["tcp", "udp"] {
                let denied =
                    rule.denied.iter().find(|entry| entry.protocol == protocol).map(|entry| entry.ports.clone());
                assert_eq!(denied, Some(vec!["0-52".to_owned(), "54-65535".to_owned()]));
            }
            assert!(rule.allowed.is_empty());
        }
    }

    #[test]
    fn a_rule_of_other_ranges_is_not_the_same() {
        let wanted = line().store();
        assert!(same(&wanted.clone(), &wanted));
        assert!(!same(&Line { ranges: vec!["10.8.0.0/14".into()], ..line() }.store(), &wanted));
        assert!(!same(&Firewall { disabled: true, ..wanted.clone() }, &wanted));
    }
}
