//! What a payload holds: how many events, and whether one of them is a full snapshot.

use super::text::{says, trim};
use super::walk::{Layout, Sink, walk};
use super::{JsonError, JsonFault, begins_with};

/// rrweb's event type of a full snapshot.
const FULL_SNAPSHOT: f64 = 2.0;

/// What is known of a valid array of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsSummary {
    /// Elements of the array.
    pub event_count: u32,
    /// Whether an element is an object whose own last `type` is the number 2.
    pub has_full_snapshot: bool,
    /// Whether there is any whitespace outside strings.
    pub has_whitespace: bool,
    /// Whether there is any line feed or carriage return (JSON allows them outside strings only).
    pub has_newline: bool,
}

/// Validates `bytes` as one array of events: objects, or strings (rrweb's packed events).
pub fn scan_events(bytes: &[u8], max_depth: usize) -> Result<EventsSummary, JsonError> {
    begins_with(bytes, b'[', JsonFault::NotEvents)?;
    let mut sink = EventsSink { events: Events::new(bytes) };
    let layout = walk(bytes, max_depth, &mut sink)?;
    sink.events.summary(layout)
}

struct EventsSink<'a> {
    events: Events<'a>,
}

impl Sink for EventsSink<'_> {
    const LEVELS: usize = 2;

    fn separator(&mut self, at: usize, byte: u8) {
        self.events.separator(at, byte);
    }
}

/// Reads the separators of an array and of the elements directly in it.
#[derive(Debug)]
pub(super) struct Events<'a> {
    bytes: &'a [u8],
    /// 1 in the array, 2 in an element.
    level: u8,
    /// After the last separator of this level.
    begin: usize,
    /// Whether an element just closed, so that nothing is left to look at before the next `,`.
    closed: bool,
    /// The element's value of `type` begins here.
    type_value: Option<usize>,
    is_full: bool,
    count: u32,
    has_full: bool,
    not_an_event: Option<usize>,
}

impl<'a> Events<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            level: 0,
            begin: 0,
            closed: false,
            type_value: None,
            is_full: false,
            count: 0,
            has_full: false,
            not_an_event: None,
        }
    }

    /// Whether the array was closed.
    pub(super) fn is_over(&self) -> bool {
        self.level == 0
    }

    pub(super) fn summary(&self, layout: Layout) -> Result<EventsSummary, JsonError> {
        if let Some(offset) = self.not_an_event {
            return Err(JsonError { fault: JsonFault::NotEvents, offset });
        }
        Ok(EventsSummary {
            event_count: self.count,
            has_full_snapshot: self.has_full,
            has_whitespace: layout.has_whitespace,
            has_newline: layout.has_newline,
        })
    }

    #[inline]
    pub(super) fn separator(&mut self, at: usize, byte: u8) {
        match self.level {
            0 => self.level = 1,
            1 => self.in_array(at, byte),
            _ => self.in_element(at, byte),
        }
        if self.type_value.is_none() || byte != b':' {
            self.begin = at + 1;
        }
    }

    fn in_array(&mut self, at: usize, byte: u8) {
        match byte {
            b'{' | b'[' => {
                self.level = 2;
                if byte == b'[' {
                    self.refuse(at);
                }
                return;
            }
            _ if self.closed => self.closed = false,
            _ => match trim(self.text(at)).first() {
                Some(b'"') => self.count = self.count.saturating_add(1),
                // `[]`
                None => {}
                Some(_) => self.refuse(self.begin),
            },
        }
        if byte == b']' {
            self.level = 0;
        }
    }

    fn in_element(&mut self, at: usize, byte: u8) {
        if byte == b':' {
            if says(trim(self.text(at)), b"type") {
                self.type_value = Some(at + 1);
            }
            return;
        }
        if let Some(begin) = self.type_value.take() {
            self.is_full = is_full_snapshot(self.bytes.get(begin..at).unwrap_or_default());
        }
        if byte == b'}' || byte == b']' {
            self.level = 1;
            self.closed = true;
            self.count = self.count.saturating_add(1);
            self.has_full |= std::mem::take(&mut self.is_full);
        }
    }

    fn text(&self, until: usize) -> &'a [u8] {
        self.bytes.get(self.begin..until).unwrap_or_default()
    }

    fn refuse(&mut self, at: usize) {
        self.not_an_event.get_or_insert(at);
    }
}

/// Whether a value says 2, as a number: `2.0` and `2e0` do too.
fn is_full_snapshot(value: &[u8]) -> bool {
    match trim(value) {
        [digit] => *digit == b'2',
        [b'0'..=b'9', ..] => {
            let text = std::str::from_utf8(trim(value)).unwrap_or_default();
            text.parse::<f64>().is_ok_and(|number| number == FULL_SNAPSHOT)
        }
        _ => false,
    }
}
