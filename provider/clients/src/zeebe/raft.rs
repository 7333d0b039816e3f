//! How far the log of each replica is: Raft's metrics of one broker.

use std::collections::BTreeMap;

use super::{Error, MANAGEMENT, Zeebe};
use crate::kubernetes::Call;

/// The log of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RaftLog {
    /// Index of its last entry.
    pub append: u64,
    /// Index up to which it knows entries to be committed.
    pub commit: u64,
}

/// The page of metrics, and what it was called before.
const PAGES: [&str; 2] = ["/actuator/prometheus", "/metrics"];

impl Zeebe {
    /// The logs of one broker, by partition.
    pub async fn raft_logs(&self, pod: &str) -> Result<BTreeMap<u32, RaftLog>, Error> {
        let mut refused = None;
        for page in PAGES {
            let answer = self.kubernetes.call_pod(&self.namespace, pod, MANAGEMENT, &Call::get(page)).await?;
            if answer.is_success() {
                return Ok(read(&String::from_utf8_lossy(&answer.body)));
            }
            refused.get_or_insert(Error::refused(&answer));
        }
        Err(refused.unwrap_or_else(|| Error::NotFound("no metrics".to_owned())))
    }
}

fn read(text: &str) -> BTreeMap<u32, RaftLog> {
    let mut logs: BTreeMap<u32, RaftLog> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let Some((labels, value)) = rest.rsplit_once('}') else { continue };
        let partition = labels
            .split(',')
            .find_map(|label| label.trim().strip_prefix("partition=\"")?.strip_suffix('"')?.parse().ok());
        let value = value.split_whitespace().next().and_then(index);
        let (Some(partition), Some(value)) = (partition, value) else { continue };
        match name {
            "atomix_partition_raft_append_index" => logs.entry(partition).or_default().append = value,
            "atomix_partition_raft_commit_index" => logs.entry(partition).or_default().commit = value,
            _ => {}
        }
    }
    logs
}

/// A gauge is written as a floating-point number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn index(text: &str) -> Option<u64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0).map(|value| value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_read_by_partition() {
        let text = "# HELP atomix_partition_raft_append_index The index of last entry appended to the log\n\
            # TYPE atomix_partition_raft_append_index gauge\n\
            atomix_partition_raft_append_index{partitionGroupName=\"raft-partition\",partition=\"1\",} 1234.0\n\
            atomix_partition_raft_commit_index{partition=\"1\",partitionGroupName=\"raft-partition\"} 1.2E3\n\
            atomix_partition_raft_append_index{partitionGroupName=\"raft-partition\",partition=\"2\",} NaN\n\
            atomix_non_committed_entries{partition=\"1\"} 3.0\njvm_threads_live 20.0\n";
        assert_eq!(read(text), BTreeMap::from([(1, RaftLog { append: 1234, commit: 1200 })]));
        assert!(read("<html>").is_empty());
    }
}
