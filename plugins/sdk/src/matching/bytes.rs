//! Sets of bytes, looked for sixty-four at a time, in a guest and in a test alike.
//!
//! A set is two tables by nibble, as in Langdale and Lemire, "Parsing Gigabytes of JSON per Second"
//! (2019): a byte is in it if what stands under its lower half shares a bit with what stands under its
//! upper half. `fearless_simd` makes the vector instructions safe to call.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x16, u8x64};

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// A set of bytes other than 0.
#[derive(Clone, Copy, Debug)]
pub struct ByteSet {
    low: [u8; 16],
    high: [u8; 16],
}

impl ByteSet {
    /// The set of `bytes`; for constants. Panics, which there is an error of the compiler, on a 0 and on
    /// bytes so scattered that they need more than eight bits.
    pub const fn of(bytes: &[u8]) -> Self {
        let mut rows = [0_u16; 16];
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at] != 0, "0 fills up the last block");
            rows[(bytes[at] >> 4) as usize] |= 1 << (bytes[at] & 15);
            at += 1;
        }
        let mut set = Self { low: [0; 16], high: [0; 16] };
        let (mut high, mut bits) = (0, 0);
        while high < 16 {
            if rows[high] != 0 {
                let mut same = 0;
                while rows[same] != rows[high] {
                    same += 1;
                }
                if same < high {
                    set.high[high] = set.high[same];
                } else {
                    assert!(bits < 8, "more bits than a byte has");
                    set.high[high] = 1 << bits;
                    bits += 1;
                    let mut low = 0;
                    while low < 16 {
                        if rows[high] >> low & 1 != 0 {
                            set.low[low] |= set.high[high];
                        }
                        low += 1;
                    }
                }
            }
            high += 1;
        }
        set
    }

    /// Whether a byte is in the set.
    #[inline]
    pub const fn contains(&self, byte: u8) -> bool {
        self.low[(byte & 15) as usize] & self.high[(byte >> 4) as usize] != 0
    }
}

/// For each set the bytes of `block` that are in it: bit `i` is byte `i`.
#[inline]
pub fn masks<const N: usize>(sets: &[ByteSet; N], block: &[u8; BLOCK]) -> [u64; N] {
    dispatch!(Level::new(), simd => masks_with(simd, sets, block))
}

#[inline(always)]
fn masks_with<S: Simd, const N: usize>(simd: S, sets: &[ByteSet; N], block: &[u8; BLOCK]) -> [u64; N] {
    let bytes = u8x64::from_slice(simd, block);
    let (low, high) = (bytes & 15, bytes >> 4);
    let mut masks = [0; N];
    for (mask, set) in masks.iter_mut().zip(sets) {
        let table = |half: &[u8; 16]| u8x64::block_splat(u8x16::from_slice(simd, half));
        let shared =
            table(&set.low).swizzle_dyn_within_blocks(low) & table(&set.high).swizzle_dyn_within_blocks(high);
        *mask = !shared.simd_eq(0).to_bitmask();
    }
    masks
}

/// The blocks of a text, each with its offset; the last is filled up with zeros.
pub fn blocks(text: &[u8]) -> impl Iterator<Item = (usize, std::borrow::Cow<'_, [u8; BLOCK]>)> {
    use std::borrow::Cow;
    let (whole, tail) = text.as_chunks::<BLOCK>();
    let last = (!tail.is_empty()).then(|| {
        let mut block = [0; BLOCK];
        block.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
        Cow::Owned(block)
    });
    whole.iter().map(Cow::Borrowed).chain(last).enumerate().map(|(at, block)| (at * BLOCK, block))
}

/// Finds the bytes of a set in a text, from any place on.
#[derive(Debug)]
pub(super) struct Marks<'t> {
    text: &'t [u8],
    set: ByteSet,
    /// Where the block begins that `left` speaks of.
    start: usize,
    left: u64,
}

impl<'t> Marks<'t> {
    pub(super) fn new(text: &'t [u8], set: ByteSet) -> Self {
        let mut marks = Self { text, set, start: 0, left: 0 };
        marks.read();
        marks
    }

    /// The first place from `from` on; `from` never goes back.
    #[inline]
    pub(super) fn next(&mut self, from: usize) -> Option<usize> {
        if from >= self.start + BLOCK {
            self.start = from - from % BLOCK;
            self.read();
        }
        self.left &= u64::MAX << from.saturating_sub(self.start).min(BLOCK - 1);
        while self.left == 0 {
            self.start += BLOCK;
            if self.start >= self.text.len() {
                return None;
            }
            self.read();
        }
        Some(self.start + self.left.trailing_zeros() as usize)
    }

    fn read(&mut self) {
        let rest = self.text.get(self.start..).unwrap_or_default();
        let [mask] = match rest.first_chunk() {
            Some(block) => masks(&[self.set], block),
            None => blocks(rest).next().map_or([0], |(_, block)| masks(&[self.set], &block)),
        };
        self.left = mask;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOME: &[u8] = b"%&+\\\xC2\xD9\xDB\xE2\xE3\xEF";
    const SET: ByteSet = ByteSet::of(SOME);

    #[test]
    fn a_set_holds_its_bytes_and_no_other() {
        for byte in 0..=u8::MAX {
            assert_eq!(SET.contains(byte), SOME.contains(&byte), "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn marks_are_where_the_bytes_are(
            text in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(SOME)], 0..300),
            from in 0usize..310,
        ) {
            let at = |from: usize| (from..text.len()).find(|at| SOME.contains(&text[*at]));
            prop_assert_eq!(Marks::new(&text, SET).next(from), at(from));
            let (mut marks, mut here) = (Marks::new(&text, SET), 0);
            while let Some(found) = marks.next(here) {
                prop_assert_eq!(Some(found), at(here));
                here = found + 1;
            }
            prop_assert_eq!(at(here), None);
        }

        #[test]
        fn blocks_are_the_text(text in prop::collection::vec(1u8.., 0..300)) {
            let joined: Vec<u8> = blocks(&text).flat_map(|(_, block)| block.to_vec()).collect();
            prop_assert!(joined.starts_with(&text) && joined[text.len()..].iter().all(|byte| *byte == 0));
        }
    }
}
