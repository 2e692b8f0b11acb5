//! The readers: a bounded set of read connections beside the writer, or a visitor's look at a
//! database that another process may be writing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use replay_ports::{PortError, Result};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::{Failure, SqlResult};
use super::open::{Reading, missing, open_reader};
use super::schema::Schema;

/// How often a visitor looks again when a writer came or went meanwhile.
const LOOKS: u32 = 5;

/// Where reads come from. Every read sees one state of the database.
pub(super) struct Readers {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
}

struct Shared {
    path: PathBuf,
    schema: &'static Schema,
    busy_timeout: Duration,
    /// Connections that wait for the next read, or `None` for a visitor, who keeps none.
    idle: Option<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Readers of the process that writes: `count` connections at most, opened when needed.
    pub(super) fn beside_writer(
        path: &Path,
        schema: &'static Schema,
        count: usize,
        busy_timeout: Duration,
    ) -> Self {
        let idle = Some(Mutex::new(Vec::new()));
        Self::new(Shared { path: path.to_owned(), schema, busy_timeout, idle }, count)
    }

    /// A visitor: refuses at once if there is nothing that this build can read.
    pub(super) fn visitor(path: &Path, schema: &'static Schema, busy_timeout: Duration) -> Result<Self> {
        let shared = Shared { path: path.to_owned(), schema, busy_timeout, idle: None };
        shared.visit(&|_: &Connection| Ok(())).map_err(|failure| failure.into_port(path))?;
        Ok(Self::new(shared, 4))
    }

    fn new(shared: Shared, count: usize) -> Self {
        Self { shared: Arc::new(shared), slots: Arc::new(Semaphore::new(count.max(1))) }
    }

    /// Runs `work`, which may be run again, on a connection of a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| PortError::unavailable("the readers have stopped"))?;
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || {
            let result = shared.read(&work);
            drop(slot);
            result
        });
        read.await.unwrap_or_else(|error| Err(PortError::unavailable(format!("a read ended early: {error}"))))
    }

    /// The same for callers outside async code.
    pub(super) fn read_blocking<T>(&self, work: &dyn Fn(&Connection) -> SqlResult<T>) -> Result<T> {
        self.shared.read(work)
    }
}

impl Shared {
    fn read<T>(&self, work: &dyn Fn(&Connection) -> SqlResult<T>) -> Result<T> {
        let result = match &self.idle {
            Some(idle) => self.pooled(idle, work),
            None => self.visit(work),
        };
        result.map_err(|failure| failure.into_port(&self.path))
    }

    fn pooled<T>(
        &self,
        idle: &Mutex<Vec<Connection>>,
        work: &dyn Fn(&Connection) -> SqlResult<T>,
    ) -> SqlResult<T> {
        let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match kept {
            Some(conn) => conn,
            None => open_reader(&self.path, self.schema, Reading::Shared, self.busy_timeout)?,
        };
        let result = snapshot(&conn, work);
        // After an error the connection is not worth its doubts.
        if result.is_ok() {
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
        result
    }

    /// Reads without making a file. Where there is no WAL nobody has the database open, and it is
    /// read as a plain file; should a writer have come meanwhile, the read is repeated beside it.
    fn visit<T>(&self, work: &dyn Fn(&Connection) -> SqlResult<T>) -> SqlResult<T> {
        for _ in 0..LOOKS {
            let before = self.look()?;
            let reading = if before.wal { Reading::Shared } else { Reading::Alone };
            let result = open_reader(&self.path, self.schema, reading, self.busy_timeout)
                .and_then(|conn| snapshot(&conn, work));
            // Beside a writer SQLite's own locks hold; only the start of one is a surprise, and
            // its end, when the WAL is gone before it could be opened.
            if (before.wal && result.is_ok()) || self.look()? == before {
                return result;
            }
        }
        Err(PortError::unavailable(format!(
            "the service that writes {} keeps starting and stopping; try again",
            self.path.display()
        ))
        .into())
    }

    fn look(&self) -> SqlResult<Look> {
        let meta = std::fs::metadata(&self.path).map_err(|error| {
            Failure::Port(if error.kind() == std::io::ErrorKind::NotFound {
                missing(&self.path, self.schema)
            } else {
                PortError::refused(format!("cannot read {}: {error}", self.path.display()))
            })
        })?;
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        Ok(Look { wal: Path::new(&wal).exists(), size: meta.len(), modified: meta.modified().ok() })
    }
}

/// What the files look like from outside.
#[derive(PartialEq, Eq)]
struct Look {
    wal: bool,
    size: u64,
    modified: Option<SystemTime>,
}

fn snapshot<T>(conn: &Connection, work: &dyn Fn(&Connection) -> SqlResult<T>) -> SqlResult<T> {
    let transaction = conn.unchecked_transaction()?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}
