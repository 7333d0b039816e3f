//! The installation that a data source is about, from the `topology` that every data source takes.

use c8_schemas::{RegionRef, topology::TopologyEntry};
use terraform_plugin::{Attr, Diagnostics, Fault, Path};

use crate::installation::{Installation, check_group};

/// The attribute `topology`.
pub(super) type Entries = Attr<Vec<Attr<TopologyEntry>>>;

/// Refuses what can't be an installation.
pub(super) fn check(topology: &Entries, group: &Attr<String>, diags: &mut Diagnostics) {
    if let Attr::Known(entries) = topology
        && entries.len() != 2
    {
        diags.error(
            Path::root().attr("topology"),
            "Two regions are needed",
            format!("`topology` has {} entries; a dual-region installation has two.", entries.len()),
        );
    }
    if let Attr::Known(group) = group {
        check_group(group, Path::root().attr("group"), diags);
    }
}

/// Both regions. The order of the entries numbers them.
pub(super) fn resolve(
    topology: &Entries,
    group: &Attr<String>,
    release: &Attr<String>,
    project: Option<&str>,
) -> Result<Installation, Fault> {
    let reference = |(id, entry): (usize, &Attr<TopologyEntry>)| match entry {
        Attr::Known(entry) => Attr::Known(RegionRef {
            region_id: Attr::Known(i64::from(id != 0)),
            namespace: entry.namespace.clone(),
            group: group.clone(),
            project: entry.project.clone(),
            location: entry.location.clone(),
            cluster: entry.cluster.clone(),
            release: release.clone(),
            kubeconfig_path: entry.kubeconfig_path.clone(),
            kubeconfig_context: entry.kubeconfig_context.clone(),
            network: entry.network.clone(),
            cluster_uid: Attr::Null,
        }),
        Attr::Null => Attr::Null,
        Attr::Unknown => Attr::Unknown,
    };
    let regions = match topology {
        Attr::Known(entries) => Attr::Known(entries.iter().enumerate().map(reference).collect()),
        Attr::Null => Attr::Null,
        Attr::Unknown => Attr::Unknown,
    };
    Installation::resolve(&regions, project).map_err(|error| {
        Fault::at(
            Path::root().attr("topology"),
            "Topology can't be resolved",
            format!("The attribute is not usable: {error}."),
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Two clusters of the user's own, with the namespaces `a` and `b`.
    pub(crate) fn topology() -> Entries {
        let entry = |namespace: &str| {
            Attr::Known(TopologyEntry {
                namespace: Attr::Known(namespace.into()),
                kubeconfig_context: Attr::Known(namespace.into()),
                ..TopologyEntry::default()
            })
        };
        Attr::Known(vec![entry("a"), entry("b")])
    }

    #[test]
    fn the_order_of_the_topology_numbers_the_regions() {
        let installation = resolve(&topology(), &Attr::Null, &Attr::Null, None).unwrap();
        assert_eq!(installation.region(0).namespace, "a");
        assert_eq!(installation.region(1).namespace, "b");
        assert_eq!(installation.group, "a-b");
    }

    #[test]
    fn one_region_is_refused() {
        let Attr::Known(mut entries) = topology() else { panic!("it is known") };
        entries.pop();
        let mut diags = Diagnostics::default();
        check(&Attr::Known(entries), &Attr::Null, &mut diags);
        assert!(diags.has_errors());
    }
}
