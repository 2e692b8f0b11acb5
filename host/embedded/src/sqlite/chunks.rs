//! `replay_chunks`: physical copies, one a row; `replay_live` shows those that were not deleted.

use bytes::Bytes;
use replay_core::identity::{ChunkKey, SessionKey};
use replay_core::row::{ChunkMeta, ChunkRow, CopyId};
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_core::winner::{ContentHash, Version};
use replay_ports::InsertReport;
use rusqlite::{Connection, Row, params};

use super::columns::{self, bound, int, uint, uint32};
use super::doomed;
use super::failure::SqlResult;
use super::marks;
use super::padding::{Padding, RowLen};

/// Rows that one step of an erasure deletes at most, and the bytes after which it stops: the write
/// lock is never held for long.
const ERASE_STEP_ROWS: usize = 512;
const ERASE_STEP_BYTES: u64 = 32 << 20;

const INSERT: &str = "
INSERT INTO replay_chunks (project_id, session_id, chunk_index, timestamp_start, timestamp_end,
    data_size, compressed_size, event_count, has_full_snapshot, chunk_date, received_at, codec,
    version, content_hash, lead, data, tail)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, zeroblob(?15), ?16, zeroblob(?17))
ON CONFLICT (project_id, session_id, timestamp_start, chunk_index, content_hash, chunk_date)
DO UPDATE SET received_at = max(received_at, excluded.received_at),
              version = max(version, excluded.version)
WHERE excluded.received_at > received_at OR excluded.version > version";

const META: &str = "project_id, session_id, chunk_index, timestamp_start, timestamp_end, data_size, \
    compressed_size, event_count, has_full_snapshot, received_at, codec, version, content_hash";

pub(super) const THIS_COPY: &str = "project_id = ?1 AND session_id = ?2 AND timestamp_start = ?3 \
    AND chunk_index = ?4 AND content_hash = ?5 AND chunk_date = ?6";

/// Inserts the rows that no tombstone covers.
///
/// The same bytes under a greater version (the chain's revision rose and changed nothing) are the
/// same physical copy, which takes the greater version: so the winner stays a function of the set.
pub(super) fn insert(conn: &Connection, rows: &[ChunkRow]) -> SqlResult<InsertReport> {
    let mut report = InsertReport::default();
    let mut marks = marks::Seen::default();
    let mut statement = conn.prepare_cached(INSERT)?;
    let stored_again = doomed::StoredAgain::begin(conn)?;
    for (position, row) in rows.iter().enumerate() {
        let meta = &row.meta;
        if marks.erased(conn, &meta.session(), meta.received_at_ms)? {
            report.tombstoned.push(position);
            continue;
        }
        let (project_id, session_id) = (meta.project_id.as_str(), meta.session_id.to_string());
        let chunk_date = meta.chunk_date().to_string();
        let timestamp_start = int(meta.key.timestamp_start_ms, "timestamp_start")?;
        let timestamp_end = int(meta.timestamp_end_ms, "timestamp_end")?;
        let data_size = int(meta.data_size, "data_size")?;
        let compressed_size = int(meta.compressed_size, "compressed_size")?;
        let received_at = int(meta.received_at_ms, "received_at")?;
        let version = int(meta.version.as_u64(), "version")?;
        let content_hash = meta.content_hash.0.cast_signed();
        let length =
            RowLen::new(18).text(project_id).text(&session_id).text(&chunk_date).text(meta.codec.as_str());
        let length =
            [timestamp_start, timestamp_end, data_size, compressed_size, received_at, version, content_hash]
                .into_iter()
                .chain([i64::from(meta.key.chunk_index), i64::from(meta.event_count)])
                .fold(length, RowLen::int);
        let padding = Padding::of(length, row.data.len());
        stored_again.make_room(conn, project_id, &session_id, &meta.copy_id())?;
        statement.execute(params![
            project_id,
            session_id,
            meta.key.chunk_index,
            timestamp_start,
            timestamp_end,
            data_size,
            compressed_size,
            meta.event_count,
            meta.has_full_snapshot,
            chunk_date,
            received_at,
            meta.codec.as_str(),
            version,
            content_hash,
            columns::count(padding.lead),
            row.data.as_ref(),
            columns::count(padding.tail),
        ])?;
    }
    Ok(report)
}

/// Every copy of a session, in order of play.
pub(super) fn copies(conn: &Connection, session: &SessionKey) -> SqlResult<Vec<ChunkMeta>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {META} FROM replay_live WHERE project_id = ?1 AND session_id = ?2
         ORDER BY timestamp_start, chunk_index, content_hash, chunk_date"
    ))?;
    let mut rows = statement.query(params![session.project_id.as_str(), session.session_id.to_string()])?;
    let mut copies = Vec::new();
    while let Some(row) = rows.next()? {
        copies.push(meta(row)?);
    }
    Ok(copies)
}

/// Those of the named copies that are there.
pub(super) fn read(conn: &Connection, session: &SessionKey, copies: &[CopyId]) -> SqlResult<Vec<ChunkRow>> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {META}, data FROM replay_live WHERE {THIS_COPY}"))?;
    let (project_id, session_id) = (session.project_id.as_str(), session.session_id.to_string());
    let mut found = Vec::new();
    for copy in copies {
        let Some((start, index, hash, date)) = copy_columns(copy) else { continue };
        let mut rows = statement.query(params![project_id, session_id, start, index, hash, date])?;
        if let Some(row) = rows.next()? {
            let data: Vec<u8> = row.get("data")?;
            found.push(ChunkRow { meta: meta(row)?, data: Bytes::from(data) });
        }
    }
    Ok(found)
}

/// One step of an erasure: how many rows went, and their stored bytes. Nothing left: no rows. Rows that
/// were deleted before and still lie on the disk go with the others.
pub(super) fn erase_step(conn: &Connection, tombstone: &Tombstone) -> SqlResult<(u64, u64)> {
    let (condition, project_id, other) = covered(tombstone);
    let mut doomed = Vec::new();
    let mut bytes = 0;
    {
        let mut statement = conn.prepare_cached(&format!(
            "SELECT id, compressed_size FROM replay_chunks WHERE {condition} LIMIT {ERASE_STEP_ROWS}"
        ))?;
        let mut rows = statement.query(params![project_id, other])?;
        while let Some(row) = rows.next()?
            && bytes < ERASE_STEP_BYTES
        {
            doomed.push(row.get::<_, i64>("id")?);
            bytes += uint(row, "compressed_size")?;
        }
    }
    doomed::overwrite(conn, &doomed)?;
    Ok((doomed.len() as u64, bytes))
}

/// How many copies the tombstone covers.
pub(super) fn count_erasable(conn: &Connection, tombstone: &Tombstone) -> SqlResult<u64> {
    let (condition, project_id, other) = covered(tombstone);
    let mut statement =
        conn.prepare_cached(&format!("SELECT count(*) AS covered FROM replay_chunks WHERE {condition}"))?;
    let mut rows = statement.query(params![project_id, other])?;
    rows.next()?.map_or(Ok(0), |row| uint(row, "covered"))
}

/// `Tombstone::covers` as a condition on `?1` and `?2`.
fn covered(tombstone: &Tombstone) -> (&'static str, String, rusqlite::types::Value) {
    let project_id = tombstone.scope.project_id().as_str().to_owned();
    match &tombstone.scope {
        EraseScope::Session(key) => {
            ("project_id = ?1 AND session_id = ?2", project_id, key.session_id.to_string().into())
        }
        EraseScope::Project(_) => {
            ("project_id = ?1 AND received_at <= ?2", project_id, bound(tombstone.erased_at_ms).into())
        }
    }
}

/// The columns that name a copy, or `None` if no row can be it.
pub(super) fn copy_columns(copy: &CopyId) -> Option<(i64, u32, i64, String)> {
    let start = i64::try_from(copy.key.timestamp_start_ms).ok()?;
    Some((start, copy.key.chunk_index, copy.content_hash.0.cast_signed(), copy.chunk_date.to_string()))
}

fn meta(row: &Row<'_>) -> SqlResult<ChunkMeta> {
    Ok(ChunkMeta {
        project_id: columns::project_id(row)?,
        session_id: columns::session_id(row)?,
        key: ChunkKey {
            timestamp_start_ms: uint(row, "timestamp_start")?,
            chunk_index: uint32(row, "chunk_index")?,
        },
        timestamp_end_ms: uint(row, "timestamp_end")?,
        received_at_ms: uint(row, "received_at")?,
        codec: columns::codec(row)?,
        data_size: uint(row, "data_size")?,
        compressed_size: uint(row, "compressed_size")?,
        event_count: uint32(row, "event_count")?,
        has_full_snapshot: row.get("has_full_snapshot")?,
        version: Version::from_u64(uint(row, "version")?),
        content_hash: ContentHash(row.get::<_, i64>("content_hash")?.cast_unsigned()),
    })
}
