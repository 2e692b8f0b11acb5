//! One field: what it is, and what may be done to it.

use std::ops::Range;

use super::chunk::{Chunk, Element};
use super::edit::{MaskChar, Replacement, snapped};
use super::kind::Kind;
use crate::matching::{Find, Views};

/// One text of a recording. A small handle, free to copy.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    pub(super) chunk: &'a Chunk<'a>,
    pub(super) row: usize,
}

impl<'a> Field<'a> {
    /// What it is.
    #[inline]
    pub fn kind(self) -> Kind {
        Kind::from_number(self.chunk.column(self.row, 2))
    }

    /// Its decoded text.
    #[inline]
    pub fn text(self) -> &'a str {
        self.chunk.text().get(self.chunk.range(self.row)).unwrap_or_default()
    }

    /// The name of its attribute, property or key; empty for none.
    pub fn name(self) -> &'a str {
        let row = self.chunk.column(self.row, 3) as usize;
        self.chunk.names().get(row).map_or("", String::as_str)
    }

    /// The row of its name in [`Chunk::names`]: what a name means need be found out once.
    pub fn name_row(self) -> usize {
        self.chunk.column(self.row, 3) as usize
    }

    /// Position of its event in the chunk.
    pub fn event(self) -> u32 {
        self.chunk.column(self.row, 0)
    }

    /// The node that it belongs to, 0 for none.
    pub fn node(self) -> u32 {
        self.chunk.column(self.row, 1)
    }

    /// Which page load of the batch: node ids restart on each.
    pub fn page(self) -> u32 {
        self.chunk.column(self.row, 4)
    }

    /// The nearest element's node id, 0 if unknown.
    pub fn element_id(self) -> u32 {
        self.chunk.column(self.row, 5)
    }

    /// The nearest element; `None` when the host does not know it: then treat the field as user text
    /// or input.
    pub fn element(self) -> Option<Element> {
        match self.element_id() {
            0 => None,
            node => self.chunk.element(node),
        }
    }

    /// The chunk that it stands in.
    pub fn chunk(self) -> &'a Chunk<'a> {
        self.chunk
    }

    /// Its row in the chunk.
    pub fn row(self) -> usize {
        self.row
    }

    /// Masks a byte range with `*`, widened to whole characters.
    pub fn mask(self, range: Range<usize>) {
        self.mask_with(range, MaskChar::default());
    }

    /// Masks a byte range, widened to whole characters. Does nothing where there is none.
    pub fn mask_with(self, range: Range<usize>, mask: MaskChar) {
        let range = snapped(self.text(), range);
        if !range.is_empty() {
            self.chunk.edit(self.row, range, Replacement::Mask(mask.get()));
        }
    }

    /// Masks all of it with `*`; a picture is blanked.
    pub fn mask_all(self) {
        self.mask_all_with(MaskChar::default());
    }

    /// Masks all of it; a picture is blanked.
    pub fn mask_all_with(self, mask: MaskChar) {
        if self.kind() == Kind::Pixels {
            self.blank();
        } else {
            self.mask_with(0..self.text().len(), mask);
        }
    }

    /// Puts text in the place of a byte range, which is widened to whole characters.
    pub fn replace(self, range: Range<usize>, text: impl Into<String>) {
        self.chunk.edit(self.row, snapped(self.text(), range), Replacement::Text(text.into()));
    }

    /// For pixels: an empty picture.
    pub fn blank(self) {
        self.chunk.edit(self.row, 0..self.text().len(), Replacement::Blank);
    }

    /// Masks what `find` finds in it, however it is spelled.
    pub fn mask_matches(self, find: &impl Find) {
        Views::of(self.text()).search(find, &mut |range| self.mask(range));
    }
}
