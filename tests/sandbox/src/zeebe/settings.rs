//! What a process learns from its environment: the variables of the real image.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::world::objects;

/// What a broker or gateway was told.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `CLUSTERSIZE`.
    pub cluster_size: u32,
    /// `PARTITIONSCOUNT`.
    pub partitions: u32,
    /// `REPLICATIONFACTOR`.
    pub replication_factor: u32,
    /// Namespaces of the initial contact points, sorted: brokers of one installation have the same.
    pub installation: String,
    /// The host that it tells the others, e.g. `camunda-zeebe-0.camunda-zeebe.ns.svc`.
    pub advertised: String,
    /// Exporter id to URL.
    pub exporters: BTreeMap<String, String>,
    /// Exporters whose URL the start script replaced: another store stands in for theirs.
    pub diverted: BTreeSet<String>,
    /// After which silence a member is dropped from the topology.
    pub failure_timeout: Duration,
    /// From the image tag.
    pub version: String,
}

/// `ZEEBE_BROKER_…` and `ZEEBE_GATEWAY_…`: whichever a process has.
pub const CONTACT_POINTS: [&str; 3] = [
    "ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS",
    "ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS",
    "ZEEBE_GATEWAY_CLUSTER_CONTACTPOINT",
];

impl Settings {
    /// Reads the environment of a process in `namespace`; `patience` is its failure timeout if it names none.
    pub fn from_environment(
        env: &BTreeMap<String, String>,
        namespace: &str,
        version: &str,
        patience: Duration,
    ) -> Self {
        let text = |keys: &[&str]| keys.iter().find_map(|key| env.get(*key)).cloned().unwrap_or_default();
        let number = |key: &str, default| env.get(key).and_then(|value| value.parse().ok()).unwrap_or(default);
        let timeout = text(&[
            "ZEEBE_BROKER_CLUSTER_MEMBERSHIP_FAILURETIMEOUT",
            "ZEEBE_GATEWAY_CLUSTER_MEMBERSHIP_FAILURETIMEOUT",
        ]);
        let mut exporters: BTreeMap<String, String> = env
            .iter()
            .filter_map(|(key, url)| {
                let id = key.strip_prefix("ZEEBE_BROKER_EXPORTERS_")?.strip_suffix("_ARGS_URL")?;
                env.contains_key(&format!("ZEEBE_BROKER_EXPORTERS_{id}_CLASSNAME"))
                    .then(|| (id.to_ascii_lowercase(), url.clone()))
            })
            .collect();
        // the start script lets another store stand in for a region's
        let mut diverted = BTreeSet::new();
        for (region, url) in [0, 1].map(|region| (region, env.get(&format!("C8_STORE_{region}")))) {
            if let Some(url) = url.filter(|url| !url.is_empty()) {
                let id = format!("elasticsearchregion{region}");
                exporters.insert(id.clone(), url.clone());
                diverted.insert(id);
            }
        }
        Self {
            cluster_size: number("ZEEBE_BROKER_CLUSTER_CLUSTERSIZE", 1),
            partitions: number("ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT", 1),
            replication_factor: number("ZEEBE_BROKER_CLUSTER_REPLICATIONFACTOR", 1),
            installation: objects::namespaces_of(&text(&CONTACT_POINTS), namespace),
            advertised: text(&["ZEEBE_BROKER_NETWORK_ADVERTISEDHOST"]),
            exporters,
            diverted,
            failure_timeout: objects::duration(&timeout).unwrap_or(patience).max(Duration::from_millis(50)),
            version: version.to_owned(),
        }
    }
}

/// The node id of a broker: as set, else `ordinal * regions + region`, as the start script computes it.
pub fn node_id(env: &BTreeMap<String, String>, pod: &str) -> u32 {
    let number = |key: &str| env.get(key).and_then(|value| value.parse::<u32>().ok());
    let name = env.get("K8S_NAME").map_or(pod, String::as_str);
    let ordinal = name.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse::<u32>().ok()).unwrap_or(0);
    number("ZEEBE_BROKER_CLUSTER_NODEID")
        .unwrap_or_else(|| ordinal * number("C8_REGIONS").unwrap_or(1) + number("C8_REGION_ID").unwrap_or(0))
}
