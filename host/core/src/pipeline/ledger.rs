//! The ledger: which records of each partition are settled, hence what may be committed.
//!
//! Sessions end out of order, so "the last offset of a batch" would lose data: what is committed is
//! the lowest offset that is not settled yet. Gaps (compaction, transaction markers) are normal.

use std::collections::{BTreeMap, VecDeque};

use super::At;
use super::io::Commit;
use crate::guards::{Guard, Guards};

/// Where an unsettled record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Waiting to be decoded, or being decoded.
    Decode,
    /// In an open session buffer.
    Buffer,
    /// Sealed, with or before its tenant's chain.
    Transform,
    /// In a row batch, or being inserted.
    Insert,
    /// On its way to the dead letters.
    DeadLetter,
    /// Stored; the letter that it came from is being closed.
    CloseLetter,
}

impl Stage {
    /// The name in status and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Buffer => "buffer",
            Self::Transform => "transform",
            Self::Insert => "insert",
            Self::DeadLetter => "dead_letter",
            Self::CloseLetter => "close_letter",
        }
    }
}

/// What the ledger says to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// First delivery in this assignment.
    New,
    /// Delivered before in this assignment; its first delivery will settle it.
    Again,
    /// Of a partition or an epoch that is not ours.
    Stale,
}

#[derive(Debug)]
struct Entry {
    offset: u64,
    seen_ms: u64,
    /// `None` once settled.
    stage: Option<Stage>,
}

#[derive(Debug)]
struct Partition {
    epoch: u32,
    next_offset: u64,
    committed: u64,
    unsettled: u64,
    /// By offset; the front is never settled.
    entries: VecDeque<Entry>,
}

impl Partition {
    fn watermark(&self) -> u64 {
        self.entries.front().map_or(self.next_offset, |entry| entry.offset)
    }

    fn entry(&mut self, offset: u64) -> Option<&mut Entry> {
        let index = self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        self.entries.get_mut(index)
    }
}

/// One partition's books, for the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which.
    pub partition: u32,
    /// Of this assignment.
    pub epoch: u32,
    /// One past the last delivered offset.
    pub next_offset: u64,
    /// One past the last committed offset.
    pub committed: u64,
    /// Records delivered and not settled.
    pub unsettled: u64,
    /// The lowest unsettled record: its offset, how long it has been here, and where it is.
    pub pinned_by: Option<(u64, u64, Stage)>,
}

#[derive(Debug)]
pub(super) struct Ledger {
    partitions: BTreeMap<u32, Partition>,
    guards: Guards,
}

impl Ledger {
    pub(super) fn new(guards: Guards) -> Self {
        Self { partitions: BTreeMap::new(), guards }
    }

    /// Starts the books of a partition; returns how many records of an earlier assignment, that was
    /// never taken back, are given up.
    pub(super) fn assign(&mut self, partition: u32, epoch: u32, next_offset: u64) -> u64 {
        let fresh =
            Partition { epoch, next_offset, committed: next_offset, unsettled: 0, entries: VecDeque::new() };
        self.partitions.insert(partition, fresh).map_or(0, |old| old.unsettled)
    }

    /// Closes the books of partitions that are no longer ours; returns the records given up.
    pub(super) fn forget(&mut self, partitions: &[u32]) -> u64 {
        let forgotten = partitions.iter().filter_map(|partition| self.partitions.remove(partition));
        forgotten.map(|partition| partition.unsettled).sum()
    }

    /// Whether `at` belongs to an assignment that is still ours.
    pub(super) fn is_current(&self, at: At) -> bool {
        self.partitions.get(&at.partition).is_some_and(|partition| partition.epoch == at.epoch)
    }

    /// Enters a delivered record before anything is known of it.
    pub(super) fn see(&mut self, at: At, now_ms: u64) -> Seen {
        let Some(partition) = self.partitions.get_mut(&at.partition).filter(|p| p.epoch == at.epoch) else {
            return Seen::Stale;
        };
        if at.offset < partition.next_offset {
            return Seen::Again;
        }
        partition.next_offset = at.offset + 1;
        partition.unsettled += 1;
        partition.entries.push_back(Entry { offset: at.offset, seen_ms: now_ms, stage: Some(Stage::Decode) });
        Seen::New
    }

    /// Notes where an unsettled record is now.
    pub(super) fn advance(&mut self, at: At, stage: Stage) {
        if let Some(entry) = self.current(at).and_then(|partition| partition.entry(at.offset))
            && entry.stage.is_some()
        {
            entry.stage = Some(stage);
        }
    }

    /// Settles a record. `false` if it is not ours any more or was settled before.
    pub(super) fn settle(&mut self, at: At) -> bool {
        let Some(partition) = self.current(at) else { return false };
        let Some(entry) = partition.entry(at.offset) else { return false };
        if entry.stage.take().is_none() {
            return false;
        }
        partition.unsettled -= 1;
        while partition.entries.front().is_some_and(|entry| entry.stage.is_none()) {
            partition.entries.pop_front();
        }
        true
    }

    /// What may be committed and is not yet.
    pub(super) fn due(&self) -> Vec<Commit> {
        self.partitions
            .iter()
            .map(|(&partition, books)| Commit {
                partition,
                epoch: books.epoch,
                next_offset: self.committable(books),
            })
            .zip(self.partitions.values())
            .filter_map(|(commit, books)| (commit.next_offset > books.committed).then_some(commit))
            .collect()
    }

    /// Notes a commit that is durable.
    pub(super) fn committed(&mut self, commit: Commit) {
        if let Some(partition) = self.partitions.get_mut(&commit.partition)
            && partition.epoch == commit.epoch
        {
            partition.committed = partition.committed.max(commit.next_offset);
        }
    }

    pub(super) fn partitions(&self) -> Vec<u32> {
        self.partitions.keys().copied().collect()
    }

    /// Unsettled records of these partitions.
    pub(super) fn unsettled_in(&self, partitions: &[u32]) -> u64 {
        partitions.iter().filter_map(|p| self.partitions.get(p)).map(|p| p.unsettled).sum()
    }

    /// Unsettled records in all.
    pub(super) fn unsettled(&self) -> u64 {
        self.partitions.values().map(|partition| partition.unsettled).sum()
    }

    pub(super) fn status(&self, now_ms: u64) -> Vec<PartitionStatus> {
        let status = |(&partition, books): (&u32, &Partition)| PartitionStatus {
            partition,
            epoch: books.epoch,
            next_offset: books.next_offset,
            committed: books.committed,
            unsettled: books.unsettled,
            pinned_by: books
                .entries
                .front()
                .and_then(|entry| Some((entry.offset, now_ms.saturating_sub(entry.seen_ms), entry.stage?))),
        };
        self.partitions.iter().map(status).collect()
    }

    fn current(&mut self, at: At) -> Option<&mut Partition> {
        let checked = self.guards.has(Guard::EpochCheck);
        self.partitions.get_mut(&at.partition).filter(|books| !checked || books.epoch == at.epoch)
    }

    fn committable(&self, books: &Partition) -> u64 {
        if self.guards.has(Guard::LowWatermark) {
            return books.watermark();
        }
        let last_settled = books.entries.iter().rev().find(|entry| entry.stage.is_none());
        last_settled.map_or_else(|| books.watermark(), |entry| entry.offset + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(epoch: u32, offset: u64) -> At {
        At { partition: 0, epoch, offset }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(Guards::ALL);
        ledger.assign(0, 1, 10);
        ledger
    }

    #[test]
    fn the_watermark_waits_for_the_lowest_and_skips_gaps() {
        let mut ledger = ledger();
        for offset in [10, 12, 15] {
            assert_eq!(ledger.see(at(1, offset), 0), Seen::New);
        }
        assert!(ledger.settle(at(1, 12)));
        assert_eq!(ledger.due(), []);
        assert!(ledger.settle(at(1, 10)));
        assert_eq!(ledger.due(), [Commit { partition: 0, epoch: 1, next_offset: 15 }]);
        assert!(ledger.settle(at(1, 15)));
        assert_eq!(ledger.due(), [Commit { partition: 0, epoch: 1, next_offset: 16 }]);
    }

    #[test]
    fn a_rewound_delivery_is_not_entered_twice() {
        let mut ledger = ledger();
        assert_eq!(ledger.see(at(1, 10), 0), Seen::New);
        assert_eq!(ledger.see(at(1, 10), 0), Seen::Again);
        assert!(ledger.settle(at(1, 10)));
        assert!(!ledger.settle(at(1, 10)));
        assert_eq!(ledger.see(at(1, 10), 0), Seen::Again);
    }

    #[test]
    fn a_passed_epoch_settles_and_commits_nothing() {
        let mut ledger = ledger();
        ledger.see(at(1, 10), 0);
        assert_eq!(ledger.assign(0, 2, 10), 1);
        assert_eq!(ledger.see(at(1, 11), 0), Seen::Stale);
        ledger.see(at(2, 10), 0);
        assert!(!ledger.settle(at(1, 10)));
        ledger.committed(Commit { partition: 0, epoch: 1, next_offset: 11 });
        assert_eq!(ledger.due(), []);
        assert!(ledger.settle(at(2, 10)));
        assert_eq!(ledger.due().len(), 1);
    }

    proptest! {
        #[test]
        fn a_commit_never_passes_an_unsettled_record(
            steps in prop::collection::vec((0u64..4, 0usize..20), 1..60),
        ) {
            let mut ledger = Ledger::new(Guards::ALL);
            ledger.assign(0, 1, 0);
            let (mut next, mut open) = (0, Vec::new());
            for (gap, pick) in steps {
                next += gap;
                prop_assert_eq!(ledger.see(at(1, next), 0), Seen::New);
                open.push(next);
                next += 1;
                if pick < open.len() {
                    prop_assert!(ledger.settle(at(1, open.swap_remove(pick))));
                }
                let committable = ledger.due().first().map_or(0, |commit| commit.next_offset);
                prop_assert!(open.iter().all(|&offset| committable <= offset));
                prop_assert_eq!(ledger.unsettled(), open.len() as u64);
            }
        }
    }
}
