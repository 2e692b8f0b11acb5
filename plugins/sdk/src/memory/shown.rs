//! A chunk in memory as a plugin sees it: the fields of the kinds that its manifest asks for.

use std::collections::BTreeSet;

use super::MemoryChunk;
use crate::model::{ChunkInfo, Element, FieldsView, Kind, Kinds, Source};

/// A chunk and the rows that are shown.
pub(super) struct Shown<'a> {
    pub(super) chunk: &'a MemoryChunk,
    /// Rows of all the chunk's fields, by rows of the index.
    pub(super) rows: Vec<usize>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(chunk: &'a MemoryChunk, kinds: Kinds) -> Self {
        let rows = (0..).zip(&chunk.rows).filter(|(_, row)| kinds.contains(Kind::from_number(row[2])));
        Self { chunk, rows: rows.map(|(row, _)| row).collect() }
    }
}

impl Source for Shown<'_> {
    fn info(&self) -> ChunkInfo {
        self.chunk.info.clone()
    }

    fn fields(&self) -> FieldsView {
        let mut view = FieldsView { names: self.chunk.names.clone(), ..FieldsView::default() };
        for &row in &self.rows {
            let (Some(columns), Some(text)) = (self.chunk.rows.get(row), self.chunk.texts.get(row)) else {
                continue;
            };
            let start = view.text.len();
            view.text.extend_from_slice(text.as_bytes());
            let span = [start, view.text.len()].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
            view.text.push(b'\n');
            view.index.extend(columns.iter().chain(&span).flat_map(|number| number.to_le_bytes()));
        }
        view
    }

    fn element(&self, node: u32) -> Option<Element> {
        self.chunk.elements.get(&node).cloned()
    }

    fn focus(&self) -> Vec<u8> {
        self.chunk.focus.iter().flatten().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn moves(&self) -> Vec<u8> {
        let rows = self.chunk.moves.iter().map(|moved| [moved.event, moved.position, moved.at_ms]);
        rows.flatten().flat_map(u32::to_le_bytes).collect()
    }

    fn nodes(&self) -> Vec<u8> {
        let fields = self.chunk.rows.iter().map(|row| row[1]);
        let focus = self.chunk.focus.iter().map(|row| row[1]);
        let all = fields.chain(focus).chain(self.chunk.interactions.iter().map(|(_, node)| *node));
        let mut nodes = BTreeSet::new();
        for node in all {
            let mut at = node;
            while at != 0 && nodes.insert(at) {
                at = self.chunk.elements.get(&at).map_or(0, |element| element.parent);
            }
        }
        nodes.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    fn events(&self) -> Vec<u8> {
        b"[]".to_vec()
    }
}
