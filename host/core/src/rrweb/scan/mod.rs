//! One pass over a chunk's events: every field, with its text decoded and its place in the bytes.
//!
//! `walk` goes through the bytes, `schema` says what stands where, `nodes` finds out whose it is, and
//! `output` collects. `packed` opens what arrived compressed, before the walk.

mod attributes;
pub(super) mod decoded;
mod head;
mod known;
pub(super) mod lex;
mod nodes;
mod output;
mod packed;
mod schema;
mod slot;
mod walk;
pub(super) mod words;

use super::elements::Elements;
use super::kind::{Kind, Kinds};
use walk::{Stop, Walker};

/// The bounds of one scan.
#[derive(Clone, Copy, Debug)]
pub struct ScanLimits {
    /// Bytes of the events once packed ones are unpacked.
    pub max_raw_chunk_bytes: usize,
    /// Unpacked bytes for each packed one.
    pub max_ratio: u32,
    /// Nesting of the events.
    pub max_depth: usize,
    /// Fields of a chunk.
    pub max_fields: usize,
}

/// How a field is written in the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A JSON string (the raw range is between its quotes).
    String,
    /// An object's key (the raw range is between its quotes).
    Key,
    /// A JSON number.
    Number,
    /// An array of numbers that are pixels or samples.
    Numbers,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Position of its event.
    pub event: u32,
    /// The node that it belongs to, 0 for none.
    pub node: u32,
    /// What it is.
    pub kind: Kind,
    /// Row in [`Scan::names`].
    pub name: u32,
    /// Nearest element's node id, 0 if unknown.
    pub element: u32,
    /// Where its decoded text is in [`Scan::text`].
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Where it is in [`Scan::json`].
    pub raw_start: u32,
    /// One past the last byte.
    pub raw_end: u32,
    /// How it is written.
    pub shape: Shape,
    /// Whether the raw bytes differ from the decoded text (escapes).
    pub escaped: bool,
}

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSpan {
    /// First byte in [`Scan::json`].
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// rrweb's `type`, if it is a small whole number.
    pub event_type: Option<u8>,
    /// rrweb's `data.source`, likewise.
    pub source: Option<u8>,
}

/// The focus came to a node or left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FocusChange {
    /// Position of the event.
    pub event: u32,
    /// Which node.
    pub node: u32,
    /// Came, or left.
    pub focused: bool,
}

/// What a chunk holds.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// The events: one compact JSON array, packed ones unpacked.
    pub json: Vec<u8>,
    /// Whether any event arrived packed, so that `json` is not what arrived.
    pub was_packed: bool,
    /// Where each event is.
    pub events: Vec<EventSpan>,
    /// The fields of the kinds asked for, in the order of the bytes.
    pub fields: Vec<Field>,
    /// Their decoded text, each followed by `\n`.
    pub text: Vec<u8>,
    /// Attribute, property and key names; row 0 is empty.
    pub names: Vec<String>,
    /// Where the focus went.
    pub focus: Vec<FocusChange>,
    /// The page open at the chunk's start, if known: as text, or as the field that holds it.
    pub page_url: Option<String>,
    /// The field that `page_url` was read from, if it stands in this chunk and `Url` was asked for.
    pub page_url_field: Option<u32>,
    /// Whether `page_url` stands in this chunk; else it was known before.
    pub page_url_is_own: bool,
    /// The last `Meta` address in the chunk.
    pub last_url: Option<String>,
    /// The field of `last_url` if `Url` was asked for: what later chunks of the page begin with (see
    /// [`Elements::set_page_url`]).
    pub last_url_field: Option<u32>,
    /// Which page load of the session.
    pub page: u32,
}

/// Why a chunk cannot be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A packed event does not open.
    #[error("packed event {event} does not open")]
    PackedUnreadable {
        /// Position of the event.
        event: u32,
    },
    /// Unpacked it is over its cap.
    #[error("packed event {event} unpacks to more than is allowed")]
    Bomb {
        /// Position of the event.
        event: u32,
    },
    /// More fields than allowed, or more bytes than offsets can name.
    #[error("more fields or text than is allowed")]
    TooMuch,
    /// Not an array of events (it was one when it was received).
    #[error("not an array of events")]
    NotEvents,
}

/// Which chunk of a session is scanned: by this the table of elements knows its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// Restarts at 0 on every page load.
    pub chunk_index: u32,
    /// First event, Unix milliseconds.
    pub timestamp_start_ms: u64,
}

/// Finds the fields of `kinds` in `json`, one array of events that was validated on receipt.
///
/// `elements` is what earlier chunks of the session said, and learns what this one says. Chunks of a
/// batch are scanned in order of play. What a chunk said before an error stays known: it is true.
pub fn scan(
    json: Vec<u8>,
    place: ChunkPlace,
    kinds: Kinds,
    elements: &mut Elements,
    limits: &ScanLimits,
) -> Result<Scan, ScanError> {
    let page = elements.page_of(place);
    scan_on_page(json, page, kinds, elements, limits)
}

/// As [`scan`], for a chunk whose page is known.
pub(super) fn scan_on_page(
    json: Vec<u8>,
    page: u32,
    kinds: Kinds,
    elements: &mut Elements,
    limits: &ScanLimits,
) -> Result<Scan, ScanError> {
    check(&json)?;
    let url_before = elements.page_url(page).map(str::to_owned);
    match walk_events(&json, page, kinds, elements, limits) {
        Ok(scan) => Ok(Scan { json, page, page_url: scan.page_url.or(url_before), ..scan }),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Packed) => {
            let json = packed::unpack(&json, limits)?;
            check(&json)?;
            elements.set_page_url(page, url_before.clone());
            let scan = walk_events(&json, page, kinds, elements, limits).map_err(|stop| match stop {
                Stop::Error(error) => error,
                Stop::Packed => ScanError::NotEvents,
            })?;
            let page_url = scan.page_url.or(url_before);
            Ok(Scan { json, was_packed: true, page, page_url, ..scan })
        }
    }
}

/// Offsets must fit, and text be text.
fn check(json: &[u8]) -> Result<(), ScanError> {
    if json.len() >= u32::MAX as usize {
        return Err(ScanError::TooMuch);
    }
    std::str::from_utf8(json).map(|_| ()).map_err(|_| ScanError::NotEvents)
}

fn walk_events(
    json: &[u8],
    page: u32,
    kinds: Kinds,
    elements: &mut Elements,
    limits: &ScanLimits,
) -> Result<Scan, Stop> {
    let mut walker = Walker::new(json, page, kinds, elements, limits);
    walker.run()?;
    let out = walker.out;
    Ok(Scan {
        events: out.events,
        fields: out.fields,
        text: out.text,
        names: out.names.into_rows(),
        focus: out.focus,
        page_url_is_own: out.page_url.is_some(),
        page_url: out.page_url,
        page_url_field: out.page_url_field,
        last_url: out.last_url,
        last_url_field: out.last_url_field,
        ..Scan::default()
    })
}
