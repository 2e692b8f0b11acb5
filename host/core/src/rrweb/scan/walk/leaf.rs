//! Strings, numbers and literals: what becomes a field, and what is remembered of them.

use super::super::Shape;
use super::super::lex;
use super::super::nodes::NODE_TEXT;
use super::super::output::Raw;
use super::super::slot::{Inner, Number, Rule, Slot};
use super::{NOT_EVENTS, Place, Stop, Walker};
use crate::rrweb::kind::Kind;

impl Walker<'_> {
    #[inline]
    pub(super) fn string(&mut self, slot: Slot, key: Raw, place: Place) -> Result<(), Stop> {
        let start = self.at + 1;
        let string = lex::string(self.json, start).ok_or(NOT_EVENTS)?;
        let raw = Raw::of(start, string);
        self.at = string.end + 1;
        let json = self.json;
        let kind = match slot.text {
            Rule::Field(kind) => kind,
            Rule::NodeText => {
                return self.out.node_text(json, raw, key, place | NODE_TEXT).map_err(Stop::Error);
            }
            Rule::Select(kind) => {
                self.selector_attribute(key, place, Some(raw))?;
                kind
            }
            Rule::Url => raw.picture_or(json, Kind::Url),
            Rule::Canvas => raw.picture_or(json, Kind::Canvas),
            Rule::Pixels => Kind::Pixels,
            Rule::PageUrl => {
                let row = self.out.text(json, Kind::Url, raw, Shape::String, key, place);
                self.address = Some((row.map_err(Stop::Error)?, raw));
                return Ok(());
            }
            Rule::Tag | Rule::Word | Rule::Plugin => return self.word(slot, raw, key, place),
        };
        self.out.text(json, kind, raw, Shape::String, key, place).map(|_| ()).map_err(Stop::Error)
    }

    #[inline]
    fn word(&mut self, slot: Slot, raw: Raw, key: Raw, place: Place) -> Result<(), Stop> {
        let text = match raw.escaped() {
            false => raw.bytes(self.json),
            true => raw.decoded_into(self.json, &mut self.unescaped).ok_or(NOT_EVENTS)?,
        };
        let is_structural = slot.text.is_structural(text);
        if slot.text == Rule::Tag && is_structural {
            let tag = self.elements.tag(text);
            self.nodes.set_tag(place, tag);
        }
        if is_structural {
            return Ok(());
        }
        self.out.text(self.json, Kind::Other, raw, Shape::String, key, place).map(|_| ()).map_err(Stop::Error)
    }

    /// Remembers an attribute for selectors; without a value it was taken away.
    fn selector_attribute(&mut self, key: Raw, place: Place, raw: Option<Raw>) -> Result<(), Stop> {
        let mut unescaped = Vec::new();
        let name = match key.escaped() {
            false => key.bytes(self.json),
            true => key.decoded_into(self.json, &mut unescaped).ok_or(NOT_EVENTS)?,
        };
        let value = match raw {
            Some(raw) if raw.escaped() => {
                Some(raw.decoded_into(self.json, &mut self.unescaped).ok_or(NOT_EVENTS)?)
            }
            Some(raw) => Some(raw.bytes(self.json)),
            None => None,
        };
        self.nodes.set_attribute(place, name, value);
        Ok(())
    }

    pub(super) fn scalar(&mut self, slot: Slot, key: Raw, place: Place) -> Result<(), Stop> {
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
            Number::Id => self.nodes.set_id(place, lex::whole(token).unwrap_or(0)),
            Number::ParentId => self.nodes.set_parent_id(place, lex::whole(token).unwrap_or(0)),
            Number::RemovedId => self.nodes.remove(lex::whole(token).unwrap_or(0)),
            Number::MouseType => self.nodes.set_mouse_type(place, lex::whole(token)),
            Number::Payload if is_number && lex::is_telling(token) => {
                let raw = Raw::plain(start, self.at);
                let kind = slot.text.kind();
                self.out.text(self.json, kind, raw, Shape::Number, key, place).map_err(Stop::Error)?;
            }
            Number::Payload => {}
        }
        match (slot.text, token) {
            (Rule::Select(_), b"null" | b"false") => self.selector_attribute(key, place, None),
            (Rule::Select(_), _) => {
                let end = if is_number { self.at } else { start };
                let raw = Raw::plain(start, end);
                self.selector_attribute(key, place, Some(raw))
            }
            _ => Ok(()),
        }
    }

    /// Reads the array that begins here if it is one of pixels or samples.
    pub(super) fn numbers(&mut self, slot: Slot, key: Raw, place: Place) -> Result<bool, Stop> {
        if slot.inner != Inner::Serialized {
            return Ok(false);
        }
        let Some(end) = lex::numbers(self.json, self.at) else { return Ok(false) };
        let raw = Raw::plain(self.at, end);
        self.at = end;
        self.out
            .text(self.json, Kind::Pixels, raw, Shape::Numbers, key, place)
            .map(|_| true)
            .map_err(Stop::Error)
    }
}
