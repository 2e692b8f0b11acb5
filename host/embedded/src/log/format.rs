//! The bytes of a segment: its header and its frames (tables in the module above).

use std::ops::RangeInclusive;

use bytes::Bytes;
use replay_core::dead_letter::LetterId;
use replay_core::pipeline::{At, ReplayOf};
use replay_ports::SourceRecord;

/// What this build writes, and the newest it reads.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Bytes before the first frame.
pub(crate) const HEADER_BYTES: u64 = 28;
/// Length and checksum.
pub(crate) const FRAME_HEAD_BYTES: u64 = 8;
/// A frame with an empty payload.
pub(crate) const MIN_FRAME_BYTES: u64 = FRAME_HEAD_BYTES + MIN_BODY_BYTES;

const MAGIC: &[u8; 8] = b"rplylog\n";
const MIN_BODY_BYTES: u64 = 25;
/// Up to the checksum of the head.
const HEAD_BYTES: usize = 20;
const HAS_REPLAY_OF: u8 = 1;

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A segment that this build reads.
    Good {
        /// Begins every checksum of the segment.
        salt: u32,
    },
    /// Written by a newer release.
    Newer {
        /// Its format.
        version: u32,
    },
    /// Torn, damaged, or no segment at all.
    Bad,
}

/// The first bytes of a new segment.
pub(crate) fn encode_header(salt: u32, base: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    bytes.extend(salt.to_le_bytes());
    bytes.extend(base.to_le_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// Reads what [`encode_header`] wrote. `base` is what the file's name says.
pub(crate) fn decode_header(bytes: &[u8], base: u64) -> Header {
    sound_header(bytes, base).unwrap_or(Header::Bad)
}

fn sound_header(bytes: &[u8], base: u64) -> Option<Header> {
    let mut fields = Fields(bytes);
    let magic = fields.take(MAGIC.len())?;
    let (version, salt, header_base) = (fields.u32()?, fields.u32()?, fields.u64()?);
    if magic != MAGIC || fields.u32()? != crc32c::crc32c(&bytes[..HEADER_BYTES as usize - 4]) {
        return None;
    }
    match version {
        0 => None,
        FORMAT_VERSION => (header_base == base).then_some(Header::Good { salt }),
        _ => Some(Header::Newer { version }),
    }
}

/// What is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The record.
    pub(crate) payload: Bytes,
    /// When it was received.
    pub(crate) received_at_ms: u64,
    /// The letter it feeds back.
    pub(crate) replay_of: Option<ReplayOf>,
}

impl Entry {
    /// Bytes of its frame.
    pub(crate) fn frame_bytes(&self) -> u64 {
        let replay_of = self.replay_of.as_ref().map_or(0, |of| 18 + of.letter.topic.len());
        MIN_FRAME_BYTES + (replay_of + self.payload.len()) as u64
    }

    /// Appends its frame to `out`. `since_sync` is how far the frame begins behind the last byte
    /// that was durable when it was written.
    pub(crate) fn encode(&self, salt: u32, offset: u64, since_sync: u32, out: &mut Vec<u8>) {
        let start = out.len();
        let length = (self.frame_bytes() - FRAME_HEAD_BYTES) as u32;
        out.extend(length.to_le_bytes());
        out.extend([0; 4]);
        out.extend(offset.to_le_bytes());
        out.extend(since_sync.to_le_bytes());
        out.extend(head_checksum(salt, &out[start..]).to_le_bytes());
        out.extend(self.received_at_ms.to_le_bytes());
        match &self.replay_of {
            None => out.push(0),
            Some(of) => {
                out.push(HAS_REPLAY_OF);
                out.extend((of.letter.topic.len() as u16).to_le_bytes());
                out.extend(of.letter.topic.as_bytes());
                out.extend(of.letter.partition.to_le_bytes());
                out.extend(of.letter.offset.to_le_bytes());
                out.extend(of.attempts.to_le_bytes());
            }
        }
        out.extend(&self.payload);
        let checksum = frame_checksum(salt, &out[start..]);
        out[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// What a frame's head says. The rest of the frame is to be believed only after [`is_sound`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Of the whole frame.
    pub(crate) frame_bytes: u64,
    /// Of the record.
    pub(crate) offset: u64,
    /// See [`Entry::encode`].
    pub(crate) since_sync: u64,
    /// Of the record.
    pub(crate) received_at_ms: u64,
}

/// Reads the fixed part of a frame: at least [`MIN_FRAME_BYTES`]. `None` if no frame with one of
/// these offsets begins so.
///
/// The head has a checksum of its own, or a payload full of heads that each claim a large frame
/// could keep a search behind damage busy for hours.
pub(crate) fn claim(salt: u32, bytes: &[u8], allowed: &RangeInclusive<u64>) -> Option<Claim> {
    let mut fields = Fields(bytes);
    let length = u64::from(fields.u32()?);
    fields.u32()?;
    let (offset, since_sync, checksum) = (fields.u64()?, u64::from(fields.u32()?), fields.u32()?);
    let claim =
        Claim { frame_bytes: FRAME_HEAD_BYTES + length, offset, since_sync, received_at_ms: fields.u64()? };
    // The cheap questions first: a search asks at every byte.
    let holds =
        length >= MIN_BODY_BYTES && allowed.contains(&offset) && checksum == head_checksum(salt, bytes);
    holds.then_some(claim)
}

/// Whether a whole frame is what was written.
pub(crate) fn is_sound(salt: u32, frame: &[u8]) -> bool {
    let stored = frame.get(4..8);
    stored.is_some_and(|stored| stored == frame_checksum(salt, frame).to_le_bytes())
        && inside(frame).is_some()
}

/// The record of a sound frame. `None` if its inside does not add up.
pub(crate) fn decode(frame: &[u8], claim: &Claim, epoch: u32) -> Option<SourceRecord> {
    let (replay_of, payload) = inside(frame)?;
    Some(SourceRecord {
        at: At { partition: 0, epoch, offset: claim.offset },
        received_at_ms: claim.received_at_ms,
        replay_of,
        // A copy: a slice would keep the whole read-ahead in memory as long as this record lives.
        payload: Some(Bytes::copy_from_slice(payload)),
    })
}

/// What follows a frame's fixed part.
fn inside(frame: &[u8]) -> Option<(Option<ReplayOf>, &[u8])> {
    let mut fields = Fields(frame.get(MIN_FRAME_BYTES as usize - 1..)?);
    let replay_of = match fields.take(1)?[0] {
        0 => None,
        HAS_REPLAY_OF => {
            let topic_bytes = usize::from(fields.u16()?);
            let topic = std::str::from_utf8(fields.take(topic_bytes)?).ok()?.to_owned();
            let letter = LetterId { topic, partition: fields.u32()?, offset: fields.u64()? };
            Some(ReplayOf { letter, attempts: fields.u32()? })
        }
        _ => return None,
    };
    Some((replay_of, fields.0))
}

/// Over length, offset and `since_sync`.
fn head_checksum(salt: u32, frame: &[u8]) -> u32 {
    let length = crc32c::crc32c_append(seed(salt), &frame[..4]);
    crc32c::crc32c_append(length, &frame[FRAME_HEAD_BYTES as usize..HEAD_BYTES])
}

fn frame_checksum(salt: u32, frame: &[u8]) -> u32 {
    let length = crc32c::crc32c_append(seed(salt), &frame[..4]);
    crc32c::crc32c_append(length, &frame[FRAME_HEAD_BYTES as usize..])
}

fn seed(salt: u32) -> u32 {
    crc32c::crc32c(&salt.to_le_bytes())
}

/// Takes little-endian numbers off the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
