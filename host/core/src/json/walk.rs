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

use fearless_simd::{Level, Simd, dispatch};

use super::block::{Block, Lanes, TextMasks, TokenMasks, layout_masks};
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
    dispatch!(Level::new(), simd => walk_with(simd, bytes, max_depth, sink))
}

#[inline(always)]
fn walk_with<V: Simd, S: Sink>(
    simd: V,
    bytes: &[u8],
    max_depth: usize,
    sink: &mut S,
) -> Result<Layout, JsonError> {
    let mut walker = Walker::new(bytes, max_depth, sink);
    let begin = walker.begin();
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
    /// 1 if the block may go on with digits after a decimal point.
    after_point: u64,
    /// 1 if the last separator was a `:` or closed a container.
    after_colon_or_close: u64,
    /// Where the scalar that runs into the block began, and how far scalars were checked.
    scalar_start: usize,
    scalars_checked: usize,
    /// Where the run of blocks with non-ASCII bytes began.
    high_since: Option<usize>,
    /// Open containers.
    depth: usize,
    max_depth: usize,
    /// Whether they are objects, the innermost in the lowest bit; those beyond a word, in words.
    kinds: u64,
    outer_kinds: Vec<u64>,
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

/// Brackets after which …
#[derive(Default)]
struct Brackets {
    /// … the innermost container is an object.
    objects: u64,
    /// … the sink wants to know.
    shallow: u64,
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
            after_point: 0,
            after_colon_or_close: 0,
            scalar_start: 0,
            scalars_checked: 0,
            high_since: None,
            depth: 0,
            max_depth,
            kinds: 0,
            outer_kinds: Vec::new(),
        }
    }

    /// Walks one block; answers the offset after the document if it ends here.
    #[inline(always)]
    fn block<V: Simd>(&mut self, simd: V, block: &Block, base: usize) -> Result<Option<usize>, JsonError> {
        let lanes = Lanes::load(simd, block);
        let text = lanes.text();
        if text.high != 0 || self.high_since.is_some() {
            self.follow_high_bytes(text.high != 0, base)?;
        }
        let plain = text.quote | text.backslash | text.control == 0;
        if plain && self.in_string & !self.escaped == u64::MAX {
            return Ok(None);
        }
        let regions = self.regions(block, &text, base)?;
        let masks = lanes.tokens();
        let tokens = self.tokens(&masks, &regions);
        self.check_scalars(lanes, &masks, &tokens, base)?;
        let nesting = self.nest(lanes.curly(), &tokens, base)?;
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

    /// Checks numbers and literals. Digits, with a sign before or a point among them, need no visit.
    #[inline(always)]
    fn check_scalars<V: Simd>(
        &mut self,
        lanes: Lanes<V>,
        masks: &TokenMasks,
        tokens: &Tokens,
        base: usize,
    ) -> Result<(), JsonError> {
        let digit = masks.digit & tokens.scalar;
        let mut unusual = tokens.scalar & !digit;
        let mut first_digit = tokens.scalar_start;
        if unusual != 0 {
            // Signs and points at the edge of the block stay unusual.
            let (minus, point) = lanes.number_signs();
            let sign = minus & tokens.scalar_start & (digit >> 1);
            let point = point & (digit << 1) & (digit >> 1);
            let begin = point << 1 | self.after_point;
            self.after_point = 0;
            let second_point = skip(begin, digit, &mut self.after_point) & point;
            unusual &= !(sign | (point & !second_point));
            first_digit |= sign << 1;
        } else {
            self.after_point &= u64::from(digit == u64::MAX);
        }
        let lone_zero = first_digit & masks.zero;
        fail((lone_zero << 1 | self.after_zero) & digit, JsonFault::Scalar, base)?;
        self.after_zero = lone_zero >> 63;
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
    fn nest(&mut self, curly: u64, tokens: &Tokens, base: usize) -> Result<Nesting, JsonError> {
        let (open, close) = (tokens.open, tokens.close);
        let brackets = open | close;
        let opening = open.count_ones() as usize;
        let closing = close.count_ones() as usize;
        let innermost = self.kinds & 1;
        let level = self.depth % 64;
        // Neither the document can end here, nor a word of kinds, nor the depth allowed.
        let is_easy = level > closing && level + opening < 63 && self.depth + opening <= self.max_depth;
        let mut after = Brackets::default();
        if is_easy {
            let before = self.depth;
            let mut kinds = self.kinds;
            if before > S::LEVELS + closing {
                for at in ones(brackets) {
                    kinds = next_kinds(kinds, at, open, curly);
                    after.objects |= (kinds & 1) << at;
                }
            } else {
                let mut depth = before;
                for at in ones(brackets) {
                    kinds = next_kinds(kinds, at, open, curly);
                    after.objects |= (kinds & 1) << at;
                    depth = depth + 2 * (open >> at & 1) as usize - 1;
                    after.shallow |= u64::from(depth <= S::LEVELS) << at;
                }
            }
            self.kinds = kinds;
            self.depth = before + opening - closing;
            let in_object = fill(after.objects, innermost, brackets);
            return Ok(Nesting {
                in_object,
                shallow: fill(after.shallow, u64::from(before <= S::LEVELS), brackets),
                mismatched: close & (in_object ^ curly),
                beyond: 0,
            });
        }
        self.nest_carefully(curly, tokens, base)
    }

    /// Follows the brackets where the document, the allowed depth or a word of kinds may end.
    fn nest_carefully(&mut self, curly: u64, tokens: &Tokens, base: usize) -> Result<Nesting, JsonError> {
        let (open, close) = (tokens.open, tokens.close);
        let innermost = self.kinds & 1;
        let was_shallow = u64::from(self.depth <= S::LEVELS);
        let mut after = Brackets::default();
        let mut beyond = 0;
        for at in ones(open | close) {
            if open >> at & 1 == 1 {
                if self.depth == self.max_depth {
                    return Err(JsonError { fault: JsonFault::TooDeep, offset: base + at });
                }
                if self.depth % 64 == 63 {
                    self.outer_kinds.push(self.kinds);
                    self.kinds = 0;
                }
                self.kinds = next_kinds(self.kinds, at, open, curly);
                self.depth += 1;
            } else {
                self.kinds = next_kinds(self.kinds, at, open, curly);
                if self.depth.is_multiple_of(64) {
                    self.kinds = self.outer_kinds.pop().unwrap_or_default();
                }
                self.depth -= 1;
                if self.depth == 0 {
                    beyond = (u64::MAX << at) << 1;
                    break;
                }
            }
            after.objects |= (self.kinds & 1) << at;
            after.shallow |= u64::from(self.depth <= S::LEVELS) << at;
        }
        let in_object = fill(after.objects, innermost, open | close);
        Ok(Nesting {
            in_object,
            shallow: fill(after.shallow, was_shallow, open | close),
            mismatched: close & (in_object ^ curly),
            beyond,
        })
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

/// Follows one bracket.
///
/// Without a branch: which way a bracket goes is as good as random.
#[inline(always)]
fn next_kinds(kinds: u64, at: usize, open: u64, curly: u64) -> u64 {
    let is_open = open >> at & 1;
    (kinds << is_open) >> (is_open ^ 1) | (is_open & curly >> at)
}

/// For each of `stops` that is set in `from`: the bytes after it, up to and including the next stop.
/// `first` is the bit of the stop before the block.
#[inline(always)]
fn fill(from: u64, first: u64, stops: u64) -> u64 {
    let begin = from << 1 | first;
    let sum = (begin & !stops).wrapping_add(!stops);
    // Runs that were begun are carried through: they are 0 now, and the stop behind them is 1.
    (!stops & !sum) | (stops & (sum | begin))
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
