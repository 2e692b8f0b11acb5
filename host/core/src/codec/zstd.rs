//! zstd (RFC 8878): frames with their content size and a check sum; read as a stream, within caps.

use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::{CParameter, DCtx, DParameter, ResetDirective};

use super::raw::{RawBuffer, ReadFault};
use super::{Codec, CodecError, MAX_MEMBERS, Unpacked, at_least};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Windows above 128 MiB are refused, as the `zstd` command does by default.
const WINDOW_LOG_MAX: u32 = 27;

/// Whether a frame begins here, a skippable one included.
pub(super) fn is_frame(packed: &[u8]) -> bool {
    packed.starts_with(&MAGIC) || matches!(packed, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

#[derive(Default)]
pub(super) struct Unpacker {
    context: Option<DCtx<'static>>,
}

impl Unpacker {
    /// Unpacks all frames of `packed`, to at most `cap` bytes; drops what follows and is no frame.
    pub(super) fn unpack(
        &mut self,
        packed: &[u8],
        cap: usize,
        raw: &mut RawBuffer,
    ) -> Result<Unpacked, CodecError> {
        let context = self.context.get_or_insert_with(DCtx::create);
        raw.begin(packed.len().saturating_mul(8), cap);
        let mut rest = packed;
        let mut len = 0;
        for _ in 0..MAX_MEMBERS {
            // Whatever the last payload left behind, also after an error.
            let ready = context
                .reset(ResetDirective::SessionOnly)
                .and_then(|_| context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)));
            if ready.is_err() {
                return Err(damaged("the decoder could not be set up"));
            }
            let mut frame = Decoder::with_context(rest, context).single_frame();
            len = raw.read_to_end(len, cap, &mut frame).map_err(|fault| match fault {
                ReadFault::Damaged => damaged("cut off, a wrong check sum, or a window over 128 MiB"),
                ReadFault::OverCap => CodecError::Bomb { packed_bytes: packed.len(), cap_bytes: cap },
            })?;
            let before = rest.len();
            rest = frame.finish();
            if !is_frame(rest) || rest.len() == before {
                return Ok(Unpacked { len, is_plain_member: false });
            }
        }
        Err(damaged("too many frames"))
    }
}

fn damaged(what: &'static str) -> CodecError {
    CodecError::Damaged { codec: Codec::Zstd, what }
}

/// Packs `raw` as one frame into `packed`; answers its length.
pub(super) fn pack(
    compressor: &mut Option<(u8, Compressor<'static>)>,
    level: u8,
    raw: &[u8],
    packed: &mut Vec<u8>,
) -> Option<usize> {
    let level = level.clamp(1, 22);
    if compressor.as_ref().is_none_or(|(of_level, _)| *of_level != level) {
        let mut fresh = Compressor::new(i32::from(level)).ok()?;
        fresh.set_parameter(CParameter::ChecksumFlag(true)).ok()?;
        fresh.set_parameter(CParameter::ContentSizeFlag(true)).ok()?;
        *compressor = Some((level, fresh));
    }
    let (_, compressor) = compressor.as_mut()?;
    at_least(packed, zstd::zstd_safe::compress_bound(raw.len()));
    compressor.compress_to_buffer(raw, packed.as_mut_slice()).ok()
}
