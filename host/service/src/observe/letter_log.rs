//! Dead letters in the log: one line a reason a minute, with a count.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use replay_core::dead_letter::DeadLetter;
use replay_core::reject::Reason;

const EVERY: Duration = Duration::from_secs(60);

/// Remembers when each reason was last logged.
#[derive(Debug, Default)]
pub struct LetterLog {
    reasons: Mutex<BTreeMap<Reason, (Instant, u64)>>,
}

impl LetterLog {
    /// Logs the letter, or counts it for the next line of its reason.
    pub fn note(&self, letter: &DeadLetter) {
        let now = Instant::now();
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let unlogged = match reasons.get_mut(&letter.reason) {
            Some((logged, unlogged)) if now.duration_since(*logged) < EVERY => {
                *unlogged += 1;
                return;
            }
            Some((_, unlogged)) => *unlogged,
            None => 0,
        };
        reasons.insert(letter.reason, (now, 0));
        let count = unlogged + 1;
        let project_id = letter.project_id.as_ref().map_or("unknown", |project_id| project_id.as_str());
        tracing::warn!(
            reason = letter.reason.as_str(),
            detail = letter.detail,
            position = %letter.id,
            project_id,
            count,
            "dead letter; look with `replay-processor dead-letter show {}`",
            letter.id,
        );
    }
}
