//! `replay_archive`: one row an object, the one of the greatest generation.

use replay_core::archive::{ArchiveRow, decode_index, encode_index};
use replay_core::identity::SessionKey;
use replay_ports::ArchiveFilter;
use rusqlite::{Connection, Row, named_params, params};

use super::columns::{self, bound, count, int, uint, unreadable};
use super::failure::SqlResult;

/// Writes a row unless a greater generation of the object is there.
pub(super) fn put(conn: &Connection, row: &ArchiveRow) -> SqlResult<()> {
    let header = &row.header;
    let first = row.index.iter().map(|entry| entry.key.timestamp_start_ms).min().unwrap_or(0);
    let last = row.index.iter().map(|entry| entry.timestamp_end_ms).max().unwrap_or(0);
    conn.prepare_cached(
        "INSERT INTO replay_archive (project_id, session_id, object_key, generation, codec,
             first_moved_at, expires_at, object_size, sha256, chunk_count, timestamp_start,
             timestamp_end, chunk_list)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT DO UPDATE SET generation = excluded.generation, codec = excluded.codec,
             first_moved_at = excluded.first_moved_at, expires_at = excluded.expires_at,
             object_size = excluded.object_size, sha256 = excluded.sha256,
             chunk_count = excluded.chunk_count, timestamp_start = excluded.timestamp_start,
             timestamp_end = excluded.timestamp_end, chunk_list = excluded.chunk_list
         WHERE excluded.generation >= generation",
    )?
    .execute(params![
        header.session.project_id.as_str(),
        header.session.session_id.to_string(),
        row.object_key,
        int(header.generation, "generation")?,
        header.codec.as_str(),
        int(header.first_moved_at_ms, "first_moved_at")?,
        int(header.expires_at_ms, "expires_at")?,
        int(row.object_size, "object_size")?,
        row.sha256,
        count(row.index.len()),
        int(first, "timestamp_start")?,
        int(last, "timestamp_end")?,
        encode_index(header, &row.index),
    ])?;
    Ok(())
}

/// The rows of a session.
pub(super) fn of_session(conn: &Connection, session: &SessionKey) -> SqlResult<Vec<ArchiveRow>> {
    let mut statement = conn.prepare_cached(
        "SELECT * FROM replay_archive WHERE project_id = ?1 AND session_id = ?2 ORDER BY object_key",
    )?;
    let mut rows = statement.query(params![session.project_id.as_str(), session.session_id.to_string()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(archive_row(row)?);
    }
    Ok(found)
}

/// A page of rows.
pub(super) fn list(
    conn: &Connection,
    filter: &ArchiveFilter,
    after: Option<(&SessionKey, &str)>,
    limit: usize,
) -> SqlResult<Vec<ArchiveRow>> {
    let span = columns::span(filter.project_id.as_ref(), after.map(|(session, _)| session));
    let mut statement = conn.prepare_cached(
        "SELECT * FROM replay_archive
         WHERE (project_id, session_id, object_key) > (:after_project, :after_session, :after_key)
           AND project_id <= :last_project
           AND (:until IS NULL OR expires_at <= :until)
         ORDER BY project_id, session_id, object_key LIMIT :limit",
    )?;
    let mut rows = statement.query(named_params! {
        ":after_project": span.after_project,
        ":after_session": span.after_session,
        ":after_key": after.map_or("", |(_, key)| key),
        ":last_project": span.last_project,
        ":until": filter.expires_until_ms.map(bound),
        ":limit": count(limit),
    })?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(archive_row(row)?);
    }
    Ok(page)
}

/// Deletes an object's row unless it is of a later generation.
pub(super) fn delete(
    conn: &Connection,
    session: &SessionKey,
    object_key: &str,
    generation: u64,
) -> SqlResult<()> {
    conn.prepare_cached(
        "DELETE FROM replay_archive
         WHERE project_id = ?1 AND session_id = ?2 AND object_key = ?3 AND generation <= ?4",
    )?
    .execute(params![
        session.project_id.as_str(),
        session.session_id.to_string(),
        object_key,
        bound(generation)
    ])?;
    Ok(())
}

/// The blob says all but where the object lies and how large it is; the columns are for listing.
fn archive_row(row: &Row<'_>) -> SqlResult<ArchiveRow> {
    let object_key: String = row.get("object_key")?;
    let blob: Vec<u8> = row.get("chunk_list")?;
    let (header, index) = decode_index(&blob).map_err(|_| unreadable("chunk_list of", &object_key))?;
    let (object_size, sha256) = (uint(row, "object_size")?, row.get("sha256")?);
    Ok(ArchiveRow { header, object_key, object_size, sha256, index })
}
