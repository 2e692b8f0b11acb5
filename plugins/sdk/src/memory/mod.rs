//! Chunks in memory, made by hand or of recorded fields: for a plugin's own unit tests.

mod outcome;
mod shown;

use std::collections::BTreeMap;
use std::ops::Range;

pub use outcome::{Outcome, outcomes_in_memory, run_in_memory};

use crate::model::{ChunkInfo, Element, Kind, Move};

/// A chunk in memory, on page 0. Fields stand in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct MemoryChunk {
    info: ChunkInfo,
    texts: Vec<String>,
    rows: Vec<[u32; 6]>,
    names: Vec<String>,
    elements: BTreeMap<u32, Element>,
    focus: Vec<[u32; 3]>,
    moves: Vec<Move>,
    /// Event and node of what happened to a node and has no field.
    interactions: Vec<(u32, u32)>,
    /// The fields of each request, and of each header.
    requests: Vec<Range<usize>>,
    headers: Vec<Range<usize>>,
    events: u32,
}

impl MemoryChunk {
    /// An empty chunk.
    pub fn new() -> Self {
        Self { names: vec![String::new()], ..Self::default() }
    }

    /// Sets what is known of it.
    #[must_use]
    pub fn info(mut self, info: ChunkInfo) -> Self {
        self.info = info;
        self
    }

    /// Sets the page load that it belongs to, and the fields added from now on.
    #[must_use]
    pub fn page(mut self, page: u32) -> Self {
        self.info.page = page;
        self
    }

    /// Adds a field of an event of its own.
    #[must_use]
    pub fn field(self, kind: Kind, node: u32, name: &str, text: &str) -> Self {
        self.fields(&[(kind, node, node, name, text)])
    }

    /// Adds the fields of one event, each with its kind, node, nearest element, name and text.
    #[must_use]
    pub fn fields(mut self, fields: &[(Kind, u32, u32, &str, &str)]) -> Self {
        let event = self.next_event();
        for &(kind, node, element, name, text) in fields {
            self.push(event, kind, node, name, text);
            if let Some(row) = self.rows.last_mut() {
                row[5] = element;
            }
        }
        self
    }

    /// Adds a request of rrweb's network plugin, as an event of its own: its fields by name, and its
    /// request headers, each a field for the name and one for the value.
    #[must_use]
    pub fn request(mut self, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Self {
        let event = self.next_event();
        let first = self.rows.len();
        for &(name, text) in fields {
            self.push(event, Kind::Network, 0, name, text);
        }
        for &(name, value) in headers {
            self.push(event, Kind::Network, 0, "requestHeaders", name);
            self.push(event, Kind::Network, 0, name, value);
            self.headers.push(self.rows.len() - 2..self.rows.len());
        }
        self.requests.push(first..self.rows.len());
        self
    }

    /// Adds a focus (or a blur) as an event of its own.
    #[must_use]
    pub fn focus(mut self, node: u32, focused: bool) -> Self {
        let event = self.next_event();
        self.focus.push([event, node, u32::from(focused)]);
        self
    }

    /// Adds something that happened to a node and has no field, as an event of its own: a click, say.
    #[must_use]
    pub fn interaction(mut self, node: u32) -> Self {
        let event = self.next_event();
        self.interactions.push((event, node));
        self
    }

    /// Adds a move as an event of its own: for each position the milliseconds since the chunk's start.
    #[must_use]
    pub fn moves(mut self, at_ms: &[u32]) -> Self {
        let event = self.next_event();
        self.moves.extend((0..).zip(at_ms).map(|(position, &at_ms)| Move { event, position, at_ms }));
        self
    }

    /// Makes an element known: its tag, parent and attributes. A host tells of an element as it was in all of
    /// the batch, so an attribute that changed is given once for each value, the latest last, and an element
    /// that was moved to another parent is left out.
    #[must_use]
    pub fn element(mut self, node: u32, tag: &str, parent: u32, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        self.elements.insert(node, Element { node, parent, tag: tag.into(), attributes });
        self
    }

    fn next_event(&mut self) -> u32 {
        self.events += 1;
        self.events - 1
    }

    fn push(&mut self, event: u32, kind: Kind, node: u32, name: &str, text: &str) {
        self.add([event, node, kind as u32, self.info.page, node], name, text);
    }

    /// Adds a field with its place as a host numbers it: event, node, kind, page, element.
    pub(crate) fn add(&mut self, [event, node, kind, page, element]: [u32; 5], name: &str, text: &str) {
        let row = self.names.iter().position(|known| known == name).unwrap_or(self.names.len());
        if row == self.names.len() {
            self.names.push(name.into());
        }
        let name = u32::try_from(row).unwrap_or_default();
        self.rows.push([event, node, kind, name, page, element]);
        self.texts.push(text.into());
    }
}
