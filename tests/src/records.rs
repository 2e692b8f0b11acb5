//! Records to feed the service: made ones, and the recorded ones of `tests/fixtures/recordings`.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A chunk as the SDK makes it.
#[derive(Clone, Debug)]
pub struct TestChunk {
    /// The tenant.
    pub project: String,
    /// The visit.
    pub session: String,
    /// Position on its page.
    pub index: u32,
    /// First event, Unix milliseconds.
    pub start_ms: u64,
    /// The events, one JSON array.
    pub events: String,
}

impl TestChunk {
    /// A chunk of `count` small events that hold `text`.
    pub fn new(project: &str, session: &str, index: u32, start_ms: u64, count: usize, text: &str) -> Self {
        let event = |number: usize| {
            let timestamp = start_ms + number as u64;
            json!({"type": 3, "timestamp": timestamp, "data": {"source": 5, "id": number, "text": text}})
        };
        let events = Value::Array((0..count).map(event).collect()).to_string();
        Self { project: project.into(), session: session.into(), index, start_ms, events }
    }

    /// The record of the topic: `data` is base64 of gzip.
    pub fn record(&self) -> String {
        let mut record = self.body("");
        record["project_id"] = json!(self.project);
        if let Some(fields) = record.as_object_mut() {
            fields.remove("project_key");
        }
        record.to_string()
    }

    /// The body that the SDK posts.
    pub fn body(&self, key: &str) -> Value {
        json!({
            "project_key": key,
            "session_id": self.session,
            "chunk_index": self.index,
            "timestamp_start": self.start_ms,
            "timestamp_end": self.start_ms + 10,
            "has_full_snapshot": false,
            "data": base64(&gzip(self.events.as_bytes())),
        })
    }
}

/// One gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for position in 0..4 {
            let sextet = (bits >> (18 - 6 * position)) as usize & 63;
            text.push(if position <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    text
}

/// The bytes of standard base64 text.
pub fn unbase64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let sextets: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let group = |group: &[u8]| {
        let bits =
            group.iter().fold(0u32, |bits, sextet| bits << 6 | u32::from(*sextet)) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    sextets.chunks(4).flat_map(group).collect()
}

/// A session id that is the same in every run.
pub fn session_id(number: u64) -> String {
    uuid::Uuid::from_u128(0x5e55_0000_0000_4000_8000_0000_0000_0000 | u128::from(number)).to_string()
}

/// Where the recordings lie.
pub fn recordings() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/recordings")
}

/// The directories of those that are whole: beside them lies what is broken on purpose.
pub fn whole_recordings() -> [PathBuf; 2] {
    ["clinic", "shop"].map(|project| recordings().join(project))
}

/// The recorded records of one visit, one a line.
pub fn recorded(project: &str, visit: &str) -> Vec<String> {
    let path = recordings().join(project).join(format!("{visit}.ndjson"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

/// Every recorded visit: project, name, session id and chunks, from the manifest.
pub fn visits() -> Vec<(String, String, String, usize)> {
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string(recordings().join("MANIFEST.json")).unwrap()).unwrap();
    let visits = manifest["visits"].as_array().unwrap().iter().map(|visit| {
        let (project, name) = visit["visit"].as_str().unwrap().split_once('/').unwrap();
        (
            project.to_owned(),
            name.to_owned(),
            visit["session_id"].as_str().unwrap().to_owned(),
            usize::try_from(visit["chunks"].as_u64().unwrap()).unwrap(),
        )
    });
    visits.collect()
}
