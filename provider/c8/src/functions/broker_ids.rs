//! `provider::c8::broker_ids`.

use c8_dr::Topology;
use terraform_plugin::{Attr, Function, FunctionFault, Object, Path};

use super::argument::{cluster_size, given, numbers};

/// Which brokers run where.
#[derive(Clone, Copy, Debug, Default)]
pub struct BrokerIds;

/// How many brokers there are, and which of them are asked for.
#[derive(Clone, Debug, PartialEq, Object)]
pub struct Arguments {
    /// Number of brokers in both regions together; even, at least 4.
    pub cluster_size: Attr<i64>,
    /// Number of the region, 0 or 1; null for the brokers of both.
    #[tf(optional)]
    pub region_id: Attr<i64>,
}

impl Function for BrokerIds {
    type Arguments = Arguments;
    type Output = Vec<i64>;

    const NAME: &'static str = "broker_ids";
    const SUMMARY: &'static str = "Node ids of the brokers of a region.";
    const DESCRIPTION: &'static str = "Node ids of the brokers of a region, in order. Brokers alternate between the regions: \
         even ids run in region 0, odd ids in region 1.";

    fn call(&self, arguments: Arguments) -> Result<Vec<i64>, FunctionFault> {
        let sizes = Topology {
            cluster_size: cluster_size(&arguments.cluster_size)?,
            partition_count: 1,
            replication_factor: 1,
        };
        if arguments.region_id.is_null() {
            return Ok(numbers(&sizes.all()));
        }
        match u32::try_from(given("region_id", &arguments.region_id)?) {
            Ok(region) if region < Topology::REGIONS => Ok(numbers(&sizes.brokers(region))),
            _ => Err(FunctionFault::at(Path::from("region_id"), "must be 0 or 1, or null for both regions")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn ids(cluster_size: i64, region_id: Option<i64>) -> Result<Vec<i64>, String> {
        let arguments =
            Arguments { cluster_size: cluster_size.into(), region_id: region_id.map_or(Attr::Null, Attr::Known) };
        BrokerIds.call(arguments).map_err(|fault| fault.to_string())
    }

    #[test]
    fn even_ids_are_in_region_0() {
        assert_eq!(ids(8, Some(0)).unwrap(), [0, 2, 4, 6]);
        assert_eq!(ids(8, Some(1)).unwrap(), [1, 3, 5, 7]);
        assert_eq!(ids(4, None).unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn the_argument_at_fault_is_named() {
        for (size, region, expected) in [
            (7, Some(0), "cluster_size: must be even"),
            (2, Some(0), "cluster_size: must be from 4"),
            (-8, None, "cluster_size: must be from 4"),
            (i64::MAX, None, "cluster_size: must be from 4"),
            (8, Some(2), "region_id: must be 0 or 1"),
            (8, Some(-1), "region_id: must be 0 or 1"),
        ] {
            let fault = ids(size, region).unwrap_err();
            assert!(fault.starts_with(expected), "{size}, {region:?}: {fault}");
        }
    }
}
