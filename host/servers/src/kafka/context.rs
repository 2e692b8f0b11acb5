//! What librdkafka calls back with: its log, its errors, and the group's changes, kept for the thread
//! that polls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::failure::{is_authentication, is_authorization};

/// A complaint explains what happens within this time.
const COMPLAINT_AGE: Duration = Duration::from_secs(60);

/// The last thing that a client complained about: its own calls often say only "timed out".
#[derive(Debug, Default)]
pub(super) struct Complaint(Mutex<Option<Said>>);

#[derive(Debug)]
struct Said {
    code: RDKafkaErrorCode,
    reason: String,
    at: Instant,
}

impl Complaint {
    fn set(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut said = lock(&self.0);
        // That no broker is left is what follows from wrong credentials, too.
        let explains = |said: &Said| is_for_a_person(said.code) && said.at.elapsed() < COMPLAINT_AGE;
        if is_for_a_person(code) || !said.as_ref().is_some_and(explains) {
            *said = Some(Said { code, reason: reason.to_owned(), at: Instant::now() });
        }
    }

    /// The code and librdkafka's words, if that was lately.
    pub(super) fn get(&self) -> Option<(RDKafkaErrorCode, String)> {
        let said = lock(&self.0);
        let recent = said.as_ref().filter(|said| said.at.elapsed() < COMPLAINT_AGE);
        recent.map(|said| (said.code, said.reason.clone()))
    }
}

fn is_for_a_person(code: RDKafkaErrorCode) -> bool {
    is_authentication(code) || is_authorization(code)
}

/// The context of every client that is no member of the group.
#[derive(Debug, Default)]
pub(super) struct Plain {
    complaint: std::sync::Arc<Complaint>,
}

impl Plain {
    /// With the place where complaints are to be found.
    pub(super) fn new(complaint: std::sync::Arc<Complaint>) -> Self {
        Self { complaint }
    }
}

impl ClientContext for Plain {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaint.set(&error, reason);
    }
}

impl ConsumerContext for Plain {}

/// A change of what the group has given us. librdkafka waits until the change is carried out.
#[derive(Debug)]
pub(super) enum Change {
    /// These partitions are ours from now on.
    Assign(TopicPartitionList),
    /// These partitions go.
    Revoke {
        /// Which.
        partitions: TopicPartitionList,
        /// Whether they are gone already, to whomever.
        lost: bool,
    },
}

/// What librdkafka says about one partition.
#[derive(Clone, Debug)]
pub(super) struct FetchState {
    /// Where the end was last reached; -1001 if never.
    pub(super) eof_offset: i64,
    /// What the fetcher does, in librdkafka's words.
    pub(super) state: String,
    /// The broker it asks; -1 for none.
    pub(super) broker: i32,
}

/// The context of the group consumer.
#[derive(Debug, Default)]
pub(super) struct Group {
    topic: String,
    changes: Mutex<VecDeque<Change>>,
    fetching: Mutex<BTreeMap<u32, FetchState>>,
    complaint: Complaint,
    /// An event was consumed that a poll does not return.
    has_served: AtomicBool,
    is_closing: AtomicBool,
}

impl Group {
    /// For the consumer of this topic.
    pub(super) fn new(topic: &str) -> Self {
        Self { topic: topic.to_owned(), ..Self::default() }
    }

    /// The next change that is not carried out yet.
    pub(super) fn take_change(&self) -> Option<Change> {
        lock(&self.changes).pop_front()
    }

    /// Whether a poll that returned nothing did something, so that more may wait behind it.
    pub(super) fn take_served(&self) -> bool {
        self.has_served.swap(false, Ordering::Relaxed)
    }

    /// From now on every change is carried out at once: nobody listens any more.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// What librdkafka last said about a partition.
    pub(super) fn fetching(&self, partition: u32) -> Option<FetchState> {
        lock(&self.fetching).get(&partition).cloned()
    }

    /// What it last complained about.
    pub(super) fn complaint(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.complaint.get()
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.has_served.store(true, Ordering::Relaxed);
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.has_served.store(true, Ordering::Relaxed);
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let mut fetching = lock(&self.fetching);
        fetching.clear();
        for (&partition, seen) in &topic.partitions {
            // -1 stands for the unassigned.
            let Ok(partition) = u32::try_from(partition) else { continue };
            let (state, broker) = (seen.fetch_state.clone(), seen.broker);
            fetching.insert(partition, FetchState { eof_offset: seen.eof_offset, state, broker });
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaint.set(&error, reason);
    }
}

impl ConsumerContext for Group {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.has_served.store(true, Ordering::Relaxed);
        let is_assignment = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.is_closing.load(Ordering::Acquire) {
            let done = match is_assignment {
                true => take(consumer, partitions),
                false => give_back(consumer, partitions),
            };
            if let Err(error) = done {
                tracing::debug!(%error, "a change of the assignment was not carried out while closing");
            }
            return;
        }
        let partitions = partitions.clone();
        lock(&self.changes).push_back(match is_assignment {
            true => Change::Assign(partitions),
            false => Change::Revoke { partitions, lost: consumer.assignment_lost() },
        });
    }
}

/// Tells librdkafka that an assignment is in force.
pub(super) fn take(consumer: &BaseConsumer<Group>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        RebalanceProtocol::None | RebalanceProtocol::Eager => consumer.assign(partitions),
    }
}

/// Tells librdkafka that partitions are given back.
pub(super) fn give_back(consumer: &BaseConsumer<Group>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::None | RebalanceProtocol::Eager => consumer.unassign(),
    }
}

/// librdkafka's log lines name brokers, topics and offsets; they hold no payload.
fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
