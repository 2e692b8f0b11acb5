//! Boxes of a form: inputs that follow each other, each with a part of one value.

use super::{Joint, Link, Row, Runs};
use crate::model::Chunk;

/// Node ids that may lie between two boxes: labels, wrappers, white space.
const GAP: u32 = 8;
/// Characters of a box at most.
const MAX_CHARS: usize = 8;

/// The inputs of a batch, as they come.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    values: Vec<Value>,
}

/// One value of an input that may be a box.
#[derive(Clone, Copy, Debug)]
struct Value {
    row: Row,
    chars: usize,
}

impl Boxes {
    /// Takes the next value. What is empty, or no box, is left out.
    pub(super) fn take(&mut self, chunk: &Chunk<'_>, row: Row) {
        let text = row.text(chunk).trim();
        let chars = text.chars().take(MAX_CHARS + 1).count();
        if row.node != 0 && (1..=MAX_CHARS).contains(&chars) && text.chars().all(char::is_alphanumeric) {
            self.values.push(Value { row, chars });
        }
    }

    /// Adds the runs of the inputs' last values.
    pub(super) fn flush(mut self, runs: &mut Runs<'_, '_>) {
        let input = |value: &Value| (value.row.page, value.row.node);
        // Stable: of one node the last value stays last.
        self.values.sort_by_key(input);
        let last = self.values.chunk_by(|one, next| input(one) == input(next));
        let last: Vec<Value> = last.filter_map(|all| all.last().copied()).collect();
        for row in last.chunk_by(Value::is_before) {
            runs.push(row.iter().map(Value::link));
            // Nodes of a mutation are numbered from the last to the first.
            runs.push(row.iter().rev().map(Value::link));
        }
    }
}

impl Value {
    fn is_before(&self, next: &Self) -> bool {
        self.row.page == next.row.page
            && next.row.node - self.row.node <= GAP
            && (self.chars == 1) == (next.chars == 1)
    }

    fn link(&self) -> Link {
        let between = if self.chars == 1 { "" } else { "-" };
        Link { between, ..Link::whole(self.row, Joint::Box) }
    }
}
