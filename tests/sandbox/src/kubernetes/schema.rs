//! How lists and maps of the known kinds merge: the `x-kubernetes-list-type` and `x-kubernetes-map-type` markers of Kubernetes' own types.
//!
//! A place in an object is given by the names of the fields on the way, list items left out: `["spec", "template", "spec", "containers", "env"]`.

use super::kinds::Kind;

/// How a list merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// As one value.
    Atomic,
    /// By value.
    Set,
    /// By the values of these fields.
    Keyed(&'static [&'static str]),
}

/// How the list at this place merges.
pub fn list(kind: &Kind, names: &[&str]) -> Lists {
    use Lists::{Atomic, Keyed, Set};
    match names {
        ["metadata", "finalizers"] => return Set,
        ["metadata", "ownerReferences"] => return Keyed(&["uid"]),
        ["status", "conditions"] => return Keyed(&["type"]),
        ["spec", "ports"] if kind.kind == "Service" => return Keyed(&["port", "protocol"]),
        ["status", "addresses"] if kind.kind == "Node" => return Keyed(&["type"]),
        ["spec", "podCIDRs"] if kind.kind == "Node" => return Set,
        ["secrets"] if kind.kind == "ServiceAccount" => return Keyed(&["name"]),
        ["endpoints" | "ports", ..] => return Atomic,
        _ => {}
    }
    let Some(inner) = pod_spec(kind, names) else { return Atomic };
    match inner {
        [
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "volumes"
            | "imagePullSecrets"
            | "schedulingGates"
            | "resourceClaims",
        ] => Keyed(&["name"]),
        ["containers" | "initContainers" | "ephemeralContainers", "env"] => Keyed(&["name"]),
        ["containers" | "initContainers" | "ephemeralContainers", "ports"] => Keyed(&["containerPort", "protocol"]),
        ["containers" | "initContainers" | "ephemeralContainers", "volumeMounts"] => Keyed(&["mountPath"]),
        ["containers" | "initContainers" | "ephemeralContainers", "volumeDevices"] => Keyed(&["devicePath"]),
        ["containers" | "initContainers" | "ephemeralContainers", "resources", "claims"] => Keyed(&["name"]),
        ["topologySpreadConstraints"] => Keyed(&["topologyKey", "whenUnsatisfiable"]),
        ["hostAliases"] => Keyed(&["ip"]),
        _ => Atomic,
    }
}

/// Whether the map at this place is one value.
pub fn atomic_map(kind: &Kind, names: &[&str]) -> bool {
    match (kind.kind, names) {
        ("Service", ["spec", "selector"]) | ("RoleBinding" | "ClusterRoleBinding", ["roleRef"]) => return true,
        (
            "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet" | "PodDisruptionBudget" | "PersistentVolumeClaim",
            ["spec", "selector"],
        ) => return true,
        ("NetworkPolicy", ["spec", "podSelector"]) => return true,
        _ => {}
    }
    let Some(inner) = pod_spec(kind, names) else { return false };
    match inner {
        ["nodeSelector"] | ["imagePullSecrets"] => true,
        _ => matches!(
            inner.last(),
            Some(
                &("fieldRef"
                    | "secretKeyRef"
                    | "configMapKeyRef"
                    | "resourceFieldRef"
                    | "labelSelector"
                    | "requiredDuringSchedulingIgnoredDuringExecution")
            )
        ),
    }
}

/// What lies below the pod spec at this place, if it does.
fn pod_spec<'a, 'b>(kind: &Kind, names: &'b [&'a str]) -> Option<&'b [&'a str]> {
    match (kind.kind, names) {
        ("Pod", ["spec", inner @ ..])
        | (
            "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet" | "Job",
            ["spec", "template", "spec", inner @ ..],
        )
        | ("CronJob", ["spec", "jobTemplate", "spec", "template", "spec", inner @ ..]) => Some(inner),
        _ => None,
    }
}

/// The value that a key field has when it isn't written.
pub fn key_default(field: &str) -> Option<&'static str> {
    (field == "protocol").then_some("TCP")
}

/// The fields at the top of an object; `None` means that anything goes.
pub fn top_level(kind: &Kind) -> &'static [&'static str] {
    match kind.kind {
        "ConfigMap" => &["data", "binaryData", "immutable"],
        "Secret" => &["data", "stringData", "type", "immutable"],
        "ServiceAccount" => &["secrets", "imagePullSecrets", "automountServiceAccountToken"],
        "StorageClass" => &[
            "provisioner",
            "parameters",
            "reclaimPolicy",
            "volumeBindingMode",
            "allowVolumeExpansion",
            "mountOptions",
            "allowedTopologies",
        ],
        "Role" | "ClusterRole" => &["rules", "aggregationRule"],
        "RoleBinding" | "ClusterRoleBinding" => &["roleRef", "subjects"],
        "Endpoints" => &["subsets"],
        "EndpointSlice" => &["addressType", "endpoints", "ports"],
        "ControllerRevision" => &["data", "revision"],
        "PriorityClass" => &["value", "globalDefault", "description", "preemptionPolicy"],
        "Lease" | "NetworkPolicy" => &["spec"],
        "Event" => &[
            "involvedObject",
            "reason",
            "message",
            "source",
            "firstTimestamp",
            "lastTimestamp",
            "count",
            "type",
            "eventTime",
            "series",
            "action",
            "related",
            "reportingComponent",
            "reportingInstance",
        ],
        _ => &["spec", "status"],
    }
}

/// The fields of the places where typos are common; `None` where this server doesn't look.
pub fn fields(kind: &Kind, names: &[&str]) -> Option<&'static [&'static str]> {
    match (kind.kind, names) {
        ("Service", ["spec"]) => Some(&[
            "ports",
            "selector",
            "clusterIP",
            "clusterIPs",
            "type",
            "externalIPs",
            "sessionAffinity",
            "loadBalancerIP",
            "loadBalancerSourceRanges",
            "externalName",
            "externalTrafficPolicy",
            "healthCheckNodePort",
            "publishNotReadyAddresses",
            "sessionAffinityConfig",
            "ipFamilies",
            "ipFamilyPolicy",
            "allocateLoadBalancerNodePorts",
            "loadBalancerClass",
            "internalTrafficPolicy",
            "trafficDistribution",
        ]),
        ("Service", ["spec", "ports"]) => Some(&["name", "protocol", "appProtocol", "port", "targetPort", "nodePort"]),
        ("StatefulSet", ["spec"]) => Some(&[
            "replicas",
            "selector",
            "template",
            "volumeClaimTemplates",
            "serviceName",
            "podManagementPolicy",
            "updateStrategy",
            "revisionHistoryLimit",
            "minReadySeconds",
            "persistentVolumeClaimRetentionPolicy",
            "ordinals",
        ]),
        ("Deployment", ["spec"]) => Some(&[
            "replicas",
            "selector",
            "template",
            "strategy",
            "minReadySeconds",
            "revisionHistoryLimit",
            "paused",
            "progressDeadlineSeconds",
        ]),
        ("Lease", ["spec"]) => Some(&[
            "holderIdentity",
            "leaseDurationSeconds",
            "acquireTime",
            "renewTime",
            "leaseTransitions",
            "strategy",
            "preferredHolder",
        ]),
        (_, ["metadata"]) => Some(&[
            "name",
            "generateName",
            "namespace",
            "selfLink",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "labels",
            "annotations",
            "ownerReferences",
            "finalizers",
            "managedFields",
        ]),
        _ => match pod_spec(kind, names)? {
            [] => Some(&[
                "volumes",
                "initContainers",
                "containers",
                "ephemeralContainers",
                "restartPolicy",
                "terminationGracePeriodSeconds",
                "activeDeadlineSeconds",
                "dnsPolicy",
                "nodeSelector",
                "serviceAccountName",
                "serviceAccount",
                "automountServiceAccountToken",
                "nodeName",
                "hostNetwork",
                "hostPID",
                "hostIPC",
                "shareProcessNamespace",
                "securityContext",
                "imagePullSecrets",
                "hostname",
                "subdomain",
                "affinity",
                "schedulerName",
                "tolerations",
                "hostAliases",
                "priorityClassName",
                "priority",
                "dnsConfig",
                "readinessGates",
                "runtimeClassName",
                "enableServiceLinks",
                "preemptionPolicy",
                "overhead",
                "topologySpreadConstraints",
                "setHostnameAsFQDN",
                "os",
                "hostUsers",
                "schedulingGates",
                "resourceClaims",
                "resources",
            ]),
            ["containers" | "initContainers"] => Some(&[
                "name",
                "image",
                "command",
                "args",
                "workingDir",
                "ports",
                "envFrom",
                "env",
                "resources",
                "resizePolicy",
                "restartPolicy",
                "volumeMounts",
                "volumeDevices",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
                "lifecycle",
                "terminationMessagePath",
                "terminationMessagePolicy",
                "imagePullPolicy",
                "securityContext",
                "stdin",
                "stdinOnce",
                "tty",
            ]),
            ["containers" | "initContainers", "env"] => Some(&["name", "value", "valueFrom"]),
            ["containers" | "initContainers", "ports"] => {
                Some(&["name", "hostPort", "containerPort", "protocol", "hostIP"])
            }
            ["containers" | "initContainers", "volumeMounts"] => Some(&[
                "name",
                "readOnly",
                "recursiveReadOnly",
                "mountPath",
                "subPath",
                "mountPropagation",
                "subPathExpr",
            ]),
            _ => None,
        },
    }
}
