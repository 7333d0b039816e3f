//! Installations for tests.

use c8_schemas::RegionRef;
use terraform_plugin::Attr;

use super::RegionRefs;

/// A reference to region `id` in `namespace`, on a GKE cluster.
pub fn reference(id: i64, namespace: &str, cluster_uid: Attr<String>) -> RegionRef {
    let text = |value: &str| Attr::Known(value.to_owned());
    RegionRef {
        region_id: Attr::Known(id),
        namespace: text(namespace),
        project: text("p"),
        location: text("europe-west4-b"),
        cluster: text(&format!("camunda-{id}")),
        cluster_uid,
        ..Default::default()
    }
}

/// Both references, with the UIDs of their clusters; an empty one is unknown.
pub fn regions(zero: &str, one: &str) -> RegionRefs {
    let uid = |uid: &str| if uid.is_empty() { Attr::Unknown } else { Attr::Known(uid.to_owned()) };
    Attr::Known(vec![Attr::Known(reference(0, "a", uid(zero))), Attr::Known(reference(1, "b", uid(one)))])
}
