//! The installation as `regions` names it: two regions, resolved from what the user wrote or another resource handed on.
//!
//! Pure: resolving needs no contact. `validate` accepts whatever is not known yet; [`Installation::resolve`] is for
//! apply and read, where all is known.

mod check;
pub mod import;

pub use check::{capital, check_group, check_namespace, check_regions, is_dns_label, place_problem};

use c8_release::names;
use c8_schemas::{
    RegionRef,
    topology::{Place, PlaceError},
};
use serde::{Deserialize, Serialize};
use terraform_plugin::Attr;

/// A list of references as the models hold it.
pub type RegionRefs = Attr<Vec<Attr<RegionRef>>>;

/// Name of the release if a reference does not say.
pub const DEFAULT_RELEASE: &str = "camunda";
/// VPC network if a reference does not say.
pub const DEFAULT_NETWORK: &str = "default";

/// One region of an [`Installation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionAt {
    /// 0 or 1.
    pub id: u8,
    /// Namespace of Camunda.
    pub namespace: String,
    /// Its cluster.
    pub place: Place,
    /// Name of the Camunda release.
    pub release: String,
    /// VPC network.
    pub network: String,
    /// The cluster that was meant, by UID; `None` if the reference does not say.
    pub cluster_uid: Option<String>,
}

impl RegionAt {
    /// How messages name the region, such as `region 1 (camunda-ew1, p/europe-west1-b/camunda-one)`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("region {} ({}, {})", self.id, self.namespace, self.place)
    }

    /// Name of a Service's DNS entry in this region's namespace.
    #[must_use]
    pub fn dns_name(&self, service: &str) -> String {
        format!("{service}.{}", self.dns_domain())
    }

    /// The domain of this region's namespace: what the peer's DNS forwards.
    #[must_use]
    pub fn dns_domain(&self) -> String {
        c8_release::names::domain(&self.namespace)
    }
}

/// Two regions and their common name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// Name of the installation.
    pub group: String,
    /// The regions, at the index of their id.
    pub regions: [RegionAt; 2],
}

/// Why `regions` does not name an installation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallationError {
    /// There is something that is not known yet.
    #[error("the regions are not all known yet")]
    Unknown,
    /// Not two regions with the ids 0 and 1.
    #[error("two regions are needed, with the ids 0 and 1")]
    NotTwo,
    /// A reference does not lead to a cluster.
    #[error("region {region_id}: {error}")]
    Place {
        /// Its id.
        region_id: i64,
        /// Why.
        error: PlaceError,
    },
    /// The references belong to different installations.
    #[error("the regions name different installations: `{0}` and `{1}`")]
    Groups(String, String),
}

impl Installation {
    /// Resolves references; `project` is the provider's.
    ///
    /// # Errors
    /// See [`InstallationError`]. What `validate` accepts fails here only because of the provider's project or an
    /// unknown value.
    pub fn resolve(regions: &RegionRefs, project: Option<&str>) -> Result<Self, InstallationError> {
        let list = match regions {
            Attr::Unknown => return Err(InstallationError::Unknown),
            Attr::Null => return Err(InstallationError::NotTwo),
            Attr::Known(list) => list,
        };
        let mut found: [Option<(RegionAt, Option<String>)>; 2] = [None, None];
        if list.len() != 2 {
            return Err(InstallationError::NotTwo);
        }
        for entry in list {
            let reference = match entry {
                Attr::Unknown => return Err(InstallationError::Unknown),
                Attr::Null => return Err(InstallationError::NotTwo),
                Attr::Known(reference) => reference,
            };
            let (region, group) = resolve_one(reference, project)?;
            let slot = &mut found[usize::from(region.id)];
            if slot.is_some() {
                return Err(InstallationError::NotTwo);
            }
            *slot = Some((region, group));
        }
        let [Some((zero, group_zero)), Some((one, group_one))] = found else {
            return Err(InstallationError::NotTwo);
        };
        let group = match (group_zero, group_one) {
            (Some(zero), Some(one)) if zero != one => return Err(InstallationError::Groups(zero, one)),
            (Some(group), _) | (None, Some(group)) => group,
            (None, None) => names::group(&[zero.namespace.clone(), one.namespace.clone()]),
        };
        Ok(Self { group, regions: [zero, one] })
    }

    /// A region by its id.
    #[must_use]
    pub fn region(&self, id: u8) -> &RegionAt {
        &self.regions[usize::from(id != 0)]
    }

    /// The other region.
    #[must_use]
    pub fn peer(&self, id: u8) -> &RegionAt {
        self.region(u8::from(id == 0))
    }
}

fn resolve_one(reference: &RegionRef, project: Option<&str>) -> Result<(RegionAt, Option<String>), InstallationError> {
    let text = |attr: &Attr<String>| match attr {
        Attr::Unknown => Err(InstallationError::Unknown),
        Attr::Null => Ok(None),
        Attr::Known(text) => Ok(Some(text.clone())),
    };
    let region_id = match reference.region_id {
        Attr::Unknown => return Err(InstallationError::Unknown),
        Attr::Null => return Err(InstallationError::NotTwo),
        Attr::Known(id) => id,
    };
    let id = u8::try_from(region_id).ok().filter(|id| *id < 2).ok_or(InstallationError::NotTwo)?;
    let place = reference.place(project).map_err(|error| match error {
        PlaceError::Unknown => InstallationError::Unknown,
        error => InstallationError::Place { region_id, error },
    })?;
    let namespace = text(&reference.namespace)?.ok_or(InstallationError::NotTwo)?;
    let region = RegionAt {
        id,
        namespace,
        place,
        release: text(&reference.release)?.unwrap_or_else(|| DEFAULT_RELEASE.to_owned()),
        network: text(&reference.network)?.unwrap_or_else(|| DEFAULT_NETWORK.to_owned()),
        // a UID that is unknown at plan is no reason to know nothing of the rest
        cluster_uid: reference.cluster_uid.known().cloned(),
    };
    Ok((region, text(&reference.group)?))
}

/// How the wanted `regions` differ from those of the state. Pure; what plans of the chain, the firewall and the
/// repository decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionsChange {
    /// The same regions on the same clusters.
    None,
    /// The same installation; a cluster was or will be rebuilt, or a detail changed.
    Rebuilt,
    /// Other namespaces, clusters or another group: another installation.
    Other,
    /// Not known before apply.
    Unknown,
}

/// Compares the wanted `regions` with those of the state.
#[must_use]
pub fn regions_change(prior: &RegionRefs, planned: &RegionRefs) -> RegionsChange {
    if prior == planned {
        return RegionsChange::None;
    }
    // the project matters only for comparing; the provider's is the same on both sides
    let project = Some("");
    match (Installation::resolve(prior, project), Installation::resolve(planned, project)) {
        (_, Err(InstallationError::Unknown)) => RegionsChange::Unknown,
        (Ok(before), Ok(after)) => {
            let same = before.group == after.group
                && before.regions.iter().zip(&after.regions).all(|(before, after)| {
                    before.namespace == after.namespace && same_place(&before.place, &after.place)
                });
            if same { RegionsChange::Rebuilt } else { RegionsChange::Other }
        }
        _ => RegionsChange::Other,
    }
}

/// Whether two places may be the same cluster: an empty project is the provider's, which is not known at plan.
fn same_place(before: &Place, after: &Place) -> bool {
    match (before, after) {
        (Place::Gke { project: p, location: l, cluster: c }, Place::Gke { project: q, location: m, cluster: d }) => {
            l == m && c == d && (p == q || p.is_empty() || q.is_empty())
        }
        (before, after) => before == after,
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
