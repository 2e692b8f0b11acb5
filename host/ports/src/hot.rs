//! The hot store: chunks, what was archived, what was erased.

use async_trait::async_trait;
use replay_core::archive::ArchiveRow;
use replay_core::identity::{ProjectId, SessionKey};
pub use replay_core::lifecycle::{AuditEntry, SessionAge};
use replay_core::row::{ChunkMeta, ChunkRow, CopyId};
use replay_core::tombstone::{EraseScope, Tombstone};

use crate::Result;

/// What became of an insert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InsertReport {
    /// Positions in the input whose session or project is erased: not written, and settled so.
    pub tombstoned: Vec<usize>,
}

/// Which sessions to list. Times are Unix milliseconds of the session's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only this project.
    pub project_id: Option<ProjectId>,
    /// Only sessions with a chunk that starts at or after this.
    pub since_ms: Option<u64>,
    /// Only sessions with a chunk that starts before this.
    pub until_ms: Option<u64>,
}

/// A session as the hot store alone sees it, computed over winners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary {
    /// Which session.
    pub session: SessionKey,
    /// Its first event, Unix milliseconds.
    pub timestamp_start_ms: u64,
    /// Its last event, Unix milliseconds.
    pub timestamp_end_ms: u64,
    /// Distinct chunks.
    pub chunk_count: u64,
    /// Events in them.
    pub event_count: u64,
    /// Uncompressed bytes.
    pub data_size: u64,
    /// Stored bytes.
    pub compressed_size: u64,
    /// Whether any chunk has a full snapshot.
    pub has_full_snapshot: bool,
    /// Receipt of its newest chunk, Unix milliseconds.
    pub received_at_ms: u64,
}

/// Which archive rows to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveFilter {
    /// Only this project.
    pub project_id: Option<ProjectId>,
    /// Only objects that expire at or before this, Unix milliseconds.
    pub expires_until_ms: Option<u64>,
}

/// Chunks, archive rows, tombstones and the audit trail. Speaks of physical copies throughout.
#[async_trait]
pub trait HotStore: Send + Sync {
    /// Stores copies of chunks, durably. Storing a copy again changes nothing but (at most) raising
    /// its `received_at_ms`. Rows whose session or project is erased are left out, checked in the
    /// same step as the write.
    async fn insert(&self, rows: &[ChunkRow]) -> Result<InsertReport>;

    /// Every physical copy of a session's chunks, in order of play, losers and erased ones too.
    async fn copies(&self, session: &SessionKey) -> Result<Vec<ChunkMeta>>;

    /// Those of the named copies that are still there, with their bytes, in no certain order.
    async fn read(&self, session: &SessionKey, copies: &[CopyId]) -> Result<Vec<ChunkRow>>;

    /// A page of sessions that match, ascending by (project, session), after `after`.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>>;

    /// A page of sessions whose oldest copy was received before `oldest_before_ms`, ascending by
    /// (project, session), after `after`.
    async fn session_ages(
        &self,
        oldest_before_ms: u64,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionAge>>;

    /// Deletes exactly the named copies and returns how many were there. No read shows them from then
    /// on; their bytes leave the disk in the store's own time, or with [`HotStore::wipe`].
    async fn delete_copies(&self, session: &SessionKey, copies: &[CopyId]) -> Result<u64>;

    /// Makes sure that the bytes of a session's, or all of a project's, deleted copies are gone from the
    /// disk. A store may have to rewrite what lies beside them: once for many is better than for each.
    async fn wipe(&self, scope: &EraseScope) -> Result<()>;

    /// Deletes every copy that the tombstone covers, so that its bytes are gone from the disk, and
    /// returns the stored bytes deleted.
    async fn erase(&self, tombstone: &Tombstone) -> Result<u64>;

    /// How many copies the tombstone covers are (still) there.
    async fn count_erasable(&self, tombstone: &Tombstone) -> Result<u64>;

    /// Writes an archive row; of several with one `object_key` the greatest generation counts.
    async fn put_archive(&self, row: &ArchiveRow) -> Result<()>;

    /// The current archive rows of a session, one for each object.
    async fn archive_rows(&self, session: &SessionKey) -> Result<Vec<ArchiveRow>>;

    /// A page of current archive rows, ascending by (project, session, object key), after the row
    /// `after` names by session and object key.
    async fn list_archive(
        &self,
        filter: &ArchiveFilter,
        after: Option<(&SessionKey, &str)>,
        limit: usize,
    ) -> Result<Vec<ArchiveRow>>;

    /// Deletes the rows of an object up to and including `generation`.
    async fn delete_archive(&self, session: &SessionKey, object_key: &str, generation: u64) -> Result<()>;

    /// Writes a tombstone, durably, before anything is erased. A later one of the same scope
    /// replaces an earlier one.
    async fn put_tombstone(&self, tombstone: &Tombstone) -> Result<()>;

    /// The tombstones that may cover chunks of this session: its own and its project's.
    async fn tombstones(&self, session: &SessionKey) -> Result<Vec<Tombstone>>;

    /// Every tombstone, oldest first.
    async fn list_tombstones(&self) -> Result<Vec<Tombstone>>;

    /// Forgets tombstones of erasures before `before_ms` (Unix milliseconds).
    async fn delete_tombstones(&self, before_ms: u64) -> Result<u64>;

    /// Adds to the audit trail.
    async fn append_audit(&self, entry: &AuditEntry) -> Result<()>;

    /// The newest entries of the audit trail, newest first.
    async fn list_audit(&self, limit: usize) -> Result<Vec<AuditEntry>>;
}
