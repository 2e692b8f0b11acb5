//! Plugins that edit at random, and what their edits do to plain strings.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

/// An edit of some field, wherever that is in the chunk at hand.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    field: prop::sample::Index,
    start: prop::sample::Index,
    end: prop::sample::Index,
    replacement: Replacement,
}

/// What a plugin wishes to do.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    edits: Vec<Wish>,
    removals: Vec<prop::sample::Index>,
}

pub(super) fn wishes() -> impl Strategy<Value = Wishes> {
    let replacement = prop_oneof![
        prop::sample::select(&Replacement::MASKS[..]).prop_map(Replacement::Mask),
        r#"[k-m ]{0,4}|[-"\\é😀\n{}\[\],:/\x00]{0,3}"#.prop_map(Replacement::Text),
    ];
    let index = any::<prop::sample::Index>;
    let wish = (index(), index(), index(), replacement).prop_map(|(field, start, end, replacement)| Wish {
        field,
        start,
        end,
        replacement,
    });
    (prop::collection::vec(wish, 0..12), prop::collection::vec(index(), 0..3))
        .prop_map(|(edits, removals)| Wishes { edits, removals })
}

/// The fields as plain strings.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) rows: Vec<Row>,
    /// Events that are no longer there.
    pub(super) removed: Vec<u32>,
}

impl Model {
    pub(super) fn new(batch: &Batch) -> Self {
        Self { rows: rows(batch, 0, Kinds::ALL), removed: Vec::new() }
    }

    /// What the next plugin sees.
    pub(super) fn left(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| !self.removed.contains(&row.event)).collect()
    }

    /// Does what is wished as far as it is allowed, to the batch and to the strings.
    pub(super) fn apply(&mut self, batch: &mut Batch, wishes: &Wishes) {
        use EditFaultKind as K;
        let mut edits = self.edits(wishes);
        let mut removals: Vec<u32> = wishes.removals.iter().map(|at| self.some_event(at)).collect();
        loop {
            let before = batch.events(0).unwrap();
            let changes =
                Changes { edits: edits.clone(), remove_events: removals.clone(), ..Changes::default() };
            let Err(fault) = apply(batch, vec![Verdict::Change(changes)]) else { break };
            assert_eq!(batch.events(0).unwrap(), before, "what is refused changes nothing");
            let (K::ForeignOrigin { edit } | K::WrongReplacement { edit }) = fault else {
                let K::NotRemovable { event } = fault else { panic!("{fault}") };
                let at = removals.iter().rposition(|removal| *removal == event).unwrap();
                removals.remove(at);
                continue;
            };
            edits.remove(edit);
        }
        self.take(&edits, removals);
    }

    fn some_event(&self, at: &prop::sample::Index) -> u32 {
        at.index(self.rows.last().map_or(1, |row| row.event as usize + 1)) as u32
    }

    /// Edits on boundaries that do not overlap.
    fn edits(&self, wishes: &Wishes) -> Vec<Edit> {
        let left = self.left();
        let mut edits: Vec<Edit> = Vec::new();
        for wish in wishes.edits.iter().filter(|_| !left.is_empty()) {
            let field = wish.field.index(left.len());
            let row = left[field];
            // What is called like rrweb's own keys may be a payload's key, and the outline tells no two
            // of them apart.
            let is_key = outline::KEYS.contains(&row.text.as_str());
            if is_key || !is_plain(row) && row.kind != Kind::Pixels {
                continue;
            }
            let bounds: Vec<usize> =
                row.text.char_indices().map(|(at, _)| at).chain([row.text.len()]).collect();
            let (a, b) = (bounds[wish.start.index(bounds.len())], bounds[wish.end.index(bounds.len())]);
            let replacement = match row.kind {
                Kind::Pixels => Replacement::Blank,
                Kind::Code => Replacement::Mask('*'),
                Kind::Text
                | Kind::Input
                | Kind::Attribute
                | Kind::Markup
                | Kind::Url
                | Kind::Style
                | Kind::Html
                | Kind::Console
                | Kind::Network
                | Kind::Custom
                | Kind::Canvas
                | Kind::Other => wish.replacement.clone(),
            };
            // The text of a picture is its size, of which a range says nothing.
            let (a, b) = if row.kind == Kind::Pixels { (0, 0) } else { (a.min(b), a.max(b)) };
            let new = edit(field as u32, a, b, replacement);
            let is_apart = |old: &Edit| {
                row.kind != Kind::Pixels
                    && (old.end <= new.start || new.end <= old.start)
                    && (old.start, old.end) != (new.start, new.end)
            };
            if edits.iter().filter(|old| old.field == new.field).all(is_apart) {
                edits.push(new);
            }
        }
        edits
    }

    fn take(&mut self, edits: &[Edit], removals: Vec<u32>) {
        let mut sorted = edits.to_vec();
        sorted.sort_by_key(|edit| (edit.field, edit.start, edit.end));
        let removed = self.removed.clone();
        let mut left: Vec<&mut Row> =
            self.rows.iter_mut().filter(|row| !removed.contains(&row.event)).collect();
        for edits in sorted.chunk_by(|a, b| a.field == b.field) {
            let row = &mut left[edits[0].field as usize];
            let before = row.text.clone();
            for edit in edits.iter().rev() {
                let range = edit.start as usize..edit.end as usize;
                let new = match &edit.replacement {
                    Replacement::Mask(mask) => masked(&before[range.clone()], *mask),
                    Replacement::Text(text) => text.clone(),
                    Replacement::Blank => continue,
                };
                row.text.replace_range(range, &new);
            }
            if is_container(&before) && !is_container(&row.text) {
                row.text = masked(&before, '*');
            }
        }
        self.removed.extend(removals);
    }
}

fn masked(text: &str, mask: char) -> String {
    text.chars().map(|c| if c.is_whitespace() { c } else { mask }).collect()
}

fn is_container(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    text.starts_with(['{', '[']) && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Whether a row is, for all one can see, neither number nor picture: those have rules of their own.
fn is_plain(row: &Row) -> bool {
    row.kind != Kind::Pixels && row.text.parse::<f64>().is_err()
}
