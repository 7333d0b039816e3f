//! What both regions must say alike: they form one Zeebe cluster (dual-region.md 5.4, 8).
//!
//! A region does not see the configuration of its peer, so that it is compared wherever both can be seen:
//!
//! - at plan, when both are in one configuration: [`Agreement`], the memory of one walk of Terraform. Terraform validates each
//!   region right before it plans it, in the same process; whichever comes second is told. It changes no planned value, so
//!   that plans stay pure;
//! - at apply, before anything of the second region is made: [`of_peer`] reads what runs in the peer;
//! - by `c8_failover` and `c8_dr_state`, which see both.
//!
//! Patch releases of one minor version work together; so do regions of which one is upgraded first.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use c8_clients::{gcp::ClusterStatus, kubernetes::STATEFUL_SET};
use c8_release::names;
use c8_schemas::{TopologyEntry, topology::Place};
use serde::{Deserialize, Serialize};
use terraform_plugin::{Diagnostics, Path};

use crate::{
    failover::{look, record::to_dr},
    provider::{C8, Reach},
    region::{
        live,
        setup::{Setup, title},
    },
};

/// What a region says that its peer must say too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Brokers in both regions together.
    pub cluster_size: u32,
    /// Partitions.
    pub partition_count: u32,
    /// Replicas of a partition in both regions together.
    pub replication_factor: u32,
    /// Camunda version, if it is known.
    #[serde(default)]
    pub version: Option<String>,
    /// Ids of the exporters in lower case; empty if they are not known.
    #[serde(default)]
    pub exporters: BTreeSet<String>,
}

impl Terms {
    /// What a configuration says.
    pub fn of(setup: &Setup) -> Self {
        let release = &setup.release;
        Self {
            cluster_size: release.cluster_size,
            partition_count: release.partition_count,
            replication_factor: release.replication_factor,
            version: Some(release.version.clone()),
            exporters: [0, 1].map(c8_dr::state::exporter_id).into(),
        }
    }

    /// What runs, as the brokers' StatefulSet says it; `None` if that does not say its sizes.
    pub fn running(release: &look::Release) -> Option<Self> {
        let sizes = release.sizes?;
        let exporter = |key: &String| {
            let id = key.strip_prefix("ZEEBE_BROKER_EXPORTERS_")?.strip_suffix("_CLASSNAME")?;
            Some(id.to_lowercase())
        };
        Some(Self {
            version: release.version.clone(),
            exporters: release.env.keys().filter_map(exporter).collect(),
            ..Self::recorded(sizes, None)
        })
    }

    fn recorded(sizes: c8_dr::Topology, version: Option<String>) -> Self {
        Self {
            cluster_size: sizes.cluster_size,
            partition_count: sizes.partition_count,
            replication_factor: sizes.replication_factor,
            version,
            exporters: BTreeSet::new(),
        }
    }

    /// Where two regions differ: attribute, what is said here, what is said there.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, String, String)> {
        let minor = |terms: &Self| {
            let version = terms.version.as_deref()?;
            Some(version.split('.').take(2).collect::<Vec<_>>().join("."))
        };
        let mut found = Vec::new();
        let mut compare = |attribute, here: String, there: String| {
            if here != there {
                found.push((attribute, here, there));
            }
        };
        compare("cluster_size", self.cluster_size.to_string(), other.cluster_size.to_string());
        compare("partition_count", self.partition_count.to_string(), other.partition_count.to_string());
        compare("replication_factor", self.replication_factor.to_string(), other.replication_factor.to_string());
        if let (Some(here), Some(there)) = (minor(self), minor(other))
            && here != there
        {
            compare("version", self.version.clone().unwrap_or_default(), other.version.clone().unwrap_or_default());
        }
        if !self.exporters.is_empty() && !other.exporters.is_empty() {
            let list = |terms: &Self| terms.exporters.iter().cloned().collect::<Vec<_>>().join(", ");
            compare("exporters", list(self), list(other));
        }
        found
    }
}

/// The sentence for one difference.
pub fn sentence(here: &str, there: &str, (attribute, ours, theirs): &(&'static str, String, String)) -> String {
    format!("`{attribute}` is {ours} in {here} and {theirs} in {there}")
}

/// What a user can do about it.
pub const WAY_OUT: &str = "Both regions form one Zeebe cluster, so both must say the same: write it once, as a local value or a \
                           variable.";

/// A region of this walk.
#[derive(Clone, Debug)]
struct Said {
    region_id: u8,
    own: Located,
    peer: Located,
    title: String,
    terms: Terms,
}

/// A namespace in a cluster. A project that is not set is the provider's, and the same for both.
type Located = (Option<Place>, Option<String>);

fn located(entry: &TopologyEntry) -> Located {
    (entry.place(Some("")).ok(), entry.namespace.known().cloned())
}

/// The regions that a process has validated since it was configured. Copies share one memory.
#[derive(Clone, Debug, Default)]
pub struct Agreement(Arc<Mutex<Vec<Said>>>);

impl Agreement {
    /// A new walk begins: what was said before may have been changed since.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Compares a region with its peer, if that was validated before, and remembers it.
    pub fn check(&self, setup: &Setup, diags: &mut Diagnostics) {
        let said = Said {
            region_id: setup.region_id,
            own: located(&setup.own),
            peer: located(&setup.peer),
            title: setup.title(),
            terms: Terms::of(setup),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // the same resource again, perhaps with more of it known
        all.retain(|other| other.region_id != said.region_id || other.own != said.own);
        for other in all.iter().filter(|other| other.region_id != said.region_id) {
            match (other.own == said.peer, other.peer == said.own) {
                (true, true) => compare(&said, other, diags),
                (false, false) => {}
                _ => diags.error(
                    Path::root().attr("topology"),
                    "Regions do not agree",
                    format!(
                        "`topology` names another peer in {} than in {}. Both regions need the same list: write it once, as a \
                         local value.",
                        said.title, other.title
                    ),
                ),
            }
        }
        all.push(said);
    }
}

fn compare(said: &Said, other: &Said, diags: &mut Diagnostics) {
    for difference in said.terms.differences(&other.terms) {
        diags.error(
            Path::root().attr("camunda").attr(difference.0),
            "Regions do not agree",
            format!("{}. {WAY_OUT}", sentence(&said.title, &other.title, &difference)),
        );
    }
}

/// Where a region differs from what runs in its peer: the first attribute, and all of it in words.
pub fn against_peer(setup: &Setup, theirs: &Terms) -> Option<(&'static str, String)> {
    let found = Terms::of(setup).differences(theirs);
    let (attribute, ..) = *found.first()?;
    let peer = title(u8::from(setup.region_id == 0), setup.release.peer_namespace());
    let sentences: Vec<String> = found.iter().map(|one| sentence(&setup.title(), &peer, one)).collect();
    Some((attribute, format!("{}. {WAY_OUT}", sentences.join("; "))))
}

/// What runs in a region's peer, or what its record says; `None` if nothing is installed there.
///
/// # Errors
/// A sentence: it can't be looked at.
pub async fn of_peer(client: &C8, setup: &Setup) -> Result<Option<Terms>, String> {
    // a peer that leads nowhere is refused elsewhere
    let Ok(place) = setup.peer.place(client.project()) else { return Ok(None) };
    let reach = client.look(&place).await;
    of(&reach, setup).await
}

/// [`of_peer`], where somebody has looked whether it answers.
///
/// # Errors
/// As [`of_peer`].
pub async fn of(reach: &Reach, setup: &Setup) -> Result<Option<Terms>, String> {
    let alive = match reach {
        Reach::Alive(alive) => alive,
        Reach::Absent => return Ok(None),
        Reach::Silent(silent) => {
            let made = silent.cluster.as_ref().is_some_and(|cluster| cluster.status == ClusterStatus::Provisioning);
            return if made { Ok(None) } else { Err(silent.why.clone()) };
        }
    };
    let namespace = setup.release.peer_namespace();
    let set = STATEFUL_SET.named(namespace, &names::brokers(&setup.release.release));
    let set = alive.kubernetes.find(&set).await.map_err(|error| error.to_string())?;
    if let Some(terms) = set.and_then(|set| Terms::running(&look::release(&set))) {
        return Ok(Some(terms));
    }
    let record = live::record(&alive.kubernetes, namespace).await.map_err(|error| error.to_string())?;
    let record = record.map(|record| to_dr(&record));
    Ok(record.and_then(|record| Some(Terms::recorded(record.sizes?, record.version))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use rstest::rstest;
    use terraform_plugin::Attr;

    use super::*;
    use crate::region::setup::tests::{model, text};

    fn setup(region: i64, edit: impl Fn(&mut c8_schemas::Region)) -> Setup {
        let mut model = model(region);
        edit(&mut model);
        Setup::of(&model).unwrap()
    }

    fn told(agreement: &Agreement, setup: &Setup) -> Vec<(String, String)> {
        let mut diags = Diagnostics::default();
        agreement.check(setup, &mut diags);
        diags.iter().map(|one| (one.path.as_ref().unwrap().to_string(), one.detail.clone())).collect()
    }

    fn size(region: &mut c8_schemas::Region) {
        region.camunda.as_mut().unwrap().cluster_size = Attr::Known(4);
    }
    fn partitions(region: &mut c8_schemas::Region) {
        region.camunda.as_mut().unwrap().partition_count = Attr::Known(3);
    }
    fn patch(region: &mut c8_schemas::Region) {
        region.camunda.as_mut().unwrap().version = text("8.7.9");
    }
    fn disks(region: &mut c8_schemas::Region) {
        region.camunda.as_mut().unwrap().storage_size = text("64Gi");
    }
    fn topology(region: &mut c8_schemas::Region) {
        let Attr::Known(list) = &mut region.topology else { panic!() };
        let Attr::Known(entry) = &mut list[0] else { panic!() };
        entry.cluster = text("another");
    }

    #[rstest]
    #[case::sizes(size, &["camunda.cluster_size"])]
    #[case::partitions(partitions, &["camunda.partition_count"])]
    #[case::topology(topology, &["topology"])]
    #[case::patches_work_together(patch, &[])]
    #[case::disks_are_each_regions_own(disks, &[])]
    fn whichever_comes_second_is_told(#[case] edit: fn(&mut c8_schemas::Region), #[case] expected: &[&str]) {
        for first in [0, 1] {
            let agreement = Agreement::default();
            let setups = [setup(0, |_| ()), setup(1, edit)];
            assert_eq!(told(&agreement, &setups[first]), []);
            let found = told(&agreement, &setups[1 - first]);
            assert_eq!(found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), expected);
            for (_, detail) in found {
                assert!(
                    detail.contains("region 0 (camunda-ew4)") && detail.contains("region 1 (camunda-ew1)"),
                    "{detail}"
                );
            }
        }
    }

    #[test]
    fn both_values_are_named() {
        let agreement = Agreement::default();
        told(&agreement, &setup(0, |_| ()));
        let (_, detail) = told(&agreement, &setup(1, size)).remove(0);
        assert!(
            detail.starts_with("`cluster_size` is 4 in region 1 (camunda-ew1) and 8 in region 0 (camunda-ew4)."),
            "{detail}"
        );
    }

    #[test]
    fn a_region_that_is_validated_again_counts_once_and_a_new_walk_forgets() {
        let agreement = Agreement::default();
        told(&agreement, &setup(0, size));
        assert_eq!(told(&agreement, &setup(0, |_| ())), []);
        assert_eq!(told(&agreement, &setup(1, |_| ())), []);
        agreement.forget();
        assert_eq!(told(&agreement, &setup(1, size)), []);
        assert_eq!(told(&agreement, &setup(0, size)), []);
    }

    #[test]
    fn other_installations_are_nobodys_peer() {
        let agreement = Agreement::default();
        told(&agreement, &setup(0, |_| ()));
        let elsewhere = setup(1, |region| {
            let Attr::Known(list) = &mut region.topology else { panic!() };
            for entry in list {
                let Attr::Known(entry) = entry else { panic!() };
                entry.location = text("us-east1-b");
            }
            size(region);
        });
        assert_eq!(told(&agreement, &elsewhere), []);
    }

    #[test]
    fn what_runs_is_compared_with_what_is_wanted() {
        let ours = Terms::of(&setup(1, |_| ()));
        let mut release = look::Release {
            sizes: Some(c8_dr::Topology { cluster_size: 8, partition_count: 8, replication_factor: 4 }),
            version: Some("8.7.0".into()),
            env: [0, 1]
                .map(|id| (format!("ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION{id}_CLASSNAME"), String::new()))
                .into(),
        };
        assert_eq!(ours.differences(&Terms::running(&release).unwrap()), []);
        release.version = Some("8.6.4".into());
        release.env.insert("ZEEBE_BROKER_EXPORTERS_OTHER_CLASSNAME".into(), String::new());
        let found: Vec<_> =
            ours.differences(&Terms::running(&release).unwrap()).into_iter().map(|(attribute, ..)| attribute).collect();
        assert_eq!(found, ["version", "exporters"]);
    }
}
