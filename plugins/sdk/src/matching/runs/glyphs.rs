//! Text that is drawn on a canvas character by character.

use super::{Joint, Link, Row, Runs};
use crate::model::Chunk;

/// The glyphs of one chunk's canvases, as they come.
#[derive(Debug, Default)]
pub(super) struct Glyphs {
    run: Vec<Row>,
}

impl Glyphs {
    /// Takes the next text that is drawn.
    pub(super) fn take(&mut self, runs: &mut Runs<'_, '_>, chunk: &Chunk<'_>, row: Row) {
        let text = row.text(chunk);
        if is_setting(text) {
            return;
        }
        let is_same = self.run.last().is_none_or(|last| (last.event, last.node) == (row.event, row.node));
        if text.is_empty() || text.chars().nth(1).is_some() || !is_same {
            self.flush(runs);
        }
        if !text.is_empty() && text.chars().nth(1).is_none() {
            self.run.push(row);
        }
    }

    /// Adds the run that is under way.
    pub(super) fn flush(&mut self, runs: &mut Runs<'_, '_>) {
        runs.push(self.run.drain(..).map(|row| Link::whole(row, Joint::Close)));
    }
}

/// A colour or a font: set between two glyphs, and no text.
fn is_setting(text: &str) -> bool {
    let is_colour =
        text.len() > 1 && text.starts_with('#') || text.starts_with("rgb") || text.starts_with("hsl");
    is_colour || text.contains("px")
}
