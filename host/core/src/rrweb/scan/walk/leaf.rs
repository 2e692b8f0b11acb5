//! Strings, numbers and literals: what becomes a field, and what is remembered of them.

use super::super::Shape;
use super::super::lex;
use super::super::nodes::NODE_TEXT;
use super::super::output::Raw;
use super::super::slot::{Inner, Number, Rule, Slot};
use super::{Frame, NOT_EVENTS, Stop, Walker};
use crate::rrweb::kind::Kind;

impl Walker<'_> {
    #[inline]
    pub(super) fn string(&mut self, slot: Slot, around: &Frame) -> Result<(), Stop> {
        let start = self.at + 1;
        let string = lex::string(self.json, start).ok_or(NOT_EVENTS)?;
        let raw = Raw { start: start as u32, end: string.end as u32, escaped: string.escaped };
        self.at = string.end + 1;
        let (json, place) = (self.json, around.place);
        let kind = match slot.text {
            Rule::Field(kind) => kind,
            Rule::NodeText => {
                return self.out.node_text(json, raw, around.key, place | NODE_TEXT).map_err(Stop::Error);
            }
            Rule::Select(kind) => {
                self.selector_attribute(around, Some(raw))?;
                kind
            }
            Rule::Url => raw.picture_or(json, Kind::Url),
            Rule::Canvas => raw.picture_or(json, Kind::Canvas),
            Rule::Pixels => Kind::Pixels,
            Rule::PageUrl => {
                let row = self.out.text(json, Kind::Url, raw, Shape::String, around.key, place);
                self.address = Some((row.map_err(Stop::Error)?, raw));
                return Ok(());
            }
            Rule::Tag | Rule::Word | Rule::Plugin => return self.word(slot, raw, around),
        };
        self.out.text(json, kind, raw, Shape::String, around.key, place).map(|_| ()).map_err(Stop::Error)
    }

    #[inline]
    fn word(&mut self, slot: Slot, raw: Raw, around: &Frame) -> Result<(), Stop> {
        let text = match raw.escaped {
            false => raw.bytes(self.json),
            true => raw.decoded_into(self.json, &mut self.unescaped).ok_or(NOT_EVENTS)?,
        };
        let is_structural = slot.text.is_structural(text);
        if slot.text == Rule::Tag && is_structural {
            let tag = self.elements.tag(text);
            self.nodes.set_tag(around.place, tag);
        }
        if is_structural {
            return Ok(());
        }
        self.out
            .text(self.json, Kind::Other, raw, Shape::String, around.key, around.place)
            .map(|_| ())
            .map_err(Stop::Error)
    }

    /// Remembers an attribute for selectors; without a value it was taken away.
    fn selector_attribute(&mut self, around: &Frame, raw: Option<Raw>) -> Result<(), Stop> {
        let mut key = Vec::new();
        let name = match around.key.escaped {
            false => around.key.bytes(self.json),
            true => around.key.decoded_into(self.json, &mut key).ok_or(NOT_EVENTS)?,
        };
        let value = match raw {
            Some(raw) if raw.escaped => {
                Some(raw.decoded_into(self.json, &mut self.unescaped).ok_or(NOT_EVENTS)?)
            }
            Some(raw) => Some(raw.bytes(self.json)),
            None => None,
        };
        self.nodes.set_attribute(around.place, name, value);
        Ok(())
    }

    pub(super) fn scalar(&mut self, slot: Slot, around: &Frame) -> Result<(), Stop> {
        let start = self.at;
        self.at = lex::scalar(self.json, start);
        let token = self.json.get(start..self.at).unwrap_or_default();
        let is_number = match token {
            [b'-' | b'0'..=b'9', ..] => true,
            b"true" | b"false" | b"null" => false,
            _ => return Err(NOT_EVENTS),
        };
        match slot.number {
            Number::Known | Number::EventType | Number::Source => {}
            Number::Id => self.nodes.set_id(around.place, lex::whole(token).unwrap_or(0)),
            Number::ParentId => self.nodes.set_parent_id(around.place, lex::whole(token).unwrap_or(0)),
            Number::RemovedId => self.nodes.remove(lex::whole(token).unwrap_or(0)),
            Number::MouseType => self.nodes.set_mouse_type(around.place, lex::whole(token)),
            Number::Payload if is_number && lex::is_telling(token) => {
                let raw = Raw { start: start as u32, end: self.at as u32, escaped: false };
                let kind = slot.text.kind();
                self.out
                    .text(self.json, kind, raw, Shape::Number, around.key, around.place)
                    .map_err(Stop::Error)?;
            }
            Number::Payload => {}
        }
        match (slot.text, token) {
            (Rule::Select(_), b"null" | b"false") => self.selector_attribute(around, None),
            (Rule::Select(_), _) => {
                let end = if is_number { self.at } else { start };
                let raw = Raw { start: start as u32, end: end as u32, escaped: false };
                self.selector_attribute(around, Some(raw))
            }
            _ => Ok(()),
        }
    }

    /// Reads the array that begins here if it is one of pixels or samples.
    pub(super) fn numbers(&mut self, slot: Slot, around: &Frame) -> Result<bool, Stop> {
        if slot.inner != Inner::Serialized {
            return Ok(false);
        }
        let Some(end) = lex::numbers(self.json, self.at) else { return Ok(false) };
        let raw = Raw { start: self.at as u32, end: end as u32, escaped: false };
        self.at = end;
        let (key, place) = (around.key, around.place);
        self.out
            .text(self.json, Kind::Pixels, raw, Shape::Numbers, key, place)
            .map(|_| true)
            .map_err(Stop::Error)
    }
}
