//! Text nodes that follow each other.

use super::{END_BYTES, End, Joint, Link, Row, Runs};
use crate::model::Chunk;

/// How far apart the ids of two texts are at most: a span around each makes two.
const MAX_STEP: u32 = 3;
/// Bytes of a group of digits, or of full-width ones, at most.
const MAX_GROUP_BYTES: u32 = 18;

/// The texts of one chunk, as they come.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// The event that shows the page whole, if the chunk has one: the first with a text.
    snapshot: Option<u32>,
    is_begun: bool,
    /// Of the last text, blank or not.
    event: u32,
    node: u32,
    element: u32,
    /// The last that is not blank, if what came since is near; and how it is joined to what comes.
    solid: Option<Text>,
    joint: Joint,
    over_blank: bool,
    /// Texts that may go on with each other, in one order or the other; two and more, or none.
    near: Vec<Text>,
}

/// A text, and how it is joined to the one before it.
#[derive(Clone, Copy, Debug)]
struct Text {
    row: u32,
    event: u32,
    bytes: u32,
    /// The bytes at its ends.
    first: u8,
    last: u8,
    joint: Joint,
    over_blank: bool,
}

impl Texts {
    /// Takes the next text of a chunk.
    #[inline]
    pub(super) fn take(&mut self, runs: &mut Runs<'_, '_>, chunk: &Chunk<'_>, row: Row) {
        if !self.is_begun {
            self.is_begun = true;
            self.snapshot = chunk.info().has_full_snapshot.then_some(row.event);
        }
        let step = self.node.abs_diff(row.node);
        let is_near = step <= MAX_STEP && self.event == row.event;
        if step != 1 || self.element != row.element || row.element == 0 {
            self.joint = Joint::Loose;
        }
        (self.event, self.node, self.element) = (row.event, row.node, row.element);
        let text = Text::new(chunk, row);
        if let Some(solid) = self.solid.filter(|_| is_near) {
            let Some(mut text) = text else {
                self.over_blank = true;
                return;
            };
            (text.joint, text.over_blank) = (self.joint, self.over_blank);
            if !solid.may_go_on(&text) {
                self.flush(runs, row.chunk);
            } else {
                if self.near.is_empty() {
                    self.near.push(solid);
                }
                self.near.push(text);
            }
            self.solid = Some(text);
        } else {
            self.flush(runs, row.chunk);
            self.solid = text;
        }
        (self.joint, self.over_blank) = (Joint::Close, false);
    }

    /// Adds the runs among the texts that are near each other.
    #[inline]
    pub(super) fn flush(&mut self, runs: &mut Runs<'_, '_>, chunk: usize) {
        if let Some(first) = self.near.first() {
            add_runs(runs, chunk, self.near.iter().map(|text| (text, text.joint, text.over_blank)));
            if Some(first.event) != self.snapshot {
                // How a text is joined is said by the one that came after it.
                let joints = self.near.iter().rev().scan((Joint::Close, false), |after, text| {
                    let joint = std::mem::replace(after, (text.joint, text.over_blank));
                    Some((text, joint.0, joint.1))
                });
                add_runs(runs, chunk, joints);
            }
            self.near.clear();
        }
    }
}

/// Adds the runs among texts in the order in which they are read, each with how it is joined to the one
/// before it.
fn add_runs<'t>(runs: &mut Runs<'_, '_>, chunk: usize, texts: impl Iterator<Item = (&'t Text, Joint, bool)>) {
    let mut run: Vec<Link> = Vec::new();
    let mut before: Option<&Text> = None;
    for (text, joint, over_blank) in texts {
        let link = |end: End| {
            // White space reads as one space.
            let between = if over_blank { " " } else { "" };
            Link { chunk, row: text.row as usize, joint, between, end }
        };
        let goes_on = before.is_some_and(|before| joint == Joint::Close || before.goes_on(text, over_blank));
        let is_long = text.bytes as usize > END_BYTES;
        if goes_on {
            run.push(link(if is_long { End::Head } else { End::Whole }));
        }
        if !goes_on || is_long {
            // What is between the two ends of a long text is nobody's neighbour.
            runs.push(run.drain(..));
            run.push(link(End::Tail));
        }
        before = Some(text);
    }
    runs.push(run.drain(..));
}

impl Text {
    /// `None` for a blank.
    #[inline]
    fn new(chunk: &Chunk<'_>, row: Row) -> Option<Self> {
        let text = chunk.text().as_bytes().get(row.start as usize..row.end as usize)?;
        let (first, last) = (*text.first()?, *text.last()?);
        if first.is_ascii_whitespace() && text.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let (bytes, joint) = (row.end - row.start, Joint::Close);
        Some(Self { row: row.row, event: row.event, bytes, first, last, joint, over_blank: false })
    }

    /// Whether the two may be read as one, in either order.
    #[inline]
    fn may_go_on(&self, next: &Self) -> bool {
        next.joint == Joint::Close
            || self.goes_on(next, next.over_blank)
            || next.goes_on(self, next.over_blank)
    }

    /// Whether what stands at a loose joint looks as if it went on: groups of digits, an address cut at
    /// its `@` or before a dot, letters one by one. Over a blank only digits do.
    #[inline]
    fn goes_on(&self, next: &Self, over_blank: bool) -> bool {
        if is_digit(self.last) && is_digit(next.first) {
            return self.bytes <= MAX_GROUP_BYTES && next.bytes <= MAX_GROUP_BYTES;
        }
        let cut =
            self.last == b'@' || matches!(next.first, b'@' | b'.') || self.bytes == 1 && self.last == b'.';
        let one = self.bytes == 1 && next.bytes == 1;
        (cut || one) && !over_blank && !self.last.is_ascii_whitespace() && !next.first.is_ascii_whitespace()
    }
}

/// Of full-width digits (`EF BC 90` to `EF BC 99`) the first byte and the last.
#[inline]
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, 0xEF | 0x90..=0x99)
}
