//! What a host hands over of a chunk, and from where.

/// What is known of a chunk without looking at its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Project id.
    pub project_id: String,
    /// Session id.
    pub session_id: String,
    /// Restarts at 0 on every page load of a visit.
    pub chunk_index: u32,
    /// Counts the page loads that the batch saw: node ids are a page's.
    pub page: u32,
    /// First event, Unix milliseconds by the browser's clock.
    pub timestamp_start_ms: u64,
    /// Last event, likewise.
    pub timestamp_end_ms: u64,
    /// Events that are left in the chunk.
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

/// An element as the recording knows it: not at one moment, but in all of the batch. One that was moved to
/// another parent within the batch is not known until the batch is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its node id.
    pub node: u32,
    /// Its parent's, 0 if there is none or it is not known.
    pub parent: u32,
    /// Lower case.
    pub tag: String,
    /// `type name id class autocomplete contenteditable data-*`. One that changed within the batch is there once
    /// for each value, the latest last: a field may have been recorded under any of them.
    pub attributes: Vec<(String, String)>,
}

impl Element {
    /// The latest value of an attribute, if it has it. To tell whether something must not be seen, go through
    /// all of [`Element::values`].
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.values(name).next_back()
    }

    /// Each value that an attribute had within the batch, the latest last.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.attributes.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
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

/// The mouse, a finger or what is dragged was somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Position of the event in the chunk.
    pub event: u32,
    /// Position in the event's list.
    pub position: u32,
    /// Milliseconds since the chunk's start.
    pub at_ms: u32,
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
    /// Moves, three little-endian u32 each: event, position in its list, milliseconds since the chunk's start.
    fn moves(&self) -> Vec<u8>;
    /// The elements that its events name and those around them, ascending, one little-endian u32 each.
    fn nodes(&self) -> Vec<u8>;
    /// The events as one JSON array.
    fn events(&self) -> Vec<u8>;
}

/// What a host handed over is not what the interface says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewError;
