//! A text as it reads, with a map back to how it is written.

use std::ops::Range;

use super::bytes::{ByteSet, Marks};
use super::decode::decode;

/// What may begin something to fold, and the `=` by which a text is a form's.
const MAY_MATTER: ByteSet = ByteSet::of(b"%&+\\=\xC2\xD9\xDB\xE2\xE3\xEF");

/// A text with one layer of spelling taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    text: String,
    runs: Vec<Run>,
}

/// A piece of the folded text and where it comes from. Pieces lie end to end in the folded text; in
/// the source, what is not seen may lie between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Where it begins in the folded text.
    start: usize,
    /// What it stands for.
    source: (usize, usize),
    /// Whether it is there byte for byte; else it is one character, written otherwise.
    copied: bool,
}

impl Folded {
    /// `None` if there is nothing to fold.
    pub fn of(source: &str) -> Option<Self> {
        let bytes = source.as_bytes();
        let mut folded = Self { text: String::new(), runs: Vec::new() };
        let mut marks = Marks::new(bytes, MAY_MATTER);
        let (mut copied, mut at, mut is_form, mut changed) = (0, 0, false, false);
        while let Some(mark) = marks.next(at) {
            at = mark + 1;
            let Some(&byte) = bytes.get(mark).filter(|byte| **byte != b'=') else {
                is_form = true;
                continue;
            };
            let form = is_form && byte == b'+' && joins_words(bytes, mark);
            if let Some((char, length)) = source.get(mark..).and_then(|rest| decode(rest, form)) {
                if !changed {
                    changed = true;
                    folded.text.reserve(source.len());
                }
                folded.copy(source, copied..mark);
                if let Some(char) = char {
                    let run = Run { start: folded.text.len(), source: (mark, mark + length), copied: false };
                    folded.runs.push(run);
                    folded.text.push(char);
                }
                at = mark + length;
                copied = at;
            }
        }
        if !changed {
            return None;
        }
        folded.copy(source, copied..bytes.len());
        Some(folded)
    }

    fn copy(&mut self, source: &str, range: Range<usize>) {
        if let Some(text) = source.get(range.clone()).filter(|text| !text.is_empty()) {
            self.runs.push(Run { start: self.text.len(), source: (range.start, range.end), copied: true });
            self.text.push_str(text);
        }
    }

    /// The text as it reads.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the source that a range of the folded text stands for, escapes whole.
    pub fn to_source(&self, range: Range<usize>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        let (first, last) = (self.run_at(range.start), self.run_at(range.end - 1));
        let (Some(first), Some(last)) = (first, last) else { return 0..0 };
        let start = if first.copied { first.source.0 + (range.start - first.start) } else { first.source.0 };
        let end = if last.copied { last.source.0 + (range.end - last.start) } else { last.source.1 };
        start..end.min(last.source.1)
    }

    /// A range found in the source, moved off the escapes that it cuts in two: `\nanna` is no `nanna`.
    pub fn off_escapes(&self, range: Range<usize>) -> Range<usize> {
        let cut = |at: usize| {
            let after = self.runs.partition_point(|run| run.source.0 < at);
            let run = self.runs.get(after.checked_sub(1)?)?;
            (!run.copied && at < run.source.1).then_some(run.source.1)
        };
        let start = cut(range.start).unwrap_or(range.start);
        start..cut(range.end).unwrap_or(range.end).max(start)
    }

    /// Where what is written at `at` of the source begins in the folded text.
    fn folded_offset(&self, at: usize) -> usize {
        let next = self.runs.partition_point(|run| run.source.1 <= at);
        match self.runs.get(next) {
            Some(run) if run.copied => run.start + at.saturating_sub(run.source.0),
            Some(run) => run.start,
            None => self.text.len(),
        }
    }

    /// The range of the folded text for a range of the source that cuts no escape in two.
    pub(super) fn folded_range(&self, range: Range<usize>) -> Range<usize> {
        self.folded_offset(range.start)..self.folded_offset(range.end)
    }

    fn run_at(&self, offset: usize) -> Option<Run> {
        let after = self.runs.partition_point(|run| run.start <= offset);
        self.runs.get(after.checked_sub(1)?).copied()
    }
}

/// Whether the `+` at `at` stands between what may be words of a form's value.
fn joins_words(bytes: &[u8], at: usize) -> bool {
    let is_word = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"%.-()".contains(byte))
    };
    at.checked_sub(1).is_some_and(|before| is_word(bytes.get(before))) && is_word(bytes.get(at + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_not_folded() {
        assert_eq!(Folded::of("anna@example.com 100% & more, 1 + 1 \\o/ naïve"), None);
    }

    #[test]
    fn a_range_comes_back_with_its_escapes() {
        let source = "x=share.link%40gazette.example&y";
        let folded = Folded::of(source).unwrap();
        let at = folded.text().find("share.link@gazette.example").unwrap();
        assert_eq!(&source[folded.to_source(at..at + 26)], "share.link%40gazette.example");
        let at = folded.text().find('@').unwrap();
        assert_eq!(&source[folded.to_source(at..at + 1)], "%40");
    }

    #[test]
    fn what_is_not_seen_lies_inside_a_range_but_not_beside_it() {
        let source = "\u{AD}5105\u{AD}1051\u{AD}";
        let folded = Folded::of(source).unwrap();
        assert_eq!(folded.text(), "51051051");
        assert_eq!(&source[folded.to_source(0..8)], "5105\u{AD}1051");
    }

    #[test]
    fn a_hit_that_begins_in_an_escape_is_moved_off_it() {
        let folded = Folded::of("a\\nanna").unwrap();
        assert_eq!(folded.off_escapes(2..7), 3..7);
        assert_eq!(folded.off_escapes(3..7), 3..7);
        assert_eq!(folded.off_escapes(0..2), 0..3);
    }

    #[test]
    fn plus_is_a_space_in_forms_only() {
        assert_eq!(Folded::of("q=Quill+Lamont").unwrap().text(), "q=Quill Lamont");
        assert_eq!(Folded::of("anna+tag@example.com"), None);
        assert_eq!(Folded::of("a = b + c"), None);
    }

    /// Pieces of text in several spellings, with what each reads as.
    fn pieces() -> impl Strategy<Value = Vec<(String, String)>> {
        let piece = prop_oneof![
            "[a-z0-9@. ]{1,6}".prop_map(|text| (text.clone(), text)),
            any::<char>()
                .prop_filter("folded or an escape's", |c| {
                    !"%&+\\=#;".contains(*c) && Folded::of(&c.to_string()).is_none()
                })
                .prop_map(|c| (c.to_string(), c.to_string())),
            "[a-z@.0-9]".prop_map(|c| (format!("%{:02X}", c.as_bytes()[0]), c)),
            "[a-z@.0-9]".prop_map(|c| (format!("&#{};", c.as_bytes()[0]), c)),
            "[a-z@.0-9]".prop_map(|c| (format!("\\u{:04x}", c.as_bytes()[0]), c)),
            Just(("\u{200B}".to_owned(), String::new())),
            Just(("４".to_owned(), "4".to_owned())),
            Just(("\u{A0}".to_owned(), " ".to_owned())),
        ];
        prop::collection::vec(piece, 0..24)
    }

    /// As [`Folded::of`], a look at every byte.
    fn slowly(source: &str) -> Option<Folded> {
        let bytes = source.as_bytes();
        let mut folded = Folded { text: String::new(), runs: Vec::new() };
        let (mut copied, mut at, mut is_form, mut changed) = (0, 0, false, false);
        while let Some(&byte) = bytes.get(at) {
            is_form |= byte == b'=';
            let form = is_form && byte == b'+' && joins_words(bytes, at);
            match source.get(at..).and_then(|rest| decode(rest, form)) {
                Some((char, length)) => {
                    changed = true;
                    folded.copy(source, copied..at);
                    if let Some(char) = char {
                        let run = Run { start: folded.text.len(), source: (at, at + length), copied: false };
                        folded.runs.push(run);
                        folded.text.push(char);
                    }
                    at += length;
                    copied = at;
                }
                None => at += 1,
            }
        }
        folded.copy(source, copied..at);
        changed.then_some(folded)
    }

    proptest! {
        #[test]
        fn the_quick_way_is_the_slow_one(
            source in "([a-z0-9@ .]{0,40}(%4|%40|%C3%A9|&#64;|&|\\+|=|\\\\u0040|\\\\|４|\u{AD}|é|😀|.)){0,12}[a-z]{0,70}",
        ) {
            prop_assert_eq!(Folded::of(&source), slowly(&source));
        }

        /// Each piece of the folded text maps back to exactly the bytes that it was written as.
        #[test]
        fn mapping_back_is_exact(pieces in pieces()) {
            let source: String = pieces.iter().map(|(written, _)| written.as_str()).collect();
            let read: String = pieces.iter().map(|(_, read)| read.as_str()).collect();
            let Some(folded) = Folded::of(&source) else {
                prop_assert_eq!(source, read);
                return Ok(());
            };
            prop_assert_eq!(folded.text(), read);
            let (mut at, mut source_at) = (0, 0);
            for (written, read) in &pieces {
                if !read.is_empty() {
                    prop_assert_eq!(folded.to_source(at..at + read.len()), source_at..source_at + written.len());
                }
                at += read.len();
                source_at += written.len();
            }
        }

        /// Whatever the text, every range of characters maps to characters of the source.
        #[test]
        fn any_text_maps_to_character_boundaries(source in "([a-z%&#;x0-9\\\\u+=４\u{AD}\u{A0}é😀]){0,40}") {
            if let Some(folded) = Folded::of(&source) {
                let ends: Vec<usize> =
                    folded.text().char_indices().map(|(at, _)| at).chain([folded.text().len()]).collect();
                for (i, &start) in ends.iter().enumerate() {
                    for &end in &ends[i + 1..] {
                        let range = folded.to_source(start..end);
                        prop_assert!(!range.is_empty() && source.get(range).is_some());
                    }
                }
            }
        }
    }
}
