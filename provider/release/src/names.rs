//! Names of the objects in a region, in one place, so that every resource asks for the same ones.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Field manager of what `c8_region` and its neighbours own.
pub const FIELD_MANAGER: &str = "terraform-provider-c8";
/// Field manager of what `c8_failover` switches.
pub const SWITCH_FIELD_MANAGER: &str = "terraform-provider-c8-dr";
/// Label that marks an object as managed by this provider.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label of a GKE cluster that `c8_region` created: its value is the group.
pub const OWNER_LABEL: &str = "c8-owner";
/// ConfigMap with what `c8_failover` switches.
pub const MODE: &str = "c8-mode";
/// ClusterIP Service that proves the DNS chain before any broker runs.
pub const HERE: &str = "c8-here";
/// Optional Secret with the key of the backup bucket.
pub const BACKUP_KEY_SECRET: &str = "gcs-backup-key";
/// Key in [`BACKUP_KEY_SECRET`], which is the name of the keystore setting too.
pub const BACKUP_KEY: &str = "gcs.client.default.credentials_file";
/// Number of regions of an installation.
pub const REGIONS: u32 = 2;

/// Broker StatefulSet and its headless Service.
pub fn brokers(release: &str) -> String {
    format!("{release}-zeebe")
}

/// Gateway Deployment and Service.
pub fn gateway(release: &str) -> String {
    format!("{release}-zeebe-gateway")
}

/// Elasticsearch StatefulSet.
pub fn elasticsearch(release: &str) -> String {
    format!("{release}-elasticsearch-master")
}

/// Headless Service of Elasticsearch.
pub fn elasticsearch_service(release: &str) -> String {
    format!("{release}-elasticsearch-master-hl")
}

/// Label selector of a component's pods.
pub fn pods_of(release: &str, component: &str) -> String {
    format!("app.kubernetes.io/instance={release},app.kubernetes.io/component={component}")
}

/// StatefulSet of temporary brokers and its headless Service.
pub fn temporary(release: &str) -> String {
    format!("{release}-zeebe-temporary")
}

/// StatefulSet of the store that stands in for a lost region's, and its headless Service.
pub fn stand_in(release: &str) -> String {
    format!("{release}-elasticsearch-temporary")
}

/// Annotation of a broker's pod template: where it exports what is meant for the store of a region, if not there.
pub fn store_of(region: u32) -> String {
    format!("c8-store-{region}")
}

/// The Deployments that a fail-over switches off and on: their `replicas` belong to `c8_failover`.
pub fn web_apps(release: &str) -> [String; 3] {
    ["operate", "tasklist", "connectors"].map(|app| format!("{release}-{app}"))
}

/// The Service that admits a broker; it lies in the namespace of the peer region.
pub fn admit(broker: u32) -> String {
    format!("c8-admit-{broker}")
}

/// Broker ids of a region: `ordinal * regions + region` (dual-region.md §9).
pub fn broker_ids(cluster_size: u32, region: u8) -> Vec<u32> {
    (0..cluster_size).filter(|id| id % REGIONS == u32::from(region)).collect()
}

/// Domain of the names in a namespace, within its cluster and where it is chained to.
pub fn domain(namespace: &str) -> String {
    format!("{namespace}.svc.cluster.local")
}

/// The initial contact points of every member: one broker of each region in turn, so that a member that starts alone finds
/// a living one whichever region is gone (dual-region.md §1.7).
pub fn contact_points(release: &str, namespaces: &[String; 2], cluster_size: u32) -> Vec<String> {
    let service = brokers(release);
    let of = |ordinal: u32| {
        let service = &service;
        namespaces.iter().map(move |namespace| format!("{service}-{ordinal}.{service}.{}:26502", domain(namespace)))
    };
    (0..cluster_size / REGIONS).flat_map(of).collect()
}

/// Name of an installation that has none, from the namespaces of its regions in their order: at most 40
/// characters, so that every firewall rule and label that is named after it stays within 63.
pub fn group(namespaces: &[String]) -> String {
    let joined = namespaces.join("-");
    if joined.len() <= 40 {
        return joined;
    }
    let mut hash = String::new();
    for byte in Sha256::digest(namespaces.join("/").as_bytes()).iter().take(4) {
        let _ = write!(hash, "{byte:02x}");
    }
    let head: String = joined.chars().take(30).collect();
    format!("{}-{hash}", head.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_alternate_between_regions() {
        assert_eq!(broker_ids(8, 0), [0, 2, 4, 6]);
        assert_eq!(broker_ids(8, 1), [1, 3, 5, 7]);
    }

    #[test]
    fn long_groups_stay_short_and_differ() {
        let long = |tail: &str| {
            group(&["a-very-long-namespace-of-region-zero".into(), format!("a-very-long-namespace-{tail}")])
        };
        assert_eq!(group(&["camunda-ew4".into(), "camunda-ew1".into()]), "camunda-ew4-camunda-ew1");
        assert!(long("one").len() <= 40);
        assert_ne!(long("one"), long("two"));
    }
}
