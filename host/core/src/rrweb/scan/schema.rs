//! What rrweb's types say: for each kind of object, what may stand under each of its keys.
//!
//! After `packages/types/src/index.ts` of rrweb-io/rrweb. What is not listed here is a field, its key
//! included: a place nobody knows may hold anything.

use super::attributes;
use super::head::{Head, Plugin};
use super::slot::{Inner, Number, Rule, Slot};
use super::words;
use crate::rrweb::kind::Kind;

/// The place under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) slot: Slot,
    /// If the key itself is a field, of which kind.
    pub(super) key: Option<Kind>,
}

/// What stands under `key` in an object that stands at `at`.
#[inline]
pub(super) fn member(head: &Head, at: Slot, key: &[u8]) -> Member {
    let known = match at.inner {
        Inner::Node => node(key),
        Inner::Attributes => return attribute(key),
        Inner::Style => return style(key),
        Inner::Payload => None,
        Inner::Event => event(head, key),
        Inner::Snapshot
        | Inner::Meta
        | Inner::Custom
        | Inner::Plugin
        | Inner::Console
        | Inner::Network
        | Inner::Font
        | Inner::CustomElement
        | Inner::Asset => data(head, at.inner, key),
        Inner::Mutation
        | Inner::TextChange
        | Inner::AttributeChange
        | Inner::Removal
        | Inner::Add
        | Inner::Numbers
        | Inner::Pointer
        | Inner::Input
        | Inner::Rules
        | Inner::Declaration
        | Inner::Canvas
        | Inner::CanvasArguments
        | Inner::Serialized => change(at.inner, key),
    };
    match known {
        Some(slot) => Member { slot, key: None },
        None => {
            let is_payload = matches!(at.inner, Inner::Payload | Inner::Console | Inner::Network);
            let kind = if is_payload { at.text.kind() } else { Kind::Other };
            Member { slot: Slot::payload(kind), key: Some(kind) }
        }
    }
}

fn event(head: &Head, key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"type" => Slot::number(Number::EventType),
        b"timestamp" | b"delay" => Slot::NUMBER,
        b"data" => data_of(head),
        b"v" => Slot::text(Rule::Word),
        _ => return None,
    })
}

/// The place of an event's data.
fn data_of(head: &Head) -> Slot {
    let inner = match (head.event_type, head.source) {
        (Some(2), _) => Inner::Snapshot,
        (Some(3), Some(source)) => return incremental(source),
        (Some(4), _) => Inner::Meta,
        (Some(5), _) => Inner::Custom,
        (Some(6), _) => Inner::Plugin,
        (Some(7), _) => Inner::Asset,
        _ => return Slot::payload(Kind::Other),
    };
    Slot::object(inner)
}

fn incremental(source: u8) -> Slot {
    Slot::object(match source {
        0 => Inner::Mutation,
        1 | 4 | 6 | 12 | 14 => Inner::Numbers,
        2 | 3 | 7 => Inner::Pointer,
        5 => Inner::Input,
        8 | 15 => Inner::Rules,
        9 => Inner::Canvas,
        10 => Inner::Font,
        11 => return Slot { inner: Inner::Console, ..Slot::payload(Kind::Console) },
        13 => Inner::Declaration,
        16 => Inner::CustomElement,
        _ => return Slot::payload(Kind::Other),
    })
}

fn node(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"id" => Slot::number(Number::Id),
        b"type" | b"rootId" | b"isSVG" | b"isShadow" | b"isShadowHost" | b"isStyle" | b"isCustom"
        | b"needBlock" => Slot::NUMBER,
        b"tagName" => Slot::text(Rule::Tag),
        b"attributes" => Slot::object(Inner::Attributes),
        b"childNodes" => Slot::object(Inner::Node),
        b"textContent" => Slot::text(Rule::NodeText),
        b"name" => Slot::text(Rule::Word),
        b"compatMode" | b"publicId" | b"systemId" => Slot::text(Rule::Field(Kind::Other)),
        _ => return None,
    })
}

fn attribute(key: &[u8]) -> Member {
    Member { slot: attributes::slot(key), key: (!words::is_word(key)).then_some(Kind::Other) }
}

fn style(key: &[u8]) -> Member {
    let slot = Slot::text(Rule::Field(Kind::Style));
    Member { slot, key: (!words::is_word(key)).then_some(Kind::Other) }
}

/// The data of events that are no change of the page.
fn data(head: &Head, inner: Inner, key: &[u8]) -> Option<Slot> {
    Some(match (inner, key) {
        (Inner::Console | Inner::Font | Inner::CustomElement, b"source") => Slot::number(Number::Source),
        (Inner::Snapshot, b"node") => Slot::object(Inner::Node),
        (Inner::Snapshot, b"initialOffset") => Slot::object(Inner::Numbers),
        (Inner::Meta, b"href") => Slot::text(Rule::PageUrl),
        (Inner::Meta, b"width" | b"height") => Slot::NUMBER,
        (Inner::Custom, b"tag") => Slot::text(Rule::Field(Kind::Custom)),
        (Inner::Custom, b"payload") => Slot::payload(Kind::Custom),
        (Inner::Plugin, b"plugin") => Slot::text(Rule::Plugin),
        (Inner::Plugin, b"payload") => match head.plugin {
            Plugin::Console => Slot { inner: Inner::Console, ..Slot::payload(Kind::Console) },
            Plugin::Network => Slot { inner: Inner::Network, ..Slot::payload(Kind::Network) },
            Plugin::Unknown => Slot::payload(Kind::Other),
        },
        (Inner::Console, b"level") => Slot::text(Rule::Word),
        (Inner::Console, b"trace" | b"payload") => Slot::payload(Kind::Console),
        (Inner::Network, _) => return network(key),
        (Inner::Font, b"family") => Slot::text(Rule::Field(Kind::Other)),
        (Inner::Font, b"fontSource") => Slot::text(Rule::Url),
        (Inner::Font, b"buffer") => Slot::NUMBER,
        (Inner::Font, b"descriptors") => Slot::payload(Kind::Other),
        (Inner::CustomElement, b"define") => Slot::object(Inner::CustomElement),
        (Inner::CustomElement, b"name") => Slot::text(Rule::Field(Kind::Other)),
        (Inner::Asset, b"url") => Slot::text(Rule::Url),
        (Inner::Asset, b"payload") => Slot { text: Rule::Pixels, ..Slot::object(Inner::Serialized) },
        (Inner::Asset, b"failed") => Slot::object(Inner::Asset),
        (Inner::Asset, b"status") => Slot::NUMBER,
        (Inner::Asset, b"message") => Slot::text(Rule::Field(Kind::Other)),
        _ => return None,
    })
}

/// Requests, as browsers' `PerformanceResourceTiming` and the recorders of bodies and headers name them.
fn network(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"requests" => Slot { inner: Inner::Network, ..Slot::payload(Kind::Network) },
        b"name"
        | b"url"
        | b"method"
        | b"entryType"
        | b"initiatorType"
        | b"deliveryType"
        | b"renderBlockingStatus"
        | b"responseType"
        | b"nextHopProtocol"
        | b"requestHeaders"
        | b"requestBody"
        | b"responseHeaders"
        | b"responseBody" => Slot::payload(Kind::Network),
        b"isInitial"
        | b"startTime"
        | b"endTime"
        | b"duration"
        | b"timeOrigin"
        | b"timestamp"
        | b"status"
        | b"responseStatus"
        | b"workerStart"
        | b"redirectStart"
        | b"redirectEnd"
        | b"fetchStart"
        | b"domainLookupStart"
        | b"domainLookupEnd"
        | b"connectStart"
        | b"connectEnd"
        | b"secureConnectionStart"
        | b"requestStart"
        | b"responseStart"
        | b"responseEnd"
        | b"transferSize"
        | b"encodedBodySize"
        | b"decodedBodySize"
        | b"firstInterimResponseStart" => Slot { number: Number::Known, ..Slot::payload(Kind::Network) },
        _ => return None,
    })
}

/// The data of changes of the page, and what is in it.
fn change(inner: Inner, key: &[u8]) -> Option<Slot> {
    Some(match (inner, key) {
        (Inner::TextChange, b"value") => Slot::text(Rule::NodeText),
        (Inner::AttributeChange, b"attributes") => Slot::object(Inner::Attributes),
        (Inner::TextChange | Inner::AttributeChange, b"id") => Slot::number(Number::Id),
        (Inner::Add, b"node") => Slot::object(Inner::Node),
        (Inner::Add, b"parentId") => Slot::number(Number::ParentId),
        (Inner::Add, b"nextId" | b"previousId") => Slot::NUMBER,
        (Inner::Removal, b"id") => Slot::number(Number::RemovedId),
        (Inner::Removal, b"parentId" | b"isShadow") => Slot::NUMBER,
        (Inner::Serialized, _) => return serialized(key),
        (Inner::TextChange | Inner::AttributeChange | Inner::Add | Inner::Removal, _) => return None,
        (_, b"source") => Slot::number(Number::Source),
        (Inner::Mutation, _) => return mutation(key),
        (Inner::Numbers, _) => return numbers(key),
        (_, b"id") => Slot::number(Number::Id),
        (Inner::Pointer, b"type") => Slot::number(Number::MouseType),
        (Inner::Pointer, _) => return numbers(key),
        (Inner::Input, b"text") => Slot::text(Rule::Field(Kind::Input)),
        (Inner::Input, b"isChecked" | b"userTriggered") => Slot::NUMBER,
        (Inner::Rules, _) => return rules(key),
        (Inner::Declaration, _) => return declaration(key),
        (Inner::Canvas, _) => return canvas(key),
        _ => return None,
    })
}

fn mutation(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"texts" => Slot::object(Inner::TextChange),
        b"attributes" => Slot::object(Inner::AttributeChange),
        b"removes" => Slot::object(Inner::Removal),
        b"adds" => Slot::object(Inner::Add),
        b"isAttachIframe" => Slot::NUMBER,
        _ => return None,
    })
}

fn numbers(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"positions" | b"ranges" => Slot { number: Number::Known, ..Slot::object(Inner::Numbers) },
        b"id" | b"type" | b"x" | b"y" | b"timeOffset" | b"left" | b"top" | b"width" | b"height"
        | b"pointerType" | b"currentTime" | b"volume" | b"muted" | b"loop" | b"playbackRate" | b"start"
        | b"startOffset" | b"end" | b"endOffset" => Slot::NUMBER,
        _ => return None,
    })
}

fn rules(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"adds" | b"removes" | b"styles" | b"rules" => {
            Slot { inner: Inner::Rules, ..Slot::text(Rule::Field(Kind::Style)) }
        }
        b"rule" | b"replace" | b"replaceSync" => Slot::text(Rule::Field(Kind::Style)),
        b"styleId" | b"styleIds" | b"index" => Slot::NUMBER,
        _ => return None,
    })
}

fn declaration(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"set" | b"remove" => Slot::object(Inner::Declaration),
        b"property" | b"priority" | b"value" => Slot::text(Rule::Field(Kind::Style)),
        b"styleId" | b"index" => Slot::NUMBER,
        _ => return None,
    })
}

fn canvas(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"type" | b"setter" | b"displayWidth" | b"displayHeight" => Slot::NUMBER,
        b"commands" => Slot::object(Inner::Canvas),
        b"property" => Slot::text(Rule::Word),
        b"args" => Slot { text: Rule::Canvas, inner: Inner::CanvasArguments, number: Number::Known },
        _ => return None,
    })
}

fn serialized(key: &[u8]) -> Option<Slot> {
    Some(match key {
        b"rr_type" => Slot::text(Rule::Word),
        b"type" => Slot::text(Rule::Field(Kind::Other)),
        b"base64" => Slot::text(Rule::Pixels),
        b"src" => Slot::text(Rule::Url),
        b"index" => Slot::NUMBER,
        b"args" => Slot { text: Rule::Canvas, inner: Inner::Serialized, number: Number::Known },
        // Of a blob: pieces that are text as well as buffers, whose bytes are under `base64`.
        b"data" => Slot { text: Rule::Canvas, inner: Inner::Serialized, number: Number::Known },
        b"cssTexts" => Slot::text(Rule::Field(Kind::Style)),
        _ => return None,
    })
}
