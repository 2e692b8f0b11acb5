//! `replay_tombstones` and `replay_audit`: what was erased, by whom.

use std::collections::BTreeMap;

use replay_core::identity::{SessionId, SessionKey};
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::AuditEntry;
use rusqlite::{Connection, Row, params};

use super::columns::{bound, count, int, project_id, uint, unreadable};
use super::failure::SqlResult;

/// What stands in the column `session_id` when a whole project was erased.
const WHOLE_PROJECT: &str = "";

/// The tombstones that one batch of rows met, looked up once a session.
#[derive(Default)]
pub(super) struct Seen(BTreeMap<SessionKey, Vec<Tombstone>>);

impl Seen {
    /// Whether a chunk is erased, as this very transaction sees it.
    pub(super) fn erased(
        &mut self,
        conn: &Connection,
        session: &SessionKey,
        received_at_ms: u64,
    ) -> SqlResult<bool> {
        if !self.0.contains_key(session) {
            self.0.insert(session.clone(), of_session(conn, session)?);
        }
        let marks = self.0.get(session).map(Vec::as_slice).unwrap_or_default();
        Ok(marks.iter().any(|mark| mark.covers(session, received_at_ms)))
    }
}

/// Writes a tombstone; a later one of the same scope replaces an earlier one.
pub(super) fn put(conn: &Connection, tombstone: &Tombstone) -> SqlResult<()> {
    let session_id = tombstone.scope.session_id().map_or(WHOLE_PROJECT.to_owned(), |id| id.to_string());
    conn.prepare_cached(
        "INSERT INTO replay_tombstones (project_id, session_id, erased_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET erased_at = max(erased_at, excluded.erased_at)",
    )?
    .execute(params![
        tombstone.scope.project_id().as_str(),
        session_id,
        int(tombstone.erased_at_ms, "erased_at")?
    ])?;
    Ok(())
}

/// The session's tombstone and its project's.
pub(super) fn of_session(conn: &Connection, session: &SessionKey) -> SqlResult<Vec<Tombstone>> {
    let mut statement = conn.prepare_cached(
        "SELECT project_id, session_id, erased_at FROM replay_tombstones
         WHERE project_id = ?1 AND session_id IN (?2, ?3)",
    )?;
    let session_id = session.session_id.to_string();
    let mut rows = statement.query(params![session.project_id.as_str(), session_id, WHOLE_PROJECT])?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next()? {
        marks.push(tombstone(row)?);
    }
    Ok(marks)
}

/// Every tombstone, oldest first.
pub(super) fn all(conn: &Connection) -> SqlResult<Vec<Tombstone>> {
    let mut statement = conn.prepare_cached(
        "SELECT project_id, session_id, erased_at FROM replay_tombstones
         ORDER BY erased_at, project_id, session_id",
    )?;
    let mut rows = statement.query([])?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next()? {
        marks.push(tombstone(row)?);
    }
    Ok(marks)
}

/// Forgets tombstones of erasures before `before_ms`.
pub(super) fn forget(conn: &Connection, before_ms: u64) -> SqlResult<u64> {
    let mut statement = conn.prepare_cached("DELETE FROM replay_tombstones WHERE erased_at < ?1")?;
    Ok(statement.execute([bound(before_ms)])? as u64)
}

/// Adds to the audit trail.
pub(super) fn append_audit(conn: &Connection, entry: &AuditEntry) -> SqlResult<()> {
    conn.prepare_cached(
        "INSERT INTO replay_audit (at, actor, action, target, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        int(entry.at_ms, "at")?,
        entry.actor,
        entry.action,
        entry.target,
        int(entry.bytes, "bytes")?
    ])?;
    Ok(())
}

/// The newest entries, newest first.
pub(super) fn list_audit(conn: &Connection, limit: usize) -> SqlResult<Vec<AuditEntry>> {
    let mut statement = conn.prepare_cached(
        "SELECT at, actor, action, target, bytes FROM replay_audit ORDER BY at DESC, id DESC LIMIT ?1",
    )?;
    let mut rows = statement.query([count(limit)])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(AuditEntry {
            at_ms: uint(row, "at")?,
            actor: row.get("actor")?,
            action: row.get("action")?,
            target: row.get("target")?,
            bytes: uint(row, "bytes")?,
        });
    }
    Ok(entries)
}

fn tombstone(row: &Row<'_>) -> SqlResult<Tombstone> {
    let (project_id, session_id) = (project_id(row)?, row.get::<_, String>("session_id")?);
    let scope = if session_id == WHOLE_PROJECT {
        EraseScope::Project(project_id)
    } else {
        let session_id =
            SessionId::parse(&session_id).ok_or_else(|| unreadable("session_id", &session_id))?;
        EraseScope::Session(SessionKey { project_id, session_id })
    };
    Ok(Tombstone { scope, erased_at_ms: uint(row, "erased_at")? })
}
