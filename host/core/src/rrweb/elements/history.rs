//! What elements said earlier within the present batch. A batch is judged as a whole, when all of it is known:
//! text that was recorded inside of `.payment` must not pass because the class was taken away later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attributes::{Attributes, latest};

/// Bytes of attributes that are kept of one element, earlier ones included. Pages that hand over all their
/// data in one attribute stay below; an element that says more is not known.
pub(super) const MAX_ELEMENT_BYTES: usize = 256 << 10;

/// Times within a batch that an element may say something new. One that changes more often is not known until
/// the batch is over.
const MAX_SETS: usize = 128;

/// What a history takes beside its sets, and a set beside its bytes, about.
const HISTORY_BYTES: usize = 128;
const SET_BYTES: usize = 40;

/// Attributes that were told at once, encoded by [`Attributes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Whether the element has no others.
    pub(super) is_all: bool,
    pub(super) bytes: Arc<[u8]>,
}

/// What one element said beside the first that the table knows of it.
#[derive(Clone, Debug, Default)]
struct History {
    /// In order, each once: at the place where it was told last.
    sets: Vec<Told>,
    /// Of the sets.
    bytes: usize,
    /// Something that was true earlier in this batch is not kept: other values, or another parent.
    is_unclear: bool,
    /// There was no room for its attributes; until all of them are told again.
    is_lost: bool,
}

/// The histories of a page's elements. Most have none.
#[derive(Clone, Debug, Default)]
pub(super) struct Histories {
    of: Arc<BTreeMap<u32, Arc<History>>>,
    /// Of all sets.
    bytes: usize,
}

impl Histories {
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.of.len() * HISTORY_BYTES
    }

    /// Whether all is known that was true of an element within the batch.
    pub(super) fn is_clear(&self, node: u32) -> bool {
        self.of.get(&node).is_none_or(|history| !history.is_unclear && !history.is_lost)
    }

    /// All that an element said, whose `first` attributes these are: a value that holds no longer stands before
    /// the later ones of its name.
    pub(super) fn read(&self, node: u32, first: Option<&[u8]>) -> Vec<(String, String)> {
        let first = first.unwrap_or_default();
        let sets = self.of.get(&node).map_or(&[][..], |history| &history.sets);
        if sets.is_empty() {
            return Attributes::read(first);
        }
        let all = std::iter::once(first).chain(sets.iter().map(|told| &*told.bytes));
        let pairs = all.flat_map(Attributes::iter).filter_map(|(name, value)| Some((name, value?)));
        let mut pairs: Vec<_> = pairs.collect();
        let mut seen = BTreeSet::new();
        pairs.reverse();
        pairs.retain(|pair| seen.insert(*pair));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs.into_iter().rev().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// Something that was true of an element is not kept.
    pub(super) fn set_unclear(&mut self, node: u32) {
        self.of_mut(node).is_unclear = true;
    }

    /// There is no room for the attributes of an element.
    pub(super) fn lose(&mut self, node: u32) {
        let history = self.of_mut(node);
        let bytes = history.bytes;
        *history = History { is_unclear: true, is_lost: true, ..History::default() };
        self.bytes -= bytes;
    }

    /// Takes in what is told of an element beside its `first` attributes; `room` bytes may be added.
    pub(super) fn tell(&mut self, node: u32, first: &mut Option<Arc<[u8]>>, told: Told, room: usize) {
        let known = self.of.get(&node);
        let is_lost = known.is_some_and(|history| history.is_lost);
        let has_sets = known.is_some_and(|history| !history.sets.is_empty());
        let first_bytes = first.as_ref().map_or(0, |bytes| bytes.len());
        let bytes = told.bytes.len() + SET_BYTES;
        let fits = |kept: usize| bytes <= room && kept.saturating_add(bytes) <= MAX_ELEMENT_BYTES;
        if is_lost {
            // What it had is not known, so what changed says little.
            if told.is_all && fits(0) {
                *first = Some(told.bytes);
                let history = self.of_mut(node);
                (history.is_lost, history.is_unclear) = (false, true);
            }
            return;
        }
        if told.is_all && !has_sets && *told.bytes == *first.as_deref().unwrap_or_default() {
            return;
        }
        let history = self.of_mut(node);
        if let Some(at) = history.sets.iter().position(|known| *known == told) {
            let told = history.sets.remove(at);
            history.sets.push(told);
            return;
        }
        if !fits(first_bytes + history.bytes) {
            *first = None;
            self.lose(node);
            return;
        }
        history.sets.push(told);
        history.bytes += bytes;
        let mut added = bytes;
        let mut gone = 0;
        if history.sets.len() > MAX_SETS {
            // At most once for so many changes, so that a change costs what it says.
            *first = latest(first.as_deref(), &history.sets);
            history.sets.clear();
            (added, gone) = (0, std::mem::take(&mut history.bytes) - bytes);
            history.is_unclear = true;
        }
        self.bytes = self.bytes + added - gone;
    }

    /// The node is forgotten.
    pub(super) fn forget(&mut self, node: u32) {
        if self.of.contains_key(&node)
            && let Some(history) = Arc::make_mut(&mut self.of).remove(&node)
        {
            self.bytes -= history.bytes;
        }
    }

    /// The batch is over: `each` is told what elements said last, and nothing else is kept.
    pub(super) fn settle(&mut self, mut each: impl FnMut(u32, &[Told])) {
        let mut lost = BTreeMap::new();
        for (node, history) in &*self.of {
            if history.is_lost {
                lost.insert(*node, Arc::new(History { is_lost: true, ..History::default() }));
            } else if !history.sets.is_empty() {
                each(*node, &history.sets);
            }
        }
        *self = Self { of: Arc::new(lost), bytes: 0 };
    }

    fn of_mut(&mut self, node: u32) -> &mut History {
        Arc::make_mut(Arc::make_mut(&mut self.of).entry(node).or_default())
    }
}
