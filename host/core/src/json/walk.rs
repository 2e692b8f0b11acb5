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
//! (see [`skip`]). Visited one by one are only brackets (for nesting), escapes, numbers that are not
//! plain digits, literals, and the separators of the outermost levels, which a [`Sink`] reads.

use std::ops::Range;

use vsimd::isa::detect;
use vsimd::native::Native;

use super::block::{Block, Classify, TextMasks, TokenMasks, Vectors, Words, layout_masks};
use super::scalar::{check_escape, check_scalar};
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

/// Walks the one object or array in `bytes`, nested at most `max_depth` deep.
///
/// The caller has seen that it begins, after whitespace, with a bracket.
pub(super) fn walk<S: Sink>(bytes: &[u8], max_depth: usize, sink: &mut S) -> Result<Layout, JsonError> {
    // `exec` compiles what it runs for the best instructions there are.
    #[cfg(target_arch = "x86_64")]
    if let Some(isa) = detect::<vsimd::isa::AVX2>() {
        return Native::detect().exec(|| walk_with(Vectors(isa), bytes, max_depth, sink));
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(isa) = detect::<vsimd::isa::SSE2>() {
        return walk_with(Vectors(isa), bytes, max_depth, sink);
    }
    walk_with(Words, bytes, max_depth, sink)
}

#[inline(always)]
fn walk_with<S: Sink>(
    way: impl Classify,
    bytes: &[u8],
    max_depth: usize,
    sink: &mut S,
) -> Result<Layout, JsonError> {
    let mut walker = Walker::new(bytes, max_depth, sink);
    let begin = walker.begin();
    let (blocks, tail) = bytes.get(begin..).unwrap_or_default().as_chunks::<64>();
    for (i, block) in blocks.iter().enumerate() {
        if let Some(end) = walker.block(way, block, begin + i * 64)? {
            return walker.finish(end);
        }
    }
    let mut last: Block = [b' '; 64];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    walker.input = !(u64::MAX << tail.len());
    match walker.block(way, &last, bytes.len() - tail.len())? {
        Some(end) => walker.finish(end),
        None => Err(JsonError { fault: JsonFault::Truncated, offset: bytes.len() }),
    }
}

/// State carried from block to block.
struct Walker<'a, S> {
    bytes: &'a [u8],
    sink: &'a mut S,
    layout: Layout,
    /// The bytes of the block that are input: not the spaces that fill up the last one.
    input: u64,
    /// All ones inside a string.
    in_string: u64,
    /// 1 if the first byte of the block is escaped.
    escaped: u64,
    /// 1 if, whitespace aside, the token before the block is …
    after_open: u64,
    after_string: u64,
    after_value: u64,
    /// 1 if a number or literal may go on in the block, and if that is a lone `0` so far.
    after_scalar: u64,
    after_zero: u64,
    /// 1 if the last separator was a `:` or closed a container.
    after_colon_or_close: u64,
    /// Where the scalar that runs into the block began, and how far scalars were checked.
    scalar_start: usize,
    scalars_checked: usize,
    /// Where the run of blocks with non-ASCII bytes began.
    high_since: Option<usize>,
    /// Open containers; of each level, whether it is an object.
    depth: usize,
    max_depth: usize,
    is_object: Vec<u8>,
}

/// Strings and whitespace of one block.
struct Regions {
    /// From an opening quote to before the closing one.
    inside: u64,
    /// Opening and closing quotes.
    quotes: u64,
    /// Tabs and ends of line outside strings.
    layout: u64,
}

/// What stands outside the strings of one block.
struct Tokens {
    open: u64,
    close: u64,
    comma: u64,
    colon: u64,
    separators: u64,
    whitespace: u64,
    string_open: u64,
    string_close: u64,
    /// Bytes of numbers and literals (or of nothing that is JSON), and the first of each.
    scalar: u64,
    scalar_start: u64,
}

/// What the brackets of a block say of each of its bytes.
#[derive(Default)]
struct Nesting {
    /// Its innermost container is an object (for a bracket: the one around it, or closed by it).
    in_object: u64,
    /// That container is at a level the sink wants.
    shallow: u64,
    /// Closing brackets of the wrong kind.
    mismatched: u64,
    /// Bytes after the document.
    beyond: u64,
}

impl<'a, S: Sink> Walker<'a, S> {
    fn new(bytes: &'a [u8], max_depth: usize, sink: &'a mut S) -> Self {
        Self {
            bytes,
            sink,
            layout: Layout::default(),
            input: u64::MAX,
            in_string: 0,
            escaped: 0,
            after_open: 0,
            after_string: 0,
            after_value: 0,
            after_scalar: 0,
            after_zero: 0,
            after_colon_or_close: 0,
            scalar_start: 0,
            scalars_checked: 0,
            high_since: None,
            depth: 0,
            max_depth,
            is_object: vec![0; max_depth + 2],
        }
    }

    /// Walks one block; answers the offset after the document if it ends here.
    #[inline(always)]
    fn block(&mut self, way: impl Classify, block: &Block, base: usize) -> Result<Option<usize>, JsonError> {
        let text = way.text(block);
        if text.high != 0 || self.high_since.is_some() {
            self.follow_high_bytes(text.high != 0, base)?;
        }
        let plain = text.quote | text.backslash | text.control == 0;
        if plain && self.in_string & !self.escaped == u64::MAX {
            return Ok(None);
        }
        let regions = self.regions(block, &text, base)?;
        let masks = way.tokens(block);
        let tokens = self.tokens(&masks, &regions);
        self.check_scalars(&masks, &tokens, base)?;
        let nesting = self.nest(block, &tokens, base)?;
        let wrong = self.grammar(&tokens, &nesting) & !nesting.beyond;
        fail(wrong | (nesting.beyond & !tokens.whitespace), JsonFault::Syntax, base)?;
        for at in ones(tokens.separators & nesting.shallow & !nesting.beyond) {
            self.sink.separator(base + at, block[at % 64]);
        }
        Ok((self.depth == 0).then(|| base + 64 - nesting.beyond.count_ones() as usize))
    }

    /// Finds the strings, and checks their bytes and escapes.
    #[inline(always)]
    fn regions(&mut self, block: &Block, text: &TextMasks, base: usize) -> Result<Regions, JsonError> {
        let mut escaped = 0;
        if text.backslash | self.escaped != 0 {
            escaped = find_escaped(text.backslash, &mut self.escaped);
        }
        let quotes = text.quote & !escaped;
        let inside = prefix_xor(quotes) ^ self.in_string;
        self.in_string = ((inside as i64) >> 63) as u64;
        // A backslash outside strings is taken for a scalar, and refused as one.
        for at in ones(escaped & inside) {
            check_escape(self.bytes, base + at)?;
        }
        if text.control != 0 {
            fail(text.control & inside, JsonFault::ControlCharacter, base)?;
            let (layout, newline) = layout_masks(block);
            fail(text.control & !layout, JsonFault::Syntax, base)?;
            self.layout.has_newline |= newline != 0;
        }
        Ok(Regions { inside, quotes, layout: text.control })
    }

    #[inline(always)]
    fn tokens(&mut self, masks: &TokenMasks, regions: &Regions) -> Tokens {
        let outside = !(regions.inside | regions.quotes);
        let (open, close) = (masks.open & outside, masks.close & outside);
        let (comma, colon) = (masks.comma & outside, masks.colon & outside);
        let separators = open | close | comma | colon;
        let whitespace = regions.layout | (masks.space & outside);
        let scalar = outside & !(separators | whitespace);
        Tokens {
            open,
            close,
            comma,
            colon,
            separators,
            whitespace,
            string_open: regions.quotes & regions.inside,
            string_close: regions.quotes & !regions.inside,
            scalar,
            scalar_start: scalar & !(scalar << 1 | self.after_scalar),
        }
    }

    /// Checks numbers and literals. Plain digits without a leading zero need no visit.
    #[inline(always)]
    fn check_scalars(&mut self, masks: &TokenMasks, tokens: &Tokens, base: usize) -> Result<(), JsonError> {
        let digit = masks.digit;
        let lone_zero = tokens.scalar_start & masks.zero;
        fail((lone_zero << 1 | self.after_zero) & digit & tokens.scalar, JsonFault::Scalar, base)?;
        self.after_zero = lone_zero >> 63;
        let mut unusual = tokens.scalar & !digit;
        while unusual != 0 {
            let at = unusual.trailing_zeros();
            let starts = tokens.scalar_start & (u64::MAX >> (63 - at));
            let start = match starts {
                0 => self.scalar_start,
                _ => base + 63 - starts.leading_zeros() as usize,
            };
            if base + at as usize >= self.scalars_checked {
                self.scalars_checked = check_scalar(self.bytes, start)?;
            }
            let done = self.scalars_checked - base;
            unusual = if done < 64 { unusual & (u64::MAX << done) } else { 0 };
        }
        if tokens.scalar_start != 0 {
            self.scalar_start = base + 63 - tokens.scalar_start.leading_zeros() as usize;
        }
        Ok(())
    }

    /// Follows the brackets.
    #[inline(always)]
    fn nest(&mut self, block: &Block, tokens: &Tokens, base: usize) -> Result<Nesting, JsonError> {
        let mut depth = self.depth;
        let mut kind = u64::from(self.is_object[depth]);
        let mut nesting = Nesting {
            in_object: kind.wrapping_neg(),
            shallow: u64::from(depth <= S::LEVELS).wrapping_neg(),
            ..Nesting::default()
        };
        for at in ones(tokens.open | tokens.close) {
            let beyond = (u64::MAX << at) << 1;
            let is_curly = block[at % 64] >> 5 & 1;
            let is_open = (tokens.open >> at & 1) as usize;
            nesting.mismatched |= ((kind ^ u64::from(is_curly)) & !(is_open as u64) & 1) << at;
            // Written above the top, so that a closing bracket's write is never read.
            self.is_object[depth + 1] = is_curly;
            let was_shallow = depth <= S::LEVELS;
            depth = depth + 2 * is_open - 1;
            if depth.wrapping_sub(1) >= self.max_depth {
                if depth == 0 {
                    nesting.beyond = beyond;
                    break;
                }
                return Err(JsonError { fault: JsonFault::TooDeep, offset: base + at });
            }
            let now = u64::from(self.is_object[depth]);
            nesting.in_object ^= (kind ^ now).wrapping_neg() & beyond;
            nesting.shallow ^= u64::from(was_shallow != (depth <= S::LEVELS)).wrapping_neg() & beyond;
            kind = now;
        }
        self.depth = depth;
        Ok(nesting)
    }

    /// Where a token may not follow the one before it.
    #[inline(always)]
    fn grammar(&mut self, tokens: &Tokens, nesting: &Nesting) -> u64 {
        let &Tokens { open, close, comma, colon, separators, whitespace, scalar, .. } = tokens;
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
            self.layout.has_whitespace |= whitespace & self.input != 0;
            after_open = skip(after_open, whitespace, &mut self.after_open);
            after_string = skip(after_string, whitespace, &mut self.after_string);
            after_value = skip(after_value, whitespace, &mut self.after_value);
        }
        let colon_or_close = colon | close;
        let begin = colon_or_close << 1 | self.after_colon_or_close;
        self.after_colon_or_close = colon_or_close >> 63;
        let in_pair = skip(begin, !separators, &mut self.after_colon_or_close);

        let value_start = open | tokens.string_open | tokens.scalar_start;
        let neighbours = (value_start & after_value)
            | ((comma | colon) & !after_value)
            | (close & !(after_value | after_open))
            | (colon & !after_string);
        let in_objects = (colon & in_pair) | ((comma | open) & !in_pair) | (close & !(in_pair | after_open));
        let in_arrays = colon;
        neighbours | (in_objects & nesting.in_object) | (in_arrays & !nesting.in_object) | nesting.mismatched
    }

    /// Checks UTF-8 over each run of blocks with non-ASCII bytes: no character crosses its ends.
    #[cold]
    fn follow_high_bytes(&mut self, any_high: bool, base: usize) -> Result<(), JsonError> {
        if any_high {
            self.high_since.get_or_insert(base);
            return Ok(());
        }
        self.check_utf8(base)
    }

    fn check_utf8(&mut self, until: usize) -> Result<(), JsonError> {
        let Some(from) = self.high_since.take() else { return Ok(()) };
        match std::str::from_utf8(self.bytes.get(from..until).unwrap_or_default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(JsonError { fault: JsonFault::Utf8, offset: from + error.valid_up_to() }),
        }
    }

    /// Where the document begins, after whitespace.
    fn begin(&mut self) -> usize {
        let begin = self.bytes.len() - trim_start(self.bytes).len();
        self.note_gap(0..begin);
        begin
    }

    /// After the document at `end` only whitespace may follow.
    fn finish(mut self, end: usize) -> Result<Layout, JsonError> {
        self.check_utf8(end)?;
        let rest = trim_start(self.bytes.get(end..).unwrap_or_default());
        if !rest.is_empty() {
            let offset = self.bytes.len() - rest.len();
            return Err(JsonError { fault: JsonFault::Syntax, offset });
        }
        self.note_gap(end..self.bytes.len());
        Ok(self.layout)
    }

    fn note_gap(&mut self, gap: Range<usize>) {
        self.layout.has_whitespace |= !gap.is_empty();
        let gap = self.bytes.get(gap).unwrap_or_default();
        self.layout.has_newline |= memchr::memchr2(b'\n', b'\r', gap).is_some();
    }
}

/// Moves each bit of `from` that lies in a run of `gap` to the byte after that run.
///
/// A bit of `from` in a gap is at the first byte of its run, so adding makes the carry run through
/// it. `carry` is set if it runs out at the top.
#[inline(always)]
fn skip(from: u64, gap: u64, carry: &mut u64) -> u64 {
    let (sum, overflow) = (from & gap).overflowing_add(gap);
    *carry |= u64::from(overflow);
    (sum | from) & !gap
}

/// Bit `i` of the answer: the parity of the bits up to and including `i`.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The bytes that a backslash escapes; runs of backslashes are told apart by their parity.
///
/// The subtraction of simdjson's `json_escape_scanner`.
#[inline(always)]
fn find_escaped(backslash: u64, next_is_escaped: &mut u64) -> u64 {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    let begins = backslash & !*next_is_escaped;
    let codes = ((begins << 1) | ODD).wrapping_sub(begins) ^ ODD;
    let escaped = codes ^ (backslash | *next_is_escaped);
    *next_is_escaped = (codes & backslash) >> 63;
    escaped
}

/// Positions of the bits that are set, lowest first.
#[inline(always)]
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = bits.trailing_zeros() as usize;
        (bits != 0).then(|| {
            bits &= bits - 1;
            at
        })
    })
}

#[inline(always)]
fn fail(wrong: u64, fault: JsonFault, base: usize) -> Result<(), JsonError> {
    match wrong {
        0 => Ok(()),
        _ => Err(JsonError { fault, offset: base + wrong.trailing_zeros() as usize }),
    }
}
