//! What the functions accept. A fault names the argument, so that Terraform underlines it.

use c8_dr::Topology;
use c8_release::config::is_dns_label;
use terraform_plugin::{Attr, FunctionFault, Path};

/// More brokers, partitions or replicas than anybody runs: a slip of the finger must not fill the memory. Zeebe's keys have
/// room for 8192 partitions.
const LARGEST: i64 = 8192;

/// Replicas of a partition where none are named: two in each region are what makes fail-over possible.
const REPLICAS: u32 = 4;

/// An argument that Terraform never leaves null, because the parameter takes no null.
pub(super) fn given<T: Clone>(name: &str, argument: &Attr<T>) -> Result<T, FunctionFault> {
    argument.known().cloned().ok_or_else(|| FunctionFault::at(Path::from(name), "must not be null"))
}

/// The number of brokers in both regions together.
pub(super) fn cluster_size(argument: &Attr<i64>) -> Result<u32, FunctionFault> {
    let name = "cluster_size";
    let size = count(name, argument, 4)?;
    if size.is_multiple_of(Topology::REGIONS) {
        Ok(size)
    } else {
        Err(FunctionFault::at(Path::from(name), "must be even: half of the brokers run in each region"))
    }
}

/// All three sizes; four replicas if their number is null.
pub(super) fn sizes(
    brokers: &Attr<i64>,
    partitions: &Attr<i64>,
    replicas: &Attr<i64>,
) -> Result<Topology, FunctionFault> {
    let cluster_size = cluster_size(brokers)?;
    let partition_count = count("partition_count", partitions, 1)?;
    let name = "replication_factor";
    let replication_factor = if replicas.is_null() { REPLICAS } else { count(name, replicas, 1)? };
    if replication_factor > cluster_size {
        let text = format!("must not exceed the number of brokers, {cluster_size}: a broker holds one replica at most");
        return Err(FunctionFault::at(Path::from(name), text));
    }
    Ok(Topology { cluster_size, partition_count, replication_factor })
}

/// A number of things, at least `least`.
fn count(name: &str, argument: &Attr<i64>, least: u32) -> Result<u32, FunctionFault> {
    let number = given(name, argument)?;
    match u32::try_from(number) {
        Ok(count) if count >= least && number <= LARGEST => Ok(count),
        _ => Err(FunctionFault::at(Path::from(name), format!("must be from {least} to {LARGEST}"))),
    }
}

/// The namespaces of the variadic parameter `namespaces`, each fit to be part of a host name, no two alike.
pub(super) fn namespaces(argument: &Attr<Vec<String>>) -> Result<Vec<String>, FunctionFault> {
    let names = argument.known().cloned().unwrap_or_default();
    for (index, name) in names.iter().enumerate() {
        let here = || Path::from("namespaces").index(index);
        if !is_dns_label(name, 63) {
            let text = "must be a namespace: at most 63 lower-case letters, digits and `-`, that begin and end with a letter or digit";
            return Err(FunctionFault::at(here(), text));
        }
        if names[..index].contains(name) {
            let text = "must differ from the namespace of the other region: names are routed between the clusters by namespace";
            return Err(FunctionFault::at(here(), text));
        }
    }
    Ok(names)
}

/// Ids and counts as Terraform has them.
pub(super) fn numbers<'a>(ids: impl IntoIterator<Item = &'a u32>) -> Vec<i64> {
    ids.into_iter().map(|id| i64::from(*id)).collect()
}
