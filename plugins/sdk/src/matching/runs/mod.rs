//! Text that is split over several fields, read as one: `anna` `@` `example.com` in three text nodes, a
//! card in four inputs, letters drawn one by one.
//!
//! A *run* is fields that may be read as one text, in the order in which they are read, and the joints
//! between them:
//!
//! - texts of one event whose node ids follow each other. Siblings are [`Joint::Close`]: nothing is
//!   between them. Others (three spans, but as well three cells of a table) are [`Joint::Loose`]: what
//!   stands at the joint must look as if it went on. A snapshot numbers its nodes as they are read, a
//!   mutation mostly the other way round: there both ways are tried.
//! - inputs that follow each other, each with a few letters or digits: [`Joint::Box`]. Boxes of one
//!   character are joined as they are, longer ones with a `-`.
//! - single characters that one event draws on one canvas: [`Joint::Close`].
//!
//! Only what spans two fields or more is told: the rest is found field by field ([`Joined`]). Of long
//! texts only the ends are looked at, and each byte is copied at most four times: the time is linear.

mod boxes;
mod glyphs;
mod texts;

use std::ops::Range;

use super::{Find, Joined};
use crate::model::{Chunk, Field, Kind, ROW_BYTES};
use boxes::Boxes;
use glyphs::Glyphs;
use texts::Texts;

/// Bytes of a field's text that are looked at on either side of a joint.
const END_BYTES: usize = 256;

const TEXT: u32 = Kind::Text as u32;
const INPUT: u32 = Kind::Input as u32;
const CANVAS: u32 = Kind::Canvas as u32;

/// How two fields of a run are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Joint {
    /// Nothing is between them.
    #[default]
    Close,
    /// Both are inputs.
    Box,
    /// They may be apart on the screen, as cells of a table are: the author says what is likely.
    Loose,
}

/// What is in one of the fields.
#[derive(Clone)]
pub struct Part<'a> {
    /// The field.
    pub field: Field<'a>,
    /// Which bytes of its text.
    pub range: Range<usize>,
}

/// Something that was found in two fields or more.
pub struct Split<'a> {
    /// In the order in which they are read; no field is there twice.
    pub parts: Vec<Part<'a>>,
    /// The loosest joint between them.
    pub joint: Joint,
}

/// The runs of a batch.
pub struct Runs<'j, 'a> {
    joined: &'j [Joined<'a>],
    /// The runs, each followed by `\n`.
    text: String,
    pieces: Vec<Piece>,
}

/// What of a field stands in a run.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where in the text of all runs.
    start: usize,
    end: usize,
    /// Where it begins in the field as it reads.
    from: usize,
    chunk: usize,
    row: usize,
    /// How it is joined to the piece before it; means nothing for the first of a run.
    joint: Joint,
}

impl<'j, 'a> Runs<'j, 'a> {
    /// Finds the runs in a batch's chunks.
    pub fn of(joined: &'j [Joined<'a>]) -> Self {
        let mut runs = Self { joined, text: String::new(), pieces: Vec::new() };
        let mut boxes = Boxes::default();
        for (position, joined) in joined.iter().enumerate() {
            let (chunk, mut texts, mut glyphs) = (joined.chunk(), Texts::default(), Glyphs::default());
            for (row, columns) in (0..).zip(chunk.rows()) {
                match Row::kind(columns) {
                    TEXT => texts.take(&mut runs, chunk, Row::new(position, row, columns)),
                    INPUT => boxes.take(chunk, Row::new(position, row, columns)),
                    CANVAS => glyphs.take(&mut runs, chunk, Row::new(position, row, columns)),
                    _ => {}
                }
            }
            texts.flush(&mut runs, position);
            glyphs.flush(&mut runs);
        }
        boxes.flush(&mut runs);
        runs
    }

    /// Calls `hit` for all that `find` finds over two fields or more.
    pub fn search<F: Find>(&self, find: &F, hit: &mut dyn FnMut(&Split<'a>, F::Rule)) {
        find.each(&self.text, &mut |found, rule| {
            if let Some(split) = self.split(&found) {
                hit(&split, rule);
            }
        });
    }

    fn split(&self, found: &Range<usize>) -> Option<Split<'a>> {
        let first = self.pieces.partition_point(|piece| piece.end <= found.start);
        let pieces = self.pieces.get(first..)?;
        let count = pieces.iter().take_while(|piece| piece.start < found.end).count();
        let pieces = pieces.get(..count).filter(|pieces| pieces.len() > 1)?;
        let joint = pieces.iter().skip(1).map(|piece| piece.joint).max()?;
        let parts: Vec<Part<'a>> = pieces.iter().filter_map(|piece| self.part(piece, found)).collect();
        (parts.len() > 1).then_some(Split { parts, joint })
    }

    /// The part of `found` in a piece; none of white space.
    fn part(&self, piece: &Piece, found: &Range<usize>) -> Option<Part<'a>> {
        let joined = self.joined.get(piece.chunk)?;
        let field = joined.chunk().field(piece.row)?;
        let inside = found.start.max(piece.start)..found.end.min(piece.end);
        if self.text.get(inside.clone())?.trim().is_empty() {
            return None;
        }
        let from = piece.from + (inside.start - piece.start);
        let range = joined.source_range(field, from..from + inside.len());
        Some(Part { field, range })
    }

    /// Adds one run: fields by chunk and row, each with its joint and what of it is looked at.
    fn push(&mut self, run: impl Iterator<Item = Link>) {
        let (text, pieces) = (self.text.len(), self.pieces.len());
        for link in run {
            let Some(joined) = self.joined.get(link.chunk) else { continue };
            let Some(field) = joined.chunk().field(link.row) else { continue };
            let read = joined.innermost(field);
            let range = link.end.of(read);
            let Some(part) = read.get(range.clone()) else { continue };
            if self.pieces.len() > pieces {
                self.text.push_str(link.between);
            }
            let start = self.text.len();
            // A line break is white space like any other here; both are one byte.
            self.text.extend(part.chars().map(|char| if char == '\n' { ' ' } else { char }));
            self.pieces.push(Piece {
                start,
                end: self.text.len(),
                from: range.start,
                chunk: link.chunk,
                row: link.row,
                joint: link.joint,
            });
        }
        if self.pieces.len() < pieces + 2 {
            self.text.truncate(text);
            self.pieces.truncate(pieces);
        } else {
            self.text.push('\n');
        }
    }
}

/// One field, as its row in the index tells it.
#[derive(Clone, Copy, Debug)]
struct Row {
    chunk: usize,
    row: u32,
    event: u32,
    node: u32,
    page: u32,
    element: u32,
    start: u32,
    end: u32,
}

impl Row {
    #[inline]
    fn kind(columns: &[u8; ROW_BYTES]) -> u32 {
        columns.as_chunks().0.get(2).copied().map_or(u32::MAX, u32::from_le_bytes)
    }

    #[inline]
    fn new(chunk: usize, row: u32, columns: &[u8; ROW_BYTES]) -> Self {
        let mut numbers = [0; 8];
        for (number, bytes) in numbers.iter_mut().zip(columns.as_chunks().0) {
            *number = u32::from_le_bytes(*bytes);
        }
        let [event, node, _, _, page, element, start, end] = numbers;
        Self { chunk, row, event, node, page, element, start, end }
    }

    fn text<'c>(&self, chunk: &'c Chunk<'_>) -> &'c str {
        chunk.text().get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// One field of a run that is made.
#[derive(Clone, Copy, Debug)]
struct Link {
    chunk: usize,
    row: usize,
    /// How it is joined to the one before it.
    joint: Joint,
    /// What is read between the one before it and this one.
    between: &'static str,
    end: End,
}

impl Link {
    fn whole(row: Row, joint: Joint) -> Self {
        Self { chunk: row.chunk, row: row.row as usize, joint, between: "", end: End::Whole }
    }
}

/// What of a field is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Head,
    Tail,
}

impl End {
    fn of(self, text: &str) -> Range<usize> {
        match self {
            Self::Whole => 0..text.len(),
            Self::Head => 0..text.floor_char_boundary(END_BYTES),
            Self::Tail => text.ceil_char_boundary(text.len().saturating_sub(END_BYTES))..text.len(),
        }
    }
}

#[cfg(test)]
mod tests;
