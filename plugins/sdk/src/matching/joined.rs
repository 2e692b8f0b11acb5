//! All fields of a chunk searched at once: as they stand, and once more those that can be read
//! otherwise.

use std::ops::Range;

use super::bytes::Marks;
use super::decode::MAY_FOLD;
use super::{Find, Views};
use crate::model::{Chunk, Field};

/// A chunk's fields, prepared for searching.
pub struct Joined<'a> {
    chunk: &'a Chunk<'a>,
    /// The rows that can be read otherwise, in order.
    views: Vec<(usize, Views<'a>)>,
    /// All their folded views, each followed by `\n`.
    text: String,
    /// For each of them: where it begins in `text`, its position in `views`, and which view it is.
    segments: Vec<(usize, usize, usize)>,
}

impl<'a> Joined<'a> {
    /// Looks at each byte once, and folds what can be read otherwise.
    pub fn new(chunk: &'a Chunk<'a>) -> Self {
        let mut joined = Self { chunk, views: Vec::new(), text: String::new(), segments: Vec::new() };
        let mut marks = Marks::new(chunk.text().as_bytes(), MAY_FOLD);
        let (mut at, mut row) = (0, 0);
        while let Some(mark) = marks.next(at) {
            row = chunk.row_from(row, mark);
            let Some(field) = chunk.field(row) else { break };
            at = mark + 1;
            let range = chunk.range(row);
            if range.contains(&mark) {
                at = range.end;
                let views = Views::of(field.text());
                if !views.is_plain() {
                    joined.add(row, views);
                }
            }
        }
        joined
    }

    fn add(&mut self, row: usize, views: Views<'a>) {
        for (layer, folded) in views.layers().iter().enumerate() {
            self.segments.push((self.text.len(), self.views.len(), layer + 1));
            self.text.push_str(folded.text());
            self.text.push('\n');
        }
        self.views.push((row, views));
    }

    /// Calls `hit` with the field and the bytes of its text for all that `find` finds in any view.
    /// Ranges may overlap; those that span fields are left out.
    pub fn search<F: Find>(&self, find: &F, hit: &mut dyn FnMut(Field<'a>, Range<usize>, F::Rule)) {
        find.each(self.chunk.text(), &mut |found, rule| {
            let row = self.chunk.row_at(found.start);
            let whole = self.chunk.range(row);
            if whole.start <= found.start && found.end <= whole.end {
                let range = found.start - whole.start..found.end - whole.start;
                let range = self.views_of(row).map_or(range.clone(), |views| views.to_source(0, range));
                self.tell(row, range, rule, hit);
            }
        });
        find.each(&self.text, &mut |found, rule| {
            let after = self.segments.partition_point(|(start, _, _)| *start <= found.start);
            let Some(&(start, at, view)) = after.checked_sub(1).and_then(|at| self.segments.get(at)) else {
                return;
            };
            let Some((row, views)) = self.views.get(at) else { return };
            let length = views.layers().get(view - 1).map_or(0, |folded| folded.text().len());
            if found.end <= start + length {
                let range = views.to_source(view, found.start - start..found.end - start);
                self.tell(*row, range, rule, hit);
            }
        });
    }

    /// A field as it reads, all layers off.
    pub fn innermost(&self, field: Field<'a>) -> &str {
        self.views_of(field.row()).map_or(field.text(), Views::innermost)
    }

    /// The bytes of a field's text that a range of it as it reads stands for.
    pub(super) fn source_range(&self, field: Field<'a>, range: Range<usize>) -> Range<usize> {
        let views = self.views_of(field.row());
        views.map_or(range.clone(), |views| views.to_source(views.layers().len(), range))
    }

    /// The chunk.
    pub(super) fn chunk(&self) -> &'a Chunk<'a> {
        self.chunk
    }

    fn views_of(&self, row: usize) -> Option<&Views<'a>> {
        let at = self.views.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        self.views.get(at).map(|(_, views)| views)
    }

    fn tell<R>(
        &self,
        row: usize,
        range: Range<usize>,
        rule: R,
        hit: &mut dyn FnMut(Field<'a>, Range<usize>, R),
    ) {
        if let Some(field) = self.chunk.field(row).filter(|_| !range.is_empty()) {
            hit(field, range, rule);
        }
    }
}
