//! Recorded events in chunks of 100 KB, as the component of a plugin and as the same code linked in see
//! them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use replay_core::codec::{Codec as Compression, Encoding, Recompress, Scratch, decompress};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{Batch, ElementLimits, Elements, Kinds, ScanLimits};
use replay_plugin::{ChunkInfo, Element, FieldsView, Source};
use rustix::time::{ClockId, clock_gettime};

const CHUNK_BYTES: usize = 100_000;

/// A chunk natively: what the component gets through the boundary.
pub(crate) struct Linked<'a>(pub(crate) &'a Batch, pub(crate) Kinds);

impl Source for Linked<'_> {
    fn info(&self) -> ChunkInfo {
        ChunkInfo::default()
    }

    fn fields(&self) -> FieldsView {
        let view = self.0.view(0, self.1).unwrap();
        FieldsView { text: view.text, index: view.index, names: view.names }
    }

    fn element(&self, _: u32) -> Option<Element> {
        None
    }

    fn focus(&self) -> Vec<u8> {
        self.0.focus(0).unwrap()
    }

    fn moves(&self) -> Vec<u8> {
        Vec::new()
    }

    fn nodes(&self) -> Vec<u8> {
        Vec::new()
    }

    fn events(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// Of this thread.
pub(crate) fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Recorded events, in chunks of about 100 KB; what is larger by itself is left out.
pub(crate) fn chunks() -> Vec<Arc<Batch>> {
    let mut chunks = Vec::new();
    let mut events = Vec::new();
    for recorded in recorded().into_iter().filter(|recorded| recorded.len() < CHUNK_BYTES) {
        events.push(if events.is_empty() { b'[' } else { b',' });
        events.extend_from_slice(&recorded[1..recorded.len() - 1]);
        if events.len() >= CHUNK_BYTES {
            events.push(b']');
            chunks.push(Arc::new(scanned(std::mem::take(&mut events))));
        }
    }
    chunks
}

fn scanned(json: Vec<u8>) -> Batch {
    let limits =
        ScanLimits { max_raw_chunk_bytes: 64 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 22 };
    let head = ChunkHead {
        session: SessionKey {
            project_id: ProjectId::new("shop").unwrap(),
            session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
        },
        key: ChunkKey { timestamp_start_ms: 1, chunk_index: 0 },
        timestamp_end_ms: 3,
        event_count: 50,
        has_full_snapshot: false,
        data_size: json.len() as u64,
        codec: Codec::Gzip,
    };
    let mut batch = Batch::new(Kinds::ALL, Elements::new(ElementLimits { max_bytes: 64 << 20 }));
    batch.add(&head, json, &limits).unwrap();
    batch
}

/// The events of the recordings, in the order of their files.
fn recorded() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/recordings");
    let keep = Encoding { codec: Compression::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let mut scratch = Scratch::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .flatten()
        .flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten())
        .map(|file| file.path())
        .collect();
    files.sort();
    let mut payloads = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            let Ok(decoded) = decode(line.as_bytes(), &DecodeLimits::default(), &keep, &mut scratch) else {
                continue;
            };
            payloads.push(decompress(&mut scratch, decoded.codec, &decoded.data, 64 << 20).unwrap().to_vec());
        }
    }
    payloads
}

/// Prints the median of a value of the rounds, with the least and the greatest.
pub(crate) fn print_median<T>(what: &str, rounds: &[T], value: impl Fn(&T) -> f64) {
    let mut values: Vec<f64> = rounds.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    println!("{what} {median:.3} ({least:.3} to {most:.3})");
}
