//! The kinds that this API server knows, as discovery shows them.

/// One kind of object.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// The served version.
    pub version: &'static str,
    /// The kind, as in manifests.
    pub kind: &'static str,
    /// The resource in paths.
    pub plural: &'static str,
    /// Short names of kubectl.
    pub short: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether there is a status subresource.
    pub status: bool,
    /// Whether there is a scale subresource.
    pub scale: bool,
    /// Whether `metadata.generation` counts changes of the spec.
    pub generation: bool,
}

const fn core(kind: &'static str, plural: &'static str, short: &'static [&'static str]) -> Kind {
    Kind {
        group: "",
        version: "v1",
        kind,
        plural,
        short,
        namespaced: true,
        status: false,
        scale: false,
        generation: false,
    }
}

const fn group(group: &'static str, kind: &'static str, plural: &'static str, short: &'static [&'static str]) -> Kind {
    Kind { group, ..core(kind, plural, short) }
}

/// All kinds, in the order in which discovery lists them.
pub static KINDS: &[Kind] = &[
    Kind { namespaced: false, status: true, ..core("Namespace", "namespaces", &["ns"]) },
    Kind { namespaced: false, status: true, ..core("Node", "nodes", &["no"]) },
    Kind { namespaced: false, status: true, ..core("PersistentVolume", "persistentvolumes", &["pv"]) },
    Kind { status: true, ..core("PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"]) },
    Kind { status: true, generation: true, ..core("Pod", "pods", &["po"]) },
    Kind { status: true, ..core("Service", "services", &["svc"]) },
    core("Endpoints", "endpoints", &["ep"]),
    core("ConfigMap", "configmaps", &["cm"]),
    core("Secret", "secrets", &[]),
    core("ServiceAccount", "serviceaccounts", &["sa"]),
    core("Event", "events", &["ev"]),
    Kind { status: true, scale: true, generation: true, ..group("apps", "Deployment", "deployments", &["deploy"]) },
    Kind { status: true, scale: true, generation: true, ..group("apps", "ReplicaSet", "replicasets", &["rs"]) },
    Kind { status: true, scale: true, generation: true, ..group("apps", "StatefulSet", "statefulsets", &["sts"]) },
    Kind { status: true, generation: true, ..group("apps", "DaemonSet", "daemonsets", &["ds"]) },
    group("apps", "ControllerRevision", "controllerrevisions", &[]),
    Kind { status: true, generation: true, ..group("batch", "Job", "jobs", &[]) },
    Kind { status: true, generation: true, ..group("batch", "CronJob", "cronjobs", &["cj"]) },
    Kind { status: true, generation: true, ..group("policy", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"]) },
    Kind { generation: true, ..group("networking.k8s.io", "NetworkPolicy", "networkpolicies", &["netpol"]) },
    Kind { status: true, generation: true, ..group("networking.k8s.io", "Ingress", "ingresses", &["ing"]) },
    group("discovery.k8s.io", "EndpointSlice", "endpointslices", &[]),
    group("coordination.k8s.io", "Lease", "leases", &[]),
    Kind { namespaced: false, ..group("storage.k8s.io", "StorageClass", "storageclasses", &["sc"]) },
    group("rbac.authorization.k8s.io", "Role", "roles", &[]),
    group("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", &[]),
    Kind { namespaced: false, ..group("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", &[]) },
    Kind { namespaced: false, ..group("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", &[]) },
    Kind { namespaced: false, ..group("scheduling.k8s.io", "PriorityClass", "priorityclasses", &["pc"]) },
];

impl Kind {
    /// The kind of that name; names are unique among the known kinds.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.kind == name)
    }

    /// The kind that a path names.
    pub(crate) fn at(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as error messages name it.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Pod` or `Deployment.apps`, as validation errors name it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Place in [`KINDS`]; the key under which the store files objects.
    pub(crate) fn index(&self) -> usize {
        KINDS.iter().position(|kind| kind == self).unwrap_or(usize::MAX)
    }
}
