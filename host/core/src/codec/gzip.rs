//! gzip (RFC 1952) by libdeflate: one shot, two to three times as fast as a stream.

use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};

use super::raw::{RawBuffer, ReadFault};
use super::{Codec, CodecError, MAX_MEMBERS, Unpacked, at_least};

const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Offset of the header's flags: any of them announces an optional field.
const FLAGS: usize = 3;

/// Bytes of the header and of deflate's shortest stream, before the trailer.
const LEAST_BEFORE_TRAILER: usize = 12;

pub(super) fn is_member(packed: &[u8]) -> bool {
    packed.starts_with(&MAGIC)
}

#[derive(Default)]
pub(super) struct Unpacker {
    decompressor: Option<Decompressor>,
}

impl Unpacker {
    /// Unpacks all members of `packed`, to at most `cap` bytes.
    pub(super) fn unpack(
        &mut self,
        packed: &[u8],
        cap: usize,
        raw: &mut RawBuffer,
    ) -> Result<Unpacked, CodecError> {
        let decompressor = self.decompressor.get_or_insert_with(Decompressor::new);
        raw.begin(promised_bytes(packed, cap), cap);
        loop {
            match decompressor.gzip_decompress(packed, raw.room(cap)) {
                Ok(len) if first_member_is_all(packed, len) => {
                    return Ok(Unpacked { len, is_plain_member: has_plain_header(packed) });
                }
                Ok(_) => return unpack_members(packed, cap, raw),
                Err(DecompressionError::BadData) => return Err(damaged("cut off, or a wrong check sum")),
                Err(DecompressionError::InsufficientSpace) if raw.grow(cap) => {}
                Err(DecompressionError::InsufficientSpace) => {
                    return Err(CodecError::Bomb { packed_bytes: packed.len(), cap_bytes: cap });
                }
            }
        }
    }
}

/// Whether the header has no optional fields.
fn has_plain_header(packed: &[u8]) -> bool {
    packed.get(FLAGS) == Some(&0)
}

/// What the trailer says of the size, if that can be true. It may lie, and be of another member.
fn promised_bytes(packed: &[u8], cap: usize) -> usize {
    let size = packed.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    if size <= cap && size / 1032 <= packed.len() { size } else { packed.len().saturating_mul(4) }
}

/// Whether the first member of `packed`, which unpacked to `len` bytes, is all of it.
///
/// libdeflate stops after the first member and does not say where. But it has compared the last
/// four bytes of that member with `len`: so the member ends at one of the places where these four
/// bytes stand. If the only such place is the end of the input, the member ends there. Else (by
/// chance about once in 100,000 chunks) the caller asks a decoder that counts.
fn first_member_is_all(packed: &[u8], len: usize) -> bool {
    let size = (len as u32).to_le_bytes();
    let body = packed.get(LEAST_BEFORE_TRAILER..).unwrap_or_default();
    memchr::memmem::find(body, &size) == body.len().checked_sub(size.len())
}

/// Unpacks member by member. What follows the last one and is no member is dropped.
fn unpack_members(packed: &[u8], cap: usize, raw: &mut RawBuffer) -> Result<Unpacked, CodecError> {
    let mut rest = packed;
    let mut len = 0;
    for number in 1..=MAX_MEMBERS {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        len = raw.read_to_end(len, cap, &mut member).map_err(|fault| match fault {
            ReadFault::Damaged => damaged("cut off, or a wrong check sum"),
            ReadFault::OverCap => CodecError::Bomb { packed_bytes: packed.len(), cap_bytes: cap },
        })?;
        rest = member.into_inner();
        if !is_member(rest) {
            let is_all = number == 1 && rest.is_empty();
            return Ok(Unpacked { len, is_plain_member: is_all && has_plain_header(packed) });
        }
    }
    Err(damaged("too many members"))
}

fn damaged(what: &'static str) -> CodecError {
    CodecError::Damaged { codec: Codec::Gzip, what }
}

/// Packs `raw` as one member into `packed`; answers its length.
pub(super) fn pack(
    compressor: &mut Option<(u8, Compressor)>,
    level: u8,
    raw: &[u8],
    packed: &mut Vec<u8>,
) -> Option<usize> {
    let level = level.clamp(1, 12);
    if compressor.as_ref().is_none_or(|(of_level, _)| *of_level != level) {
        let checked = CompressionLvl::new(i32::from(level)).ok()?;
        *compressor = Some((level, Compressor::new(checked)));
    }
    let (_, compressor) = compressor.as_mut()?;
    at_least(packed, compressor.gzip_compress_bound(raw.len()));
    compressor.gzip_compress(raw, packed).ok()
}
