//! Sessions as `replay_live` shows them: summaries over winners, and ages over all copies.

use replay_core::identity::SessionKey;
use replay_ports::{SessionAge, SessionFilter, SessionSummary};
use rusqlite::{Connection, named_params};

use super::columns::{self, bound, count, uint};
use super::failure::SqlResult;

/// The page of sessions, from the narrow index alone. A chunk's start is part of its identity, so
/// that no loser can bring a session in or keep one out.
const PAGE: &str = "
SELECT project_id, session_id FROM replay_live
WHERE (project_id, session_id) > (:after_project, :after_session)
  AND project_id <= :last_project
GROUP BY project_id, session_id
HAVING max(timestamp_start) >= :since AND (:until IS NULL OR min(timestamp_start) < :until)
ORDER BY project_id, session_id LIMIT :limit";

/// One session over its winners: greatest version, then greatest hash as the unsigned number it is,
/// as `replay_core::winner` decides. Copies of equal rank are equal but for their receipt.
const SUMMARY: &str = "
SELECT min(timestamp_start) AS timestamp_start, max(timestamp_end) AS timestamp_end,
       count(*) AS chunk_count, sum(event_count) AS event_count, sum(data_size) AS data_size,
       sum(compressed_size) AS compressed_size, max(has_full_snapshot) AS has_full_snapshot,
       max(received_at) AS received_at
FROM (SELECT timestamp_start, timestamp_end, event_count, data_size, compressed_size,
             has_full_snapshot, received_at,
             row_number() OVER (PARTITION BY timestamp_start, chunk_index
                 ORDER BY version DESC, content_hash < 0 DESC, content_hash DESC, received_at DESC
             ) AS place
      FROM replay_live WHERE project_id = :project AND session_id = :session)
WHERE place = 1";

/// From the index of ages alone.
const AGES: &str = "
SELECT project_id, session_id, min(received_at) AS oldest, max(received_at) AS newest
FROM replay_live
WHERE (project_id, session_id) > (:after_project, :after_session)
GROUP BY project_id, session_id
HAVING oldest < :before
ORDER BY project_id, session_id LIMIT :limit";

/// A page of sessions that match.
pub(super) fn list(
    conn: &Connection,
    filter: &SessionFilter,
    after: Option<&SessionKey>,
    limit: usize,
) -> SqlResult<Vec<SessionSummary>> {
    let span = columns::span(filter.project_id.as_ref(), after);
    let mut page = Vec::new();
    let mut statement = conn.prepare_cached(PAGE)?;
    let mut rows = statement.query(named_params! {
        ":after_project": span.after_project,
        ":after_session": span.after_session,
        ":last_project": span.last_project,
        ":since": filter.since_ms.map_or(0, bound),
        ":until": filter.until_ms.map(bound),
        ":limit": count(limit),
    })?;
    while let Some(row) = rows.next()? {
        page.push(columns::session(row)?);
    }
    let mut statement = conn.prepare_cached(SUMMARY)?;
    page.into_iter()
        .map(|session| {
            let mut rows = statement.query(named_params! {
                ":project": session.project_id.as_str(),
                ":session": session.session_id.to_string(),
            })?;
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            Ok(SessionSummary {
                timestamp_start_ms: uint(row, "timestamp_start")?,
                timestamp_end_ms: uint(row, "timestamp_end")?,
                chunk_count: uint(row, "chunk_count")?,
                event_count: uint(row, "event_count")?,
                data_size: uint(row, "data_size")?,
                compressed_size: uint(row, "compressed_size")?,
                has_full_snapshot: row.get("has_full_snapshot")?,
                received_at_ms: uint(row, "received_at")?,
                session,
            })
        })
        .collect()
}

/// A page of sessions whose oldest copy was received before `before_ms`.
pub(super) fn ages(
    conn: &Connection,
    before_ms: u64,
    after: Option<&SessionKey>,
    limit: usize,
) -> SqlResult<Vec<SessionAge>> {
    let span = columns::span(None, after);
    let mut statement = conn.prepare_cached(AGES)?;
    let mut rows = statement.query(named_params! {
        ":after_project": span.after_project,
        ":after_session": span.after_session,
        ":before": bound(before_ms),
        ":limit": count(limit),
    })?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(SessionAge {
            session: columns::session(row)?,
            oldest_received_at_ms: uint(row, "oldest")?,
            newest_received_at_ms: uint(row, "newest")?,
        });
    }
    Ok(page)
}
