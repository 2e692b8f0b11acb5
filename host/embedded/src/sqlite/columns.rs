//! Between our types and SQLite's columns.

use replay_core::identity::{ProjectId, SessionId, SessionKey};
use replay_core::row::Codec;
use replay_ports::PortError;
use rusqlite::Row;

use super::failure::SqlResult;

/// An unsigned number for a signed column; what does not fit is refused as this row's fault.
pub(super) fn int(value: u64, column: &str) -> SqlResult<i64> {
    i64::try_from(value)
        .map_err(|_| PortError::rejected(format!("{column} {value} is over {}", i64::MAX)).into())
}

/// A bound to compare with: what is over every stored number is as good as the greatest.
pub(super) fn bound(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count or a page size.
pub(super) fn count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads what [`int`] wrote.
pub(super) fn uint(row: &Row<'_>, column: &str) -> SqlResult<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| unreadable(column, value))
}

/// Reads a 32-bit number.
pub(super) fn uint32(row: &Row<'_>, column: &str) -> SqlResult<u32> {
    let value: i64 = row.get(column)?;
    u32::try_from(value).map_err(|_| unreadable(column, value))
}

/// Reads a project id.
pub(super) fn project_id(row: &Row<'_>) -> SqlResult<ProjectId> {
    let text: String = row.get("project_id")?;
    ProjectId::new(&text).ok_or_else(|| unreadable("project_id", text))
}

/// Reads a session id.
pub(super) fn session_id(row: &Row<'_>) -> SqlResult<SessionId> {
    let text: String = row.get("session_id")?;
    SessionId::parse(&text).ok_or_else(|| unreadable("session_id", text))
}

/// Reads a session's key.
pub(super) fn session(row: &Row<'_>) -> SqlResult<SessionKey> {
    Ok(SessionKey { project_id: project_id(row)?, session_id: session_id(row)? })
}

/// Where a page of sessions begins and ends, as bounds of an index.
pub(super) struct Span {
    /// Rows come after this project …
    pub(super) after_project: String,
    /// … and, within it, after this session.
    pub(super) after_session: String,
    /// Rows are of this project or one before.
    pub(super) last_project: String,
}

/// The bounds of a page after a session, of one project or of all.
pub(super) fn span(project: Option<&ProjectId>, after: Option<&SessionKey>) -> Span {
    let text = |id: &ProjectId| id.as_str().to_owned();
    let given = after.map(|key| (text(&key.project_id), key.session_id.to_string()));
    // No session id is empty, so this is just before the project's first.
    let first = project.map(|id| (text(id), String::new()));
    let (after_project, after_session) = given.max(first).unwrap_or_default();
    // A tilde sorts behind every character of a project id.
    Span { after_project, after_session, last_project: project.map_or("~".into(), text) }
}

/// Reads a codec.
pub(super) fn codec(row: &Row<'_>) -> SqlResult<Codec> {
    let text: String = row.get("codec")?;
    Codec::from_name(&text).ok_or_else(|| unreadable("codec", text))
}

/// A stored value that this build never writes.
pub(super) fn unreadable(column: &str, value: impl std::fmt::Display) -> super::failure::Failure {
    PortError::refused(format!(
        "the database holds {column} {value}, which this build cannot read; was it written by a newer one?"
    ))
    .into()
}
