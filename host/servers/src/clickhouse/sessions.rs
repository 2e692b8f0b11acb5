//! Sessions as `replay_chunks` shows them: summaries over winners, and ages over all copies.
//!
//! A page is found by reading in the order of the table until it is full; only then the page's
//! sessions are summed up. A chunk's start is part of its identity, so that no loser can bring a
//! session in or keep one out.

use clickhouse::Row;
use replay_core::identity::SessionKey;
use replay_core::time::Day;
use replay_ports::{Result, SessionAge, SessionFilter, SessionSummary};
use serde::Deserialize;
use uuid::Uuid;

use super::rows::unmillis;
use super::server::Server;
use super::sql::{self, SESSION_ORDER};

const TABLE: &str = "replay_chunks";

/// Sessions that one question names.
const ASK_SESSIONS: usize = 500;

/// A page of sessions that match.
pub(super) async fn list(
    server: &Server,
    filter: &SessionFilter,
    after: Option<&SessionKey>,
    limit: usize,
) -> Result<Vec<SessionSummary>> {
    let table = server.names.table(TABLE);
    let mut condition = sql::after_session(filter.project_id.as_ref(), after);
    let since = filter.since_ms.map(|since| format!("timestamp_start >= {}", sql::moment(since)));
    let until = filter.until_ms.map(|until| format!("timestamp_start < {}", sql::moment(until)));
    match (since, until) {
        // Not of one chunk: a session may have the one before the time asked for, and the other after.
        (Some(since), Some(until)) => condition.push_str(&format!(
            " AND {since} AND ({SESSION_ORDER}) IN (SELECT {SESSION_ORDER} FROM {table} WHERE {condition} AND {until})"
        )),
        (Some(bound), None) | (None, Some(bound)) => condition.push_str(&format!(" AND {bound}")),
        (None, None) => {}
    }
    let mut summaries = Vec::new();
    for step in page(server, &condition, limit).await?.chunks(ASK_SESSIONS) {
        let sql = format!(
            "SELECT project_id, session_id, min(timestamp_start) AS first, max(timestamp_end) AS last, \
                 count() AS chunks, sum(event_count) AS events, sum(data_size) AS raw_bytes, \
                 sum(compressed_size) AS stored_bytes, max(has_full_snapshot) AS snapshot, \
                 max(received_at) AS received \
             FROM (SELECT project_id, session_id, timestamp_start, chunk_index, timestamp_end, event_count, \
                       data_size, compressed_size, has_full_snapshot, received_at \
                   FROM {table} WHERE {} \
                   ORDER BY version DESC, content_hash DESC, received_at DESC \
                   LIMIT 1 BY project_id, session_id, timestamp_start, chunk_index) \
             GROUP BY project_id, session_id ORDER BY {SESSION_ORDER}",
            sql::among_sessions(step.iter())
        );
        let sums: Vec<Sum> = server.rows("sum sessions up", &sql).await?;
        for sum in sums {
            summaries.push(sum.read(server)?);
        }
    }
    Ok(summaries)
}

/// A page of sessions whose oldest copy was received before `before_ms`.
pub(super) async fn ages(
    server: &Server,
    before_ms: u64,
    after: Option<&SessionKey>,
    limit: usize,
) -> Result<Vec<SessionAge>> {
    // The oldest copy is before the moment exactly when any is. The day leaves younger parts unread.
    let condition = format!(
        "{} AND received_at < {} AND chunk_date <= '{}'",
        sql::after_session(None, after),
        sql::moment(before_ms),
        Day::of(before_ms).min(sql::LAST_DAY)
    );
    let mut found = Vec::new();
    for step in page(server, &condition, limit).await?.chunks(ASK_SESSIONS) {
        let sql = format!(
            "SELECT project_id, session_id, min(received_at) AS oldest, max(received_at) AS newest FROM {} \
             WHERE {} GROUP BY project_id, session_id ORDER BY {SESSION_ORDER}",
            server.names.table(TABLE),
            sql::among_sessions(step.iter())
        );
        let ages: Vec<Age> = server.rows("look at ages", &sql).await?;
        for age in ages {
            found.push(SessionAge {
                session: key(&age.project_id, age.session_id, server)?,
                oldest_received_at_ms: unmillis(age.oldest, "received_at", server)?,
                newest_received_at_ms: unmillis(age.newest, "received_at", server)?,
            });
        }
    }
    Ok(found)
}

/// The next sessions that have a row of the condition, in order.
pub(super) async fn page(server: &Server, condition: &str, limit: usize) -> Result<Vec<SessionKey>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT project_id, session_id FROM {} WHERE {condition} ORDER BY {SESSION_ORDER} \
         LIMIT 1 BY project_id, session_id LIMIT {limit}",
        server.names.table(TABLE)
    );
    let keys: Vec<Key> = server.rows("page through sessions", &sql).await?;
    keys.into_iter().map(|found| key(&found.project_id, found.session_id, server)).collect()
}

fn key(project_id: &str, session_id: Uuid, server: &Server) -> Result<SessionKey> {
    sql::session_key(project_id, session_id).ok_or_else(|| server.unreadable("project_id or session_id"))
}

#[derive(Row, Deserialize)]
struct Key {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
}

#[derive(Row, Deserialize)]
struct Age {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    oldest: i64,
    newest: i64,
}

#[derive(Row, Deserialize)]
struct Sum {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    first: i64,
    last: i64,
    chunks: u64,
    events: u64,
    raw_bytes: u64,
    stored_bytes: u64,
    snapshot: bool,
    received: i64,
}

impl Sum {
    fn read(self, server: &Server) -> Result<SessionSummary> {
        Ok(SessionSummary {
            session: key(&self.project_id, self.session_id, server)?,
            timestamp_start_ms: unmillis(self.first, "timestamp_start", server)?,
            timestamp_end_ms: unmillis(self.last, "timestamp_end", server)?,
            chunk_count: self.chunks,
            event_count: self.events,
            data_size: self.raw_bytes,
            compressed_size: self.stored_bytes,
            has_full_snapshot: self.snapshot,
            received_at_ms: unmillis(self.received, "received_at", server)?,
        })
    }
}
