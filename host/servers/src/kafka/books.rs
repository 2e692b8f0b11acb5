//! What is assigned, under which epoch, how far it was read and committed. Pure.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use replay_ports::CommitTo;

/// Of the next assignment. One count for the process: a source that is opened again must not take a
/// commit of the one before for its own.
static NEXT_EPOCH: AtomicU32 = AtomicU32::new(1);

/// A partition that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Of this assignment.
    pub(super) epoch: u32,
    /// One past the last record read.
    pub(super) position: u64,
    /// What the broker has.
    pub(super) committed: u64,
    /// It is on its way to another member: what is read for it comes too late.
    pub(super) is_leaving: bool,
}

/// Every partition that is ours.
#[derive(Debug, Default)]
pub(super) struct Books {
    held: BTreeMap<u32, Held>,
}

/// What a record that was read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The next one, or one after a gap.
    Next {
        /// Of the assignment.
        epoch: u32,
    },
    /// One of a partition that is not ours, or not for long.
    Foreign,
    /// One from before: the reader was set back, or the topic was made anew.
    Back,
}

/// What of a commit is to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Partition, and one past the last settled offset.
    pub(super) offsets: Vec<(u32, u64)>,
    /// Partitions whose epoch has passed.
    pub(super) stale: Vec<u32>,
}

impl Books {
    /// A partition is ours from here on; answers its epoch.
    pub(super) fn assign(&mut self, partition: u32, start: u64) -> u32 {
        let epoch = NEXT_EPOCH.fetch_add(1, Ordering::Relaxed);
        let held = Held { epoch, position: start, committed: start, is_leaving: false };
        self.held.insert(partition, held);
        epoch
    }

    /// It is no longer.
    pub(super) fn remove(&mut self, partition: u32) {
        self.held.remove(&partition);
    }

    /// It will soon be no longer.
    pub(super) fn leave(&mut self, partition: u32) {
        if let Some(held) = self.held.get_mut(&partition) {
            held.is_leaving = true;
        }
    }

    /// A record was read; moves the position behind it.
    pub(super) fn read(&mut self, partition: u32, offset: u64) -> Read {
        match self.held.get_mut(&partition) {
            None => Read::Foreign,
            Some(held) if held.is_leaving => Read::Foreign,
            Some(held) if offset < held.position => Read::Back,
            Some(held) => {
                held.position = offset + 1;
                Read::Next { epoch: held.epoch }
            }
        }
    }

    /// What of a commit is current and new. A lower offset than the broker's changes nothing.
    pub(super) fn due(&self, next: &[CommitTo]) -> Due {
        let mut due = Due::default();
        for commit in next {
            match self.held.get(&commit.partition) {
                Some(held) if held.epoch == commit.epoch => {
                    if commit.next_offset > held.committed {
                        due.offsets.push((commit.partition, commit.next_offset));
                    }
                }
                Some(_) | None => due.stale.push(commit.partition),
            }
        }
        due
    }

    /// The broker has these. Positions of an assignment that has ended meanwhile are ignored.
    pub(super) fn committed(&mut self, next: &[CommitTo]) {
        for commit in next {
            if let Some(held) = self.held.get_mut(&commit.partition)
                && held.epoch == commit.epoch
            {
                held.committed = held.committed.max(commit.next_offset);
            }
        }
    }

    /// The partition's page.
    pub(super) fn get(&self, partition: u32) -> Option<&Held> {
        self.held.get(&partition)
    }

    /// Every partition, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Held)> {
        self.held.iter().map(|(&partition, held)| (partition, held))
    }

    /// Their numbers.
    pub(super) fn partitions(&self) -> Vec<u32> {
        self.held.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(partition: u32, epoch: u32, next_offset: u64) -> CommitTo {
        CommitTo { partition, epoch, next_offset }
    }

    #[test]
    fn epochs_rise_across_sources_and_assignments() {
        let (mut one, mut other) = (Books::default(), Books::default());
        let first = one.assign(0, 0);
        let second = other.assign(0, 0);
        one.remove(0);
        let third = one.assign(0, 0);
        assert!(first < second && second < third);
    }

    #[test]
    fn positions_rise_over_gaps_and_say_when_they_fall() {
        let mut books = Books::default();
        let epoch = books.assign(3, 10);
        assert_eq!(books.read(3, 10), Read::Next { epoch });
        assert_eq!(books.read(3, 15), Read::Next { epoch });
        assert_eq!(books.read(3, 15), Read::Back);
        assert_eq!(books.read(4, 0), Read::Foreign);
        books.leave(3);
        assert_eq!(books.read(3, 16), Read::Foreign);
    }

    #[test]
    fn a_commit_is_sent_when_it_is_current_and_higher() {
        let mut books = Books::default();
        let (old, other) = (books.assign(0, 5), books.assign(1, 0));
        books.remove(0);
        let epoch = books.assign(0, 5);
        let due = books.due(&[to(0, old, 7), to(1, other, 3), to(2, epoch, 1)]);
        assert_eq!(due, Due { offsets: vec![(1, 3)], stale: vec![0, 2] });
        assert_eq!(books.due(&[to(0, epoch, 5)]), Due::default());
        books.committed(&[to(0, old, 9), to(1, other, 3)]);
        assert_eq!(books.due(&[to(0, epoch, 6), to(1, other, 3)]).offsets, [(0, 6)]);
        // What leaves may still be committed: that is what the drain is for.
        books.leave(0);
        assert_eq!(books.due(&[to(0, epoch, 6)]).offsets, [(0, 6)]);
    }
}
