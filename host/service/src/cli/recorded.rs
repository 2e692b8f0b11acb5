//! Recorded chunks from files, as a chain would see them: by session, in order of play.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use replay_core::codec::{Encoding, Recompress, Scratch};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::reject::Reject;
use replay_core::row::Codec;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::CliError;

/// One chunk.
#[derive(Clone)]
pub(super) struct RecordedChunk {
    pub(super) head: ChunkHead,
    pub(super) data: Bytes,
}

/// The sessions in `paths`: files of records (`.ndjson`), files of one events array each (`.json`, each
/// a chunk of one made-up session), or directories of both. Broken records are left out and counted.
pub(super) fn read_sessions(
    paths: &[PathBuf],
) -> Result<(BTreeMap<SessionKey, Vec<RecordedChunk>>, usize), CliError> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let (mut sessions, mut broken) = (BTreeMap::<SessionKey, Vec<RecordedChunk>>::new(), 0);
    let mut scratch = Scratch::default();
    for (position, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file)
            .map_err(|error| CliError::usage(format!("cannot read {}: {error}", file.display())))?;
        let records: Vec<Vec<u8>> = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => record_of(&bytes, position).into_iter().collect(),
            _ => bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
        };
        for record in records {
            match chunk_of(&record, &mut scratch) {
                Ok(chunk) => sessions.entry(chunk.head.session.clone()).or_default().push(chunk),
                Err(_) => broken += 1,
            }
        }
    }
    for chunks in sessions.values_mut() {
        chunks.sort_by_key(|chunk| chunk.head.key);
    }
    if sessions.is_empty() {
        let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(CliError::usage(format!(
            "no chunks in {}: .ndjson files of records, or .json files of one events array each",
            named.join(", ")
        )));
    }
    Ok((sessions, broken))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unreadable =
        |error: std::io::Error| CliError::usage(format!("cannot read {}: {error}", path.display()));
    if !path.is_dir() {
        files.push(path.to_owned());
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
            collect(&entry, files)?;
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
    Ok(RecordedChunk { head, data })
}

/// A record around an events array; `None` for a file that holds something else.
fn record_of(events: &[u8], position: usize) -> Option<Vec<u8>> {
    let first: Vec<Value> = serde_json::from_slice(events).ok()?;
    let starts = first.first()?["timestamp"].as_f64()?;
    let events: &RawValue = serde_json::from_slice(events).ok()?;
    let (project_id, session_id) = made_up_session();
    let key = ChunkKey { timestamp_start_ms: starts as u64, chunk_index: u32::try_from(position).ok()? };
    let head = json!({
        "project_id": project_id.as_str(),
        "session_id": session_id.to_string(),
        "chunk_index": key.chunk_index,
        "timestamp_start": key.timestamp_start_ms,
        "timestamp_end": key.timestamp_start_ms,
    })
    .to_string();
    Some(format!("{},\"events\":{}}}", head.trim_end_matches('}'), events.get()).into_bytes())
}

#[allow(clippy::expect_used, reason = "constants")]
fn made_up_session() -> (ProjectId, SessionId) {
    let project_id = ProjectId::new("files").expect("a project id");
    let session_id = SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").expect("a session id");
    (project_id, session_id)
}
