//! What goes into the pipeline and what comes out of it.
//!
//! The payload type `P` is opaque: bytes in the service, a number in the simulation.

use std::sync::Arc;

use crate::dead_letter::LetterId;
use crate::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use crate::pipeline::{At, ReplayOf};
use crate::reject::{Reject, Skip};
use crate::row::{ChunkMeta, Codec};

/// What the pipeline carries. Cloning must be cheap (a reference count).
pub trait Payload: Clone {
    /// Bytes that it keeps in memory.
    fn bytes(&self) -> usize;
}

impl Payload for bytes::Bytes {
    fn bytes(&self) -> usize {
        self.len()
    }
}

/// Identifies a job; each gets exactly one [`Input::Done`].
pub type JobId = u64;

/// What happens to the pipeline.
#[derive(Clone, Debug)]
pub enum Input<P> {
    /// A partition is newly ours. `epoch` is greater than that of any earlier assignment of it.
    Assigned {
        /// Which.
        partition: u32,
        /// Of this assignment.
        epoch: u32,
        /// First offset to come.
        next_offset: u64,
    },
    /// Partitions are about to go. Answered by one [`Action::Release`].
    Revoked {
        /// Which.
        partitions: Vec<u32>,
        /// How long the source waits, milliseconds.
        within_ms: u64,
    },
    /// Partitions are gone. Nothing of them is committed any more.
    Lost {
        /// Which.
        partitions: Vec<u32>,
    },
    /// A record arrived.
    Record(Record<P>),
    /// A job ended.
    Done {
        /// Which.
        job: JobId,
        /// How.
        outcome: Outcome<P>,
    },
    /// The time named by `next_timeout_ms` has come.
    Timeout,
    /// Stop intake, finish what is here, then [`Action::Stopped`].
    Drain {
        /// How long to take at most, milliseconds.
        within_ms: u64,
    },
}

/// A record as the source delivers it.
#[derive(Clone, Debug)]
pub struct Record<P> {
    /// Where it comes from.
    pub origin: Origin,
    /// The record, or `None` for a null value.
    pub payload: Option<P>,
}

/// Where a record comes from; travels with its data until the record is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Position and assignment.
    pub at: At,
    /// Unix milliseconds, stable across redelivery.
    pub received_at_ms: u64,
    /// The letter that the record feeds back, if it does.
    pub replay_of: Option<Box<ReplayOf>>,
}

/// What the edge is to do.
#[derive(Clone, Debug)]
pub enum Action<P> {
    /// Start one attempt; never blocks, since the pipeline bounds how many run.
    Start {
        /// To be named in the outcome.
        job: JobId,
        /// What to do.
        work: Work<P>,
    },
    /// Deliver no more of this partition.
    Pause {
        /// Which.
        partition: u32,
        /// Why.
        why: PauseReason,
    },
    /// Deliver again.
    Resume {
        /// Which.
        partition: u32,
    },
    /// The rebalance may go on.
    Release {
        /// Which.
        partitions: Vec<u32>,
    },
    /// The end.
    Stopped {
        /// Records left uncommitted; the next owner gets them again.
        unsettled: u64,
        /// Whether all went well.
        cause: StopCause,
    },
}

/// One job.
#[derive(Clone, Debug)]
pub enum Work<P> {
    /// Read a record: envelope, base64, decompression, check (CPU).
    Decode {
        /// When it was received, for expiry.
        received_at_ms: u64,
        /// The record.
        raw: P,
    },
    /// Run the tenant's chain over one session's batch, in order of play (CPU).
    Transform {
        /// Whose.
        session: SessionKey,
        /// The batch; answered by one verdict each, in this order.
        chunks: Vec<Chunk<P>>,
    },
    /// Store rows of one day (hot store).
    Insert {
        /// Sorted by session and order of play.
        rows: Arc<[Row<P>]>,
    },
    /// Write a dead letter.
    DeadLetter {
        /// What it says.
        letter: Letter<P>,
    },
    /// Remove the letter of a record that was fed back and is settled now.
    CloseLetter {
        /// Which.
        letter: LetterId,
    },
    /// Commit offsets (source).
    Commit {
        /// One past the last settled record of each partition.
        next: Vec<Commit>,
    },
}

/// An offset to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Which partition.
    pub partition: u32,
    /// Of which assignment.
    pub epoch: u32,
    /// One past the last settled record.
    pub next_offset: u64,
}

/// What is known of a chunk before the tenant's chain has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// The session.
    pub session: SessionKey,
    /// Which chunk of it.
    pub key: ChunkKey,
    /// Last event, Unix milliseconds.
    pub timestamp_end_ms: u64,
    /// Events in the array.
    pub event_count: u32,
    /// Whether an event is a full snapshot.
    pub has_full_snapshot: bool,
    /// Uncompressed bytes.
    pub data_size: u64,
    /// How the data is compressed.
    pub codec: Codec,
}

/// A decoded chunk with where it came from.
#[derive(Clone, Debug)]
pub struct Chunk<P> {
    /// Where it came from.
    pub origin: Origin,
    /// What is known of it.
    pub head: ChunkHead,
    /// Its compressed form.
    pub data: P,
}

/// A row to store with where it came from.
#[derive(Clone, Debug)]
pub struct Row<P> {
    /// Where it came from.
    pub origin: Origin,
    /// The row's columns.
    pub meta: ChunkMeta,
    /// The row's data.
    pub data: P,
}

/// A dead letter to write.
#[derive(Clone, Debug)]
pub struct Letter<P> {
    /// Where the record came from.
    pub origin: Origin,
    /// Why it is dead.
    pub reject: Reject,
    /// The tenant, if known.
    pub project_id: Option<ProjectId>,
    /// The visit, if known.
    pub session_id: Option<SessionId>,
    /// The original record, or `None` when it is no longer in hand: the source still has it.
    pub payload: Option<P>,
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum Outcome<P> {
    /// Of a decode.
    Decoded(Decoded<P>),
    /// Of a transform: one verdict a chunk, in order.
    Transformed(Vec<Verdict<P>>),
    /// Of an insert: durable, but for the rows at these positions, which are erased.
    Inserted {
        /// Positions in the work's rows.
        tombstoned: Vec<usize>,
    },
    /// Of a dead letter, a closed letter or a commit: durable.
    Written,
    /// It did not work.
    Failed(Failure),
}

/// What a record turned out to be.
#[derive(Clone, Debug)]
pub enum Decoded<P> {
    /// A chunk.
    Chunk {
        /// What is known of it.
        head: ChunkHead,
        /// Its compressed form.
        data: P,
    },
    /// Nothing to store, and no fault.
    Skip(Skip),
    /// A poison record.
    Reject {
        /// Why.
        reject: Reject,
        /// The tenant, if the record got that far.
        project_id: Option<ProjectId>,
        /// The visit, if the record got that far.
        session_id: Option<SessionId>,
    },
}

/// What the tenant's chain says of one chunk.
#[derive(Clone, Debug)]
pub enum Verdict<P> {
    /// Store this.
    Store {
        /// The row's columns.
        meta: ChunkMeta,
        /// The row's data.
        data: P,
    },
    /// The chain dropped it.
    Drop,
    /// It cannot be stored.
    Reject(Reject),
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may work later, unchanged.
    Retry {
        /// For the operator.
        what: String,
        /// Wait at least this long.
        retry_after_ms: Option<u64>,
    },
    /// This input will never work.
    Reject {
        /// For the operator.
        what: String,
    },
    /// Nothing will work until a person acts.
    Refused {
        /// For the operator.
        what: String,
    },
    /// The partition is gone; nothing was done.
    Stale,
    /// The job panicked: a bug of ours.
    Panicked,
}

/// Why a partition is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseReason {
    /// The memory budget is used up.
    Budget,
    /// The hot store does not take rows.
    HotStore,
    /// Dead letters cannot be written.
    DeadLetters,
    /// The service is stopping.
    Draining,
}

impl PauseReason {
    /// The name in status, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::HotStore => "hot_store",
            Self::DeadLetters => "dead_letters",
            Self::Draining => "draining",
        }
    }
}

/// How the pipeline stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopCause {
    /// Everything was settled and committed.
    Drained,
    /// The deadline passed first; what is unsettled is delivered again.
    DeadlinePassed,
}
