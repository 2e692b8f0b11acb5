//! `plugin test --canaries`: how much a chain changes that nothing asked it to change, and which
//! canaries it leaves. A chain that masks everything leaves nothing, and nothing to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fields::FieldLine;
use super::spelling::Spelled;
use crate::cli::CliError;

/// Shorter beginnings of a typed text count only where they are all that a field holds.
const MIN_PREFIX_CHARS: usize = 4;

/// One entry of the file; what else stands there is for people.
#[derive(Deserialize)]
struct Entry {
    id: String,
    text: String,
    how: String,
    rule: String,
    #[serde(default)]
    parts: Vec<String>,
    #[serde(default)]
    like: Option<String>,
}

/// A text that was planted or typed in recordings.
struct Canary {
    id: String,
    /// The text, or the pieces in which alone it stands.
    pieces: Vec<Vec<char>>,
    is_whole: bool,
    is_typed: bool,
    /// Some rule has to catch it.
    has_rule: bool,
    /// Whatever ends so is of its kind: the rest of a list of which it is one.
    like: Option<Vec<char>>,
}

/// The canaries of a file.
pub(super) struct Canaries(Vec<Canary>);

/// What a chain did to the text, judged by the canaries.
#[derive(Debug, Default, Serialize)]
pub(super) struct CanaryReport {
    /// Decoded characters of all fields but pictures.
    chars: u64,
    /// Of them, those that the chain changed or removed.
    chars_changed: u64,
    /// Of these, those that are part of no canary, of no beginning of a typed one, and of no input.
    chars_over_redacted: u64,
    over_redacted_by_kind: BTreeMap<&'static str, u64>,
    over_redacted_percent: f64,
    /// Canaries with a rule that are still there.
    canaries_left: BTreeSet<String>,
}

impl Canaries {
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let bad = |error: &dyn std::fmt::Display| {
            CliError::usage(format!("cannot read canaries from {}: {error}", path.display()))
        };
        let text = std::fs::read(path).map_err(|error| bad(&error))?;
        let entries: Vec<Entry> = serde_json::from_slice(&text).map_err(|error| bad(&error))?;
        let chars = |text: &String| Spelled::new(text).chars;
        let canaries = entries.into_iter().map(|entry| Canary {
            is_whole: entry.parts.is_empty(),
            pieces: match entry.parts.is_empty() {
                true => vec![chars(&entry.text)],
                false => entry.parts.iter().map(chars).collect(),
            },
            is_typed: entry.how == "typed",
            has_rule: entry.rule != "none",
            like: entry.like.as_ref().map(chars),
            id: entry.id,
        });
        Ok(Self(canaries.filter(|canary| canary.pieces.iter().all(|piece| !piece.is_empty())).collect()))
    }

    /// Which characters of a field a canary, or the field's kind, accounts for.
    fn explained(&self, field: &FieldLine) -> Vec<bool> {
        let length = field.text.chars().count();
        // Whatever is typed may be masked.
        if field.kind == "input" {
            return vec![true; length];
        }
        let mut explained = vec![false; length];
        let text = Spelled::new(&field.text);
        for canary in &self.0 {
            for found in canary.occurrences(&text.chars) {
                explained.get_mut(text.place(found)).unwrap_or_default().fill(true);
            }
        }
        explained
    }
}

impl Canary {
    fn occurrences(&self, text: &[char]) -> Vec<std::ops::Range<usize>> {
        let mut found = Vec::new();
        for piece in &self.pieces {
            let begins = (0..text.len()).filter(|at| same(piece.first(), text.get(*at)));
            for at in begins {
                let rest = text.get(at..).unwrap_or_default();
                let common = piece.iter().zip(rest).take_while(|(a, b)| same(Some(a), Some(b))).count();
                let begins_word = !at
                    .checked_sub(1)
                    .and_then(|before| text.get(before))
                    .is_some_and(|before| before.is_alphanumeric());
                let is_prefix =
                    self.is_typed && (common >= MIN_PREFIX_CHARS && begins_word || common == text.len());
                if common == piece.len() || is_prefix {
                    found.push(at..at + common);
                }
            }
        }
        if let Some(ending) = &self.like {
            for at in (0..text.len()).filter(|at| text.get(*at..).unwrap_or_default().starts_with(ending)) {
                let is_name = |character: &char| character.is_alphanumeric() || "._-".contains(*character);
                let name = text.get(..at).unwrap_or_default().iter().rev().take_while(|c| is_name(c)).count();
                found.push(at - name..at + ending.len());
            }
        }
        found
    }

    fn is_in(&self, left: &Left) -> bool {
        let mut pieces = self.pieces.iter().map(|piece| searched(piece));
        match self.is_whole {
            true => pieces.all(|piece| left.all.contains(&piece)),
            // Pieces are short: only as whole values are they surely the canary's.
            false => pieces.all(|piece| left.values.contains(&piece)),
        }
    }
}

/// What a chain left of a session.
struct Left {
    /// Every field, one a line.
    all: String,
    values: BTreeSet<String>,
}

impl Left {
    fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let values: BTreeSet<String> = texts.map(|text| searched(&Spelled::new(text).chars)).collect();
        let lines: Vec<&str> = values.iter().map(String::as_str).collect();
        Self { all: lines.join("\n"), values }
    }
}

/// A space of a canary is a `+` in addresses.
fn searched(text: &[char]) -> String {
    text.iter().map(|character| if *character == '+' { ' ' } else { *character }).collect()
}

impl CanaryReport {
    /// Takes one session: each field with what the chain left of it, `None` for a removed one, and the text
    /// of every field that is left, in which alone canaries are looked for.
    /// Answers which of the fields were changed where nothing asked for it.
    pub(super) fn take<'a>(
        &mut self,
        canaries: &Canaries,
        fields: &[(&FieldLine, Option<&FieldLine>)],
        left: impl Iterator<Item = &'a str>,
    ) -> Vec<bool> {
        let left = Left::new(left);
        let still_there = canaries.0.iter().filter(|canary| canary.has_rule && canary.is_in(&left));
        self.canaries_left.extend(still_there.map(|canary| canary.id.clone()));
        let over_redacted = fields.iter().map(|(before, after)| {
            if before.kind == "pixels" {
                return false;
            }
            let changed = changed_chars(&before.text, after.map(|after| &*after.text));
            self.chars += changed.len() as u64;
            if !changed.contains(&true) {
                return false;
            }
            self.chars_changed += count(changed.iter().copied());
            let explained = canaries.explained(before);
            let over =
                count(changed.iter().zip(&explained).map(|(changed, explained)| *changed && !explained));
            self.chars_over_redacted += over;
            if over > 0 {
                *self.over_redacted_by_kind.entry(before.kind).or_default() += over;
            }
            over > 0
        });
        let over_redacted = over_redacted.collect();
        self.over_redacted_percent = self.chars_over_redacted as f64 * 100.0 / self.chars.max(1) as f64;
        over_redacted
    }

    pub(super) fn is_clean(&self) -> bool {
        self.canaries_left.is_empty()
    }
}

/// For each character, whether it is another one now. A mask keeps the number of characters; of a
/// replacement, what is neither the common beginning nor the common end is changed.
fn changed_chars(before: &str, after: Option<&str>) -> Vec<bool> {
    let before: Vec<char> = before.chars().collect();
    let Some(after) = after else { return vec![true; before.len()] };
    let after: Vec<char> = after.chars().collect();
    if before.len() == after.len() {
        return before.iter().zip(&after).map(|(before, after)| before != after).collect();
    }
    let most = before.len().min(after.len());
    let pairs = || before.iter().zip(&after);
    let head = pairs().take_while(|(before, after)| before == after).count();
    let ends = before.iter().rev().zip(after.iter().rev()).take(most - head);
    let tail = ends.take_while(|(before, after)| before == after).count();
    (0..before.len()).map(|at| at >= head && at < before.len() - tail).collect()
}

/// The same while it is compared.
fn same(canary: Option<&char>, text: Option<&char>) -> bool {
    canary.is_some() && (canary == text || (canary == Some(&' ') && text == Some(&'+')))
}

fn count(flags: impl Iterator<Item = bool>) -> u64 {
    flags.map(u64::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"[
        {"id": "mail", "text": "ann.lee@x.example", "how": "planted", "rule": "mask-pii:email"},
        {"id": "typed", "text": "Ann Lee Smith", "how": "typed", "rule": "mask-inputs"},
        {"id": "row", "text": "a.b1@rows.example", "how": "planted", "rule": "e", "like": "@rows.example"},
        {"id": "boxes", "text": "11112222", "how": "typed", "rule": "mask-inputs", "parts": ["1111", "2222"]},
        {"id": "free", "text": "Somebody", "how": "planted", "rule": "none"}
    ]"#;

    fn judge(kind: &'static str, before: &str, after: Option<&str>) -> CanaryReport {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("canaries.json");
        std::fs::write(&path, FILE).unwrap();
        let canaries = Canaries::read(&path).unwrap();
        let line = |text: &str| FieldLine {
            chunk: 0,
            event: 0,
            node: 1,
            page: 0,
            element: 1,
            kind,
            name: String::new(),
            text: text.to_owned(),
        };
        let (before, after) = (line(before), after.map(line));
        let mut report = CanaryReport::default();
        let left = after.iter().map(|after| &*after.text);
        report.take(&canaries, &[(&before, after.as_ref())], left);
        report
    }

    #[test]
    fn what_a_canary_explains_is_not_over_redacted() {
        for (kind, before, after, changed, over) in [
            ("text", "by ann.lee@x.example.", "by *****************.", 17, 0),
            ("url", "/?q=ann.lee%40x.example&b=1", "/?q=*******************&b=*", 20, 1),
            ("network", "/find?q=Ann+Lee+S", "/find?q=*********", 9, 0),
            ("text", "An", "**", 2, 0),
            ("text", "Another", "*******", 7, 7),
            ("text", "mail c-d.e77@rows.example", "mail ********************", 20, 0),
            ("input", "anything", "********", 8, 0),
            ("text", "one word here", "one here", 5, 5),
            ("text", "same", "same", 0, 0),
        ] {
            let report = judge(kind, before, Some(after));
            assert_eq!((report.chars_changed, report.chars_over_redacted), (changed, over), "{before}");
            assert_eq!(report.chars, before.chars().count() as u64);
        }
        let removed = judge("text", "gone", None);
        assert_eq!((removed.chars_changed, removed.over_redacted_percent), (4, 100.0));
    }

    #[test]
    fn canaries_with_a_rule_that_are_left_are_named() {
        for (before, left) in [
            (r"x ann.lee\u0040x.example", &["mail"][..]),
            ("Ann+Lee+Smith", &["typed"]),
            ("Somebody", &[]),
            ("1111", &[]),
        ] {
            let report = judge("text", before, Some(before));
            let named: Vec<&str> = report.canaries_left.iter().map(String::as_str).collect();
            assert_eq!(named, left, "{before}");
            assert_eq!(report.is_clean(), left.is_empty());
        }
    }
}
