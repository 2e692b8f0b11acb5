//! One page load: which chunks belong to it, its address, its nodes.

use super::table::Table;
use crate::rrweb::scan::ChunkPlace;

/// What is known of one page load.
#[derive(Clone, Debug)]
pub(in crate::rrweb) struct Page {
    start: ChunkPlace,
    last: ChunkPlace,
    url: Option<String>,
    nodes: Table,
}

impl Page {
    /// The page whose first seen chunk is at `place`.
    pub(super) fn new(place: ChunkPlace) -> Self {
        Self { start: place, last: place, url: None, nodes: Table::default() }
    }

    /// Whether the chunk at `place` is the next of this page, or the last one or the first once more.
    /// After a gap nobody knows: the first chunk of another page may be what is missing, and its node ids
    /// are not those of this one.
    pub(super) fn takes(&mut self, place: ChunkPlace) -> bool {
        let is_next = Some(place.chunk_index) == self.last.chunk_index.checked_add(1)
            && place.timestamp_start_ms >= self.last.timestamp_start_ms;
        if is_next {
            self.last = place;
        }
        is_next || self.last == place || self.start == place
    }

    /// Whether the chunk at `place` comes after all that is known of this page.
    pub(super) fn is_before(&self, place: ChunkPlace) -> bool {
        place.timestamp_start_ms > self.last.timestamp_start_ms
    }

    pub(super) fn bytes(&self) -> usize {
        self.nodes.bytes() + self.url.as_ref().map_or(0, String::len)
    }

    pub(in crate::rrweb) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    pub(in crate::rrweb) fn set_url(&mut self, url: Option<String>) {
        self.url = url;
    }

    /// The batch is over.
    pub(super) fn settle(&mut self) {
        self.nodes.settle();
    }

    pub(in crate::rrweb) fn nodes(&self) -> &Table {
        &self.nodes
    }

    pub(in crate::rrweb) fn nodes_mut(&mut self) -> &mut Table {
        &mut self.nodes
    }
}
