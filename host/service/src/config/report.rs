//! What is wrong with a configuration: collected while reading, shown all at once.
//!
//! A snippet shows only what is known to be harmless: keys, and values that a reader of a setting
//! which is no secret has looked at. Everything else on the line (secrets, values of unknown keys,
//! comments) is masked before it enters a report.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use serde_saphyr::granit_parser;

use super::node::{Data, Document, Node};

/// The most problems kept; the rest is only counted.
const MAX_PROBLEMS: usize = 200;
/// The most bytes of a line shown.
const MAX_SNIPPET_BYTES: usize = 200;

/// A stretch of the file: bytes, and the line and column (from 1, in characters) of its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Span {
    pub(super) fn of(span: &granit_parser::Span) -> Self {
        let (start, end) = (offset(&span.start), offset(&span.end));
        Self { start, end: end.max(start), line: span.start.line(), column: span.start.col() + 1 }
    }

    /// From the start of this to the end of `end`.
    pub(super) fn to(self, end: Span) -> Self {
        Self { end: end.end.max(self.end), ..self }
    }
}

/// Byte offsets are always known when a string is parsed.
fn offset(marker: &granit_parser::Marker) -> usize {
    marker.byte_offset().unwrap_or(marker.index())
}

/// What was found wrong so far.
pub(super) struct Problems {
    found: Vec<(Option<Span>, String, String)>,
    more: usize,
    revealed: HashSet<Span>,
}

impl Problems {
    pub(super) fn new() -> Self {
        Self { found: Vec::new(), more: 0, revealed: HashSet::new() }
    }

    /// Something wrong at a place; `help` says what to do.
    pub(super) fn add(&mut self, span: Span, message: &str, help: &str) {
        self.add_at(Some(span), message, help);
    }

    /// Something wrong at a place, or with the file as a whole.
    pub(super) fn add_at(&mut self, span: Option<Span>, message: &str, help: &str) {
        if self.has_room() {
            self.found.push((span, message.into(), help.into()));
        } else {
            self.more += 1;
        }
    }

    /// Whether one more would be kept: what is costly to word need not be worded otherwise.
    pub(super) fn has_room(&self) -> bool {
        self.found.len() < MAX_PROBLEMS
    }

    /// What the YAML parser could not read.
    pub(super) fn syntax(&mut self, text: &str, error: &granit_parser::ScanError) {
        let marker = error.marker();
        let start = offset(marker).min(text.len());
        let span = Span { start, end: start, line: marker.line().max(1), column: marker.col() + 1 };
        let line = text.lines().nth(span.line - 1).unwrap_or_default();
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let help = if line[..indent].contains('\t') {
            "YAML is indented with spaces: this line begins with a tab"
        } else {
            "mistakes after this place show once this one is mended"
        };
        self.add(span, &format!("this is not YAML: {}", error.kind()), help);
    }

    /// Says that this value may be shown.
    pub(super) fn reveal(&mut self, span: Span) {
        self.revealed.insert(span);
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The report, in the order of the file.
    pub(super) fn finish(mut self, file: &str, text: &str, document: &Document) -> ConfigErrors {
        self.found.sort_by_key(|(span, _, _)| span.map_or((usize::MAX, 0), |s| (s.line, s.column)));
        let mut hidden = document.beside.clone();
        if let Some(root) = &document.root {
            collect_hidden(root, &self.revealed, &mut hidden);
        }
        let mask = Mask { text, hidden, parsed: document.root.is_some() };
        let name: Arc<str> = file.into();
        let problems = self
            .found
            .into_iter()
            .map(|(span, message, help)| Problem {
                file: Arc::clone(&name),
                line: span.map(|s| s.line),
                column: span.map(|s| s.column),
                message,
                help,
                snippet: span.and_then(|s| mask.snippet(s)),
            })
            .collect();
        ConfigErrors { file: name, problems, more: self.more }
    }
}

/// A key as a message may show it. What is no word may be `key:value` with its space forgotten.
pub(super) fn quoted_key(key: &str) -> Option<String> {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'<');
    (key.len() <= 128 && key.bytes().all(word)).then(|| format!("`{key}`"))
}

fn collect_hidden(node: &Node, revealed: &HashSet<Span>, hidden: &mut Vec<Span>) {
    match &node.data {
        Data::Scalar(_) if revealed.contains(&node.span) => {}
        Data::Scalar(_) => hidden.push(node.span),
        Data::Seq(items) => items.iter().for_each(|item| collect_hidden(item, revealed, hidden)),
        Data::Map(entries) => {
            for (key, item) in entries {
                if quoted_key(&key.text).is_none() {
                    hidden.push(key.span);
                }
                collect_hidden(item, revealed, hidden);
            }
        }
    }
}

/// Knows what of the file must not be shown.
struct Mask<'t> {
    text: &'t str,
    hidden: Vec<Span>,
    /// Without a tree nobody knows what a value is: all but a known key in front is hidden.
    parsed: bool,
}

impl Mask<'_> {
    /// The line around a place, with `***` for what is hidden, whatever its length.
    fn snippet(&self, span: Span) -> Option<Snippet> {
        let line_start = self.text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line_start..)?.lines().next()?;
        let hidden = self.hidden_on(line, line_start);
        let (from, to) = (span.start - line_start, (span.end - line_start).min(line.len()));
        let window = from.saturating_sub(MAX_SNIPPET_BYTES / 2)..from + MAX_SNIPPET_BYTES / 2;
        let (mut text, mut label, mut was_hidden) = (String::new(), None, false);
        let mut label_end = 0;
        for (at, c) in line.char_indices().filter(|(at, _)| window.contains(at)) {
            if at >= from {
                label.get_or_insert(text.len());
            }
            let is_hidden = hidden.iter().any(|(start, end)| (*start..*end).contains(&at));
            match (is_hidden, was_hidden) {
                (true, false) => text.push_str("***"),
                (true, true) => {}
                (false, _) => text.push(c),
            }
            was_hidden = is_hidden;
            if at < to {
                label_end = text.len();
            }
        }
        text.truncate(text.trim_end().len());
        let at = label.unwrap_or(text.len()).min(text.len());
        let length = label_end.min(text.len()).saturating_sub(at).max(1);
        Some(Snippet { text, at, length, line: span.line, column: span.column })
    }

    /// What of a line is hidden, in bytes of the line.
    fn hidden_on(&self, line: &str, line_start: usize) -> Vec<(usize, usize)> {
        if !self.parsed {
            let known = |word: &str| {
                let keys = super::key_paths();
                keys.iter().any(|path| path.rsplit('.').next() == Some(word))
            };
            let from = match line.split_once(':') {
                Some((word, _)) if known(word.trim()) => word.len() + 1,
                _ => line.len() - line.trim_start().len(),
            };
            return vec![(from, line.len())];
        }
        let on_line = self.hidden.iter().filter(|h| h.end > line_start && h.start < line_start + line.len());
        on_line.map(|h| (h.start.saturating_sub(line_start), h.end - line_start)).collect()
    }
}

/// One line of the file, masked.
#[derive(Clone, Debug)]
struct Snippet {
    text: String,
    at: usize,
    length: usize,
    line: usize,
    column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1; `None` if the file as a whole is meant.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: Option<usize>,
    /// What is wrong. Never holds a secret, nor a value from the environment.
    pub message: String,
    /// What to do about it.
    pub help: String,
    snippet: Option<Snippet>,
}

/// Everything that is wrong with a configuration, file by file, each in its order.
#[derive(Clone, Debug)]
pub struct ConfigErrors {
    /// The main one.
    file: Arc<str>,
    problems: Vec<Problem>,
    more: usize,
}

impl ConfigErrors {
    /// The file itself cannot be used.
    pub(super) fn of_file(file: &str, message: &str, help: &str) -> Self {
        let mut problems = Problems::new();
        problems.add_at(None, message, help);
        problems.finish(file, "", &Document { root: None, beside: Vec::new() })
    }

    /// Those of several files in one; the first file is the main one.
    pub(super) fn all(reports: Vec<Self>) -> Self {
        let mut all = Self { file: "the configuration".into(), problems: Vec::new(), more: 0 };
        for (position, report) in reports.into_iter().enumerate() {
            if position == 0 {
                all.file = report.file;
            }
            all.more += report.more;
            all.problems.extend(report.problems);
        }
        all.more += all.problems.len().saturating_sub(MAX_PROBLEMS);
        all.problems.truncate(MAX_PROBLEMS);
        all
    }

    /// The problems, in the order of the files.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The report for people: one paragraph a problem, in colour if the caller says that the
    /// output is a terminal and `NO_COLOR` is not set.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_context_lines(0)
            .with_links(false)
            .with_width(100)
            .with_wrap_lines(false);
        let mut out = String::new();
        for problem in &self.problems {
            // Writing into a String cannot fail; a report cut short would still be a report.
            let _ = handler.render_report(&mut out, &Shown { problem });
            out.push('\n');
        }
        let count = self.problems.len() + self.more;
        let noun = if count == 1 { "problem" } else { "problems" };
        let files: BTreeSet<&str> = self.problems.iter().map(|problem| &*problem.file).collect();
        match files.len() {
            0 | 1 => out.push_str(files.first().unwrap_or(&&*self.file)),
            many => out.push_str(&format!("{}, {many} files", self.file)),
        }
        out.push_str(&format!(": {count} {noun}"));
        if self.more > 0 {
            out.push_str(&format!(", the first {} shown", self.problems.len()));
        }
        out.push('\n');
        out
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}

/// One problem as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.problem.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problem.snippet.as_ref().map(|_| self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let snippet = self.problem.snippet.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::new(None, snippet.at, snippet.length))))
    }
}

/// The file as far as a report shows it: one line, with the position that it has in the file.
impl SourceCode for Shown<'_> {
    fn read_span<'a>(
        &'a self,
        _span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let snippet = self.problem.snippet.as_ref().ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.problem.file.to_string(),
            snippet.text.as_bytes(),
            SourceSpan::new(0.into(), snippet.text.len()),
            snippet.line - 1,
            snippet.column - 1,
            1,
        )))
    }
}
