//! The members of a top-level object, read in the pass that validates it.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::events::{Events, EventsSummary};
use super::text::{trim, unquote};
use super::walk::{Layout, Sink, walk};
use super::{JsonError, JsonFault, begins_with};

/// One `key: value` of the object.
#[derive(Debug)]
pub struct Member<'a> {
    /// The key as it is written, with its quotes.
    pub key: &'a [u8],
    /// The value as it is written, without whitespace around it.
    pub value: &'a [u8],
    /// Everything from the separator before the key to the one after the value, both left out.
    pub span: Range<usize>,
    /// The value read as an array of events, if it is an array at all. Its whitespace flags are
    /// false: [`walk_object`] answers those of the whole document.
    pub events: Option<Result<EventsSummary, JsonError>>,
}

/// Validates `bytes` as one object with distinct keys, and shows each member to `visit`, in order.
///
/// The object itself counts as one level of `max_depth`. Members are shown before what follows them
/// is validated: trust them once this answers `Ok` (whether there is whitespace outside strings).
/// Keys are compared by what they say, not by how they are spelled.
pub fn walk_object<'a>(
    bytes: &'a [u8],
    max_depth: usize,
    visit: impl FnMut(Member<'a>),
) -> Result<bool, JsonError> {
    begins_with(bytes, b'{', JsonFault::NotAnObject)?;
    let mut sink = ObjectSink {
        bytes,
        visit,
        level: 0,
        begin: 0,
        colon: 0,
        events: None,
        summary: None,
        keys: Vec::new(),
    };
    let layout = walk(bytes, max_depth, &mut sink)?;
    sink.refuse_duplicates()?;
    Ok(layout.has_whitespace)
}

struct ObjectSink<'a, F> {
    bytes: &'a [u8],
    visit: F,
    level: u8,
    /// After the separator before the member.
    begin: usize,
    /// The `:` of the member.
    colon: usize,
    /// While inside an array directly in the object.
    events: Option<Events<'a>>,
    summary: Option<Result<EventsSummary, JsonError>>,
    /// A hash of what each key says, and where it is: 16 bytes a key, whatever a hostile record holds.
    keys: Vec<(u64, usize)>,
}

impl<'a, F: FnMut(Member<'a>)> Sink for ObjectSink<'a, F> {
    // The object, an array of events in it, and an event's own keys.
    const LEVELS: usize = 3;

    fn separator(&mut self, at: usize, byte: u8) {
        if let Some(events) = &mut self.events {
            events.separator(at, byte);
            if events.is_over() {
                self.summary = Some(events.summary(Layout::default()));
                self.events = None;
            }
            return;
        }
        match (self.level, byte) {
            (0, _) => {
                self.level = 1;
                self.begin = at + 1;
            }
            (1, b':') => self.colon = at,
            (1, b'[') => {
                let mut events = Events::new(self.bytes);
                events.separator(at, byte);
                self.events = Some(events);
            }
            (1, b'{') | (2, b'{' | b'[') => self.level += 1,
            (1, _) => self.member(at),
            (2 | 3, b'}' | b']') => self.level -= 1,
            _ => {}
        }
    }
}

impl<'a, F: FnMut(Member<'a>)> ObjectSink<'a, F> {
    fn member(&mut self, at: usize) {
        let span = self.begin..at;
        self.begin = at + 1;
        let text = |from: usize, until: usize| trim(self.bytes.get(from..until).unwrap_or_default());
        // `{}` has no member, and no colon after its bracket.
        if self.colon < span.start {
            return;
        }
        let key = text(span.start, self.colon);
        let value = text(self.colon + 1, at);
        self.keys.push((xxh3_64(&unquote(key).unwrap_or_default()), span.start));
        (self.visit)(Member { key, value, span, events: self.summary.take() });
    }

    fn refuse_duplicates(&mut self) -> Result<(), JsonError> {
        self.keys.sort_unstable();
        match self.keys.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            Some(pair) => Err(JsonError { fault: JsonFault::DuplicateKey, offset: pair[1].1 }),
            None => Ok(()),
        }
    }
}
