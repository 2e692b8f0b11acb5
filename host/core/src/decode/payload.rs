//! The payload of a record: unpacked, checked, and packed as it will be stored.

use std::borrow::Cow;

use bytes::Bytes;

use super::DecodeLimits;
use crate::codec::{self, Codec, CodecError, Encoding, Packer, Recompress, Scratch, UnpackCaps};
use crate::json::{EventsSummary, compact, scan_events};
use crate::record::{Payload, payload_fault};
use crate::reject::{Reason, Reject};

/// A payload as it will be stored.
pub(super) struct Chunk {
    pub(super) events: EventsSummary,
    pub(super) raw_bytes: usize,
    pub(super) codec: Codec,
    pub(super) data: Bytes,
    pub(super) kept_verbatim: bool,
}

pub(super) fn pack(
    payload: Payload<'_>,
    limits: &DecodeLimits,
    encoding: &Encoding,
    scratch: &mut Scratch,
) -> Result<Chunk, Reject> {
    let chunk = match payload {
        Payload::Events { json, summary, has_whitespace } => {
            within(json.len(), limits.max_raw_chunk_bytes, "events")?;
            encode(json, EventsSummary { has_whitespace, ..summary }, encoding, &mut scratch.packer)?
        }
        Payload::Data(base64) => pack_data(decode_base64(&base64)?, limits, encoding, scratch)?,
    };
    within(chunk.data.len(), limits.max_stored_chunk_bytes, "chunk as stored")?;
    Ok(chunk)
}

fn pack_data(
    data: Vec<u8>,
    limits: &DecodeLimits,
    encoding: &Encoding,
    scratch: &mut Scratch,
) -> Result<Chunk, Reject> {
    let Some(codec) = codec::detect(&data) else {
        within(data.len(), limits.max_raw_chunk_bytes, "data")?;
        let (_, json) = split_bom(&data);
        let events = scan_events(json, limits.max_depth).map_err(payload_fault)?;
        return encode(json, events, encoding, &mut scratch.packer);
    };
    let caps = UnpackCaps { max_raw_bytes: limits.max_raw_chunk_bytes, max_ratio: limits.max_ratio };
    let unpacked = codec::unpack(scratch, codec, &data, &caps).map_err(codec_fault)?;
    let (has_bom, json) = split_bom(scratch.raw.get(unpacked.len));
    let events = scan_events(json, limits.max_depth).map_err(payload_fault)?;
    let may_stay = unpacked.is_plain_member && !has_bom && !events.has_newline;
    if may_stay && encoding.recompress != Recompress::Always {
        let raw_bytes = json.len();
        return Ok(Chunk { events, raw_bytes, codec, data: Bytes::from(data), kept_verbatim: true });
    }
    encode(json, events, encoding, &mut scratch.packer)
}

/// Encodes valid `json` anew, compactly.
fn encode(
    json: &[u8],
    events: EventsSummary,
    encoding: &Encoding,
    packer: &mut Packer,
) -> Result<Chunk, Reject> {
    let json = if events.has_whitespace { Cow::Owned(compact(json)) } else { Cow::Borrowed(json) };
    let data = packer.pack(encoding, &json).map_err(codec_fault)?;
    Ok(Chunk {
        events,
        raw_bytes: json.len(),
        codec: encoding.codec,
        data: Bytes::from(data),
        kept_verbatim: false,
    })
}

/// Standard alphabet, with or without padding.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, Reject> {
    let unpadded = match text {
        [inner @ .., b'=', b'='] | [inner @ .., b'='] if text.len().is_multiple_of(4) => inner,
        _ => text,
    };
    base64_simd::STANDARD_NO_PAD.decode_to_vec(unpadded).map_err(|_| {
        Reject::new(Reason::InvalidBase64, format!("data of {} characters is not base64", text.len()))
    })
}

/// Whether there is a byte-order mark, and what follows it.
fn split_bom(raw: &[u8]) -> (bool, &[u8]) {
    match raw {
        [0xef, 0xbb, 0xbf, json @ ..] => (true, json),
        json => (false, json),
    }
}

fn within(bytes: usize, cap: usize, what: &str) -> Result<(), Reject> {
    if bytes <= cap {
        return Ok(());
    }
    Err(Reject::new(Reason::TooLarge, format!("{what} of {bytes} bytes, over {cap}")))
}

fn codec_fault(error: CodecError) -> Reject {
    let reason = match error {
        CodecError::Damaged { .. } => Reason::InvalidCompression,
        CodecError::Bomb { .. } => Reason::Bomb,
        CodecError::Encoder { .. } => Reason::InternalError,
    };
    Reject::new(reason, format!("payload: {error}"))
}
