//! Where a source was read up to, in the file of the rows: an offset is never there before them.

use std::sync::Arc;

use replay_ports::Result;
use rusqlite::{OptionalExtension, params};

use super::columns::int;
use super::database::Database;

/// The committed offset of one partition of a source.
#[derive(Clone)]
pub struct SqliteOffsets {
    database: Arc<Database>,
    topic: String,
    partition: u32,
}

impl SqliteOffsets {
    pub(super) fn new(database: Arc<Database>, topic: &str, partition: u32) -> Self {
        Self { database, topic: topic.to_owned(), partition }
    }

    /// The offset to go on from, 0 if none was saved. Blocks.
    pub fn load(&self) -> Result<u64> {
        let (topic, partition) = (self.topic.clone(), self.partition);
        let next: Option<i64> = self.database.read_blocking(move |conn| {
            let sql = "SELECT next_offset FROM consumer_offsets WHERE topic = ?1 AND partition = ?2";
            Ok(conn.query_row(sql, params![&topic, partition], |row| row.get(0)).optional()?)
        })?;
        Ok(next.map_or(0, i64::cast_unsigned))
    }

    /// Saves the offset to go on from, after every write that was begun before. Durable when this
    /// returns. Blocks.
    pub fn save(&self, next: u64) -> Result<()> {
        let (topic, partition) = (self.topic.clone(), self.partition);
        self.database.write_blocking(move |conn| {
            conn.prepare_cached(
                "INSERT INTO consumer_offsets (topic, partition, next_offset) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
            )?
            .execute(params![topic, partition, int(next, "next_offset")?])?;
            Ok(())
        })
    }
}

impl std::fmt::Debug for SqliteOffsets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteOffsets")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

impl crate::log::OffsetStore for SqliteOffsets {
    fn load(&self) -> Result<u64> {
        Self::load(self)
    }

    fn save(&self, next: u64) -> Result<()> {
        Self::save(self, next)
    }
}
