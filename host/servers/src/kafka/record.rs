//! A Kafka message as a record of ours: which headers are ours, and when it was received.
//!
//! `replay-received-at`, `replay-of` and `replay-attempts` are written by [`headers`] and by nobody
//! else; foreign headers are ignored. A fed-back record keeps the receipt of the first one in its
//! header: its own timestamp is the time of the append, since the topic's retention goes by it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use replay_core::dead_letter::LetterId;
use replay_core::identity::SessionId;
use replay_core::pipeline::{At, ReplayOf};
use replay_ports::SourceRecord;

pub(super) const RECEIVED_AT: &str = "replay-received-at";
const REPLAY_OF: &str = "replay-of";
const ATTEMPTS: &str = "replay-attempts";

/// Before Kafka's first release nothing was received: 2011-01-01.
const EARLIEST_MS: u64 = 1_293_840_000_000;
/// Clocks that go this much before ours are believed.
const SKEW_MS: u64 = 300_000;
/// Producers put the ids first; only there a key is looked for.
const KEY_SEARCH_BYTES: usize = 4096;

/// The headers of a record that is appended.
pub(super) fn headers(received_at_ms: u64, replay_of: Option<&ReplayOf>) -> OwnedHeaders {
    let received_at = received_at_ms.to_string();
    let headers = OwnedHeaders::new().insert(Header { key: RECEIVED_AT, value: Some(&received_at) });
    let Some(replay) = replay_of else { return headers };
    let (letter, attempts) = (replay.letter.to_string(), replay.attempts.to_string());
    headers
        .insert(Header { key: REPLAY_OF, value: Some(&letter) })
        .insert(Header { key: ATTEMPTS, value: Some(&attempts) })
}

/// A record as it was read. Copies the payload.
pub(super) fn record(message: &BorrowedMessage<'_>, at: At) -> SourceRecord {
    let header = |name| message.headers().and_then(|headers| text(headers, name));
    let timestamp = message.timestamp().to_millis();
    SourceRecord {
        at,
        received_at_ms: received_at(header(RECEIVED_AT), timestamp, unix_ms()),
        replay_of: replay_of(header(REPLAY_OF), header(ATTEMPTS)),
        payload: message.payload().map(Bytes::copy_from_slice),
    }
}

/// The last header of that name, if it is text.
pub(super) fn text<'a>(headers: &'a impl Headers, name: &str) -> Option<&'a str> {
    let named = headers.iter().filter(|header| header.key == name).last()?;
    std::str::from_utf8(named.value?).ok()
}

/// The session of a record as its key, so that a session's records meet in one partition. Nothing
/// relies on it; a record that hides its session gets no key.
pub(super) fn key(payload: &[u8]) -> Option<String> {
    let start = &payload[..payload.len().min(KEY_SEARCH_BYTES)];
    let name = b"\"session_id\"";
    let at = start.windows(name.len()).position(|window| window == name)?;
    let after = start[at + name.len()..].trim_ascii_start().strip_prefix(b":")?;
    let value = after.trim_ascii_start().strip_prefix(b"\"")?;
    let value = value.split(|&byte| byte == b'"').next()?;
    SessionId::parse(std::str::from_utf8(value).ok()?).map(|id| id.to_string())
}

/// A header of ours counts; else the topic's timestamp. What is not yet come counts in neither, and of the
/// topic's what is missing or older than Kafka: then it is now, the one case in which a redelivery may raise it.
/// To believe it would skip the record as expired, or keep it for ever; a table of ours may not even hold it.
fn received_at(header: Option<&str>, timestamp: Option<i64>, now_ms: u64) -> u64 {
    let latest_ms = now_ms.saturating_add(SKEW_MS);
    if let Some(ms) = header.and_then(|text| text.parse().ok()).filter(|ms| *ms <= latest_ms) {
        return ms;
    }
    let believable = EARLIEST_MS..=latest_ms;
    timestamp.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| believable.contains(ms)).unwrap_or(now_ms)
}

fn replay_of(letter: Option<&str>, attempts: Option<&str>) -> Option<ReplayOf> {
    Some(ReplayOf { letter: LetterId::parse(letter?)?, attempts: attempts?.parse().ok()? })
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn the_receipt_is_the_header_or_a_believable_timestamp_or_now() {
        assert_eq!(received_at(Some("7"), Some(1_700_000_000_000), NOW), 7);
        assert_eq!(received_at(None, Some(1_700_000_000_000), NOW), 1_700_000_000_000);
        assert_eq!(received_at(Some("soon"), Some(1_700_000_000_000), NOW), 1_700_000_000_000);
        for yet_to_come in ["18446744073709551615", "10413792000000", "1800000300001"] {
            assert_eq!(received_at(Some(yet_to_come), Some(1_700_000_000_000), NOW), 1_700_000_000_000);
        }
        for nonsense in [None, Some(-1), Some(0), Some(1_000), Some(i64::MAX), Some(NOW as i64 + 300_001)] {
            assert_eq!(received_at(None, nonsense, NOW), NOW, "{nonsense:?}");
        }
    }

    #[test]
    fn our_headers_read_back_and_foreign_ones_do_no_harm() {
        let letter = LetterId { topic: "a/b".into(), partition: 1, offset: 2 };
        let replay = ReplayOf { letter, attempts: 3 };
        let written = headers(99, Some(&replay));
        assert_eq!(replay_of(text(&written, REPLAY_OF), text(&written, ATTEMPTS)), Some(replay));
        assert_eq!(text(&written, RECEIVED_AT), Some("99"));
        let foreign = OwnedHeaders::new()
            .insert(Header { key: REPLAY_OF, value: Some("nonsense") })
            .insert(Header { key: ATTEMPTS, value: Some(&[0xff_u8, 0xfe][..]) })
            .insert(Header::<&[u8]> { key: RECEIVED_AT, value: None });
        assert_eq!(replay_of(text(&foreign, REPLAY_OF), text(&foreign, ATTEMPTS)), None);
        assert_eq!(text(&foreign, RECEIVED_AT), None);
    }

    #[test]
    fn a_key_is_a_session_or_nothing() {
        let id = "0191f0c4-7e1a-7c3b-9d55-0123456789ab";
        let record = format!("{{\"project_id\":\"p\", \"session_id\" : \"{}\"}}", id.to_uppercase());
        assert_eq!(key(record.as_bytes()).as_deref(), Some(id));
        for bad in ["", "{", "{\"session_id\"", "{\"session_id\":1}", "{\"session_id\":\"anna@example.com\"}"]
        {
            assert_eq!(key(bad.as_bytes()), None, "{bad}");
        }
    }
}
