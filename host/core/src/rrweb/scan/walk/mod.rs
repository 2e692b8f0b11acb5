//! The walk over the events: a stack of open objects and arrays, and for each value the place where it
//! stands.

mod leaf;

use super::head::Head;
use super::lex;
use super::nodes::{Nodes, Place};
use super::output::{Output, Raw};
use super::schema::{Member, member};
use super::slot::{Inner, Number, Role, Rule, Slot};
use super::{EventSpan, FocusChange, ScanError, ScanLimits, Shape};
use crate::rrweb::elements::Elements;
use crate::rrweb::kind::{Kind, Kinds};

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is a packed event: unpack and walk again.
    Packed,
    /// It cannot be scanned.
    Error(ScanError),
}

const NOT_EVENTS: Stop = Stop::Error(ScanError::NotEvents);

/// An open object or array.
#[derive(Clone, Copy, Debug)]
struct Frame {
    slot: Slot,
    is_array: bool,
    /// The node that is spoken of.
    place: Place,
}

/// How often the keys stood there that decide how an event is read.
#[derive(Clone, Copy, Debug, Default)]
struct Decisive {
    types: u32,
    sources: u32,
    plugins: u32,
}

pub(super) struct Walker<'a> {
    json: &'a [u8],
    at: usize,
    kinds: Kinds,
    max_depth: usize,
    page: u32,
    elements: &'a mut Elements,
    /// What is open around the present one, each with the last key on the way there.
    stack: Vec<(Frame, Raw)>,
    head: Head,
    decisive: Decisive,
    nodes: Nodes,
    unescaped: Vec<u8>,
    /// Row and raw place of the page's address in this event.
    address: Option<(Option<u32>, Raw)>,
    pub(super) out: Output,
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        json: &'a [u8],
        page: u32,
        kinds: Kinds,
        elements: &'a mut Elements,
        limits: &ScanLimits,
    ) -> Self {
        Self {
            json,
            at: 0,
            kinds,
            max_depth: limits.max_depth,
            page,
            elements,
            stack: Vec::with_capacity(64),
            head: Head::default(),
            decisive: Decisive::default(),
            nodes: Nodes::default(),
            unescaped: Vec::new(),
            address: None,
            out: Output::new(kinds, limits.max_fields, json.len()),
        }
    }

    /// Walks the whole array.
    pub(super) fn run(&mut self) -> Result<(), Stop> {
        self.gap();
        self.expect(b'[')?;
        self.gap();
        if self.peek() == Some(b']') {
            self.at += 1;
            return self.finish();
        }
        loop {
            self.gap();
            self.event()?;
            self.gap();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(NOT_EVENTS),
            }
        }
        self.at += 1;
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Stop> {
        self.gap();
        if self.at == self.json.len() { Ok(()) } else { Err(NOT_EVENTS) }
    }

    fn event(&mut self) -> Result<(), Stop> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => {}
            Some(b'"') => return Err(Stop::Packed),
            _ => return Err(NOT_EVENTS),
        }
        self.head = Head::read(self.json, start).ok_or(NOT_EVENTS)?;
        self.read_event(start)?;
        let Decisive { types, sources, plugins } = self.decisive;
        if types > 1 || sources > 1 || plugins > 1 {
            // Which of them counts is the player's choice, so this may be anything.
            self.out.forget_event();
            self.head = Head::default();
            self.read_event(start)?;
        }
        self.close_event(start);
        Ok(())
    }

    fn read_event(&mut self, start: usize) -> Result<(), Stop> {
        self.at = start;
        self.decisive = Decisive::default();
        self.nodes.clear();
        self.address = None;
        self.value(Slot::object(Inner::Event))
    }

    fn close_event(&mut self, start: usize) {
        let is_snapshot = self.head.event_type == Some(2);
        self.nodes.teach(self.elements, self.page, is_snapshot);
        let event = self.out.events.len() as u32;
        if let Some((node, focused)) = self.nodes.focus()
            && self.head.event_type == Some(3)
            && self.head.source == Some(2)
        {
            self.out.focus.push(FocusChange { event, node, focused });
        }
        let (nodes, elements, page, kinds) = (&self.nodes, &*self.elements, self.page, self.kinds);
        self.out.close_event(|field, owner| nodes.complete(field, owner, kinds, elements, page));
        if let Some((row, raw)) = self.address.take() {
            let url = raw.decoded(self.json);
            let is_first = self.out.page_url.is_none() && !self.out.has_content;
            if is_first {
                self.out.page_url = Some(url.clone());
                self.out.page_url_field = row;
            }
            self.out.last_url_field = row;
            self.out.last_url = Some(url.clone());
            if let Some((page, _)) = self.elements.page_mut(self.page) {
                page.set_url(Some(url));
            }
        }
        self.out.has_content |= matches!(self.head.event_type, Some(2 | 3));
        self.out.events.push(EventSpan {
            start: start as u32,
            end: self.at as u32,
            event_type: self.head.event_type,
            source: self.head.source,
        });
    }

    /// Reads one value that stands at `slot`, and all that is in it.
    fn value(&mut self, mut slot: Slot) -> Result<(), Stop> {
        self.stack.clear();
        let mut around = Frame { slot, is_array: true, place: 0 };
        // The last key on the way here.
        let mut key = Raw::default();
        let mut is_key_next = false;
        loop {
            if is_key_next {
                (slot, key) = self.key(around)?;
                is_key_next = false;
            }
            match self.peek().ok_or(NOT_EVENTS)? {
                b'"' => self.string(slot, key, around.place)?,
                b'{' => {
                    self.at += 1;
                    self.gap();
                    if self.peek() == Some(b'}') {
                        self.at += 1;
                    } else {
                        self.open(around, key)?;
                        let place = self.place_in(slot.inner, around.place);
                        around = Frame { slot, is_array: false, place };
                        is_key_next = true;
                        continue;
                    }
                }
                b'[' => {
                    if !self.numbers(slot, key, around.place)? {
                        self.at += 1;
                        self.gap();
                        if self.peek() == Some(b']') {
                            self.at += 1;
                        } else {
                            self.open(around, key)?;
                            around = Frame { slot, is_array: true, ..around };
                            slot = slot.element();
                            continue;
                        }
                    }
                }
                _ => self.scalar(slot, key, around.place)?,
            }
            loop {
                if self.stack.is_empty() {
                    return Ok(());
                }
                self.gap();
                match (self.peek(), around.is_array) {
                    (Some(b','), is_array) => {
                        self.at += 1;
                        self.gap();
                        slot = around.slot.element();
                        is_key_next = !is_array;
                        break;
                    }
                    (Some(b'}'), false) | (Some(b']'), true) => {
                        self.at += 1;
                        (around, key) = self.stack.pop().ok_or(NOT_EVENTS)?;
                    }
                    _ => return Err(NOT_EVENTS),
                }
            }
        }
    }

    /// Puts `around` away until what is in it closes.
    #[inline(always)]
    fn open(&mut self, around: Frame, key: Raw) -> Result<(), Stop> {
        // One more for the array of events.
        if self.stack.len() + 2 > self.max_depth {
            return Err(NOT_EVENTS);
        }
        self.stack.push((around, key));
        Ok(())
    }

    fn place_in(&mut self, inner: Inner, around: Place) -> Place {
        match inner.role() {
            None => around,
            // Commands, rules and declarations are of the node that the data names.
            Some(Role::Holder) if around != 0 => around,
            Some(role) => self.nodes.open(role, around),
        }
    }

    /// Reads a key and answers what stands under it.
    #[inline(always)]
    fn key(&mut self, around: Frame) -> Result<(Slot, Raw), Stop> {
        self.expect(b'"')?;
        let string = lex::string(self.json, self.at).ok_or(NOT_EVENTS)?;
        let (json, start) = (self.json, self.at);
        let mut raw = Raw::of(start, string);
        self.at = string.end + 1;
        self.gap();
        self.expect(b':')?;
        self.gap();
        let Member { slot, key } = if string.escaped {
            let text = raw.decoded_into(json, &mut self.unescaped).ok_or(NOT_EVENTS)?;
            member(&self.head, around.slot, text)
        } else {
            let (head, at) = (&self.head, around.slot);
            let ask = || member(head, at, raw.bytes(json));
            let (member, known) = self.out.known.member(json, start, string.end, at, ask);
            raw = raw.known_at(known);
            member
        };
        if let Some(kind) = key {
            self.unlisted_key(kind, raw, around)?;
        }
        match slot.number {
            Number::EventType => self.decisive.types += 1,
            Number::Source => self.decisive.sources += 1,
            Number::Known
            | Number::Payload
            | Number::Id
            | Number::ParentId
            | Number::RemovedId
            | Number::MouseType => {}
        }
        if slot.text == Rule::Plugin {
            self.decisive.plugins += 1;
        }
        Ok((slot, raw))
    }

    #[cold]
    fn unlisted_key(&mut self, kind: Kind, raw: Raw, around: Frame) -> Result<(), Stop> {
        if around.slot.inner == Inner::Event && raw.decoded(self.json) == "cv" {
            return Err(Stop::Packed);
        }
        // What an object is called by its own key is called so too.
        let name = self.stack.last().map_or(Raw::default(), |(_, key)| *key);
        self.out.text(self.json, kind, raw, Shape::Key, name, around.place).map(|_| ()).map_err(Stop::Error)
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    #[inline(always)]
    fn gap(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.at = lex::gap(self.json, self.at);
        }
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() != Some(byte) {
            return Err(NOT_EVENTS);
        }
        self.at += 1;
        Ok(())
    }
}
