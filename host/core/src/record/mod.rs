//! The record (contract): what arrives on the topic, and what the SDK posts.
//!
//! A JSON object:
//!
//! | key | what | else |
//! |---|---|---|
//! | `project_id` | matches `[A-Za-z0-9][A-Za-z0-9._-]{0,127}` | `invalid_project_id` |
//! | `session_id` | a UUID, not nil | `invalid_session_id` |
//! | `chunk_index` | a whole number, 0…2³²−1 | `invalid_chunk_index` |
//! | `timestamp_start`, `timestamp_end` | whole Unix milliseconds, 0…7258118400000; an end before the start becomes the start | `invalid_timestamp` |
//! | `data` | base64 of gzip, zstd or plain JSON, told by its magic bytes; wins over `events` | `invalid_base64`, `invalid_compression`, `bomb` |
//! | `events` | the JSON array itself | `not_events` |
//! | `has_full_snapshot` | not looked at: the events say it | |
//!
//! A needed key that is absent or null is `missing_field`; `null` and `""` for `data` count as absent.
//! Unknown keys are ignored, a key that occurs twice is `invalid_json`. The SDK's body has a
//! `project_key` in place of `project_id` ([`intake`]).

pub mod intake;

mod envelope;
mod fields;

pub(crate) use envelope::{Envelope, Payload, payload_fault, record_fault};
