//! From the body that the SDK posts to the record that the processor reads.
//!
//! The two differ in one key: the SDK knows its `project_key`, the processor a `project_id`. What is
//! cheap to check is checked here, so that the SDK learns of it; deeper faults become dead letters.

use std::borrow::Cow;

use super::{Envelope, fields, record_fault};
use crate::codec::{Codec, CodecError, DEFAULT_MAX_RATIO, Scratch, UnpackCaps, detect, unpack};
use crate::identity::{ProjectId, SessionId};
use crate::json::{JsonError, JsonFault};
use crate::reject::Reject;

/// A record made of an SDK's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeRecord {
    /// The project of the body's key.
    pub project_id: ProjectId,
    /// The visit.
    pub session_id: SessionId,
    /// The record.
    pub record: Vec<u8>,
}

/// Why a body cannot become a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// Not one valid JSON object.
    #[error("body: {0}")]
    InvalidJson(JsonError),
    /// `project_key` is absent, null or no string.
    #[error("project_key is missing")]
    MissingKey,
    /// No project has this `project_key`.
    #[error("unknown project_key")]
    UnknownKey,
    /// A field is missing or wrong; the processor would refuse it for the same reason.
    #[error("{}: {}", .0.reason, .0.detail)]
    Field(Reject),
    /// The body is compressed, and over the cap when it is not.
    #[error("body: {0}")]
    Compression(CodecError),
}

/// The body without its own compression: gzip by its magic bytes, of at most `max_bytes` unpacked.
pub fn unzip_body(body: &[u8], max_bytes: usize) -> Result<Cow<'_, [u8]>, IntakeError> {
    if detect(body) != Some(Codec::Gzip) {
        return Ok(Cow::Borrowed(body));
    }
    let mut scratch = Scratch::new();
    let caps = UnpackCaps { max_raw_bytes: max_bytes, max_ratio: DEFAULT_MAX_RATIO };
    let unpacked = unpack(&mut scratch, Codec::Gzip, body, &caps).map_err(IntakeError::Compression)?;
    Ok(Cow::Owned(scratch.raw.get(unpacked.len).to_vec()))
}

/// Makes the record of `body`: its `project_key` (and any `project_id`) gives way to the project that
/// `project_of` names; every other byte stays.
pub fn from_sdk(
    body: &[u8],
    project_of: impl Fn(&str) -> Option<ProjectId>,
    max_depth: usize,
) -> Result<IntakeRecord, IntakeError> {
    let (envelope, read) = Envelope::read(body, max_depth);
    read.map_err(|error| {
        let is_depth = error.fault == JsonFault::TooDeep;
        if is_depth { IntakeError::Field(record_fault(error)) } else { IntakeError::InvalidJson(error) }
    })?;
    let key = envelope.project_key.and_then(fields::text).ok_or(IntakeError::MissingKey)?;
    let key = std::str::from_utf8(&key).map_err(|_| IntakeError::UnknownKey)?;
    let project_id = project_of(key).ok_or(IntakeError::UnknownKey)?;
    let session_id = check_fields(&envelope).map_err(IntakeError::Field)?;
    let record = replace_project(body, &envelope, &project_id);
    Ok(IntakeRecord { project_id, session_id, record })
}

fn check_fields(envelope: &Envelope<'_>) -> Result<SessionId, Reject> {
    let session_id = envelope.session_id()?;
    envelope.chunk_index()?;
    envelope.timestamps()?;
    envelope.has_payload()?;
    Ok(session_id)
}

/// Puts the project first, and leaves out the members that named it.
fn replace_project(body: &[u8], envelope: &Envelope<'_>, project_id: &ProjectId) -> Vec<u8> {
    // A project id needs no escapes. The members lie between these two brackets.
    let mut record = format!(r#"{{"project_id":"{project_id}""#).into_bytes();
    let begin = body.iter().position(|&byte| byte == b'{').map_or(0, |at| at + 1);
    let end = body.iter().rposition(|&byte| byte == b'}').unwrap_or(body.len());
    let mut from = begin;
    let spans = envelope.project_spans.iter().map(|span| (span.start, span.end));
    for (start, next) in spans.chain([(end + 1, end)]) {
        // `start` follows a `,` or the opening bracket.
        let kept = body.get(from..start - 1).unwrap_or_default();
        if !kept.is_empty() {
            record.push(b',');
            record.extend_from_slice(kept);
        }
        from = next + 1;
    }
    record.push(b'}');
    record
}
