//! Where the fields go: rows, text and names, of which the last event's may still change.

use super::decoded::decode;
use super::known::{Known, Place};
use super::lex::Quoted;
use super::{EventSpan, Field, FocusChange, ScanError, Shape};
use crate::rrweb::intern::Interner;
use crate::rrweb::kind::{Kind, Kinds};

/// Names of a chunk; further ones are the empty name.
const MAX_NAMES: usize = 65_536;

/// What is made room for at first: of most recordings it is enough, and growing means copying.
const BYTES_A_FIELD: usize = 64;
const TEXT_SHARE: usize = 2;

/// A range of the events: a string between its quotes, or a number.
///
/// Two words, so that it stays in registers: what is written to the stack in parts and read as a whole
/// makes the processor wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Raw {
    /// The first byte, and one past the last in the upper half.
    range: u64,
    /// Of a key its place among the known ones, and [`ESCAPED`].
    flags: u64,
}

const ESCAPED: u64 = 1 << 32;

impl Raw {
    /// The string whose first byte after the quote is at `start`.
    #[inline(always)]
    pub(super) fn of(start: usize, string: Quoted) -> Self {
        let flags = if string.escaped { ESCAPED } else { 0 };
        Self { flags, ..Self::plain(start, string.end) }
    }

    /// What stands there without any escape.
    #[inline(always)]
    pub(super) fn plain(start: usize, end: usize) -> Self {
        Self { range: u64::from(start as u32) | (end as u64) << 32, flags: 0 }
    }

    /// With its place among the known keys.
    #[inline(always)]
    pub(super) fn known_at(self, place: Place) -> Self {
        Self { flags: self.flags | u64::from(place), ..self }
    }

    #[inline(always)]
    pub(super) fn start(self) -> u32 {
        self.range as u32
    }

    #[inline(always)]
    pub(super) fn end(self) -> u32 {
        (self.range >> 32) as u32
    }

    #[inline(always)]
    pub(super) fn escaped(self) -> bool {
        self.flags & ESCAPED != 0
    }

    #[inline(always)]
    fn known(self) -> Place {
        self.flags as Place
    }

    #[inline]
    pub(super) fn bytes(self, json: &[u8]) -> &[u8] {
        json.get(self.start() as usize..self.end() as usize).unwrap_or_default()
    }

    /// What it says, in `buffer`; None if an escape is none.
    pub(super) fn decoded_into<'b>(self, json: &[u8], buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        buffer.clear();
        decode(self.bytes(json), buffer).then_some(&**buffer)
    }

    pub(super) fn decoded(self, json: &[u8]) -> String {
        let mut text = Vec::new();
        decode(self.bytes(json), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Pixels if it is an address that holds a picture, else `kind`.
    ///
    /// Of SVG only what is in base64: else its words can be read.
    pub(super) fn picture_or(self, json: &[u8], kind: Kind) -> Kind {
        const PREFIX: &[u8] = b"data:image";
        const HEAD_BYTES: usize = 128;
        let raw = self.bytes(json);
        // Even if each byte of the head is written as `\u0000`.
        let head = raw.get(..raw.len().min(HEAD_BYTES * 6)).unwrap_or_default();
        let mut text = Vec::new();
        if self.escaped() {
            decode(head, &mut text);
        } else if head.iter().take(8).any(|byte| byte.eq_ignore_ascii_case(&b'd')) {
            text.extend_from_slice(head);
        }
        text.make_ascii_lowercase();
        let text = text.trim_ascii_start();
        if !text.starts_with(PREFIX) {
            return kind;
        }
        let head = text.split(|byte| *byte == b',').next().unwrap_or_default();
        let is_svg = memchr::memmem::find(head, b"svg").is_some();
        if !is_svg || head.ends_with(b"base64") { Kind::Pixels } else { kind }
    }
}

#[derive(Debug)]
pub(super) struct Output {
    kinds: Kinds,
    node_text_wanted: bool,
    max_fields: usize,
    pub(super) events: Vec<EventSpan>,
    pub(super) fields: Vec<Field>,
    pub(super) text: Vec<u8>,
    pub(super) names: Interner,
    pub(super) known: Known,
    pub(super) focus: Vec<FocusChange>,
    pub(super) page_url: Option<String>,
    pub(super) page_url_field: Option<u32>,
    pub(super) last_url: Option<String>,
    pub(super) last_url_field: Option<u32>,
    /// Whether an event has shown something of the page.
    pub(super) has_content: bool,
    /// The first field and the first byte of text of the event at hand.
    event_fields: usize,
    event_text: usize,
    /// To which node each field of the event at hand belongs.
    owners: Vec<u32>,
}

impl Output {
    /// For events of so many bytes.
    pub(super) fn new(kinds: Kinds, max_fields: usize, json_bytes: usize) -> Self {
        let node_text = [Kind::Text, Kind::Input, Kind::Style, Kind::Code];
        Self {
            kinds,
            node_text_wanted: node_text.iter().any(|kind| kinds.contains(*kind)),
            max_fields,
            events: Vec::new(),
            fields: Vec::with_capacity((json_bytes / BYTES_A_FIELD).min(max_fields)),
            text: Vec::with_capacity(json_bytes / TEXT_SHARE),
            names: Interner::new(MAX_NAMES),
            known: Known::default(),
            focus: Vec::new(),
            page_url: None,
            page_url_field: None,
            last_url: None,
            last_url_field: None,
            has_content: false,
            event_fields: 0,
            event_text: 0,
            owners: Vec::new(),
        }
    }

    /// Adds a field if its kind is wanted; answers its row, which stays if no text of a node is in the
    /// event.
    #[inline]
    pub(super) fn text(
        &mut self,
        json: &[u8],
        kind: Kind,
        raw: Raw,
        shape: Shape,
        name: Raw,
        owner: u32,
    ) -> Result<Option<u32>, ScanError> {
        if !self.kinds.contains(kind) {
            return Ok(None);
        }
        self.push(json, kind, raw, shape, name, owner).map(Some)
    }

    /// Adds the text of a node, whose kind is not yet known.
    #[inline]
    pub(super) fn node_text(
        &mut self,
        json: &[u8],
        raw: Raw,
        name: Raw,
        owner: u32,
    ) -> Result<(), ScanError> {
        if !self.node_text_wanted {
            return Ok(());
        }
        self.push(json, Kind::Text, raw, Shape::String, name, owner).map(|_| ())
    }

    fn push(
        &mut self,
        json: &[u8],
        kind: Kind,
        raw: Raw,
        shape: Shape,
        name: Raw,
        owner: u32,
    ) -> Result<u32, ScanError> {
        if self.fields.len() >= self.max_fields {
            return Err(ScanError::TooMuch);
        }
        let start = self.text.len();
        let bytes = raw.bytes(json);
        if kind == Kind::Pixels && shape != Shape::Key {
            self.text.extend_from_slice(bytes.len().to_string().as_bytes());
        } else if !raw.escaped() {
            self.copy(json, raw);
        } else if !decode(bytes, &mut self.text) {
            return Err(ScanError::NotEvents);
        }
        let end = self.text.len();
        self.text.push(b'\n');
        let name = self.name(json, name)?;
        let row = u32::try_from(self.fields.len()).map_err(|_| ScanError::TooMuch)?;
        self.fields.push(Field {
            event: self.events.len() as u32,
            node: 0,
            kind,
            name,
            element: 0,
            start: start as u32,
            end: u32::try_from(end).map_err(|_| ScanError::TooMuch)?,
            raw_start: raw.start(),
            raw_end: raw.end(),
            shape,
            escaped: raw.escaped(),
        });
        self.owners.push(owner);
        Ok(row)
    }

    /// Most texts are short, and a copy of a fixed size costs no call.
    #[inline]
    fn copy(&mut self, json: &[u8], raw: Raw) {
        const SHORT: usize = 16;
        let bytes = raw.bytes(json);
        let short: Option<&[u8; SHORT]> =
            json.get(raw.start() as usize..).and_then(|rest| rest.first_chunk());
        match short {
            Some(short) if bytes.len() <= SHORT => {
                let end = self.text.len() + bytes.len();
                self.text.extend_from_slice(short);
                self.text.truncate(end);
            }
            _ => self.text.extend_from_slice(bytes),
        }
    }

    #[inline]
    fn name(&mut self, json: &[u8], name: Raw) -> Result<u32, ScanError> {
        if let Some(row) = self.known.name(name.known()) {
            return Ok(row);
        }
        let row = if name.escaped() {
            let mut text = Vec::new();
            let text = name.decoded_into(json, &mut text).ok_or(ScanError::NotEvents)?;
            self.names.row(text)
        } else {
            self.names.row(name.bytes(json))
        };
        self.known.set_name(name.known(), row);
        Ok(row)
    }

    /// Takes back what the event at hand has added.
    pub(super) fn forget_event(&mut self) {
        self.fields.truncate(self.event_fields);
        self.text.truncate(self.event_text);
        self.owners.clear();
    }

    /// Completes the event's fields; those for which `complete` answers false are taken out.
    pub(super) fn close_event(&mut self, mut complete: impl FnMut(&mut Field, u32) -> bool) {
        let mut kept = self.event_fields;
        let mut gone_bytes = 0;
        for (row, &owner) in (self.event_fields..).zip(&self.owners) {
            let Some(field) = self.fields.get_mut(row) else { break };
            if owner != 0 && !complete(field, owner) {
                gone_bytes += (field.end - field.start) as usize + 1;
                continue;
            }
            if gone_bytes > 0 {
                let mut field = *field;
                let text = field.start as usize..field.end as usize + 1;
                field.start -= gone_bytes as u32;
                field.end -= gone_bytes as u32;
                self.text.copy_within(text, field.start as usize);
                if let Some(place) = self.fields.get_mut(kept) {
                    *place = field;
                }
            }
            kept += 1;
        }
        self.fields.truncate(kept);
        self.text.truncate(self.text.len() - gone_bytes);
        self.event_fields = kept;
        self.event_text = self.text.len();
        self.owners.clear();
    }
}
