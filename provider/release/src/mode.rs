//! Modes: what `c8_failover` switches, and what a region is born with.
//!
//! A region that is created can't know by itself whether it may start. It asks its peer: what the record there says,
//! and whether the peer's brokers ever started ([`Peer`]). [`decide`] turns the answer into a [`Mode`]. Everything
//! that is in doubt is a hold: brokers that start on empty disks beside living replicas can outvote them.

use serde_json::{Value, json};

use crate::record::{Record, RecordState};

/// The mode that a region is born with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Both regions are new: publish the admits of the peer's brokers, web apps on.
    FirstInstallation,
    /// This very cluster belongs to a healthy installation: web apps on, no admits.
    Normal,
    /// Gates shut, web apps off, until `c8_failover` says otherwise.
    Hold,
}

impl Mode {
    /// Data of the ConfigMap `c8-mode`.
    pub fn data(self) -> Value {
        match self {
            Self::FirstInstallation | Self::Normal => json!({"mode": "normal", "hold": "false", "webapps": "on"}),
            Self::Hold => json!({"mode": "hold", "hold": "true", "webapps": "off"}),
        }
    }

    /// Replicas of the web apps.
    pub fn web_app_replicas(self) -> u32 {
        match self {
            Self::FirstInstallation | Self::Normal => 1,
            Self::Hold => 0,
        }
    }

    /// Whether the admits of the peer's brokers are published.
    pub fn admits(self) -> bool {
        self == Self::FirstInstallation
    }
}

/// What can be seen of the peer region.
#[derive(Debug, Clone, PartialEq)]
pub enum Peer {
    /// Its cluster does not exist, or is being provisioned.
    Absent,
    /// It may exist, but did not answer.
    Silent(String),
    /// It answered.
    Seen {
        /// UID of its cluster.
        cluster_uid: String,
        /// The record that lies in it, if one does.
        record: Option<Box<Record>>,
        /// Whether a broker of it is past its gate.
        started: bool,
    },
}

/// The mode of a region that is being created, and why.
pub fn decide(region: u8, cluster_uid: &str, own_record: Option<&Record>, peer: &Peer) -> (Mode, String) {
    let peer_id = 1_u8.saturating_sub(region);
    // a record in this very cluster counts like one of the peer's
    let own = own_record.filter(|record| !record.is_void_in(region, cluster_uid));
    let peers = match peer {
        Peer::Seen { cluster_uid, record: Some(record), .. } if !record.is_void_in(peer_id, cluster_uid) => {
            Some(record.as_ref())
        }
        _ => None,
    };
    let newest = [own, peers].into_iter().flatten().max_by_key(|record| record.version_order());
    if let Some(record) = newest {
        return if record.cluster_uid(region) != Some(cluster_uid) {
            (
                Mode::Hold,
                "the record of the installation names another cluster for this region: this one was rebuilt".into(),
            )
        } else if record.state == RecordState::Healthy
            || (record.state == RecordState::Released && record.lost != Some(region))
        {
            (Mode::Normal, "the record says that this very cluster belongs to a healthy installation".into())
        } else {
            (Mode::Hold, "the record says that the installation is not healthy".into())
        };
    }
    match peer {
        Peer::Absent => (Mode::FirstInstallation, "the peer region does not exist yet".into()),
        Peer::Seen { started: false, .. } => {
            (Mode::FirstInstallation, "no broker of the peer region has started yet, and there is no record".into())
        }
        Peer::Seen { started: true, .. } => {
            (Mode::Hold, "brokers of the peer region run, and no record says that this cluster belongs to them".into())
        }
        Peer::Silent(why) => {
            (Mode::Hold, format!("the peer region does not answer ({why}), so nobody knows whether its brokers run"))
        }
    }
}

/// Whether the broker in a pod is past its gate.
pub fn past_gate(pod: &Value) -> bool {
    let statuses =
        |field: &str| pod.pointer(&format!("/status/{field}")).and_then(Value::as_array).into_iter().flatten();
    let opened = statuses("initContainerStatuses").any(|status| {
        status["name"] == "gate" && status.pointer("/state/terminated/exitCode").and_then(Value::as_i64) == Some(0)
    });
    let ran = statuses("containerStatuses").any(|status| {
        status["name"] == "zeebe"
            && (status.pointer("/state/running").is_some()
                || status.pointer("/state/terminated").is_some()
                || status["restartCount"].as_i64().unwrap_or(0) > 0)
    });
    opened || ran
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn record(state: RecordState, zero: &str, one: &str) -> Option<Record> {
        let lost = (state != RecordState::Healthy).then_some(1);
        Some(Record {
            state,
            lost,
            cluster_uids: [("0".into(), zero.into()), ("1".into(), one.into())].into(),
            ..Record::default()
        })
    }

    fn seen(record: Option<Record>, started: bool) -> Peer {
        Peer::Seen { cluster_uid: "zero".into(), record: record.map(Box::new), started }
    }

    /// Region 1 in cluster `one` is created; its peer is region 0 in cluster `zero`.
    #[rstest]
    #[case::alone(None, Peer::Absent, Mode::FirstInstallation)]
    #[case::together(None, seen(None, false), Mode::FirstInstallation)]
    #[case::peer_runs(None, seen(None, true), Mode::Hold)]
    #[case::peer_silent(None, Peer::Silent("no answer".into()), Mode::Hold)]
    #[case::healthy_and_named(None, seen(record(RecordState::Healthy, "zero", "one"), true), Mode::Normal)]
    #[case::rebuilt_before_fail_over(None, seen(record(RecordState::Healthy, "zero", "old"), true), Mode::Hold)]
    #[case::rebuilt_after_fail_over(None, seen(record(RecordState::FailedOver, "zero", "old"), true), Mode::Hold)]
    #[case::named_but_lost(None, seen(record(RecordState::FailedOver, "zero", "one"), true), Mode::Hold)]
    #[case::released_while_lost(None, seen(record(RecordState::Released, "zero", "one"), true), Mode::Hold)]
    #[case::peers_record_is_void(
        None,
        seen(record(RecordState::Healthy, "older", "one"), false),
        Mode::FirstInstallation
    )]
    #[case::own_record(record(RecordState::Healthy, "zero", "one"), Peer::Silent("no answer".into()), Mode::Normal)]
    #[case::own_record_peer_gone(record(RecordState::FailedOver, "zero", "one"), Peer::Absent, Mode::Hold)]
    #[case::own_record_is_void(record(RecordState::Healthy, "zero", "old"), Peer::Absent, Mode::FirstInstallation)]
    fn what_a_region_is_born_with(#[case] own: Option<Record>, #[case] peer: Peer, #[case] expected: Mode) {
        assert_eq!(decide(1, "one", own.as_ref(), &peer).0, expected);
    }

    #[test]
    fn the_newest_record_counts() {
        let mut own = record(RecordState::Healthy, "zero", "one");
        let mut peers = record(RecordState::FailedOver, "zero", "one");
        if let (Some(own), Some(peers)) = (&mut own, &mut peers) {
            own.epoch = 1;
            peers.epoch = 2;
        }
        assert_eq!(decide(1, "one", own.as_ref(), &seen(peers, true)).0, Mode::Hold);
    }

    #[rstest]
    #[case::waiting(json!({"status":{"initContainerStatuses":[{"name":"gate","state":{"running":{}}}],"containerStatuses":[{"name":"zeebe","state":{"waiting":{}},"restartCount":0}]}}), false)]
    #[case::failed_gate(json!({"status":{"initContainerStatuses":[{"name":"gate","state":{"terminated":{"exitCode":1}}}]}}), false)]
    #[case::opened(json!({"status":{"initContainerStatuses":[{"name":"gate","state":{"terminated":{"exitCode":0}}}]}}), true)]
    #[case::running(json!({"status":{"containerStatuses":[{"name":"zeebe","state":{"running":{}}}]}}), true)]
    #[case::crashed(json!({"status":{"containerStatuses":[{"name":"zeebe","state":{"waiting":{}},"restartCount":3}]}}), true)]
    #[case::pending(json!({"status":{"phase":"Pending"}}), false)]
    fn when_a_broker_is_past_its_gate(#[case] pod: Value, #[case] expected: bool) {
        assert_eq!(past_gate(&pod), expected);
    }
}
