//! Builds an object: members in order of play, copied and not recompressed, then the index.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::carrier::{has_magic, separator, wrap};
use super::index::{encode_index, members_end};
use super::{ArchiveError, ArchiveRow, FORMAT_VERSION, IndexEntry, ObjectHeader};
use crate::row::{ChunkMeta, Codec};
use crate::time::iso8601;
use crate::winner::ContentHash;

/// A chunk about to be written: its description and its bytes, checked against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    entry: IndexEntry,
    codec: Codec,
    data: Bytes,
}

impl Member {
    /// A member made of a stored copy. `data` are the copy's bytes as they are if it is in `codec`
    /// already, else what recompressing them into `codec` gave.
    pub fn of_copy(meta: &ChunkMeta, codec: Codec, data: Bytes) -> Result<Self, ArchiveError> {
        let member_hash = ContentHash::of(&data);
        if meta.codec == codec && member_hash != meta.content_hash {
            return Err(ArchiveError::WrongHash { key: meta.key });
        }
        let entry = IndexEntry {
            key: meta.key,
            timestamp_end_ms: meta.timestamp_end_ms,
            received_at_ms: meta.received_at_ms,
            offset: 0,
            length: data.len() as u64,
            data_size: meta.data_size,
            event_count: meta.event_count,
            has_full_snapshot: meta.has_full_snapshot,
            version: meta.version,
            content_hash: meta.content_hash,
            member_hash,
        };
        Self::checked(entry, codec, data)
    }

    /// A member of an object that is there already; `object` are that object's bytes.
    pub fn of_object(entry: &IndexEntry, codec: Codec, object: &Bytes) -> Result<Self, ArchiveError> {
        let range = usize::try_from(entry.offset).ok().zip(usize::try_from(entry.end()).ok());
        let data = range
            .filter(|(start, end)| start <= end && *end <= object.len())
            .map(|(start, end)| object.slice(start..end))
            .ok_or(ArchiveError::Malformed("cut off"))?;
        if ContentHash::of(&data) != entry.member_hash {
            return Err(ArchiveError::WrongHash { key: entry.key });
        }
        Self::checked(entry.clone(), codec, data)
    }

    fn checked(entry: IndexEntry, codec: Codec, data: Bytes) -> Result<Self, ArchiveError> {
        if has_magic(codec, &data) {
            Ok(Self { entry, codec, data })
        } else {
            Err(ArchiveError::WrongCodec { key: entry.key, codec })
        }
    }
}

/// A finished object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its bytes, piece after piece; members are shared with the input.
    pub pieces: Vec<Bytes>,
    /// What the archive has to know of it.
    pub row: ArchiveRow,
}

impl Built {
    /// What to say of the object in the store's metadata, for people and foreign tools: well under
    /// S3's 2 KB.
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        let header = &self.row.header;
        let sha256 = self.row.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        vec![
            ("replay-format", FORMAT_VERSION.to_string()),
            ("replay-generation", header.generation.to_string()),
            ("replay-expires-at", iso8601(header.expires_at_ms)),
            ("replay-sha256", sha256),
        ]
    }
}

/// Puts an object together. The members come in order of play, each chunk once, in the header's
/// codec; anything else is refused. No members make an object that says only whose it is.
pub fn build(object_key: String, header: ObjectHeader, members: Vec<Member>) -> Result<Built, ArchiveError> {
    let between = Bytes::from_static(separator(header.codec));
    let mut pieces = Vec::with_capacity(members.len() * 2 + 1);
    let mut index: Vec<IndexEntry> = Vec::with_capacity(members.len());
    for Member { mut entry, codec, data } in members {
        if codec != header.codec {
            return Err(ArchiveError::WrongCodec { key: entry.key, codec: header.codec });
        }
        if index.last().is_some_and(|before| before.key >= entry.key) {
            return Err(ArchiveError::OutOfOrder { key: entry.key });
        }
        entry.offset = members_end(header.codec, &index);
        index.push(entry);
        pieces.extend([data, between.clone()]);
    }
    let index_offset = members_end(header.codec, &index);
    pieces.push(wrap(header.codec, &encode_index(&header, &index), index_offset).into());

    let mut sha256 = Sha256::new();
    pieces.iter().for_each(|piece| sha256.update(piece));
    let object_size = pieces.iter().map(|piece| piece.len() as u64).sum();
    let row = ArchiveRow { header, object_key, object_size, sha256: sha256.finalize().into(), index };
    Ok(Built { pieces, row })
}
