//! What a chain changed, by place and without a word of it: two chains that saw the same chunks can be
//! compared.

use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use super::chunk::ChunkState;
use crate::rrweb::kind::Kind;
use crate::rrweb::scan::Field;
use crate::rrweb::structure::Gaps;

/// What became of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// No plugin changed anything.
    #[default]
    Kept = 0,
    /// It is stored with changes.
    Changed = 1,
    /// It is not stored.
    Dropped = 2,
}

/// A chunk as a chain left it.
#[derive(Clone, Debug, Default)]
pub struct ChunkTrace {
    fate: Fate,
    /// The events are a plugin's own: their fields have other places than the source's.
    is_replaced: bool,
    /// By place.
    fields: Vec<ChangedField>,
    /// Positions of removed events, ascending.
    removed: Vec<u32>,
    /// What else was left out of the events.
    gaps: Gaps,
}

/// What a field that was left out says.
const GONE: u64 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChangedField {
    /// Where the source spells it.
    place: u32,
    event: u32,
    kind: Kind,
    /// Hash of what it says now.
    hash: u64,
}

/// What two chains changed of the same things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Only the first changed it.
    pub first_only: u64,
    /// Only the second did.
    pub second_only: u64,
    /// Both did, to the same.
    pub alike: u64,
    /// Both did, each in its own way.
    pub differing: u64,
}

/// Two chains on the same chunks, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Chunks, by what the first made of them and then the second, in the order of [`Fate`].
    pub fates: [[u64; 3]; 3],
    /// Chunks that both stored, of which fields are not compared as a plugin replaced the events.
    pub replaced: u64,
    /// Fields of the chunks that both stored, by kind.
    pub fields: [Sides; Kind::ALL.len()],
    /// Events removed of them; removed by both is alike.
    pub events: Sides,
}

impl ChunkTrace {
    pub(super) fn of(state: &ChunkState) -> Self {
        let is_touched = state.replaced.is_some() || !state.is_as_scanned();
        let fate = match is_touched {
            _ if state.dropped.is_some() => Fate::Dropped,
            true if state.event_count() == 0 => Fate::Dropped,
            true => Fate::Changed,
            false => Fate::Kept,
        };
        let changed = state.edited.iter().filter_map(|(row, edited)| {
            let field = state.scan.fields.get(*row as usize)?;
            let hash = xxh3_64(edited.text().as_bytes());
            Some(ChangedField { place: field.raw_start, event: field.event, kind: field.kind, hash })
        });
        let mut fields: Vec<ChangedField> = changed.collect();
        if !state.gaps.is_empty() {
            let is_gone = |field: &Field| state.gaps.hides(field.raw_start);
            fields.retain(|field| !state.gaps.hides(field.place));
            let gone = state.scan.fields.iter().filter(|field| is_gone(field));
            fields.extend(gone.map(|field| ChangedField {
                place: field.raw_start,
                event: field.event,
                kind: field.kind,
                hash: GONE,
            }));
        }
        fields.sort_unstable_by_key(ChangedField::key);
        Self {
            fate,
            is_replaced: state.replaced.is_some(),
            fields,
            removed: state.removed.iter().copied().collect(),
            gaps: state.gaps.clone(),
        }
    }

    /// What became of the chunk.
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.fields.len() * size_of::<ChangedField>()
            + self.removed.len() * size_of::<u32>()
            + self.gaps.bytes()
    }

    /// Whether it left the field out, with its event or with what is around it.
    fn lacks(&self, field: &ChangedField) -> bool {
        self.removed.binary_search(&field.event).is_ok() || self.gaps.hides(field.place)
    }
}

impl ChangedField {
    fn key(&self) -> (u32, u8) {
        (self.place, self.kind as u8)
    }
}

impl Comparison {
    /// Adds a chunk that both chains saw.
    pub fn add(&mut self, first: &ChunkTrace, second: &ChunkTrace) {
        let row = self.fates.get_mut(first.fate as usize);
        if let Some(count) = row.and_then(|row| row.get_mut(second.fate as usize)) {
            *count += 1;
        }
        if first.fate == Fate::Dropped || second.fate == Fate::Dropped {
            return;
        }
        if first.is_replaced || second.is_replaced {
            self.replaced += 1;
            return;
        }
        merge(
            &first.removed,
            &second.removed,
            |event| *event,
            |pair| match pair {
                (Some(_), Some(_)) => self.events.alike += 1,
                (Some(_), None) => self.events.first_only += 1,
                (None, _) => self.events.second_only += 1,
            },
        );
        self.add_fields(first, second);
    }

    /// A field that the other left out with what is around it is gone there: no less than a change.
    fn add_fields(&mut self, first: &ChunkTrace, second: &ChunkTrace) {
        merge(&first.fields, &second.fields, ChangedField::key, |pair| {
            let Some(field) = pair.0.or(pair.1) else { return };
            let Some(sides) = self.fields.get_mut(field.kind as usize) else { return };
            match pair {
                (Some(first), Some(second)) if first.hash == second.hash => sides.alike += 1,
                (Some(_), None) if !second.lacks(field) => sides.first_only += 1,
                (None, _) if !first.lacks(field) => sides.second_only += 1,
                _ => sides.differing += 1,
            }
        });
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (row, others) in self.fates.iter_mut().zip(other.fates) {
            row.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
        self.replaced += other.replaced;
        self.fields.iter_mut().zip(&other.fields).for_each(|(sides, other)| sides.merge(other));
        self.events.merge(&other.events);
    }
}

impl Sides {
    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.first_only += other.first_only;
        self.second_only += other.second_only;
        self.alike += other.alike;
        self.differing += other.differing;
    }
}

/// Goes through two lists in the order of `key`: each key once, with what either has of it.
fn merge<'a, T, K: Ord>(
    first: &'a [T],
    second: &'a [T],
    key: impl Fn(&T) -> K,
    mut each: impl FnMut((Option<&'a T>, Option<&'a T>)),
) {
    let (mut ones, mut others) = (first.iter().peekable(), second.iter().peekable());
    loop {
        let order = match (ones.peek(), others.peek()) {
            (Some(one), Some(other)) => key(one).cmp(&key(other)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let one = if order == Ordering::Greater { None } else { ones.next() };
        let other = if order == Ordering::Less { None } else { others.next() };
        each((one, other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(fate: Fate, fields: &[(u32, u32, Kind, u64)], removed: &[u32]) -> ChunkTrace {
        let field =
            |&(place, event, kind, hash): &(u32, u32, Kind, u64)| ChangedField { place, event, kind, hash };
        ChunkTrace {
            fate,
            is_replaced: false,
            fields: fields.iter().map(field).collect(),
            removed: removed.to_vec(),
            gaps: Gaps::default(),
        }
    }

    #[test]
    fn each_field_and_event_is_counted_on_its_side() {
        let first = trace(
            Fate::Changed,
            &[(10, 0, Kind::Text, 1), (20, 1, Kind::Text, 2), (30, 2, Kind::Input, 3), (40, 3, Kind::Url, 4)],
            &[7, 8],
        );
        let second = trace(
            Fate::Changed,
            &[(20, 1, Kind::Text, 2), (30, 2, Kind::Input, 9), (50, 7, Kind::Url, 5), (60, 4, Kind::Url, 6)],
            &[3, 8],
        );
        let mut found = Comparison::default();
        found.add(&first, &second);
        assert_eq!(found.fates[1], [0, 1, 0]);
        let of = |kind: Kind| found.fields[kind as usize];
        assert_eq!(of(Kind::Text), Sides { first_only: 1, alike: 1, ..Sides::default() });
        assert_eq!(of(Kind::Input), Sides { differing: 1, ..Sides::default() });
        // What one edits and the other removes with its event, either way round.
        assert_eq!(of(Kind::Url), Sides { second_only: 1, differing: 2, ..Sides::default() });
        assert_eq!(found.events, Sides { first_only: 1, second_only: 1, alike: 1, differing: 0 });
        let mut twice = found.clone();
        twice.merge(&found);
        assert_eq!((twice.fates[1][1], twice.fields[Kind::Url as usize].differing), (2, 4));
    }

    #[test]
    fn what_one_of_them_does_not_store_is_no_difference_of_fields() {
        let kept = trace(Fate::Kept, &[], &[]);
        let dropped = trace(Fate::Dropped, &[(1, 0, Kind::Text, 1)], &[0]);
        let replaced = ChunkTrace {
            is_replaced: true,
            fate: Fate::Changed,
            ..trace(Fate::Changed, &[(1, 0, Kind::Text, 1)], &[])
        };
        let mut found = Comparison::default();
        found.add(&dropped, &kept);
        found.add(&kept, &dropped);
        found.add(&kept, &replaced);
        assert_eq!(found.fates, [[0, 1, 1], [0, 0, 0], [1, 0, 0]]);
        assert_eq!((found.replaced, found.events), (1, Sides::default()));
        assert_eq!(found.fields, [Sides::default(); 14]);
    }
}
