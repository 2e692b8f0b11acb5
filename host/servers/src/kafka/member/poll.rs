//! Polling: records into the inbox, trouble to whom it concerns, and no record when there is no room.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, TopicPartitionList};
use replay_core::pipeline::At;
use replay_ports::{PortError, Result, SourceEvent};

use super::{Command, Ended, Member};
use crate::kafka::books::Read;
use crate::kafka::failure::{advice, code_of, words};
use crate::kafka::record;

/// The longest sleep between polls; whatever comes in ends it.
const TICK: Duration = Duration::from_millis(100);

/// An inbox without room for so long means that nothing is to be fetched for now.
const FULL_PATIENCE: Duration = Duration::from_millis(100);

/// The same trouble is not told more often.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(5);

/// How long to leave a group alone that still knows a process with our `group.instance.id`.
const INSTANCE_REST: Duration = Duration::from_secs(3);

impl Member<'_> {
    /// Polls once, or sleeps until it is worth while.
    pub(super) fn poll(&mut self, now: Instant) -> Result<Option<Ended>> {
        if !self.has_room(now) {
            thread::park_timeout(FULL_PATIENCE);
            return Ok(None);
        }
        let consumer = std::sync::Arc::clone(&self.consumer);
        match consumer.poll(Duration::ZERO) {
            Some(Ok(message)) => self.deliver(&message),
            Some(Err(error)) => return self.trouble(&error),
            None => {
                // Something that is no message was served: more may wait behind it.
                if !consumer.context().take_served() {
                    thread::park_timeout(TICK);
                }
            }
        }
        Ok(None)
    }

    /// Whether to poll. After some patience nothing is fetched, and polling goes on for the group's sake.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.inbox.has_room() {
            self.full_since = None;
            if std::mem::take(&mut self.is_full) {
                self.apply_pauses();
            }
            return true;
        }
        let since = *self.full_since.get_or_insert(now);
        if !self.is_full && now.duration_since(since) >= FULL_PATIENCE {
            self.is_full = true;
            self.apply_pauses();
        }
        self.is_full
    }

    fn deliver(&mut self, message: &BorrowedMessage<'_>) {
        let (Ok(partition), Ok(offset)) =
            (u32::try_from(message.partition()), u64::try_from(message.offset()))
        else {
            return;
        };
        let epoch = match self.books.read(partition, offset) {
            Read::Next { epoch } => epoch,
            Read::Foreign => return,
            Read::Back => self.set_back(partition, offset),
        };
        self.inbox.put(record::record(message, At { partition, epoch, offset }));
    }

    /// The topic was cut or made anew, or the consumer set back: it is another assignment, so that
    /// nothing of the one before is settled by what comes now.
    fn set_back(&mut self, partition: u32, offset: u64) -> u32 {
        tracing::warn!(topic = self.settings.topic, partition, offset, "the partition was set back");
        self.inbox.purge(&[partition]);
        self.inbox.tell(SourceEvent::Lost { partitions: vec![partition] });
        let epoch = self.books.assign(partition, offset);
        self.inbox.tell(SourceEvent::Assigned { partition, epoch, next_offset: offset });
        self.books.read(partition, offset);
        epoch
    }

    fn trouble(&mut self, error: &KafkaError) -> Result<Option<Ended>> {
        if matches!(error, KafkaError::PartitionEOF(_)) {
            return Ok(None);
        }
        let Some(code) = code_of(error) else {
            self.complain(PortError::unavailable(words(error)));
            return Ok(None);
        };
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            return self.fatal(error, code);
        }
        // librdkafka has logged these, and comes back from them.
        let passes = matches!(
            code,
            Code::BrokerTransportFailure | Code::Resolve | Code::PollExceeded | Code::OffsetOutOfRange
        );
        if passes {
            tracing::warn!(%error, "Kafka");
            return Ok(None);
        }
        let said = self.consumer.context().complaint().map(|(_, reason)| reason);
        let what = format!("reading from Kafka failed: {}", said.unwrap_or_else(|| words(error)));
        match advice(code, &self.settings.topic, &self.settings.group) {
            // At the start it is the config that is wrong; later it may be a broker for a while.
            Some(advice) if !self.has_joined => Err(PortError::refused(format!("{what}; {advice}"))),
            Some(advice) => {
                self.complain(PortError::unavailable(format!("{what}; {advice}")));
                Ok(None)
            }
            None => {
                self.complain(PortError::unavailable(what));
                Ok(None)
            }
        }
    }

    fn fatal(&mut self, error: &KafkaError, code: Code) -> Result<Option<Ended>> {
        let said = self.consumer.client().fatal_error();
        let (code, reason) = said.unwrap_or_else(|| (code, words(error)));
        if code == Code::UnreleasedInstanceId {
            // The process before us was not given up yet.
            let what = format!(
                "{reason}: another process with this group.instance.id, or its session has not ended"
            );
            self.complain(PortError::unavailable(what));
            return Ok(Some(self.rest()));
        }
        let advice = advice(code, &self.settings.topic, &self.settings.group);
        Err(PortError::refused(format!("Kafka: {reason}; {}", advice.unwrap_or_default())))
    }

    /// Waits, ready to close.
    fn rest(&mut self) -> Ended {
        let until = Instant::now() + INSTANCE_REST;
        loop {
            match self.commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Command::Close) => return Ended::Closed,
                // Nothing is ours meanwhile: who waits for an answer hears that with the end of this.
                Ok(Command::Commit { .. } | Command::Release(_) | Command::Committed(..) | Command::Look) => {
                }
                Err(_) => return Ended::Rejoin,
            }
        }
    }

    /// Tells the pipeline's loop, which logs it and goes on.
    pub(super) fn complain(&mut self, error: PortError) {
        let now = Instant::now();
        if self.complained.is_none_or(|last| now.duration_since(last) >= COMPLAINT_PAUSE) {
            self.complained = Some(now);
            self.inbox.complain(error);
        }
    }

    /// Makes librdkafka fetch what it should and nothing else.
    pub(super) fn apply_pauses(&mut self) {
        let wished = self.inbox.paused();
        let is_wanted = |partition, leaving: bool| !(self.is_full || leaving || wished.contains(&partition));
        let held = self.books.iter();
        let paused: BTreeSet<u32> =
            held.filter(|&(p, held)| !is_wanted(p, held.is_leaving)).map(|(p, _)| p).collect();
        let begin: Vec<u32> = paused.difference(&self.paused).copied().collect();
        let end: Vec<u32> = self.paused.difference(&paused).copied().collect();
        self.set_paused(&begin, true);
        self.set_paused(&end, false);
        self.paused = paused;
    }

    pub(super) fn set_paused(&self, partitions: &[u32], pause: bool) {
        if partitions.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for number in partitions.iter().filter_map(|&partition| i32::try_from(partition).ok()) {
            list.add_partition(&self.settings.topic, number);
        }
        let done = if pause { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = done {
            tracing::warn!(%error, ?partitions, pause, "a pause was not changed");
        }
    }
}
