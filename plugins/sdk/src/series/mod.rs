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
    /// In the order in which they were told.
    marks: Vec<(Key<'b>, Mark<'b>)>,
    filter: KeyFilter,
}

/// What was said of one series.
#[derive(Clone, Copy, Debug)]
struct Mark<'b> {
    /// The sensitive value; `None` if all are.
    value: Option<&'b str>,
    reach: Reach,
}

/// One field of a series, with the position of its chunk.
type Member<'b> = (usize, Field<'b>);

impl<'b> Series<'b> {
    /// Nothing is sensitive yet.
    pub fn new(batch: &'b Batch<'b>) -> Self {
        Self { batch, marks: Vec::new(), filter: KeyFilter::default() }
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
        self.marks.push((key, Mark { value: (!all).then(|| field.text()), reach }));
    }

    /// Masks the series that were marked, inputs that were not finished, and what gives either away.
    /// `joined` holds the batch's chunks in order; `unfinished` says whether unfinished inputs count.
    pub fn mask(mut self, joined: &[Joined<'b>], unfinished: bool, mask: MaskChar) {
        self.marks.sort_by_key(|(key, _)| *key);
        let members = self.members(unfinished);
        if unfinished {
            self.mark_unfinished(&members);
            self.marks.sort_by_key(|(key, _)| *key);
        }
        let mut prefixes = Prefixes::default();
        let mut marks = self.marks.as_slice();
        for series in members.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((key, _)) = series.first() else { continue };
            while let [(other, _), rest @ ..] = marks
                && other < key
            {
                marks = rest;
            }
            let count = marks.iter().take_while(|(other, _)| other == key).count();
            let own = marks.get(..count).unwrap_or_default();
            let Some(reach) = own.iter().map(|(_, mark)| mark.reach).max() else { continue };
            let sensitive = sensitive(own, series);
            let spreads = reach == Reach::Everywhere && is_typed(key, series);
            for (chunk, field) in sensitive {
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

    /// The fields of the marked series, and of every input's if asked: by series, each in order.
    fn members(&self, inputs: bool) -> Vec<(Key<'b>, Member<'b>)> {
        let mut members = Vec::new();
        for (position, chunk) in self.batch.chunks().iter().enumerate() {
            for field in chunk.fields() {
                let is_asked_for = inputs && field.kind() == Kind::Input;
                if !is_asked_for && !self.filter.may_contain(field) {
                    continue;
                }
                if let Some(key) = Key::of(field)
                    && (is_asked_for || self.marks.binary_search_by_key(&key, |(key, _)| *key).is_ok())
                {
                    members.push((key, (position, field)));
                }
            }
        }
        members.sort_by_key(|(key, _)| *key);
        members
    }

    fn mark_unfinished(&mut self, members: &[(Key<'b>, Member<'b>)]) {
        for series in members.chunk_by(|(one, _), (next, _)| one == next) {
            let typed = series.iter().rev().find(|(_, (_, field))| typing::is_input_event(*field));
            if let Some(&(key, (chunk, field))) = typed
                && key.is_input()
                && !typing::is_left(self.batch, chunk, field)
            {
                self.mark(field);
            }
        }
    }
}

/// Those values of a series that are to be masked.
fn sensitive<'b>(marks: &[(Key<'b>, Mark<'b>)], series: &[(Key<'b>, Member<'b>)]) -> Vec<Member<'b>> {
    if marks.iter().any(|(_, mark)| mark.value.is_none()) {
        return series.iter().map(|(_, member)| *member).collect();
    }
    let text = |at: usize| series.get(at).map(|(_, (_, field))| field.text());
    if series.len() < 2 {
        // What nobody typed; see below.
        return Vec::new();
    }
    let mut values: Vec<&str> = marks.iter().filter_map(|(_, mark)| mark.value).collect();
    values.sort_unstable();
    values.dedup();
    let is_marked = |at: usize| text(at).is_some_and(|text| values.binary_search(&text).is_ok());
    let mut chosen: Vec<bool> = (0..series.len()).map(is_marked).collect();
    let reaches = |from: usize, to: usize| matches!((text(from), text(to)), (Some(from), Some(to)) if typing::is_step(from, to));
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
        if (at..end).all(|one| text(one) == text(at)) {
            chosen[at..end].fill(false);
        }
        at = end;
    }
    series.iter().zip(chosen).filter_map(|((_, member), chosen)| chosen.then_some(*member)).collect()
}

/// Whether somebody typed: by an input event, or by more than one value.
fn is_typed(key: &Key<'_>, series: &[(Key<'_>, Member<'_>)]) -> bool {
    let mut texts = series.iter().map(|(_, (_, field))| field.text());
    let first = texts.next();
    key.is_input() && series.iter().any(|(_, (_, field))| typing::is_input_event(*field))
        || texts.any(|text| Some(text) != first)
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
