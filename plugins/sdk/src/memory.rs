//! Chunks in memory, made by hand: for a plugin's own unit tests.

use std::collections::BTreeMap;

use crate::model::{
    Batch, ChunkInfo, Edit, Element, FieldsView, Kind, Kinds, Replacement, Source, Verdict, ViewError,
};
use crate::plugin::{ErrorCode, Plugin, run};

/// A chunk in memory, on page 0. Fields stand in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct MemoryChunk {
    info: ChunkInfo,
    texts: Vec<String>,
    rows: Vec<[u32; 6]>,
    names: Vec<String>,
    elements: BTreeMap<u32, Element>,
    focus: Vec<[u32; 3]>,
    page: u32,
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

    /// Sets the page load that the fields added from now on belong to.
    #[must_use]
    pub fn page(mut self, page: u32) -> Self {
        self.page = page;
        self
    }

    /// Adds a field of an event of its own.
    #[must_use]
    pub fn field(mut self, kind: Kind, node: u32, name: &str, text: &str) -> Self {
        let row = self.names.iter().position(|known| known == name).unwrap_or(self.names.len());
        if row == self.names.len() {
            self.names.push(name.into());
        }
        let (event, name) = (self.next_event(), u32::try_from(row).unwrap_or_default());
        self.rows.push([event, node, kind as u32, name, self.page, node]);
        self.texts.push(text.into());
        self
    }

    /// Adds a focus (or a blur) as an event of its own.
    #[must_use]
    pub fn focus(mut self, node: u32, focused: bool) -> Self {
        self.focus.push([self.next_event(), node, u32::from(focused)]);
        self
    }

    /// Makes an element known: its tag, parent and attributes.
    #[must_use]
    pub fn element(mut self, node: u32, tag: &str, parent: u32, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        self.elements.insert(node, Element { node, parent, tag: tag.into(), attributes });
        self
    }

    fn next_event(&self) -> u32 {
        u32::try_from(self.rows.len() + self.focus.len()).unwrap_or(u32::MAX)
    }

    /// Whether a field is of `kinds`, by its row in all of them.
    fn shown(&self, kinds: Kinds) -> Vec<usize> {
        let kind = |row: &[u32; 6]| Kind::from_number(row[2]);
        (0..self.rows.len())
            .filter(|&at| self.rows.get(at).is_some_and(|row| kinds.contains(kind(row))))
            .collect()
    }
}

/// Runs a plugin on chunks in memory, fields of other kinds than its manifest's left out: the fields'
/// texts of each chunk afterwards, or `None` for one that was dropped. Masks and texts are applied as
/// the host does, but for numbers.
pub fn run_in_memory<P: Plugin>(
    plugin: &P,
    chunks: &[MemoryChunk],
) -> Result<Vec<Option<Vec<String>>>, ErrorCode> {
    let manifest = plugin.manifest();
    let shown: Vec<Shown<'_>> =
        chunks.iter().map(|chunk| Shown { chunk, rows: chunk.shown(manifest.kinds) }).collect();
    let batch = Batch::new(shown.iter().map(|chunk| chunk as &dyn Source)).map_err(|ViewError| "bad_view")?;
    let verdicts = run(plugin, &manifest, batch)?;
    Ok(shown.iter().zip(verdicts).map(|(shown, verdict)| shown.apply(verdict)).collect())
}

struct Shown<'a> {
    chunk: &'a MemoryChunk,
    rows: Vec<usize>,
}

impl Shown<'_> {
    fn apply(&self, verdict: Verdict) -> Option<Vec<String>> {
        let mut texts = self.chunk.texts.clone();
        match verdict {
            Verdict::Drop(_) => return None,
            Verdict::Keep | Verdict::Replace(_) => {}
            Verdict::Change { edits, .. } => {
                for edit in edits.iter().rev() {
                    if let Some(text) = self.rows.get(edit.field as usize).and_then(|&row| texts.get_mut(row))
                    {
                        apply(text, edit);
                    }
                }
            }
        }
        Some(texts)
    }
}

fn apply(text: &mut String, edit: &Edit) {
    let range = edit.start as usize..edit.end as usize;
    let new = match &edit.replacement {
        Replacement::Mask(mask) => {
            let masked = |char: char| if char.is_whitespace() { char } else { *mask };
            text.get(range.clone()).unwrap_or_default().chars().map(masked).collect()
        }
        Replacement::Text(new) => new.clone(),
        Replacement::Blank => String::new(),
    };
    text.replace_range(range, &new);
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

    fn events(&self) -> Vec<u8> {
        b"[]".to_vec()
    }
}
