//! What clients ask of the engine, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use super::log::{Entry, Record, RecordType};
use crate::world::clock;

/// Bits of a key below the partition.
const KEY_BITS: u32 = 51;

/// The partition that a key belongs to.
pub fn partition_of(key: i64) -> u32 {
    (key >> KEY_BITS) as u32
}

/// A request of a client.
#[derive(Debug, Clone)]
pub enum Command {
    /// Start an instance under the client's own unique key.
    Create {
        /// That key.
        business: String,
    },
    /// Complete a job.
    Complete {
        /// Key of the job.
        job: i64,
    },
    /// Cancel an instance.
    Cancel {
        /// Key of the instance.
        instance: i64,
    },
}

/// Why a gateway could not place a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// No partition took it: gRPC `RESOURCE_EXHAUSTED`.
    Exhausted,
    /// The one partition that could has no leader: `UNAVAILABLE`, or no answer at all within the deadline.
    NoLeader(u32),
    /// No such partition.
    NoPartition(u32),
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Appended, not committed yet.
    Pending,
    /// Committed; the key of what it made or changed.
    Done(i64),
    /// Committed and rejected: no such thing.
    NotFound(i64),
    /// Its leader is gone: it may be done or not.
    InDoubt,
}

#[derive(Debug)]
pub(crate) struct Ticket {
    pod: String,
    partition: u32,
    term: u64,
    length: usize,
    key: i64,
    found: bool,
    outcome: Outcome,
}

/// A job as the leader knows it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its instance.
    pub instance: i64,
    /// Until when a worker has it (milliseconds since 1970); 0 = free.
    pub activated_until: u64,
}

/// What a leader knows of the instances: a fold over its log.
#[derive(Debug, Clone, Default)]
pub struct EngineState {
    /// Active instances with their jobs.
    pub active: BTreeMap<i64, i64>,
    /// Open jobs by key.
    pub jobs: BTreeMap<i64, Job>,
    /// Instances that were completed.
    pub completed: BTreeSet<i64>,
    /// Instances that were cancelled.
    pub cancelled: BTreeSet<i64>,
    counter: i64,
    position: u64,
}

impl EngineState {
    /// The state after these entries.
    pub fn replay(partition: u32, entries: &[Arc<Entry>]) -> Self {
        let mut state = Self { counter: i64::from(partition) << KEY_BITS | 0x1000, ..Self::default() };
        for record in entries.iter().filter_map(|entry| entry.record.as_ref()) {
            state.apply(record);
        }
        state
    }

    fn apply(&mut self, record: &Record) {
        self.position = self.position.max(record.position);
        if record.kind != RecordType::Event {
            return;
        }
        self.counter = self.counter.max(record.key);
        match (record.value_type, record.intent) {
            ("JOB", "CREATED") => {
                self.jobs.insert(record.key, Job { instance: record.instance, activated_until: 0 });
                self.active.insert(record.instance, record.key);
            }
            ("JOB", "COMPLETED" | "CANCELED") => {
                self.jobs.remove(&record.key);
            }
            ("PROCESS_INSTANCE", "ELEMENT_COMPLETED") => {
                self.active.remove(&record.instance);
                self.completed.insert(record.instance);
            }
            ("PROCESS_INSTANCE", "ELEMENT_TERMINATED") => {
                self.active.remove(&record.instance);
                self.cancelled.insert(record.instance);
            }
            _ => {}
        }
    }

    fn next_key(&mut self) -> i64 {
        self.counter += 1;
        self.counter
    }
}

/// Key, type, value type, intent, instance and the client's key of a record to be written.
type Draft = (i64, RecordType, &'static str, &'static str, i64, Option<String>);

impl Engine {
    /// A gateway takes a command and appends it at a leader.
    pub fn submit(&mut self, gateway: &str, command: &Command) -> Result<u64, Rejection> {
        let partitions = self
            .gateways
            .get(gateway)
            .and_then(|g| g.config.as_ref())
            .map(|config| config.partitions())
            .unwrap_or_default();
        let (pod, partition) = match command {
            Command::Create { .. } => {
                let start = self.gateways.get_mut(gateway).map_or(0, |g| {
                    g.next_partition = g.next_partition.wrapping_add(1);
                    g.next_partition as usize
                });
                (0..partitions.len())
                    .map(|offset| partitions[(start + offset) % partitions.len()])
                    .find_map(|partition| self.leader(gateway, partition).map(|pod| (pod.to_owned(), partition)))
                    .ok_or(Rejection::Exhausted)?
            }
            Command::Complete { job: key } | Command::Cancel { instance: key } => {
                let partition = partition_of(*key);
                if !partitions.contains(&partition) {
                    return Err(Rejection::NoPartition(partition));
                }
                (self.leader(gateway, partition).ok_or(Rejection::NoLeader(partition))?.to_owned(), partition)
            }
        };
        Ok(self.append(&pod, partition, command))
    }

    /// Jobs that a gateway can hand to a worker, activated for `millis`.
    pub fn activate_jobs(&mut self, gateway: &str, most: usize, millis: u64) -> Vec<(i64, i64)> {
        let now = clock::unix_millis();
        let partitions = self
            .gateways
            .get(gateway)
            .and_then(|g| g.config.as_ref())
            .map(|config| config.partitions())
            .unwrap_or_default();
        let mut jobs = Vec::new();
        for partition in partitions {
            let Some(pod) = self.leader(gateway, partition).map(str::to_owned) else { continue };
            let Some(leader) = self.leader_mut(&pod, partition) else { continue };
            for (key, job) in &mut leader.state.jobs {
                if jobs.len() < most && job.activated_until <= now {
                    job.activated_until = now + millis;
                    jobs.push((*key, job.instance));
                }
            }
        }
        jobs
    }

    fn append(&mut self, pod: &str, partition: u32, command: &Command) -> u64 {
        use RecordType::{Command as Asked, Event, Rejection as Refused};
        let Some(leader) = self.leader_mut(pod, partition) else { return 0 };
        let term = leader.term;
        let mut records: Vec<Draft> = Vec::new();
        let (key, found) = match command {
            Command::Create { business } => {
                let state = &mut leader.state;
                let (creation, instance, job) = (state.next_key(), state.next_key(), state.next_key());
                records.push((-1, Asked, "PROCESS_INSTANCE_CREATION", "CREATE", instance, None));
                records.push((
                    creation,
                    Event,
                    "PROCESS_INSTANCE_CREATION",
                    "CREATED",
                    instance,
                    Some(business.clone()),
                ));
                records.push((instance, Event, "PROCESS_INSTANCE", "ELEMENT_ACTIVATED", instance, None));
                records.push((job, Event, "JOB", "CREATED", instance, None));
                (instance, true)
            }
            Command::Complete { job } => match leader.state.jobs.get(job).map(|job| job.instance) {
                Some(instance) => {
                    records.push((*job, Asked, "JOB", "COMPLETE", instance, None));
                    records.push((*job, Event, "JOB", "COMPLETED", instance, None));
                    records.push((instance, Event, "PROCESS_INSTANCE", "ELEMENT_COMPLETED", instance, None));
                    (*job, true)
                }
                None => {
                    records.push((*job, Asked, "JOB", "COMPLETE", -1, None));
                    records.push((*job, Refused, "JOB", "COMPLETE", -1, None));
                    (*job, false)
                }
            },
            Command::Cancel { instance } => match leader.state.active.get(instance).copied() {
                Some(job) => {
                    records.push((*instance, Asked, "PROCESS_INSTANCE", "CANCEL", *instance, None));
                    records.push((job, Event, "JOB", "CANCELED", *instance, None));
                    records.push((*instance, Event, "PROCESS_INSTANCE", "ELEMENT_TERMINATED", *instance, None));
                    (*instance, true)
                }
                None => {
                    records.push((*instance, Asked, "PROCESS_INSTANCE", "CANCEL", -1, None));
                    records.push((*instance, Refused, "PROCESS_INSTANCE", "CANCEL", -1, None));
                    (*instance, false)
                }
            },
        };
        let timestamp = clock::unix_millis();
        let mut entries = Vec::new();
        for (key, kind, value_type, intent, instance, business) in records {
            let record = Record {
                position: leader.state.position + 1,
                key,
                kind,
                value_type,
                intent,
                instance,
                business,
                timestamp,
            };
            leader.state.apply(&record);
            entries.push(Arc::new(Entry { term, record: Some(record) }));
        }
        let Some(replica) = self.replica_mut(pod, partition) else { return 0 };
        replica.log.extend(entries);
        let length = replica.log.len();
        self.serial += 1;
        let ticket = Ticket { pod: pod.to_owned(), partition, term, length, key, found, outcome: Outcome::Pending };
        self.tickets.insert(self.serial, ticket);
        self.serial
    }

    /// What became of a command so far.
    pub fn outcome(&self, ticket: u64) -> Outcome {
        self.tickets.get(&ticket).map_or(Outcome::InDoubt, |ticket| ticket.outcome.clone())
    }

    /// Nobody waits for it any more.
    pub fn forget(&mut self, ticket: u64) {
        self.tickets.remove(&ticket);
    }

    pub(super) fn answer_commands(&mut self) {
        let mut tickets = std::mem::take(&mut self.tickets);
        for ticket in tickets.values_mut().filter(|ticket| ticket.outcome == Outcome::Pending) {
            let leads = self
                .brokers
                .get(&ticket.pod)
                .and_then(|broker| broker.roles.get(&ticket.partition)?.leader.as_ref())
                .is_some_and(|leader| leader.term == ticket.term);
            let committed =
                self.replica(&ticket.pod, ticket.partition).is_some_and(|replica| replica.commit >= ticket.length);
            ticket.outcome = match (leads, committed) {
                (true, true) if ticket.found => Outcome::Done(ticket.key),
                (true, true) => Outcome::NotFound(ticket.key),
                (true, false) => Outcome::Pending,
                (false, _) => Outcome::InDoubt,
            };
        }
        self.tickets = tickets;
    }
}
