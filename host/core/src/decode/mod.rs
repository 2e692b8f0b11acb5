//! From a record to a chunk that can be stored, or to the reason why it cannot be (contract).
//!
//! What is kept is the compressed form: the payload as it arrived if it may stay so (one plain gzip
//! member, no byte-order mark, no newline), else encoded anew, compactly.

mod payload;

use bytes::Bytes;

use crate::codec::{DEFAULT_MAX_RATIO, Encoding, Scratch};
use crate::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use crate::json::JsonFault;
use crate::pipeline::ChunkHead;
use crate::record::{Envelope, record_fault};
use crate::reject::{Reason, Reject};
use crate::row::Codec;
use crate::winner::ContentHash;

/// The bounds of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The record as it arrives.
    pub max_record_bytes: usize,
    /// Its payload, unpacked.
    pub max_raw_chunk_bytes: usize,
    /// Its payload as it is stored.
    pub max_stored_chunk_bytes: usize,
    /// Unpacked bytes for each packed one (see [`DEFAULT_MAX_RATIO`]).
    pub max_ratio: u32,
    /// Nesting of the payload, the array itself counted.
    pub max_depth: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_record_bytes: 64 << 20,
            max_raw_chunk_bytes: 128 << 20,
            max_stored_chunk_bytes: 8 << 20,
            max_ratio: DEFAULT_MAX_RATIO,
            max_depth: 512,
        }
    }
}

/// A chunk that can be stored. Counts, sizes and flags are those of the events themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The tenant.
    pub project_id: ProjectId,
    /// The visit.
    pub session_id: SessionId,
    /// Which chunk of the session.
    pub key: ChunkKey,
    /// Last event, Unix milliseconds, not before the start.
    pub timestamp_end_ms: u64,
    /// Elements of the array.
    pub event_count: u32,
    /// Whether an event is a full snapshot.
    pub has_full_snapshot: bool,
    /// Bytes of `data`, unpacked.
    pub data_size: u64,
    /// How `data` is compressed.
    pub codec: Codec,
    /// Exactly one gzip member or zstd frame that holds one JSON array.
    pub data: Bytes,
    /// xxh3-64 of `data`.
    pub content_hash: ContentHash,
    /// Whether `data` is what arrived, byte for byte.
    pub kept_verbatim: bool,
}

impl Decoded {
    /// What the pipeline knows of it, and its compressed form.
    pub fn into_head(self) -> (ChunkHead, Bytes) {
        let head = ChunkHead {
            session: SessionKey { project_id: self.project_id, session_id: self.session_id },
            key: self.key,
            timestamp_end_ms: self.timestamp_end_ms,
            event_count: self.event_count,
            has_full_snapshot: self.has_full_snapshot,
            data_size: self.data_size,
            codec: self.codec,
        };
        (head, self.data)
    }
}

/// Why a record cannot be stored, and whose it is as far as could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The reason.
    pub reject: Reject,
    /// The tenant, if it could be read.
    pub project_id: Option<ProjectId>,
    /// The visit, if it could be read.
    pub session_id: Option<SessionId>,
}

/// Reads `record`, checks everything, and packs its payload as it will be stored.
pub fn decode(
    record: &[u8],
    limits: &DecodeLimits,
    encoding: &Encoding,
    scratch: &mut Scratch,
) -> Result<Decoded, Rejected> {
    if record.len() > limits.max_record_bytes {
        let detail = format!("record of {} bytes, over {}", record.len(), limits.max_record_bytes);
        let reject = Reject::new(Reason::TooLarge, detail);
        return Err(Rejected { reject, project_id: None, session_id: None });
    }
    let (envelope, read) = Envelope::read(record, limits.max_depth);
    let decoded = match read {
        Ok(()) => decode_envelope(&envelope, limits, encoding, scratch),
        Err(error) if error.fault == JsonFault::TooDeep => Err(record_fault(error)),
        // Of damaged JSON an identity would be a guess (keys may repeat), and an erasure goes by it.
        Err(error) => {
            let reject = record_fault(error);
            return Err(Rejected { reject, project_id: None, session_id: None });
        }
    };
    decoded.map_err(|reject| Rejected {
        reject,
        project_id: envelope.project_id().ok(),
        session_id: envelope.session_id().ok(),
    })
}

fn decode_envelope(
    envelope: &Envelope<'_>,
    limits: &DecodeLimits,
    encoding: &Encoding,
    scratch: &mut Scratch,
) -> Result<Decoded, Reject> {
    let project_id = envelope.project_id()?;
    let session_id = envelope.session_id()?;
    let chunk_index = envelope.chunk_index()?;
    let (timestamp_start_ms, timestamp_end_ms) = envelope.timestamps()?;
    let chunk = payload::pack(envelope.payload()?, limits, encoding, scratch)?;
    Ok(Decoded {
        project_id,
        session_id,
        key: ChunkKey { timestamp_start_ms, chunk_index },
        timestamp_end_ms,
        event_count: chunk.events.event_count,
        has_full_snapshot: chunk.events.has_full_snapshot,
        data_size: chunk.raw_bytes as u64,
        codec: chunk.codec,
        content_hash: ContentHash::of(&chunk.data),
        data: chunk.data,
        kept_verbatim: chunk.kept_verbatim,
    })
}
