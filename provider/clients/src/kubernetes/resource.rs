//! Where the objects of a kind are in the API.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::Error;

/// A kind of object with its place in the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// `apps/v1`
    pub api_version: Cow<'static, str>,
    /// `StatefulSet`
    pub kind: Cow<'static, str>,
    /// `statefulsets`
    pub plural: Cow<'static, str>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

macro_rules! resources {
    ($($constant:ident = $api_version:literal $kind:literal $plural:literal $namespaced:literal;)*) => {
        $(
            #[doc = concat!("`", $api_version, "` `", $kind, "`")]
            pub const $constant: Resource = Resource {
                api_version: Cow::Borrowed($api_version),
                kind: Cow::Borrowed($kind),
                plural: Cow::Borrowed($plural),
                namespaced: $namespaced,
            };
        )*
        const KNOWN: &[Resource] = &[$($constant),*];
    };
}

resources! {
    NAMESPACE = "v1" "Namespace" "namespaces" false;
    NODE = "v1" "Node" "nodes" false;
    PERSISTENT_VOLUME = "v1" "PersistentVolume" "persistentvolumes" false;
    POD = "v1" "Pod" "pods" true;
    SERVICE = "v1" "Service" "services" true;
    ENDPOINTS = "v1" "Endpoints" "endpoints" true;
    CONFIG_MAP = "v1" "ConfigMap" "configmaps" true;
    SECRET = "v1" "Secret" "secrets" true;
    SERVICE_ACCOUNT = "v1" "ServiceAccount" "serviceaccounts" true;
    PERSISTENT_VOLUME_CLAIM = "v1" "PersistentVolumeClaim" "persistentvolumeclaims" true;
    STATEFUL_SET = "apps/v1" "StatefulSet" "statefulsets" true;
    DEPLOYMENT = "apps/v1" "Deployment" "deployments" true;
    STORAGE_CLASS = "storage.k8s.io/v1" "StorageClass" "storageclasses" false;
    LEASE = "coordination.k8s.io/v1" "Lease" "leases" true;
    POD_DISRUPTION_BUDGET = "policy/v1" "PodDisruptionBudget" "poddisruptionbudgets" true;
    NETWORK_POLICY = "networking.k8s.io/v1" "NetworkPolicy" "networkpolicies" true;
    INGRESS = "networking.k8s.io/v1" "Ingress" "ingresses" true;
    ROLE = "rbac.authorization.k8s.io/v1" "Role" "roles" true;
    ROLE_BINDING = "rbac.authorization.k8s.io/v1" "RoleBinding" "rolebindings" true;
    CLUSTER_ROLE = "rbac.authorization.k8s.io/v1" "ClusterRole" "clusterroles" false;
    CLUSTER_ROLE_BINDING = "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "clusterrolebindings" false;
    CUSTOM_RESOURCE_DEFINITION = "apiextensions.k8s.io/v1" "CustomResourceDefinition" "customresourcedefinitions" false;
}

impl Resource {
    /// The resource of a kind. Kinds that are not built in are taken as namespaced, with the usual plural.
    pub fn of(api_version: &str, kind: &str) -> Self {
        let known = KNOWN.iter().find(|known| known.api_version == api_version && known.kind == kind);
        known.cloned().unwrap_or_else(|| Self {
            api_version: Cow::Owned(api_version.to_owned()),
            kind: Cow::Owned(kind.to_owned()),
            plural: Cow::Owned(plural(kind)),
            namespaced: true,
        })
    }

    /// One object of it. The namespace is ignored where there are none.
    pub fn named(&self, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef {
            resource: self.clone(),
            namespace: if self.namespaced { namespace.to_owned() } else { String::new() },
            name: name.to_owned(),
        }
    }

    /// The path of the collection; an empty namespace is all of them.
    pub(super) fn path(&self, namespace: &str) -> String {
        let api_version = &self.api_version;
        let root =
            if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") };
        if self.namespaced && !namespace.is_empty() {
            format!("{root}/namespaces/{namespace}/{}", self.plural)
        } else {
            format!("{root}/{}", self.plural)
        }
    }
}

fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if ["s", "x", "ch", "sh"].iter().any(|end| lower.ends_with(end)) {
        format!("{lower}es")
    } else if let Some(stem) = lower.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        format!("{stem}ies")
    } else {
        format!("{lower}s")
    }
}

/// One object, by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace; empty for what has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// The object that a manifest describes.
    pub fn of(manifest: &Value) -> Result<Self, Error> {
        let field = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let (Some(api_version), Some(kind), Some(name)) =
            (field("/apiVersion"), field("/kind"), field("/metadata/name"))
        else {
            return Err(Error::Config {
                message: "a manifest lacks `apiVersion`, `kind` or `metadata.name`".to_owned(),
            });
        };
        let resource = Resource::of(api_version, kind);
        let namespace = field("/metadata/namespace").unwrap_or_default();
        if resource.namespaced && namespace.is_empty() {
            return Err(Error::Config { message: format!("the manifest of {kind} {name} lacks `metadata.namespace`") });
        }
        Ok(resource.named(namespace, name))
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.resource.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.resource.kind, self.namespace, self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("v1", "ConfigMap", "ns", "/api/v1/namespaces/ns/configmaps")]
    #[case("v1", "ConfigMap", "", "/api/v1/configmaps")]
    #[case("v1", "Namespace", "ns", "/api/v1/namespaces")]
    #[case("apps/v1", "StatefulSet", "ns", "/apis/apps/v1/namespaces/ns/statefulsets")]
    #[case(
        "monitoring.coreos.com/v1",
        "ServiceMonitor",
        "ns",
        "/apis/monitoring.coreos.com/v1/namespaces/ns/servicemonitors"
    )]
    #[case("x/v1", "Proxy", "ns", "/apis/x/v1/namespaces/ns/proxies")]
    #[case("x/v1", "Gateway", "ns", "/apis/x/v1/namespaces/ns/gateways")]
    fn paths(#[case] api_version: &str, #[case] kind: &str, #[case] namespace: &str, #[case] expected: &str) {
        assert_eq!(Resource::of(api_version, kind).path(namespace), expected);
    }

    #[test]
    fn a_manifest_says_which_object_it_is() {
        let object = ObjectRef::of(
            &json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "n", "namespace": "ns" } }),
        )
        .unwrap();
        assert_eq!(object.to_string(), "Secret ns/n");
        assert!(ObjectRef::of(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "n" } })).is_err());
        let class = ObjectRef::of(
            &json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": "ssd" } }),
        )
        .unwrap();
        assert_eq!(class.to_string(), "StorageClass ssd");
    }
}
