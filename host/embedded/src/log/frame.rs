//! One record as it lies in a segment.
//!
//! | bytes | what, little-endian |
//! |---|---|
//! | 4 | length of the body |
//! | 4 | CRC-32C of the length and the body |
//! | 8 | body: received_at, Unix milliseconds |
//! | 1 | body: 1 if the record feeds a dead letter back, else 0 |
//! | 2 + n, 4, 8, 4 | body, if so: the letter's topic with its length, partition, offset; attempts |
//! | rest | body: the record |

use bytes::Bytes;
use replay_core::dead_letter::LetterId;
use replay_core::pipeline::ReplayOf;

/// Length and check sum.
pub(super) const HEAD_BYTES: usize = 8;

/// What a frame needs beside the record, at most.
pub(super) const MAX_OVERHEAD_BYTES: usize = HEAD_BYTES + 9 + 2 + u16::MAX as usize + 16;

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogRecord {
    pub(super) received_at_ms: u64,
    pub(super) replay_of: Option<ReplayOf>,
    pub(super) payload: Bytes,
}

/// Appends the record's frame to `out`.
pub(super) fn encode(record: &LogRecord, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0; HEAD_BYTES]);
    out.extend(record.received_at_ms.to_le_bytes());
    match &record.replay_of {
        None => out.push(0),
        Some(ReplayOf { letter, attempts }) => {
            out.push(1);
            // A topic's name has at most 249 bytes.
            let topic = &letter.topic.as_bytes()[..letter.topic.len().min(usize::from(u16::MAX))];
            out.extend((topic.len() as u16).to_le_bytes());
            out.extend(topic);
            out.extend(letter.partition.to_le_bytes());
            out.extend(letter.offset.to_le_bytes());
            out.extend(attempts.to_le_bytes());
        }
    }
    out.extend_from_slice(&record.payload);
    let length = ((out.len() - start - HEAD_BYTES) as u32).to_le_bytes();
    let check = crc32c::crc32c_append(crc32c::crc32c(&length), &out[start + HEAD_BYTES..]).to_le_bytes();
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + HEAD_BYTES].copy_from_slice(&check);
}

/// The body length that a frame's head announces.
pub(super) fn body_len(head: [u8; HEAD_BYTES]) -> usize {
    let [a, b, c, d, ..] = head;
    u32::from_le_bytes([a, b, c, d]) as usize
}

/// The record of a head and its body; `None` if they do not fit each other.
pub(super) fn decode(head: [u8; HEAD_BYTES], body: &Bytes) -> Option<LogRecord> {
    let (length, check) = head.split_at(4);
    if crc32c::crc32c_append(crc32c::crc32c(length), body).to_le_bytes() != check {
        return None;
    }
    let mut rest: &[u8] = body;
    let received_at_ms = u64::from_le_bytes(take(&mut rest)?);
    let [flag] = take(&mut rest)?;
    let replay_of = match flag {
        0 => None,
        1 => {
            let topic_len = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let (topic, after) = rest.split_at_checked(topic_len)?;
            rest = after;
            let letter = LetterId {
                topic: std::str::from_utf8(topic).ok()?.to_owned(),
                partition: u32::from_le_bytes(take(&mut rest)?),
                offset: u64::from_le_bytes(take(&mut rest)?),
            };
            Some(ReplayOf { letter, attempts: u32::from_le_bytes(take(&mut rest)?) })
        }
        _ => return None,
    };
    Some(LogRecord { received_at_ms, replay_of, payload: body.slice(body.len() - rest.len()..) })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}
