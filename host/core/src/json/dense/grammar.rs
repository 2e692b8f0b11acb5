//! Which token may follow which, judged on tokens that stand side by side.
//!
//! A token is one byte: a separator, the opening quote of a string, or the first byte of a number or
//! literal. All that is said of them here is said of neighbours, but for two things: whether a `,`
//! stands in an object, and which bracket is closed. Those are left to `brackets`: a `,` before a
//! string and a `:` claims that an object is around it, every other that an array is.

use fearless_simd::Avx512;
use fearless_simd::prelude::*;

use super::brackets::{Brackets, Gathered};
use super::{gather, to_stop};
use crate::json::block::{Block, Lanes};

/// 1 if the token before the block is …
pub(super) struct Grammar {
    after_open: u64,
    after_brace: u64,
    after_comma: u64,
    /// … a string after one.
    after_brace_string: u64,
    after_comma_string: u64,
    /// … an opening bracket, a comma or a colon, or there is none.
    before_value: u64,
    /// Claims that no bracket followed yet.
    object: u64,
    array: u64,
    brackets: Brackets,
}

impl Default for Grammar {
    fn default() -> Self {
        Self {
            after_open: 0,
            after_brace: 0,
            after_comma: 0,
            after_brace_string: 0,
            after_comma_string: 0,
            before_value: 1,
            object: 0,
            array: 0,
            brackets: Brackets::default(),
        }
    }
}

impl Grammar {
    /// Judges the tokens in `blocks`; of each block those in `live`. False: this is no JSON.
    #[inline(never)]
    pub(super) fn follow(&mut self, simd: Avx512, blocks: &[Block], live: u64) -> bool {
        simd.vectorize(
            #[inline(always)]
            || {
                let wrong = blocks.iter().fold(0, |wrong, block| wrong | self.block(simd, block, live));
                wrong == 0 && self.brackets.are_right()
            },
        )
    }

    /// Judges the last brackets.
    pub(super) fn finish(&mut self, simd: Avx512) -> bool {
        self.brackets.settle(simd);
        self.brackets.are_right()
    }

    #[inline(always)]
    fn block(&mut self, simd: Avx512, block: &Block, live: u64) -> u64 {
        let lanes = Lanes::load(simd, block);
        let (open, close) = (lanes.open() & live, lanes.close() & live);
        let (comma, colon) = (lanes.equal(b',') & live, lanes.equal(b':') & live);
        let string = lanes.equal(b'"') & live;
        let curly = lanes.curly();
        let before_value = after(open | comma | colon, &mut self.before_value);
        let after_open = after(open, &mut self.after_open);
        let after_brace = after(open & curly, &mut self.after_brace);
        let after_comma = after(comma, &mut self.after_comma);
        let after_brace_string = after(string & after_brace, &mut self.after_brace_string);
        let after_comma_string = after(string & after_comma, &mut self.after_comma_string);
        let after_values = close | comma | colon;
        let wrong = !(before_value ^ after_values | close & after_open)
            | (colon & !(after_brace_string | after_comma_string))
            | (after_brace & !(close | string))
            | (after_brace_string & !colon);
        let claims_object = (after_comma_string & colon & live) | self.object;
        let claims_array = (((after_comma & !string) | (after_comma_string & !colon)) & live) | self.array;
        let all = open | close;
        let (object, array);
        (object, self.object) = to_stop(claims_object, all);
        (array, self.array) = to_stop(claims_array, all);
        self.brackets.push(
            simd,
            Gathered {
                count: all.count_ones(),
                open: gather(simd, open, all),
                curly: gather(simd, curly, all),
                object: gather(simd, object | close & curly, all),
                array: gather(simd, array | close & !curly, all),
            },
        );
        wrong & live
    }
}

/// The tokens after those in `bits`.
#[inline(always)]
fn after(bits: u64, carry: &mut u64) -> u64 {
    let shifted = bits << 1 | *carry;
    *carry = bits >> 63;
    shifted
}
