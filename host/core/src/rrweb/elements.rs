//! Which element a node id means: fed by snapshots and mutations, kept between the batches of an open
//! session, bounded. Node ids restart on every page load, so the table is by page.

use std::collections::HashMap;

/// An element as the recording knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its node id.
    pub node: u32,
    /// Its parent element's node id; 0 if there is none, or it is not known.
    pub parent: u32,
    /// Lower case.
    pub tag: String,
    /// Those that selectors need: `type name id class autocomplete contenteditable data-*`.
    pub attributes: Vec<(String, String)>,
}

/// The bounds of the table of one session.
#[derive(Clone, Copy, Debug)]
pub struct ElementLimits {
    /// Bytes of one session's table, about; beyond it further nodes stay unknown.
    pub max_bytes: usize,
}

/// The nodes of a session's pages.
#[derive(Debug, Default)]
pub struct Elements {
    pages: HashMap<u32, ()>,
}

impl Elements {
    /// An empty table: nothing is known.
    pub fn new(limits: ElementLimits) -> Self {
        let _ = limits;
        Self::default()
    }

    /// What is known of `node` on `page`.
    pub fn element(&self, page: u32, node: u32) -> Option<Element> {
        let _ = (page, node);
        None
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.pages.len()
    }
}
