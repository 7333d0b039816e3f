//! How a quorum comes back after a loss: by the engine's own cluster API, or by temporary brokers where there is none.

use serde::{Deserialize, Serialize};

use crate::observation::Observation;

/// How the surviving region gets a quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// 8.2–8.5: brokers on empty disks take the ids of half of the lost ones (dual-region.md 3, 4.1).
    TemporaryBrokers,
    /// 8.6 and 8.7: the lost brokers are removed from the configuration (dual-region.md 4.2).
    ClusterApi,
}

impl Strategy {
    /// What fits a version; `None` if nothing does.
    pub fn of(version: &str) -> Option<Self> {
        let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(8)), Some(Ok(2..=5))) => Some(Self::TemporaryBrokers),
            (Some(Ok(8)), Some(Ok(6 | 7))) => Some(Self::ClusterApi),
            _ => None,
        }
    }

    /// What fits the installation that was seen. One of an unknown version is asked for its cluster API, and refused later.
    pub fn seen(o: &Observation) -> Self {
        version(o).and_then(|version| Self::of(&version)).unwrap_or(Self::ClusterApi)
    }

    /// Whether temporary brokers are what brings the quorum back.
    pub fn is_temporary(self) -> bool {
        self == Self::TemporaryBrokers
    }
}

/// The version that runs, else the recorded one.
pub(crate) fn version(o: &Observation) -> Option<String> {
    o.regions
        .iter()
        .find_map(|region| region.version.clone())
        .or_else(|| o.record().and_then(|record| record.version.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_api_came_with_8_6() {
        assert_eq!(Strategy::of("8.2.25"), Some(Strategy::TemporaryBrokers));
        assert_eq!(Strategy::of("8.5.1-SNAPSHOT"), Some(Strategy::TemporaryBrokers));
        assert_eq!(Strategy::of("8.6.0-alpha3"), Some(Strategy::ClusterApi));
        assert_eq!(Strategy::of("8.8.0"), None);
        assert_eq!(Strategy::of("latest"), None);
    }
}
