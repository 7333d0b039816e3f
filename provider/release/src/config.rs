//! What a region's release is made from.

use std::collections::BTreeMap;

use crate::names;

/// Everything that the chart needs to know. Both regions must agree on all but `region_id`, resources and disk sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseConfig {
    /// Name of the installation.
    pub group: String,
    /// Name of the release: prefix of all objects.
    pub release: String,
    /// This region: 0 or 1.
    pub region_id: u8,
    /// Namespaces of region 0 and region 1.
    pub namespaces: [String; 2],
    /// Camunda version, 8.2.x to 8.7.x.
    pub version: String,
    /// Brokers in both regions together.
    pub cluster_size: u32,
    /// Partitions.
    pub partition_count: u32,
    /// Replicas of a partition in both regions together.
    pub replication_factor: u32,
    /// Size of a broker's disk, as a Kubernetes quantity.
    pub storage_size: String,
    /// Size of the search store's disk.
    pub elasticsearch_storage_size: String,
    /// StorageClass of all disks; [`ReleaseConfig::OWN_STORAGE_CLASS`] is rendered.
    pub storage_class: String,
    /// CPU request of a broker.
    pub cpu: Option<String>,
    /// Memory request and limit of a broker.
    pub memory: Option<String>,
    /// How long a broker may be silent before it counts as gone.
    pub failure_timeout: String,
    /// Other images, by component.
    pub images: BTreeMap<String, String>,
}

/// Components whose image can be set, and what they run if it isn't.
const IMAGES: [(&str, &str); 6] = [
    ("zeebe", "camunda/zeebe:{version}"),
    ("operate", "camunda/operate:{version}"),
    ("tasklist", "camunda/tasklist:{version}"),
    // connectors have patch releases of their own
    ("connectors", "camunda/connectors-bundle:{connectors}"),
    ("elasticsearch", "docker.elastic.co/elasticsearch/elasticsearch:{elasticsearch}"),
    ("busybox", "busybox:1.36"),
];

/// Tags of connectors and Elasticsearch that go with a minor version.
fn companions(minor: u64) -> (&'static str, &'static str) {
    match minor {
        0..=2 => ("0.23.2", "7.17.10"),
        3 => ("8.3.0", "8.8.2"),
        4 => ("8.4.3", "8.9.2"),
        5 => ("8.5.0", "8.9.2"),
        6 => ("8.6.0", "8.15.4"),
        _ => ("8.7.0", "8.17.4"),
    }
}

/// Why nothing can be rendered from a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{attribute}` is `{value}`: {reason}")]
pub struct ConfigError {
    /// Attribute of the `camunda` block, or `topology`, `region_id`.
    pub attribute: &'static str,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub reason: String,
}

impl ReleaseConfig {
    /// The StorageClass that the provider creates.
    pub const OWN_STORAGE_CLASS: &str = "ssd";

    /// This region's namespace.
    pub fn namespace(&self) -> &str {
        let [zero, one] = &self.namespaces;
        if self.region_id == 0 { zero } else { one }
    }

    /// The other region's namespace.
    pub fn peer_namespace(&self) -> &str {
        let [zero, one] = &self.namespaces;
        if self.region_id == 0 { one } else { zero }
    }

    /// The other region.
    pub fn peer_id(&self) -> u8 {
        1_u8.saturating_sub(self.region_id)
    }

    /// Ids of this region's brokers.
    pub fn broker_ids(&self) -> Vec<u32> {
        names::broker_ids(self.cluster_size, self.region_id)
    }

    /// Ids of the peer's brokers.
    pub fn peer_broker_ids(&self) -> Vec<u32> {
        names::broker_ids(self.cluster_size, self.peer_id())
    }

    /// The image of a component.
    pub fn image(&self, component: &str) -> String {
        self.images.get(component).cloned().unwrap_or_else(|| {
            IMAGES
                .iter()
                .find(|(name, _)| *name == component)
                .map(|(_, image)| {
                    let (connectors, elasticsearch) = companions(self.minor());
                    image
                        .replace("{version}", &self.version)
                        .replace("{connectors}", connectors)
                        .replace("{elasticsearch}", elasticsearch)
                })
                .unwrap_or_default()
        })
    }

    /// The 7 of 8.7.2; 0 of what is no version.
    pub fn minor(&self) -> u64 {
        semver::Version::parse(&self.version).map_or(0, |version| version.minor)
    }

    /// Whether there is no cluster API yet: a lost region's brokers can't be removed, only replaced by temporary ones.
    pub fn needs_temporary_brokers(&self) -> bool {
        self.minor() < 6
    }

    /// How often each member asks another one whether it is alive: often enough to ask every one of a small cluster within the time after
    /// which a silent one is given up, so that one that was only slow is not. Never above 2 s, which Camunda's own charts set.
    pub fn probe_interval(&self) -> String {
        let interval = milliseconds(&self.failure_timeout).map_or(2000, |timeout| (timeout / 5).clamp(200, 2000));
        format!("{interval}ms")
    }

    /// The initial contact points of every member, as [`names::contact_points`].
    pub fn contact_points(&self) -> String {
        names::contact_points(&self.release, &self.namespaces, self.cluster_size).join(",")
    }

    /// Address of a region's search store, the same on every broker, so that one exporter id means one store
    /// wherever the leader of a partition runs.
    pub fn elasticsearch_url(&self, namespace: &str) -> String {
        format!("http://{}.{}:9200", names::elasticsearch_service(&self.release), names::domain(namespace))
    }

    /// Checks what the chart relies on.
    ///
    /// # Errors
    /// All that is wrong, not only the first.
    pub fn validate(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut wrong = |attribute, value: &dyn ToString, reason: &str| {
            errors.push(ConfigError { attribute, value: value.to_string(), reason: reason.to_owned() });
        };
        if self.region_id > 1 {
            wrong("region_id", &self.region_id, "there are two regions, 0 and 1");
        }
        if let Err(reason) = supported(&self.version) {
            wrong("version", &self.version, &reason);
        }
        if self.cluster_size < 4 || !self.cluster_size.is_multiple_of(names::REGIONS) {
            wrong(
                "cluster_size",
                &self.cluster_size,
                "it must be even and at least 4: half of the brokers run in each region",
            );
        }
        if supported(&self.version).is_ok() && self.needs_temporary_brokers() && !self.cluster_size.is_multiple_of(4) {
            wrong(
                "cluster_size",
                &self.cluster_size,
                "before Camunda 8.6 it must be a multiple of 4: temporary brokers take every other id of a lost region, and each partition needs exactly one of them",
            );
        }
        if self.partition_count == 0 {
            wrong("partition_count", &self.partition_count, "there must be at least one partition");
        }
        if self.replication_factor != 4 {
            wrong(
                "replication_factor",
                &self.replication_factor,
                "it must be 4: two replicas in each region are what makes fail-over possible",
            );
        }
        for namespace in &self.namespaces {
            if !is_dns_label(namespace, 63) {
                wrong(
                    "topology",
                    namespace,
                    "a namespace has at most 63 lower-case letters, digits and `-`, and begins and ends with a letter or digit",
                );
            }
        }
        if self.namespaces[0] == self.namespaces[1] {
            wrong(
                "topology",
                &self.namespaces[0],
                "it is the namespace of both regions, and they must differ: names are routed between the clusters by namespace",
            );
        }
        if !is_release(&self.release) {
            wrong(
                "release",
                &self.release,
                "it has at most 30 lower-case letters, digits and `-`, and begins with a letter",
            );
        }
        for (attribute, value) in [
            ("storage_size", Some(&self.storage_size)),
            ("elasticsearch_storage_size", Some(&self.elasticsearch_storage_size)),
            ("cpu", self.cpu.as_ref()),
            ("memory", self.memory.as_ref()),
        ] {
            if let Some(value) = value
                && crate::drift::quantity(value).is_none_or(|amount| amount <= 0.0)
            {
                wrong(attribute, value, "it must be a Kubernetes quantity, such as `32Gi` or `800m`");
            }
        }
        if !is_dns_label(&self.storage_class.replace('.', "-"), 253) {
            wrong("storage_class", &self.storage_class, "it must be the name of a StorageClass");
        }
        if milliseconds(&self.failure_timeout).is_none() {
            wrong(
                "failure_timeout",
                &self.failure_timeout,
                "it must be a whole number above 0 with a unit, such as `10s` or `800ms`",
            );
        }
        for (component, image) in &self.images {
            if !IMAGES.iter().any(|(name, _)| name == component) {
                wrong(
                    "images",
                    component,
                    "it is no image of this release; there are `zeebe`, `operate`, `tasklist`, `connectors`, `elasticsearch` and `busybox`",
                );
            }
            if image.is_empty() || image.contains(char::is_whitespace) {
                wrong("images", image, "it must be the name of an image");
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Whether the chart knows this version.
///
/// # Errors
/// What is wrong with it.
pub fn supported(version: &str) -> Result<(), String> {
    match semver::Version::parse(version) {
        Ok(parsed) if parsed.major == 8 && (2..=7).contains(&parsed.minor) => Ok(()),
        Ok(_) => Err("this version of the provider supports Camunda 8.2 to 8.7".into()),
        Err(_) => Err("it must be a full version, such as `8.7.2`".into()),
    }
}

/// Whether this may be the name of a release: short enough for what is appended to it.
pub fn is_release(text: &str) -> bool {
    is_dns_label(text, 30) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether this may be part of a host name: of at most `longest` characters.
pub fn is_dns_label(text: &str, longest: usize) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= longest
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// A simple duration as Spring reads it; `None` if it is none, or no time at all.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|amount| *amount > 0)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(crate) fn config(region_id: u8) -> ReleaseConfig {
        ReleaseConfig {
            group: "camunda-ew4-camunda-ew1".into(),
            release: "camunda".into(),
            region_id,
            namespaces: ["camunda-ew4".into(), "camunda-ew1".into()],
            version: "8.7.2".into(),
            cluster_size: 8,
            partition_count: 8,
            replication_factor: 4,
            storage_size: "32Gi".into(),
            elasticsearch_storage_size: "64Gi".into(),
            storage_class: "ssd".into(),
            cpu: None,
            memory: None,
            failure_timeout: "10s".into(),
            images: BTreeMap::new(),
        }
    }

    #[test]
    fn contact_points_take_turns() {
        let points = config(0).contact_points();
        let points: Vec<_> = points.split(',').collect();
        assert_eq!(points.len(), 8);
        assert_eq!(points[0], "camunda-zeebe-0.camunda-zeebe.camunda-ew4.svc.cluster.local:26502");
        assert_eq!(points[1], "camunda-zeebe-0.camunda-zeebe.camunda-ew1.svc.cluster.local:26502");
        assert_eq!(points[7], "camunda-zeebe-3.camunda-zeebe.camunda-ew1.svc.cluster.local:26502");
        assert_eq!(config(0).contact_points(), config(1).contact_points());
    }

    #[rstest::rstest]
    #[case("10s", "2000ms")]
    #[case("1m", "2000ms")]
    #[case("3s", "600ms")]
    #[case("200ms", "200ms")]
    fn the_interval_is_a_fifth_of_the_timeout_within_bounds(#[case] timeout: &str, #[case] interval: &str) {
        let config = ReleaseConfig { failure_timeout: timeout.into(), ..config(0) };
        assert_eq!(config.probe_interval(), interval);
    }

    #[rstest::rstest]
    #[case::ok(|_: &mut ReleaseConfig| (), &[])]
    #[case::odd(|c: &mut ReleaseConfig| c.cluster_size = 7, &["cluster_size"])]
    #[case::small(|c: &mut ReleaseConfig| c.cluster_size = 2, &["cluster_size"])]
    #[case::version(|c: &mut ReleaseConfig| c.version = "8.8.0".into(), &["version"])]
    #[case::temporary_brokers(|c: &mut ReleaseConfig| c.version = "8.2.25".into(), &[])]
    #[case::no_multiple_of_four(|c: &mut ReleaseConfig| { c.version = "8.5.0".into(); c.cluster_size = 6; }, &["cluster_size"])]
    #[case::six_with_a_cluster_api(|c: &mut ReleaseConfig| { c.version = "8.6.0".into(); c.cluster_size = 6; }, &[])]
    #[case::old(|c: &mut ReleaseConfig| c.version = "8.1.0".into(), &["version"])]
    #[case::half_version(|c: &mut ReleaseConfig| c.version = "8.7".into(), &["version"])]
    #[case::namespaces(|c: &mut ReleaseConfig| c.namespaces[1] = c.namespaces[0].clone(), &["topology"])]
    #[case::namespace(|c: &mut ReleaseConfig| c.namespaces[1] = "Camunda".into(), &["topology"])]
    #[case::timeout(|c: &mut ReleaseConfig| c.failure_timeout = "ten".into(), &["failure_timeout"])]
    #[case::size(|c: &mut ReleaseConfig| c.storage_size = "big".into(), &["storage_size"])]
    #[case::image(|c: &mut ReleaseConfig| { c.images.insert("zebee".into(), "x".into()); }, &["images"])]
    #[case::two(|c: &mut ReleaseConfig| { c.partition_count = 0; c.replication_factor = 3; }, &["partition_count", "replication_factor"])]
    fn what_is_refused(#[case] edit: fn(&mut ReleaseConfig), #[case] expected: &[&str]) {
        let mut config = config(0);
        edit(&mut config);
        let errors = config.validate().err().unwrap_or_default();
        assert_eq!(errors.iter().map(|e| e.attribute).collect::<Vec<_>>(), expected);
    }
}
