//! How what came of a run is shown, and written.

use std::io::Write;
use std::path::Path;

use replay_core::rrweb::Finished;
use serde::Serialize;

use super::{Tried, Whose};
use crate::cli::{CliError, Format, output};

/// Log lines that are printed of a run.
const MAX_LOGGED: usize = 200;

/// One changed field.
#[derive(Clone, Debug, Serialize)]
pub(in super::super) struct ChangedLine {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in super::super) file: String,
    pub(in super::super) session: String,
    pub(in super::super) chunk: usize,
    pub(in super::super) event: u32,
    pub(in super::super) kind: &'static str,
    /// As it was recorded: a masked key changes the names of what it holds.
    pub(in super::super) name: String,
    pub(in super::super) before: String,
    pub(in super::super) after: String,
    /// With what it left, if it did: it says nothing after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) gone: Option<&'static str>,
}

impl ChangedLine {
    /// What is left of it, for people.
    pub(in super::super) fn left(&self) -> String {
        match self.gone {
            Some(gone) => format!("({gone})"),
            None => self.after.clone(),
        }
    }
}

pub(in super::super) fn say_change(line: &ChangedLine, whose: Whose, format: Format) -> Result<(), CliError> {
    match format {
        Format::Json => {
            let text = serde_json::to_string(line).map_err(|error| CliError::failed(error.to_string()))?;
            output::say(&text)
        }
        Format::Table => {
            let name = if line.name.is_empty() { "-" } else { &line.name };
            let place = whose.said(&line.file, &line.session, line.chunk);
            output::say(&format!(
                "{place} event {} {} {name}\n  - {}\n  + {}",
                line.event,
                line.kind,
                shortened(&line.before),
                shortened(&line.left())
            ))
        }
    }
}

/// What the plugins logged: for their author, who reads it beside the results.
#[derive(Default)]
pub(in super::super) struct Logged {
    lines: Vec<String>,
    all: u64,
}

impl Logged {
    pub(super) fn take(&mut self, tried: &Tried<'_>) {
        let outcome = &tried.outcome;
        self.all += outcome.log_lines;
        let room = MAX_LOGGED.saturating_sub(self.lines.len());
        for (plugin, line) in outcome.logged.iter().take(room) {
            // A plugin may have asked about no chunk yet.
            let place = line.chunk.map(|chunk| format!(" {}", tried.place(chunk)));
            let text: String = line.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let (level, place) = (line.level.as_str(), place.unwrap_or_default());
            self.lines.push(format!("log {level}{place} {plugin}: {text}"));
        }
    }

    pub(in super::super) fn say(&self) {
        self.lines.iter().for_each(|line| output::complain(line));
        let more = self.all.saturating_sub(self.lines.len() as u64);
        if more > 0 {
            output::complain(&format!("log: {more} more lines, {} in all", self.all));
        }
    }
}

/// One line of at most 160 characters.
fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(160).collect();
    if line.chars().count() < text.chars().count() { format!("{line}…") } else { line }
}

pub(super) fn write_session(dir: &Path, tried: &Tried<'_>) -> Result<(), CliError> {
    let Tried { session, recorded, outcome, .. } = tried;
    let dir = dir.join(session.project_id.as_str());
    std::fs::create_dir_all(&dir)?;
    let mut file = std::fs::File::create(dir.join(format!("{}.ndjson", session.session_id)))?;
    let mut scratch = replay_core::codec::Scratch::default();
    for (chunk, finished) in recorded.iter().zip(&outcome.finished) {
        match finished {
            Finished::Changed { json, .. } => file.write_all(json)?,
            Finished::Dropped { .. } | Finished::Failed => continue,
            Finished::Unchanged => {
                let events = replay_core::codec::decompress(
                    &mut scratch,
                    chunk.head.codec,
                    &chunk.data,
                    usize::try_from(chunk.head.data_size).unwrap_or(usize::MAX),
                );
                file.write_all(events.map_err(|error| CliError::failed(error.to_string()))?)?;
            }
        }
        file.write_all(b"\n")?;
    }
    Ok(())
}
