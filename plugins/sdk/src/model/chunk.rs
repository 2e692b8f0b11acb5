//! A batch of chunks as a plugin sees them, whether the host is behind a component boundary or not.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;

use super::edit::{Edit, Replacement, Verdict, normalised};
use super::field::Field;

/// Bytes of one row of the index: eight little-endian u32.
const ROW_BYTES: usize = 32;

/// What is known of a chunk without looking at its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Project id.
    pub project_id: String,
    /// Session id.
    pub session_id: String,
    /// Restarts at 0 on every page load of a visit.
    pub chunk_index: u32,
    /// First event, Unix milliseconds by the browser's clock.
    pub timestamp_start_ms: u64,
    /// Last event, likewise.
    pub timestamp_end_ms: u64,
    /// Events in the chunk.
    pub event_count: u32,
    /// Whether one is a full snapshot.
    pub has_full_snapshot: bool,
    /// The page that was open when the chunk began; `None` if that is not known.
    pub page_url: Option<String>,
}

/// The flat form of a chunk's fields, as it crosses the boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldsView {
    /// The fields' text, each followed by `\n`.
    pub text: Vec<u8>,
    /// Eight little-endian u32 a field: event, node, kind, name, page, element, start, end.
    pub index: Vec<u8>,
    /// Names; row 0 is empty.
    pub names: Vec<String>,
}

/// An element as the recording knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its node id.
    pub node: u32,
    /// Its parent's, 0 if there is none or it is not known.
    pub parent: u32,
    /// Lower case.
    pub tag: String,
    /// `type name id class autocomplete contenteditable data-*`.
    pub attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of an attribute, if it has it.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The focus came to a node or left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FocusChange {
    /// Position of the event in the chunk.
    pub event: u32,
    /// Which node.
    pub node: u32,
    /// Came, or left.
    pub focused: bool,
}

/// Where a chunk comes from: the host behind the component boundary, or memory.
pub trait Source {
    /// What is known of it.
    fn info(&self) -> ChunkInfo;
    /// Its fields.
    fn fields(&self) -> FieldsView;
    /// An element of its page.
    fn element(&self, node: u32) -> Option<Element>;
    /// Focus changes, three little-endian u32 each: event, node, 1 for a focus or 0 for a blur.
    fn focus(&self) -> Vec<u8>;
    /// The events as one JSON array.
    fn events(&self) -> Vec<u8>;
}

/// What a host handed over is not what the interface says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewError;

/// One chunk: what it holds, and what the plugin made of it so far.
pub struct Chunk<'a> {
    source: &'a dyn Source,
    text: String,
    index: Vec<u8>,
    names: Vec<String>,
    info: OnceCell<ChunkInfo>,
    focus: OnceCell<Vec<FocusChange>>,
    edits: RefCell<Vec<Edit>>,
    removed: RefCell<Vec<u32>>,
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
            edits: RefCell::default(),
            removed: RefCell::default(),
            dropped: Cell::default(),
            replaced: RefCell::default(),
        };
        if chunk.is_sound() { Ok(chunk) } else { Err(ViewError) }
    }

    /// Whether rows are whole, in order, inside the text and on character boundaries.
    fn is_sound(&self) -> bool {
        let mut end = 0;
        self.index.len().is_multiple_of(ROW_BYTES)
            && (0..self.len()).all(|row| {
                let range = self.range(row);
                let sound = end <= range.start && self.text.get(range.clone()).is_some();
                end = range.end;
                sound
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

    /// Puts a whole new array of events in the place of these.
    pub fn replace_events(&self, events: Vec<u8>) {
        self.replaced.replace(Some(events));
    }

    pub(super) fn edit(&self, row: usize, range: Range<usize>, replacement: Replacement) {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (start, end) = (offset(range.start), offset(range.end));
        self.edits.borrow_mut().push(Edit { field: offset(row), start, end, replacement });
    }

    /// One of the eight numbers of a row; 0 outside the index.
    #[inline]
    pub(super) fn column(&self, row: usize, column: usize) -> u32 {
        u32_at(&self.index, row * ROW_BYTES + column * 4)
    }

    /// Where a field's text is in [`Chunk::text`].
    #[inline]
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        self.column(row, 6) as usize..self.column(row, 7) as usize
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
    fn into_verdict(self) -> Verdict {
        let (edits, mut remove_events) = (normalised(self.edits.into_inner()), self.removed.into_inner());
        if let Some(reason) = self.dropped.get() {
            return Verdict::Drop(reason);
        }
        if let Some(events) = self.replaced.into_inner() {
            return Verdict::Replace(events);
        }
        if edits.is_empty() && remove_events.is_empty() {
            return Verdict::Keep;
        }
        remove_events.sort_unstable();
        remove_events.dedup();
        Verdict::Change { edits, remove_events }
    }
}

/// A little-endian u32; 0 outside the bytes.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes)
}

/// The chunks of one sealed batch: one tenant, one session, in order of play.
pub struct Batch<'a> {
    chunks: Vec<Chunk<'a>>,
}

impl<'a> Batch<'a> {
    /// From where each chunk comes.
    pub fn new(sources: impl IntoIterator<Item = &'a dyn Source>) -> Result<Self, ViewError> {
        Ok(Self { chunks: sources.into_iter().map(Chunk::new).collect::<Result<_, _>>()? })
    }

    /// Its chunks.
    pub fn chunks(&self) -> &[Chunk<'a>] {
        &self.chunks
    }

    /// The fields of all its chunks.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = Field<'_>> {
        self.chunks.iter().flat_map(Chunk::fields)
    }

    /// The answer: one verdict for each chunk.
    pub fn into_verdicts(self) -> Vec<Verdict> {
        self.chunks.into_iter().map(Chunk::into_verdict).collect()
    }
}
