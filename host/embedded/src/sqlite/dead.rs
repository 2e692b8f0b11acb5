//! Dead letters on SQLite, in a file of their own.

use std::path::Path;

use async_trait::async_trait;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::tombstone::Tombstone;
use replay_ports::{DeadLetters, LetterFilter, Result};

use super::SqliteSettings;
use super::database::Database;
use super::dead_rows;
use super::schema::DEAD;

/// `dead.sqlite`.
pub struct SqliteDeadLetters {
    database: Database,
}

impl SqliteDeadLetters {
    /// Opens the database at `path`, made if it is not there. Blocks. `Refused` if the file is of
    /// another program, of a newer schema, or cannot be written.
    pub fn open(path: &Path, settings: &SqliteSettings) -> Result<Self> {
        Ok(Self { database: Database::open(path, &DEAD, settings)? })
    }

    /// Opens the database at `path` for reading, beside a running service or without one; writes are
    /// `Refused`. Makes no file where none is needed. Blocks. `Refused` if there is no database.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        Ok(Self { database: Database::open_read_only(path, &DEAD)? })
    }
}

impl std::fmt::Debug for SqliteDeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteDeadLetters").finish_non_exhaustive()
    }
}

#[async_trait]
impl DeadLetters for SqliteDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        let letter = letter.clone();
        let bytes = letter.payload.as_ref().map_or(0, |payload| payload.len());
        self.database.write(bytes, move |conn| dead_rows::put(conn, &letter)).await
    }

    async fn list(
        &self,
        filter: &LetterFilter,
        after: Option<&LetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.database.read(move |conn| dead_rows::list(conn, &filter, after.as_ref(), limit)).await
    }

    async fn get(&self, id: &LetterId) -> Result<Option<DeadLetter>> {
        let id = id.clone();
        self.database.read(move |conn| dead_rows::get(conn, &id)).await
    }

    async fn close(&self, id: &LetterId) -> Result<()> {
        let id = id.clone();
        self.database.write(0, move |conn| dead_rows::close(conn, &id)).await
    }

    async fn erase(&self, tombstone: &Tombstone) -> Result<u64> {
        let mut erased = 0;
        let mut after = Some(0);
        while let Some(from) = after {
            let tombstone = tombstone.clone();
            let step = self
                .database
                .write(0, move |conn| {
                    let step = dead_rows::covered_step(conn, &tombstone, from)?;
                    dead_rows::delete(conn, &step.covered)?;
                    Ok(step)
                })
                .await?;
            erased += step.payload_bytes;
            after = step.after;
            if !step.covered.is_empty() {
                self.database.give_back().await?;
            }
        }
        // Also when nothing was left to delete: an earlier call may have been stopped here.
        self.database.forget().await?;
        Ok(erased)
    }

    async fn count_erasable(&self, tombstone: &Tombstone) -> Result<u64> {
        let mut count = 0;
        let mut after = Some(0);
        while let Some(from) = after {
            let tombstone = tombstone.clone();
            let step =
                self.database.read(move |conn| dead_rows::covered_step(conn, &tombstone, from)).await?;
            count += step.covered.len() as u64;
            after = step.after;
        }
        Ok(count)
    }

    async fn purge(&self, before_ms: u64) -> Result<u64> {
        let mut purged = 0;
        loop {
            let step = self.database.write(0, move |conn| dead_rows::purge_step(conn, before_ms)).await?;
            if step == 0 {
                return Ok(purged);
            }
            purged += step;
            self.database.give_back().await?;
        }
    }
}
