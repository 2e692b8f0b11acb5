//! The hot store on SQLite: each promise of the port, handed to the writer or to a reader.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use replay_core::archive::ArchiveRow;
use replay_core::identity::SessionKey;
use replay_core::row::{ChunkMeta, ChunkRow, CopyId};
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{
    ArchiveFilter, AuditEntry, HotStore, InsertReport, Result, SessionAge, SessionFilter, SessionSummary,
};

use super::database::Database;
use super::offsets::SqliteOffsets;
use super::schema::REPLAYS;
use super::{SqliteSettings, archive_rows, chunks, doomed, marks, sessions};

/// Copies that one transaction deletes at most.
const DELETE_STEP: usize = 1024;

/// `replays.sqlite`.
pub struct SqliteHot {
    database: Arc<Database>,
    deleted_bytes: u64,
}

impl SqliteHot {
    /// Opens the database at `path`, made if it is not there. Blocks. `Refused` if the file is of
    /// another program, of a newer schema, or cannot be written.
    pub fn open(path: &Path, settings: &SqliteSettings) -> Result<Self> {
        let database = Arc::new(Database::open(path, &REPLAYS, settings)?);
        Ok(Self { database, deleted_bytes: settings.deleted_bytes })
    }

    /// Opens the database at `path` for reading, beside a running service or without one; writes are
    /// `Refused`. Makes no file where none is needed. Blocks. `Refused` if there is no database.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        Ok(Self { database: Arc::new(Database::open_read_only(path, &REPLAYS)?), deleted_bytes: 0 })
    }

    /// The committed offset of a source's partition, in the same file.
    pub fn offsets(&self, topic: &str, partition: u32) -> SqliteOffsets {
        SqliteOffsets::new(Arc::clone(&self.database), topic, partition)
    }
}

impl std::fmt::Debug for SqliteHot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteHot").finish_non_exhaustive()
    }
}

#[async_trait]
impl HotStore for SqliteHot {
    async fn insert(&self, rows: &[ChunkRow]) -> Result<InsertReport> {
        let rows = rows.to_vec();
        let bytes = rows.iter().map(|row| row.data.len()).sum();
        self.database.write(bytes, move |conn| chunks::insert(conn, &rows)).await
    }

    async fn copies(&self, session: &SessionKey) -> Result<Vec<ChunkMeta>> {
        let session = session.clone();
        self.database.read(move |conn| chunks::copies(conn, &session)).await
    }

    async fn read(&self, session: &SessionKey, copies: &[CopyId]) -> Result<Vec<ChunkRow>> {
        let (session, copies) = (session.clone(), copies.to_vec());
        self.database.read(move |conn| chunks::read(conn, &session, &copies)).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.database.read(move |conn| sessions::list(conn, &filter, after.as_ref(), limit)).await
    }

    async fn session_ages(
        &self,
        oldest_before_ms: u64,
        after: Option<&SessionKey>,
        limit: usize,
    ) -> Result<Vec<SessionAge>> {
        let after = after.cloned();
        self.database.read(move |conn| sessions::ages(conn, oldest_before_ms, after.as_ref(), limit)).await
    }

    async fn delete_copies(&self, session: &SessionKey, copies: &[CopyId]) -> Result<u64> {
        let mut deleted = 0;
        for step in copies.chunks(DELETE_STEP) {
            let (session, step) = (session.clone(), step.to_vec());
            deleted += self.database.write(0, move |conn| doomed::doom(conn, &session, &step)).await?;
        }
        // Who deletes more than the idle writer keeps up with does its work.
        while self.database.write(0, doomed::bytes).await? > self.deleted_bytes {
            self.database.write(0, |conn| doomed::overwrite_step(conn, None)).await?;
        }
        Ok(deleted)
    }

    async fn wipe(&self, scope: &EraseScope) -> Result<()> {
        loop {
            let scope = scope.clone();
            let step = move |conn: &rusqlite::Connection| doomed::overwrite_step(conn, Some(&scope));
            if !self.database.write(0, step).await? {
                break;
            }
        }
        self.database.forget().await
    }

    async fn erase(&self, tombstone: &Tombstone) -> Result<u64> {
        let mut bytes = 0;
        loop {
            let doomed = tombstone.clone();
            let (rows, step) = self.database.write(0, move |conn| chunks::erase_step(conn, &doomed)).await?;
            if rows == 0 {
                break;
            }
            bytes += step;
            self.database.give_back().await?;
        }
        // Also when nothing was left to delete: an earlier call may have been stopped here.
        self.database.forget().await?;
        Ok(bytes)
    }

    async fn count_erasable(&self, tombstone: &Tombstone) -> Result<u64> {
        let tombstone = tombstone.clone();
        self.database.read(move |conn| chunks::count_erasable(conn, &tombstone)).await
    }

    async fn put_archive(&self, row: &ArchiveRow) -> Result<()> {
        let row = row.clone();
        self.database.write(0, move |conn| archive_rows::put(conn, &row)).await
    }

    async fn archive_rows(&self, session: &SessionKey) -> Result<Vec<ArchiveRow>> {
        let session = session.clone();
        self.database.read(move |conn| archive_rows::of_session(conn, &session)).await
    }

    async fn list_archive(
        &self,
        filter: &ArchiveFilter,
        after: Option<(&SessionKey, &str)>,
        limit: usize,
    ) -> Result<Vec<ArchiveRow>> {
        let filter = filter.clone();
        let after = after.map(|(session, key)| (session.clone(), key.to_owned()));
        self.database
            .read(move |conn| {
                let after = after.as_ref().map(|(session, key)| (session, key.as_str()));
                archive_rows::list(conn, &filter, after, limit)
            })
            .await
    }

    async fn delete_archive(&self, session: &SessionKey, object_key: &str, generation: u64) -> Result<()> {
        let (session, key) = (session.clone(), object_key.to_owned());
        self.database.write(0, move |conn| archive_rows::delete(conn, &session, &key, generation)).await
    }

    async fn put_tombstone(&self, tombstone: &Tombstone) -> Result<()> {
        let tombstone = tombstone.clone();
        self.database.write(0, move |conn| marks::put(conn, &tombstone)).await
    }

    async fn tombstones(&self, session: &SessionKey) -> Result<Vec<Tombstone>> {
        let session = session.clone();
        self.database.read(move |conn| marks::of_session(conn, &session)).await
    }

    async fn list_tombstones(&self) -> Result<Vec<Tombstone>> {
        self.database.read(marks::all).await
    }

    async fn delete_tombstones(&self, before_ms: u64) -> Result<u64> {
        self.database.write(0, move |conn| marks::forget(conn, before_ms)).await
    }

    async fn append_audit(&self, entry: &AuditEntry) -> Result<()> {
        let entry = entry.clone();
        self.database.write(0, move |conn| marks::append_audit(conn, &entry)).await
    }

    async fn list_audit(&self, limit: usize) -> Result<Vec<AuditEntry>> {
        self.database.read(move |conn| marks::list_audit(conn, limit)).await
    }
}
