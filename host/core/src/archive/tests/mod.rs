//! What an object must be for `zcat`, for a reader of ranges, and for whoever cuts it off.

mod hostile;
mod layout;

use std::io::Write;

use bytes::Bytes;

use super::*;
use crate::identity::{ProjectId, SessionId};

pub(super) fn header(codec: Codec) -> ObjectHeader {
    let session = SessionKey {
        project_id: ProjectId::new("shop").unwrap(),
        session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
    };
    ObjectHeader {
        session,
        codec,
        generation: 3,
        first_moved_at_ms: 1_709_251_200_000,
        expires_at_ms: 1_717_027_200_000,
    }
}

pub(super) fn json_of(n: u32) -> String {
    format!(r#"[{{"type":3,"timestamp":{n},"data":{{"n":{n}}}}}]"#)
}

pub(super) fn compress(codec: Codec, json: &str) -> Bytes {
    match codec {
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(json.as_bytes()).unwrap();
            encoder.finish().unwrap().into()
        }
        Codec::Zstd => zstd::bulk::compress(json.as_bytes(), 3).unwrap().into(),
    }
}

/// The `n`th chunk of a session, stored in `stored_in`.
pub(super) fn copy(n: u32, stored_in: Codec) -> (ChunkMeta, Bytes) {
    let data = compress(stored_in, &json_of(n));
    let content_hash = ContentHash::of(&data);
    let session = header(stored_in).session;
    let meta = ChunkMeta {
        project_id: session.project_id,
        session_id: session.session_id,
        key: ChunkKey { timestamp_start_ms: 1_000 + u64::from(n / 2), chunk_index: n },
        timestamp_end_ms: 2_000 + u64::from(n),
        received_at_ms: 3_000 + u64::from(n),
        codec: stored_in,
        data_size: json_of(n).len() as u64,
        compressed_size: data.len() as u64,
        event_count: 1,
        has_full_snapshot: n.is_multiple_of(10),
        version: Version::new(1, u64::from(n), content_hash),
        content_hash,
    };
    (meta, data)
}

pub(super) fn object(chunks: u32, codec: Codec) -> (Bytes, ArchiveRow) {
    let members = (0..chunks)
        .map(|n| {
            let (meta, data) = copy(n, codec);
            Member::of_copy(&meta, codec, data).unwrap()
        })
        .collect();
    let Built { pieces, row } = build("key".into(), header(codec), members).unwrap();
    (pieces.concat().into(), row)
}
