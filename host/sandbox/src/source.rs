//! What a plugin is shown: a sealed batch, or the synthetic chunks of a trial run.

use replay_core::rrweb::{Batch, ChunkInfo, Element, Kinds, View};

/// Chunks that a plugin can ask about, by their position.
pub trait ChunkSource: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether the plugin does not see this one.
    fn is_dropped(&self, chunk: usize) -> bool;
    /// Bytes of text over all chunks, for the deadline.
    fn text_bytes(&self) -> usize;
    /// What is known of the chunk.
    fn info(&self, chunk: usize) -> Option<ChunkInfo>;
    /// Its fields of `kinds`.
    fn view(&self, chunk: usize, kinds: Kinds) -> Option<View>;
    /// Where the focus went.
    fn focus(&self, chunk: usize) -> Option<Vec<u8>>;
    /// Where mouse, touch and drag went.
    fn moves(&self, chunk: usize) -> Option<Vec<u8>>;
    /// The elements that its events name.
    fn nodes(&self, chunk: usize) -> Option<Vec<u8>>;
    /// An element of its page.
    fn element(&self, chunk: usize, node: u32) -> Option<Element>;
    /// Its events.
    fn events(&self, chunk: usize) -> Option<Vec<u8>>;
}

impl ChunkSource for Batch {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn is_dropped(&self, chunk: usize) -> bool {
        Self::is_dropped(self, chunk)
    }

    fn text_bytes(&self) -> usize {
        Self::text_bytes(self)
    }

    fn info(&self, chunk: usize) -> Option<ChunkInfo> {
        Self::info(self, chunk)
    }

    fn view(&self, chunk: usize, kinds: Kinds) -> Option<View> {
        Self::view(self, chunk, kinds)
    }

    fn focus(&self, chunk: usize) -> Option<Vec<u8>> {
        Self::focus(self, chunk)
    }

    fn moves(&self, chunk: usize) -> Option<Vec<u8>> {
        Self::moves(self, chunk)
    }

    fn nodes(&self, chunk: usize) -> Option<Vec<u8>> {
        Self::nodes(self, chunk)
    }

    fn element(&self, chunk: usize, node: u32) -> Option<Element> {
        Self::element(self, chunk, node)
    }

    fn events(&self, chunk: usize) -> Option<Vec<u8>> {
        Self::events(self, chunk)
    }
}
