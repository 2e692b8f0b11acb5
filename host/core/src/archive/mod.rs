//! The cold object (contract): the chunks of one session, each still readable alone.
//!
//! An object is the session's chunks in order of play, their gzip members copied as they are, each
//! followed by a constant member that holds `\n`, so that `gunzip -c` gives one JSON array a line.
//! Its index lies at its end, in empty gzip members' FEXTRA fields (zstd: in skippable frames), and
//! in the store's `replay_archive` table: the one is for recovery, the other for reading.
//!
//! `key` names objects, `index` is the binary index, `carrier` hides it from `zcat`, `write` builds an
//! object and `read` takes one apart.

mod carrier;
mod index;
mod key;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use carrier::separator;
pub use index::{decode_index, encode_index};
pub use key::{key_stem, object_key, once_key, parse_key, project_prefix, session_of_key, stem_of};
pub use read::{Parsed, TAIL_LEN, read_index, read_object, row_of, verify};
pub use write::{Built, Member, build};

use crate::identity::{ChunkKey, SessionKey};
use crate::row::{ChunkMeta, Codec};
use crate::winner::{ContentHash, Rank, Version};

/// The newest object format that this build writes and reads.
pub const FORMAT_VERSION: u16 = 1;

/// One chunk inside an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Which chunk of the session.
    pub key: ChunkKey,
    /// Last event, Unix milliseconds.
    pub timestamp_end_ms: u64,
    /// When the source received it, Unix milliseconds.
    pub received_at_ms: u64,
    /// First byte of its member in the object.
    pub offset: u64,
    /// Bytes of its member.
    pub length: u64,
    /// Uncompressed bytes.
    pub data_size: u64,
    /// Events in the array.
    pub event_count: u32,
    /// Whether an event is a full snapshot.
    pub has_full_snapshot: bool,
    /// Rank among the copies of this chunk.
    pub version: Version,
    /// xxh3-64 of the bytes as the hot store had them: with `version`, the rank.
    ///
    /// A member that had to be recompressed (the hot copy was in another codec than the object) keeps
    /// version and hash of the copy it was made from, so that it still ranks as that copy does and a
    /// late duplicate of it is recognised.
    pub content_hash: ContentHash,
    /// xxh3-64 of the member's bytes as they lie here: what [`verify`] checks. The same as
    /// `content_hash` but for a recompressed member.
    pub member_hash: ContentHash,
}

impl IndexEntry {
    /// What decides between copies of one chunk.
    pub fn rank(&self) -> Rank {
        (self.version, self.content_hash)
    }

    /// One past the last byte of its member; its separator follows.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// The same chunk described as a stored copy. Its `content_hash` is the copy's it was made from.
    pub fn meta(&self, session: &SessionKey, codec: Codec) -> ChunkMeta {
        ChunkMeta {
            project_id: session.project_id.clone(),
            session_id: session.session_id,
            key: self.key,
            timestamp_end_ms: self.timestamp_end_ms,
            received_at_ms: self.received_at_ms,
            codec,
            data_size: self.data_size,
            compressed_size: self.length,
            event_count: self.event_count,
            has_full_snapshot: self.has_full_snapshot,
            version: self.version,
            content_hash: self.content_hash,
        }
    }
}

/// What an object says of itself as a whole; written into it beside the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHeader {
    /// Whose chunks.
    pub session: SessionKey,
    /// How the members are compressed; an object never mixes codecs.
    pub codec: Codec,
    /// Rises with every rewrite of the session's object.
    pub generation: u64,
    /// When the session was first moved, Unix milliseconds; merges keep it.
    pub first_moved_at_ms: u64,
    /// When retention may delete it, Unix milliseconds; merges keep it.
    pub expires_at_ms: u64,
}

/// One object, as `replay_archive` knows it. The greatest `generation` of an `object_key` counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRow {
    /// What the object says of itself.
    pub header: ObjectHeader,
    /// Where it lies in the cold store.
    pub object_key: String,
    /// Bytes of the object.
    pub object_size: u64,
    /// SHA-256 of the object.
    pub sha256: [u8; 32],
    /// Its chunks in order of play, one for each identity.
    pub index: Vec<IndexEntry>,
}

/// Why an object cannot be built or read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArchiveError {
    /// Written by a later release.
    #[error("the object has format version {found}, this build reads up to {FORMAT_VERSION}: upgrade it")]
    Newer {
        /// What the object says.
        found: u16,
    },
    /// Not an object of ours, cut off, or damaged.
    #[error("not a readable replay object: {0}")]
    Malformed(&'static str),
    /// The bytes are not in the codec they should be in.
    #[error("chunk {chunk_index} at {timestamp_start_ms} is no {codec} data", codec = .codec.as_str(),
        chunk_index = .key.chunk_index, timestamp_start_ms = .key.timestamp_start_ms)]
    WrongCodec {
        /// Which chunk.
        key: ChunkKey,
        /// What was expected.
        codec: Codec,
    },
    /// The bytes are not those that the hash was made of.
    #[error("chunk {} at {} does not have the bytes its hash says", .key.chunk_index, .key.timestamp_start_ms)]
    WrongHash {
        /// Which chunk.
        key: ChunkKey,
    },
    /// The chunks to write are not in order of play, or one of them is there twice.
    #[error("chunk {} at {} is out of order", .key.chunk_index, .key.timestamp_start_ms)]
    OutOfOrder {
        /// Which chunk.
        key: ChunkKey,
    },
}
