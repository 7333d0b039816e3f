//! The two regions out of an import ID, and what `c8_region.ref` says of them beyond it.

use c8_schemas::{RegionRef, topology::Place};
use terraform_plugin::{Attr, Fault};

use super::{DEFAULT_NETWORK, Installation, RegionRefs};
use crate::provider::C8;

/// References from `<region 0>,<region 1>` or `<region 0>,<region 1>,<group>`, each region as
/// `project/location/cluster/namespace` or `kubeconfig/<context>/<namespace>`. Contacts nothing.
///
/// # Errors
/// The ID does not name two regions.
pub fn regions(id: &str) -> Result<RegionRefs, Fault> {
    let wrong = || {
        Fault::new(
            "Invalid import ID",
            format!(
                "`{id}` does not name two regions. Write `project/location/cluster/namespace` of region 0, a comma, and the \
                 same of region 1; or `kubeconfig/<context>/<namespace>` for a cluster of your own. Where `group` is set, add \
                 another comma and the group."
            ),
        )
    };
    let parts: Vec<&str> = id.split(',').map(str::trim).collect();
    let (zero, one, group) = match parts.as_slice() {
        [zero, one] => (zero, one, None),
        [zero, one, group] if super::is_dns_label(group) => (zero, one, Some(*group)),
        _ => return Err(wrong()),
    };
    let references = [(0, zero), (1, one)].map(|(number, part)| reference(number, part, group));
    let references: Option<Vec<Attr<RegionRef>>> = references.into_iter().map(|found| found.map(Attr::Known)).collect();
    references.map(Attr::Known).ok_or_else(wrong)
}

fn reference(number: i64, part: &str, group: Option<&str>) -> Option<RegionRef> {
    let text = |value: &str| Attr::Known(value.to_owned());
    let mut reference =
        RegionRef { region_id: Attr::Known(number), group: group.map_or(Attr::Null, text), ..RegionRef::default() };
    let fields: Vec<&str> = part.split('/').collect();
    match fields.as_slice() {
        fields if fields.iter().any(|field| field.is_empty()) => return None,
        ["kubeconfig", context, namespace] => {
            reference.kubeconfig_context = text(context);
            reference.namespace = text(namespace);
        }
        [project, location, cluster, namespace] => {
            reference.project = text(project);
            reference.location = text(location);
            reference.cluster = text(cluster);
            reference.namespace = text(namespace);
        }
        _ => return None,
    }
    Some(reference)
}

/// Imported references as `c8_region.ref` has them, so that the plan after an import is empty. Of a cluster that does not answer
/// the UID stays open; project and network are left out where they are those that count if nothing is set.
pub async fn complete(client: &C8, installation: &Installation) -> RegionRefs {
    let reaches = client.reach_both(installation).await;
    let text = |value: &str| Attr::Known(value.to_owned());
    let references = installation.regions.iter().zip(&reaches).map(|(region, reach)| {
        let alive = reach.alive();
        let network = alive.and_then(|alive| alive.cluster.as_ref()).map(|cluster| cluster.network.as_str());
        let network = network.and_then(|network| network.rsplit('/').next());
        let network = network.filter(|network| !network.is_empty() && *network != DEFAULT_NETWORK);
        let mut reference = RegionRef {
            region_id: Attr::Known(i64::from(region.id)),
            namespace: text(&region.namespace),
            group: text(&installation.group),
            release: text(&region.release),
            network: network.map_or(Attr::Null, text),
            cluster_uid: alive.map_or(Attr::Null, |alive| text(&alive.uid)),
            ..RegionRef::default()
        };
        match &region.place {
            Place::Gke { project, location, cluster } => {
                if client.project() != Some(project) {
                    reference.project = text(project);
                }
                reference.location = text(location);
                reference.cluster = text(cluster);
            }
            Place::Kubeconfig { path, context } => {
                reference.kubeconfig_path = path.as_deref().map_or(Attr::Null, text);
                reference.kubeconfig_context = context.as_deref().map_or(Attr::Null, text);
            }
        }
        Attr::Known(reference)
    });
    Attr::Known(references.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const BOTH: &str = "p/europe-west4-b/camunda-zero/camunda-ew4,p/europe-west1-b/camunda-one/camunda-ew1";

    #[test]
    fn two_regions_and_a_group() {
        let installation = Installation::resolve(&regions(BOTH).unwrap(), None).unwrap();
        assert_eq!(installation.group, "camunda-ew4-camunda-ew1");
        assert_eq!(installation.region(1).place.to_string(), "p/europe-west1-b/camunda-one");
        let named = Installation::resolve(&regions(&format!("{BOTH},orders")).unwrap(), None).unwrap();
        assert_eq!(named.group, "orders");
        assert_eq!(named.regions, installation.regions);
    }

    #[test]
    fn what_names_no_two_regions() {
        for id in [
            "",
            "p/l/c/n",
            "p/l/c/n,",
            "p/l/c,p/l/c",
            "a,b,c",
            "p/l//n,p/l/c/n",
            "p/l/c/n,p/l/c/m,",
            "p/l/c/n,p/l/c/m,A_b",
        ] {
            assert!(regions(id).is_err(), "{id}");
        }
    }
}
