//! Sixty-four bytes at a time: which of them are quotes, brackets, digits and so on, as bit masks.
//!
//! Bit `i` of a mask speaks of byte `i`. The safe vector operations are those of `vsimd`, on which
//! `base64-simd` is built, so they cost no further dependency.

use vsimd::SIMD256;
use vsimd::vector::V256;

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
}

/// A way to look at a whole block.
pub(super) trait Classify: Copy {
    fn text(self, block: &Block) -> TextMasks;
    fn tokens(self, block: &Block) -> TokenMasks;
}

/// By vector instructions; `Isa` is the proof that the processor has them.
///
/// Not for NEON: `vsimd` has no bit masks there and would panic.
#[derive(Clone, Copy)]
pub(super) struct Vectors<Isa>(pub(super) Isa);

/// By `u64` words, on any processor.
#[derive(Clone, Copy)]
pub(super) struct Words;

#[derive(Clone, Copy)]
struct Lanes<Isa> {
    isa: Isa,
    low: V256,
    high: V256,
}

impl<Isa: SIMD256> Classify for Vectors<Isa> {
    #[inline(always)]
    fn text(self, block: &Block) -> TextMasks {
        let lanes = Lanes::load(self.0, block);
        TextMasks {
            quote: lanes.equal(b'"'),
            backslash: lanes.equal(b'\\'),
            control: lanes.at_most(0x1f),
            high: lanes.top_bits(),
        }
    }

    #[inline(always)]
    fn tokens(self, block: &Block) -> TokenMasks {
        let isa = self.0;
        let lanes = Lanes::load(isa, block);
        let folded = lanes.map(|lane| isa.v256_or(lane, isa.u8x32_splat(FOLD)));
        let from_zero = lanes.map(|lane| isa.u8x32_sub(lane, isa.u8x32_splat(b'0')));
        TokenMasks {
            open: folded.equal(b'{'),
            close: folded.equal(b'}'),
            comma: lanes.equal(b','),
            colon: lanes.equal(b':'),
            space: lanes.equal(b' '),
            digit: from_zero.at_most(9),
            zero: lanes.equal(b'0'),
        }
    }
}

/// `[` and `{`, like `]` and `}`, differ in this bit alone, and no other byte becomes one of them.
const FOLD: u8 = 0x20;

impl<Isa: SIMD256> Lanes<Isa> {
    #[inline(always)]
    fn load(isa: Isa, block: &Block) -> Self {
        // A block has two halves, so the default is never taken.
        let (halves, _) = block.as_chunks::<32>();
        let half = |i: usize| V256::from_bytes(halves.get(i).copied().unwrap_or([0; 32]));
        Self { isa, low: half(0), high: half(1) }
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        let isa = self.isa;
        self.map(|lane| isa.u8x32_eq(lane, isa.u8x32_splat(byte))).top_bits()
    }

    #[inline(always)]
    fn at_most(self, byte: u8) -> u64 {
        let isa = self.isa;
        self.map(|lane| isa.u8x32_eq(isa.u8x32_min(lane, isa.u8x32_splat(byte)), lane)).top_bits()
    }

    #[inline(always)]
    fn top_bits(self) -> u64 {
        u64::from(self.isa.u8x32_bitmask(self.low)) | u64::from(self.isa.u8x32_bitmask(self.high)) << 32
    }

    #[inline(always)]
    fn map(self, each: impl Fn(V256) -> V256) -> Self {
        Self { low: each(self.low), high: each(self.high), ..self }
    }
}

impl Classify for Words {
    fn text(self, block: &Block) -> TextMasks {
        TextMasks {
            quote: gather(block, |word| equal(word, b'"')),
            backslash: gather(block, |word| equal(word, b'\\')),
            control: gather(block, |word| below(word, 0x20)),
            high: gather(block, |word| word & !LOW7),
        }
    }

    fn tokens(self, block: &Block) -> TokenMasks {
        let folded = ONES * u64::from(FOLD);
        TokenMasks {
            open: gather(block, |word| equal(word | folded, b'{')),
            close: gather(block, |word| equal(word | folded, b'}')),
            comma: gather(block, |word| equal(word, b',')),
            colon: gather(block, |word| equal(word, b':')),
            space: gather(block, |word| equal(word, b' ')),
            digit: gather(block, |word| below(word, b'9' + 1) & !below(word, b'0')),
            zero: gather(block, |word| equal(word, b'0')),
        }
    }
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const LOW7: u64 = ONES * 0x7f;

/// One bit a byte; `holds` answers 0x80 in each byte that counts.
#[inline(always)]
fn gather(block: &Block, holds: impl Fn(u64) -> u64) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    words.iter().rev().fold(0, |mask, word| {
        let found = holds(u64::from_le_bytes(*word)) >> 7;
        mask << 8 | found.wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// 0x80 in each byte that is `byte`, exactly.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let different = word ^ (ONES * u64::from(byte));
    !(((different & LOW7) + LOW7) | different | LOW7)
}

/// 0x80 in each byte below `limit`, which is at most 0x80.
#[inline(always)]
fn below(word: u64, limit: u8) -> u64 {
    !((word & LOW7) + ONES * u64::from(0x80 - limit)) & !word & !LOW7
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
    use proptest::prelude::*;
    use vsimd::isa::detect;

    fn check(way: impl Classify, block: &Block) {
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
        };
        assert_eq!(way.text(block), text);
        assert_eq!(way.tokens(block), tokens);
    }

    fn check_all(block: &Block) {
        check(Words, block);
        #[cfg(target_arch = "x86_64")]
        {
            detect::<vsimd::isa::SSE2>().into_iter().for_each(|isa| check(Vectors(isa), block));
            detect::<vsimd::isa::AVX2>().into_iter().for_each(|isa| check(Vectors(isa), block));
        }
    }

    #[test]
    fn every_byte_is_classed() {
        for first in (0..=255u8).step_by(64) {
            check_all(&std::array::from_fn(|i| first + i as u8));
        }
    }

    proptest! {
        #[test]
        fn any_block_is_classed(bytes in prop::collection::vec(any::<u8>(), 64)) {
            check_all(&bytes.try_into().unwrap());
        }
    }
}
