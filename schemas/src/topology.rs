//! How the installation and its parts are named: what a user writes once as `topology`, and the references that one
//! resource hands to the next.

use serde::{Deserialize, Serialize};
use terraform_plugin::{Attr, Object};

/// One region of the installation as the user names it: a GKE cluster (`project`, `location`, `cluster`) or any
/// Kubernetes cluster (`kubeconfig_path`, `kubeconfig_context`), and the namespace of Camunda in it.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct TopologyEntry {
    /// Namespace of Camunda. It must differ between the regions, because names are routed by it.
    pub namespace: Attr<String>,
    /// Google Cloud project of the cluster; the provider's if not set.
    #[tf(optional)]
    pub project: Attr<String>,
    /// Zone or region of the GKE cluster, such as `europe-west4-b`.
    #[tf(optional)]
    pub location: Attr<String>,
    /// Name of the GKE cluster.
    #[tf(optional)]
    pub cluster: Attr<String>,
    /// Path of a kubeconfig file, for a cluster of your own.
    #[tf(optional)]
    pub kubeconfig_path: Attr<String>,
    /// Context in the kubeconfig file; its current one if not set.
    #[tf(optional)]
    pub kubeconfig_context: Attr<String>,
    /// VPC network of the cluster; `default` if not set.
    #[tf(optional)]
    pub network: Attr<String>,
}

/// A reference to a region: the attribute `ref` of `c8_region`, or a literal with the same fields.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct RegionRef {
    /// Number of the region, 0 or 1.
    pub region_id: Attr<i64>,
    /// Namespace of Camunda.
    pub namespace: Attr<String>,
    /// Name of the installation; derived from the namespaces if not set.
    #[tf(optional)]
    pub group: Attr<String>,
    /// Google Cloud project of the cluster; the provider's if not set.
    #[tf(optional)]
    pub project: Attr<String>,
    /// Zone or region of the GKE cluster.
    #[tf(optional)]
    pub location: Attr<String>,
    /// Name of the GKE cluster.
    #[tf(optional)]
    pub cluster: Attr<String>,
    /// Name of the Camunda release; `camunda` if not set.
    #[tf(optional)]
    pub release: Attr<String>,
    /// Path of a kubeconfig file, for a cluster of your own.
    #[tf(optional)]
    pub kubeconfig_path: Attr<String>,
    /// Context in the kubeconfig file.
    #[tf(optional)]
    pub kubeconfig_context: Attr<String>,
    /// VPC network of the cluster; `default` if not set.
    #[tf(optional)]
    pub network: Attr<String>,
    /// UID of the namespace `kube-system`: another value means another, rebuilt cluster.
    #[tf(optional)]
    pub cluster_uid: Attr<String>,
}

/// A reference to a backup repository: the attribute `ref` of `c8_es_backup_repo`, or a literal with the same fields.
#[derive(Clone, Debug, Default, PartialEq, Object)]
pub struct BackupRepoRef {
    /// Name of the snapshot repository. A region writes under this name and reads its peer's under `<name>_peer`.
    pub repository: Attr<String>,
    /// Bucket that holds the snapshots.
    #[tf(optional)]
    pub bucket: Attr<String>,
    /// Name of the installation.
    #[tf(optional)]
    pub group: Attr<String>,
    /// Name of the Secret with the key in each region's namespace.
    #[tf(optional)]
    pub secret: Attr<String>,
}

/// Where a region's cluster is, resolved from a [`TopologyEntry`] or a [`RegionRef`] and the provider's defaults.
/// Values only: it is how one cluster is told from another without contact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// A GKE cluster.
    Gke {
        /// Google Cloud project.
        project: String,
        /// Zone or region.
        location: String,
        /// Name of the cluster.
        cluster: String,
    },
    /// Any cluster that a kubeconfig file leads to.
    Kubeconfig {
        /// Path of the file; `None` is the client's usual look-up.
        path: Option<String>,
        /// Context; `None` is the file's current one.
        context: Option<String>,
    },
}

/// Why a topology entry or a reference does not lead to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// Something that decides is not known yet.
    Unknown,
    /// Neither a GKE cluster nor a kubeconfig is named.
    Neither,
    /// Both are named.
    Both,
    /// A GKE cluster is named in part only; the attribute that is missing.
    Missing(&'static str),
}

impl std::fmt::Display for PlaceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("the cluster is not known yet"),
            Self::Neither => f.write_str(
                "no cluster is named: set `location` and `cluster` for a GKE cluster, or `kubeconfig_context` (and `kubeconfig_path`) for a cluster of your own",
            ),
            Self::Both => f.write_str(
                "two clusters are named: set either `location` and `cluster`, or `kubeconfig_context` and `kubeconfig_path`, not both",
            ),
            Self::Missing("project") => f.write_str("`project` is missing, here and in the provider's configuration"),
            Self::Missing(name) => write!(f, "`{name}` is missing: a GKE cluster is named by `location` and `cluster`"),
        }
    }
}

impl std::error::Error for PlaceError {}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gke { project, location, cluster } => write!(f, "{project}/{location}/{cluster}"),
            Self::Kubeconfig { context: Some(context), .. } => write!(f, "kubeconfig/{context}"),
            Self::Kubeconfig { path, .. } => {
                // an ID must not hold more slashes than its form has
                write!(f, "kubeconfig/{}", path.as_deref().unwrap_or("current").replace('/', "_"))
            }
        }
    }
}

struct Fields<'a> {
    project: &'a Attr<String>,
    location: &'a Attr<String>,
    cluster: &'a Attr<String>,
    kubeconfig_path: &'a Attr<String>,
    kubeconfig_context: &'a Attr<String>,
}

impl Fields<'_> {
    fn place(&self, default_project: Option<&str>) -> Result<Place, PlaceError> {
        let Fields { project, location, cluster, kubeconfig_path, kubeconfig_context } = self;
        let gke = !location.is_null() || !cluster.is_null();
        let kubeconfig = !kubeconfig_path.is_null() || !kubeconfig_context.is_null();
        let unknown = [location, cluster, kubeconfig_path, kubeconfig_context].iter().any(|a| a.is_unknown());
        match (gke, kubeconfig) {
            _ if unknown => Err(PlaceError::Unknown),
            (false, false) => Err(PlaceError::Neither),
            (true, true) => Err(PlaceError::Both),
            (false, true) => Ok(Place::Kubeconfig {
                path: kubeconfig_path.known().cloned(),
                context: kubeconfig_context.known().cloned(),
            }),
            (true, false) => {
                let location = location.known().ok_or(PlaceError::Missing("location"))?;
                let cluster = cluster.known().ok_or(PlaceError::Missing("cluster"))?;
                if project.is_unknown() {
                    return Err(PlaceError::Unknown);
                }
                let project =
                    project.known().map(String::as_str).or(default_project).ok_or(PlaceError::Missing("project"))?;
                Ok(Place::Gke { project: project.to_owned(), location: location.clone(), cluster: cluster.clone() })
            }
        }
    }
}

impl TopologyEntry {
    /// The cluster that this entry names; `project` is the provider's.
    ///
    /// # Errors
    /// The entry names none, two, or half of one.
    pub fn place(&self, project: Option<&str>) -> Result<Place, PlaceError> {
        Fields {
            project: &self.project,
            location: &self.location,
            cluster: &self.cluster,
            kubeconfig_path: &self.kubeconfig_path,
            kubeconfig_context: &self.kubeconfig_context,
        }
        .place(project)
    }
}

impl RegionRef {
    /// The cluster that this reference names; `project` is the provider's.
    ///
    /// # Errors
    /// The reference names none, two, or half of one.
    pub fn place(&self, project: Option<&str>) -> Result<Place, PlaceError> {
        Fields {
            project: &self.project,
            location: &self.location,
            cluster: &self.cluster,
            kubeconfig_path: &self.kubeconfig_path,
            kubeconfig_context: &self.kubeconfig_context,
        }
        .place(project)
    }
}

/// Longest name of an installation: `c8-allow-<group>-r0-from-r1` must fit 63 characters.
pub const GROUP_MAX: usize = 40;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use rstest::rstest;

    fn known(text: &str) -> Attr<String> {
        Attr::Known(text.to_owned())
    }

    #[rstest]
    #[case::gke(Some("z"), Some("c"), None, None, Some("p"), Ok("p/z/c"))]
    #[case::no_project(Some("z"), Some("c"), None, None, None, Err(PlaceError::Missing("project")))]
    #[case::no_cluster(Some("z"), None, None, None, Some("p"), Err(PlaceError::Missing("cluster")))]
    #[case::no_location(None, Some("c"), None, None, Some("p"), Err(PlaceError::Missing("location")))]
    #[case::kubeconfig(None, None, Some("/k"), Some("ctx"), None, Ok("kubeconfig/ctx"))]
    #[case::kubeconfig_only_path(None, None, Some("/home/k"), None, None, Ok("kubeconfig/_home_k"))]
    #[case::neither(None, None, None, None, Some("p"), Err(PlaceError::Neither))]
    #[case::both(Some("z"), Some("c"), None, Some("ctx"), Some("p"), Err(PlaceError::Both))]
    fn an_entry_names_one_cluster(
        #[case] location: Option<&str>,
        #[case] cluster: Option<&str>,
        #[case] path: Option<&str>,
        #[case] context: Option<&str>,
        #[case] project: Option<&str>,
        #[case] expected: Result<&str, PlaceError>,
    ) {
        let attr = |value: Option<&str>| value.map_or(Attr::Null, known);
        let entry = TopologyEntry {
            namespace: known("ns"),
            location: attr(location),
            cluster: attr(cluster),
            kubeconfig_path: attr(path),
            kubeconfig_context: attr(context),
            ..Default::default()
        };
        assert_eq!(entry.place(project).map(|place| place.to_string()), expected.map(str::to_owned));
    }

    #[test]
    fn an_unknown_part_makes_the_place_unknown() {
        let entry = TopologyEntry { location: Attr::Unknown, cluster: known("c"), ..Default::default() };
        assert_eq!(entry.place(Some("p")), Err(PlaceError::Unknown));
    }
}
