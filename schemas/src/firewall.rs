//! `c8_firewall`.

use terraform_plugin::{Attr, Model, Object};

use crate::timeouts::Timeouts;
use crate::topology::RegionRef;

/// Admits the traffic between the regions: one ingress rule a direction, from the peer's pods to the region's nodes, for
/// brokers and gateways (tcp 26500–26502), the search store (tcp 9200) and DNS (53).
///
/// Address ranges and tags are read from the clusters. The rules that a fail-over uses to keep a lost region away belong
/// to `c8_failover`; this resource leaves them alone.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Firewall {
    /// The two regions: `[c8_region.zero.ref, c8_region.one.ref]`. Both must be GKE clusters.
    #[tf(required)]
    pub regions: Attr<Vec<Attr<RegionRef>>>,
    /// Limits for creating, updating and deleting the rules.
    #[tf(block)]
    pub timeouts: Option<Timeouts>,

    /// Name of the installation.
    #[tf(computed)]
    pub id: Attr<String>,
    /// The rules as they are.
    #[tf(computed)]
    pub rules: Attr<Vec<Attr<FirewallRule>>>,
}

/// One rule of the firewall.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct FirewallRule {
    /// Name of the rule.
    pub name: Attr<String>,
    /// `INGRESS`.
    pub direction: Attr<String>,
    /// Address ranges of the peer's pods.
    pub source_ranges: Attr<Vec<Attr<String>>>,
    /// Tags of the nodes that the rule admits traffic to.
    pub target_tags: Attr<Vec<Attr<String>>>,
}
