//! The checks of a plugin's answer. Nothing is applied here: a verdict becomes a plan, or a fault.

use std::collections::BTreeSet;
use std::ops::Range;

use super::chunk::{ChunkState, Replaced, Rows};
use super::leave::{self, Leaving};
use super::mask::{masked, masked_number, repaired};
use super::{Batch, EditRules, address, replace};
use crate::rrweb::edit::{Changes, Edit, EditFault, EditFaultKind, Replacement, Verdict};
use crate::rrweb::kind::{Kind, Kinds};
use crate::rrweb::scan::{Field, Scan, Shape, words};
use crate::rrweb::splice::{Edited, Pieces, emptied};
use crate::rrweb::structure::Gaps;

/// What a verdict, found good, does to its chunk.
pub(super) enum Plan {
    Keep,
    Drop(u32),
    Change { edited: Vec<(u32, Edited)>, removed: BTreeSet<u32>, gaps: Option<Gaps> },
    Replace { scan: Box<Scan>, replaced: Replaced },
}

/// One answer under check.
pub(super) struct Call<'a> {
    batch: &'a Batch,
    kinds: Kinds,
    rules: EditRules,
    /// What the call may still use up.
    edits_left: usize,
    items_left: usize,
    text_bytes_left: usize,
}

/// An edit that names its field's row in the scan, and its own place in the answer.
#[derive(Clone, Copy)]
struct Placed<'a> {
    row: u32,
    at: usize,
    edit: &'a Edit,
}

impl<'a> Call<'a> {
    /// For an answer of `got` verdicts on the chunks that were `shown`.
    pub(super) fn new(
        batch: &'a Batch,
        kinds: Kinds,
        rules: EditRules,
        shown: &[usize],
        got: usize,
    ) -> Result<Self, EditFault> {
        if got != shown.len() {
            let kind = EditFaultKind::VerdictCount { got, wanted: shown.len() };
            return Err(EditFault { chunk: 0, kind });
        }
        let states = || shown.iter().filter_map(|&chunk| batch.chunks.get(chunk));
        let fields: usize = states().map(|state| state.rows(kinds, batch.kinds).len()).sum();
        let items: usize = states().map(|state| leave::items_of(state.scan.json.len())).sum();
        let edits_left = fields.saturating_add(rules.extra_edits);
        let items_left = edits_left.saturating_add(items);
        Ok(Self { batch, kinds, rules, edits_left, items_left, text_bytes_left: rules.max_text_bytes })
    }

    /// What `verdict` does to chunk number `chunk`.
    pub(super) fn plan(&mut self, chunk: usize, verdict: Verdict) -> Result<Plan, EditFaultKind> {
        let Some(state) = self.batch.chunks.get(chunk) else { return Ok(Plan::Keep) };
        match verdict {
            Verdict::Keep => Ok(Plan::Keep),
            Verdict::Drop(_) | Verdict::Replace(_) if self.rules.mask_only => Err(EditFaultKind::OnlyMasks),
            Verdict::Drop(reason) if reason < self.rules.drop_reasons => Ok(Plan::Drop(reason)),
            Verdict::Drop(_) => Err(EditFaultKind::NoSuchReason),
            Verdict::Change(changes) => self.plan_changes(state, &changes),
            Verdict::Replace(_) if !self.rules.allow_replace => Err(EditFaultKind::ReplaceNotAllowed),
            Verdict::Replace(json) => replace::plan(state, &self.batch.elements, self.batch.kinds, json),
        }
    }

    fn plan_changes(&mut self, state: &ChunkState, changes: &Changes) -> Result<Plan, EditFaultKind> {
        let Changes { edits, remove_events, block_nodes, drop_items } = changes;
        let leaves_something = !(remove_events.is_empty() && block_nodes.is_empty() && drop_items.is_empty());
        if self.rules.mask_only && leaves_something {
            return Err(EditFaultKind::OnlyMasks);
        }
        self.use_up(edits, block_nodes.len().saturating_add(drop_items.len()))?;
        let rows = state.rows(self.kinds, self.batch.kinds);
        let Leaving { removed, gaps, cleared } = leave::plan(state, &self.batch.elements, &rows, changes)?;
        let placed = place(&rows, edits)?;
        let mut edited = Vec::new();
        for edits in placed.chunk_by(|a, b| a.row == b.row) {
            edited.extend(self.plan_field(state, edits)?.filter(|(row, _)| !cleared.contains(row)));
        }
        for row in cleared {
            let field = state.scan.fields.get(row as usize);
            edited.extend(field.and_then(|field| Some((row, cleared_field(state, field, row)?))));
        }
        Ok(Plan::Change { edited, removed, gaps })
    }

    fn use_up(&mut self, edits: &[Edit], items: usize) -> Result<(), EditFaultKind> {
        let text_bytes = edits.iter().map(|edit| match &edit.replacement {
            Replacement::Text(text) => text.len(),
            Replacement::Mask(_) | Replacement::Blank => 0,
        });
        let edits_left = self.edits_left.checked_sub(edits.len());
        let items_left = self.items_left.checked_sub(items);
        let text_bytes_left = self.text_bytes_left.checked_sub(text_bytes.sum());
        self.edits_left = edits_left.ok_or(EditFaultKind::TooMuch)?;
        self.items_left = items_left.ok_or(EditFaultKind::TooMuch)?;
        self.text_bytes_left = text_bytes_left.ok_or(EditFaultKind::TooMuch)?;
        Ok(())
    }

    /// What `edits`, all of one field and in order, make of it; `None` if they change nothing.
    fn plan_field(
        &self,
        state: &ChunkState,
        edits: &[Placed<'_>],
    ) -> Result<Option<(u32, Edited)>, EditFaultKind> {
        let Some(first) = edits.first() else { return Ok(None) };
        let missing = EditFaultKind::NoSuchField { edit: first.at };
        let field = state.scan.fields.get(first.row as usize).ok_or(missing)?;
        let pieces = pieces(state, field, first.row);
        let is_cleared = |placed: &Placed<'_>| placed.edit.replacement == Replacement::Blank;
        let is_cleared = edits.iter().any(is_cleared);
        check_ranges(pieces.text(), is_cleared, edits)?;
        for edit in edits {
            self.check_replacement(field, edit)?;
        }
        let edited = if is_cleared {
            cleared_field(state, field, first.row)
        } else {
            self.plan_text(state, field, &pieces, edits)?.map(Edited::Text)
        };
        Ok(edited.map(|edited| (first.row, edited)))
    }

    fn check_replacement(&self, field: &Field, placed: &Placed<'_>) -> Result<(), EditFaultKind> {
        let is_pixels = field.kind == Kind::Pixels;
        let fits = match &placed.edit.replacement {
            Replacement::Blank => true,
            Replacement::Mask(mask) => !is_pixels && Replacement::MASKS.contains(mask),
            Replacement::Text(_) => !is_pixels && field.kind != Kind::Code,
        };
        let is_text = matches!(placed.edit.replacement, Replacement::Text(_)) && field.shape != Shape::Number;
        match (fits, is_text && self.rules.mask_only) {
            (true, false) => Ok(()),
            (_, true) => Err(EditFaultKind::OnlyMasks),
            (false, false) => Err(EditFaultKind::WrongReplacement { edit: placed.at }),
        }
    }

    fn plan_text(
        &self,
        state: &ChunkState,
        field: &Field,
        pieces: &Pieces,
        edits: &[Placed<'_>],
    ) -> Result<Option<Pieces>, EditFaultKind> {
        let news: Vec<_> =
            edits.iter().map(|placed| (placed.range(), placed.new_text(pieces, field))).collect();
        let Some(after) = pieces.edited(&news) else { return Ok(None) };
        if let Some(first) = edits.first()
            && !may_be_key(field, after.text())
        {
            return Err(EditFaultKind::WrongReplacement { edit: first.at });
        }
        let text = edits.iter().find(|placed| matches!(placed.edit.replacement, Replacement::Text(_)));
        if let Some(text) = text
            && let Some(syntax) =
                address::syntax_of(field, &state.scan.names, &self.batch.elements, state.scan.page)
        {
            let is_mask = |placed: &Placed<'_>| matches!(placed.edit.replacement, Replacement::Mask(_));
            let masks = (edits.iter().zip(&news)).filter(|(placed, _)| is_mask(placed));
            let only_masked = pieces.edited(&masks.map(|(_, new)| new.clone()).collect::<Vec<_>>());
            let texts = edits.iter().filter_map(|placed| match &placed.edit.replacement {
                Replacement::Text(text) => Some(text.as_str()),
                Replacement::Mask(_) | Replacement::Blank => None,
            });
            let before = [Some(pieces.text()), only_masked.as_ref().map(Pieces::text)];
            let mut known = before.into_iter().flatten();
            if !address::is_at_home(syntax, &mut known, texts, after.text()) {
                return Err(EditFaultKind::ForeignOrigin { edit: text.at });
            }
        }
        let is_string = field.shape == Shape::String;
        Ok(Some(if is_string { repaired(pieces, after, state.limits.max_depth) } else { after }))
    }
}

impl Placed<'_> {
    fn range(&self) -> Range<usize> {
        self.edit.start as usize..self.edit.end as usize
    }

    fn new_text(&self, pieces: &Pieces, field: &Field) -> String {
        if field.shape == Shape::Number {
            return masked_number(pieces.text(), self.range());
        }
        match &self.edit.replacement {
            Replacement::Mask(mask) => masked(pieces.text().get(self.range()).unwrap_or_default(), *mask),
            Replacement::Text(text) => text.clone(),
            Replacement::Blank => String::new(),
        }
    }
}

/// The present text of a field.
fn pieces(state: &ChunkState, field: &Field, row: u32) -> Pieces {
    match state.edited.get(&row) {
        Some(Edited::Text(pieces)) => pieces.clone(),
        Some(Edited::Blank { size, .. }) => Pieces::of_source(size),
        None => Pieces::of_source(std::str::from_utf8(state.scanned_text(field)).unwrap_or_default()),
    }
}

/// The edits by field and place.
fn place<'e>(rows: &Rows, edits: &'e [Edit]) -> Result<Vec<Placed<'e>>, EditFaultKind> {
    let mut placed = Vec::with_capacity(edits.len());
    for (at, edit) in edits.iter().enumerate() {
        let row = rows.get(edit.field).ok_or(EditFaultKind::NoSuchField { edit: at })?;
        placed.push(Placed { row, at, edit });
    }
    placed.sort_by_key(|placed| (placed.row, placed.edit.start, placed.edit.end));
    Ok(placed)
}

/// Ranges of one field, in order. Two insertions at one place overlap: which is first would be chance.
/// What is cleared takes no other edit.
fn check_ranges(text: &str, is_cleared: bool, edits: &[Placed<'_>]) -> Result<(), EditFaultKind> {
    let mut last: Option<Range<usize>> = None;
    for placed in edits {
        let (range, edit) = (placed.range(), placed.at);
        if range.start > range.end || range.end > text.len() {
            return Err(EditFaultKind::OutOfRange { edit });
        }
        if !text.is_char_boundary(range.start) || !text.is_char_boundary(range.end) {
            return Err(EditFaultKind::OffBoundary { edit });
        }
        let overlaps = |last: &Range<usize>| range.start < last.end || range == *last;
        if last.as_ref().is_some_and(|last| is_cleared || overlaps(last)) {
            return Err(EditFaultKind::Overlap { edit });
        }
        last = Some(range);
    }
    Ok(())
}

/// Whether a key may become `text`.
///
/// Keys of no other kind also stand where a player looks: there a word could be one that it knows
/// (`data`, `src`, `onload`), and what is under it would be taken for that.
fn may_be_key(field: &Field, text: &str) -> bool {
    field.shape != Shape::Key
        || field.kind != Kind::Other
        || is_mask(text)
        || !words::is_word(text.as_bytes())
}

fn is_mask(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next();
    first.is_some_and(|first| Replacement::MASKS.contains(&first))
        && characters.all(|next| Some(next) == first)
}

/// A field with nothing in it; `None` if it is so already.
///
/// A key of kind `other` is masked: the empty key is one that a player could know.
fn cleared_field(state: &ChunkState, field: &Field, row: u32) -> Option<Edited> {
    if field.kind == Kind::Pixels {
        return blank(state, field, row);
    }
    let pieces = pieces(state, field, row);
    let new = match field.shape {
        Shape::Number => "0".to_owned(),
        Shape::Key if field.kind == Kind::Other => masked(pieces.text(), '*'),
        Shape::String | Shape::Key | Shape::Numbers => String::new(),
    };
    pieces.edited(&[(0..pieces.text().len(), new)]).map(Edited::Text)
}

/// A picture emptied; `None` if it was.
fn blank(state: &ChunkState, field: &Field, row: u32) -> Option<Edited> {
    let range = field.raw_start as usize..field.raw_end as usize;
    let raw = state.scan.json.get(range).unwrap_or_default();
    let empty = emptied(raw, field.shape);
    let is_empty = state.edited.contains_key(&row) || raw == empty;
    (!is_empty).then(|| Edited::Blank { size: empty.len().to_string(), raw: empty })
}
