//! Partitions that come: where to start, then the assignment is carried out.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};
use replay_ports::SourceEvent;

use super::Member;
use crate::kafka::context;
use crate::kafka::watermarks::watermarks;

/// How long to wait before the brokers are asked again where to start.
const RETRY: Duration = Duration::from_secs(1);

/// An assignment that is not carried out yet.
pub(super) struct Joining {
    partitions: TopicPartitionList,
    next_try: Instant,
}

impl Joining {
    pub(super) fn new(partitions: TopicPartitionList) -> Self {
        Self { partitions, next_try: Instant::now() }
    }
}

/// Where a partition starts.
struct Start {
    partition: u32,
    offset: u64,
    end: u64,
}

impl Member<'_> {
    /// Carries an assignment out, once it is known where to start.
    pub(super) fn step_joining(&mut self, now: Instant) {
        let Some(mut joining) = self.joining.take_if(|joining| now >= joining.next_try) else { return };
        match self.starts(&joining.partitions) {
            Ok(starts) => self.assign(joining.partitions, &starts),
            Err(error) => {
                self.complain(self.names().classify("asking where to start", &error, None));
                joining.next_try = Instant::now() + RETRY;
                self.joining = Some(joining);
            }
        }
    }

    fn assign(&mut self, mut partitions: TopicPartitionList, starts: &[Start]) {
        let mut taken = Vec::new();
        for start in starts {
            let Start { partition, offset, .. } = *start;
            if let (Ok(number), Ok(raw)) = (i32::try_from(partition), i64::try_from(offset))
                && let Err(error) =
                    partitions.set_partition_offset(&self.settings.topic, number, Offset::Offset(raw))
            {
                tracing::error!(partition, %error, "the start of a partition was not taken");
            }
            let epoch = self.books.assign(partition, offset);
            self.inbox.tell(SourceEvent::Assigned { partition, epoch, next_offset: offset });
            taken.push(partition);
        }
        let ends: Vec<_> = starts.iter().map(|start| (start.partition, start.end)).collect();
        self.ends.watch(&self.consumer, &ends);
        if let Err(error) = context::take(&self.consumer, &partitions) {
            tracing::error!(%error, ?taken, "the assignment was not carried out");
            self.lose(taken);
            return;
        }
        self.has_joined = true;
        tracing::info!(topic = self.settings.topic, partitions = ?taken, "partitions assigned");
        self.apply_pauses();
    }

    /// The committed offset; the first one that there is, if nothing was committed or that is gone.
    fn starts(&self, partitions: &TopicPartitionList) -> KafkaResult<Vec<Start>> {
        if partitions.count() == 0 {
            return Ok(Vec::new());
        }
        let timeout = self.settings.request_timeout;
        let committed = self.consumer.committed_offsets(partitions.clone(), timeout)?;
        let numbers: Vec<i32> = committed.elements().iter().map(|element| element.partition()).collect();
        let watermarks = watermarks(&self.consumer, &self.settings.topic, &numbers, timeout)?;
        let mut starts = Vec::new();
        for element in committed.elements() {
            element.error()?;
            let Ok(partition) = u32::try_from(element.partition()) else { continue };
            let Some(&(low, high)) = watermarks.get(&element.partition()) else { continue };
            let offset = match element.offset() {
                Offset::Offset(raw) => self.believed(partition, u64::try_from(raw).unwrap_or(0), low, high),
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_) => low,
            };
            starts.push(Start { partition, offset, end: high });
        }
        Ok(starts)
    }

    fn believed(&self, partition: u32, committed: u64, low: u64, high: u64) -> u64 {
        let topic = &self.settings.topic;
        if committed > high {
            tracing::error!(
                topic,
                partition,
                committed,
                end = high,
                start = low,
                "the topic ends before what was committed: it was made anew or cut; reading all of it"
            );
            return low;
        }
        if committed < low {
            tracing::error!(
                topic,
                partition,
                committed,
                start = low,
                "the topic has dropped records that were never read: its retention is too short for us"
            );
            return low;
        }
        committed
    }
}
