//! The hot store on ClickHouse: each promise of the port, handed to the table that keeps it.

use std::sync::Arc;

use async_trait::async_trait;
use replay_core::archive::ArchiveRow;
use replay_core::identity::SessionKey;
use replay_core::row::{ChunkMeta, ChunkRow, CopyId};
use replay_core::time::Day;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{
    ArchiveFilter, AuditEntry, HotStore, InsertReport, Result, SessionAge, SessionFilter, SessionSummary,
};

use super::parts::{self, DroppedDay, ProvenDay};
use super::server::Store;
use super::settings::ClickHouseSettings;
use super::{archive_rows, chunks, marks, sessions, sql};

/// The tables of one database.
#[derive(Clone)]
pub struct ClickHouseHot {
    store: Arc<Store>,
}

impl ClickHouseHot {
    /// Reaches the server and looks at its schema. `Refused` (credentials, database, schema) says what to
    /// do; `Unavailable` has decided nothing.
    pub async fn open(settings: &ClickHouseSettings) -> Result<Self> {
        let hot = Self::open_lazily(settings)?;
        hot.store.ready().await?;
        Ok(hot)
    }

    /// Asks nothing yet: the first call does what [`Self::open`] does, and so does every call until it
    /// was fine once. For a start while the server is down.
    pub fn open_lazily(settings: &ClickHouseSettings) -> Result<Self> {
        Ok(Self { store: Arc::new(Store::new(settings)?) })
    }

    /// Drops the parts of `day` (a `chunk_date`) whose every visible row was received before
    /// `expired_before_ms` (Unix milliseconds; 0: none), or is in the archive with an equal or greater
    /// rank. What is written meanwhile is a part of its own and stays. Nearly free, where deleting rows
    /// rewrites parts; on a cluster nothing is dropped.
    pub async fn drop_day(&self, day: Day, expired_before_ms: u64) -> Result<DroppedDay> {
        let proven = self.prove_day(day, expired_before_ms).await?;
        self.drop_proven(&proven).await
    }

    /// The first half of [`Self::drop_day`].
    pub async fn prove_day(&self, day: Day, expired_before_ms: u64) -> Result<ProvenDay> {
        parts::prove(self.store.ready().await?, day, expired_before_ms).await
    }

    /// The second half of [`Self::drop_day`]: what was proven stays true of a part, or the part is gone.
    pub async fn drop_proven(&self, proven: &ProvenDay) -> Result<DroppedDay> {
        parts::drop_proven(self.store.ready().await?, proven).await
    }
}

impl std::fmt::Debug for ClickHouseHot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickHouseHot").finish_non_exhaustive()
    }
}

#[async_trait]
impl HotStore for ClickHouseHot {
    async fn insert(&self, rows: &[ChunkRow]) -> Result<InsertReport> {
        chunks::insert(self.store.ready().await?, rows).await
    }

    async fn copies(&self, session: &SessionKey) -> Result<Vec<ChunkMeta>> {
        chunks::copies(self.store.ready().await?, session).await
    }

    async fn read(&self, session: &SessionKey, copies: &[CopyId]) -> Result<Vec<ChunkRow>> {
        chunks::read(self.store.ready().await?, session, copies).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>> {
        sessions::list(self.store.ready().await?, filter, after, limit).await
    }

    async fn session_ages(
        &self,
        oldest_before_ms: u64,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionAge>> {
        sessions::ages(self.store.ready().await?, oldest_before_ms, after, limit).await
    }

    async fn delete_copies(&self, session: &SessionKey, copies: &[CopyId]) -> Result<u64> {
        chunks::delete(self.store.ready().await?, session, copies).await
    }

    async fn wipe(&self, scope: &EraseScope) -> Result<()> {
        chunks::wipe(self.store.ready().await?, &sql::of_scope(scope)).await
    }

    async fn erase(&self, tombstone: &Tombstone) -> Result<u64> {
        chunks::erase(self.store.ready().await?, tombstone).await
    }

    async fn count_erasable(&self, tombstone: &Tombstone) -> Result<u64> {
        chunks::count_erasable(self.store.ready().await?, tombstone).await
    }

    async fn put_archive(&self, row: &ArchiveRow) -> Result<()> {
        archive_rows::put(self.store.ready().await?, row).await
    }

    async fn archive_rows(&self, session: &SessionKey) -> Result<Vec<ArchiveRow>> {
        archive_rows::of_sessions(self.store.ready().await?, std::slice::from_ref(session)).await
    }

    async fn list_archive(
        &self,
        filter: &ArchiveFilter,
        after: Option<(&SessionKey, &str)>,
        limit: usize,
    ) -> Result<Vec<ArchiveRow>> {
        archive_rows::list(self.store.ready().await?, filter, after, limit).await
    }

    async fn delete_archive(&self, session: &SessionKey, object_key: &str, generation: u64) -> Result<()> {
        archive_rows::delete(self.store.ready().await?, session, object_key, generation).await
    }

    async fn put_tombstone(&self, tombstone: &Tombstone) -> Result<()> {
        marks::put(self.store.ready().await?, tombstone).await
    }

    async fn tombstones(&self, session: &SessionKey) -> Result<Vec<Tombstone>> {
        marks::of_sessions(self.store.ready().await?, std::slice::from_ref(session)).await
    }

    async fn list_tombstones(&self) -> Result<Vec<Tombstone>> {
        marks::all(self.store.ready().await?).await
    }

    async fn delete_tombstones(&self, before_ms: u64) -> Result<u64> {
        marks::forget(self.store.ready().await?, before_ms).await
    }

    async fn append_audit(&self, entry: &AuditEntry) -> Result<()> {
        marks::append_audit(self.store.ready().await?, entry).await
    }

    async fn list_audit(&self, limit: usize) -> Result<Vec<AuditEntry>> {
        marks::list_audit(self.store.ready().await?, limit).await
    }
}
