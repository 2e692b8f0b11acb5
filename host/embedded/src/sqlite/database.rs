//! One database file: its writer, its readers, and how bytes leave it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use replay_ports::{PortError, Result};
use rusqlite::Connection;

use super::SqliteSettings;
use super::failure::SqlResult;
use super::open::open_writer;
use super::readers::Readers;
use super::schema::Schema;
use super::writer::{Writer, give_back};

/// How long one attempt to truncate the WAL may hold up other writes.
const TRUNCATE_WAIT: Duration = Duration::from_millis(100);
/// Between two attempts.
const TRUNCATE_PAUSE: Duration = Duration::from_millis(50);

/// An open database.
pub(super) struct Database {
    path: PathBuf,
    // Readers close before the writer, who then is the last and leaves no WAL behind.
    readers: Readers,
    writer: Option<Writer>,
    busy_timeout: Duration,
    erase_wait: Duration,
}

impl Database {
    /// Opens for reading and writing; makes the file, and its folder, if there is none. Blocks.
    pub(super) fn open(path: &Path, schema: &'static Schema, settings: &SqliteSettings) -> Result<Self> {
        let conn = open_writer(path, schema, settings)?;
        // A crash may have left a log with rows that were erased since. If a reader is in the way
        // the erasure, which is repeated, sees to it.
        truncate_wal(&conn, settings.busy_timeout).map_err(|failure| failure.into_port(path))?;
        Ok(Self {
            path: path.to_owned(),
            readers: Readers::beside_writer(path, schema, settings.readers, settings.busy_timeout),
            writer: Some(Writer::start(conn, path.to_owned(), settings.queued_writes, schema.idle)?),
            busy_timeout: settings.busy_timeout,
            erase_wait: settings.erase_wait,
        })
    }

    /// Opens for reading only, beside a service or without one. Makes no database. Blocks.
    pub(super) fn open_read_only(path: &Path, schema: &'static Schema) -> Result<Self> {
        let SqliteSettings { busy_timeout, erase_wait, .. } = SqliteSettings::default();
        Ok(Self {
            path: path.to_owned(),
            readers: Readers::visitor(path, schema, busy_timeout)?,
            writer: None,
            busy_timeout,
            erase_wait,
        })
    }

    /// Reads one state of the database. `work` may run more than once.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.read(work).await
    }

    /// Writes about `bytes` in one step, durable when this returns.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        self.writer()?.grouped(bytes, work).await
    }

    /// [`Database::write`] for callers that may block.
    pub(super) fn write_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        self.writer()?.grouped_blocking(0, work)
    }

    /// Reads for callers that may block, after every write that was begun before.
    pub(super) fn read_blocking<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        match &self.writer {
            Some(writer) => writer.grouped_blocking(0, work),
            None => self.readers.read_blocking(&work),
        }
    }

    /// Gives a step's worth of freed pages back, and lets other writes in.
    pub(super) async fn give_back(&self) -> Result<()> {
        self.writer()?.alone(|conn| Ok(give_back(conn)?)).await.map(drop)
    }

    /// Makes sure that what was deleted is in none of the files any more. While some reader still
    /// looks at older pages that cannot be, and after a wait the caller is told to come again.
    pub(super) async fn forget(&self) -> Result<()> {
        let deadline = Instant::now() + self.erase_wait;
        let busy_timeout = self.busy_timeout;
        loop {
            let truncated = self.writer()?.alone(move |conn| truncate_wal(conn, busy_timeout)).await?;
            if truncated {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(PortError::unavailable(format!(
                    "erased rows are still in the log of {} because a reader holds it; \
                     they go when the erasure is repeated after that reader ends",
                    self.path.display()
                )));
            }
            tokio::time::sleep(TRUNCATE_PAUSE).await;
        }
    }

    fn writer(&self) -> Result<&Writer> {
        self.writer
            .as_ref()
            .ok_or_else(|| PortError::refused(format!("{} is open for reading only", self.path.display())))
    }
}

/// Copies the whole log into the database and cuts it to nothing. `false`: readers are in the way.
fn truncate_wal(conn: &Connection, busy_timeout: Duration) -> SqlResult<bool> {
    conn.busy_timeout(TRUNCATE_WAIT)?;
    let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    conn.busy_timeout(busy_timeout)?;
    Ok(busy? == 0)
}
