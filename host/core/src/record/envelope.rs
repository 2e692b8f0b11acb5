//! The outer object of a record, read in the one pass that validates it.

use std::borrow::Cow;
use std::ops::Range;

use super::fields::{self, Raw};
use crate::identity::{ProjectId, SessionId};
use crate::json::{EventsSummary, JsonError, JsonFault, Member, unquote, walk_object};
use crate::reject::{Reason, Reject};

/// The values of the keys that mean something; `null` counts as absent.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) project_key: Raw<'a>,
    project_id: Raw<'a>,
    session_id: Raw<'a>,
    chunk_index: Raw<'a>,
    timestamp_start: Raw<'a>,
    timestamp_end: Raw<'a>,
    data: Raw<'a>,
    events: Raw<'a>,
    events_summary: Option<Result<EventsSummary, JsonError>>,
    has_whitespace: bool,
    /// Where `project_key` and `project_id` stand, each without the separators around it.
    pub(crate) project_spans: Vec<Range<usize>>,
}

/// The payload of a record, in either spelling.
pub(crate) enum Payload<'a> {
    /// base64 of gzip, zstd or plain JSON.
    Data(Cow<'a, [u8]>),
    /// An array, already read.
    Events { json: &'a [u8], summary: EventsSummary, has_whitespace: bool },
}

impl<'a> Envelope<'a> {
    /// Reads `record`. If it is no valid object, the envelope holds what was read before the fault.
    pub(crate) fn read(record: &'a [u8], max_depth: usize) -> (Self, Result<(), JsonError>) {
        let mut envelope = Self::default();
        // The object around the payload is a level of its own.
        let walked = walk_object(record, max_depth.saturating_add(1), |member| envelope.take(member));
        envelope.has_whitespace = walked.unwrap_or_default();
        (envelope, walked.map(|_| ()))
    }

    fn take(&mut self, member: Member<'a>) {
        let value = (member.value != b"null").then_some(member.value);
        let key = unquote(member.key).unwrap_or_default();
        match &*key {
            b"project_id" => {
                self.project_id = value;
                self.project_spans.push(member.span);
            }
            b"project_key" => {
                self.project_key = value;
                self.project_spans.push(member.span);
            }
            b"session_id" => self.session_id = value,
            b"chunk_index" => self.chunk_index = value,
            b"timestamp_start" => self.timestamp_start = value,
            b"timestamp_end" => self.timestamp_end = value,
            b"data" => self.data = value.filter(|value| *value != b"\"\""),
            b"events" => {
                self.events = value;
                self.events_summary = member.events;
            }
            _ => {}
        }
    }

    pub(crate) fn project_id(&self) -> Result<ProjectId, Reject> {
        fields::project_id(self.project_id)
    }

    pub(crate) fn session_id(&self) -> Result<SessionId, Reject> {
        fields::session_id(self.session_id)
    }

    pub(crate) fn chunk_index(&self) -> Result<u32, Reject> {
        fields::chunk_index(self.chunk_index)
    }

    pub(crate) fn timestamps(&self) -> Result<(u64, u64), Reject> {
        fields::timestamps(self.timestamp_start, self.timestamp_end)
    }

    /// Whether there is a payload at all.
    pub(crate) fn has_payload(&self) -> Result<(), Reject> {
        let absent = Reject::new(Reason::MissingField, "neither data nor events is there");
        self.data.or(self.events).map(|_| ()).ok_or(absent)
    }

    /// The payload; `data` wins.
    pub(crate) fn payload(&self) -> Result<Payload<'a>, Reject> {
        self.has_payload()?;
        if let Some(data) = self.data {
            let text = fields::text(data);
            return text.map(Payload::Data).ok_or(Reject::new(Reason::InvalidBase64, "data is not a string"));
        }
        match (self.events, &self.events_summary) {
            (Some(json), Some(Ok(summary))) => {
                Ok(Payload::Events { json, summary: *summary, has_whitespace: self.has_whitespace })
            }
            (_, Some(Err(error))) => Err(payload_fault(*error)),
            _ => Err(Reject::new(Reason::NotEvents, "events is not an array")),
        }
    }
}

/// A record that is no JSON object.
pub(crate) fn record_fault(error: JsonError) -> Reject {
    let reason = if error.fault == JsonFault::TooDeep { Reason::TooDeep } else { Reason::InvalidJson };
    Reject::new(reason, format!("record: {error}"))
}

/// A payload that is no array of events.
pub(crate) fn payload_fault(error: JsonError) -> Reject {
    let reason = if error.fault == JsonFault::TooDeep { Reason::TooDeep } else { Reason::NotEvents };
    Reject::new(reason, format!("payload: {error}"))
}
