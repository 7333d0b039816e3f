//! The rules that `c8_firewall` wants: pure.

use serde::{Deserialize, Serialize};

use crate::installation::Installation;

/// Brokers and gateways, and the search store (dual-region.md 1.5).
pub const TCP_PORTS: [&str; 3] = ["9200", "26500-26502", "53"];
/// DNS.
pub const UDP_PORTS: [&str; 1] = ["53"];
/// GCP's default; the fence of `c8_failover` has priority 0 and wins.
pub const PRIORITY: u16 = 1000;

/// What of a cluster the rules are made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterFacts {
    /// Project of the cluster and its network.
    pub project: String,
    /// Network, by its short name.
    pub network: String,
    /// Address range of the pods.
    pub pod_cidr: String,
    /// Tags that all nodes have.
    pub node_tags: Vec<String>,
}

/// One wanted rule: it admits the peer's pods to the region's nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Region whose nodes are admitted to.
    pub to: u8,
    /// Project that holds the rule.
    pub project: String,
    /// Name of the rule.
    pub name: String,
    /// Network, by its short name.
    pub network: String,
    /// The peer's pods.
    pub source_ranges: Vec<String>,
    /// The region's nodes.
    pub target_tags: Vec<String>,
}

/// Name of the rule that admits the peer to region `to`.
#[must_use]
pub fn rule_name(group: &str, to: u8) -> String {
    let from = u8::from(to == 0);
    format!("c8-allow-{group}-r{to}-from-r{from}")
}

/// The rules for what is known of both clusters, at the index of the region they admit to. A cluster that can't be asked
/// gives `None`, and both rules with it: each needs something of both.
#[must_use]
pub fn wanted(installation: &Installation, facts: &[Option<ClusterFacts>; 2]) -> Option<[Wanted; 2]> {
    let [Some(zero), Some(one)] = facts else { return None };
    let rule = |to: u8, own: &ClusterFacts, peer: &ClusterFacts| Wanted {
        to,
        project: own.project.clone(),
        name: rule_name(&installation.group, to),
        network: own.network.clone(),
        source_ranges: vec![peer.pod_cidr.clone()],
        target_tags: own.node_tags.clone(),
    };
    Some([rule(0, zero, one), rule(1, one, zero)])
}

/// The last part of a resource URL, such as `default` of `projects/p/global/networks/default`.
#[must_use]
pub fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What is wrong with two clusters, if their rules would be of no use.
#[must_use]
pub fn conflict(facts: &[Option<ClusterFacts>; 2]) -> Option<String> {
    let [Some(zero), Some(one)] = facts else { return None };
    overlap(&zero.pod_cidr, &one.pod_cidr).then(|| {
        format!(
            "The pods of region 0 ({}) and of region 1 ({}) share addresses: traffic between them can't be routed. \
             Create one of the clusters in another subnetwork or with another pod range.",
            zero.pod_cidr, one.pod_cidr
        )
    })
}

/// Whether two IPv4 ranges share addresses. What is not a range shares none.
fn overlap(one: &str, other: &str) -> bool {
    let parse = |text: &str| -> Option<(u32, u32)> {
        let (address, bits) = text.split_once('/')?;
        let address = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
        Some((address, bits.parse().ok().filter(|bits| *bits <= 32)?))
    };
    let (Some((a, a_bits)), Some((b, b_bits))) = (parse(one), parse(other)) else { return false };
    let bits = a_bits.min(b_bits);
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    a & mask == b & mask
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::installation::testing::regions;
    use rstest::rstest;

    fn facts(pod_cidr: &str, tag: &str) -> ClusterFacts {
        ClusterFacts {
            project: "p".into(),
            network: "default".into(),
            pod_cidr: pod_cidr.into(),
            node_tags: vec![tag.into()],
        }
    }

    #[test]
    fn each_rule_admits_the_peers_pods_to_the_own_nodes() {
        let installation = Installation::resolve(&regions("u0", "u1"), None).unwrap();
        let both = [Some(facts("10.0.0.0/14", "c8-zero")), Some(facts("10.4.0.0/14", "c8-one"))];
        let [zero, one] = wanted(&installation, &both).unwrap();
        assert_eq!((zero.name.as_str(), one.name.as_str()), ("c8-allow-a-b-r0-from-r1", "c8-allow-a-b-r1-from-r0"));
        assert_eq!(
            (zero.source_ranges, zero.target_tags),
            (vec!["10.4.0.0/14".to_owned()], vec!["c8-zero".to_owned()])
        );
        assert_eq!((one.source_ranges, one.target_tags), (vec!["10.0.0.0/14".to_owned()], vec!["c8-one".to_owned()]));
        assert_eq!(wanted(&installation, &[None, both[1].clone()]), None);
    }

    #[rstest]
    #[case("10.0.0.0/14", "10.4.0.0/14", false)]
    #[case("10.0.0.0/14", "10.0.0.0/14", true)]
    #[case("10.0.0.0/8", "10.4.0.0/14", true)]
    #[case("0.0.0.0/0", "10.4.0.0/14", true)]
    #[case("", "10.4.0.0/14", false)]
    fn overlapping_pods_are_found(#[case] one: &str, #[case] other: &str, #[case] expected: bool) {
        assert_eq!(conflict(&[Some(facts(one, "a")), Some(facts(other, "b"))]).is_some(), expected);
    }

    #[test]
    fn names_fit_with_the_longest_group() {
        assert!(rule_name(&"g".repeat(c8_schemas::topology::GROUP_MAX), 0).len() <= 63);
    }
}
