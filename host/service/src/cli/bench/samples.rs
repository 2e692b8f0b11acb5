//! The chunks that are measured, in every form that a measure needs.

use std::path::{Path, PathBuf};

use replay_core::codec::{self, Encoding, Recompress, Scratch};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::row::Codec;
use serde_json::{Value, json};

use crate::cli::CliError;

/// A chunk in the forms that the measures need.
pub(super) struct Sample {
    /// The events.
    pub(super) raw: Vec<u8>,
    /// One gzip member of them.
    pub(super) member: Vec<u8>,
    /// The record with `data`.
    pub(super) record: Vec<u8>,
    /// The record with inline `events`.
    pub(super) inline_record: Vec<u8>,
}

/// Every chunk below a directory; broken records are left out.
pub(super) fn read_samples(dir: &Path) -> Result<Vec<Sample>, CliError> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir)
            .map_err(|error| CliError::usage(format!("cannot read {}: {error}", dir.display())))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut samples = Vec::new();
    for file in &files {
        samples.extend(samples_of(file)?);
    }
    if samples.is_empty() {
        return Err(CliError::usage(format!(
            "{} holds no chunks: .ndjson files of records, or .json files of one events array each",
            dir.display()
        )));
    }
    Ok(samples)
}

fn samples_of(file: &PathBuf) -> Result<Vec<Sample>, CliError> {
    let extension = file.extension().and_then(|extension| extension.to_str());
    let found: Vec<(Vec<u8>, Option<Vec<u8>>)> = match extension {
        Some("json") => {
            let raw = std::fs::read(file)?;
            let is_event = |value: &Value| value["type"].is_u64() && value["timestamp"].is_number();
            let events = serde_json::from_slice::<Vec<Value>>(&raw).unwrap_or_default();
            if !events.is_empty() && events.iter().all(is_event) { vec![(raw, None)] } else { Vec::new() }
        }
        Some("ndjson") => std::fs::read(file)?.split(|byte| *byte == b'\n').filter_map(events_of).collect(),
        _ => Vec::new(),
    };
    Ok(found.into_iter().filter_map(|(raw, member)| sample(raw, member)).collect())
}

/// The events of a record, with the gzip member that it brought if that may stay; `None` for a broken
/// one.
fn events_of(line: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut scratch = Scratch::default();
    let keep = Encoding { codec: Codec::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let limits = DecodeLimits::default();
    let chunk = decode(line, &limits, &keep, &mut scratch).ok()?;
    let raw = codec::decompress(&mut scratch, chunk.codec, &chunk.data, limits.max_raw_chunk_bytes);
    let raw = raw.ok()?.to_vec();
    Some((raw, chunk.kept_verbatim.then(|| chunk.data.to_vec())))
}

/// Without a member of its own the sample gets one as our encoder makes it.
fn sample(raw: Vec<u8>, member: Option<Vec<u8>>) -> Option<Sample> {
    let mut scratch = Scratch::default();
    let encoding = Encoding { codec: Codec::Gzip, level: 6, recompress: Recompress::Always };
    let member = match member {
        Some(member) => member,
        None => codec::compress(&mut scratch, &encoding, &raw).ok()?,
    };
    let events: &serde_json::value::RawValue = serde_json::from_slice(&raw).ok()?;
    let head = json!({
        "project_id": "bench",
        "session_id": "0191f0c4-7e1a-7c3b-9d55-0123456789ab",
        "chunk_index": 0,
        "timestamp_start": 1_700_000_000_000_u64,
        "timestamp_end": 1_700_000_000_000_u64,
    })
    .to_string();
    let head = head.trim_end_matches('}');
    let record =
        format!("{head},\"data\":\"{}\"}}", base64_simd::STANDARD.encode_to_string(&member)).into_bytes();
    let inline_record = format!("{head},\"events\":{}}}", events.get()).into_bytes();
    Some(Sample { member, record, inline_record, raw })
}
