//! What the operations report; the same structs travel over the admin endpoint and to `--output json`.

use serde::{Deserialize, Serialize};

/// Of `ingest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReport {
    /// Records durable in the source.
    pub appended: u64,
    /// Records over the size cap.
    pub rejected: u64,
}

/// One letter that was fed back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FedBack {
    /// The letter.
    pub id: String,
    /// Its reason.
    pub reason: String,
    /// `fed_back`, `would_feed_back`, `too_many_attempts`, `original_gone`, or
    /// `refused_by_the_source` (over its size cap now).
    pub outcome: String,
}

/// Of `dead-letter replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedBackReport {
    /// Each letter that matched.
    pub letters: Vec<FedBack>,
    /// How many were fed back.
    pub fed_back: u64,
    /// How many were left, for the reasons given.
    pub left: u64,
}
