//! `c8_dns_chain`.

use terraform_plugin::{Attr, Model};

use crate::timeouts::Timeouts;
use crate::topology::RegionRef;

/// Lets each region resolve the names of the other: an internal load balancer before each cluster's DNS, and a stub
/// domain for the peer's namespace that points to it.
///
/// Other stub domains of the cluster are left alone. The DNS pods are restarted one at a time. The chain counts as
/// verified when a pod of each region has resolved a name of the other.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct DnsChain {
    /// The two regions: `[c8_region.zero.ref, c8_region.one.ref]`.
    #[tf(required)]
    pub regions: Attr<Vec<Attr<RegionRef>>>,
    /// Limits for creating, updating and deleting the chain.
    #[tf(block)]
    pub timeouts: Option<Timeouts>,

    /// Name of the installation.
    #[tf(computed)]
    pub id: Attr<String>,
    /// Address of each region's DNS, in the order of the region numbers; empty text for a region that has none yet.
    #[tf(computed)]
    pub addresses: Attr<Vec<Attr<String>>>,
    /// Whether names were seen to resolve both ways.
    #[tf(computed)]
    pub verified: Attr<bool>,
}
