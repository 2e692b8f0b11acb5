//! Packs and unpacks chunks: one gzip member or zstd frame each, within caps that hold before memory
//! is used.
//!
//! What arrives may be several members with rubbish after them; what is stored never is.

mod gzip;
mod raw;
mod zstd;

pub use crate::row::Codec;
use raw::RawBuffer;

/// How chunks are encoded anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Of what is encoded anew; an unchanged gzip payload stays gzip.
    pub codec: Codec,
    /// 1–12 for gzip (libdeflate), 1–22 for zstd; beyond, the nearest.
    pub level: u8,
    /// What is encoded anew.
    pub recompress: Recompress,
}

/// Whether a payload that nobody changed is encoded anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recompress {
    /// Only what had to change: for 1–3 % of size the rest would cost nearly all of the time.
    ChangedOnly,
    /// Everything.
    Always,
}

/// What a packed payload may grow into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackCaps {
    /// The most bytes.
    pub max_raw_bytes: usize,
    /// The most bytes for each packed byte, once there are more than [`RATIO_FREE_BYTES`].
    pub max_ratio: u32,
}

/// Up to here no ratio is suspicious.
pub const RATIO_FREE_BYTES: usize = 1 << 20;

/// The ratio to refuse by default.
///
/// Deflate cannot exceed 1032, and comes near only with runs of a single byte; even one event
/// repeated without end stays below 300, recorded chunks below 20. So gzip payloads meet
/// `max_raw_bytes` first, and what this catches is zstd, where a few hundred bytes can claim 128 MiB.
pub const DEFAULT_MAX_RATIO: u32 = 1000;

impl UnpackCaps {
    fn of(&self, packed_bytes: usize) -> usize {
        let by_ratio = packed_bytes.saturating_mul(self.max_ratio as usize);
        self.max_raw_bytes.min(by_ratio.max(RATIO_FREE_BYTES))
    }
}

/// Why a payload cannot be packed or unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Cut off, wrong check sum, not what its magic bytes say, or in too many pieces.
    #[error("damaged {}: {what}", codec.as_str())]
    Damaged {
        /// What it claims to be.
        codec: Codec,
        /// In our own words.
        what: &'static str,
    },
    /// Over a cap of [`UnpackCaps`].
    #[error("{packed_bytes} bytes unpack to more than {cap_bytes}")]
    Bomb {
        /// Size as it arrived.
        packed_bytes: usize,
        /// What it may unpack to.
        cap_bytes: usize,
    },
    /// The encoder itself failed: a fault of ours.
    #[error("the {} encoder failed", codec.as_str())]
    Encoder {
        /// Which one.
        codec: Codec,
    },
}

/// The most members or frames in one payload; each costs set-up time, and may be empty.
pub(crate) const MAX_MEMBERS: usize = 4096;

/// What a worker keeps between payloads, so that none pays for set-up or for a large buffer.
#[derive(Default)]
pub struct Scratch {
    pub(crate) raw: RawBuffer,
    gunzip: gzip::Unpacker,
    unzstd: zstd::Unpacker,
    pub(crate) packer: Packer,
}

impl Scratch {
    /// Nothing is allocated before it is needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes held for unpacking now.
    pub fn raw_bytes(&self) -> usize {
        self.raw.len()
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").field("raw_bytes", &self.raw_bytes()).finish_non_exhaustive()
    }
}

/// The codec whose magic bytes `payload` begins with.
pub fn detect(payload: &[u8]) -> Option<Codec> {
    if gzip::is_member(payload) {
        Some(Codec::Gzip)
    } else if zstd::is_frame(payload) {
        Some(Codec::Zstd)
    } else {
        None
    }
}

/// What [`unpack`] left in the scratch's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Bytes of it.
    pub(crate) len: usize,
    /// Exactly one gzip member without optional header fields, and nothing after it.
    pub(crate) is_plain_member: bool,
}

/// Unpacks all members or frames of `packed` into the scratch's buffer.
pub(crate) fn unpack(
    scratch: &mut Scratch,
    codec: Codec,
    packed: &[u8],
    caps: &UnpackCaps,
) -> Result<Unpacked, CodecError> {
    let cap = caps.of(packed.len());
    match codec {
        Codec::Gzip => scratch.gunzip.unpack(packed, cap, &mut scratch.raw),
        Codec::Zstd => scratch.unzstd.unpack(packed, cap, &mut scratch.raw),
    }
}

/// The raw bytes of one stored chunk, of at most `max_raw_bytes`, in the scratch's buffer.
pub fn decompress<'s>(
    scratch: &'s mut Scratch,
    codec: Codec,
    packed: &[u8],
    max_raw_bytes: usize,
) -> Result<&'s [u8], CodecError> {
    let caps = UnpackCaps { max_raw_bytes, max_ratio: u32::MAX };
    let unpacked = unpack(scratch, codec, packed, &caps)?;
    Ok(scratch.raw.get(unpacked.len))
}

/// `raw` as exactly one gzip member or zstd frame.
pub fn compress(scratch: &mut Scratch, encoding: &Encoding, raw: &[u8]) -> Result<Vec<u8>, CodecError> {
    scratch.packer.pack(encoding, raw)
}

/// The encoders, and the buffer they write to.
#[derive(Default)]
pub(crate) struct Packer {
    gzip: Option<(u8, libdeflater::Compressor)>,
    zstd: Option<(u8, ::zstd::bulk::Compressor<'static>)>,
    packed: Vec<u8>,
}

impl Packer {
    pub(crate) fn pack(&mut self, encoding: &Encoding, raw: &[u8]) -> Result<Vec<u8>, CodecError> {
        let len = match encoding.codec {
            Codec::Gzip => gzip::pack(&mut self.gzip, encoding.level, raw, &mut self.packed),
            Codec::Zstd => zstd::pack(&mut self.zstd, encoding.level, raw, &mut self.packed),
        };
        let failed = CodecError::Encoder { codec: encoding.codec };
        let packed = len.and_then(|len| self.packed.get(..len)).ok_or(failed)?.to_vec();
        if self.packed.len() > raw::KEEP_BYTES {
            self.packed = Vec::new();
        }
        Ok(packed)
    }
}

/// Makes `buffer` at least `bytes` long; what it holds does not matter.
fn at_least(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.len() < bytes {
        // A new one comes zeroed from the system, and nothing old is copied.
        *buffer = Vec::new();
        *buffer = vec![0; bytes];
    }
}
