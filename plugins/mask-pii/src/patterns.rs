//! Own patterns: one alternation, one search.

use std::ops::Range;

use regex_automata::meta::{self, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use replay_plugin::matching::{Find, Heads};

use crate::begins;
use crate::config::Pattern;

/// Bytes of the compiled patterns at most.
const MAX_COMPILED_BYTES: usize = 4 << 20;

/// All own patterns.
#[derive(Debug)]
pub(crate) struct Patterns {
    regex: Regex,
    /// Where one may begin, if that is worth a look of its own, and the bytes that one has at most. The
    /// search by automaton makes its states as it meets them, and a fresh instance would make them, and
    /// write to its memory, again and again.
    heads: Option<(Heads, usize)>,
}

impl Patterns {
    /// `None` if there are none. An error names the pattern that does not compile.
    pub(crate) fn new(patterns: &[Pattern]) -> Result<Option<Self>, String> {
        for Pattern { name, regex } in patterns {
            // Its errors show the place.
            let checked = regex::RegexBuilder::new(regex).size_limit(MAX_COMPILED_BYTES).build();
            let compiled = checked.map_err(|error| format!("pattern `{name}`: {error}"))?;
            if compiled.is_match("") {
                return Err(format!("pattern `{name}` matches the empty text"));
            }
        }
        if patterns.is_empty() {
            return Ok(None);
        }
        let all: Vec<String> = patterns.iter().map(|pattern| format!("(?:{})", pattern.regex)).collect();
        let heads = begins::heads(patterns.iter().map(|pattern| pattern.regex.as_str()));
        // What is looked at is short where beginnings are known: no automaton is made for it.
        let config = meta::Config::new().nfa_size_limit(Some(MAX_COMPILED_BYTES)).hybrid(heads.is_none());
        let regex = meta::Builder::new()
            .configure(config)
            .syntax(syntax())
            .build(&all.join("|"))
            .map_err(|error| format!("patterns: {error}"))?;
        Ok(Some(Self { regex, heads }))
    }

    /// Calls `found` with what is found from left to right, each after the one before.
    fn find_each(&self, text: &str, mut found: impl FnMut(Range<usize>)) {
        let Some((heads, most)) = &self.heads else {
            self.regex.find_iter(text).for_each(|hit| found(hit.range()));
            return;
        };
        let mut end = 0;
        heads.each(text.as_bytes(), |at| {
            if at < end || !text.is_char_boundary(at) {
                return;
            }
            let input = Input::new(text).range(at..text.len().min(at + most)).anchored(Anchored::Yes);
            if let Some(hit) = self.regex.search_half(&input) {
                end = hit.offset();
                found(at..end);
            }
        });
    }
}

/// How patterns are read.
pub(crate) fn syntax() -> syntax::Config {
    syntax::Config::new().multi_line(true)
}

impl Find for Patterns {
    type Rule = ();

    fn each(&self, text: &str, found: &mut dyn FnMut(Range<usize>, ())) {
        // Fields are lines here; what would span them is found line by line.
        self.find_each(text, |hit| {
            let whole = text.get(hit.clone()).unwrap_or_default();
            if !whole.contains('\n') {
                return found(hit, ());
            }
            let mut start = hit.start;
            for line in whole.split_inclusive('\n') {
                self.find_each(line.trim_end_matches('\n'), |inner| {
                    found(start + inner.start..start + inner.end, ());
                });
                start += line.len();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATTERNS: [&str; 9] = [
        "CUST-[0-9]{2}",
        "[A-Z]{2}[0-9]{2}[A-Z]{1,3}",
        "(?i)pass ?[a-z0-9]{2,4}",
        "(?i)straße [0-9]",
        r"\bID[0-9]+?\b",
        "^to: [a-z]{1,8}$",
        "é[àè]x|ab\n?c",
        "#[0-9]{1,3}(?:-[A-Z])?",
        "CUST-[0-9]{2}X",
    ];

    fn patterns(chosen: &[&str]) -> Patterns {
        let pattern = |regex: &&str| Pattern { name: "p".into(), regex: (*regex).to_owned() };
        Patterns::new(&chosen.iter().map(pattern).collect::<Vec<_>>()).unwrap().unwrap()
    }

    fn found(patterns: &Patterns, text: &str) -> Vec<Range<usize>> {
        let mut hits = Vec::new();
        patterns.find_each(text, |hit| hits.push(hit));
        hits
    }

    proptest! {
        #[test]
        fn what_the_automaton_finds_is_found(
            chosen in prop::sample::subsequence(&PATTERNS[..], 1..PATTERNS.len()),
            text in prop::collection::vec(
                prop_oneof![
                    "CUST-[0-9]{1,3}X?", "[A-Z]{2}[0-9]{2}[A-Z]{0,4}", "(pass|PaSS|paſs) ?[a-z0-9]{1,5}",
                    "(straße|STRASSE|STRAẞE) [0-9]", "ID[0-9]{0,3}", "\nto: [a-z]{1,9}\n?", "é[àè]x|ab\n?c",
                    "#[0-9]{1,4}-?[A-Z]?", " ", "\n", "\\PC{0,3}",
                ],
                0..20,
            ),
        ) {
            let (text, mut patterns) = (text.concat(), patterns(&chosen));
            let by_heads = found(&patterns, &text);
            patterns.heads = None;
            prop_assert_eq!(&by_heads, &found(&patterns, &text));
            let one = chosen.iter().map(|p| format!("(?:{p})")).collect::<Vec<_>>().join("|");
            let reference = regex::RegexBuilder::new(&one).multi_line(true).build().unwrap();
            prop_assert_eq!(by_heads, reference.find_iter(&text).map(|hit| hit.range()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn beginnings_are_looked_for_where_they_tell_enough() {
        assert!(
            patterns(&PATTERNS).heads.is_none(),
            "what may be of any length is not searched from each place"
        );
        assert!(patterns(&["CUST-[0-9]{2}", "[A-Z]{2}[0-9]{2}", "(?i)pass ?[a-z]{2}"]).heads.is_some());
        for common in ["[a-z]{5,9}", "a[0-9]", "[a-z].{3}", "(?s).{4}", "x.*y"] {
            assert!(patterns(&["CUST-[0-9]{2}", common]).heads.is_none(), "{common}");
        }
    }
}
