//! Own patterns: one alternation, one search.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use replay_plugin::matching::Find;

use crate::config::Pattern;

/// Bytes of the compiled patterns at most.
const MAX_COMPILED_BYTES: usize = 4 << 20;

/// All own patterns.
#[derive(Debug)]
pub(crate) struct Patterns(Regex);

impl Patterns {
    /// `None` if there are none. An error names the pattern that does not compile.
    pub(crate) fn new(patterns: &[Pattern]) -> Result<Option<Self>, String> {
        for Pattern { name, regex } in patterns {
            let compiled = build(regex).map_err(|error| format!("pattern `{name}`: {error}"))?;
            if compiled.is_match("") {
                return Err(format!("pattern `{name}` matches the empty text"));
            }
        }
        if patterns.is_empty() {
            return Ok(None);
        }
        let all: Vec<String> = patterns.iter().map(|pattern| format!("(?:{})", pattern.regex)).collect();
        build(&all.join("|")).map(|regex| Some(Self(regex))).map_err(|error| format!("patterns: {error}"))
    }
}

fn build(regex: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(regex).multi_line(true).size_limit(MAX_COMPILED_BYTES).build()
}

impl Find for Patterns {
    type Rule = ();

    fn each(&self, text: &str, found: &mut dyn FnMut(Range<usize>, ())) {
        // Fields are lines here; what would span them is found line by line.
        for hit in self.0.find_iter(text) {
            if !hit.as_str().contains('\n') {
                found(hit.range(), ());
                continue;
            }
            let mut start = hit.start();
            for line in hit.as_str().split_inclusive('\n') {
                for inner in self.0.find_iter(line.trim_end_matches('\n')) {
                    found(start + inner.start()..start + inner.end(), ());
                }
                start += line.len();
            }
        }
    }
}
