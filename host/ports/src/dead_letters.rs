//! Where records go that could not be stored.

use async_trait::async_trait;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::identity::ProjectId;
use replay_core::reject::Reason;
use replay_core::tombstone::Tombstone;

use crate::Result;

/// Which letters to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Only this reason.
    pub reason: Option<Reason>,
    /// Only this project.
    pub project_id: Option<ProjectId>,
    /// Only letters that died at or after this, Unix milliseconds.
    pub since_ms: Option<u64>,
}

/// Dead letters, by source position.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Writes a letter durably. The same position again replaces it.
    async fn put(&self, letter: &DeadLetter) -> Result<()>;

    /// A page of letters without their payloads, ascending by id, after `after`.
    async fn list(
        &self,
        filter: &LetterFilter,
        after: Option<&LetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>>;

    /// One letter with its payload.
    async fn get(&self, id: &LetterId) -> Result<Option<DeadLetter>>;

    /// Removes a letter whose record was settled. Closing nothing is fine.
    async fn close(&self, id: &LetterId) -> Result<()>;

    /// Removes every letter that the tombstone covers ([`DeadLetter::erased_by`]) from the disk, and
    /// returns the bytes removed.
    async fn erase(&self, tombstone: &Tombstone) -> Result<u64>;

    /// How many letters the tombstone covers are (still) there.
    async fn count_erasable(&self, tombstone: &Tombstone) -> Result<u64>;

    /// Removes letters that died before `before_ms` (Unix milliseconds) and returns how many.
    async fn purge(&self, before_ms: u64) -> Result<u64>;
}
