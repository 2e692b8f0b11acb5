//! `replay_doomed`: rows that were deleted, that no read shows, and whose bytes are still on the disk.
//!
//! A deletion with `secure_delete` writes every byte of a row twice more, once to the log and once to
//! the file: a move would take twice as long, and every insert behind it would wait. So a deletion only
//! lists rows here; the writer overwrites them when nobody asks for anything, and a deletion that finds
//! more than a bound does it itself. An erasure waits for none of that: it overwrites what it covers,
//! listed or not.

use replay_core::identity::SessionKey;
use replay_core::row::CopyId;
use replay_core::tombstone::EraseScope;
use rusqlite::{Connection, params};

use super::chunks::{THIS_COPY, copy_columns};
use super::columns::uint;
use super::failure::SqlResult;

/// Rows that one step overwrites at most, and the bytes after which it stops: the write lock is never
/// held for long.
const STEP_ROWS: usize = 256;
const STEP_BYTES: u64 = 8 << 20;

/// Deletes exactly the named copies, as far as reads can tell, and returns how many were there.
pub(super) fn doom(conn: &Connection, session: &SessionKey, copies: &[CopyId]) -> SqlResult<u64> {
    let mut statement = conn.prepare_cached(&format!(
        "INSERT OR IGNORE INTO replay_doomed (id, stored_bytes)
         SELECT id, compressed_size FROM replay_chunks WHERE {THIS_COPY}"
    ))?;
    let (project_id, session_id) = (session.project_id.as_str(), session.session_id.to_string());
    let mut deleted = 0;
    for copy in copies {
        let Some((start, index, hash, date)) = copy_columns(copy) else { continue };
        deleted += statement.execute(params![project_id, session_id, start, index, hash, date])? as u64;
    }
    Ok(deleted)
}

/// Stored bytes of all rows listed.
pub(super) fn bytes(conn: &Connection) -> SqlResult<u64> {
    let mut statement =
        conn.prepare_cached("SELECT coalesce(sum(stored_bytes), 0) AS bytes FROM replay_doomed")?;
    let mut rows = statement.query([])?;
    rows.next()?.map_or(Ok(0), |row| uint(row, "bytes"))
}

/// Overwrites some of the rows listed, those of `scope` if one is given. Whether there are more.
pub(super) fn overwrite_step(conn: &Connection, scope: Option<&EraseScope>) -> SqlResult<bool> {
    let project_id = scope.map(|scope| scope.project_id().as_str());
    let session_id = scope.and_then(EraseScope::session_id).map(|id| id.to_string());
    let mut ids = Vec::new();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id, stored_bytes FROM replay_doomed
         WHERE ?1 IS NULL OR id IN (SELECT id FROM replay_chunks
                                    WHERE project_id = ?1 AND (?2 IS NULL OR session_id = ?2))
         ORDER BY id LIMIT {}",
        STEP_ROWS + 1
    ))?;
    let mut rows = statement.query(params![project_id, session_id])?;
    let mut step_bytes = 0;
    let mut more = false;
    while let Some(row) = rows.next()? {
        if ids.len() == STEP_ROWS || step_bytes >= STEP_BYTES {
            more = true;
            break;
        }
        ids.push(row.get::<_, i64>("id")?);
        step_bytes += uint(row, "stored_bytes")?;
    }
    drop(rows);
    overwrite(conn, &ids)?;
    Ok(more)
}

/// Deletes rows so that their bytes are gone, once the log is truncated.
pub(super) fn overwrite(conn: &Connection, ids: &[i64]) -> SqlResult<()> {
    let mut row = conn.prepare_cached("DELETE FROM replay_chunks WHERE id = ?1")?;
    let mut entry = conn.prepare_cached("DELETE FROM replay_doomed WHERE id = ?1")?;
    for id in ids {
        row.execute([id])?;
        entry.execute([id])?;
    }
    Ok(())
}

/// Copies that are stored again after they were deleted: the old row goes, whatever it said, so that the
/// new one is all that is known.
pub(super) struct StoredAgain {
    any: bool,
}

impl StoredAgain {
    /// Looks whether any row is listed at all.
    pub(super) fn begin(conn: &Connection) -> SqlResult<Self> {
        let mut statement = conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM replay_doomed) AS present")?;
        let any = statement.query_row([], |row| row.get("present"))?;
        Ok(Self { any })
    }

    /// Before `copy` is stored: overwrites a row of it that is listed.
    pub(super) fn make_room(
        &self,
        conn: &Connection,
        project_id: &str,
        session_id: &str,
        copy: &CopyId,
    ) -> SqlResult<()> {
        let (true, Some((start, index, hash, date))) = (self.any, copy_columns(copy)) else { return Ok(()) };
        let mut statement = conn.prepare_cached(&format!(
            "SELECT id FROM replay_chunks JOIN replay_doomed USING (id) WHERE {THIS_COPY}"
        ))?;
        let mut rows = statement.query(params![project_id, session_id, start, index, hash, date])?;
        if let Some(row) = rows.next()? {
            overwrite(conn, &[row.get("id")?])?;
        }
        Ok(())
    }
}
