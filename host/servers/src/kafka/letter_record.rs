//! A dead letter as a record of its topic: the source position is the key, the original record the
//! value, and all else headers.
//!
//! A null value deletes the letter, so a letter that only refers to its record has an empty value, and
//! `replay-payload` says which of the two an empty value is. The format is numbered; a newer one is
//! refused by name.

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::identity::{ProjectId, SessionId};
use replay_core::reject::Reason;
use replay_ports::{PortError, Result};

use super::record::{RECEIVED_AT, text};

const FORMAT: u32 = 1;

const LETTER: &str = "replay-letter";
const REASON: &str = "replay-reason";
const DETAIL: &str = "replay-detail";
const POSITION: &str = "replay-position";
const PROJECT: &str = "replay-project";
const SESSION: &str = "replay-session";
const DEAD_AT: &str = "replay-dead-at";
const ATTEMPTS: &str = "replay-attempts";
const SIZE: &str = "replay-size";
const PAYLOAD: &str = "replay-payload";
const INCLUDED: &str = "include";
const REFERENCE: &str = "reference";

/// A record of the letters' topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A letter; its payload is there if it was asked for.
    Letter(Box<DeadLetter>, Included),
    /// The end of one.
    Closed(LetterId),
    /// Somebody else's record.
    Foreign,
}

/// Bytes of the original record that a letter holds; `None` for a reference.
pub(super) type Included = Option<u64>;

/// The value of a letter's record.
pub(super) fn value(letter: &DeadLetter) -> &[u8] {
    letter.payload.as_deref().unwrap_or_default()
}

/// The headers of a letter's record.
pub(super) fn headers(letter: &DeadLetter) -> OwnedHeaders {
    let payload = if letter.payload.is_some() { INCLUDED } else { REFERENCE };
    let mut headers = OwnedHeaders::new();
    let texts = [
        (LETTER, FORMAT.to_string()),
        (REASON, letter.reason.to_string()),
        (DETAIL, letter.detail.clone()),
        (POSITION, letter.id.to_string()),
        (RECEIVED_AT, letter.received_at_ms.to_string()),
        (DEAD_AT, letter.dead_at_ms.to_string()),
        (ATTEMPTS, letter.attempts.to_string()),
        (SIZE, letter.payload_size.to_string()),
        (PAYLOAD, payload.to_owned()),
    ];
    let known = [
        letter.project_id.as_ref().map(|id| (PROJECT, id.to_string())),
        letter.session_id.map(|id| (SESSION, id.to_string())),
    ];
    for (key, value) in texts.into_iter().chain(known.into_iter().flatten()) {
        headers = headers.insert(Header { key, value: Some(&value) });
    }
    headers
}

/// Reads a record of the letters' topic, with the payload if asked for.
/// `Refused` for a letter of a format that a later release writes.
pub(super) fn entry(message: &BorrowedMessage<'_>, with_payload: bool) -> Result<Entry> {
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(LetterId::parse);
    let Some(id) = key else { return Ok(Entry::Foreign) };
    let Some(value) = message.payload() else { return Ok(Entry::Closed(id)) };
    let Some(headers) = message.headers() else { return Ok(Entry::Foreign) };
    letter(id, value, headers, with_payload)
}

fn letter(id: LetterId, value: &[u8], headers: &impl Headers, with_payload: bool) -> Result<Entry> {
    let Some(format) = number::<u32>(headers, LETTER) else { return Ok(Entry::Foreign) };
    if format > FORMAT {
        return Err(PortError::refused(format!(
            "letter {id} is of format {format}, and this release knows {FORMAT}: take the newer release"
        )));
    }
    let is_included = text(headers, PAYLOAD) == Some(INCLUDED);
    let read = || {
        Some(DeadLetter {
            reason: Reason::from_name(text(headers, REASON)?)?,
            detail: text(headers, DETAIL)?.to_owned(),
            project_id: match text(headers, PROJECT) {
                Some(text) => Some(ProjectId::new(text)?),
                None => None,
            },
            session_id: match text(headers, SESSION) {
                Some(text) => Some(SessionId::parse(text)?),
                None => None,
            },
            received_at_ms: number(headers, RECEIVED_AT)?,
            dead_at_ms: number(headers, DEAD_AT)?,
            attempts: number(headers, ATTEMPTS)?,
            payload_size: number(headers, SIZE)?,
            payload: (is_included && with_payload).then(|| Bytes::copy_from_slice(value)),
            id,
        })
    };
    Ok(read().map_or(Entry::Foreign, |letter| {
        Entry::Letter(Box::new(letter), is_included.then_some(value.len() as u64))
    }))
}

fn number<T: std::str::FromStr>(headers: &impl Headers, name: &str) -> Option<T> {
    text(headers, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn full() -> DeadLetter {
        DeadLetter {
            id: LetterId { topic: "a/b".into(), partition: 7, offset: 9 },
            reason: Reason::NotEvents,
            detail: "ä \"quoted\" \n line".into(),
            project_id: ProjectId::new("shop"),
            session_id: SessionId::new(Uuid::from_u128(5)),
            received_at_ms: 1,
            dead_at_ms: 2,
            attempts: 3,
            payload_size: 4,
            payload: Some("{\"a\"".into()),
        }
    }

    fn read(letter: &DeadLetter, with_payload: bool) -> Result<Entry> {
        super::letter(letter.id.clone(), value(letter), &headers(letter), with_payload)
    }

    #[test]
    fn letters_read_back_with_or_without_payload() {
        let full = full();
        let reference = DeadLetter { payload: None, project_id: None, session_id: None, ..full.clone() };
        let empty = DeadLetter { payload: Some(Bytes::new()), ..full.clone() };
        for (letter, included) in [(&full, Some(4)), (&reference, None), (&empty, Some(0))] {
            let expected = Entry::Letter(Box::new(letter.clone()), included);
            assert_eq!(read(letter, true), Ok(expected));
            let unopened = DeadLetter { payload: None, ..letter.clone() };
            assert_eq!(read(letter, false), Ok(Entry::Letter(Box::new(unopened), included)));
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name_and_nonsense_is_foreign() {
        let id = full().id;
        let newer = OwnedHeaders::new().insert(Header { key: LETTER, value: Some("2") });
        let refused = super::letter(id.clone(), b"", &newer, false).unwrap_err().to_string();
        assert!(refused.contains("format 2"), "{refused}");
        let partial = OwnedHeaders::new().insert(Header { key: LETTER, value: Some("1") });
        assert_eq!(super::letter(id.clone(), b"", &partial, false), Ok(Entry::Foreign));
        assert_eq!(super::letter(id, b"", &OwnedHeaders::new(), false), Ok(Entry::Foreign));
    }
}
