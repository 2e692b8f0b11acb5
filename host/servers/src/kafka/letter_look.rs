//! Looking at the letters' topic: following it with the index, and opening letters.

use std::collections::BTreeMap;

use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::Result;

use super::letter_index::{Head, Index, Place};
use super::letter_record::{self, Entry};
use super::reader::{Open, Range};

/// A look at the topic by its reader.
pub(super) struct Look<'a> {
    pub(super) open: &'a Open,
    pub(super) topic: &'a str,
    pub(super) capacity: usize,
}

impl Look<'_> {
    /// Reads what is new.
    pub(super) fn follow(&self, index: &mut Index) -> Result<()> {
        let mut ranges = Vec::new();
        for partition in self.open.partitions(self.topic)? {
            let Some((low, to)) = self.open.watermarks(self.topic, partition)? else { continue };
            let next = index.next.get(&partition).copied().unwrap_or(0);
            // The topic was made anew: what is known of it is of the old one.
            if next > to {
                *index = Index::new(self.capacity, None);
                return self.follow(index);
            }
            ranges.push(Range { partition, from: next.max(low), to });
        }
        self.open.scan(self.topic, &ranges, &mut |partition, offset, message| {
            index.apply(Place { partition, offset }, letter_record::entry(message, false)?);
            Ok(())
        })?;
        for range in ranges {
            index.next.insert(range.partition, range.to);
        }
        index.caught_up();
        Ok(())
    }

    /// Moves the window so that what comes right after this id is in it.
    pub(super) fn move_to(&self, index: &mut Index, after: Option<&LetterId>) -> Result<()> {
        if index.covers_after(after) {
            return Ok(());
        }
        *index = Index::new(self.capacity, after.cloned());
        self.follow(index)
    }

    /// The letter with its payload; `None` if another record took its place meanwhile.
    pub(super) fn open_letter(&self, head: &Head) -> Result<Option<DeadLetter>> {
        let Place { partition, offset } = head.place;
        let mut found = None;
        let range = Range { partition, from: offset, to: offset + 1 };
        self.open.scan(self.topic, &[range], &mut |_, _, message| {
            if let Entry::Letter(letter, _) = letter_record::entry(message, true)?
                && letter.id == head.letter.id
            {
                found = Some(*letter);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The letters of the window that the tombstone covers.
    pub(super) fn covered(
        &self,
        index: &Index,
        after: Option<&LetterId>,
        tombstone: &Tombstone,
    ) -> Result<Doomed> {
        let mut doomed = Doomed { until: index.until().cloned(), ..Doomed::default() };
        let mut unread = BTreeMap::new();
        for head in index.heads_after(after) {
            if head.letter.erased_by(tombstone) {
                doomed.add(head);
            } else if may_name(&head.letter, tombstone) && head.included.is_some_and(|bytes| bytes > 0) {
                unread.insert(head.place, head);
            }
        }
        let mut ranges = BTreeMap::<u32, Range>::new();
        for &Place { partition, offset } in unread.keys() {
            let range = ranges.entry(partition).or_insert(Range { partition, from: offset, to: offset });
            range.to = offset + 1;
        }
        let ranges: Vec<_> = ranges.into_values().collect();
        self.open.scan(self.topic, &ranges, &mut |partition, offset, message| {
            if let Some(head) = unread.get(&Place { partition, offset })
                && let Entry::Letter(letter, _) = letter_record::entry(message, true)?
                && letter.erased_by(tombstone)
            {
                doomed.add(head);
            }
            Ok(())
        })?;
        Ok(doomed)
    }
}

impl Doomed {
    pub(super) fn add(&mut self, head: &Head) {
        self.ids.push(head.letter.id.clone());
        self.payload_bytes += head.included.unwrap_or(0);
    }
}

/// Whether only the payload's text can tell; see [`DeadLetter::erased_by`].
fn may_name(letter: &DeadLetter, tombstone: &Tombstone) -> bool {
    match &tombstone.scope {
        EraseScope::Session(_) => letter.session_id.is_none(),
        EraseScope::Project(_) => {
            letter.project_id.is_none() && letter.received_at_ms <= tombstone.erased_at_ms
        }
    }
}

/// Letters that are to go, and the payload bytes that go with them.
#[derive(Default)]
pub(super) struct Doomed {
    pub(super) ids: Vec<LetterId>,
    pub(super) payload_bytes: u64,
    /// Where the window ended, if the topic goes on.
    pub(super) until: Option<LetterId>,
}

/// An id that sorts before this one, with nothing of the same topic and partition between.
pub(super) fn before(id: &LetterId) -> LetterId {
    let LetterId { topic, partition, offset } = id.clone();
    if let Some(offset) = offset.checked_sub(1) {
        return LetterId { topic, partition, offset };
    }
    if let Some(partition) = partition.checked_sub(1) {
        return LetterId { topic, partition, offset: u64::MAX };
    }
    let mut start = topic;
    start.pop();
    LetterId { topic: start, partition: u32::MAX, offset: u64::MAX }
}
