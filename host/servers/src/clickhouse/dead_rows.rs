//! `replay_dead_letters`: of one position the row written last is the letter.
//!
//! Closing writes a row that says so: a mutation for each letter that is fed back would rewrite the
//! table each time. The payload of a closed letter goes with the next merge of its part, with its
//! retention, or with an erasure, whichever is first; no call returns it meanwhile.
//!
//! What goes for good goes by position, all its rows up to the last one that was seen: a row deleted
//! alone would bring an older one back.

use bytes::Bytes;
use clickhouse::Row;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::identity::{ProjectId, SessionId};
use replay_core::reject::Reason;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{LetterFilter, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rows::{blob, millis, unmillis};
use super::server::{Server, Wait, stamp};
use super::sql::{self, NO_SESSION};

const TABLE: &str = "replay_dead_letters";

/// What [`Stored`] reads, in its order.
const LETTER: &str = "topic, partition, offset, closed, reason, detail, project_id, session_id, received_at, \
    dead_at, attempts, payload_size";

#[derive(Row, Serialize)]
struct NewLetter<'a> {
    topic: &'a str,
    partition: u32,
    offset: u64,
    written_at: u64,
    closed: bool,
    reason: &'a str,
    detail: &'a str,
    project_id: &'a str,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    received_at: i64,
    dead_at: i64,
    attempts: u32,
    payload_size: u64,
    has_payload: bool,
    #[serde(serialize_with = "blob::serialize")]
    payload: &'a [u8],
}

/// Writes a letter in place of one of the same position.
pub(super) async fn put(server: &Server, letter: &DeadLetter) -> Result<()> {
    let row = NewLetter {
        topic: &letter.id.topic,
        partition: letter.id.partition,
        offset: letter.id.offset,
        written_at: stamp(),
        closed: false,
        reason: letter.reason.as_str(),
        detail: &letter.detail,
        project_id: letter.project_id.as_ref().map_or("", ProjectId::as_str),
        session_id: letter.session_id.map_or(NO_SESSION, SessionId::uuid),
        received_at: millis(letter.received_at_ms, "received_at")?,
        dead_at: millis(letter.dead_at_ms, "dead_at")?,
        attempts: letter.attempts,
        payload_size: letter.payload_size,
        has_payload: letter.payload.is_some(),
        payload: letter.payload.as_deref().unwrap_or_default(),
    };
    server.insert::<NewLetter<'_>>(TABLE, vec![row], Wait::Small).await
}

/// A page of letters without payloads.
pub(super) async fn list(
    server: &Server,
    filter: &LetterFilter,
    after: Option<&LetterId>,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    let behind = after.map_or_else(
        || "1".to_owned(),
        |id| {
            let (topic, partition, offset) = (sql::text(&id.topic), id.partition, id.offset);
            format!("topic >= {topic} AND (topic, partition, offset) > ({topic}, {partition}, {offset})")
        },
    );
    let mut wanted = vec!["closed = 0".to_owned()];
    wanted.extend(filter.reason.map(|reason| format!("reason = '{}'", reason.as_str())));
    wanted.extend(filter.project_id.as_ref().map(|id| format!("project_id = {}", sql::text(id.as_str()))));
    wanted.extend(filter.since_ms.map(|since| format!("dead_at >= {}", sql::moment(since))));
    let sql = format!(
        "SELECT {LETTER} FROM ({}) WHERE {} ORDER BY topic, partition, offset LIMIT {limit}",
        newest(server, LETTER, &behind),
        wanted.join(" AND ")
    );
    let letters: Vec<Stored> = server.rows("list dead letters", &sql).await?;
    letters.into_iter().map(|letter| letter.read(server)).collect()
}

/// One letter with its payload.
pub(super) async fn get(server: &Server, id: &LetterId) -> Result<Option<DeadLetter>> {
    let columns = format!("{LETTER}, has_payload, payload, written_at");
    let sql = format!(
        "SELECT {LETTER}, has_payload, payload FROM ({}) WHERE closed = 0",
        newest(server, &columns, &at(id))
    );
    let letters: Vec<StoredWhole> = server.rows("read a dead letter", &sql).await?;
    letters.into_iter().next().map(|letter| letter.read(server)).transpose()
}

/// Removes a letter, if it is there.
pub(super) async fn close(server: &Server, id: &LetterId) -> Result<()> {
    let Some(letter) = get(server, id).await? else { return Ok(()) };
    let row = NewLetter {
        topic: &id.topic,
        partition: id.partition,
        offset: id.offset,
        written_at: stamp(),
        closed: true,
        reason: letter.reason.as_str(),
        detail: "",
        project_id: "",
        session_id: NO_SESSION,
        received_at: millis(letter.received_at_ms, "received_at")?,
        // In the same partition, so that a merge puts it in the letter's place; and gone when that is.
        dead_at: millis(letter.dead_at_ms, "dead_at")?,
        attempts: letter.attempts,
        payload_size: 0,
        has_payload: false,
        payload: b"",
    };
    server.insert::<NewLetter<'_>>(TABLE, vec![row], Wait::Small).await
}

/// Removes every letter that the tombstone covers from the disk, and returns the payload bytes.
pub(super) async fn erase(server: &Server, tombstone: &Tombstone) -> Result<u64> {
    let mut bytes = 0;
    loop {
        let found = positions(server, &covered(tombstone), "1").await?;
        if found.is_empty() {
            return Ok(bytes);
        }
        bytes += found.iter().map(|position| position.payload_bytes).sum::<u64>();
        remove(server, &found).await?;
    }
}

/// How many letters the tombstone covers, closed ones whose bytes are still there too.
pub(super) async fn count_erasable(server: &Server, tombstone: &Tombstone) -> Result<u64> {
    let sql = format!(
        "SELECT count() FROM (SELECT 1 FROM {} WHERE {} LIMIT 1 BY topic, partition, offset)",
        server.names.table(TABLE),
        covered(tombstone)
    );
    server.row("count dead letters", &sql).await
}

/// Removes letters that died before a moment, and what is left of closed ones.
pub(super) async fn purge(server: &Server, before_ms: u64) -> Result<u64> {
    let mut purged = 0;
    let died = format!("died < {}", sql::moment(before_ms));
    loop {
        // A day whose letters are younger is not looked at.
        let within = format!("toDate(dead_at, 'UTC') <= toDate({}, 'UTC')", sql::moment(before_ms));
        let found = positions(server, &within, &died).await?;
        if found.is_empty() {
            return Ok(purged);
        }
        purged += found.iter().filter(|position| !position.closed).count() as u64;
        remove(server, &found).await?;
    }
}

/// Positions that have a row of the condition, as their last row has it; as many as one mutation names.
async fn positions(server: &Server, condition: &str, having: &str) -> Result<Vec<Position>> {
    let table = server.names.table(TABLE);
    let sql = format!(
        "SELECT topic, partition, offset, max(written_at) AS last, argMax(closed, written_at) AS closed, \
             argMax(dead_at, written_at) AS died, max(payload_size * has_payload) AS payload_bytes \
         FROM {table} WHERE (topic, partition, offset) IN \
             (SELECT topic, partition, offset FROM {table} WHERE {condition}) \
         GROUP BY topic, partition, offset HAVING {having} LIMIT {}",
        server.settings.delete_max_copies
    );
    server.rows("look for dead letters", &sql).await
}

/// Deletes all rows of the positions but those written since.
async fn remove(server: &Server, positions: &[Position]) -> Result<()> {
    let list: Vec<_> = positions
        .iter()
        .map(|position| {
            format!("({},{},{})", sql::text(&position.topic), position.partition, position.offset)
        })
        .collect();
    let last = positions.iter().map(|position| position.last).max().unwrap_or(0);
    let sql = format!(
        "ALTER TABLE {} DELETE WHERE written_at <= {last} AND (topic, partition, offset) IN ({})",
        server.names.everywhere(TABLE),
        list.join(",")
    );
    server.alter("remove dead letters", &sql).await
}

/// `DeadLetter::erased_by` as a condition.
fn covered(tombstone: &Tombstone) -> String {
    let project = sql::text(tombstone.scope.project_id().as_str());
    let none = sql::uuid(NO_SESSION);
    match &tombstone.scope {
        EraseScope::Session(key) => {
            let (id, named) = (sql::uuid(key.session_id.uuid()), sql::text(&key.session_id.to_string()));
            format!(
                "(session_id = {id} AND project_id IN ({project}, '') \
                 OR session_id = {none} AND position(payload, {named}) > 0)"
            )
        }
        EraseScope::Project(id) => format!(
            "(received_at <= {} AND (project_id = {project} OR project_id = '' AND position(payload, {}) > 0))",
            sql::moment(tombstone.erased_at_ms),
            sql::text(&format!("\"{id}\""))
        ),
    }
}

/// The last row of each position.
fn newest(server: &Server, columns: &str, condition: &str) -> String {
    format!(
        "SELECT {columns} FROM {} WHERE {condition} \
         ORDER BY topic, partition, offset, written_at DESC LIMIT 1 BY topic, partition, offset",
        server.names.table(TABLE)
    )
}

fn at(id: &LetterId) -> String {
    format!("topic = {} AND partition = {} AND offset = {}", sql::text(&id.topic), id.partition, id.offset)
}

#[derive(Row, Deserialize)]
struct Position {
    topic: String,
    partition: u32,
    offset: u64,
    last: u64,
    closed: bool,
    #[expect(dead_code, reason = "the query filters by it")]
    died: i64,
    payload_bytes: u64,
}

#[derive(Row, Deserialize)]
struct Stored {
    topic: String,
    partition: u32,
    offset: u64,
    #[expect(dead_code, reason = "the query filters by it")]
    closed: bool,
    reason: String,
    detail: String,
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    received_at: i64,
    dead_at: i64,
    attempts: u32,
    payload_size: u64,
}

impl Stored {
    fn read(self, server: &Server) -> Result<DeadLetter> {
        let project_id = match self.project_id.as_str() {
            "" => None,
            id => Some(ProjectId::new(id).ok_or_else(|| server.unreadable("project_id of a dead letter"))?),
        };
        Ok(DeadLetter {
            id: LetterId { topic: self.topic, partition: self.partition, offset: self.offset },
            reason: Reason::from_name(&self.reason)
                .ok_or_else(|| server.unreadable("reason of a dead letter"))?,
            detail: self.detail,
            project_id,
            session_id: SessionId::new(self.session_id),
            received_at_ms: unmillis(self.received_at, "received_at", server)?,
            dead_at_ms: unmillis(self.dead_at, "dead_at", server)?,
            attempts: self.attempts,
            payload_size: self.payload_size,
            payload: None,
        })
    }
}

#[derive(Row, Deserialize)]
struct StoredWhole {
    topic: String,
    partition: u32,
    offset: u64,
    closed: bool,
    reason: String,
    detail: String,
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    received_at: i64,
    dead_at: i64,
    attempts: u32,
    payload_size: u64,
    has_payload: bool,
    #[serde(deserialize_with = "blob::deserialize")]
    payload: Vec<u8>,
}

impl StoredWhole {
    fn read(self, server: &Server) -> Result<DeadLetter> {
        let letter = Stored {
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
            closed: self.closed,
            reason: self.reason,
            detail: self.detail,
            project_id: self.project_id,
            session_id: self.session_id,
            received_at: self.received_at,
            dead_at: self.dead_at,
            attempts: self.attempts,
            payload_size: self.payload_size,
        };
        let payload = self.has_payload.then(|| Bytes::from(self.payload));
        Ok(DeadLetter { payload, ..letter.read(server)? })
    }
}
