//! What a plugin answers, brought into the form that the host takes.

use std::ops::Range;

/// A character that masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskChar(char);

impl MaskChar {
    /// The characters that the host takes.
    pub const ALL: [char; 5] = ['*', '•', '█', 'x', '0'];

    /// `None` for a character that the host does not take.
    pub fn new(mask: char) -> Option<Self> {
        Self::ALL.contains(&mask).then_some(Self(mask))
    }

    /// The character.
    pub fn get(self) -> char {
        if self.0 == char::default() { '*' } else { self.0 }
    }
}

impl<'de> serde::Deserialize<'de> for MaskChar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mask = char::deserialize(deserializer)?;
        Self::new(mask).ok_or_else(|| {
            serde::de::Error::custom(format!("`{mask}` does not mask; one of `*`, `•`, `█`, `x`, `0` does"))
        })
    }
}

/// What to put in the place of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// One such character for each character; white space is kept.
    Mask(char),
    /// This text.
    Text(String),
    /// Nothing, for the whole field: an empty picture, 0 for a number, no text for anything else.
    Blank,
}

/// A byte range inside a field, and what to put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Row of the field in its chunk.
    pub field: u32,
    /// First byte, from the field's start.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// What comes there.
    pub replacement: Replacement,
}

/// What a plugin changes in one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In order, none overlapping another.
    pub edits: Vec<Edit>,
    /// In order, each once, as all that follows.
    pub remove_events: Vec<u32>,
    /// Elements of which only the box is left.
    pub block_nodes: Vec<u32>,
    /// What is left out of lists.
    pub drop_items: Vec<Item>,
}

/// One thing of a list that the chunk's events hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// One position of a mouse, touch or drag move: event, position in the event's list.
    Position(u32, u32),
    /// The request that the field in this row belongs to.
    Request(u32),
    /// The header that the field in this row belongs to.
    Header(u32),
}

/// What a plugin says of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it is.
    Keep,
    /// Leave it out; the number is a row of the manifest's drop reasons.
    Drop(u32),
    /// Change it.
    Change(Changes),
    /// These events instead.
    Replace(Vec<u8>),
}

/// Edits in any order, overlapping or not, as the host takes them: sorted, at most one for a byte.
/// Where two overlap, both ranges are masked: no answer may uncover what another covers. What is cleared
/// has no other edit.
pub(super) fn normalised(mut edits: Vec<Edit>) -> Vec<Edit> {
    // As most plugins make them: one field after another.
    if edits.is_sorted_by(comes_before) {
        return edits;
    }
    edits.sort_by_key(|edit| (edit.field, edit.start, edit.end));
    let mut out: Vec<Edit> = Vec::with_capacity(edits.len());
    for edits in edits.chunk_by(|a, b| a.field == b.field) {
        if let Some(cleared) = edits.iter().find(|edit| edit.replacement == Replacement::Blank) {
            out.push(cleared.clone());
            continue;
        }
        for edit in edits {
            match out.last_mut() {
                Some(last) if last.field == edit.field && touches(last, edit) => merge(last, edit),
                Some(_) | None => out.push(edit.clone()),
            }
        }
    }
    out
}

/// Whether nothing need be done about two edits that follow one another.
fn comes_before(first: &Edit, second: &Edit) -> bool {
    let is_blank = |edit: &Edit| edit.replacement == Replacement::Blank;
    if first.field != second.field {
        return first.field < second.field;
    }
    (first.start, first.end) <= (second.start, second.end)
        && !touches(first, second)
        && !is_blank(first)
        && !is_blank(second)
}

/// Whether two edits claim a byte, or the same place.
fn touches(first: &Edit, second: &Edit) -> bool {
    second.start < first.end || (first.start, first.end) == (second.start, second.end)
}

fn merge(last: &mut Edit, edit: &Edit) {
    if last == edit {
        return;
    }
    last.end = last.end.max(edit.end);
    last.replacement = match (&last.replacement, &edit.replacement) {
        (Replacement::Blank, _) | (_, Replacement::Blank) => Replacement::Blank,
        (Replacement::Mask(mask), _) | (Replacement::Text(_), Replacement::Mask(mask)) => {
            Replacement::Mask(*mask)
        }
        (Replacement::Text(_), Replacement::Text(_)) => Replacement::Mask(MaskChar::default().get()),
    };
}

/// `range` inside `text`, widened to character boundaries.
pub(super) fn snapped(text: &str, range: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (range.start.min(text.len()), range.end.min(text.len()));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(field: u32, start: u32, end: u32) -> Edit {
        Edit { field, start, end, replacement: Replacement::Mask('*') }
    }

    fn text(field: u32, start: u32, end: u32, with: &str) -> Edit {
        Edit { field, start, end, replacement: Replacement::Text(with.into()) }
    }

    #[test]
    fn overlapping_masks_are_one() {
        let edits = vec![mask(1, 4, 8), mask(0, 2, 9), mask(1, 0, 5), mask(1, 8, 9)];
        assert_eq!(normalised(edits), vec![mask(0, 2, 9), mask(1, 0, 8), mask(1, 8, 9)]);
    }

    #[test]
    fn a_mask_wins_over_text_and_two_texts_are_masked() {
        assert_eq!(normalised(vec![text(0, 0, 4, "a"), mask(0, 2, 6)]), vec![mask(0, 0, 6)]);
        assert_eq!(normalised(vec![text(0, 0, 4, "a"), text(0, 2, 6, "b")]), vec![mask(0, 0, 6)]);
        assert_eq!(normalised(vec![text(0, 3, 3, "a"), text(0, 3, 3, "a")]), vec![text(0, 3, 3, "a")]);
    }

    #[test]
    fn what_is_cleared_has_no_other_edit() {
        let cleared = Edit { field: 0, start: 0, end: 4, replacement: Replacement::Blank };
        let edits =
            vec![text(0, 4, 4, "z"), mask(0, 1, 2), cleared.clone(), text(0, 0, 0, "a"), mask(1, 0, 1)];
        assert_eq!(normalised(edits), vec![cleared, mask(1, 0, 1)]);
    }

    #[test]
    fn a_range_is_widened_to_whole_characters() {
        assert_eq!(snapped("aéb", 2..9), 1..4);
        assert_eq!(snapped("aéb", 1..2), 1..3);
        assert_eq!(snapped("ab", Range { start: 9, end: 1 }), 2..2);
    }
}
