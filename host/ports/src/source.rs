//! Where records come from: Kafka, or the local log.

use async_trait::async_trait;
use bytes::Bytes;
use replay_core::pipeline::{At, Commit, ReplayOf};

use crate::Result;

/// What a source tells the pipeline, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceEvent {
    /// A partition is newly ours. `epoch` is greater than that of any earlier assignment of it.
    Assigned {
        /// Which.
        partition: u32,
        /// Of this assignment.
        epoch: u32,
        /// The first offset that will be delivered, or that a gap may skip.
        next_offset: u64,
    },
    /// Partitions are about to go; the source waits for `release`, at most until the deadline.
    Revoked {
        /// Which.
        partitions: Vec<u32>,
        /// How long the other side waits, milliseconds from now.
        within_ms: u64,
    },
    /// Partitions are gone already; commit nothing for them.
    Lost {
        /// Which.
        partitions: Vec<u32>,
    },
    /// One record.
    Record(SourceRecord),
}

/// One record with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRecord {
    /// Position and assignment epoch.
    pub at: At,
    /// When the source received it, Unix milliseconds; the same on every delivery.
    pub received_at_ms: u64,
    /// The letter that this record feeds back, if it does.
    pub replay_of: Option<ReplayOf>,
    /// The record (see `replay_core::record`), or `None` for a null value.
    pub payload: Option<Bytes>,
}

/// A partitioned, replayable sequence of records.
#[async_trait]
pub trait Source: Send + Sync {
    /// The name that dead letters carry: the topic, or `local`.
    fn topic(&self) -> &str;

    /// The next event. Cancel-safe: a dropped call loses nothing. Pends while there is nothing.
    async fn next(&self) -> Result<SourceEvent>;

    /// Delivers no more records of `partition` until [`Source::resume`]. Idempotent.
    fn pause(&self, partition: u32);

    /// Undoes [`Source::pause`]; goes on exactly where delivery stopped. Idempotent.
    fn resume(&self, partition: u32);

    /// Answers a [`SourceEvent::Revoked`]: the partitions may go now.
    fn release(&self, partitions: &[u32]);

    /// Makes the offsets durable. Must only follow the settling of everything before them.
    async fn commit(&self, next: &[Commit]) -> Result<()>;

    /// Reads one record again by position (resolves a letter's reference). `None` when the source
    /// has it no more.
    async fn fetch(&self, partition: u32, offset: u64) -> Result<Option<SourceRecord>>;

    /// Appends a record durably and returns `(partition, offset)`. `received_at_ms` is now for a
    /// fresh record, and the original's for one that is fed back.
    async fn append(
        &self,
        payload: Bytes,
        received_at_ms: u64,
        replay_of: Option<ReplayOf>,
    ) -> Result<(u32, u64)>;

    /// One past the last offset of each partition, for the lag.
    fn end_offsets(&self) -> Vec<(u32, u64)>;

    /// Gives back what is held, so that others take over at once. To be called before the process ends, after
    /// the last commit; bounded in time. A source that nobody shares has nothing to do.
    async fn close(&self) {}
}
