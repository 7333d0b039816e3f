//! What a configuration is refused for, before anything is touched.

use std::collections::BTreeSet;

use c8_schemas::topology::{GROUP_MAX, PlaceError};
use terraform_plugin::{Attr, Diagnostics, Path};

use super::RegionRefs;

/// Checks `regions`: exactly two, ids 0 and 1, distinct namespaces that are DNS labels, each leading to one cluster.
/// Whatever is unknown is accepted.
pub fn check_regions(regions: &RegionRefs, diags: &mut Diagnostics) {
    let root = Path::root().attr("regions");
    let Attr::Known(list) = regions else { return };
    if list.len() != 2 {
        diags.error(
            root,
            "Two regions are needed",
            format!(
                "`regions` has {} elements. A dual-region installation has two: write \
                 `regions = [c8_region.zero.ref, c8_region.one.ref]`.",
                list.len()
            ),
        );
        return;
    }
    let (mut ids, mut namespaces, mut groups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (index, entry) in list.iter().enumerate() {
        let at = root.index(index);
        let reference = match entry {
            Attr::Unknown => continue,
            Attr::Null => {
                diags.error(at, "Region is null", "Each element of `regions` must be the `ref` of a `c8_region`.");
                continue;
            }
            Attr::Known(reference) => reference,
        };
        match reference.region_id {
            Attr::Known(id @ 0..=1) => {
                if !ids.insert(id) {
                    diags.error(
                        at.attr("region_id"),
                        "Region is named twice",
                        format!(
                            "Both elements of `regions` are region {id}. One must be region 0, the other region 1."
                        ),
                    );
                }
            }
            Attr::Known(id) => diags.error(
                at.attr("region_id"),
                "Invalid region id",
                format!("{id} is not a region id. Allowed: 0, 1."),
            ),
            Attr::Null => diags.error(at.attr("region_id"), "Region id is missing", "Set `region_id` to 0 or 1."),
            Attr::Unknown => {}
        }
        match &reference.namespace {
            Attr::Known(namespace) => {
                check_namespace(namespace, at.attr("namespace"), diags);
                if !namespaces.insert(namespace.clone()) {
                    diags.error(
                        at.attr("namespace"),
                        "Namespaces must differ",
                        format!(
                            "Both regions use the namespace `{namespace}`. Names are routed between the clusters by \
                             namespace, so each region needs its own."
                        ),
                    );
                }
            }
            Attr::Null => diags.error(
                at.attr("namespace"),
                "Namespace is missing",
                "Set `namespace` to the namespace of Camunda.",
            ),
            Attr::Unknown => {}
        }
        if let Attr::Known(group) = &reference.group {
            check_group(group, at.attr("group"), diags);
            groups.insert(group.clone());
        }
        // the project may come from the provider, which is not known here
        match reference.place(Some("project")) {
            Ok(_) | Err(PlaceError::Unknown) => {}
            Err(error) => diags.error(at, place_problem(&error), format!("{}.", capital(&error.to_string()))),
        }
    }
    if groups.len() > 1 {
        diags.error(
            root,
            "Regions of different installations",
            format!(
                "The regions name the installations {}. Both must belong to one.",
                groups.iter().map(|group| format!("`{group}`")).collect::<Vec<_>>().join(" and ")
            ),
        );
    }
}

/// The heading for an entry or a reference that does not lead to one cluster.
#[must_use]
pub const fn place_problem(error: &PlaceError) -> &'static str {
    match error {
        PlaceError::Both => "Region names two clusters",
        PlaceError::Missing(_) => "Region names half of a cluster",
        PlaceError::Neither | PlaceError::Unknown => "Region names no cluster",
    }
}

/// Checks that a namespace is a DNS label.
pub fn check_namespace(namespace: &str, at: Path, diags: &mut Diagnostics) {
    if !is_dns_label(namespace) {
        diags.error(
            at,
            "Invalid namespace",
            format!(
                "`{namespace}` is not a Kubernetes namespace. Allowed: 1 to 63 lower-case letters, digits and hyphens, \
                 beginning and ending with a letter or digit."
            ),
        );
    }
}

/// Checks that a group can be part of the names of Google Cloud resources.
pub fn check_group(group: &str, at: Path, diags: &mut Diagnostics) {
    if !is_dns_label(group) || group.len() > GROUP_MAX {
        diags.error(
            at,
            "Invalid group",
            format!(
                "`{group}` can't be part of the names of firewall rules and labels. Allowed: 1 to {GROUP_MAX} \
                 lower-case letters, digits and hyphens, beginning and ending with a letter or digit."
            ),
        );
    }
}

/// RFC 1123 label.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(|byte| alphanumeric(*byte))
        && bytes.last().is_some_and(|byte| alphanumeric(*byte))
        && bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-')
}

/// Sentences begin with a capital letter.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
