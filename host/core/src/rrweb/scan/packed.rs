//! Events that arrived compressed, as plain events: rrweb's packer (the whole event is one string of
//! zlib bytes, each as one character), and `cv: "2024-10"` (gzip bytes likewise, in some of the data).

use std::io::Read;

use super::decoded::decode;
use super::head::{Head, each_member};
use super::{ScanError, ScanLimits, lex};
use crate::codec::RATIO_FREE_BYTES;
use crate::json;

/// The one known way of compressing parts of an event.
const KNOWN_CV: &[u8] = b"2024-10";

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// `events` with every packed event opened: one compact array.
pub(super) fn unpack(events: &[u8], limits: &ScanLimits) -> Result<Vec<u8>, ScanError> {
    let mut unpacker = Unpacker { json: events, out: vec![b'['], event: 0, limits };
    let mut at = lex::gap(events, lex::gap(events, 0) + 1);
    while events.get(at) != Some(&b']') {
        if unpacker.event > 0 {
            unpacker.out.push(b',');
        }
        let end = lex::value(events, at).ok_or(ScanError::NotEvents)?;
        match events.get(at) {
            Some(b'"') => unpacker.whole_event(at)?,
            Some(b'{') => unpacker.event(at, end)?,
            _ => return Err(ScanError::NotEvents),
        }
        if unpacker.out.len() > limits.max_raw_chunk_bytes {
            return Err(unpacker.bomb());
        }
        unpacker.event += 1;
        at = lex::gap(events, end);
        match events.get(at) {
            Some(b',') => at = lex::gap(events, at + 1),
            Some(b']') => {}
            _ => return Err(ScanError::NotEvents),
        }
    }
    let mut out = unpacker.out;
    out.push(b']');
    let summary = json::scan_events(&out, limits.max_depth).map_err(|_| ScanError::NotEvents)?;
    Ok(if summary.has_whitespace { json::compact(&out) } else { out })
}

struct Unpacker<'a> {
    json: &'a [u8],
    out: Vec<u8>,
    event: u32,
    limits: &'a ScanLimits,
}

impl Unpacker<'_> {
    fn unreadable(&self) -> ScanError {
        ScanError::PackedUnreadable { event: self.event }
    }

    fn bomb(&self) -> ScanError {
        ScanError::Bomb { event: self.event }
    }

    /// An event that is one string: packed, or just quoted.
    fn whole_event(&mut self, at: usize) -> Result<(), ScanError> {
        let text = self.text(at)?;
        let opened = if text.trim_ascii_start().starts_with(b"{") {
            text
        } else {
            let packed = latin1(&text).ok_or(self.unreadable())?;
            let len = packed.len();
            self.inflate(flate2::bufread::ZlibDecoder::new(&*packed), len)?
        };
        self.check(&opened)?;
        if lex::gap(&opened, 0) >= opened.len() || opened.trim_ascii_start().first() != Some(&b'{') {
            return Err(self.unreadable());
        }
        // What was packed twice, or with parts compressed, no player opens.
        let begin = lex::gap(&opened, 0);
        let mut is_again = false;
        each_member(&opened, begin, |key, _| {
            is_again |= key == b"cv";
            true
        })
        .ok_or(self.unreadable())?;
        if is_again {
            return Err(self.unreadable());
        }
        self.out.extend_from_slice(&opened);
        Ok(())
    }

    /// An event that is an object; if it has a `cv`, the parts that this names are opened.
    fn event(&mut self, at: usize, end: usize) -> Result<(), ScanError> {
        let mut members = Vec::new();
        each_member(self.json, at, |key, value| {
            let name = match key {
                b"cv" => Name::Cv,
                b"data" => Name::Data,
                _ => Name::Other,
            };
            members.push((name, value));
            true
        })
        .ok_or(ScanError::NotEvents)?;
        if !members.iter().any(|(name, _)| *name == Name::Cv) {
            self.copy(at, end);
            return Ok(());
        }
        for (name, value) in &members {
            if *name == Name::Cv && (self.json.get(*value) != Some(&b'"') || self.text(*value)? != KNOWN_CV) {
                return Err(self.unreadable());
            }
        }
        let head = Head::read(self.json, at).ok_or(ScanError::NotEvents)?;
        self.out.push(b'{');
        self.members(at, |unpacker, key, value| match key {
            b"cv" => Ok(false),
            b"data" => unpacker.data(&head, value).map(|()| true),
            _ => unpacker.verbatim(value).map(|()| true),
        })?;
        self.out.push(b'}');
        Ok(())
    }

    fn data(&mut self, head: &Head, at: usize) -> Result<(), ScanError> {
        match (self.json.get(at), head.event_type, head.source) {
            (Some(b'"'), _, _) => self.part(at),
            (Some(b'{'), Some(3), Some(source @ (0 | 8))) => {
                self.out.push(b'{');
                self.members(at, |unpacker, key, value| {
                    let may_be_packed = match key {
                        b"texts" | b"attributes" => source == 0,
                        b"adds" | b"removes" => true,
                        _ => false,
                    };
                    let is_packed = may_be_packed && unpacker.json.get(value) == Some(&b'"');
                    if is_packed { unpacker.part(value) } else { unpacker.verbatim(value) }.map(|()| true)
                })?;
                self.out.push(b'}');
                Ok(())
            }
            _ => self.verbatim(at),
        }
    }

    /// Writes the members of the object at `at`; `write` writes a value, or says that there is none.
    fn members(
        &mut self,
        at: usize,
        mut write: impl FnMut(&mut Self, &[u8], usize) -> Result<bool, ScanError>,
    ) -> Result<(), ScanError> {
        let mut members = Vec::new();
        each_member(self.json, at, |key, value| {
            members.push((key.to_vec(), value));
            true
        })
        .ok_or(ScanError::NotEvents)?;
        let mut begin = lex::gap(self.json, at + 1);
        let mut is_first = true;
        for (key, value) in members {
            let kept = self.out.len();
            if !is_first {
                self.out.push(b',');
            }
            // With the colon, as it is written.
            self.copy(begin, value);
            if write(self, &key, value)? {
                is_first = false;
            } else {
                self.out.truncate(kept);
            }
            let end = lex::value(self.json, value).ok_or(ScanError::NotEvents)?;
            begin = lex::gap(self.json, lex::gap(self.json, end) + 1);
        }
        Ok(())
    }

    fn verbatim(&mut self, at: usize) -> Result<(), ScanError> {
        let end = lex::value(self.json, at).ok_or(ScanError::NotEvents)?;
        self.copy(at, end);
        Ok(())
    }

    fn copy(&mut self, at: usize, end: usize) {
        self.out.extend_from_slice(self.json.get(at..end).unwrap_or_default());
    }

    /// The value that the string at `at` holds compressed.
    fn part(&mut self, at: usize) -> Result<(), ScanError> {
        let packed = latin1(&self.text(at)?).ok_or(self.unreadable())?;
        if !packed.starts_with(&GZIP_MAGIC) {
            return Err(self.unreadable());
        }
        let opened = self.inflate(flate2::bufread::GzDecoder::new(&*packed), packed.len())?;
        self.check(&opened)?;
        self.out.extend_from_slice(&opened);
        Ok(())
    }

    fn text(&self, at: usize) -> Result<Vec<u8>, ScanError> {
        let string = lex::string(self.json, at + 1).ok_or(ScanError::NotEvents)?;
        let mut text = Vec::new();
        match decode(self.json.get(at + 1..string.end).unwrap_or_default(), &mut text) {
            true => Ok(text),
            false => Err(ScanError::NotEvents),
        }
    }

    fn inflate(&self, reader: impl Read, packed_bytes: usize) -> Result<Vec<u8>, ScanError> {
        let by_ratio = packed_bytes.saturating_mul(self.limits.max_ratio as usize).max(RATIO_FREE_BYTES);
        let cap = by_ratio.min(self.limits.max_raw_chunk_bytes.saturating_sub(self.out.len()));
        let mut opened = Vec::new();
        let read = reader.take(cap as u64 + 1).read_to_end(&mut opened).map_err(|_| self.unreadable())?;
        if read > cap { Err(self.bomb()) } else { Ok(opened) }
    }

    /// Whether what was opened is one JSON value, so that nothing else changes its meaning.
    fn check(&self, opened: &[u8]) -> Result<(), ScanError> {
        let begin = lex::gap(opened, 0);
        let end = lex::value(opened, begin).map(|end| lex::gap(opened, end));
        let mut alone = b"[{\"x\":".to_vec();
        alone.extend_from_slice(opened);
        alone.extend_from_slice(b"}]");
        let is_valid =
            json::scan_events(&alone, self.limits.max_depth).is_ok_and(|events| events.event_count == 1);
        if end == Some(opened.len()) && is_valid { Ok(()) } else { Err(self.unreadable()) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Cv,
    Data,
    Other,
}

/// The bytes that the characters of `text` stand for.
fn latin1(text: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(text).ok()?.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}
