//! The validating walk: one pass over a document, sixty-four bytes a step, no recursion.
//!
//! After Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019): bit masks tell strings
//! from structure. Where simdjson then visits every token, this goes on with masks, because a
//! branch a token is what makes validation slow. Grammar is a matter of neighbours:
//!
//! - A value never follows a value; `,` and `:` follow one; a closing bracket follows one, or its
//!   own opening. These compare each token with the one before it.
//! - Of the separators `{ [ ] } , :`, in an object a `:` never comes next after a `:` or a closing
//!   bracket, and a `,`, an opening or a closing one always does; in an array there is no `:`.
//!   Given the first rule, that is all there is to keys.
//!
//! Both need "the token before", found by letting an addition's carry run over what lies between
//! (see [`skip`]). Visited one by one are only brackets (for nesting), escapes, unusual
//! numbers, literals, and the separators of the outermost levels, which a [`Sink`] reads.

use std::hint::black_box;

use fearless_simd::{Level, Simd, dispatch};

use super::bits::{fail, ones, skip};
use super::block::{Block, Lanes, TokenMasks};
#[cfg(target_arch = "x86_64")]
use super::dense::walk_dense;
use super::nest::{Brackets, Nest};
use super::numbers::{Numbers, Scalars};
use super::strings::{Regions, Strings};
use super::text::trim_start;
use super::{JsonError, JsonFault};

/// Reads the outermost levels of a document.
pub(super) trait Sink {
    /// Separators directly inside this many containers, or fewer, are reported.
    const LEVELS: usize;

    /// One of `{ [ ] } , :` outside strings, at offset `at`, in order. All before it is valid.
    fn separator(&mut self, at: usize, byte: u8);
}

/// What a walk saw of the whole document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Any whitespace outside strings.
    pub(super) has_whitespace: bool,
    /// Any line feed or carriage return.
    pub(super) has_newline: bool,
}

impl Layout {
    /// Takes in whitespace around the document.
    pub(super) fn note_gap(&mut self, gap: &[u8]) {
        self.has_whitespace |= !gap.is_empty();
        self.has_newline |= memchr::memchr2(b'\n', b'\r', gap).is_some();
    }
}

/// Walks the one object or array in `bytes`, nested at most `max_depth` deep.
///
/// The caller has seen that it begins, after whitespace, with a bracket.
pub(super) fn walk<S: Sink>(bytes: &[u8], max_depth: usize, sink: &mut S) -> Result<Layout, JsonError> {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = Level::new().as_avx512() {
        return match walk_dense(simd, bytes, max_depth, sink) {
            Some(layout) => Ok(layout),
            None => Err(fault_of(bytes, max_depth)),
        };
    }
    walk_plain(bytes, max_depth, sink)
}

/// [`walk`] as every processor can.
pub(super) fn walk_plain<S: Sink>(bytes: &[u8], max_depth: usize, sink: &mut S) -> Result<Layout, JsonError> {
    dispatch!(Level::new(), simd => walk_with(simd, bytes, max_depth, sink))
}

/// What is wrong with a document that the dense walk refused.
#[cfg(target_arch = "x86_64")]
#[cold]
fn fault_of(bytes: &[u8], max_depth: usize) -> JsonError {
    struct Unread;
    impl Sink for Unread {
        const LEVELS: usize = 0;
        fn separator(&mut self, _: usize, _: u8) {}
    }
    let fault = walk_plain(bytes, max_depth, &mut Unread).err();
    fault.unwrap_or(JsonError { fault: JsonFault::Syntax, offset: 0 })
}

#[inline(always)]
fn walk_with<V: Simd, S: Sink>(
    simd: V,
    bytes: &[u8],
    max_depth: usize,
    sink: &mut S,
) -> Result<Layout, JsonError> {
    let mut walker = Walker {
        bytes,
        sink,
        layout: Layout::default(),
        input: u64::MAX,
        strings: Strings::default(),
        numbers: Numbers::default(),
        nest: Nest::new(max_depth),
        grammar: Grammar::default(),
    };
    let begin = bytes.len() - trim_start(bytes).len();
    walker.layout.note_gap(bytes.get(..begin).unwrap_or_default());
    let (blocks, tail) = bytes.get(begin..).unwrap_or_default().as_chunks::<64>();
    for (i, block) in blocks.iter().enumerate() {
        if let Some(end) = walker.block(simd, block, begin + i * 64)? {
            return walker.finish(end);
        }
    }
    let mut last: Block = [b' '; 64];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    walker.input = !(u64::MAX << tail.len());
    match walker.block(simd, &last, bytes.len() - tail.len())? {
        Some(end) => walker.finish(end),
        None => Err(JsonError { fault: JsonFault::Truncated, offset: bytes.len() }),
    }
}

struct Walker<'a, S> {
    bytes: &'a [u8],
    sink: &'a mut S,
    layout: Layout,
    /// The bytes of the block that are input: not the spaces that fill up the last one.
    input: u64,
    strings: Strings,
    numbers: Numbers,
    nest: Nest,
    grammar: Grammar,
}

impl<S: Sink> Walker<'_, S> {
    /// Walks one block; answers the offset after the document if it ends here.
    #[inline(always)]
    fn block<V: Simd>(&mut self, simd: V, block: &Block, base: usize) -> Result<Option<usize>, JsonError> {
        let lanes = Lanes::load(simd, block);
        let text = lanes.text();
        if self.strings.goes_on(&text) {
            return Ok(None);
        }
        // Here and not where they are used: the compiler would keep the vector on the stack over what
        // follows, where it is aligned by chance, and one process in three runs a fifth slower.
        let masks = black_box(lanes.tokens());
        self.strings.follow_utf8(self.bytes, text.high, base)?;
        let regions = self.strings.follow(self.bytes, block, &text, base)?;
        let tokens = Tokens::new(&masks, &regions);
        let scalars = Scalars {
            all: tokens.scalar,
            start: tokens.scalar & !(tokens.scalar << 1 | self.grammar.after_scalar),
            digit: masks.digit & tokens.scalar,
            zero: masks.zero,
            minus: masks.minus,
            point: masks.point,
        };
        self.numbers.check(self.bytes, &scalars, base)?;
        // Before nesting is followed, so that little has to be kept meanwhile.
        let wrong = self.grammar.follow(&tokens, scalars.start);
        let brackets = Brackets { open: tokens.open, close: tokens.close, curly: masks.curly };
        let nesting = self.nest.follow(brackets, S::LEVELS, base)?;
        let wrong = (wrong.in_object & nesting.in_object)
            | (wrong.in_array & !nesting.in_object)
            | nesting.mismatched;
        let wrong = (wrong & !nesting.beyond) | (nesting.beyond & !tokens.whitespace);
        fail(wrong, JsonFault::Syntax, base)?;
        if tokens.whitespace != 0 {
            self.layout.has_whitespace |= tokens.whitespace & self.input != 0;
            self.layout.has_newline |= regions.has_newline;
        }
        for at in ones(tokens.separators & nesting.shallow & !nesting.beyond) {
            self.sink.separator(base + at, block[at % 64]);
        }
        Ok(self.nest.is_empty().then(|| base + 64 - nesting.beyond.count_ones() as usize))
    }

    /// After the document at `end` only whitespace may follow.
    fn finish(mut self, end: usize) -> Result<Layout, JsonError> {
        self.strings.finish_utf8(self.bytes, end)?;
        let gap = self.bytes.get(end..).unwrap_or_default();
        let rest = trim_start(gap);
        if !rest.is_empty() {
            return Err(JsonError { fault: JsonFault::Syntax, offset: self.bytes.len() - rest.len() });
        }
        self.layout.note_gap(gap);
        Ok(self.layout)
    }
}

/// What stands outside the strings of one block.
struct Tokens {
    open: u64,
    close: u64,
    colon: u64,
    separators: u64,
    whitespace: u64,
    string_open: u64,
    string_close: u64,
    /// Bytes of numbers and literals (or of nothing that is JSON).
    scalar: u64,
}

impl Tokens {
    #[inline(always)]
    fn new(masks: &TokenMasks, regions: &Regions) -> Self {
        let outside = !(regions.inside | regions.quotes);
        let (open, close) = (masks.open & outside, masks.close & outside);
        let (comma, colon) = (masks.comma & outside, masks.colon & outside);
        let separators = open | close | comma | colon;
        let whitespace = regions.layout | (masks.space & outside);
        Self {
            open,
            close,
            colon,
            separators,
            whitespace,
            string_open: regions.quotes & regions.inside,
            string_close: regions.quotes & !regions.inside,
            scalar: outside & !(separators | whitespace),
        }
    }
}

/// Which token may follow which: 1 if, whitespace aside, the token before the block is …
#[derive(Default)]
struct Grammar {
    after_open: u64,
    after_string: u64,
    after_value: u64,
    /// … a number or literal, which may go on in the block.
    after_scalar: u64,
    /// 1 if the last separator was a `:` or closed a container.
    after_colon_or_close: u64,
}

/// Where a token may not follow the one before it.
struct Wrong {
    in_object: u64,
    in_array: u64,
}

impl Grammar {
    #[inline(always)]
    fn follow(&mut self, tokens: &Tokens, scalar_start: u64) -> Wrong {
        let &Tokens { open, close, colon, separators, whitespace, scalar, .. } = tokens;
        let value_end = close | tokens.string_close;
        let mut after_open = open << 1 | self.after_open;
        let mut after_string = tokens.string_close << 1 | self.after_string;
        let mut after_value = value_end << 1 | self.after_value;
        after_value |= (scalar << 1 | self.after_scalar) & !scalar;
        self.after_open = open >> 63;
        self.after_string = tokens.string_close >> 63;
        self.after_value = value_end >> 63;
        self.after_scalar = scalar >> 63;
        if whitespace != 0 {
            after_open = skip(after_open, whitespace, &mut self.after_open);
            after_string = skip(after_string, whitespace, &mut self.after_string);
            after_value = skip(after_value, whitespace, &mut self.after_value);
        }
        let colon_or_close = colon | close;
        let begin = colon_or_close << 1 | self.after_colon_or_close;
        self.after_colon_or_close = colon_or_close >> 63;
        let in_pair = skip(begin, !separators, &mut self.after_colon_or_close);

        // `{}` and `[]`, the only brackets that may close after neither a value nor a pair.
        let empty = close & after_open;
        let value_start = open | tokens.string_open | scalar_start;
        let neighbours = (value_start & after_value)
            | (separators & !open & !after_value & !empty)
            | (colon & !after_string);
        let in_objects = separators & !(in_pair ^ colon) & !empty;
        Wrong { in_object: neighbours | in_objects, in_array: neighbours | colon }
    }
}
