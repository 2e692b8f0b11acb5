//! A text under edit: which parts of it are the source's, and which are new.

use std::ops::Range;

use super::raw::{write_escaped, write_raw};
use crate::rrweb::scan::decoded::RawCursor;

/// The present text of a field, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rrweb) struct Pieces {
    text: String,
    parts: Vec<Part>,
}

/// Consecutive bytes of the present text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    bytes: usize,
    /// Where they are in the source's decoded text; none for new text.
    source: Option<usize>,
}

impl Pieces {
    /// A text as it came.
    pub(in crate::rrweb) fn of_source(text: &str) -> Self {
        let whole = Part { bytes: text.len(), source: Some(0) };
        Self { text: text.to_owned(), parts: vec![whole] }
    }

    /// The present text.
    pub(in crate::rrweb) fn text(&self) -> &str {
        &self.text
    }

    /// With `edits` done: ranges of the present text on character boundaries, in order, not
    /// overlapping. What says the same as before stays as it is; `None` if all of it does.
    pub(in crate::rrweb) fn edited(&self, edits: &[(Range<usize>, String)]) -> Option<Self> {
        let mut copy = Copying { from: self, part: 0, used: 0, out: Self::empty() };
        let mut at = 0;
        let mut is_changed = false;
        for (range, new) in edits {
            if self.text.get(range.clone()) == Some(new) {
                continue;
            }
            is_changed = true;
            copy.take(at, range.start, true);
            copy.take(range.start, range.end, false);
            copy.out.push(new, None);
            at = range.end;
        }
        copy.take(at, self.text.len(), true);
        is_changed.then_some(copy.out)
    }

    /// Writes the text's JSON spelling: the source's parts as they are spelled in `raw`, the rest
    /// escaped. Answers how many bytes of `raw` are left.
    pub(super) fn write(&self, raw: &[u8], escaped: bool, out: &mut Vec<u8>) -> usize {
        let mut cursor = RawCursor::new(raw, escaped);
        let (mut at, mut kept) = (0, 0);
        for part in &self.parts {
            let text = self.text.get(at..at + part.bytes).unwrap_or_default();
            at += part.bytes;
            let Some(source) = part.source else {
                write_escaped(text, out);
                continue;
            };
            let start = cursor.offset_of(source);
            let end = cursor.offset_of(source + part.bytes);
            let spelled = raw.get(start..end).unwrap_or_default();
            if escaped {
                write_raw(spelled, out)
            } else {
                out.extend_from_slice(spelled)
            }
            kept += spelled.len();
        }
        kept
    }

    fn empty() -> Self {
        Self { text: String::new(), parts: Vec::new() }
    }

    fn push(&mut self, text: &str, source: Option<usize>) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(text);
        match (self.parts.last_mut(), source) {
            (Some(last @ Part { source: None, .. }), None) => last.bytes += text.len(),
            (Some(last), Some(from)) if last.source.map(|source| source + last.bytes) == Some(from) => {
                last.bytes += text.len();
            }
            _ => self.parts.push(Part { bytes: text.len(), source }),
        }
    }
}

/// Goes over the parts once, from first to last.
struct Copying<'a> {
    from: &'a Pieces,
    part: usize,
    /// Bytes of the part that lie behind.
    used: usize,
    out: Pieces,
}

impl Copying<'_> {
    /// Goes on from `at` to `until`, and takes along what is between if `keep`.
    fn take(&mut self, mut at: usize, until: usize, keep: bool) {
        while at < until {
            let Some(part) = self.from.parts.get(self.part) else { return };
            let step = (part.bytes - self.used).min(until - at);
            if keep {
                let text = self.from.text.get(at..at + step).unwrap_or_default();
                self.out.push(text, part.source.map(|source| source + self.used));
            }
            at += step;
            self.used += step;
            if self.used == part.bytes {
                self.part += 1;
                self.used = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(pieces: &Pieces, range: Range<usize>, new: &str) -> Pieces {
        pieces.edited(&[(range, new.to_owned())]).unwrap()
    }

    fn spell(pieces: &Pieces, raw: &str) -> (String, usize) {
        let mut out = Vec::new();
        let kept = pieces.write(raw.as_bytes(), raw.contains('\\'), &mut out);
        (String::from_utf8(out).unwrap(), kept)
    }

    #[test]
    fn escapes_that_nobody_edits_stay() {
        let raw = r"a\u0040b\/c\ud800d";
        let source = Pieces::of_source("a@b/c\u{fffd}d");
        assert_eq!(spell(&source, raw), (raw.to_owned(), raw.len()));
        let once = edit(&source, 2..3, "\"B\n");
        assert_eq!(spell(&once, raw), (r#"a\u0040\"B\n\/c\ud800d"#.to_owned(), raw.len() - 1));
        assert_eq!(once.text(), "a@\"B\n/c\u{fffd}d");
        let twice = edit(&once, 1..3, "");
        assert_eq!(spell(&twice, raw).0, r"aB\n\/c\ud800d");
        assert_eq!(spell(&edit(&twice, 5..8, "?"), raw).0, r"aB\n\/c?d");
    }

    #[test]
    fn what_says_the_same_is_no_change() {
        let source = Pieces::of_source("a@b");
        assert_eq!(source.edited(&[(0..3, "a@b".into()), (3..3, String::new())]), None);
        let half = source.edited(&[(1..2, "@".into()), (2..3, "c".into())]).unwrap();
        assert_eq!(spell(&half, r"a\u0040b"), (r"a\u0040c".to_owned(), 7));
    }
}
