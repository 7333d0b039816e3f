//! Raft per partition: leaders that need a majority of the current members, elections by the most up-to-date log, replication, commit.

use std::sync::Arc;
use std::time::Instant;

use super::exporting::Director;
use super::log::Entry;
use super::{Engine, Leader, commands};
use crate::world::options::Options;

impl Engine {
    pub(super) fn raft(&mut self, options: &Options, now: Instant) {
        let mut replicas: Vec<(u32, String)> = self
            .brokers
            .iter()
            .flat_map(|(pod, broker)| broker.roles.keys().map(|partition| (*partition, pod.clone())))
            .collect();
        replicas.sort();
        for (partition, pod) in &replicas {
            self.keep_or_step_down(pod, *partition, options, now);
        }
        for (partition, pod) in &replicas {
            self.notice_leader(pod, *partition, now);
        }
        // the most up-to-date log first, then the highest priority: so elections end at once and as configured
        let mut candidates: Vec<_> = replicas
            .iter()
            .filter(|(partition, pod)| {
                self.brokers[pod].roles[partition]
                    .leaderless_since
                    .is_some_and(|since| now.duration_since(since) >= options.election)
            })
            .filter_map(|(partition, pod)| {
                let replica = self.replica(pod, *partition)?;
                Some((*partition, std::cmp::Reverse((replica.progress(), self.priority(pod, *partition))), pod.clone()))
            })
            .collect();
        candidates.sort();
        for (partition, _, pod) in candidates {
            self.campaign(&pod, partition, now);
        }
        for (partition, pod) in &replicas {
            self.replicate(pod, *partition, options);
        }
    }

    fn priority(&self, pod: &str, partition: u32) -> u32 {
        let broker = &self.brokers[pod];
        self.config_of(broker)
            .and_then(|config| config.members.get(&broker.id))
            .and_then(|member| member.partitions.get(&partition))
            .map_or(0, |replica| replica.priority)
    }

    /// The pods of `partition`'s replicas that `pod` reaches and that carry one of `ids`, itself included.
    fn reached(&self, pod: &str, partition: u32, ids: &[u32]) -> Vec<String> {
        self.brokers
            .iter()
            .filter(|(other, broker)| {
                ids.contains(&broker.id) && broker.roles.contains_key(&partition) && self.connected(pod, other)
            })
            .map(|(other, _)| other.clone())
            .collect()
    }

    fn keep_or_step_down(&mut self, pod: &str, partition: u32, options: &Options, now: Instant) {
        let Some(term) = self.brokers[pod].roles[&partition].leader.as_ref().map(|leader| leader.term) else { return };
        let Some(replica) = self.replica(pod, partition) else { return };
        let reached = self.reached(pod, partition, &replica.voters());
        let ids: Vec<u32> = reached.iter().map(|pod| self.brokers[pod].id).collect();
        let quorum = replica.is_quorum(&|id| ids.contains(&id));
        let deposed = replica.term > term
            || reached.iter().any(|other| self.replica(other, partition).is_some_and(|r| r.term > term));
        let Some(leader) = self.leader_mut(pod, partition) else { return };
        if quorum {
            leader.lonely_since = None;
        } else {
            leader.lonely_since.get_or_insert(now);
        }
        let lonely = leader.lonely_since.is_some_and(|since| now.duration_since(since) >= options.election);
        if deposed || lonely {
            self.step_down(pod, partition, now);
        }
    }

    pub(super) fn leader_mut(&mut self, pod: &str, partition: u32) -> Option<&mut Leader> {
        self.brokers.get_mut(pod)?.roles.get_mut(&partition)?.leader.as_mut()
    }

    /// A leader becomes a follower; what was not acknowledged stays in doubt.
    pub(super) fn step_down(&mut self, pod: &str, partition: u32, now: Instant) {
        if let Some(role) = self.brokers.get_mut(pod).and_then(|broker| broker.roles.get_mut(&partition)) {
            role.leader = None;
            role.leaderless_since = Some(now);
        }
    }

    fn notice_leader(&mut self, pod: &str, partition: u32, now: Instant) {
        let own = self.brokers[pod].id;
        let term = self.replica(pod, partition).map_or(0, |replica| replica.term);
        let known = self.brokers.iter().any(|(other, broker)| {
            broker.roles.get(&partition).and_then(|role| role.leader.as_ref()).is_some_and(|leader| leader.term >= term)
                && self.connected(pod, other)
                && self.replica(other, partition).is_some_and(|replica| replica.voters().contains(&own))
        });
        if let Some(role) = self.brokers.get_mut(pod).and_then(|broker| broker.roles.get_mut(&partition)) {
            if known {
                role.leaderless_since = None;
                role.was_led = true;
            } else {
                role.leaderless_since.get_or_insert(now);
            }
        }
    }

    fn campaign(&mut self, pod: &str, partition: u32, now: Instant) {
        let own = self.brokers[pod].id;
        let Some(replica) = self.replica(pod, partition) else { return };
        if !replica.voters().contains(&own) || self.brokers[pod].roles[&partition].leaderless_since.is_none() {
            return;
        }
        let progress = replica.progress();
        let voters = self.reached(pod, partition, &replica.voters());
        let granted: Vec<String> = voters
            .iter()
            .filter(|voter| {
                // who hears a leader refuses; who has a better log refuses; an empty replica grants anything
                let hears_one = self.brokers[*voter].roles[&partition].leaderless_since.is_none();
                !hears_one && self.replica(voter, partition).is_some_and(|other| other.progress() <= progress)
            })
            .cloned()
            .collect();
        let ids: Vec<u32> = granted.iter().map(|voter| self.brokers[voter].id).collect();
        if !replica.is_quorum(&|id| ids.contains(&id)) {
            return;
        }
        let term =
            voters.iter().filter_map(|voter| self.replica(voter, partition)).map(|r| r.term).max().unwrap_or(0) + 1;
        for voter in &granted {
            if let Some(replica) = self.replica_mut(voter, partition) {
                replica.term = term;
            }
            if let Some(role) = self.brokers.get_mut(voter).and_then(|broker| broker.roles.get_mut(&partition)) {
                role.leaderless_since = None;
                role.was_led = true;
            }
        }
        let Some(replica) = self.replica_mut(pod, partition) else { return };
        replica.log.push(Arc::new(Entry { term, record: None }));
        let state = commands::EngineState::replay(partition, &replica.log);
        let installation = self.brokers[pod].node.settings.installation.clone();
        self.violations.elected(&installation, partition, term, pod, own);
        if let Some(role) = self.brokers.get_mut(pod).and_then(|broker| broker.roles.get_mut(&partition)) {
            role.leader =
                Some(Leader { term, lonely_since: None, state, director: Director::default(), distributed: now });
        }
    }

    fn replicate(&mut self, pod: &str, partition: u32, options: &Options) {
        let Some(term) = self.brokers[pod].roles[&partition].leader.as_ref().map(|leader| leader.term) else { return };
        let Some(replica) = self.replica(pod, partition) else { return };
        let (end_of_log, commit, members, joint) =
            (replica.progress(), replica.commit, replica.members.clone(), replica.joint.clone());
        let mut log = None;
        let mut matched: Vec<(u32, usize)> = Vec::new();
        for other in self.reached(pod, partition, &replica.voters()) {
            let id = self.brokers[&other].id;
            if other == pod {
                matched.push((id, end_of_log.1));
                continue;
            }
            // cloning the log is dear, and followers are usually up to date
            if log.is_none()
                && self.replica(&other, partition).is_some_and(|follower| follower.progress() != end_of_log)
            {
                log = self.replica(pod, partition).map(|replica| replica.log.clone());
            }
            let Some(follower) = self.replica_mut(&other, partition) else { continue };
            if follower.term > term {
                continue;
            }
            follower.term = term;
            follower.members.clone_from(&members);
            follower.joint.clone_from(&joint);
            if let Some(log) = &log {
                let mut same = follower.log.len().min(log.len());
                while same > 0 && follower.log[same - 1].term != log[same - 1].term {
                    same -= 1;
                }
                follower.log.truncate(same);
                let end = log.len().min(same + options.replication_batch);
                follower.log.extend_from_slice(&log[same..end]);
            }
            follower.commit = commit.min(follower.log.len());
            let length = follower.log.len();
            matched.push((id, length));
            // a leader that another one deposed hears of it here
            if let Some(role) = self.brokers.get_mut(&other).and_then(|broker| broker.roles.get_mut(&partition))
                && role.leader.as_ref().is_some_and(|leader| leader.term < term)
            {
                role.leader = None;
            }
        }
        let Some(replica) = self.replica_mut(pod, partition) else { return };
        let mut lengths: Vec<usize> = matched.iter().map(|(_, length)| *length).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        // only an entry of the own term commits what is before it
        let committed = lengths.into_iter().find(|&length| {
            length > replica.commit
                && replica.log[length - 1].term == term
                && replica.is_quorum(&|id| matched.iter().any(|(member, reached)| *member == id && *reached >= length))
        });
        if let Some(length) = committed {
            replica.commit = length;
        }
    }
}
