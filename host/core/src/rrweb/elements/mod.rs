//! Which element a node id means: fed by snapshots and mutations, kept between the batches of an open
//! session, bounded. Node ids restart on every page load, so the table is by page.

mod attributes;
mod history;
mod page;
mod table;

pub(super) use attributes::Attributes;
pub(super) use page::Page;
pub(super) use table::{NodeFact, Table};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::intern::Interner;
use super::scan::ChunkPlace;

/// An element as the recording knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its node id.
    pub node: u32,
    /// Its parent element's node id; 0 if there is none, or it is not known.
    pub parent: u32,
    /// Lower case.
    pub tag: String,
    /// Those that selectors need: `type name id class autocomplete contenteditable data-*`. One that changed
    /// within the batch has a pair for each value, the latest last.
    pub attributes: Vec<(String, String)>,
}

/// The bounds of the table of one session.
#[derive(Clone, Copy, Debug)]
pub struct ElementLimits {
    /// Bytes of one session's table, about; beyond it further nodes stay unknown.
    pub max_bytes: usize,
}

/// Tags whose text is no text of the page: their rows among the tags.
pub(super) const SCRIPT: u16 = 1;
pub(super) const STYLE: u16 = 2;
pub(super) const TEXTAREA: u16 = 3;

/// Distinct tags of a session; a node of any other is not known.
const MAX_TAGS: usize = 4096;

/// The nodes of a session's pages. A clone is cheap: it shares what neither of the two changes.
#[derive(Clone, Debug)]
pub struct Elements {
    pages: BTreeMap<u32, Page>,
    /// The page that was loaded last.
    present: Option<u32>,
    /// The number of the next page.
    next: u32,
    tags: Arc<Interner>,
    max_bytes: usize,
}

impl Default for Elements {
    /// A table that can hold nothing.
    fn default() -> Self {
        Self::new(ElementLimits { max_bytes: 0 })
    }
}

impl Elements {
    /// An empty table: nothing is known.
    pub fn new(limits: ElementLimits) -> Self {
        let mut tags = Interner::new(MAX_TAGS);
        for (tag, row) in [("script", SCRIPT), ("style", STYLE), ("textarea", TEXTAREA)] {
            let is = tags.row(tag.as_bytes());
            debug_assert_eq!(is, u32::from(row));
        }
        let tags = Arc::new(tags);
        Self { pages: BTreeMap::new(), present: None, next: 0, tags, max_bytes: limits.max_bytes }
    }

    /// What is known of `node` on `page`, at any time since the batch began: one that was moved to another
    /// parent since is not known until the batch is over, as it can be inside of one only.
    pub fn element(&self, page: u32, node: u32) -> Option<Element> {
        let table = self.pages.get(&page)?.nodes();
        let known = table.get(node).filter(|known| known.tag != 0 && table.is_clear(node))?;
        if self.is_cut_off(table, known) {
            return None;
        }
        Some(Element {
            node,
            parent: table.element_of(known.parent),
            tag: self.tags.text(u32::from(known.tag)).to_owned(),
            attributes: table.attributes(node),
        })
    }

    /// Whether an element seems to be the outermost of its page only because what is around it is not known: the
    /// document of a frame in an unknown element, or an `html` of an unknown document. No one asks what is
    /// around such an element, so it must not be taken for one that nothing is around.
    fn is_cut_off(&self, table: &Table, known: &NodeFact) -> bool {
        match table.get(known.parent) {
            Some(parent) if parent.tag != 0 => false,
            Some(document) => document.parent != 0 && table.element_of(document.parent) == 0,
            None => known.parent != 0 && self.tags.text(u32::from(known.tag)) == "html",
        }
    }

    /// Whether `node` is known, and is something else: a text, a document.
    pub(super) fn is_no_element(&self, page: u32, node: u32) -> bool {
        let table = self.pages.get(&page).map(Page::nodes);
        table.and_then(|table| table.get(node)).is_some_and(|known| known.tag == 0)
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.pages.values().map(Page::bytes).sum()
    }

    /// Forgets all pages but the one that was loaded last, and what left it or was true of it earlier: for when
    /// a batch is over.
    pub fn forget_old_pages(&mut self) {
        let present = self.present;
        self.pages.retain(|page, _| Some(*page) == present);
        self.pages.values_mut().for_each(Page::settle);
    }

    /// The address last known of `page`.
    pub fn page_url(&self, page: u32) -> Option<&str> {
        self.pages.get(&page)?.url()
    }

    /// Sets the address that later chunks of `page` begin with: a plugin edited the `Meta` event.
    pub fn set_page_url(&mut self, page: u32, url: Option<String>) {
        if let Some(page) = self.pages.get_mut(&page) {
            page.set_url(url);
        }
    }

    /// The page that the chunk at `place` belongs to.
    ///
    /// The present one, or another that this batch saw. Else a page of which nothing is known yet: the
    /// present one from now on if the chunk comes after all others, and one apart for a late chunk.
    pub(super) fn page_of(&mut self, place: ChunkPlace) -> u32 {
        let present = self.present.and_then(|number| Some((number, self.pages.get_mut(&number)?)));
        let mut is_late = false;
        if let Some((number, page)) = present {
            if page.takes(place) {
                return number;
            }
            is_late = !page.is_before(place);
        }
        for (number, page) in &mut self.pages {
            if page.takes(place) {
                return *number;
            }
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.pages.insert(number, Page::new(place));
        if !is_late {
            self.present = Some(number);
        }
        number
    }

    /// Whether and what is known on `page`.
    pub(super) fn page(&self, page: u32) -> Option<&Page> {
        self.pages.get(&page)
    }

    /// A page to write to, and how many bytes all pages together may still grow.
    pub(super) fn page_mut(&mut self, page: u32) -> Option<(&mut Page, usize)> {
        let room = self.max_bytes.saturating_sub(self.bytes());
        self.pages.get_mut(&page).map(|page| (page, room))
    }

    /// The row of a tag, 0 if there is no room for it.
    pub(super) fn tag(&mut self, tag: &[u8]) -> u16 {
        let lower: Cow<'_, [u8]> = match tag.iter().any(u8::is_ascii_uppercase) {
            true => Cow::Owned(tag.to_ascii_lowercase()),
            false => Cow::Borrowed(tag),
        };
        let row = match self.tags.find(&lower) {
            Some(row) => row,
            None => Arc::make_mut(&mut self.tags).row(&lower),
        };
        u16::try_from(row).unwrap_or(0)
    }
}
