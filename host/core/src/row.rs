//! A stored chunk: what is known of it, and its bytes.

use bytes::Bytes;

use crate::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use crate::time::Day;
use crate::winner::{ContentHash, Rank, Version};

/// How `data` of a chunk, or an object, is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Exactly one gzip member (RFC 1952).
    Gzip,
    /// Exactly one zstd frame (RFC 8878).
    Zstd,
}

impl Codec {
    /// The name in columns, metadata and configs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Everything about one physical copy of a chunk but its bytes. One row of `replay_chunks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// The tenant.
    pub project_id: ProjectId,
    /// The visit.
    pub session_id: SessionId,
    /// Which chunk of the session.
    pub key: ChunkKey,
    /// Last event, Unix milliseconds by the browser's clock, not before the start.
    pub timestamp_end_ms: u64,
    /// When the source received the record, Unix milliseconds: stable across redelivery, and alone
    /// decides partition, migration, retention and expiry.
    pub received_at_ms: u64,
    /// How `data` is compressed.
    pub codec: Codec,
    /// Uncompressed bytes.
    pub data_size: u64,
    /// Stored bytes.
    pub compressed_size: u64,
    /// Events in the array.
    pub event_count: u32,
    /// Whether an event is a full snapshot (rrweb type 2).
    pub has_full_snapshot: bool,
    /// Rank among the copies of this chunk.
    pub version: Version,
    /// xxh3-64 of the stored bytes.
    pub content_hash: ContentHash,
}

impl ChunkMeta {
    /// The session it belongs to.
    pub fn session(&self) -> SessionKey {
        SessionKey { project_id: self.project_id.clone(), session_id: self.session_id }
    }

    /// The partition: the UTC day of receipt.
    pub fn chunk_date(&self) -> Day {
        Day::of(self.received_at_ms)
    }

    /// What decides between the copies of one chunk.
    pub fn rank(&self) -> Rank {
        (self.version, self.content_hash)
    }

    /// Which physical copy this is.
    pub fn copy_id(&self) -> CopyId {
        CopyId { key: self.key, content_hash: self.content_hash, chunk_date: self.chunk_date() }
    }
}

/// Names one physical copy within its session, so that exactly what was read can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyId {
    /// Which chunk of the session.
    pub key: ChunkKey,
    /// What it holds.
    pub content_hash: ContentHash,
    /// The partition it lies in.
    pub chunk_date: Day,
}

/// A chunk as it is stored: its description and its compressed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkRow {
    /// The description.
    pub meta: ChunkMeta,
    /// One gzip member or zstd frame holding one JSON array.
    pub data: Bytes,
}
