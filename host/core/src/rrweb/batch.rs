//! One sealed batch under a chain of plugins: each sees what those before it left; the answers are
//! checked as a whole, and one splice at the end makes the bytes.

use super::edit::{EditFault, Verdict};
use super::elements::{Element, Elements};
use super::kind::{Kind, Kinds};
use super::scan::{ChunkPlace, Scan, ScanError, ScanLimits, scan};
use crate::pipeline::ChunkHead;

/// What plugins may do, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct EditRules {
    /// Whether `replace` is allowed (`allow_replace`).
    pub allow_replace: bool,
    /// Whether nothing but masks and blanks is allowed (`policy: mask_only`).
    pub mask_only: bool,
    /// Edits of a call beyond one a field.
    pub extra_edits: usize,
    /// Bytes of replacement text of a call.
    pub max_text_bytes: usize,
    /// Rows of the manifest's drop reasons.
    pub drop_reasons: u32,
}

/// What a plugin is told of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Project id.
    pub project_id: String,
    /// Session id.
    pub session_id: String,
    /// Restarts at 0 on every page load.
    pub chunk_index: u32,
    /// First event, Unix milliseconds.
    pub timestamp_start_ms: u64,
    /// Last event, Unix milliseconds.
    pub timestamp_end_ms: u64,
    /// Events in the chunk.
    pub event_count: u32,
    /// Whether one is a full snapshot.
    pub has_full_snapshot: bool,
    /// The page open at its start, as the plugins before left it.
    pub page_url: Option<String>,
}

/// The fields of one chunk as a plugin sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Decoded text, each field followed by `\n`.
    pub text: Vec<u8>,
    /// Eight little-endian u32 a field: event, node, kind, name, page, element, start, end.
    pub index: Vec<u8>,
    /// Names; row 0 is empty.
    pub names: Vec<String>,
}

/// What a chain redacted in a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redactions {
    /// Source bytes masked, replaced or removed: for the winner rule.
    pub bytes: u64,
    /// Fields changed, by kind.
    pub fields: [u32; Kind::ALL.len()],
    /// Events removed.
    pub events_removed: u32,
}

/// What a chain made of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Nothing changed: store what arrived.
    Unchanged,
    /// These events are to be stored.
    Changed {
        /// One compact JSON array.
        json: Vec<u8>,
        /// How much was redacted.
        redactions: Redactions,
        /// Events in `json`.
        event_count: u32,
        /// Whether one is a full snapshot.
        has_full_snapshot: bool,
    },
    /// A plugin dropped it (or no event is left).
    Dropped {
        /// Row of the drop reasons of the plugin that did, `None` if no event was left.
        reason: Option<u32>,
        /// Position of that plugin in the chain.
        plugin: usize,
    },
}

/// The chunks of one sealed batch, in order of play, on their way through a chain.
#[derive(Debug)]
pub struct Batch {
    elements: Elements,
    chunks: Vec<(ChunkHead, Scan)>,
    kinds: Kinds,
}

impl Batch {
    /// An empty batch for a chain that wants `kinds`; `elements` is what is known of the session.
    pub fn new(kinds: Kinds, elements: Elements) -> Self {
        Self { elements, chunks: Vec::new(), kinds }
    }

    /// Adds the next chunk in order of play. After an error the batch is as it was.
    pub fn add(&mut self, head: &ChunkHead, json: Vec<u8>, limits: &ScanLimits) -> Result<(), ScanError> {
        let place =
            ChunkPlace { chunk_index: head.key.chunk_index, timestamp_start_ms: head.key.timestamp_start_ms };
        let scan = scan(json, place, self.kinds, &mut self.elements, limits)?;
        self.chunks.push((head.clone(), scan));
        Ok(())
    }

    /// Chunks in the batch.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether a plugin before dropped this chunk: later ones do not see it.
    pub fn is_dropped(&self, chunk: usize) -> bool {
        let _ = chunk;
        false
    }

    /// Bytes of text over all chunks, for the plugin's deadline.
    pub fn text_bytes(&self) -> usize {
        self.chunks.iter().map(|(_, scan)| scan.text.len()).sum()
    }

    /// What a plugin is told of chunk number `chunk`.
    pub fn info(&self, chunk: usize) -> Option<ChunkInfo> {
        let _ = chunk;
        None
    }

    /// The fields of `kinds`, as the plugins before left them.
    pub fn view(&self, chunk: usize, kinds: Kinds) -> Option<View> {
        let _ = (chunk, kinds);
        None
    }

    /// Where the focus went, three little-endian u32 each.
    pub fn focus(&self, chunk: usize) -> Option<Vec<u8>> {
        let _ = chunk;
        None
    }

    /// What is known of an element of the chunk's page.
    pub fn element(&self, chunk: usize, node: u32) -> Option<Element> {
        let _ = (chunk, node);
        None
    }

    /// The events as the plugins before left them.
    pub fn events(&self, chunk: usize) -> Option<Vec<u8>> {
        let _ = chunk;
        None
    }

    /// Takes the answer of the plugin at position `plugin` of the chain, which was shown fields of
    /// `kinds`: one verdict for each chunk that was not dropped before, in order. A fault leaves the
    /// batch as it was.
    pub fn apply(
        &mut self,
        plugin: usize,
        kinds: Kinds,
        verdicts: Vec<Verdict>,
        rules: &EditRules,
    ) -> Result<(), EditFault> {
        let _ = (plugin, kinds, verdicts, rules);
        Ok(())
    }

    /// What the chain made of each chunk, and what is known of the session's elements now.
    pub fn finish(self) -> (Vec<Finished>, Elements) {
        (self.chunks.iter().map(|_| Finished::Unchanged).collect(), self.elements)
    }
}
