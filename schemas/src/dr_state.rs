//! Data source `c8_dr_state`.

use terraform_plugin::{Attr, Model, Object};

use crate::topology::TopologyEntry;

/// What the installation is seen to be right now, with the evidence. It changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct DrState {
    /// The whole installation, as in `c8_region`.
    #[tf(required)]
    pub topology: Attr<Vec<Attr<TopologyEntry>>>,
    /// Name of the installation. Derived from the namespaces if not set.
    #[tf(optional, computed)]
    pub group: Attr<String>,
    /// Name of the Camunda release; `camunda` if not set.
    #[tf(optional)]
    pub release: Attr<String>,

    /// `HEALTHY`, `REGION_LOST`, `FAILED_OVER` and so on.
    #[tf(computed)]
    pub state: Attr<String>,
    /// Number of the lost region, if one is lost.
    #[tf(computed)]
    pub lost_region: Attr<i64>,
    /// Number of the last recorded transition; 0 if there was none.
    #[tf(computed)]
    pub epoch: Attr<i64>,
    /// What was seen, one line each.
    #[tf(computed)]
    pub evidence: Attr<Vec<Attr<String>>>,
    /// The brokers.
    #[tf(computed)]
    pub brokers: Attr<Vec<Attr<BrokerState>>>,
}

/// One broker.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct BrokerState {
    /// Node id.
    pub id: Attr<i64>,
    /// Number of its region.
    pub region_id: Attr<i64>,
    /// Whether the topology shows it.
    pub seen: Attr<bool>,
    /// Partitions that it leads.
    pub leads: Attr<Vec<Attr<i64>>>,
}
