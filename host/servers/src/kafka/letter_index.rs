//! The heads of the letters, in order, as a window of bounded size onto the topic. Pure.
//!
//! The topic is read once from end to end and followed from there. What lies outside of the window
//! is not remembered: whoever needs it moves the window and reads the topic again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use replay_core::dead_letter::{DeadLetter, LetterId};

use super::letter_record::{Entry, Included};

/// Where a letter lies in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) partition: u32,
    pub(super) offset: u64,
}

/// A letter without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) letter: DeadLetter,
    pub(super) included: Included,
    pub(super) place: Place,
}

/// The window. It holds every letter after `after` and, if it is full, up to its last.
#[derive(Debug)]
pub(super) struct Index {
    capacity: usize,
    after: Option<LetterId>,
    heads: BTreeMap<LetterId, Head>,
    /// Closed letters that a full window must not mistake for ones never seen. Only while reading.
    closed: BTreeSet<LetterId>,
    /// Letters beyond this were left out.
    until: Option<LetterId>,
    /// The next offset to be read of each partition.
    pub(super) next: BTreeMap<u32, u64>,
}

impl Index {
    /// A window after this id, of which nothing was read yet.
    pub(super) fn new(capacity: usize, after: Option<LetterId>) -> Self {
        Self {
            capacity: capacity.max(1),
            after,
            heads: BTreeMap::new(),
            closed: BTreeSet::new(),
            until: None,
            next: BTreeMap::new(),
        }
    }

    /// Takes the next record of a partition in.
    pub(super) fn apply(&mut self, place: Place, entry: Entry) {
        self.next.insert(place.partition, place.offset + 1);
        match entry {
            Entry::Foreign => {}
            Entry::Closed(id) => {
                if self.heads.remove(&id).is_some() {
                    self.closed.insert(id);
                }
            }
            Entry::Letter(letter, included) => {
                if !self.covers(&letter.id) {
                    return;
                }
                self.closed.remove(&letter.id);
                self.heads.insert(letter.id.clone(), Head { letter: *letter, included, place });
            }
        }
        // Closed ones keep their place: to give it to a later letter would let one between be missed.
        while self.heads.len() + self.closed.len() > self.capacity {
            let last = self.heads.keys().next_back().max(self.closed.iter().next_back()).cloned();
            let Some(last) = last else { return };
            self.heads.remove(&last);
            self.closed.remove(&last);
            self.until = self.heads.keys().next_back().max(self.closed.iter().next_back()).cloned();
        }
    }

    /// The topic was read to its end.
    pub(super) fn caught_up(&mut self) {
        self.closed.clear();
    }

    /// Whether a letter of this id would be in the window.
    pub(super) fn covers(&self, id: &LetterId) -> bool {
        self.after.as_ref().is_none_or(|after| after < id)
            && self.until.as_ref().is_none_or(|until| id <= until)
    }

    /// Whether what comes right after this id would be.
    pub(super) fn covers_after(&self, id: Option<&LetterId>) -> bool {
        match (id, &self.after) {
            (_, None) => self.until.as_ref().is_none_or(|until| id.is_none_or(|id| id < until)),
            (None, Some(_)) => false,
            (Some(id), Some(after)) => after <= id && self.until.as_ref().is_none_or(|until| id < until),
        }
    }

    /// The last id that the window reaches to; `None` when it reaches to the end.
    pub(super) fn until(&self) -> Option<&LetterId> {
        self.until.as_ref()
    }

    /// The letter of this id.
    pub(super) fn get(&self, id: &LetterId) -> Option<&Head> {
        self.heads.get(id)
    }

    /// The letters after this id, ascending.
    pub(super) fn heads_after(&self, id: Option<&LetterId>) -> impl Iterator<Item = &Head> {
        let start = id.map_or(Unbounded, Excluded);
        self.heads.range::<LetterId, _>((start, Unbounded)).map(|(_, head)| head)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use replay_core::reject::Reason;

    use super::*;

    fn id(offset: u64) -> LetterId {
        LetterId { topic: "t".into(), partition: 0, offset }
    }

    fn letter(offset: u64, attempts: u32) -> Entry {
        let letter = DeadLetter {
            id: id(offset),
            reason: Reason::Bomb,
            detail: String::new(),
            project_id: None,
            session_id: None,
            received_at_ms: 0,
            dead_at_ms: 0,
            attempts,
            payload_size: 0,
            payload: None,
        };
        Entry::Letter(Box::new(letter), None)
    }

    /// Reads the log through windows, as a listing does.
    fn listed(log: &[(u64, Option<u32>)], capacity: usize) -> Vec<(u64, u32)> {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let mut index = Index::new(capacity, after.clone());
            for (offset, &(name, letter_of)) in log.iter().enumerate() {
                let entry = letter_of.map_or(Entry::Closed(id(name)), |attempts| letter(name, attempts));
                index.apply(Place { partition: 0, offset: offset as u64 }, entry);
                prop_len(&index, capacity);
            }
            index.caught_up();
            let heads = index.heads_after(after.as_ref());
            seen.extend(heads.map(|head| (head.letter.id.offset, head.letter.attempts)));
            match index.until() {
                None => return seen,
                Some(until) => after = Some(until.clone()),
            }
        }
    }

    fn prop_len(index: &Index, capacity: usize) {
        assert!(index.heads.len() + index.closed.len() <= capacity);
    }

    proptest! {
        /// Whatever the size of the window, every letter is listed once, as it was last written.
        #[test]
        fn windows_hide_nothing(
            log in prop::collection::vec((0_u64..12, prop::option::of(0_u32..100)), 0..60),
            capacity in 1_usize..8,
        ) {
            let mut model = BTreeMap::new();
            for &(name, letter_of) in &log {
                match letter_of {
                    Some(attempts) => { model.insert(name, attempts); }
                    None => { model.remove(&name); }
                }
            }
            prop_assert_eq!(listed(&log, capacity), model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_window_says_what_it_covers() {
        let mut index = Index::new(2, Some(id(3)));
        assert!(!index.covers_after(None) && !index.covers(&id(3)) && index.covers(&id(99)));
        for (offset, name) in [9, 5, 7, 1].into_iter().enumerate() {
            index.apply(Place { partition: 0, offset: offset as u64 }, letter(name, 1));
        }
        assert_eq!(index.until(), Some(&id(7)));
        assert!(index.covers(&id(6)) && !index.covers(&id(8)));
        assert!(index.covers_after(Some(&id(3))) && index.covers_after(Some(&id(6))));
        assert!(!index.covers_after(Some(&id(7))) && !index.covers_after(Some(&id(2))));
        assert!(index.get(&id(5)).is_some() && index.get(&id(9)).is_none());
    }
}
