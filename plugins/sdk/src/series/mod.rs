//! What was typed key by key.
//!
//! An input leaves every prefix of its value in the recording: `a`, `an`, … `anna.smith@exampl`. A
//! pattern sees only the last. So values are taken together: a *series* is what one node's input,
//! text or attribute held over the batch.
//!
//! - If a value of an input's series is sensitive, all its values are masked.
//! - So they are if the last was not finished by the end of the batch: who was typing may not have come
//!   to the part that a pattern sees. Finished is what the focus left, or a page that was.
//! - In any other series (a live preview, a mirrored attribute) those values are masked that lead to a
//!   sensitive one or away from it, a keystroke at a time; all of them if the author says so.
//! - Prefixes of four characters or more of what was masked that way are masked wherever they stand as
//!   a value: in addresses, requests, logs and custom events; and in text, attributes and other inputs
//!   that are nothing but such a prefix, or hold the whole value.

mod keys;
mod prefixes;
mod typing;

use std::collections::BTreeMap;

use crate::matching::Joined;
use crate::model::{Batch, Field, Kind, Kinds, MaskChar};
use keys::{Key, KeyFilter};
use prefixes::{Place, Prefixes};

/// How far a sensitive value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Its series: what was chosen from a list says little elsewhere.
    Series,
    /// Its series, and its prefixes wherever they stand as a value.
    Everywhere,
}

/// Collects what is sensitive in a batch, and masks it with all that gives it away.
pub struct Series<'b> {
    batch: &'b Batch<'b>,
    marks: BTreeMap<Key<'b>, Mark<'b>>,
    filter: KeyFilter,
}

/// What is known of one series.
#[derive(Debug)]
struct Mark<'b> {
    /// The sensitive values, if not all are.
    values: Vec<&'b str>,
    all: bool,
    reach: Reach,
}

/// The fields of one series, each with the position of its chunk, in order.
type Members<'b> = Vec<(usize, Field<'b>)>;

impl<'b> Series<'b> {
    /// Nothing is sensitive yet.
    pub fn new(batch: &'b Batch<'b>) -> Self {
        Self { batch, marks: BTreeMap::new(), filter: KeyFilter::default() }
    }

    /// This field's value is sensitive, whether in part or as a whole. Masks nothing yet, and of a value
    /// that nobody typed nothing at all: what matched is the caller's to mask.
    pub fn mark(&mut self, field: Field<'b>) {
        self.insert(field, field.kind() == Kind::Input, Reach::Everywhere);
    }

    /// Every value of this field's series is sensitive, whatever it is.
    pub fn mark_all(&mut self, field: Field<'b>, reach: Reach) {
        self.insert(field, true, reach);
    }

    fn insert(&mut self, field: Field<'b>, all: bool, reach: Reach) {
        let Some(key) = Key::of(field) else { return };
        self.filter.insert(&key);
        let mark = self.marks.entry(key).or_insert(Mark { values: Vec::new(), all, reach });
        mark.all |= all;
        mark.reach = mark.reach.max(reach);
        if !all && !mark.values.contains(&field.text()) {
            mark.values.push(field.text());
        }
    }

    /// Masks the series that were marked, inputs that were not finished, and what gives either away.
    /// `joined` holds the batch's chunks in order; `unfinished` says whether unfinished inputs count.
    pub fn mask(mut self, joined: &[Joined<'b>], unfinished: bool, mask: MaskChar) {
        let members = self.members(unfinished);
        if unfinished {
            self.mark_unfinished(&members);
        }
        let mut prefixes = Prefixes::default();
        for (key, fields) in &members {
            let Some(mark) = self.marks.get(key) else { continue };
            let sensitive = sensitive(mark, fields);
            let spreads = mark.reach == Reach::Everywhere && is_typed(key, fields);
            for &(chunk, field) in &sensitive {
                field.mask_all_with(mask);
                if let Some(joined) = joined.get(chunk).filter(|_| spreads) {
                    prefixes.add(joined.innermost(field));
                }
            }
        }
        if prefixes.prepare() {
            joined.iter().for_each(|joined| spread(joined, &prefixes, mask));
        }
    }

    /// The fields of the marked series, and of every input's if asked.
    fn members(&self, inputs: bool) -> BTreeMap<Key<'b>, Members<'b>> {
        let mut members: BTreeMap<Key<'b>, Members<'b>> = BTreeMap::new();
        for (position, chunk) in self.batch.chunks().iter().enumerate() {
            for field in chunk.fields() {
                if !(inputs && field.kind() == Kind::Input || self.filter.may_contain(field)) {
                    continue;
                }
                let Some(key) = Key::of(field) else { continue };
                if inputs && field.kind() == Kind::Input || self.marks.contains_key(&key) {
                    members.entry(key).or_default().push((position, field));
                }
            }
        }
        members
    }

    fn mark_unfinished(&mut self, members: &BTreeMap<Key<'b>, Members<'b>>) {
        for (key, fields) in members {
            let typed = fields.iter().rev().find(|(_, field)| typing::is_input_event(*field));
            if key.is_input()
                && let Some(&(chunk, field)) = typed
                && !typing::is_left(self.batch, chunk, field)
            {
                self.mark(field);
            }
        }
    }
}

/// Those values of a series that are to be masked.
fn sensitive<'b>(mark: &Mark<'b>, fields: &Members<'b>) -> Members<'b> {
    if mark.all {
        return fields.clone();
    }
    let mut chosen: Vec<bool> = fields.iter().map(|(_, field)| mark.values.contains(&field.text())).collect();
    let reaches = |from: usize, to: usize| {
        matches!((fields.get(from), fields.get(to)), (Some((_, from)), Some((_, to)))
            if typing::is_step(from.text(), to.text()))
    };
    for at in 1..chosen.len() {
        chosen[at] |= chosen[at - 1] && reaches(at - 1, at);
    }
    for at in (1..chosen.len()).rev() {
        chosen[at - 1] |= chosen[at] && reaches(at, at - 1);
    }
    // What nobody typed (one value, however often it was recorded) is masked where it matched, and kept
    // otherwise.
    let mut at = 0;
    while at < chosen.len() {
        let connected = |next: &usize| chosen[*next] && reaches(next - 1, *next);
        let end = at + 1 + (at + 1..chosen.len()).take_while(|next| chosen[at] && connected(next)).count();
        let text = |at: usize| fields.get(at).map(|(_, field)| field.text());
        if (at..end).all(|one| text(one) == text(at)) {
            chosen[at..end].fill(false);
        }
        at = end;
    }
    fields.iter().zip(chosen).filter_map(|(field, chosen)| chosen.then_some(*field)).collect()
}

/// Whether somebody typed: by an input event, or by more than one value.
fn is_typed(key: &Key<'_>, fields: &Members<'_>) -> bool {
    let (_, rest) = fields.split_at(fields.len().min(1));
    let first = fields.first().map(|(_, field)| field.text());
    key.is_input() && fields.iter().any(|(_, field)| typing::is_input_event(*field))
        || rest.iter().any(|(_, field)| Some(field.text()) != first)
}

/// Masks the prefixes in one chunk.
fn spread(joined: &Joined<'_>, prefixes: &Prefixes, mask: MaskChar) {
    let payloads: Kinds = [Kind::Url, Kind::Console, Kind::Network, Kind::Custom, Kind::Other].into();
    let shown: Kinds = [Kind::Text, Kind::Input, Kind::Attribute, Kind::Html, Kind::Canvas].into();
    joined.search(prefixes, &mut |field, range, place: Place| {
        let is_whole = || field.text().get(range.clone()).is_some_and(|part| part == field.text().trim());
        let counts = if payloads.contains(field.kind()) {
            place.is_value || is_whole()
        } else {
            shown.contains(field.kind()) && (place.is_complete || is_whole())
        };
        if counts {
            field.mask_with(range, mask);
        }
    });
}

#[cfg(test)]
mod tests;
