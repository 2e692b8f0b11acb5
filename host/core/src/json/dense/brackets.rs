//! Whether brackets match, and whether what stands between them fits what they are.
//!
//! Brackets wait until a word of 64 is full. Then pairs that are next to each other are judged and
//! taken out, a few times over. What is left, about one in ten, a stack follows.

use fearless_simd::Avx512;

use super::{gather, to_stop};

/// Brackets in their order, the first in the lowest bit of each word.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gathered {
    pub(super) count: u32,
    /// It opens.
    pub(super) open: u64,
    /// It is `{`; of closing ones it says nothing.
    pub(super) curly: u64,
    /// It closes an object, or something between the bracket before and this one needs one around.
    pub(super) object: u64,
    /// The same of an array.
    pub(super) array: u64,
}

/// How often pairs are taken out: enough for an element with some text, and for a list of such.
const ROUNDS: usize = 4;

/// Brackets that wait, and the containers that were open before them.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    waiting: Gathered,
    /// 1 if something before the next bracket needs an object (an array) around.
    object: u64,
    array: u64,
    /// Whether the open containers are objects, the innermost in the lowest bit; what does not fit,
    /// in words of 64.
    kinds: u64,
    outer_kinds: Vec<u64>,
    depth: usize,
    wrong: u64,
}

impl Brackets {
    pub(super) fn are_right(&self) -> bool {
        self.wrong == 0
    }

    /// Appends brackets.
    #[inline(always)]
    pub(super) fn push(&mut self, simd: Avx512, new: Gathered) {
        if self.waiting.count + new.count > 64 {
            self.settle(simd);
        }
        let waiting = &mut self.waiting;
        let at = waiting.count % 64;
        waiting.open |= new.open << at;
        waiting.curly |= new.curly << at;
        waiting.object |= new.object << at;
        waiting.array |= new.array << at;
        waiting.count += new.count;
    }

    /// Judges the brackets that wait.
    #[inline(always)]
    pub(super) fn settle(&mut self, simd: Avx512) {
        let mut rest = std::mem::take(&mut self.waiting);
        rest.object |= std::mem::take(&mut self.object);
        rest.array |= std::mem::take(&mut self.array);
        for _ in 0..ROUNDS {
            rest = self.take_out_pairs(simd, rest);
        }
        self.follow(rest);
    }

    /// Judges and takes out each opening bracket that a closing one follows.
    #[inline(always)]
    fn take_out_pairs(&mut self, simd: Avx512, all: Gathered) -> Gathered {
        let live = if all.count < 64 { !(u64::MAX << all.count) } else { u64::MAX };
        let closing = !all.open & live & all.open << 1;
        let kept = live & !(closing | closing >> 1);
        self.wrong |= closing & all.faults(all.curly << 1);
        // What was between a pair is judged; what was before it has the container that it is in.
        let (object, late_object) = to_stop(all.object & !closing, kept);
        let (array, late_array) = to_stop(all.array & !closing, kept);
        self.object |= late_object;
        self.array |= late_array;
        Gathered {
            count: kept.count_ones(),
            open: gather(simd, all.open, kept),
            curly: gather(simd, all.curly, kept),
            object: gather(simd, object, kept),
            array: gather(simd, array, kept),
        }
    }

    #[inline(always)]
    fn follow(&mut self, rest: Gathered) {
        for at in 0..rest.count {
            let one = rest.at(at);
            self.wrong |= one.faults(self.kinds) & 1;
            if one.open & 1 == 1 {
                if self.depth > 0 && self.depth.is_multiple_of(64) {
                    self.outer_kinds.push(self.kinds);
                }
                self.kinds = self.kinds << 1 | (one.curly & 1);
                self.depth += 1;
            } else {
                self.kinds >>= 1;
                self.depth = self.depth.saturating_sub(1);
                if self.depth > 0 && self.depth.is_multiple_of(64) {
                    self.kinds = self.outer_kinds.pop().unwrap_or_default();
                }
            }
        }
    }
}

impl Gathered {
    /// Which of them do not fit the container around (for a closing one: that it closes), given which
    /// of those are objects.
    #[inline(always)]
    fn faults(&self, around: u64) -> u64 {
        (self.object & !around) | (self.array & around)
    }

    /// The brackets from `at` on.
    #[inline(always)]
    fn at(&self, at: u32) -> Self {
        let of = |bits: u64| bits >> (at % 64);
        Self {
            count: 1,
            open: of(self.open),
            curly: of(self.curly),
            object: of(self.object),
            array: of(self.array),
        }
    }
}
