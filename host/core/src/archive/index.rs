//! The index of an object in bytes: at the object's end, and in the column of `replay_archive`.
//!
//! Little-endian throughout; times are Unix milliseconds, hashes xxh3-64.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `GSRI` |
//! | 2 | format version, 1 |
//! | 1 | codec: 1 gzip, 2 zstd |
//! | 1 | length of the project id, n |
//! | n | project id, ASCII |
//! | 16 | session id, in the order of its text |
//! | 8 | generation |
//! | 8 | first moved at |
//! | 8 | expires at |
//! | 4 | number of chunks |
//! | 81 each | the chunks, in order of play |
//!
//! A chunk: start (8), chunk index (4), end (8), received at (8), offset of its member (8), length of
//! its member (8), uncompressed bytes (8), events (4), flags (1; bit 0: has a full snapshot), version
//! (8), content hash (8), member hash (8).
//!
//! A reader of version 1 accepts nothing that a writer of version 1 does not write.

use uuid::Uuid;

use super::carrier::separator;
use super::{ArchiveError, FORMAT_VERSION, IndexEntry, ObjectHeader};
use crate::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use crate::row::Codec;
use crate::winner::{ContentHash, Version};

const MAGIC: [u8; 4] = *b"GSRI";
const ENTRY_LEN: usize = 81;
const HAS_FULL_SNAPSHOT: u8 = 1;

/// The index in bytes (the table above).
pub fn encode_index(header: &ObjectHeader, index: &[IndexEntry]) -> Vec<u8> {
    let project = header.session.project_id.as_str().as_bytes();
    let mut out = Vec::with_capacity(52 + project.len() + index.len() * ENTRY_LEN);
    out.extend(MAGIC);
    out.extend(FORMAT_VERSION.to_le_bytes());
    out.push(codec_number(header.codec));
    // A project id has at most 128 bytes, and 2³² chunks would not fit an object: neither is cut.
    out.push(project.len() as u8);
    out.extend(project);
    out.extend(header.session.session_id.uuid().as_bytes());
    out.extend(header.generation.to_le_bytes());
    out.extend(header.first_moved_at_ms.to_le_bytes());
    out.extend(header.expires_at_ms.to_le_bytes());
    out.extend((index.len() as u32).to_le_bytes());
    for entry in index {
        encode_entry(entry, &mut out);
    }
    out
}

/// Reads what [`encode_index`] wrote, and checks that the members follow each other as the format
/// says. Memory is bounded by the input's size.
pub fn decode_index(bytes: &[u8]) -> Result<(ObjectHeader, Vec<IndexEntry>), ArchiveError> {
    let mut input = Input(bytes);
    if input.array()? != MAGIC {
        return Err(ArchiveError::Malformed("no index"));
    }
    check_version(u16::from_le_bytes(input.array()?))?;
    let codec = match u8::from_le_bytes(input.array()?) {
        1 => Codec::Gzip,
        2 => Codec::Zstd,
        _ => return Err(ArchiveError::Malformed("codec")),
    };
    let project_len = usize::from(u8::from_le_bytes(input.array()?));
    let project_id = std::str::from_utf8(input.take(project_len)?).ok().and_then(ProjectId::new);
    let session_id = SessionId::new(Uuid::from_bytes(input.array()?));
    let (Some(project_id), Some(session_id)) = (project_id, session_id) else {
        return Err(ArchiveError::Malformed("session"));
    };
    let header = ObjectHeader {
        session: SessionKey { project_id, session_id },
        codec,
        generation: input.u64()?,
        first_moved_at_ms: input.u64()?,
        expires_at_ms: input.u64()?,
    };
    let count = input.u32()? as usize;
    if count.checked_mul(ENTRY_LEN) != Some(input.0.len()) {
        return Err(ArchiveError::Malformed("number of chunks"));
    }
    let mut index = Vec::with_capacity(count);
    for _ in 0..count {
        index.push(decode_entry(&mut input)?);
    }
    check_layout(codec, &index)?;
    Ok((header, index))
}

/// Refuses versions this build does not know.
pub(super) fn check_version(found: u16) -> Result<(), ArchiveError> {
    match found {
        0 => Err(ArchiveError::Malformed("format version")),
        1..=FORMAT_VERSION => Ok(()),
        _ => Err(ArchiveError::Newer { found }),
    }
}

/// One past the last member and its separator: where the index starts.
pub(super) fn members_end(codec: Codec, index: &[IndexEntry]) -> u64 {
    index.last().map_or(0, |last| last.end().saturating_add(separator(codec).len() as u64))
}

/// One chunk each, in order of play, each member right behind the separator before it.
fn check_layout(codec: Codec, index: &[IndexEntry]) -> Result<(), ArchiveError> {
    if !index.is_sorted_by(|a, b| a.key < b.key) {
        return Err(ArchiveError::Malformed("order of chunks"));
    }
    let mut next_offset = Some(0u64);
    for entry in index {
        if next_offset != Some(entry.offset) || entry.length == 0 {
            return Err(ArchiveError::Malformed("offsets"));
        }
        next_offset = entry
            .offset
            .checked_add(entry.length)
            .and_then(|end| end.checked_add(separator(codec).len() as u64));
    }
    next_offset.map(|_| ()).ok_or(ArchiveError::Malformed("offsets"))
}

fn codec_number(codec: Codec) -> u8 {
    match codec {
        Codec::Gzip => 1,
        Codec::Zstd => 2,
    }
}

fn encode_entry(entry: &IndexEntry, out: &mut Vec<u8>) {
    out.extend(entry.key.timestamp_start_ms.to_le_bytes());
    out.extend(entry.key.chunk_index.to_le_bytes());
    for value in [entry.timestamp_end_ms, entry.received_at_ms, entry.offset, entry.length, entry.data_size] {
        out.extend(value.to_le_bytes());
    }
    out.extend(entry.event_count.to_le_bytes());
    out.push(if entry.has_full_snapshot { HAS_FULL_SNAPSHOT } else { 0 });
    for value in [entry.version.as_u64(), entry.content_hash.0, entry.member_hash.0] {
        out.extend(value.to_le_bytes());
    }
}

fn decode_entry(input: &mut Input<'_>) -> Result<IndexEntry, ArchiveError> {
    let key = ChunkKey { timestamp_start_ms: input.u64()?, chunk_index: input.u32()? };
    let (timestamp_end_ms, received_at_ms) = (input.u64()?, input.u64()?);
    let (offset, length, data_size) = (input.u64()?, input.u64()?, input.u64()?);
    let event_count = input.u32()?;
    let has_full_snapshot = match u8::from_le_bytes(input.array()?) {
        0 => false,
        HAS_FULL_SNAPSHOT => true,
        _ => return Err(ArchiveError::Malformed("flags")),
    };
    let stored_version = input.u64()?;
    let version = Version::from_u64(stored_version);
    if version.as_u64() != stored_version {
        return Err(ArchiveError::Malformed("version"));
    }
    Ok(IndexEntry {
        key,
        timestamp_end_ms,
        received_at_ms,
        offset,
        length,
        data_size,
        event_count,
        has_full_snapshot,
        version,
        content_hash: ContentHash(input.u64()?),
        member_hash: ContentHash(input.u64()?),
    })
}

/// What is left to read.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], ArchiveError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(ArchiveError::Malformed("cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ArchiveError::Malformed("cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ArchiveError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, ArchiveError> {
        self.array().map(u64::from_le_bytes)
    }
}
