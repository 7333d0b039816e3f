//! Plan of `c8_dns_chain`: pure.

use terraform_plugin::{Attr, Change, Path};

use super::DnsChainResource;
use crate::{
    drift::Drift,
    installation::{Installation, RegionsChange, regions_change},
};

/// Fills the computed attributes: unknown where the apply would find out, prior where nothing changes.
pub fn plan(change: &mut Change<DnsChainResource>) {
    // the provider's project names a cluster, but not the installation: any text will do
    let group = Installation::resolve(&change.planned.regions, Some("")).ok().map(|installation| installation.group);
    let regions = match &change.prior {
        None => {
            if let Some(group) = group {
                change.planned.id = Attr::Known(group);
            }
            return;
        }
        Some(prior) => regions_change(&prior.regions, &change.planned.regions),
    };
    match regions {
        RegionsChange::None => {}
        RegionsChange::Rebuilt => unsettle(change),
        RegionsChange::Unknown => {
            change.planned.id = Attr::Unknown;
            unsettle(change);
        }
        RegionsChange::Other => {
            change.planned.id = group.map_or(Attr::Unknown, Attr::Known);
            unsettle(change);
            change.replace(Path::root().attr("regions"));
        }
    }
    if Drift::tell(change.observation.as_ref(), "DNS chain", &mut change.diags) {
        unsettle(change);
    }
}

fn unsettle(change: &mut Change<DnsChainResource>) {
    change.planned.addresses = Attr::Unknown;
    change.planned.verified = Attr::Unknown;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use c8_schemas::DnsChain;
    use rstest::rstest;

    use super::*;
    use crate::installation::testing::regions;

    fn settled() -> DnsChain {
        DnsChain {
            regions: regions("u0", "u1"),
            id: Attr::Known("a-b".into()),
            addresses: Attr::Known(vec![Attr::Known("10.0.0.1".into()), Attr::Known("10.1.0.1".into())]),
            verified: Attr::Known(true),
            ..Default::default()
        }
    }

    fn planned(prior: Option<DnsChain>, planned: DnsChain, drift: &[&str]) -> Change<DnsChainResource> {
        let observation = Drift { drift: drift.iter().map(|text| (*text).to_owned()).collect() };
        let mut change = Change::new(planned.clone(), prior, planned, Some(observation));
        plan(&mut change);
        change
    }

    #[test]
    fn an_unchanged_chain_plans_nothing() {
        let change = planned(Some(settled()), settled(), &[]);
        assert_eq!(change.planned, settled());
        assert!(change.replaces().is_empty());
    }

    #[rstest]
    #[case::rebuilt(regions("u0", "u2"))]
    #[case::to_be_rebuilt(regions("u0", ""))]
    fn a_rebuilt_region_updates_in_place(#[case] wanted: crate::installation::RegionRefs) {
        let change = planned(Some(settled()), DnsChain { regions: wanted, ..settled() }, &[]);
        assert!(change.replaces().is_empty());
        assert!(change.planned.verified.is_unknown() && change.planned.addresses.is_unknown());
        assert_eq!(change.planned.id, Attr::Known("a-b".into()));
    }

    #[test]
    fn drift_is_repaired() {
        let change = planned(Some(settled()), settled(), &["stub domain is missing"]);
        assert!(change.planned.verified.is_unknown());
        assert_eq!(change.diags.iter().next().unwrap().detail, "stub domain is missing.");
    }

    #[test]
    fn the_name_is_known_before_the_clusters_are() {
        let new = DnsChain { regions: regions("", ""), id: Attr::Unknown, ..Default::default() };
        assert_eq!(planned(None, new, &[]).planned.id, Attr::Known("a-b".into()));
    }
}
