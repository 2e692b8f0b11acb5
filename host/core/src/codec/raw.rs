//! The buffer that payloads are unpacked into: kept between payloads, grown only within a cap.

use std::io::Read;

use super::at_least;

/// A buffer this large is kept for the next payload; a larger one is given back.
pub(super) const KEEP_BYTES: usize = 8 << 20;

const FIRST_BYTES: usize = 64 << 10;

/// Initialized bytes; how many of them mean something, the caller knows.
#[derive(Default)]
pub(crate) struct RawBuffer {
    bytes: Vec<u8>,
}

/// Why reading into the buffer stopped early.
pub(super) enum ReadFault {
    Damaged,
    OverCap,
}

impl RawBuffer {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The first `len` bytes.
    pub(crate) fn get(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or_default()
    }

    /// Begins a payload: room for `hint` bytes if that is within `cap`, and no large leftovers.
    pub(super) fn begin(&mut self, hint: usize, cap: usize) {
        let wanted = hint.max(FIRST_BYTES).min(cap);
        if self.bytes.len() > KEEP_BYTES.max(wanted) {
            self.bytes = Vec::new();
        }
        at_least(&mut self.bytes, wanted);
    }

    /// All there is, within `cap`.
    pub(super) fn room(&mut self, cap: usize) -> &mut [u8] {
        let len = self.bytes.len().min(cap);
        self.bytes.get_mut(..len).unwrap_or_default()
    }

    /// Doubles within `cap`, losing what it holds; false at the cap.
    pub(super) fn grow(&mut self, cap: usize) -> bool {
        let can_grow = self.bytes.len() < cap;
        if can_grow {
            let wanted = self.bytes.len().saturating_mul(2).clamp(1, cap);
            at_least(&mut self.bytes, wanted);
        }
        can_grow
    }

    /// Appends all that `reader` gives after the first `len` bytes; answers the new length.
    pub(super) fn read_to_end(
        &mut self,
        mut len: usize,
        cap: usize,
        mut reader: impl Read,
    ) -> Result<usize, ReadFault> {
        loop {
            if len == self.bytes.len() && len < cap {
                self.bytes.resize(len.saturating_mul(2).clamp(1, cap), 0);
            }
            let is_full = len >= cap;
            let mut one_more = [0];
            let room =
                if is_full { &mut one_more } else { self.room(cap).get_mut(len..).unwrap_or_default() };
            match reader.read(room) {
                Ok(0) => return Ok(len),
                Ok(_) if is_full => return Err(ReadFault::OverCap),
                Ok(read) => len += read,
                Err(_) => return Err(ReadFault::Damaged),
            }
        }
    }
}
