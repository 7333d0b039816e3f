//! What was seen, as an operator reads it. Seconds and counts are welcome here: these lines go into warnings, never into
//! planned values.

use std::fmt;

use crate::observation::{Observation, Part};
use crate::strategy::Strategy;
use crate::topology::{RegionId, Topology, list, peer};

/// Width of the column of labels, unless one is longer.
const LABEL: usize = 24;

/// One thing that was looked at, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was looked at: `Topology, seen from 0`.
    pub label: String,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.label, self.text)
    }
}

fn line(label: &str, text: &str) -> Line {
    Line { label: label.to_owned(), text: text.to_owned() }
}

/// In two columns, for a message.
fn columns(lines: Vec<Line>) -> Vec<String> {
    let width = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0).max(LABEL);
    lines.into_iter().map(|Line { label, text }| format!("  {label:<width$}  {text}")).collect()
}

/// Lines about the lost region, or about both if none is lost, in two columns.
pub fn evidence(o: &Observation, lost: Option<RegionId>) -> Vec<String> {
    columns(lines(o, lost))
}

/// [`evidence`], and what the installation will bear after the fail-over.
pub fn evidence_of_loss(o: &Observation, lost: RegionId) -> Vec<String> {
    let mut all = lines(o, Some(lost));
    all.extend(o.sizes.map(|sizes| after_fail_over(sizes, Strategy::seen(o))));
    columns(all)
}

/// What was seen of the lost region, or of both if none is lost, line by line.
pub fn lines(o: &Observation, lost: Option<RegionId>) -> Vec<Line> {
    let mut lines = Vec::new();
    let regions: Vec<RegionId> = lost.map_or_else(|| vec![0, 1], |lost| vec![lost]);
    for id in &regions {
        let region = o.region(*id);
        let of = if lost.is_some() { String::new() } else { format!(" {id}") };
        lines.push(line(
            &format!("Kubernetes API{of}"),
            &match &region.api {
                Part::Known(_) => match o.is_recorded_cluster(*id) {
                    Some(false) => "answers; it is another cluster than the recorded one".into(),
                    _ => "answers".into(),
                },
                Part::Unreachable(why) => why.clone(),
                Part::Absent => "the cluster does not exist".into(),
            },
        ));
        let status = match &region.gke {
            Part::Known(status) => Some(format!("status {status}")),
            Part::Unreachable(why) => Some(why.clone()),
            Part::Absent => None,
        };
        if let Some(status) = status {
            lines.push(line(&format!("GKE cluster {}", region.cluster), &status));
        }
        let waiting: Vec<_> = region.pods.iter().filter(|pod| pod.waiting).map(|pod| pod.id).collect();
        if !waiting.is_empty() {
            lines.push(line(&format!("Gates{of}"), &format!("brokers {} wait", list(&waiting))));
        }
    }
    lines.extend(o.disagreements.iter().map(|difference| line("Regions do not agree", difference)));
    let Some(sizes) = o.sizes else { return lines };
    let views: Vec<RegionId> = lost.map_or_else(|| vec![0, 1], |lost| vec![peer(lost)]);
    for from in views {
        let label = format!("Topology, seen from {from}");
        match &o.region(from).view {
            Part::Known(view) => {
                let missing: Vec<_> = sizes.all().into_iter().filter(|id| !view.lists(*id)).collect();
                let mut text = if missing.is_empty() {
                    "all brokers".to_owned()
                } else {
                    let since = lost
                        .and_then(|lost| o.missing_since[lost.min(1) as usize])
                        .map(|since| (o.at - since).max(0))
                        .filter(|seconds| *seconds > 0)
                        .map(|seconds| format!(" for {seconds} s"))
                        .unwrap_or_default();
                    format!("brokers {} missing{since}", list(&missing))
                };
                text.push_str(&format!("; {} of {} partitions have a leader", view.led().len(), sizes.partition_count));
                lines.push(line(&label, &text));
            }
            Part::Unreachable(why) => lines.push(line(&label, why)),
            Part::Absent => {}
        }
    }
    lines
}

/// What the installation will bear after a fail-over.
fn after_fail_over(sizes: Topology, strategy: Strategy) -> Line {
    if strategy.is_temporary() {
        return line(
            "After this apply",
            &format!(
                "{} brokers and {} temporary ones, three replicas per partition: losing one more broker stops its partitions",
                sizes.cluster_size / 2,
                sizes.temporary(0).len()
            ),
        );
    }
    line(
        "After this apply",
        &format!(
            "{} brokers, {} replicas per partition: losing one more broker stops its partitions until fail-back",
            sizes.cluster_size / 2,
            sizes.replication_factor / 2
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_never_runs_into_its_text() {
        let lines =
            || vec![line("Kubernetes API", "answers"), line("GKE cluster with-a-rather-long-name", "status RUNNING")];
        assert_eq!(
            columns(lines()),
            ["  Kubernetes API                       answers", "  GKE cluster with-a-rather-long-name  status RUNNING",]
        );
        assert_eq!(lines()[1].to_string(), "GKE cluster with-a-rather-long-name: status RUNNING");
    }
}
