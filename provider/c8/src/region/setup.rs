//! From the model to what the region is made of. Pure.

use std::collections::BTreeMap;

use c8_release::{ReleaseConfig, names, objects};
use c8_schemas::{
    Camunda, Region, RegionRef, TopologyEntry,
    topology::{Place, PlaceError},
};
use terraform_plugin::{Attr, Diagnostics, Fault, Path};

use crate::installation::{check_group, check_namespace, place_problem};

/// What a region is made of, once all is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// 0 or 1.
    pub region_id: u8,
    /// Name of the installation.
    pub group: String,
    /// Its own place in the topology.
    pub own: TopologyEntry,
    /// That of its peer.
    pub peer: TopologyEntry,
    /// VPC network, if the user names one.
    pub network: Attr<String>,
    /// What runs in it.
    pub release: ReleaseConfig,
}

/// Why there is no setup.
#[derive(Clone, Debug)]
pub enum SetupError {
    /// Something is not known yet.
    Unknown,
    /// Something is wrong.
    Invalid(Diagnostics),
}

/// A value, its default where nothing is set, or the news that it is not known yet.
fn value<T: Clone>(attr: &Attr<T>, default: impl FnOnce() -> Option<T>) -> Result<T, SetupError> {
    match attr {
        Attr::Known(value) => Ok(value.clone()),
        // a required attribute that is missing is reported by Terraform itself
        Attr::Null => default().ok_or(SetupError::Unknown),
        Attr::Unknown => Err(SetupError::Unknown),
    }
}

fn text(attr: &Attr<String>, default: &str) -> Result<String, SetupError> {
    value(attr, || Some(default.to_owned()))
}

fn number(attr: &Attr<i64>, default: u32) -> Result<u32, SetupError> {
    // what does not fit is wrong in any case, and refused for its value
    Ok(u32::try_from(value(attr, || Some(i64::from(default)))?).unwrap_or(0))
}

fn optional(attr: &Attr<String>) -> Result<Option<String>, SetupError> {
    match attr {
        Attr::Unknown => Err(SetupError::Unknown),
        attr => Ok(attr.known().cloned()),
    }
}

fn entries(model: &Region) -> Result<[TopologyEntry; 2], SetupError> {
    let Attr::Known(list) = &model.topology else { return Err(SetupError::Unknown) };
    let mut found = Vec::new();
    for entry in list {
        found.push(value(entry, || None)?);
    }
    <[TopologyEntry; 2]>::try_from(found).map_err(|found| {
        let mut diags = Diagnostics::default();
        diags.error(
            Path::root().attr("topology"),
            "Two regions are needed",
            format!(
                "`topology` has {} elements. A dual-region installation has two: an object for region 0 and one for region 1.",
                found.len()
            ),
        );
        SetupError::Invalid(diags)
    })
}

impl Setup {
    /// What `model` asks for. Defaults of the schema are filled in, so that it works on a bare configuration too.
    ///
    /// # Errors
    /// Something is not known yet, or wrong.
    pub fn of(model: &Region) -> Result<Self, SetupError> {
        let mut diags = Diagnostics::default();
        let entries = entries(model)?;
        for (index, entry) in entries.iter().enumerate() {
            let at = Path::root().attr("topology").index(index);
            if let Attr::Known(namespace) = &entry.namespace {
                check_namespace(namespace, at.attr("namespace"), &mut diags);
            }
            match entry.place(Some("project")) {
                Ok(_) | Err(PlaceError::Unknown) => {}
                Err(error) => diags.error(at, place_problem(&error), place_detail(index, &error)),
            }
        }
        if diags.has_errors() {
            return Err(SetupError::Invalid(diags));
        }
        let Some(camunda) = &model.camunda else {
            diags.error(
                Path::root().attr("camunda"),
                "Block `camunda` is missing",
                "Say what runs in the region: `camunda { version = \"8.7.2\" }`.",
            );
            return Err(SetupError::Invalid(diags));
        };
        let region_id = value(&model.region_id, || None)?;
        let Ok(region_id @ 0..=1) = u8::try_from(region_id) else {
            // the schema refuses it, and says so
            return Err(SetupError::Unknown);
        };
        let [zero, one] = entries;
        let namespaces = [value(&zero.namespace, || None)?, value(&one.namespace, || None)?];
        let group = match &model.group {
            Attr::Known(group) => {
                check_group(group, Path::root().attr("group"), &mut diags);
                group.clone()
            }
            // not set: at plan it is computed, hence unknown, and comes from the namespaces
            _ => names::group(&namespaces),
        };
        let (own, peer) = if region_id == 0 { (zero, one) } else { (one, zero) };
        let network = match &own.network {
            Attr::Null => model.cluster.as_ref().map(|cluster| cluster.network.clone()).unwrap_or_default(),
            network => network.clone(),
        };
        if let Some(cluster) = &model.cluster {
            check_cluster(cluster, &own, &mut diags);
        }
        let release = release(camunda, &group, region_id, namespaces)?;
        for error in release.validate().err().unwrap_or_default() {
            let at = match error.attribute {
                top @ ("topology" | "region_id") => Path::root().attr(top),
                attribute => Path::root().attr("camunda").attr(attribute),
            };
            diags.error(at, "Invalid value", format!("{}.", capital(&error.to_string())));
        }
        if diags.has_errors() {
            return Err(SetupError::Invalid(diags));
        }
        Ok(Self { region_id, group, own, peer, network, release })
    }

    /// The setup of an apply, where all is known.
    ///
    /// # Errors
    /// As a fault that says what is wrong.
    pub fn known(model: &Region) -> Result<Self, Fault> {
        Self::of(model).map_err(|error| match error {
            SetupError::Invalid(diags) => diags.into(),
            SetupError::Unknown => {
                Fault::new("Region is not known", "Something that the region is made of is not known at apply.")
            }
        })
    }

    /// The region's cluster; `project` is the provider's.
    ///
    /// # Errors
    /// The entry leads to no cluster.
    pub fn place(&self, project: Option<&str>) -> Result<Place, Fault> {
        self.own.place(project).map_err(|error| {
            let at = Path::root().attr("topology").index(usize::from(self.region_id));
            Fault::at(at, place_problem(&error), place_detail(usize::from(self.region_id), &error))
        })
    }

    /// The reference that the other resources take.
    pub fn reference(&self, cluster_uid: Attr<String>) -> RegionRef {
        RegionRef {
            region_id: Attr::Known(i64::from(self.region_id)),
            namespace: self.own.namespace.clone(),
            group: Attr::Known(self.group.clone()),
            project: self.own.project.clone(),
            location: self.own.location.clone(),
            cluster: self.own.cluster.clone(),
            release: Attr::Known(self.release.release.clone()),
            kubeconfig_path: self.own.kubeconfig_path.clone(),
            kubeconfig_context: self.own.kubeconfig_context.clone(),
            network: self.network.clone(),
            cluster_uid,
        }
    }

    /// The ID, unless the project is the provider's, which is not known at plan.
    pub fn id(&self, project: Option<&str>) -> Option<String> {
        self.own.place(project).ok().map(|place| format!("{place}/{}", self.release.namespace()))
    }

    /// Ids of the region's brokers, as the model holds them.
    pub fn broker_ids(&self) -> Attr<Vec<Attr<i64>>> {
        Attr::Known(self.release.broker_ids().into_iter().map(|id| Attr::Known(i64::from(id))).collect())
    }

    /// `objects` as it is when all is applied. Empty if the chart is broken, which its tests exclude.
    pub fn objects(&self) -> BTreeMap<String, String> {
        objects(&self.release).unwrap_or_default()
    }

    /// Key of the broker StatefulSet in `objects`.
    pub fn broker_key(&self) -> String {
        format!("StatefulSet/{}/{}", self.release.namespace(), names::brokers(&self.release.release))
    }

    /// Key of the search store's StatefulSet in `objects`.
    pub fn store_key(&self) -> String {
        format!("StatefulSet/{}/{}", self.release.namespace(), names::elasticsearch(&self.release.release))
    }

    /// How messages name the region.
    pub fn title(&self) -> String {
        title(self.region_id, self.release.namespace())
    }
}

/// How messages name a region.
pub fn title(region_id: u8, namespace: &str) -> String {
    format!("region {region_id} ({namespace})")
}

fn release(
    camunda: &Camunda,
    group: &str,
    region_id: u8,
    namespaces: [String; 2],
) -> Result<ReleaseConfig, SetupError> {
    let mut images = BTreeMap::new();
    match &camunda.images {
        Attr::Unknown => return Err(SetupError::Unknown),
        Attr::Null => {}
        Attr::Known(map) => {
            for (component, image) in map {
                images.insert(component.clone(), text(image, "")?);
            }
        }
    }
    Ok(ReleaseConfig {
        group: group.to_owned(),
        release: text(&camunda.release, "camunda")?,
        region_id,
        namespaces,
        version: value(&camunda.version, || None)?,
        cluster_size: number(&camunda.cluster_size, 8)?,
        partition_count: number(&camunda.partition_count, 8)?,
        replication_factor: number(&camunda.replication_factor, 4)?,
        storage_size: text(&camunda.storage_size, "32Gi")?,
        elasticsearch_storage_size: text(&camunda.elasticsearch_storage_size, "64Gi")?,
        storage_class: text(&camunda.storage_class, ReleaseConfig::OWN_STORAGE_CLASS)?,
        cpu: optional(&camunda.cpu)?,
        memory: optional(&camunda.memory)?,
        failure_timeout: text(&camunda.failure_timeout, "10s")?,
        images,
    })
}

/// The entry of region `index` does not lead to one cluster.
fn place_detail(index: usize, error: &PlaceError) -> String {
    format!("Entry {index} of `topology` (region {index}) is not usable: {error}.")
}

fn check_cluster(cluster: &c8_schemas::Cluster, own: &TopologyEntry, diags: &mut Diagnostics) {
    let at = Path::root().attr("cluster");
    if matches!(own.place(Some("project")), Ok(Place::Kubeconfig { .. })) {
        diags.error(
            at.clone(),
            "A cluster of your own can't be created",
            "The region's entry in `topology` leads to a cluster by a kubeconfig. Leave the block `cluster` out, or name a GKE \
             cluster by `location` and `cluster`.",
        );
    }
    if cluster.machine_type.known().is_some_and(|machine| machine.trim().is_empty()) {
        diags.error(
            at.attr("machine_type"),
            "Invalid machine type",
            "`machine_type` is empty. Name one of Google Cloud, such as `n2-standard-8`.",
        );
    }
    let (min, max) = (cluster.min_nodes.known(), cluster.max_nodes.known());
    if let Some(min) = min.filter(|min| **min < 0) {
        diags.error(
            at.attr("min_nodes"),
            "Invalid number of nodes",
            format!("`min_nodes` is {min}. It must be 0 or more."),
        );
    } else if let (Some(min), Some(max)) = (min, max)
        && (*max < 1 || min > max)
    {
        diags.error(
            at.attr("max_nodes"),
            "Invalid number of nodes",
            format!("`min_nodes` is {min} and `max_nodes` is {max}. `max_nodes` must be at least 1, and not less than `min_nodes`."),
        );
    }
    if let Some(size) = cluster.disk_size_gb.known()
        && !(10..=65_536).contains(size)
    {
        diags.error(
            at.attr("disk_size_gb"),
            "Invalid disk size",
            format!("{size} is not a disk size. Allowed: 10 to 65536 GiB."),
        );
    }
    if let (Attr::Known(entry), Attr::Known(block)) = (&own.network, &cluster.network)
        && entry != block
    {
        diags.error(
            at.attr("network"),
            "Two networks",
            format!("`topology` says `{entry}`, and this block says `{block}`. Set `network` in one place."),
        );
    }
}

/// Sentences begin with a capital letter.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use rstest::rstest;

    use super::*;

    pub(crate) fn text(value: &str) -> Attr<String> {
        Attr::Known(value.to_owned())
    }

    fn entry(location: &str, cluster: &str, namespace: &str) -> Attr<TopologyEntry> {
        Attr::Known(TopologyEntry {
            location: text(location),
            cluster: text(cluster),
            namespace: text(namespace),
            ..Default::default()
        })
    }

    pub(crate) fn model(region_id: i64) -> Region {
        Region {
            region_id: Attr::Known(region_id),
            topology: Attr::Known(vec![
                entry("europe-west4-b", "camunda-zero", "camunda-ew4"),
                entry("europe-west1-b", "camunda-one", "camunda-ew1"),
            ]),
            cluster: Some(c8_schemas::Cluster { machine_type: text("n2-standard-8"), ..Default::default() }),
            camunda: Some(Camunda { version: text("8.7.2"), ..Default::default() }),
            ..Default::default()
        }
    }

    fn errors(model: &Region) -> Vec<String> {
        match Setup::of(model) {
            Err(SetupError::Invalid(diags)) => diags.iter().map(|diagnostic| diagnostic.summary.clone()).collect(),
            Err(SetupError::Unknown) => vec!["unknown".into()],
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn a_bare_configuration_has_the_defaults_of_the_schema() {
        let setup = Setup::of(&model(1)).unwrap();
        assert_eq!(setup.group, "camunda-ew4-camunda-ew1");
        assert_eq!(setup.release.broker_ids(), [1, 3, 5, 7]);
        assert_eq!(setup.release.namespace(), "camunda-ew1");
        assert_eq!(setup.id(Some("p")).as_deref(), Some("p/europe-west1-b/camunda-one/camunda-ew1"));
        assert_eq!(setup.id(None), None, "the provider's project is not known at plan");
        assert_eq!(setup.reference(Attr::Unknown).namespace, text("camunda-ew1"));
        assert!(setup.objects().contains_key(&setup.broker_key()));
        assert!(setup.objects().contains_key(&setup.store_key()));
        // the defaults are written down twice: here and in the schema
        let block = <Region as terraform_plugin::Model>::block();
        let camunda = &block.blocks.iter().find(|nested| nested.name == "camunda").unwrap().block;
        let default = |name: &str| camunda.attributes.iter().find(|a| a.name == name).unwrap().default.clone().unwrap();
        let release = &setup.release;
        for (name, value) in [
            ("release", &release.release),
            ("storage_size", &release.storage_size),
            ("elasticsearch_storage_size", &release.elasticsearch_storage_size),
            ("storage_class", &release.storage_class),
            ("failure_timeout", &release.failure_timeout),
        ] {
            assert_eq!(default(name), terraform_plugin::Value::String(value.clone()), "{name}");
        }
    }

    #[rstest]
    #[case::version(|m: &mut Region| m.camunda.as_mut().unwrap().version = text("8.8.1"), &["Invalid value"])]
    #[case::odd(|m: &mut Region| m.camunda.as_mut().unwrap().cluster_size = Attr::Known(5), &["Invalid value"])]
    #[case::negative(|m: &mut Region| m.camunda.as_mut().unwrap().cluster_size = Attr::Known(-8), &["Invalid value"])]
    #[case::no_camunda(|m: &mut Region| m.camunda = None, &["Block `camunda` is missing"])]
    #[case::one_region(|m: &mut Region| if let Attr::Known(list) = &mut m.topology { list.truncate(1) }, &["Two regions are needed"])]
    #[case::unknown_version(|m: &mut Region| m.camunda.as_mut().unwrap().version = Attr::Unknown, &["unknown"])]
    #[case::unknown_topology(|m: &mut Region| m.topology = Attr::Unknown, &["unknown"])]
    #[case::nodes(|m: &mut Region| { let c = m.cluster.as_mut().unwrap(); c.min_nodes = Attr::Known(3); c.max_nodes = Attr::Known(2) }, &["Invalid number of nodes"])]
    #[case::no_nodes(|m: &mut Region| m.cluster.as_mut().unwrap().min_nodes = Attr::Known(-1), &["Invalid number of nodes"])]
    #[case::machine(|m: &mut Region| m.cluster.as_mut().unwrap().machine_type = text(" "), &["Invalid machine type"])]
    #[case::group(|m: &mut Region| m.group = text("No Group"), &["Invalid group"])]
    #[case::kubeconfig(|m: &mut Region| if let Attr::Known(list) = &mut m.topology {
        list[0] = Attr::Known(TopologyEntry { namespace: text("a"), kubeconfig_context: text("x"), ..Default::default() });
    }, &["A cluster of your own can't be created"])]
    fn what_is_refused_before_anything_is_touched(#[case] edit: fn(&mut Region), #[case] expected: &[&str]) {
        let mut model = model(0);
        edit(&mut model);
        assert_eq!(errors(&model), expected);
    }
}
