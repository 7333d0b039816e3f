//! Plan of `c8_firewall`: pure.

use terraform_plugin::{Attr, Change, Path};

use super::FirewallResource;
use crate::{
    drift::Drift,
    installation::{Installation, RegionsChange, regions_change},
};

/// Fills the computed attributes: unknown where the apply would find out, prior where nothing changes.
pub fn plan(change: &mut Change<FirewallResource>) {
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
        // a rebuilt cluster has new address ranges
        RegionsChange::Rebuilt => change.planned.rules = Attr::Unknown,
        RegionsChange::Unknown => {
            change.planned.id = Attr::Unknown;
            change.planned.rules = Attr::Unknown;
        }
        RegionsChange::Other => {
            change.planned.id = group.map_or(Attr::Unknown, Attr::Known);
            change.planned.rules = Attr::Unknown;
            change.replace(Path::root().attr("regions"));
        }
    }
    if Drift::tell(change.observation.as_ref(), "Firewall rules", &mut change.diags) {
        change.planned.rules = Attr::Unknown;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use c8_schemas::{Firewall, FirewallRule};
    use rstest::rstest;

    use super::*;
    use crate::installation::{
        RegionRefs,
        testing::{reference, regions},
    };

    fn settled() -> Firewall {
        Firewall {
            regions: regions("u0", "u1"),
            id: Attr::Known("a-b".into()),
            rules: Attr::Known(vec![Attr::Known(FirewallRule::default())]),
            ..Default::default()
        }
    }

    fn moved() -> RegionRefs {
        let uid = || Attr::Known("u".to_owned());
        Attr::Known(vec![Attr::Known(reference(0, "a", uid())), Attr::Known(reference(1, "c", uid()))])
    }

    #[rstest]
    #[case::same(regions("u0", "u1"), &[], false, false)]
    #[case::drift(regions("u0", "u1"), &["rule is gone"], true, false)]
    #[case::rebuilt(regions("u0", "u2"), &[], true, false)]
    #[case::to_be_rebuilt(regions("u0", ""), &[], true, false)]
    #[case::other_installation(moved(), &[], true, true)]
    fn rules_are_known_unless_something_changes(
        #[case] wanted: RegionRefs,
        #[case] drift: &[&str],
        #[case] unknown: bool,
        #[case] replaced: bool,
    ) {
        let planned = Firewall { regions: wanted, ..settled() };
        let observation = Drift { drift: drift.iter().map(|text| (*text).to_owned()).collect() };
        let mut change = Change::new(planned.clone(), Some(settled()), planned, Some(observation));
        plan(&mut change);
        assert_eq!(change.planned.rules.is_unknown(), unknown);
        assert_eq!(!change.replaces().is_empty(), replaced);
    }
}
