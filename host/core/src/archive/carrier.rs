//! What lies between and behind the members: separators, and carriers that decompressors skip.
//!
//! A separator decompresses to `\n`. A carrier decompresses to nothing and holds up to 65,531 bytes
//! of ours: for gzip (RFC 1952) an empty member whose FEXTRA field has one subfield `GS`, for zstd
//! (RFC 8878) a skippable frame. The index is cut into as many carriers as it needs; one more, the
//! trailer, always has the same size and ends the object:
//!
//! | bytes | in the trailer's carrier, little-endian |
//! |---|---|
//! | 4 | `GSRT` |
//! | 2 | format version |
//! | 2 | 0 |
//! | 8 | offset of the first carrier of the index |
//! | 8 | length of the index without its carriers |
//! | 8 | xxh3-64 of the index |
//! | 8 | bytes of the object, this trailer included |

use xxhash_rust::xxh3::xxh3_64;

use super::index::{Input, check_version};
use super::{ArchiveError, FORMAT_VERSION};
use crate::row::Codec;

/// The most bytes of ours in one carrier: what FEXTRA's 65,535 leave beside the subfield's header.
pub(super) const MAX_CARRIED: usize = 65_531;

const TRAILER_MAGIC: [u8; 4] = *b"GSRT";
const TRAILER_DATA_LEN: usize = 40;

/// A gzip member that holds `\n`.
const GZIP_SEPARATOR: [u8; 21] = [
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, // deflate, no flags, no time, unknown system
    0xe3, 0x02, 0x00, // one block of fixed codes
    0x93, 0x06, 0xd7, 0x32, 1, 0, 0, 0, // CRC-32, length
];

/// A zstd frame that holds `\n`: single segment, one raw block.
const ZSTD_SEPARATOR: [u8; 10] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 1, 0x09, 0, 0, b'\n'];

/// Header of a gzip member with FEXTRA.
const GZIP_EXTRA_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
const GZIP_SUBFIELD: [u8; 2] = *b"GS";
/// An empty deflate stream, its CRC-32 and its length.
const GZIP_EMPTY_BODY: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// One of the sixteen magic numbers of skippable frames.
const ZSTD_SKIPPABLE: [u8; 4] = 0x184D_2A5Du32.to_le_bytes();

/// The constant bytes behind every member; they decompress to `\n`.
pub fn separator(codec: Codec) -> &'static [u8] {
    match codec {
        Codec::Gzip => &GZIP_SEPARATOR,
        Codec::Zstd => &ZSTD_SEPARATOR,
    }
}

/// Whether `bytes` start as data of this codec does.
pub(super) fn has_magic(codec: Codec, bytes: &[u8]) -> bool {
    match codec {
        Codec::Gzip => bytes.starts_with(&[0x1f, 0x8b, 8]),
        Codec::Zstd => bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
    }
}

/// The index in its carriers, then the trailer: everything behind the last separator.
pub(super) fn wrap(codec: Codec, index: &[u8], index_offset: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(carried_len(codec, index.len()) + trailer_len(codec));
    for piece in index.chunks(MAX_CARRIED) {
        push_carrier(codec, piece, &mut out);
    }
    let object_size = index_offset + (out.len() + trailer_len(codec)) as u64;
    let mut data = Vec::with_capacity(TRAILER_DATA_LEN);
    data.extend(TRAILER_MAGIC);
    data.extend(FORMAT_VERSION.to_le_bytes());
    data.extend([0, 0]);
    for value in [index_offset, index.len() as u64, xxh3_64(index), object_size] {
        data.extend(value.to_le_bytes());
    }
    push_carrier(codec, &data, &mut out);
    out
}

/// Where a trailer says that the index is.
#[derive(Debug)]
pub(super) struct Trailer {
    pub(super) codec: Codec,
    /// First byte of the index's first carrier, in the object.
    pub(super) index_offset: u64,
    index_len: usize,
    index_hash: u64,
}

impl Trailer {
    /// Reads the trailer at the end of `tail`, the last bytes of an object of `object_size`.
    pub(super) fn find(tail: &[u8], object_size: u64) -> Result<Self, ArchiveError> {
        let codec = [Codec::Gzip, Codec::Zstd]
            .into_iter()
            .find(|codec| trailer_data(*codec, tail).is_some_and(|data| data.starts_with(&TRAILER_MAGIC)))
            .ok_or(ArchiveError::Malformed("no trailer"))?;
        let mut input = Input(trailer_data(codec, tail).unwrap_or_default());
        input.take(TRAILER_MAGIC.len())?;
        check_version(u16::from_le_bytes(input.array()?))?;
        let reserved: [u8; 2] = input.array()?;
        let (index_offset, index_len, index_hash) = (input.u64()?, input.u64()?, input.u64()?);
        let malformed = ArchiveError::Malformed("trailer");
        if reserved != [0, 0] || input.u64()? != object_size || index_len > object_size {
            return Err(malformed);
        }
        let index_len = usize::try_from(index_len).map_err(|_| malformed.clone())?;
        let behind = carried_len(codec, index_len).saturating_add(trailer_len(codec)) as u64;
        if index_offset.checked_add(behind) != Some(object_size) {
            return Err(malformed);
        }
        Ok(Self { codec, index_offset, index_len, index_hash })
    }

    /// The index out of its carriers. `carriers` starts at `index_offset`.
    pub(super) fn unwrap_index(&self, carriers: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        if carriers.len() < self.index_len {
            return Err(ArchiveError::Malformed("cut off"));
        }
        let mut index = Vec::with_capacity(self.index_len);
        let mut input = Input(carriers);
        while index.len() < self.index_len {
            let expected = (self.index_len - index.len()).min(MAX_CARRIED);
            index.extend_from_slice(take_carrier(self.codec, expected, &mut input)?);
        }
        if xxh3_64(&index) != self.index_hash {
            return Err(ArchiveError::Malformed("checksum of the index"));
        }
        Ok(index)
    }
}

fn trailer_data(codec: Codec, tail: &[u8]) -> Option<&[u8]> {
    let start = tail.len().checked_sub(trailer_len(codec))?;
    take_carrier(codec, TRAILER_DATA_LEN, &mut Input(tail.get(start..)?)).ok()
}

fn trailer_len(codec: Codec) -> usize {
    TRAILER_DATA_LEN + overhead(codec)
}

/// Bytes of an index of this length in its carriers.
fn carried_len(codec: Codec, index_len: usize) -> usize {
    index_len.saturating_add(index_len.div_ceil(MAX_CARRIED).saturating_mul(overhead(codec)))
}

/// Bytes of a carrier beside what it carries.
fn overhead(codec: Codec) -> usize {
    match codec {
        Codec::Gzip => GZIP_EXTRA_HEADER.len() + 2 + GZIP_SUBFIELD.len() + 2 + GZIP_EMPTY_BODY.len(),
        Codec::Zstd => ZSTD_SKIPPABLE.len() + 4,
    }
}

/// `data` is at most [`MAX_CARRIED`] bytes.
fn push_carrier(codec: Codec, data: &[u8], out: &mut Vec<u8>) {
    out.extend(carrier_head(codec, data.len()));
    out.extend(data);
    out.extend(carrier_end(codec));
}

/// The data of a carrier that must hold exactly `len` bytes.
fn take_carrier<'a>(codec: Codec, len: usize, input: &mut Input<'a>) -> Result<&'a [u8], ArchiveError> {
    let head = carrier_head(codec, len);
    let found_head = input.take(head.len())?;
    let data = input.take(len)?;
    if found_head != head || input.take(carrier_end(codec).len())? != carrier_end(codec) {
        return Err(ArchiveError::Malformed("carrier of the index"));
    }
    Ok(data)
}

fn carrier_head(codec: Codec, data_len: usize) -> Vec<u8> {
    match codec {
        Codec::Gzip => {
            let subfield_len = data_len as u16;
            let extra_len = subfield_len + 4;
            let mut head = GZIP_EXTRA_HEADER.to_vec();
            head.extend(extra_len.to_le_bytes());
            head.extend(GZIP_SUBFIELD);
            head.extend(subfield_len.to_le_bytes());
            head
        }
        Codec::Zstd => [ZSTD_SKIPPABLE, (data_len as u32).to_le_bytes()].concat(),
    }
}

fn carrier_end(codec: Codec) -> &'static [u8] {
    match codec {
        Codec::Gzip => &GZIP_EMPTY_BODY,
        Codec::Zstd => &[],
    }
}
