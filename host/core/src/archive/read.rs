//! Takes an object apart: its index from its last bytes alone, or the whole of it, verified.

use sha2::{Digest, Sha256};

use super::carrier::{Trailer, separator};
use super::index::{decode_index, members_end};
use super::{ArchiveError, ArchiveRow, IndexEntry, ObjectHeader};
use crate::winner::ContentHash;

/// How much of an object's end to read first: holds the index of nearly every session.
pub const TAIL_LEN: u64 = 64 * 1024;

/// What the end of an object tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The index.
    Index(ObjectHeader, Vec<IndexEntry>),
    /// The index starts at this offset, before the bytes given: read from there to the end and ask
    /// again.
    ReadFrom(u64),
}

/// Reads the index out of `object_tail`, the last bytes of an object of `object_size` bytes.
/// Refuses what is not exactly as we write it; memory is bounded by the input's size.
pub fn read_index(object_tail: &[u8], object_size: u64) -> Result<Parsed, ArchiveError> {
    let tail_offset = object_size
        .checked_sub(object_tail.len() as u64)
        .ok_or(ArchiveError::Malformed("longer than it should be"))?;
    let trailer = Trailer::find(object_tail, object_size)?;
    let Some(skip) = trailer.index_offset.checked_sub(tail_offset) else {
        return Ok(Parsed::ReadFrom(trailer.index_offset));
    };
    let carriers = usize::try_from(skip).ok().and_then(|skip| object_tail.get(skip..)).unwrap_or_default();
    let (header, index) = decode_index(&trailer.unwrap_index(carriers)?)?;
    if header.codec != trailer.codec || members_end(header.codec, &index) != trailer.index_offset {
        return Err(ArchiveError::Malformed("index of another object"));
    }
    Ok(Parsed::Index(header, index))
}

/// Reads the index of a whole object. Says nothing yet about the members: [`verify`].
pub fn read_object(object: &[u8]) -> Result<(ObjectHeader, Vec<IndexEntry>), ArchiveError> {
    match read_index(object, object.len() as u64)? {
        Parsed::Index(header, index) => Ok((header, index)),
        Parsed::ReadFrom(_) => Err(ArchiveError::Malformed("cut off")),
    }
}

/// Checks every byte before the index: each member has the bytes that its hash says, the separators
/// lie between them, and nothing else does.
pub fn verify(object: &[u8], header: &ObjectHeader, index: &[IndexEntry]) -> Result<(), ArchiveError> {
    let between = separator(header.codec);
    let mut rest = object;
    let mut offset = 0;
    for entry in index {
        let length = usize::try_from(entry.length).ok().filter(|_| entry.offset == offset);
        let (member, behind) = length
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(ArchiveError::Malformed("offsets"))?;
        if ContentHash::of(member) != entry.member_hash {
            return Err(ArchiveError::WrongHash { key: entry.key });
        }
        rest = behind.strip_prefix(between).ok_or(ArchiveError::Malformed("separator"))?;
        offset = entry.end() + between.len() as u64;
    }
    Ok(())
}

/// Reads and verifies a whole object, and describes it as the archive does.
pub fn row_of(object_key: String, object: &[u8]) -> Result<ArchiveRow, ArchiveError> {
    let (header, index) = read_object(object)?;
    verify(object, &header, &index)?;
    let sha256 = Sha256::digest(object).into();
    Ok(ArchiveRow { header, object_key, object_size: object.len() as u64, sha256, index })
}
