//! Sixty-four bytes at a time: which of them are quotes, brackets, digits and so on, as bit masks.
//!
//! Bit `i` of a mask speaks of byte `i`. `fearless_simd` makes vector instructions safe to call, and
//! has them for every processor (or does without).

use fearless_simd::prelude::*;
use fearless_simd::u8x64;

/// One block of input.
pub(super) type Block = [u8; 64];

/// What decides where strings begin and end, and whether their bytes are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextMasks {
    /// `"`
    pub(super) quote: u64,
    /// `\`
    pub(super) backslash: u64,
    /// Bytes below 0x20.
    pub(super) control: u64,
    /// Bytes above 0x7f.
    pub(super) high: u64,
}

/// What the grammar outside strings is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenMasks {
    /// `{` or `[`
    pub(super) open: u64,
    /// `}` or `]`
    pub(super) close: u64,
    /// `,`
    pub(super) comma: u64,
    /// `:`
    pub(super) colon: u64,
    /// The space, alone of all whitespace.
    pub(super) space: u64,
    /// `0` to `9`
    pub(super) digit: u64,
    /// `0`
    pub(super) zero: u64,
    /// `-`
    pub(super) minus: u64,
    /// `.`
    pub(super) point: u64,
    /// `{` among opening, `}` among closing brackets; of other bytes it says nothing.
    pub(super) curly: u64,
}

/// A block in vector registers.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S: Simd>(u8x64<S>);

/// `[` and `{`, like `]` and `}`, differ in this bit alone, and no other byte becomes one of them.
const FOLD: u8 = 0x20;

impl<S: Simd> Lanes<S> {
    #[inline(always)]
    pub(super) fn load(simd: S, block: &Block) -> Self {
        Self(u8x64::from_slice(simd, block))
    }

    #[inline(always)]
    pub(super) fn text(self) -> TextMasks {
        TextMasks {
            quote: self.equal(b'"'),
            backslash: self.equal(b'\\'),
            control: self.at_most(0x1f),
            high: !self.at_most(0x7f),
        }
    }

    #[inline(always)]
    pub(super) fn tokens(self) -> TokenMasks {
        let folded = Self(self.0 | FOLD);
        TokenMasks {
            open: folded.equal(b'{'),
            close: folded.equal(b'}'),
            comma: self.equal(b','),
            colon: self.equal(b':'),
            space: self.equal(b' '),
            digit: Self(self.0 - b'0').at_most(9),
            zero: self.equal(b'0'),
            minus: self.equal(b'-'),
            point: self.equal(b'.'),
            curly: (self.0 & FOLD).simd_eq(FOLD).to_bitmask(),
        }
    }

    /// `{` or `[`
    #[inline(always)]
    pub(super) fn open(self) -> u64 {
        Self(self.0 | FOLD).equal(b'{')
    }

    /// `}` or `]`
    #[inline(always)]
    pub(super) fn close(self) -> u64 {
        Self(self.0 | FOLD).equal(b'}')
    }

    /// `,` or `:`
    #[inline(always)]
    pub(super) fn point(self) -> u64 {
        (self.0.simd_eq(b',') | self.0.simd_eq(b':')).to_bitmask()
    }

    /// `0` to `9`
    #[inline(always)]
    pub(super) fn digit(self) -> u64 {
        Self(self.0 - b'0').at_most(9)
    }

    /// `{` among opening, `}` among closing brackets; of other bytes it says nothing.
    #[inline(always)]
    pub(super) fn curly(self) -> u64 {
        (self.0 & FOLD).simd_eq(FOLD).to_bitmask()
    }

    /// Backslashes, and all but ASCII's characters.
    #[inline(always)]
    pub(super) fn unusual_text(self) -> u64 {
        (self.0.simd_eq(b'\\') | self.0.simd_le(0x1f) | self.0.simd_ge(0x80)).to_bitmask()
    }

    #[inline(always)]
    pub(super) fn equal(self, byte: u8) -> u64 {
        self.0.simd_eq(byte).to_bitmask()
    }

    #[inline(always)]
    fn at_most(self, byte: u8) -> u64 {
        self.0.simd_le(byte).to_bitmask()
    }
}

/// Tab, line feed and carriage return: `(any of them, the two that end lines)`.
///
/// Only asked for when a control character stands outside strings, so plainly written.
pub(super) fn layout_masks(block: &Block) -> (u64, u64) {
    let (mut layout, mut newline) = (0, 0);
    for (at, &byte) in block.iter().enumerate() {
        let ends_line = byte == b'\n' || byte == b'\r';
        newline |= u64::from(ends_line) << at;
        layout |= u64::from(ends_line || byte == b'\t') << at;
    }
    (layout, newline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fearless_simd::{Level, dispatch};
    use proptest::prelude::*;

    fn check(block: &Block) {
        dispatch!(Level::new(), simd => check_with(simd, block));
        #[cfg(target_arch = "x86_64")]
        Level::new().as_sse2().into_iter().for_each(|simd| check_with(simd, block));
    }

    #[inline(always)]
    fn check_with<S: Simd>(simd: S, block: &Block) {
        let class = |holds: fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |mask, (i, &byte)| mask | u64::from(holds(byte)) << i)
        };
        let text = TextMasks {
            quote: class(|byte| byte == b'"'),
            backslash: class(|byte| byte == b'\\'),
            control: class(|byte| byte < 0x20),
            high: class(|byte| byte > 0x7f),
        };
        let tokens = TokenMasks {
            open: class(|byte| byte == b'{' || byte == b'['),
            close: class(|byte| byte == b'}' || byte == b']'),
            comma: class(|byte| byte == b','),
            colon: class(|byte| byte == b':'),
            space: class(|byte| byte == b' '),
            digit: class(|byte| byte.is_ascii_digit()),
            zero: class(|byte| byte == b'0'),
            minus: class(|byte| byte == b'-'),
            point: class(|byte| byte == b'.'),
            curly: class(|byte| byte & FOLD != 0),
        };
        let lanes = Lanes::load(simd, block);
        assert_eq!(lanes.text(), text);
        assert_eq!(lanes.tokens(), tokens);
    }

    #[test]
    fn every_byte_is_classed() {
        for first in (0..=255u8).step_by(64) {
            check(&std::array::from_fn(|i| first + i as u8));
        }
    }

    proptest! {
        #[test]
        fn any_block_is_classed(bytes in prop::collection::vec(any::<u8>(), 64)) {
            check(&bytes.try_into().unwrap());
        }
    }
}
