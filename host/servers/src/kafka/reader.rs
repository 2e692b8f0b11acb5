//! Reading by position, outside of the group: one record again, or a whole topic from end to end.
//!
//! One client, one caller at a time, made on first use and dropped when nobody has used it for a
//! while. It carries the group's name only because librdkafka assigns nothing without one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use replay_ports::{PortError, Result};

use super::context::{Complaint, Plain};
use super::failure::{Names, advice, code_of, is_missing_topic};
use super::watermarks::watermarks;
use super::{KafkaSettings, properties};

/// An unused client is kept so long.
const KEPT: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(100);

/// Events that may lie before the one that says what went wrong.
const SAID: usize = 64;

/// The client, when there is one.
pub(super) struct Reader {
    settings: Arc<KafkaSettings>,
    slot: Mutex<Option<Kept>>,
    is_reaper_waiting: AtomicBool,
}

struct Kept {
    open: Open,
    used: Instant,
}

/// A client that is connected, or will be.
pub(super) struct Open {
    settings: Arc<KafkaSettings>,
    consumer: BaseConsumer<Plain>,
    complaint: Arc<Complaint>,
}

/// Offsets of a partition, the last one excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) partition: u32,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Called with the partition, the offset and the message.
pub(super) type Visit<'a> = dyn FnMut(u32, u64, &BorrowedMessage<'_>) -> Result<()> + 'a;

impl Reader {
    /// Asks no broker.
    pub(super) fn new(settings: Arc<KafkaSettings>) -> Arc<Self> {
        let (slot, is_reaper_waiting) = (Mutex::new(None), AtomicBool::new(false));
        Arc::new(Self { settings, slot, is_reaper_waiting })
    }

    /// Does something with the client on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Open) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || this.run_blocking(work)).await;
        self.reap_later();
        done.unwrap_or_else(|error| Err(PortError::unavailable(format!("reading from Kafka ended: {error}"))))
    }

    fn run_blocking<T>(&self, work: impl FnOnce(&Open) -> Result<T>) -> Result<T> {
        let mut slot = self.slot();
        let open = match slot.take() {
            Some(kept) => kept.open,
            None => Open::new(Arc::clone(&self.settings))?,
        };
        let outcome = work(&open);
        // A client in trouble is not worth keeping.
        if outcome.is_ok() {
            *slot = Some(Kept { open, used: Instant::now() });
        }
        outcome
    }

    fn reap_later(self: &Arc<Self>) {
        if self.is_reaper_waiting.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEPT).await;
                let Some(this) = this.upgrade() else { return };
                let is_gone = tokio::task::spawn_blocking(move || {
                    let old = {
                        let mut slot = this.slot();
                        let is_old = |kept: &mut Kept| kept.used.elapsed() >= KEPT;
                        let old = slot.take_if(is_old);
                        if slot.is_none() {
                            this.is_reaper_waiting.store(false, Ordering::Release);
                        }
                        old
                    };
                    let is_gone = !this.is_reaper_waiting.load(Ordering::Acquire);
                    drop(old);
                    is_gone
                });
                if is_gone.await.unwrap_or(true) {
                    return;
                }
            }
        });
    }

    fn slot(&self) -> MutexGuard<'_, Option<Kept>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn new(settings: Arc<KafkaSettings>) -> Result<Self> {
        let complaint = Arc::new(Complaint::default());
        let context = Plain::new(Arc::clone(&complaint));
        let names = Names { topic: &settings.topic, group: &settings.group };
        let consumer = properties::reader(&settings).create_with_context(context).map_err(|error| {
            PortError::refused(names.classify("creating a Kafka client", &error, None).to_string())
        })?;
        Ok(Self { settings, consumer, complaint })
    }

    /// Whether a broker answers, and takes our credentials.
    pub(super) fn reach(&self) -> Result<()> {
        let answer = self.consumer.fetch_metadata(None, self.settings.request_timeout);
        answer.map(|_| ()).map_err(|error| self.failed(&self.settings.topic, "reaching the brokers", &error))
    }

    /// The partitions of a topic; `Refused` when there is no such topic.
    pub(super) fn partitions(&self, topic: &str) -> Result<Vec<u32>> {
        let missing = KafkaError::MetadataFetch(Code::UnknownTopicOrPartition);
        self.find(topic)?.ok_or_else(|| self.failed(topic, "asking for the topic", &missing))
    }

    /// The partitions of a topic, if there is such a topic.
    pub(super) fn find(&self, topic: &str) -> Result<Option<Vec<u32>>> {
        let tried = "asking for the topic";
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), self.settings.request_timeout)
            .map_err(|error| self.failed(topic, tried, &error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        if let Some(code) = found.error().map(Code::from) {
            if is_missing_topic(code) {
                return Ok(None);
            }
            return Err(self.failed(topic, tried, &KafkaError::MetadataFetch(code)));
        }
        let numbers = found.partitions().iter().filter_map(|partition| u32::try_from(partition.id()).ok());
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        Ok(Some(numbers))
    }

    /// The first offset that is there, and one past the last; `None` when there is no such partition.
    pub(super) fn watermarks(&self, topic: &str, partition: u32) -> Result<Option<(u64, u64)>> {
        let Ok(number) = i32::try_from(partition) else { return Ok(None) };
        match watermarks(&self.consumer, topic, &[number], self.settings.request_timeout) {
            Ok(found) => Ok(found.get(&number).copied()),
            Err(error) => {
                let code = code_of(&error);
                let is_unknown =
                    code.is_some_and(|code| is_missing_topic(code) || code == Code::UnknownPartition);
                // Also the answer for a topic that is gone: then this says so.
                if is_unknown && !self.partitions(topic)?.contains(&partition) {
                    return Ok(None);
                }
                Err(self.failed(topic, "asking for the offsets", &error))
            }
        }
    }

    /// Reads ranges of a topic, each in order. Where offsets have no record, none is visited.
    pub(super) fn scan(&self, topic: &str, ranges: &[Range], visit: &mut Visit<'_>) -> Result<()> {
        let mut assignment = TopicPartitionList::new();
        let mut pending = BTreeMap::new();
        for range in ranges.iter().filter(|range| range.from < range.to) {
            let (Ok(number), Ok(from)) = (i32::try_from(range.partition), i64::try_from(range.from)) else {
                continue;
            };
            assignment
                .add_partition_offset(topic, number, Offset::Offset(from))
                .map_err(|error| self.failed(topic, "reading the topic", &error))?;
            pending.insert(range.partition, *range);
        }
        if pending.is_empty() {
            return Ok(());
        }
        let assigned = self.consumer.assign(&assignment);
        assigned.map_err(|error| self.failed(topic, "reading the topic", &error))?;
        let outcome = self.read(topic, pending, visit);
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "the reader keeps its assignment");
        }
        outcome
    }

    fn read(&self, topic: &str, mut pending: BTreeMap<u32, Range>, visit: &mut Visit<'_>) -> Result<()> {
        let mut progress = Instant::now();
        while !pending.is_empty() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    progress = Instant::now();
                    let (Ok(partition), Ok(offset)) =
                        (u32::try_from(message.partition()), u64::try_from(message.offset()))
                    else {
                        continue;
                    };
                    let Some(range) = pending.get(&partition) else { continue };
                    let is_last = offset.saturating_add(1) >= range.to;
                    if (range.from..range.to).contains(&offset) {
                        visit(partition, offset, &message)?;
                    }
                    if is_last {
                        pending.remove(&partition);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    if let Ok(partition) = u32::try_from(number) {
                        pending.remove(&partition);
                    }
                }
                Some(Err(error)) => {
                    let needs_a_person =
                        code_of(&error).and_then(|code| advice(code, topic, &self.settings.group)).is_some();
                    if needs_a_person {
                        return Err(self.failed(topic, "reading the topic", &error));
                    }
                }
                None => {}
            }
            if progress.elapsed() >= self.settings.request_timeout {
                let slow = KafkaError::MessageConsumption(Code::OperationTimedOut);
                return Err(self.failed(topic, "reading the topic", &slow));
            }
        }
        Ok(())
    }

    /// How many of these partitions the group has committed.
    pub(super) fn committed(&self, topic: &str, partitions: &[u32]) -> Result<usize> {
        let mut list = TopicPartitionList::new();
        for number in partitions.iter().filter_map(|&partition| i32::try_from(partition).ok()) {
            list.add_partition(topic, number);
        }
        let tried = "asking for the group's offsets";
        let failed = |error| self.failed(topic, tried, &error);
        let answer = self.consumer.committed_offsets(list, self.settings.request_timeout).map_err(failed)?;
        let mut committed = 0;
        for element in answer.elements() {
            element.error().map_err(failed)?;
            committed += usize::from(matches!(element.offset(), Offset::Offset(_)));
        }
        Ok(committed)
    }

    /// How the group divides partitions, if it has members and says so.
    pub(super) fn group_strategy(&self, group: &str) -> Option<String> {
        let list = self.consumer.fetch_group_list(Some(group), self.settings.request_timeout).ok()?;
        let found = list.groups().iter().find(|found| found.name() == group)?;
        let strategy = found.protocol();
        (found.protocol_type() == "consumer" && !strategy.is_empty()).then(|| strategy.to_owned())
    }

    /// The error, classified.
    pub(super) fn failed(&self, topic: &str, tried: &str, error: &KafkaError) -> PortError {
        // Calls that wait do not look at what the client has to say meanwhile.
        for _ in 0..SAID {
            let _ = self.consumer.poll(Duration::ZERO);
        }
        Names { topic, group: &self.settings.group }.classify(tried, error, Some(&self.complaint))
    }
}
