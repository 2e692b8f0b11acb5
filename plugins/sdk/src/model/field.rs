//! One field: what it is, and what may be done to it.

use std::ops::Range;

use super::chunk::Chunk;
use super::edit::{Item, MaskChar, Replacement, snapped};
use super::kind::Kind;
use super::source::Element;
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
    #[inline]
    pub fn mask(self, range: Range<usize>) {
        self.mask_with(range, MaskChar::default());
    }

    /// Masks a byte range, widened to whole characters. Does nothing where there is none.
    #[inline]
    pub fn mask_with(self, range: Range<usize>, mask: MaskChar) {
        let range = snapped(self.text(), range);
        if !range.is_empty() {
            self.chunk.edit(self.row, range, Replacement::Mask(mask.get()));
        }
    }

    /// Masks all of it with `*`; a picture is cleared.
    #[inline]
    pub fn mask_all(self) {
        self.mask_all_with(MaskChar::default());
    }

    /// Masks all of it; a picture is cleared.
    #[inline]
    pub fn mask_all_with(self, mask: MaskChar) {
        let bytes = self.chunk.range(self.row).len();
        if self.kind() == Kind::Pixels {
            self.clear();
        } else if bytes > 0 {
            self.chunk.edit(self.row, 0..bytes, Replacement::Mask(mask.get()));
        }
    }

    /// Puts text in the place of a byte range, which is widened to whole characters.
    pub fn replace(self, range: Range<usize>, text: impl Into<String>) {
        self.chunk.edit(self.row, snapped(self.text(), range), Replacement::Text(text.into()));
    }

    /// Leaves nothing of it: an empty picture for pixels, 0 for a number, else no text.
    pub fn clear(self) {
        self.chunk.edit(self.row, 0..self.text().len(), Replacement::Blank);
    }

    /// Blocks its element ([`Chunk::block_node`]); clears the field if the host does not know that.
    ///
    /// ```
    /// # use replay_plugin::Field;
    /// fn hide_secrets(field: Field<'_>) {
    ///     // Each class that it ever had, and who is not known may have had it.
    ///     let is_secret = field.element().is_none_or(|element| {
    ///         element.values("class").flat_map(str::split_whitespace).any(|class| class == "secret")
    ///     });
    ///     if is_secret {
    ///         field.block();
    ///     }
    /// }
    /// ```
    pub fn block(self) {
        let element = self.element_id();
        if element == 0 || !self.chunk.block_node(element) {
            self.clear();
        }
    }

    /// Leaves out the request that it belongs to, with all that is known of it; a field of no request
    /// is cleared.
    pub fn drop_request(self) {
        self.chunk.drop_item(Item::Request(u32::try_from(self.row).unwrap_or(u32::MAX)));
    }

    /// Leaves out the header that it belongs to, name and value; a field of no header is cleared.
    ///
    /// ```
    /// # use replay_plugin::{Field, Kind};
    /// fn drop_cookies(field: Field<'_>) {
    ///     if field.kind() == Kind::Network && field.name().eq_ignore_ascii_case("cookie") {
    ///         field.drop_header();
    ///     }
    /// }
    /// ```
    pub fn drop_header(self) {
        self.chunk.drop_item(Item::Header(u32::try_from(self.row).unwrap_or(u32::MAX)));
    }

    /// Masks what `find` finds in it, however it is spelled.
    pub fn mask_matches(self, find: &impl Find) {
        Views::of(self.text()).search(find, &mut |range| self.mask(range));
    }
}
