//! The inventory: which objects belong to the release, so that what the chart no longer makes can be pruned.
//!
//! It follows ApplySet (KEP-3659): a parent object, ConfigMap `<release>-inventory`, carries the id and the kinds;
//! each member carries the id as a label. Objects of the cluster (namespace, StorageClass) are no members: they may
//! be shared and are never pruned, nor is a volume claim.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::manifest::{Key, Manifest, Owner};
use crate::names;

/// Label of a member: the id of its set.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// Label of the parent: its id.
pub const ID: &str = "applyset.kubernetes.io/id";
/// Annotation of the parent: the kinds that its members may have.
pub const KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation of the parent: the release was once complete, with its search store green. A create that was
/// interrupted before adopts what it finds; one that finds this leaves it alone.
pub const INSTALLED: &str = "c8.camunda.io/installed";
/// Annotation of the parent: who made it.
pub const TOOLING: &str = "applyset.kubernetes.io/tooling";

/// The inventory of one release in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Release that it belongs to.
    pub release: String,
    /// Namespace of parent and members.
    pub namespace: String,
}

impl Inventory {
    /// Name of the parent.
    pub fn name(&self) -> String {
        format!("{}-inventory", self.release)
    }

    /// The id, as KEP-3659 derives it from the parent.
    pub fn id(&self) -> String {
        let parent = format!("{}.{}.ConfigMap.", self.name(), self.namespace);
        let hash = Sha256::digest(parent.as_bytes());
        format!("applyset-{}-v1", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash))
    }

    /// Whether an object is listed and can be pruned.
    pub fn lists(&self, manifest: &Manifest) -> bool {
        manifest.owner == Owner::Region && manifest.key.namespace.as_deref() == Some(&self.namespace)
    }

    /// The parent object for a set of kinds (`StatefulSet.apps`, `Service`).
    pub fn parent(&self, kinds: &BTreeSet<String>, installed: bool) -> Value {
        let mut parent = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name(),
                "namespace": self.namespace,
                "labels": {
                    ID: self.id(),
                    "app.kubernetes.io/instance": self.release,
                    names::MANAGED_BY: names::FIELD_MANAGER,
                },
                "annotations": {
                    TOOLING: concat!("terraform-provider-c8/v", env!("CARGO_PKG_VERSION")),
                    KINDS: kinds.iter().cloned().collect::<Vec<_>>().join(","),
                },
            },
        });
        if installed {
            parent["metadata"]["annotations"][INSTALLED] = "true".into();
        }
        parent
    }

    /// Where the parent is.
    pub fn key(&self) -> Key {
        Key {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some(self.namespace.clone()),
            name: self.name(),
        }
    }

    /// Whether a living parent says that the release was once complete.
    pub fn says_installed(parent: &Value) -> bool {
        parent.pointer("/metadata/annotations").is_some_and(|annotations| annotations[INSTALLED] == "true")
    }

    /// The kinds that a living parent names.
    pub fn kinds_of(parent: &Value) -> BTreeSet<String> {
        parent
            .pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(KINDS))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .split(',')
            .filter(|kind| !kind.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The kinds of what is listed.
    pub fn kinds<'a>(&self, manifests: impl IntoIterator<Item = &'a Manifest>) -> BTreeSet<String> {
        manifests
            .into_iter()
            .filter(|manifest| self.lists(manifest))
            .map(|manifest| manifest.key.group_kind())
            .collect()
    }
}

/// Members that the chart no longer makes.
pub fn vanished(members: &[Key], manifests: &[Manifest]) -> Vec<Key> {
    let wanted: BTreeSet<_> = manifests.iter().map(|manifest| manifest.key.to_string()).collect();
    members
        .iter()
        .filter(|member| !wanted.contains(&member.to_string()))
        .filter(|member| !matches!(member.kind.as_str(), "Namespace" | "PersistentVolumeClaim"))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::tests::config;
    use crate::mode::Mode;
    use crate::render;

    fn inventory() -> Inventory {
        Inventory { release: "camunda".into(), namespace: "camunda-ew4".into() }
    }

    #[test]
    fn ids_are_valid_labels_and_differ_by_place() {
        let id = inventory().id();
        assert!(id.len() <= 63, "{id}");
        assert_ne!(id, Inventory { namespace: "other".into(), ..inventory() }.id());
    }

    #[test]
    fn only_own_objects_of_the_namespace_are_listed() {
        let manifests = render(&config(0), Mode::FirstInstallation).unwrap();
        let listed: Vec<_> = manifests.iter().filter(|m| inventory().lists(m)).map(|m| m.key.to_string()).collect();
        assert!(listed.contains(&"StatefulSet/camunda-ew4/camunda-zeebe".to_owned()));
        for never in [
            "Namespace/-/camunda-ew4",
            "StorageClass/-/ssd",
            "ConfigMap/camunda-ew4/c8-mode",
            "Service/camunda-ew4/c8-admit-1",
        ] {
            assert!(!listed.contains(&never.to_owned()), "{never}");
            assert!(manifests.iter().any(|m| m.key.to_string() == never), "{never}");
        }
        let kinds = inventory().kinds(&manifests);
        assert_eq!(
            kinds.iter().map(String::as_str).collect::<Vec<_>>(),
            ["Deployment.apps", "Service", "StatefulSet.apps"]
        );
        assert!(Inventory::says_installed(&inventory().parent(&kinds, true)));
        assert!(!Inventory::says_installed(&inventory().parent(&kinds, false)));
        assert_eq!(Inventory::kinds_of(&inventory().parent(&kinds, false)), kinds);
    }

    #[test]
    fn what_vanished_is_pruned_but_never_a_claim() {
        let manifests = render(&config(0), Mode::Normal).unwrap();
        let member = |kind: &str, name: &str| Key {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: Some("camunda-ew4".into()),
            name: name.into(),
        };
        let members = [
            member("Service", "c8-here"),
            member("Service", "old"),
            member("PersistentVolumeClaim", "data-camunda-zeebe-0"),
        ];
        assert_eq!(vanished(&members, &manifests), [member("Service", "old")]);
    }
}
