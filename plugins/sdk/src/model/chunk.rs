//! One chunk as a plugin sees it, whether the host is behind a component boundary or not.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;

use super::edit::{Changes, Edit, Item, Replacement, Verdict, normalised};
use super::field::Field;
use super::source::{ChunkInfo, Element, FieldsView, FocusChange, Move, Source, ViewError};

/// Bytes of one row of the index: eight little-endian u32.
pub(crate) const ROW_BYTES: usize = 32;

/// Elements around one another that are looked at.
const MAX_DEPTH: usize = 1024;

/// One chunk: what it holds, and what the plugin made of it so far.
pub struct Chunk<'a> {
    source: &'a dyn Source,
    text: String,
    index: Vec<u8>,
    names: Vec<String>,
    info: OnceCell<ChunkInfo>,
    focus: OnceCell<Vec<FocusChange>>,
    moves: OnceCell<Vec<Move>>,
    nodes: OnceCell<Vec<u32>>,
    edits: RefCell<Vec<Edit>>,
    removed: RefCell<Vec<u32>>,
    blocked: RefCell<BTreeSet<u32>>,
    items: RefCell<Vec<Item>>,
    dropped: Cell<Option<u32>>,
    replaced: RefCell<Option<Vec<u8>>>,
}

impl<'a> Chunk<'a> {
    /// Asks `source` for the fields and checks them.
    pub fn new(source: &'a dyn Source) -> Result<Self, ViewError> {
        let FieldsView { text, index, names } = source.fields();
        let text = String::from_utf8(text).map_err(|_| ViewError)?;
        let chunk = Self {
            source,
            text,
            index,
            names,
            info: OnceCell::new(),
            focus: OnceCell::new(),
            moves: OnceCell::new(),
            nodes: OnceCell::new(),
            edits: RefCell::default(),
            removed: RefCell::default(),
            blocked: RefCell::default(),
            items: RefCell::default(),
            dropped: Cell::default(),
            replaced: RefCell::default(),
        };
        if chunk.is_sound() { Ok(chunk) } else { Err(ViewError) }
    }

    /// Whether rows are whole, in order, inside the text and on character boundaries.
    fn is_sound(&self) -> bool {
        let mut last = 0;
        self.index.len().is_multiple_of(ROW_BYTES)
            && self.rows().iter().all(|row| {
                let Range { start, end } = range_of(row);
                let is_ordered = last <= start && start <= end;
                last = end;
                is_ordered && self.text.is_char_boundary(start) && self.text.is_char_boundary(end)
            })
    }

    /// Number of its fields.
    pub fn len(&self) -> usize {
        self.index.len() / ROW_BYTES
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Its fields in the order in which they stand in the events.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = Field<'_>> {
        (0..self.len()).map(|row| Field { chunk: self, row })
    }

    /// One field, by its row.
    pub fn field(&self, row: usize) -> Option<Field<'_>> {
        (row < self.len()).then_some(Field { chunk: self, row })
    }

    /// The text of all fields, each followed by `\n`: to search them all at once.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that its fields have; row 0 is empty.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What is known of it.
    pub fn info(&self) -> &ChunkInfo {
        self.info.get_or_init(|| self.source.info())
    }

    /// An element of the chunk's page; `None` when the host does not know it: then treat its fields as
    /// user text or input.
    pub fn element(&self, node: u32) -> Option<Element> {
        self.source.element(node)
    }

    /// The element and those around it, from the inside out, as far as the host knows them.
    pub fn around(&self, node: u32) -> impl Iterator<Item = Element> + '_ {
        let parent = |element: &Element| self.element(element.parent).filter(|_| element.parent != 0);
        // A recording may say that two elements are inside each other.
        std::iter::successors(self.element(node), parent).take(MAX_DEPTH)
    }

    /// Where the focus went, in order.
    pub fn focus(&self) -> &[FocusChange] {
        self.focus.get_or_init(|| {
            let rows = self.source.focus();
            let change = |row: &[u8]| {
                let [event, node, focused] = [0, 4, 8].map(|at| u32_at(row, at));
                FocusChange { event, node, focused: focused != 0 }
            };
            rows.chunks_exact(12).map(change).collect()
        })
    }

    /// Where mouse, touch and drag went, in order of the events. [`Chunk::drop_move`] takes one out.
    pub fn moves(&self) -> &[Move] {
        self.moves.get_or_init(|| {
            let rows = self.source.moves();
            let moved = |row: &[u8]| {
                let [event, position, at_ms] = [0, 4, 8].map(|at| u32_at(row, at));
                Move { event, position, at_ms }
            };
            rows.chunks_exact(12).map(moved).collect()
        })
    }

    /// The elements that its events name, whether they have a field or not, and all that were around them
    /// then, in ascending order. What to block is found among them: a click into a form has no field.
    ///
    /// ```
    /// # use replay_plugin::Batch;
    /// fn block_forms(batch: &Batch<'_>) {
    ///     for chunk in batch.chunks() {
    ///         for &node in chunk.nodes() {
    ///             if chunk.element(node).is_some_and(|element| element.tag == "form") {
    ///                 assert!(chunk.block_node(node), "it is known");
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    pub fn nodes(&self) -> &[u32] {
        self.nodes.get_or_init(|| self.source.nodes().chunks_exact(4).map(|node| u32_at(node, 0)).collect())
    }

    /// The events as the plugins before this one left them: one JSON array. Slow.
    pub fn events(&self) -> Vec<u8> {
        self.source.events()
    }

    /// Leaves the chunk out, for the reason in this row of the manifest's drop reasons.
    pub fn drop_chunk(&self, reason: u32) {
        self.dropped.set(Some(reason));
    }

    /// Leaves an event out. Only what playback can miss: see the interface.
    pub fn remove_event(&self, event: u32) {
        self.removed.borrow_mut().push(event);
    }

    /// Leaves one position of a move out; an event that has none left leaves with its last.
    ///
    /// ```
    /// # use replay_plugin::Chunk;
    /// /// Ten positions a second are enough.
    /// fn thin(chunk: &Chunk<'_>) {
    ///     let mut last = None;
    ///     for moved in chunk.moves() {
    ///         let tenth = moved.at_ms / 100;
    ///         if last == Some(tenth) {
    ///             chunk.drop_move(*moved);
    ///         }
    ///         last = Some(tenth);
    ///     }
    /// }
    /// ```
    pub fn drop_move(&self, moved: Move) {
        self.drop_item(Item::Position(moved.event, moved.position));
    }

    /// Leaves nothing of an element but its box, in this chunk: what people read of it and all that is
    /// inside goes, and so do the events that speak of either. Ask in each chunk that names one of its
    /// nodes ([`Chunk::nodes`]).
    ///
    /// False, and nothing done, if the host does not know the element (or the manifest does not say
    /// `needs_elements`): then clear its fields.
    #[must_use = "an element that is not known is not blocked"]
    pub fn block_node(&self, node: u32) -> bool {
        let is_known = self.blocked.borrow().contains(&node) || self.element(node).is_some();
        if is_known {
            self.blocked.borrow_mut().insert(node);
        }
        is_known
    }

    /// Puts a whole new array of events in the place of these.
    pub fn replace_events(&self, events: Vec<u8>) {
        self.replaced.replace(Some(events));
    }

    #[inline]
    pub(super) fn edit(&self, row: usize, range: Range<usize>, replacement: Replacement) {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (start, end) = (offset(range.start), offset(range.end));
        self.edits.borrow_mut().push(Edit { field: offset(row), start, end, replacement });
    }

    pub(super) fn drop_item(&self, item: Item) {
        self.items.borrow_mut().push(item);
    }

    /// One of the eight numbers of a row; 0 outside the index.
    #[inline]
    pub(super) fn column(&self, row: usize, column: usize) -> u32 {
        self.rows().get(row).map_or(0, |row| u32_at(row, column * 4))
    }

    /// The rows of the index as they are, for those who look at each.
    #[inline]
    pub(crate) fn rows(&self) -> &[[u8; ROW_BYTES]] {
        self.index.as_chunks().0
    }

    /// Where a field's text is in [`Chunk::text`].
    #[inline]
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        self.rows().get(row).map_or(0..0, range_of)
    }

    /// The row of the field that holds this offset of [`Chunk::text`].
    pub(crate) fn row_at(&self, offset: usize) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.range(middle).end <= offset { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// As [`Chunk::row_at`], for an offset that is not before row `from`.
    pub(crate) fn row_from(&self, from: usize, offset: usize) -> usize {
        let is_before = |row: usize| row < self.len() && self.range(row).end <= offset;
        let (mut low, mut step) = (from, 1);
        while is_before(low + step) {
            low += step;
            step *= 2;
        }
        let mut high = (low + step).min(self.len());
        if !is_before(low) {
            high = low;
        }
        while low < high {
            let middle = low.midpoint(high);
            if is_before(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// What the plugin made of it.
    pub(super) fn into_verdict(self) -> Verdict {
        if let Some(reason) = self.dropped.get() {
            return Verdict::Drop(reason);
        }
        if let Some(events) = self.replaced.into_inner() {
            return Verdict::Replace(events);
        }
        let changes = Changes {
            edits: normalised(self.edits.into_inner()),
            remove_events: each_once(self.removed.into_inner()),
            block_nodes: self.blocked.into_inner().into_iter().collect(),
            drop_items: each_once(self.items.into_inner()),
        };
        if changes == Changes::default() { Verdict::Keep } else { Verdict::Change(changes) }
    }
}

fn each_once<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort_unstable();
    all.dedup();
    all
}

/// The last two numbers of a row.
#[inline]
fn range_of(row: &[u8; ROW_BYTES]) -> Range<usize> {
    u32_at(row, 24) as usize..u32_at(row, 28) as usize
}

/// A little-endian u32; 0 outside the bytes.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes)
}
