//! The firewall between the regions: the rules of the firewall API as nftables in the router.
//!
//! Every packet is judged, not only the first of a connection, by the addresses with which its connection began: an answer passes because its
//! question does, and a rule that comes to deny cuts connections that are established. What no rule names is refused, as in a VPC.

use std::fmt::Write as _;

use anyhow::Result;
use c8_sandbox::gcp::FirewallRule;

use super::balancers::Balancer;
use super::latency::DEVICE;
use crate::command;
use crate::place::{Addresses, Backbone};

/// Name of the table.
const TABLE: &str = "inet c8";

/// A region as the firewall sees it.
#[derive(Debug, Clone)]
pub struct Site {
    /// Addresses, and the router's interface.
    pub addresses: Addresses,
    /// Network tags of its nodes.
    pub tags: Vec<String>,
    /// Last segment of the network's URL.
    pub network: String,
    /// Whether it is cut off from the others.
    pub isolated: bool,
    /// Whether it swallows every packet instead of refusing connections.
    pub silent: bool,
    /// Its load balancers.
    pub balancers: Vec<Balancer>,
}

/// Puts a ruleset in force, at once and as a whole.
///
/// # Errors
/// nftables refuses it.
pub async fn enforce(backbone: Backbone, ruleset: &str) -> Result<()> {
    let here = format!("--net=/run/netns/{}", backbone.netns());
    command::feed("nsenter", [here.as_str(), "nft", "-f", "-"], ruleset).await.map(drop)
}

/// The whole ruleset: what goes between the host and a region passes, what goes between regions is judged.
pub fn compile(sites: &[Site], rules: &[FirewallRule]) -> String {
    let mut sorted: Vec<&FirewallRule> = rules.iter().filter(|rule| !rule.disabled).collect();
    // the strongest first; at equal priority deny (false) comes before allow
    sorted.sort_by_key(|rule| (rule.priority, rule.allow, rule.name.clone()));
    let mut out = format!("add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
    let pairs: Vec<(&Site, &Site)> = sites
        .iter()
        .flat_map(|one| sites.iter().map(move |other| (one, other)))
        .filter(|(one, other)| link(one) != link(other))
        .collect();
    for (from, to) in &pairs {
        judge(&mut out, &sorted, from, to);
    }
    // what waited has been judged before
    let _ = writeln!(
        out,
        "\tchain raw {{\n\t\ttype filter hook prerouting priority raw;\n\t\tiifname \"{DEVICE}\" notrack\n\t}}"
    );
    out.push_str("\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n");
    for site in sites.iter().filter(|site| site.silent) {
        let _ = writeln!(out, "\t\toifname \"{}\" drop", link(site));
    }
    out.push_str("\t\tiifname \"host\" accept\n\t\toifname \"host\" accept\n");
    let _ = writeln!(out, "\t\tiifname \"{DEVICE}\" accept\n\t\tct state invalid drop");
    for (from, to) in &pairs {
        // by address: the next interface is the device that delays, if there is one
        let (one, other, here, there) = (link(from), link(to), ranges(from), ranges(to));
        let _ = writeln!(out, "\t\tiifname \"{one}\" ip daddr {there} ct direction original jump {one}_{other}");
        let _ = writeln!(out, "\t\tiifname \"{other}\" ip daddr {here} ct direction reply jump {one}_{other}");
    }
    out.push_str("\t}\n}\n");
    out
}

fn link(site: &Site) -> String {
    site.addresses.link()
}

fn ranges(site: &Site) -> String {
    format!("{{ {}, {} }}", site.addresses.node_cidr(), site.addresses.pod_cidr())
}

/// The chains for connections that began in `from`: first what may leave, then what may enter.
fn judge(out: &mut String, rules: &[&FirewallRule], from: &Site, to: &Site) {
    let name = format!("{}_{}", link(from), link(to));
    let connected = from.network == to.network && !from.isolated && !to.isolated;
    let _ = writeln!(out, "\tchain {name}_enter {{");
    if connected {
        let mut entries: Vec<(u32, bool, Vec<String>)> = rules
            .iter()
            .filter(|rule| rule.ingress && concerns(rule, to))
            .map(|rule| (rule.priority, rule.allow, matches(rule, from)))
            .collect();
        entries.extend(to.balancers.iter().map(|balancer| (1000, true, of_balancer(balancer))));
        entries.sort_by_key(|(priority, allow, _)| (*priority, *allow));
        for (_, allow, lines) in entries {
            for line in lines {
                let _ = writeln!(out, "\t\t{line} counter {}", if allow { "accept" } else { "drop" });
            }
        }
    }
    out.push_str("\t\tcounter drop\n\t}\n");
    let _ = writeln!(out, "\tchain {name} {{");
    if connected {
        // a balancer that is for its own region does not exist for others
        for balancer in to.balancers.iter().filter(|balancer| !balancer.global) {
            let _ = writeln!(out, "\t\tct original ip daddr {} counter drop", balancer.address);
        }
        for rule in rules.iter().filter(|rule| !rule.ingress && concerns(rule, from)) {
            for line in matches(rule, from) {
                let verdict = if rule.allow { format!("goto {name}_enter") } else { "drop".into() };
                let _ = writeln!(out, "\t\t{line} counter {verdict}");
            }
        }
    }
    let _ = writeln!(out, "\t\tgoto {name}_enter\n\t}}");
}

/// Whether a rule guards a region's nodes.
fn concerns(rule: &FirewallRule, guarded: &Site) -> bool {
    rule.network == guarded.network
        && (rule.target_tags.is_empty() || rule.target_tags.iter().any(|tag| guarded.tags.contains(tag)))
}

/// A rule as nftables matches: one line for each protocol and range of the other end.
fn matches(rule: &FirewallRule, from: &Site) -> Vec<String> {
    let mut ends = Vec::new();
    if rule.ingress {
        ends.extend(rule.source_ranges.iter().map(|range| format!("ct original ip saddr {range}")));
        // source tags never match the alias addresses of pods
        if rule.source_tags.iter().any(|tag| from.tags.contains(tag)) {
            ends.push(format!("ct original ip saddr {}", from.addresses.node_cidr()));
        }
        if rule.source_ranges.is_empty() && rule.source_tags.is_empty() {
            ends.push(String::new());
        }
    } else {
        ends.extend(rule.destination_ranges.iter().map(|range| format!("ct original ip daddr {range}")));
        if rule.destination_ranges.is_empty() {
            ends.push(String::new());
        }
    }
    let mut lines = Vec::new();
    for end in &ends {
        for (protocol, ports) in &rule.rules {
            let Some(what) = transport(protocol, ports) else { continue };
            let line = [end.as_str(), what.as_str()]
                .iter()
                .filter(|part| !part.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(" ");
            lines.push(line);
        }
    }
    lines
}

/// Protocol and ports; empty for all; `None` for a protocol that nothing here speaks.
fn transport(protocol: &str, ports: &[(u16, u16)]) -> Option<String> {
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "all" => return Some(String::new()),
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => return Some("meta l4proto icmp".into()),
        _ => return None,
    };
    if ports.is_empty() {
        return Some(format!("meta l4proto {protocol}"));
    }
    let ranges: Vec<String> =
        ports.iter().map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") }).collect();
    Some(format!("meta l4proto {protocol} ct original proto-dst {{ {} }}", ranges.join(", ")))
}

/// The rule that GKE makes for a load balancer.
fn of_balancer(balancer: &Balancer) -> Vec<String> {
    let sources: Vec<String> = if balancer.sources.is_empty() {
        vec![String::new()]
    } else {
        balancer.sources.iter().map(|range| format!("ct original ip saddr {range} ")).collect()
    };
    let ports = balancer.ports.iter().flat_map(|(protocol, port)| transport(protocol, &[(*port, *port)]));
    let ports: Vec<String> = ports.collect();
    let address = &balancer.address;
    sources
        .iter()
        .flat_map(|source| ports.iter().map(move |port| format!("{source}ct original ip daddr {address} {port}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    fn site(slot: u8) -> Site {
        Site {
            addresses: Place::at("/tmp/drill".into(), 0).unwrap().addresses(slot),
            tags: vec![format!("node-{slot}")],
            network: "default".into(),
            isolated: false,
            silent: false,
            balancers: vec![],
        }
    }

    fn rule(name: &str, ingress: bool, priority: u32, allow: bool, range: &str, tag: &str) -> FirewallRule {
        FirewallRule {
            name: name.into(),
            network: "default".into(),
            ingress,
            priority,
            disabled: false,
            source_ranges: if ingress { vec![range.into()] } else { vec![] },
            destination_ranges: if ingress { vec![] } else { vec![range.into()] },
            source_tags: vec![],
            target_tags: vec![tag.into()],
            allow,
            rules: vec![("tcp".into(), vec![(9200, 9200), (26500, 26502)])],
            description: String::new(),
            in_force_from: None,
            body: serde_json::Value::Null,
        }
    }

    /// The lines of a chain.
    fn chain<'a>(ruleset: &'a str, name: &str) -> Vec<&'a str> {
        let start = format!("\tchain {name} {{");
        let lines = ruleset.lines().skip_while(|line| *line != start).skip(1);
        lines.take_while(|line| *line != "\t}").map(str::trim).collect()
    }

    #[test]
    fn without_rules_nothing_enters() {
        let ruleset = compile(&[site(0), site(1)], &[]);
        assert_eq!(chain(&ruleset, "r0_r1_enter"), ["counter drop"]);
        assert_eq!(chain(&ruleset, "r0_r1"), ["goto r0_r1_enter"]);
        assert!(chain(&ruleset, "forward").contains(&"type filter hook forward priority 0; policy drop;"));
    }

    #[test]
    fn an_allowed_connection_passes_with_its_answers_and_no_other_direction_does() {
        let ruleset = compile(&[site(0), site(1)], &[rule("in", true, 1000, true, "10.64.0.0/16", "node-1")]);
        assert_eq!(
            chain(&ruleset, "r0_r1_enter")[0],
            "ct original ip saddr 10.64.0.0/16 meta l4proto tcp ct original proto-dst { 9200, 26500-26502 } counter accept"
        );
        assert_eq!(chain(&ruleset, "r1_r0_enter"), ["counter drop"]);
        let forward = chain(&ruleset, "forward");
        assert!(
            forward
                .contains(&"iifname \"r0\" ip daddr { 172.30.2.0/24, 10.65.0.0/16 } ct direction original jump r0_r1")
        );
        assert!(
            forward.contains(&"iifname \"r1\" ip daddr { 172.30.1.0/24, 10.64.0.0/16 } ct direction reply jump r0_r1")
        );
    }

    #[test]
    fn the_strongest_rule_comes_first_and_deny_before_allow() {
        let rules = [
            rule("allow", true, 0, true, "10.64.0.0/16", "node-1"),
            rule("fence", true, 0, false, "10.64.0.0/16", "node-1"),
            rule("fence-out", false, 0, false, "10.65.0.0/16", "node-0"),
        ];
        let ruleset = compile(&[site(0), site(1)], &rules);
        let enter = chain(&ruleset, "r0_r1_enter");
        assert!(enter[0].ends_with("drop") && enter[1].ends_with("accept"));
        assert!(chain(&ruleset, "r0_r1")[0].starts_with("ct original ip daddr 10.65.0.0/16"));
        assert_eq!(chain(&ruleset, "r1_r0").len(), 1);
    }

    #[test]
    fn a_cut_or_another_network_stops_everything() {
        let allow = [rule("in", true, 1000, true, "10.64.0.0/16", "node-1")];
        let mut cut = [site(0), site(1)];
        cut[0].isolated = true;
        assert_eq!(chain(&compile(&cut, &allow), "r0_r1_enter"), ["counter drop"]);
        let mut apart = [site(0), site(1)];
        apart[0].network = "other".into();
        assert_eq!(chain(&compile(&apart, &allow), "r0_r1_enter"), ["counter drop"]);
    }

    #[test]
    fn a_disabled_rule_does_not_bite() {
        let mut claim = rule("claim", true, 0, false, "10.64.0.0/16", "node-1");
        claim.disabled = true;
        assert_eq!(chain(&compile(&[site(0), site(1)], &[claim]), "r0_r1_enter"), ["counter drop"]);
    }

    #[test]
    fn balancers_are_open_unless_they_are_for_their_own_region() {
        let mut sites = [site(0), site(1)];
        sites[1].balancers = vec![Balancer {
            service: "kube-system/c8-dns".into(),
            address: "172.30.2.130".into(),
            ports: vec![("udp".into(), 53)],
            sources: vec![],
            global: true,
        }];
        let ruleset = compile(&sites, &[]);
        assert_eq!(
            chain(&ruleset, "r0_r1_enter")[0],
            "ct original ip daddr 172.30.2.130 meta l4proto udp ct original proto-dst { 53 } counter accept"
        );
        sites[1].balancers[0].global = false;
        assert_eq!(chain(&compile(&sites, &[]), "r0_r1")[0], "ct original ip daddr 172.30.2.130 counter drop");
    }
}
