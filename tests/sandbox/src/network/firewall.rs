//! Evaluation of VPC firewall rules: the strongest priority decides, deny beats allow at equal priority, ingress is denied and egress allowed when no rule matches.

use std::net::Ipv4Addr;

use crate::gcp::FirewallRule;

/// Transport protocol of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

/// What the rules look at.
#[derive(Debug)]
pub struct Packet<'a> {
    /// Name of the network that sender and receiver share.
    pub network: &'a str,
    /// Address of the sender.
    pub from: Ipv4Addr,
    /// Address of the receiver.
    pub to: Ipv4Addr,
    /// Tags of the sender's node.
    pub from_tags: &'a [String],
    /// Tags of the receiver's node.
    pub to_tags: &'a [String],
    /// Whether the sender is a node. Source tags never match the alias addresses of pods.
    pub from_is_node: bool,
    /// Protocol.
    pub protocol: Protocol,
    /// Port of the receiver.
    pub port: u16,
}

/// Whether both the sender's egress and the receiver's ingress rules let the packet pass.
pub fn admits(rules: &[&FirewallRule], packet: &Packet<'_>) -> bool {
    verdict(rules, packet, false).unwrap_or(true) && verdict(rules, packet, true).unwrap_or(false)
}

fn verdict(rules: &[&FirewallRule], packet: &Packet<'_>, ingress: bool) -> Option<bool> {
    rules
        .iter()
        .filter(|rule| {
            !rule.disabled && rule.ingress == ingress && rule.network == packet.network && matches(rule, packet)
        })
        // `false` (deny) sorts before `true` (allow)
        .min_by_key(|rule| (rule.priority, rule.allow))
        .map(|rule| rule.allow)
}

fn matches(rule: &FirewallRule, packet: &Packet<'_>) -> bool {
    let guarded = if rule.ingress { packet.to_tags } else { packet.from_tags };
    if !rule.target_tags.is_empty() && !share(&rule.target_tags, guarded) {
        return false;
    }
    let ends = if rule.ingress {
        let anybody = rule.source_ranges.is_empty() && rule.source_tags.is_empty();
        anybody
            || rule.source_ranges.iter().any(|range| contains(range, packet.from))
            || (packet.from_is_node && share(&rule.source_tags, packet.from_tags))
    } else {
        rule.destination_ranges.is_empty() || rule.destination_ranges.iter().any(|range| contains(range, packet.to))
    };
    ends && rule.rules.iter().any(|(protocol, ports)| {
        speaks(protocol, packet.protocol)
            && (ports.is_empty() || ports.iter().any(|(low, high)| (*low..=*high).contains(&packet.port)))
    })
}

fn speaks(rule: &str, protocol: Protocol) -> bool {
    match rule.to_ascii_lowercase().as_str() {
        "all" => true,
        "tcp" | "6" => protocol == Protocol::Tcp,
        "udp" | "17" => protocol == Protocol::Udp,
        _ => false,
    }
}

fn share(one: &[String], other: &[String]) -> bool {
    one.iter().any(|tag| other.contains(tag))
}

/// Whether `address` lies in `range` (`10.0.0.0/14`, or a bare address).
pub fn contains(range: &str, address: Ipv4Addr) -> bool {
    let (base, bits) = match range.split_once('/') {
        Some((base, bits)) => (base, bits.parse::<u32>().unwrap_or(32)),
        None => (range, 32),
    };
    let Ok(base) = base.parse::<Ipv4Addr>() else { return false };
    let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits.min(32)) };
    u32::from(base) & mask == u32::from(address) & mask
}

/// The rule that GKE makes for a `LoadBalancer` Service.
pub(crate) fn load_balancer_rule(network: &str, tags: &[String], port: u16) -> FirewallRule {
    rule("k8s-fw-lb", network, true, 1000, true, &[], tags, &[("tcp", &[(port, port)]), ("udp", &[(port, port)])])
}

#[allow(clippy::too_many_arguments)]
pub(crate) fn rule(
    name: &str,
    network: &str,
    ingress: bool,
    priority: u32,
    allow: bool,
    ranges: &[&str],
    tags: &[String],
    rules: &[(&str, &[(u16, u16)])],
) -> FirewallRule {
    let ranges: Vec<String> = ranges.iter().map(|&range| range.into()).collect();
    FirewallRule {
        name: name.into(),
        network: network.into(),
        ingress,
        priority,
        disabled: false,
        source_ranges: if ingress { ranges.clone() } else { vec![] },
        destination_ranges: if ingress { vec![] } else { ranges },
        source_tags: vec![],
        target_tags: tags.to_vec(),
        allow,
        rules: rules.iter().map(|(protocol, ports)| ((*protocol).to_owned(), ports.to_vec())).collect(),
        description: String::new(),
        in_force_from: None,
        body: serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet<'a>(from_tags: &'a [String], to_tags: &'a [String], port: u16) -> Packet<'a> {
        Packet {
            network: "default",
            from: "10.4.0.9".parse().unwrap(),
            to: "10.8.0.7".parse().unwrap(),
            from_tags,
            to_tags,
            from_is_node: false,
            protocol: Protocol::Tcp,
            port,
        }
    }

    #[test]
    fn nothing_passes_without_a_rule_and_what_is_allowed_passes() {
        let (a, b) = (vec!["a".to_owned()], vec!["b".to_owned()]);
        assert!(!admits(&[], &packet(&a, &b, 26502)));
        let allow = rule(
            "allow",
            "default",
            true,
            1000,
            true,
            &["10.4.0.0/14"],
            &b,
            &[("tcp", &[(9200, 9200), (26500, 26502)])],
        );
        assert!(admits(&[&allow], &packet(&a, &b, 26502)));
        assert!(!admits(&[&allow], &packet(&a, &b, 9600)));
        // the rule guards other nodes, or admits another sender
        assert!(!admits(&[&allow], &packet(&b, &a, 26502)));
        let other = rule("allow", "default", true, 1000, true, &["10.12.0.0/14"], &b, &[("tcp", &[])]);
        assert!(!admits(&[&other], &packet(&a, &b, 26502)));
    }

    #[test]
    fn deny_wins_at_equal_priority_and_may_leave_a_port_open() {
        let (a, b) = (vec!["a".to_owned()], vec!["b".to_owned()]);
        let allow = rule("allow", "default", true, 0, true, &["10.4.0.0/14"], &b, &[("all", &[])]);
        let fence = rule("fence", "default", true, 0, false, &["10.4.0.0/14"], &b, &[("tcp", &[(0, 52), (54, 65535)])]);
        assert!(!admits(&[&allow, &fence], &packet(&a, &b, 26502)));
        assert!(admits(&[&allow, &fence], &packet(&a, &b, 53)));
        let egress =
            rule("fence-out", "default", false, 0, false, &["10.8.0.0/14"], &a, &[("tcp", &[(0, 52), (54, 65535)])]);
        assert!(!admits(&[&allow, &egress], &packet(&a, &b, 26502)));
    }

    #[test]
    fn ranges() {
        assert!(contains("10.4.0.0/14", "10.7.255.255".parse().unwrap()));
        assert!(!contains("10.4.0.0/14", "10.8.0.0".parse().unwrap()));
        assert!(contains("0.0.0.0/0", "1.2.3.4".parse().unwrap()));
        assert!(contains("10.4.0.9", "10.4.0.9".parse().unwrap()));
    }
}
