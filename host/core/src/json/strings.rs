//! Where strings begin and end, and whether their bytes are allowed.

use super::bits::{fail, find_escaped, ones, prefix_xor};
use super::block::{Block, TextMasks, layout_masks};
use super::scalar::check_escape;
use super::{JsonError, JsonFault};

/// What is carried from block to block.
#[derive(Default)]
pub(super) struct Strings {
    /// All ones inside a string.
    in_string: u64,
    /// 1 if the first byte of the block is escaped.
    escaped: u64,
    /// Where the run of blocks with non-ASCII bytes began.
    high_since: Option<usize>,
}

/// Strings and line layout of one block.
pub(super) struct Regions {
    /// From an opening quote to before the closing one.
    pub(super) inside: u64,
    /// Opening and closing quotes.
    pub(super) quotes: u64,
    /// Tabs and ends of line outside strings.
    pub(super) layout: u64,
    /// Any end of line among them.
    pub(super) has_newline: bool,
}

impl Strings {
    /// Whether the whole block is text inside a string that needs no look.
    #[inline(always)]
    pub(super) fn goes_on(&self, text: &TextMasks) -> bool {
        let plain = text.quote | text.backslash | text.control | text.high == 0;
        plain && self.in_string & !self.escaped == u64::MAX && self.high_since.is_none()
    }

    /// Not 0: the next block needs [`Strings::follow`], whatever is in it.
    #[inline(always)]
    pub(super) fn unfinished(&self) -> u64 {
        self.escaped | u64::from(self.high_since.is_some())
    }

    /// Whether the next byte is inside a string.
    #[inline(always)]
    pub(super) fn is_inside(&self) -> bool {
        self.in_string != 0
    }

    /// [`Strings::follow`] of a block of printable ASCII without escapes; `inside` is the parity of
    /// its `quotes`.
    #[inline(always)]
    pub(super) fn follow_plain(&mut self, quotes: u64, inside: u64) -> Regions {
        let inside = inside ^ self.in_string;
        self.in_string = ((inside as i64) >> 63) as u64;
        Regions { inside, quotes, layout: 0, has_newline: false }
    }

    /// Finds the strings of the block at offset `base` of `bytes`, and checks their bytes and escapes.
    #[inline(always)]
    pub(super) fn follow(
        &mut self,
        bytes: &[u8],
        block: &Block,
        text: &TextMasks,
        base: usize,
    ) -> Result<Regions, JsonError> {
        let mut escaped = 0;
        if text.backslash | self.escaped != 0 {
            escaped = find_escaped(text.backslash, &mut self.escaped);
        }
        let quotes = text.quote & !escaped;
        let inside = prefix_xor(quotes) ^ self.in_string;
        self.in_string = ((inside as i64) >> 63) as u64;
        // A backslash outside strings is taken for a scalar, and refused as one.
        for at in ones(escaped & inside) {
            check_escape(bytes, base + at)?;
        }
        let mut has_newline = false;
        if text.control != 0 {
            fail(text.control & inside, JsonFault::ControlCharacter, base)?;
            let (layout, newline) = layout_masks(block);
            fail(text.control & !layout, JsonFault::Syntax, base)?;
            has_newline = newline != 0;
        }
        Ok(Regions { inside, quotes, layout: text.control, has_newline })
    }

    /// Checks UTF-8 over each run of blocks with non-ASCII bytes: no character crosses its ends.
    #[inline(always)]
    pub(super) fn follow_utf8(&mut self, bytes: &[u8], high: u64, base: usize) -> Result<(), JsonError> {
        if high != 0 || self.high_since.is_some() {
            return follow_high(&mut self.high_since, bytes, high != 0, base);
        }
        Ok(())
    }

    /// The same for a run that is not over at the end of the document.
    pub(super) fn finish_utf8(&self, bytes: &[u8], end: usize) -> Result<(), JsonError> {
        self.high_since.map_or(Ok(()), |from| check_utf8(bytes, from, end))
    }
}

#[cold]
fn follow_high(
    since: &mut Option<usize>,
    bytes: &[u8],
    any_high: bool,
    base: usize,
) -> Result<(), JsonError> {
    if any_high {
        since.get_or_insert(base);
        return Ok(());
    }
    since.take().map_or(Ok(()), |from| check_utf8(bytes, from, base))
}

fn check_utf8(bytes: &[u8], from: usize, until: usize) -> Result<(), JsonError> {
    match std::str::from_utf8(bytes.get(from..until).unwrap_or_default()) {
        Ok(_) => Ok(()),
        Err(error) => Err(JsonError { fault: JsonFault::Utf8, offset: from + error.valid_up_to() }),
    }
}
