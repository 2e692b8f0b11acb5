//! SQLite as hot store and dead-letter table: one writer thread, a few readers, files that forget.
//!
//! `replays.sqlite` holds the tables of the hot store and the consumer offsets; `dead.sqlite` holds the
//! dead letters, apart, because they are unredacted. Both are WAL databases with
//! `synchronous=FULL` and `secure_delete=ON`. A write is answered once its commit is on the disk;
//! writes that queue up share one commit (`writer`).
//!
//! Erased bytes leave the files: `secure_delete` zeroes freed pages, `padding` keeps payload out
//! of the pages where that is not enough, and an erasure ends with a checkpoint that truncates the
//! WAL (`database`). Rows that were moved are hidden at once and leave when the writer is idle (`doomed`).

mod archive_rows;
mod chunks;
mod columns;
mod database;
mod dead;
mod dead_rows;
mod doomed;
mod failure;
mod hot;
mod marks;
mod offsets;
mod open;
mod padding;
mod readers;
mod schema;
mod sessions;
mod writer;

use std::time::Duration;

pub use dead::SqliteDeadLetters;
pub use hot::SqliteHot;
pub use offsets::SqliteOffsets;
pub use schema::replays_schema;

/// How a database is opened. The defaults suit a service on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// Read connections, at least 1. Default 4.
    pub readers: usize,
    /// Writes that may wait for the writer before callers do, at least 1. Default 64.
    pub queued_writes: usize,
    /// How long to wait for another process's lock. Default 5 s.
    pub busy_timeout: Duration,
    /// How long an erasure waits for readers to let go of old pages before it reports
    /// `Unavailable`. Default 10 s.
    pub erase_wait: Duration,
    /// Stored bytes of moved chunks that may wait on the disk until the writer is idle. Default 256 MiB.
    pub deleted_bytes: u64,
    /// The largest size of the database file in bytes; beyond it writes are `Unavailable`.
    /// Default: no limit but the disk.
    pub max_bytes: Option<u64>,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            readers: 4,
            queued_writes: 64,
            busy_timeout: Duration::from_secs(5),
            erase_wait: Duration::from_secs(10),
            deleted_bytes: 256 << 20,
            max_bytes: None,
        }
    }
}
