//! The recorded fixtures as batches: one for each session, its chunks in order of play.

use std::path::Path;
use std::sync::LazyLock;

use replay_core::codec::{Codec, Encoding, Recompress, Scratch, decompress};
use replay_core::decode::{DecodeLimits, decode};

use super::*;

/// A chunk as it came.
pub(super) struct Recorded {
    pub(super) head: ChunkHead,
    pub(super) json: Vec<u8>,
}

/// The chunks of each session.
pub(super) static SESSIONS: LazyLock<Vec<Vec<Recorded>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/recordings");
    let mut sessions = Vec::new();
    for tenant in ["clinic", "shop"] {
        for file in std::fs::read_dir(root.join(tenant)).unwrap() {
            let mut chunks: Vec<_> =
                std::fs::read_to_string(file.unwrap().path()).unwrap().lines().map(read).collect();
            chunks.sort_by_key(|chunk| (chunk.head.key.timestamp_start_ms, chunk.head.key.chunk_index));
            chunks.sort_by_key(|chunk| chunk.head.session.session_id.to_string());
            while let Some(first) = chunks.first() {
                let session = first.head.session.clone();
                let rest = chunks.iter().position(|chunk| chunk.head.session != session);
                let rest = chunks.split_off(rest.unwrap_or(chunks.len()));
                sessions.push(std::mem::replace(&mut chunks, rest));
            }
        }
    }
    assert!(sessions.len() >= 10, "the fixtures are there");
    sessions
});

/// Each chunk on its own, smallest first.
pub(super) fn chunks() -> Vec<&'static Recorded> {
    let mut chunks: Vec<_> = SESSIONS.iter().flatten().collect();
    chunks.sort_by_key(|chunk| chunk.json.len());
    chunks
}

pub(super) fn batch_of(chunks: &[Recorded]) -> Batch {
    let mut batch = Batch::new(Kinds::ALL, elements());
    for chunk in chunks {
        batch.add(&chunk.head, chunk.json.clone(), &LIMITS).unwrap();
    }
    batch
}

fn read(line: &str) -> Recorded {
    let keep = Encoding { codec: Codec::Gzip, level: 1, recompress: Recompress::ChangedOnly };
    let mut scratch = Scratch::new();
    let chunk = decode(line.as_bytes(), &DecodeLimits::default(), &keep, &mut scratch).unwrap();
    let (head, data) = chunk.into_head();
    let json = decompress(&mut scratch, head.codec, &data, 8 << 20).unwrap().to_vec();
    Recorded { head, json }
}
