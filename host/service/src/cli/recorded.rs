//! Recorded chunks from files, as a chain would see them: by session, in order of play.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use replay_core::codec::{Encoding, Recompress, Scratch};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::reject::Reject;
use replay_core::row::Codec;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CliError, Exit, output};

/// Broken records, and files passed over, that are named one by one.
const MAX_NAMED: usize = 5;

/// One chunk.
#[derive(Clone)]
pub(super) struct RecordedChunk {
    pub(super) head: ChunkHead,
    pub(super) data: Bytes,
    /// The file that it came from, if it came from one.
    pub(super) file: Arc<str>,
}

/// What was read.
pub(super) struct Recordings {
    pub(super) sessions: BTreeMap<SessionKey, Vec<RecordedChunk>>,
    /// Records, and whole files, that could not be read.
    pub(super) broken: usize,
}

impl Recordings {
    /// How a command ends that did all it could with what was read: not well, if that was not all.
    pub(super) fn exit(&self) -> Exit {
        if self.broken > 0 { Exit::SomeFailed } else { Exit::Done }
    }

    /// Whether a chunk has to be told from those of other sessions or files.
    pub(super) fn are_several(&self) -> bool {
        let mut files = self.sessions.values().flatten().map(|chunk| &chunk.file);
        let first = files.next();
        self.sessions.len() > 1 || files.any(|file| Some(file) != first)
    }
}

/// The sessions in `paths`: files of records (`.ndjson`), files of one events array each (`.json`, each
/// a chunk of one made-up session), or directories of both. Broken records are left out, named and counted.
pub(super) fn read_sessions(paths: &[PathBuf]) -> Result<Recordings, CliError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, path.is_dir(), &mut files)?;
    }
    let mut reading = Reading::default();
    for (position, (file, is_found)) in files.iter().enumerate() {
        reading.file(file, *is_found, position)?;
    }
    let Reading { mut sessions, broken, passed_over, .. } = reading;
    for chunks in sessions.values_mut() {
        chunks.sort_by_key(|chunk| chunk.head.key);
    }
    say_named("left out, as broken: ", &broken);
    say_named("passed over, as it holds no events: ", &passed_over);
    if sessions.is_empty() {
        let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(CliError::usage(format!(
            "no chunks in {}: .ndjson files of records, or .json files of one events array each",
            named.join(", ")
        )));
    }
    Ok(Recordings { sessions, broken: broken.len() })
}

fn say_named(what: &str, all: &[String]) {
    for one in all.iter().take(MAX_NAMED) {
        output::complain(&format!("{what}{one}"));
    }
    if all.len() > MAX_NAMED {
        output::complain(&format!("{what}{} more, {} in all", all.len() - MAX_NAMED, all.len()));
    }
}

#[derive(Default)]
struct Reading {
    sessions: BTreeMap<SessionKey, Vec<RecordedChunk>>,
    /// Place and reason of each.
    broken: Vec<String>,
    passed_over: Vec<String>,
    scratch: Scratch,
}

impl Reading {
    /// Reads a file, the one at `position`. One that was found in a directory may be something else.
    fn file(&mut self, file: &Path, is_found: bool, position: usize) -> Result<(), CliError> {
        let name = file.display();
        let bytes =
            std::fs::read(file).map_err(|error| CliError::usage(format!("cannot read {name}: {error}")))?;
        let from: Arc<str> = name.to_string().into();
        if file.extension().is_some_and(|extension| extension == "json") {
            match record_of(&bytes, position) {
                Ok(record) => self.record(&record, &from, &name),
                Err(NoRecord::SomethingElse(_)) if is_found => self.passed_over.push(name.to_string()),
                Err(NoRecord::SomethingElse(why) | NoRecord::Broken(why)) => {
                    self.broken.push(format!("{name}: {why}"));
                }
            }
            return Ok(());
        }
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
        let mut lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).peekable();
        if lines.peek().is_none() {
            self.broken.push(format!("{name}: no record in it"));
        }
        for (number, line) in lines {
            self.record(line, &from, &format_args!("{name}:{number}"));
        }
        Ok(())
    }

    fn record(&mut self, record: &[u8], from: &Arc<str>, place: &dyn std::fmt::Display) {
        match chunk_of(record, &mut self.scratch) {
            Ok(chunk) => {
                let chunk = RecordedChunk { file: Arc::clone(from), ..chunk };
                self.sessions.entry(chunk.head.session.clone()).or_default().push(chunk);
            }
            Err(reject) => {
                self.broken.push(format!("{place}: {} ({})", reject.reason.as_str(), reject.detail));
            }
        }
    }
}

/// The files at `path`, in order, each with whether it was found in a directory.
fn collect(path: &Path, is_found: bool, files: &mut Vec<(PathBuf, bool)>) -> Result<(), CliError> {
    let unreadable =
        |error: std::io::Error| CliError::usage(format!("cannot read {}: {error}", path.display()));
    if !path.is_dir() {
        files.push((path.to_owned(), is_found));
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    entries.sort();
    for entry in entries {
        let is_chunks =
            entry.extension().is_some_and(|extension| extension == "ndjson" || extension == "json");
        if entry.is_dir() || is_chunks {
            collect(&entry, true, files)?;
        }
    }
    Ok(())
}

/// The chunk of a record as it came in.
pub(super) fn chunk_of(record: &[u8], scratch: &mut Scratch) -> Result<RecordedChunk, Reject> {
    let keep = Encoding { codec: Codec::Gzip, level: 1, recompress: Recompress::ChangedOnly };
    let (head, data) = decode(record, &DecodeLimits::default(), &keep, scratch)
        .map_err(|rejected| rejected.reject)?
        .into_head();
    Ok(RecordedChunk { head, data, file: Arc::default() })
}

/// Why a `.json` file is no chunk.
enum NoRecord {
    /// It was not meant to be one.
    SomethingElse(String),
    Broken(String),
}

/// A record around an events array.
fn record_of(events: &[u8], position: usize) -> Result<Vec<u8>, NoRecord> {
    let broken = |error: serde_json::Error| NoRecord::Broken(error.to_string());
    let all: Value = serde_json::from_slice(events).map_err(broken)?;
    let Some(first) = all.as_array().and_then(|all| all.first()) else {
        let why = match all.is_array() {
            true => "no event in it",
            false => "no array of events; records belong into .ndjson files, one a line",
        };
        return Err(NoRecord::SomethingElse(why.to_owned()));
    };
    let Some(starts) = first["timestamp"].as_f64() else {
        return Err(match first["type"].is_u64() {
            true => NoRecord::Broken("its first event has no timestamp".to_owned()),
            false => NoRecord::SomethingElse("an array, but not of events".to_owned()),
        });
    };
    let events: &RawValue = serde_json::from_slice(events).map_err(broken)?;
    let (project_id, session_id) = made_up_session();
    let chunk_index = u32::try_from(position).unwrap_or(u32::MAX);
    let key = ChunkKey { timestamp_start_ms: starts as u64, chunk_index };
    let head = json!({
        "project_id": project_id.as_str(),
        "session_id": session_id.to_string(),
        "chunk_index": key.chunk_index,
        "timestamp_start": key.timestamp_start_ms,
        "timestamp_end": key.timestamp_start_ms,
    })
    .to_string();
    Ok(format!("{},\"events\":{}}}", head.trim_end_matches('}'), events.get()).into_bytes())
}

#[allow(clippy::expect_used, reason = "constants")]
fn made_up_session() -> (ProjectId, SessionId) {
    let project_id = ProjectId::new("files").expect("a project id");
    let session_id = SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").expect("a session id");
    (project_id, session_id)
}
