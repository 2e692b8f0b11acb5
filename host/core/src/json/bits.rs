//! Arithmetic on bit masks, in which bit `i` speaks of byte `i` of a block.

use super::{JsonError, JsonFault};

/// Moves each bit of `from` that lies in a run of `gap` to the byte after that run.
///
/// A bit of `from` in a gap is at the first byte of its run, so adding makes the carry run through
/// it. `carry` is set if it runs out at the top.
#[inline(always)]
pub(super) fn skip(from: u64, gap: u64, carry: &mut u64) -> u64 {
    let (sum, overflow) = (from & gap).overflowing_add(gap);
    *carry |= u64::from(overflow);
    (sum | from) & !gap
}

/// For each of `stops` that is set in `from`: the bytes after it, up to and including the next stop.
/// `first` is the bit of the stop before the block.
#[inline(always)]
pub(super) fn fill(from: u64, first: u64, stops: u64) -> u64 {
    let begin = from << 1 | first;
    let sum = (begin & !stops).wrapping_add(!stops);
    // Runs that were begun are carried through: they are 0 now, and the stop behind them is 1.
    (!stops & !sum) | (stops & (sum | begin))
}

/// Bit `i` of the answer: the parity of the bits up to and including `i`.
#[inline(always)]
pub(super) fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The bytes that a backslash escapes; runs of backslashes are told apart by their parity.
///
/// The subtraction of simdjson's `json_escape_scanner`.
#[inline(always)]
pub(super) fn find_escaped(backslash: u64, next_is_escaped: &mut u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let begins = backslash & !*next_is_escaped;
    let codes = ((begins << 1) | ODD).wrapping_sub(begins) ^ ODD;
    let escaped = codes ^ (backslash | *next_is_escaped);
    *next_is_escaped = (codes & backslash) >> 63;
    escaped
}

/// Positions of the bits that are set, lowest first.
#[inline(always)]
pub(super) fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            at
        })
    })
}

/// An error at the lowest bit of `wrong`, if there is one.
#[inline(always)]
pub(super) fn fail(wrong: u64, fault: JsonFault, base: usize) -> Result<(), JsonError> {
    match wrong {
        0 => Ok(()),
        _ => Err(JsonError { fault, offset: base + wrong.trailing_zeros() as usize }),
    }
}
