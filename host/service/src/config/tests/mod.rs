//! The configuration as a whole: files in, settings or reports out.

mod deploy;
mod edit;
mod files;
mod registries;
mod reports;
mod rules;
mod tenant_files;
mod yaml;

use super::{ConfigErrors, Settings};

/// The least that is a valid file: what a test is about is added to it.
const BASE: &str = "source: {kind: local}\nhot: {kind: sqlite}\ncold: {kind: dir}\n";

const ENV: [(&str, &str); 3] =
    [("MINIO_ROOT_USER", "root-user"), ("MINIO_ROOT_PASSWORD", "hunter2"), ("EMPTY", "")];

fn parse_with(text: &str, env: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    let lookup = |name: &str| env.iter().find(|(k, _)| *k == name).map(|(_, value)| (*value).to_owned());
    Settings::parse("replay.yaml", text.as_bytes(), &lookup)
}

fn parse(text: &str) -> Result<Settings, ConfigErrors> {
    parse_with(text, &ENV)
}

/// Settings of the base with more lines; panics with the report.
fn good(more: &str) -> Settings {
    parse(&format!("{BASE}{more}")).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is wrong with the base and more lines: line (counted from the first of `more`), column,
/// message and help.
fn bad(more: &str) -> Vec<(usize, usize, String)> {
    let errors = parse(&format!("{BASE}{more}")).expect_err("should be refused");
    let lines = BASE.lines().count();
    let relative = |line: Option<usize>| line.unwrap_or(0).saturating_sub(lines);
    let words = |p: &super::Problem| format!("{} → {}", p.message, p.help);
    errors.problems().iter().map(|p| (relative(p.line), p.column.unwrap_or(0), words(p))).collect()
}

/// The only thing that is wrong, which must hold all these words.
#[track_caller]
fn one(more: &str, line: usize, column: usize, words: &[&str]) {
    let found = bad(more);
    assert_eq!(found.len(), 1, "{found:#?}");
    let (at_line, at_column, message) = &found[0];
    assert_eq!((*at_line, *at_column), (line, column), "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}
