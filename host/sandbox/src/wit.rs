//! The interface's types (`wit/1.0.0/replay.wit`) as they cross the boundary, and what they are in the
//! core's terms.

use replay_core::rrweb;
use wasmtime::component::{ComponentType, Lift, Lower};

/// The instance that a plugin imports.
pub(crate) const CHUNKS: &str = "gosight:replay/chunks@1.0.0";
/// The interface, without its version.
pub(crate) const CHUNKS_UNVERSIONED: &str = "gosight:replay/chunks";
/// The version spoken here.
pub(crate) const VERSION: &str = "1.0.0";

/// The resource `chunk`: a handle's number is the chunk's position among those shown.
pub(crate) struct Chunk;

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct ChunkInfo {
    #[component(name = "project-id")]
    project_id: String,
    #[component(name = "session-id")]
    session_id: String,
    #[component(name = "chunk-index")]
    chunk_index: u32,
    page: u32,
    #[component(name = "timestamp-start")]
    timestamp_start: u64,
    #[component(name = "timestamp-end")]
    timestamp_end: u64,
    #[component(name = "event-count")]
    event_count: u32,
    #[component(name = "has-full-snapshot")]
    has_full_snapshot: bool,
    #[component(name = "page-url")]
    page_url: Option<String>,
}

impl From<rrweb::ChunkInfo> for ChunkInfo {
    fn from(info: rrweb::ChunkInfo) -> Self {
        Self {
            project_id: info.project_id,
            session_id: info.session_id,
            chunk_index: info.chunk_index,
            page: info.page,
            timestamp_start: info.timestamp_start_ms,
            timestamp_end: info.timestamp_end_ms,
            event_count: info.event_count,
            has_full_snapshot: info.has_full_snapshot,
            page_url: info.page_url,
        }
    }
}

/// Text and index cross as one copy each: a `Vec<u8>` is lowered as a whole.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Fields {
    text: Vec<u8>,
    index: Vec<u8>,
    names: Vec<String>,
}

impl From<rrweb::View> for Fields {
    fn from(view: rrweb::View) -> Self {
        Self { text: view.text, index: view.index, names: view.names }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct Element {
    node: u32,
    parent: u32,
    tag: String,
    attributes: Vec<(String, String)>,
}

impl From<rrweb::Element> for Element {
    fn from(element: rrweb::Element) -> Self {
        Self { node: element.node, parent: element.parent, tag: element.tag, attributes: element.attributes }
    }
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Replacement {
    #[component(name = "mask")]
    Mask(char),
    #[component(name = "text")]
    Text(String),
    #[component(name = "blank")]
    Blank,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Edit {
    field: u32,
    start: u32,
    end: u32,
    replacement: Replacement,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Item {
    #[component(name = "position")]
    Position((u32, u32)),
    #[component(name = "request")]
    Request(u32),
    #[component(name = "header")]
    Header(u32),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Changes {
    edits: Vec<Edit>,
    #[component(name = "remove-events")]
    remove_events: Vec<u32>,
    #[component(name = "block-nodes")]
    block_nodes: Vec<u32>,
    #[component(name = "drop-items")]
    drop_items: Vec<Item>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Verdict {
    #[component(name = "keep")]
    Keep,
    #[component(name = "drop")]
    Drop(u32),
    #[component(name = "change")]
    Change(Changes),
    #[component(name = "replace")]
    Replace(Vec<u8>),
}

impl From<Verdict> for rrweb::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Keep => Self::Keep,
            Verdict::Drop(reason) => Self::Drop(reason),
            Verdict::Change(changes) => Self::Change(rrweb::Changes {
                edits: changes.edits.into_iter().map(edit).collect(),
                remove_events: changes.remove_events,
                block_nodes: changes.block_nodes,
                drop_items: changes.drop_items.into_iter().map(item).collect(),
            }),
            Verdict::Replace(events) => Self::Replace(events),
        }
    }
}

fn item(item: Item) -> rrweb::Item {
    match item {
        Item::Position((event, position)) => rrweb::Item::Position(event, position),
        Item::Request(field) => rrweb::Item::Request(field),
        Item::Header(field) => rrweb::Item::Header(field),
    }
}

fn edit(edit: Edit) -> rrweb::Edit {
    let replacement = match edit.replacement {
        Replacement::Mask(mask) => rrweb::Replacement::Mask(mask),
        Replacement::Text(text) => rrweb::Replacement::Text(text),
        Replacement::Blank => rrweb::Replacement::Blank,
    };
    rrweb::Edit { field: edit.field, start: edit.start, end: edit.end, replacement }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) kinds: u32,
    pub(crate) redacts: bool,
    #[component(name = "needs-events")]
    pub(crate) needs_events: bool,
    #[component(name = "needs-elements")]
    pub(crate) needs_elements: bool,
    #[component(name = "drop-reasons")]
    pub(crate) drop_reasons: Vec<String>,
    #[component(name = "error-codes")]
    pub(crate) error_codes: Vec<String>,
    #[component(name = "config-schema")]
    pub(crate) config_schema: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[expect(dead_code, reason = "the derive makes them from their number")]
#[repr(u8)]
pub(crate) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}
