//! Exporters: one after another over the same records, buffered, with replicated positions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Engine;
use super::config::ExporterConfig;
use super::log::{ExporterPosition, Record, RecordType};
use crate::world::clock;
use crate::world::options::Options;

/// A record on its way into a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// `zeebe-record_<type>_<version>_<date>`.
    pub index: String,
    /// `<partition>-<position>`.
    pub id: String,
    /// Partition.
    pub partition: u32,
    /// Sequence number within the exporter.
    pub sequence: u64,
    /// The record.
    pub record: Record,
}

/// What became of a flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flush {
    /// The store acknowledged all documents.
    Done,
    /// It did not: why.
    Refused(String),
    /// No answer yet: ask again with this ticket.
    UnderWay(u64),
}

/// A leader's exporters in memory.
#[derive(Debug, Clone, Default)]
pub struct Director {
    /// The next record to hand out.
    cursor: u64,
    /// Open exporters with what they hold.
    open: BTreeMap<String, Open>,
    /// How the exporters were configured when it was opened.
    configured: BTreeMap<String, ExporterConfig>,
    /// Whether a store refused the last flush.
    pub(crate) blocked: bool,
}

#[derive(Debug, Clone, Default)]
struct Open {
    buffer: Vec<Document>,
    upto: u64,
    sequence: u64,
    since: Option<Instant>,
    failed: Option<Instant>,
    /// The ticket of the flush that is under way, and how many documents are in it.
    flying: Option<(u64, usize)>,
}

/// How long an exporter waits after a refused flush.
const RETRY: Duration = Duration::from_millis(100);

impl Engine {
    pub(super) fn export(&mut self, surroundings: &mut dyn super::Surroundings, options: &Options, now: Instant) {
        let leaders: Vec<(String, u32)> = self
            .brokers
            .iter()
            .flat_map(|(pod, broker)| {
                broker.roles.iter().filter(|(_, role)| role.leader.is_some()).map(|(p, _)| (pod.clone(), *p))
            })
            .collect();
        for (pod, partition) in leaders {
            self.export_partition(&pod, partition, surroundings, options, now);
            self.distribute(&pod, partition, options, now);
        }
    }

    fn export_partition(
        &mut self,
        pod: &str,
        partition: u32,
        surroundings: &mut dyn super::Surroundings,
        options: &Options,
        now: Instant,
    ) {
        let Some(broker) = self.brokers.get_mut(pod) else { return };
        let Some(disk) = self.disks.get_mut(&broker.disk) else { return };
        let configured: BTreeMap<String, ExporterConfig> = disk
            .config
            .as_ref()
            .and_then(|config| config.members.get(&broker.id)?.partitions.get(&partition))
            .map(|replica| replica.exporters.clone())
            .unwrap_or_default();
        let Some(replica) = disk.replicas.get_mut(&partition) else { return };
        let node = broker.node.clone();
        let Some(leader) = broker.roles.get_mut(&partition).and_then(|role| role.leader.as_mut()) else { return };
        // a new leader exports only what it has committed itself
        if replica.log.get(replica.commit.wrapping_sub(1)).is_none_or(|entry| entry.term < leader.term) {
            return;
        }
        let director = &mut leader.director;
        if director.configured != configured || director.cursor == 0 {
            director.open(&configured, &node.settings.exporters, &mut replica.exporters);
        }

        // hand out
        if !replica.paused && !director.blocked && !director.open.is_empty() {
            let commit = replica.commit.min(replica.log.len());
            // a record's index is never less than its position minus one
            let start = (director.cursor as usize).saturating_sub(1).min(commit);
            for record in replica.log[start..commit].iter().filter_map(|entry| entry.record.as_ref()) {
                if record.position < director.cursor {
                    continue;
                }
                for (id, open) in &mut director.open {
                    if replica.exporters.get(id).is_some_and(|own| record.position <= own.position) {
                        continue;
                    }
                    open.upto = record.position;
                    if record.kind == RecordType::Event {
                        open.sequence += 1;
                        open.since.get_or_insert(now);
                        open.buffer.push(document(partition, open.sequence, record, &node.settings.version));
                    }
                }
                director.cursor = record.position + 1;
            }
        }

        // flush
        let mut blocked = false;
        for (id, open) in &mut director.open {
            if open.failed.is_some_and(|at| now.duration_since(at) < RETRY) {
                blocked = true;
                continue;
            }
            let due = open.since.is_some_and(|since| now.duration_since(since) >= options.bulk_delay);
            let url = node.settings.exporters.get(id).map(String::as_str).unwrap_or_default();
            let answer = match open.flying {
                Some((ticket, count)) => Some((surroundings.flushed(ticket), count)),
                None if due => Some((surroundings.export(&node, url, &open.buffer), open.buffer.len())),
                None => None,
            };
            match answer {
                Some((Flush::UnderWay(ticket), count)) => {
                    open.flying = Some((ticket, count));
                    // a flush holds up the director, as long as the store takes
                    blocked = true;
                }
                Some((Flush::Done, count)) => {
                    open.flying = None;
                    open.failed = None;
                    let acknowledged = open.buffer.drain(..count).next_back();
                    open.since = (!open.buffer.is_empty()).then_some(now);
                    if let (Some(last), Some(own)) = (acknowledged, replica.exporters.get_mut(id)) {
                        own.position = own.position.max(last.record.position);
                        own.sequence = own.sequence.max(last.sequence & ((1 << 51) - 1));
                    }
                }
                Some((Flush::Refused(why), _)) => {
                    tracing::debug!(exporter = id, %url, %why, "the store refused a flush");
                    open.flying = None;
                    open.failed = Some(now);
                    blocked = true;
                }
                None => {}
            }
            if open.buffer.is_empty()
                && let Some(own) = replica.exporters.get_mut(id)
                && open.upto > own.position
            {
                own.position = open.upto;
                own.sequence = open.sequence;
            }
        }
        director.blocked = blocked;
    }

    /// Followers learn the positions from time to time: a new leader may begin a little behind, and repeats.
    fn distribute(&mut self, pod: &str, partition: u32, options: &Options, now: Instant) {
        let Some(leader) = self.leader_mut(pod, partition) else { return };
        if now.duration_since(leader.distributed) < options.position_distribution {
            return;
        }
        leader.distributed = now;
        let Some(replica) = self.replica(pod, partition) else { return };
        let (positions, voters) = (replica.exporters.clone(), replica.voters());
        let followers: Vec<String> = self
            .brokers
            .iter()
            .filter(|(other, broker)| *other != pod && voters.contains(&broker.id) && self.connected(pod, other))
            .map(|(other, _)| other.clone())
            .collect();
        for follower in followers {
            if let Some(replica) = self.replica_mut(&follower, partition) {
                replica.exporters.clone_from(&positions);
            }
        }
    }
}

impl Director {
    /// Opens the enabled exporters anew; what was buffered is exported again from the positions.
    fn open(
        &mut self,
        configured: &BTreeMap<String, ExporterConfig>,
        urls: &BTreeMap<String, String>,
        positions: &mut BTreeMap<String, ExporterPosition>,
    ) {
        for (id, config) in configured {
            if !config.enabled {
                positions.remove(id);
                continue;
            }
            let known = positions.get(id).map_or(0, |own| own.metadata_version);
            if known < config.metadata_version {
                let source = config
                    .initialize_from
                    .as_ref()
                    .and_then(|source| positions.get(source))
                    .cloned()
                    .unwrap_or_default();
                positions.insert(id.clone(), ExporterPosition { metadata_version: config.metadata_version, ..source });
            }
            positions.entry(id.clone()).or_default();
        }
        self.open = configured
            .iter()
            .filter(|(id, config)| config.enabled && urls.contains_key(*id))
            .map(|(id, _)| {
                let own = positions.get(id).cloned().unwrap_or_default();
                (id.clone(), Open { upto: own.position, sequence: own.sequence, ..Open::default() })
            })
            .collect();
        self.cursor =
            self.open.keys().filter_map(|id| positions.get(id)).map(|own| own.position + 1).min().unwrap_or(1);
        self.configured = configured.clone();
        self.blocked = false;
    }
}

fn document(partition: u32, sequence: u64, record: &Record, version: &str) -> Document {
    let kind = record.value_type.to_ascii_lowercase().replace('_', "-");
    Document {
        index: format!("zeebe-record_{kind}_{version}_{}", clock::day(record.timestamp)),
        id: format!("{partition}-{}", record.position),
        partition,
        sequence: (u64::from(partition) << 51) + sequence,
        record: record.clone(),
    }
}
