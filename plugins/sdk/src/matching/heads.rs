//! Beginnings of words, looked for at sixty-four places at a time.
//!
//! As `Teddy` of Hyperscan does it: beginnings are dealt out to eight buckets, a bit each; for each of
//! their bytes two tables by nibble say in which buckets it may stand there.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x16, u8x64};

use super::bytes::BLOCK;

/// Bytes of a beginning that are looked at first.
pub const HEAD: usize = 3;
/// Bytes of a block and of what the last of its places goes on with.
const WINDOW: usize = BLOCK + HEAD - 1;
/// Buckets: bits of a byte.
const BUCKETS: usize = 8;

/// A quick no for most places of a text: whether one of many beginnings may stand there.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    low: [[u8; 16]; HEAD],
    high: [[u8; 16]; HEAD],
    /// For each further byte, and for what it is, the beginnings that go on so, a bit each: what the
    /// buckets let through is looked at again.
    exact: Vec<Row>,
}

/// What one byte of a beginning tells.
#[derive(Clone, Debug)]
struct Row {
    by_byte: [u32; 256],
    /// Those beginnings that are shorter.
    shorter: u32,
}

impl Heads {
    /// For each beginning the bytes that each of its own may be, three or more. A bucket is the better
    /// the more its own are alike: sorted ones are.
    pub fn of(heads: &[Vec<Vec<u8>>]) -> Self {
        let longest = heads.iter().map(Vec::len).max().unwrap_or_default();
        let row = Row { by_byte: [0; 256], shorter: 0 };
        let mut all = Self { exact: vec![row; longest], ..Self::default() };
        for (at, head) in heads.iter().enumerate() {
            let bucket = 1 << (at * BUCKETS / heads.len());
            for ((low, high), bytes) in all.low.iter_mut().zip(&mut all.high).zip(head) {
                for byte in bytes {
                    low[usize::from(byte & 15)] |= bucket;
                    high[usize::from(byte >> 4)] |= bucket;
                }
            }
            let bit = 1 << (at * u32::BITS as usize / heads.len());
            for (part, row) in all.exact.iter_mut().enumerate() {
                match head.get(part) {
                    Some(bytes) => bytes.iter().for_each(|byte| row.by_byte[usize::from(*byte)] |= bit),
                    None => row.shorter |= bit,
                }
            }
        }
        all
    }

    /// Of beginnings in lower case, of which the case does not count.
    pub(crate) fn of_words<'a, const N: usize>(heads: impl Iterator<Item = &'a [u8; N]>) -> Self {
        let cases = |byte: &u8| vec![*byte, byte.to_ascii_uppercase()];
        Self::of(&heads.map(|head| head.iter().map(cases).collect()).collect::<Vec<_>>())
    }

    /// Calls `found` with each place where one may stand, in order. A beginning that the end of
    /// the text cuts off is none.
    pub fn each(&self, text: &[u8], mut found: impl FnMut(usize)) {
        for start in (0..text.len()).step_by(BLOCK) {
            let rest = text.get(start..).unwrap_or_default();
            let mut left = match rest.first_chunk() {
                Some(window) => self.mask(window),
                None => {
                    let mut window = [0; WINDOW];
                    window.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                    self.mask(&window)
                }
            };
            while left != 0 {
                let at = left.trailing_zeros() as usize;
                if rest.get(at..).is_some_and(|rest| self.is_one(rest)) {
                    found(start + at);
                }
                left &= left - 1;
            }
        }
    }

    fn is_one(&self, text: &[u8]) -> bool {
        let mut left = u32::MAX;
        for (part, row) in self.exact.iter().enumerate() {
            let going_on = text.get(part).map_or(0, |byte| row.by_byte[usize::from(*byte)]);
            left &= going_on | row.shorter;
            if left == 0 {
                return false;
            }
        }
        true
    }

    /// The places of a window where one may stand: bit `i` is byte `i`.
    #[inline]
    fn mask(&self, window: &[u8; WINDOW]) -> u64 {
        dispatch!(Level::new(), simd => self.mask_with(simd, window))
    }

    #[inline(always)]
    fn mask_with<S: Simd>(&self, simd: S, window: &[u8; WINDOW]) -> u64 {
        let mut buckets = u8x64::splat(simd, u8::MAX);
        for (at, (low, high)) in self.low.iter().zip(&self.high).enumerate() {
            let Some(block) = window.get(at..at + BLOCK) else { break };
            let bytes = u8x64::from_slice(simd, block);
            let table = |half: &[u8; 16]| u8x64::block_splat(u8x16::from_slice(simd, half));
            buckets &= table(low).swizzle_dyn_within_blocks(bytes & 15)
                & table(high).swizzle_dyn_within_blocks(bytes >> 4);
        }
        !buckets.simd_eq(0).to_bitmask()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_place_is_missed(
            mut heads in prop::collection::vec("[a-z0-9@é ]{3}", 0..40),
            text in prop::collection::vec(prop_oneof!["[a-zA-Z0-9@é ]{0,8}", "\\PC{0,70}"], 0..6),
        ) {
            heads.sort_unstable();
            let heads: Vec<[u8; HEAD]> =
                heads.iter().filter_map(|head| head.as_bytes().first_chunk().copied()).collect();
            let text = text.concat().into_bytes();
            let mut found = Vec::new();
            Heads::of_words(heads.iter()).each(&text, |at| found.push(at));
            prop_assert!(found.is_sorted() && found.iter().all(|at| *at < text.len()));
            for (at, here) in text.windows(HEAD).enumerate() {
                let is_one = heads.iter().any(|head| here.eq_ignore_ascii_case(head));
                prop_assert!(!is_one || found.binary_search(&at).is_ok(), "{}", at);
            }
        }
    }

    #[test]
    fn most_places_are_none() {
        let mut found = Vec::new();
        let text = "Welcome back, Anna. Your order will arrive on Tuesday; write to anna@x.io.".repeat(3);
        Heads::of_words([*b"ann"].iter()).each(text.as_bytes(), |at| found.push(at));
        assert_eq!(found, [14, 64, 88, 138, 162, 212]);
    }
}
