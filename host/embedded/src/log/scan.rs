//! Walks the frames of one segment, and finds its way again behind damage.

use std::io;
use std::ops::RangeInclusive;

use super::disk::{DiskFile, read_full};
use super::format::{self, Claim, MIN_FRAME_BYTES};

/// What lies at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole frame.
    Frame {
        /// Where it begins.
        position: u64,
        /// What it says.
        claim: Claim,
    },
    /// Bytes that are no frame, up to the next whole frame or the end.
    Damage {
        /// The first bad byte.
        from: u64,
        /// One past the last.
        to: u64,
    },
}

/// Reads a segment front to back in windows of bounded size.
///
/// Behind damage it tries every byte. A frame found that way must pass the checksum with the
/// segment's salt and carry an offset that can lie there; so neither a payload that looks like
/// frames nor a stale block of the disk is taken for a record.
pub(crate) struct Scanner<'a> {
    file: &'a dyn DiskFile,
    salt: u32,
    /// Position of the next frame.
    position: u64,
    /// Its offset.
    expected: u64,
    /// One past the last byte that may be read.
    end: u64,
    window: usize,
    buffer: Vec<u8>,
    buffer_position: u64,
}

impl<'a> Scanner<'a> {
    /// Begins at `position`, where the frame of `offset` should be.
    pub(crate) fn new(
        file: &'a dyn DiskFile,
        salt: u32,
        (offset, position): (u64, u64),
        end: u64,
        window: usize,
    ) -> Self {
        let window = window.max(MIN_FRAME_BYTES as usize);
        Self { file, salt, position, expected: offset, end, window, buffer: Vec::new(), buffer_position: 0 }
    }

    /// The offset and position of the next frame.
    pub(crate) fn place(&self) -> (u64, u64) {
        (self.expected, self.position)
    }

    /// What comes next, or `None` at the end.
    pub(crate) fn step(&mut self) -> io::Result<Option<Found>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let position = self.position;
        if let Some(claim) = self.frame_at(position, self.expected..=self.expected)? {
            self.position += claim.frame_bytes;
            self.expected = claim.offset + 1;
            return Ok(Some(Found::Frame { position, claim }));
        }
        let next = self.search(position)?;
        self.position = next.map_or(self.end, |(at, _)| at);
        self.expected = next.map_or(self.expected, |(_, offset)| offset);
        Ok(Some(Found::Damage { from: position, to: self.position }))
    }

    /// The bytes of a frame that [`Scanner::step`] has just found.
    pub(crate) fn frame(&mut self, position: u64, claim: &Claim) -> io::Result<&[u8]> {
        Ok(self.bytes(position, claim.frame_bytes)?.unwrap_or_default())
    }

    /// Whether the next frame lies in the window, so that reading it costs no further read.
    pub(crate) fn has_next_at_hand(&self) -> bool {
        let Some(head) = self.held(self.position, MIN_FRAME_BYTES) else { return false };
        let claim = format::claim(self.salt, head, &(self.expected..=self.expected));
        claim.is_some_and(|claim| self.held(self.position, claim.frame_bytes).is_some())
    }

    /// The whole frame at `position`, if there is one and its offset is allowed.
    fn frame_at(&mut self, position: u64, allowed: RangeInclusive<u64>) -> io::Result<Option<Claim>> {
        let salt = self.salt;
        let Some(head) = self.bytes(position, MIN_FRAME_BYTES)? else { return Ok(None) };
        let Some(claim) = format::claim(salt, head, &allowed) else { return Ok(None) };
        let Some(frame) = self.bytes(position, claim.frame_bytes)? else { return Ok(None) };
        Ok(format::is_sound(salt, frame).then_some(claim))
    }

    /// The next whole frame behind the damage that begins at `from`: position and offset.
    fn search(&mut self, from: u64) -> io::Result<Option<(u64, u64)>> {
        let mut position = from + 1;
        while position + MIN_FRAME_BYTES <= self.end {
            let Some(candidate) = self.candidate(from, position)? else {
                position += self.window_from(position) - MIN_FRAME_BYTES + 1;
                continue;
            };
            if let Some(claim) = self.frame_at(candidate, self.allowed(from, candidate))? {
                return Ok(Some((candidate, claim.offset)));
            }
            position = candidate + 1;
        }
        Ok(None)
    }

    /// The first position from `position` on, within one window, where a frame's head lies.
    fn candidate(&mut self, from: u64, position: u64) -> io::Result<Option<u64>> {
        let (salt, count) = (self.salt, self.window_from(position));
        let allowed = self.allowed(from, position + count);
        let window = self.bytes(position, count)?.unwrap_or_default();
        let mut heads = window.windows(MIN_FRAME_BYTES as usize);
        let found = heads.position(|head| format::claim(salt, head, &allowed).is_some());
        Ok(found.map(|at| position + at as u64))
    }

    /// A frame at `position` can have at most as many before it as fit into the damage.
    fn allowed(&self, from: u64, position: u64) -> RangeInclusive<u64> {
        self.expected..=self.expected + (position - from) / MIN_FRAME_BYTES + 1
    }

    fn window_from(&self, position: u64) -> u64 {
        (self.window as u64).min(self.end - position)
    }

    fn held(&self, position: u64, count: u64) -> Option<&[u8]> {
        let start = position.checked_sub(self.buffer_position)? as usize;
        self.buffer.get(start..start.checked_add(count as usize)?)
    }

    /// `count` bytes at `position`; `None` if they go beyond the end.
    fn bytes(&mut self, position: u64, count: u64) -> io::Result<Option<&[u8]>> {
        if count > self.end.saturating_sub(position) {
            return Ok(None);
        }
        if self.held(position, count).is_none() {
            self.buffer.resize(count.max(self.window_from(position)) as usize, 0);
            self.buffer_position = position;
            if let Err(error) = read_full(self.file, position, &mut self.buffer) {
                self.buffer.clear();
                return Err(error);
            }
        }
        Ok(self.held(position, count))
    }
}
