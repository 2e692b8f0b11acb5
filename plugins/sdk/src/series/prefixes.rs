//! Prefixes of what was typed, wherever they stand.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::matching::{Find, Heads};

/// Characters that a prefix has at least: shorter ones are everybody's.
const PREFIX_CHARS: usize = 4;
/// Characters from which a prefix counts as a word of a sentence too, not as a value only.
const WORD_CHARS: usize = 8;
/// Bytes by which a prefix is looked up.
const HEAD_BYTES: usize = 4;

/// Where a prefix stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// It stands as a value: between quotes, after `=`, as a part of a path.
    pub(super) is_value: bool,
    /// It is a whole typed value, and a word or more by itself.
    pub(super) is_complete: bool,
}

/// Typed values, by how they begin. Case does not count.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// Lower-case values, sorted; none begins another once prepared.
    values: Vec<String>,
    heads: BTreeMap<[u8; HEAD_BYTES], Range<usize>>,
    filter: Heads,
}

impl Prefixes {
    /// A typed value, folded.
    pub(super) fn add(&mut self, value: &str) {
        let value = value.trim();
        if value.chars().nth(PREFIX_CHARS - 1).is_none() {
            return;
        }
        // Most are the one before and a letter more: what begins another is found as its prefix.
        match self.values.last_mut() {
            Some(last) if begins(last, value) => {}
            Some(last) if begins(value, last) => {
                last.replace_range(.., value);
                last.make_ascii_lowercase();
            }
            _ => self.values.push(value.to_ascii_lowercase()),
        }
    }

    /// To be called before a search. Whether there is anything to look for.
    pub(super) fn prepare(&mut self) -> bool {
        self.values.sort_unstable();
        self.values.dedup_by(|next, kept| {
            // What the next begins with is found as its prefix.
            if next.starts_with(kept.as_str()) {
                std::mem::swap(next, kept);
                return true;
            }
            false
        });
        for (at, value) in self.values.iter().enumerate() {
            let Some(head) = value.as_bytes().first_chunk::<HEAD_BYTES>() else { continue };
            self.heads.entry(*head).or_insert(at..at).end = at + 1;
        }
        self.filter = Heads::of_words(self.heads.keys());
        !self.values.is_empty()
    }

    /// The longest prefix of a value that `text` begins with: its bytes, and whether it is all of it.
    fn longest(&self, head: [u8; HEAD_BYTES], text: &str) -> Option<(usize, bool)> {
        let values = self.values.get(self.heads.get(&head)?.clone())?;
        values
            .iter()
            .map(|value| {
                let same = value.chars().zip(text.chars()).take_while(|(a, b)| *a == b.to_ascii_lowercase());
                let bytes: usize = same.map(|(char, _)| char.len_utf8()).sum();
                (bytes, bytes == value.len())
            })
            .max()
    }
}

impl Find for Prefixes {
    type Rule = Place;

    fn each(&self, text: &str, found: &mut dyn FnMut(Range<usize>, Place)) {
        self.filter.each(text.as_bytes(), |at| {
            let Some(head) = text.as_bytes().get(at..).and_then(|rest| rest.first_chunk::<HEAD_BYTES>())
            else {
                return;
            };
            let head = head.map(|byte| byte.to_ascii_lowercase());
            if let Some((length, is_complete)) = text.get(at..).and_then(|rest| self.longest(head, rest))
                && let Some(prefix) = text.get(at..at + length).map(str::trim_end)
                && prefix.chars().nth(PREFIX_CHARS - 1).is_some()
            {
                let place = place(text, at, at + prefix.len(), is_complete);
                found(at..at + prefix.len(), place);
            }
        });
    }
}

/// Whether `text` begins with `with`, but for the case.
fn begins(text: &str, with: &str) -> bool {
    text.as_bytes().get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
}

fn place(text: &str, start: usize, end: usize, is_complete: bool) -> Place {
    let before = text.get(..start).and_then(|text| text.chars().next_back());
    let after = text.get(end..).and_then(|text| text.chars().next());
    let is_long = text.get(start..end).is_some_and(|prefix| prefix.chars().nth(WORD_CHARS - 1).is_some());
    let ends = |char: Option<char>, marks: &str| match char {
        None | Some('\n') => true,
        Some(char) if char.is_whitespace() => is_long || is_complete,
        Some(char) => marks.contains(char),
    };
    // Who types a space types on: `"Ann "` is a value as `"Ann"` is.
    let after_space = text.get(end..).and_then(|text| text.trim_start().chars().next());
    let is_quoted = after.is_some_and(char::is_whitespace) && ends(after_space, "\"'`&\\");
    let is_value = ends(before, "=\"'`:,/[(>{|;&?#\\") && (is_quoted || ends(after, "&\"'`#,;/]})<|+?\\:"));
    let is_word = |char: Option<char>| !char.is_some_and(char::is_alphanumeric);
    Place { is_value, is_complete: is_complete && is_word(before) && is_word(after) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(values: &[&str], text: &str) -> Vec<(String, bool, bool)> {
        let mut prefixes = Prefixes::default();
        values.iter().for_each(|value| prefixes.add(value));
        assert!(prefixes.prepare());
        let mut hits = Vec::new();
        prefixes.each(text, &mut |range, place| {
            hits.push((text[range].to_owned(), place.is_value, place.is_complete));
        });
        hits
    }

    #[test]
    fn every_prefix_in_a_query_and_in_json() {
        let value = "Quillfeather Lamont";
        for end in 4..=value.len() {
            let prefix = value[..end].trim_end();
            let complete = end == value.len();
            let hit = vec![(prefix.to_owned(), true, complete)];
            assert_eq!(found(&[value], &format!("/api/search?q={prefix}&page=1")), hit);
            assert_eq!(found(&[value], &format!("{{\"query\":\"{prefix}\",\"hits\":[]}}")), hit);
        }
    }

    #[test]
    fn a_space_typed_last_ends_no_value() {
        assert_eq!(found(&["Ottilie Brand"], "{\"q\":\"Ottilie \"}"), [("Ottilie".to_owned(), true, false)]);
        assert_eq!(found(&["Ottilie Brand"], "\"Ottilie was here\""), [("Ottilie".to_owned(), false, false)]);
    }

    #[test]
    fn shorter_ones_and_parts_of_words_are_nobodys() {
        assert_eq!(found(&["Anneliese"], "?q=Ann&x"), []);
        assert_eq!(found(&["Post office"], "/postage"), [("post".to_owned(), false, false)]);
    }

    #[test]
    fn of_values_that_begin_alike_the_longest_is_kept() {
        let values = ["anna", "anna b", "anna baker", "anna cole"];
        assert_eq!(found(&values, "\"anna c\""), [("anna c".to_owned(), true, false)]);
        assert_eq!(found(&values, "\"Anna Baker\""), [("Anna Baker".to_owned(), true, true)]);
    }
}
