//! The same walk for processors with AVX-512: what the grammar is made of is first moved together.
//!
//! Recorded events are dense: 64 bytes hold a dozen separators and five strings. So each block is
//! only told apart into strings, numbers and tokens; the first byte of every token is appended to a
//! buffer (`VPCOMPRESSB`), and grammar is judged there, three times as densely and with neighbours
//! that really are neighbours (`grammar`). Brackets move together once more (`brackets`).
//!
//! This answers *whether* a document is valid, late and without a place. Of one that is not, the
//! plain walk says what is wrong, and where.

mod brackets;
mod grammar;
#[cfg(test)]
mod tests;

use std::arch::x86_64::{__m128i, __m512i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64};
use std::arch::x86_64::{_mm_set1_epi8, _mm512_maskz_compress_epi8, _pext_u64};
use std::hint::black_box;

use fearless_simd::prelude::*;
use fearless_simd::{Avx512, u8x64};

use super::bits::{fill, ones};
use super::block::{Block, Lanes, TextMasks};
use super::numbers::{Numbers, Scalars};
use super::strings::{Regions, Strings};
use super::text::trim_start;
use super::walk::{Layout, Sink};
use grammar::Grammar;

/// Tokens that are judged in one go.
const BATCH: usize = 1024;

/// Walks the one object or array in `bytes`, as [`super::walk::walk`] does; `None` if that would be
/// an error.
pub(super) fn walk_dense<S: Sink>(
    simd: Avx512,
    bytes: &[u8],
    max_depth: usize,
    sink: &mut S,
) -> Option<Layout> {
    simd.vectorize(
        #[inline(always)]
        || walk_with(simd, bytes, max_depth, sink),
    )
}

#[inline(always)]
fn walk_with<S: Sink>(simd: Avx512, bytes: &[u8], max_depth: usize, sink: &mut S) -> Option<Layout> {
    let mut walker = Walker {
        bytes,
        sink,
        layout: Layout::default(),
        input: u64::MAX,
        strings: Strings::default(),
        numbers: Numbers::default(),
        after_scalar: 0,
        wrong: 0,
        depth: 0,
        max_depth,
        tokens: Tokens { bytes: [0; BATCH + 64], len: 0, grammar: Grammar::default() },
    };
    let begin = bytes.len() - trim_start(bytes).len();
    walker.layout.note_gap(bytes.get(..begin)?);
    let (blocks, tail) = bytes.get(begin..)?.as_chunks::<64>();
    for (i, block) in blocks.iter().enumerate() {
        if let Some(end) = walker.block(simd, block, begin + i * 64)? {
            return walker.finish(simd, end);
        }
    }
    let mut last: Block = [b' '; 64];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    walker.input = !(u64::MAX << tail.len());
    let end = walker.block(simd, &last, bytes.len() - tail.len())??;
    walker.finish(simd, end)
}

struct Walker<'a, S> {
    bytes: &'a [u8],
    sink: &'a mut S,
    layout: Layout,
    /// The bytes of the block that are input: not the spaces that fill up the last one.
    input: u64,
    strings: Strings,
    numbers: Numbers,
    /// 1 if the block before ended in a number or literal.
    after_scalar: u64,
    /// Not 0: what was seen so far is not JSON.
    wrong: u64,
    depth: usize,
    max_depth: usize,
    tokens: Tokens,
}

impl<S: Sink> Walker<'_, S> {
    /// Walks one block; answers the offset after the document if it ends here.
    #[inline(always)]
    fn block(&mut self, simd: Avx512, block: &Block, base: usize) -> Option<Option<usize>> {
        let lanes = Lanes::load(simd, block);
        let quotes = lanes.equal(b'"');
        let regions = if lanes.unusual_text() | self.strings.unfinished() == 0 {
            if quotes == 0 && self.strings.is_inside() {
                return Some(None);
            }
            self.strings.follow_plain(quotes, prefix_xor(simd, quotes))
        } else {
            let regions = self.strings(block, lanes.text(), base)?;
            if regions.inside == u64::MAX && regions.quotes == 0 {
                return Some(None);
            }
            regions
        };
        // Loaded again: the compiler would keep the vector on the stack, which takes longer.
        let lanes = Lanes::load(simd, black_box(block));
        let outside = !(regions.inside | regions.quotes);
        let (open, close) = (lanes.open() & outside, lanes.close() & outside);
        let separators = open | close | (lanes.point() & outside);
        let digit = lanes.digit() & outside;
        let mut scalar = outside & !separators;
        if scalar ^ digit | self.numbers.unfinished() != 0 {
            let whitespace = (regions.layout | lanes.equal(b' ')) & scalar;
            if whitespace != 0 {
                self.layout.has_whitespace |= whitespace & self.input != 0;
                self.layout.has_newline |= regions.has_newline;
            }
            scalar &= !whitespace;
            let scalars = Scalars {
                all: scalar,
                start: scalar & !(scalar << 1 | self.after_scalar),
                digit,
                zero: lanes.equal(b'0'),
                minus: lanes.equal(b'-'),
                point: lanes.equal(b'.'),
            };
            self.numbers.check(self.bytes, &scalars, base).ok()?;
        } else {
            let start = scalar & !(scalar << 1 | self.after_scalar);
            self.wrong |= self.numbers.follow_digits(digit, start & lanes.equal(b'0'));
        }
        let start = scalar & !(scalar << 1 | self.after_scalar);
        self.after_scalar = scalar >> 63;
        let mut tokens = separators | (regions.quotes & regions.inside) | start;
        let (opening, closing) = (open.count_ones() as usize, close.count_ones() as usize);
        let mut end = None;
        let is_deep = self.depth > closing + S::LEVELS || {
            // A pair in this block leads no further up than it led down.
            let pairs = to_stop(open << 1, open | close).0 & close;
            self.depth + pairs.count_ones() as usize > closing + S::LEVELS
        };
        if is_deep && self.depth + opening <= self.max_depth {
            self.depth = self.depth + opening - closing;
        } else {
            let (shallow, beyond) = self.follow_depth(open, close)?;
            for at in ones(separators & shallow & !beyond) {
                self.sink.separator(base + at, *block.get(at)?);
            }
            if self.depth == 0 {
                end = Some(base + 64 - beyond.count_ones() as usize);
                tokens &= !beyond;
            }
        }
        self.tokens.push(simd, black_box(block), tokens)?;
        Some(end)
    }

    /// Strings with escapes, other characters than ASCII, or line ends beside them.
    #[inline(never)]
    fn strings(&mut self, block: &Block, text: TextMasks, base: usize) -> Option<Regions> {
        self.strings.follow_utf8(self.bytes, text.high, base).ok()?;
        self.strings.follow(self.bytes, block, &text, base).ok()
    }

    /// Follows the depth bracket by bracket: answers which bytes a sink reads, and which are beyond
    /// the document's end.
    #[inline(never)]
    fn follow_depth(&mut self, open: u64, close: u64) -> Option<(u64, u64)> {
        let all = open | close;
        let was_shallow = u64::from(self.depth <= S::LEVELS);
        let (mut shallow, mut beyond) = (0, 0);
        for at in ones(all) {
            if open >> at & 1 == 1 {
                self.depth += 1;
            } else {
                self.depth = self.depth.checked_sub(1)?;
            }
            if self.depth > self.max_depth {
                return None;
            }
            shallow |= u64::from(self.depth <= S::LEVELS) << at;
            if self.depth == 0 {
                beyond = (u64::MAX << at) << 1;
                break;
            }
        }
        Some((fill(shallow, was_shallow, all), beyond))
    }

    /// After the document at `end` only whitespace may follow.
    fn finish(mut self, simd: Avx512, end: usize) -> Option<Layout> {
        self.strings.finish_utf8(self.bytes, end).ok()?;
        let gap = self.bytes.get(end..).unwrap_or_default();
        if !trim_start(gap).is_empty() || self.wrong != 0 || !self.tokens.finish(simd) {
            return None;
        }
        self.layout.note_gap(gap);
        Some(self.layout)
    }
}

/// The first byte of each token, in order.
struct Tokens {
    bytes: [u8; BATCH + 64],
    len: usize,
    grammar: Grammar,
}

impl Tokens {
    /// Appends those bytes of `block` that `tokens` names.
    #[inline(always)]
    fn push(&mut self, simd: Avx512, block: &Block, tokens: u64) -> Option<()> {
        let packed: u8x64<Avx512> =
            compress(simd, tokens, u8x64::from_slice(simd, block).into()).simd_into(simd);
        packed.store_slice(self.bytes.get_mut(self.len..self.len + 64)?);
        self.len += tokens.count_ones() as usize;
        if self.len >= BATCH { self.judge(simd) } else { Some(()) }
    }

    #[inline(never)]
    fn judge(&mut self, simd: Avx512) -> Option<()> {
        let (blocks, rest) = self.bytes.get(..self.len)?.as_chunks::<64>();
        let whole = self.len - rest.len();
        let is_right = self.grammar.follow(simd, blocks, u64::MAX);
        self.bytes.copy_within(whole..self.len, 0);
        self.len -= whole;
        is_right.then_some(())
    }

    #[inline(never)]
    fn finish(&mut self, simd: Avx512) -> bool {
        self.judge(simd).is_some()
            && self.bytes.first_chunk().is_some_and(|last: &Block| {
                self.grammar.follow(simd, &[*last], !(u64::MAX << (self.len % 64)))
            })
            && self.grammar.finish(simd)
    }
}

fearless_simd::kernel!(
    /// Moves the bytes that `mask` names together at the front.
    #[inline]
    fn compress(simd: Avx512, mask: u64, bytes: __m512i) -> __m512i {
        _mm512_maskz_compress_epi8(mask, bytes)
    }
);

fearless_simd::kernel!(
    /// [`super::bits::prefix_xor`] in one carry-less multiplication.
    #[inline]
    fn prefix_xor(simd: Avx512, bits: u64) -> u64 {
        let product: __m128i =
            _mm_clmulepi64_si128(_mm_cvtsi64_si128(bits.cast_signed()), _mm_set1_epi8(-1), 0);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
);

fearless_simd::kernel!(
    /// Moves the bits that `mask` names together at the low end.
    #[inline]
    fn gather(simd: Avx512, bits: u64, mask: u64) -> u64 {
        _pext_u64(bits, mask)
    }
);

/// Moves each bit to the next stop that is not before it; several may become one. Also 1 if a bit
/// found none.
///
/// All bits before a stop are together less than the gap that they stand in is long, so that their sum
/// with it carries exactly once.
#[inline(always)]
fn to_stop(bits: u64, stops: u64) -> (u64, u64) {
    let (sum, overflow) = (bits & !stops).overflowing_add(!stops);
    ((sum | bits) & stops, u64::from(overflow))
}
