//! What a plugin answers, and what can be wrong with it.

/// What to put in the place of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// One such character for each character (Unicode scalar); white space is kept. In a JSON number
    /// each digit becomes 0. One of [`Replacement::MASKS`].
    Mask(char),
    /// This text. In a JSON number it counts as a mask.
    Text(String),
    /// Nothing, in the place of the whole field, whatever the range: an empty picture, 0 for a number,
    /// no text for anything else. The field's only edit.
    Blank,
}

impl Replacement {
    /// The characters that may mask.
    pub const MASKS: [char; 5] = ['*', '•', '█', 'x', '0'];
}

/// A byte range inside a field, and what to put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Row of the field in the index that the plugin was given.
    pub field: u32,
    /// First byte, from the field's start.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What comes there.
    pub replacement: Replacement,
}

/// What a plugin changes in one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In any order; none may overlap another.
    pub edits: Vec<Edit>,
    /// Positions of events to leave out.
    pub remove_events: Vec<u32>,
    /// Elements of which nothing but the box is left.
    pub block_nodes: Vec<u32>,
    /// What is left out of lists.
    pub drop_items: Vec<Item>,
}

/// One thing of a list that the events hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// One position of a mouse, touch or drag move: event, position in the event's list. An event that
    /// has none left leaves with them.
    Position(u32, u32),
    /// The request that the field in this row belongs to.
    Request(u32),
    /// The header that the field in this row belongs to.
    Header(u32),
}

/// What a plugin says of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it is.
    Keep,
    /// Leave the chunk out; the number is a row of the manifest's drop reasons.
    Drop(u32),
    /// Change it.
    Change(Changes),
    /// These events instead: one JSON array.
    Replace(Vec<u8>),
}

/// Why a plugin's answer is refused as a whole. Holds no text of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chunk {chunk}: {kind}")]
pub struct EditFault {
    /// Position of the chunk in the batch.
    pub chunk: usize,
    /// What is wrong.
    pub kind: EditFaultKind,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditFaultKind {
    /// Not one verdict for each chunk.
    #[error("{got} verdicts for {wanted} chunks")]
    VerdictCount {
        /// Verdicts in the answer.
        got: usize,
        /// Chunks in the batch.
        wanted: usize,
    },
    /// More edits, or more replacement text, than allowed.
    #[error("too many or too large edits")]
    TooMuch,
    /// A field that is not there.
    #[error("edit {edit} names no field")]
    NoSuchField {
        /// Position of the edit.
        edit: usize,
    },
    /// A range outside its field, or turned around.
    #[error("edit {edit} is out of range")]
    OutOfRange {
        /// Position of the edit.
        edit: usize,
    },
    /// A range that cuts a character in two.
    #[error("edit {edit} is not on character boundaries")]
    OffBoundary {
        /// Position of the edit.
        edit: usize,
    },
    /// Two edits of the same byte.
    #[error("edit {edit} overlaps another")]
    Overlap {
        /// Position of the edit.
        edit: usize,
    },
    /// A mask character that is none, anything but `blank` for pixels, text for code.
    #[error("edit {edit} is of a kind that its field does not take")]
    WrongReplacement {
        /// Position of the edit.
        edit: usize,
    },
    /// Text that would make a replay load from where the field did not point.
    #[error("edit {edit} brings in an address")]
    ForeignOrigin {
        /// Position of the edit.
        edit: usize,
    },
    /// An event that is not there, or that playback cannot miss.
    #[error("event {event} cannot be removed")]
    NotRemovable {
        /// Position of the event.
        event: u32,
    },
    /// An element that is not known, so that nobody can tell what is inside; or no element.
    #[error("node {node} is no known element, and cannot be blocked")]
    NotBlockable {
        /// Its id.
        node: u32,
    },
    /// A position or a field that is not there.
    #[error("item {item} is not there")]
    NoSuchItem {
        /// Position of the item.
        item: usize,
    },
    /// `replace` without the operator's leave.
    #[error("`replace` is not allowed")]
    ReplaceNotAllowed,
    /// `replace` with what is not an array of events, or leaves out what playback needs.
    #[error("`replace` with what is no recording")]
    BadReplace,
    /// More than masks from a plugin that may only mask.
    #[error("only masks are allowed")]
    OnlyMasks,
    /// A drop reason that the manifest does not have.
    #[error("no such drop reason")]
    NoSuchReason,
}
