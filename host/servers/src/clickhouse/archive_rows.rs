//! `replay_archive`: one row an object, the one of the greatest generation.

use clickhouse::Row;
use replay_core::archive::{ArchiveRow, decode_index, encode_index};
use replay_core::identity::SessionKey;
use replay_ports::{ArchiveFilter, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rows::{blob, millis};
use super::server::{Server, Wait};
use super::sql::{self, SESSION_ORDER};

const TABLE: &str = "replay_archive";

/// Sessions, or rows, that one question names: each brings an index of some 100 bytes a chunk.
const ASK_ROWS: usize = 200;

#[derive(Row, Serialize)]
struct NewRow {
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    project_id: String,
    object_key: String,
    generation: u64,
    codec: String,
    first_moved_at: i64,
    expires_at: i64,
    object_size: u64,
    #[serde(with = "blob")]
    sha256: Vec<u8>,
    chunk_count: u64,
    timestamp_start: i64,
    timestamp_end: i64,
    #[serde(with = "blob")]
    chunk_list: Vec<u8>,
}

/// Writes a row, on a quorum where there are replicas. Of one generation the later row counts.
pub(super) async fn put(server: &Server, row: &ArchiveRow) -> Result<()> {
    let header = &row.header;
    let first = row.index.iter().map(|entry| entry.key.timestamp_start_ms).min().unwrap_or(0);
    let last = row.index.iter().map(|entry| entry.timestamp_end_ms).max().unwrap_or(0);
    let new = NewRow {
        session_id: header.session.session_id.uuid(),
        project_id: header.session.project_id.as_str().to_owned(),
        object_key: row.object_key.clone(),
        generation: header.generation,
        codec: header.codec.as_str().to_owned(),
        first_moved_at: millis(header.first_moved_at_ms, "first_moved_at")?,
        expires_at: millis(header.expires_at_ms, "expires_at")?,
        object_size: row.object_size,
        sha256: row.sha256.to_vec(),
        chunk_count: row.index.len() as u64,
        timestamp_start: millis(first, "timestamp_start")?,
        timestamp_end: millis(last, "timestamp_end")?,
        chunk_list: encode_index(header, &row.index),
    };
    server.insert::<NewRow>(TABLE, vec![new], Wait::Quorum).await
}

/// The current rows of sessions.
pub(super) async fn of_sessions(server: &Server, sessions: &[SessionKey]) -> Result<Vec<ArchiveRow>> {
    let mut found = Vec::new();
    for step in sessions.chunks(ASK_ROWS) {
        found.extend(select(server, &sql::among_sessions(step.iter())).await?);
    }
    Ok(found)
}

/// A page of current rows: their names first, so that no index is read that the page does not hold.
pub(super) async fn list(
    server: &Server,
    filter: &ArchiveFilter,
    after: Option<(&SessionKey, &str)>,
    limit: usize,
) -> Result<Vec<ArchiveRow>> {
    let mut condition = sql::after_session(filter.project_id.as_ref(), None);
    if let Some((session, key)) = after {
        let (project, id) = (sql::text(session.project_id.as_str()), sql::uuid(session.session_id.uuid()));
        condition.push_str(&format!(
            " AND project_id >= {project} AND ({SESSION_ORDER}, object_key) > ({project}, UUIDToNum({id}), {})",
            sql::text(key)
        ));
    }
    let expired = filter.expires_until_ms.map_or_else(
        || "1".to_owned(),
        |until| format!("argMax(expires_at, (generation, written_at)) <= {}", sql::moment(until)),
    );
    let sql = format!(
        "SELECT project_id, session_id, object_key FROM {} WHERE {condition} \
         GROUP BY project_id, session_id, object_key HAVING {expired} \
         ORDER BY {SESSION_ORDER}, object_key LIMIT {limit}",
        server.names.table(TABLE)
    );
    let names: Vec<Name> = server.settled_rows("page through archive rows", &sql).await?;
    let mut page = Vec::new();
    for step in names.chunks(ASK_ROWS) {
        let list: Vec<_> = step
            .iter()
            .map(|name| {
                let (project, id) = (sql::text(&name.project_id), sql::uuid(name.session_id));
                format!("({project}, UUIDToNum({id}), {})", sql::text(&name.object_key))
            })
            .collect();
        let among = format!("({SESSION_ORDER}, object_key) IN ({})", list.join(", "));
        page.extend(select(server, &among).await?);
    }
    Ok(page)
}

/// Deletes an object's rows up to a generation.
pub(super) async fn delete(
    server: &Server,
    session: &SessionKey,
    object_key: &str,
    generation: u64,
) -> Result<()> {
    let condition = format!(
        "{} AND object_key = {} AND generation <= {generation}",
        sql::of_session(session),
        sql::text(object_key)
    );
    let count = format!("SELECT count() FROM {} WHERE {condition}", server.names.table(TABLE));
    let there: u64 = server.row("count archive rows", &count).await?;
    if there > 0 {
        let everywhere = server.names.everywhere(TABLE);
        let sql = format!("ALTER TABLE {everywhere} DELETE WHERE {condition}");
        server.alter("delete archive rows", &sql).await?;
    }
    Ok(())
}

/// The blob says all but where the object lies and how large it is; the columns are for listing.
async fn select(server: &Server, condition: &str) -> Result<Vec<ArchiveRow>> {
    let sql = format!(
        "SELECT object_key, object_size, sha256, chunk_list FROM {} WHERE {condition} \
         ORDER BY {SESSION_ORDER}, object_key, generation DESC, written_at DESC \
         LIMIT 1 BY project_id, session_id, object_key",
        server.names.table(TABLE)
    );
    let stored: Vec<Stored> = server.settled_rows("read archive rows", &sql).await?;
    let read = |row: Stored| {
        let (header, index) =
            decode_index(&row.chunk_list).map_err(|_| server.unreadable("replay_archive.chunk_list"))?;
        let sha256 =
            row.sha256.as_slice().try_into().map_err(|_| server.unreadable("replay_archive.sha256"))?;
        let Stored { object_key, object_size, .. } = row;
        Ok(ArchiveRow { header, object_key, object_size, sha256, index })
    };
    stored.into_iter().map(read).collect()
}

#[derive(Row, Deserialize)]
struct Name {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    object_key: String,
}

#[derive(Row, Deserialize)]
struct Stored {
    object_key: String,
    object_size: u64,
    #[serde(deserialize_with = "blob::deserialize")]
    sha256: Vec<u8>,
    #[serde(deserialize_with = "blob::deserialize")]
    chunk_list: Vec<u8>,
}
