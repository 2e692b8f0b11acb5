//! What the pipeline says of itself: the one source of metrics, readiness and the `status` command.

use std::collections::BTreeMap;

use super::edge::EdgeStatus;
use super::io::PauseReason;
use super::ledger::PartitionStatus;
use super::sessions::SealReason;
use crate::reject::{Reason, Skip};

/// How a record was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Its row is durable.
    Stored,
    /// The tenant's chain dropped it.
    DroppedByPlugin,
    /// There was nothing to store.
    Skipped(Skip),
    /// Its letter is durable.
    DeadLettered(Reason),
}

/// Counters since the start. `received` = the sum of `settled` + unsettled + `released`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records delivered, each once an assignment.
    pub received: u64,
    /// Records settled, by how.
    pub settled: BTreeMap<Ending, u64>,
    /// Records given up unsettled with their partition; the next owner gets them again.
    pub released: u64,
    /// Deliveries that were known already.
    pub redelivered: u64,
    /// Results that came after their partition's epoch had passed.
    pub stale_results: u64,
    /// Buffers sealed, by why.
    pub sealed: BTreeMap<SealReason, u64>,
    /// Chunks in sealed buffers.
    pub sealed_chunks: u64,
    /// Rows stored and their bytes.
    pub stored_bytes: u64,
    /// Uncompressed bytes of stored rows.
    pub stored_raw_bytes: u64,
    /// Partition pauses, by why.
    pub pauses: BTreeMap<PauseReason, u64>,
}

impl Counts {
    /// Records settled so far.
    pub fn settled_total(&self) -> u64 {
        self.settled.values().sum()
    }
}

/// The pipeline's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The partitions that are ours.
    pub partitions: Vec<PartitionStatus>,
    /// Paused since when (Unix milliseconds) and why; `None` while records flow.
    pub paused: Option<(u64, PauseReason)>,
    /// Open session buffers.
    pub open_sessions: usize,
    /// Sealed batches that wait for their chain.
    pub waiting_batches: usize,
    /// Records that wait to be decoded.
    pub waiting_decodes: usize,
    /// Bytes of records held.
    pub budget_used_bytes: usize,
    /// At this partitions pause.
    pub budget_bytes: usize,
    /// The hot store.
    pub hot_store: EdgeStatus,
    /// The dead letters.
    pub dead_letters: EdgeStatus,
    /// Commits to the source.
    pub commits: EdgeStatus,
    /// Counters.
    pub counts: Counts,
}

impl Status {
    /// Records delivered and not settled.
    pub fn unsettled(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.unsettled).sum()
    }
}
