//! `dead_letters`: one row a letter.

use bytes::Bytes;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::identity::{ProjectId, SessionId};
use replay_core::reject::Reason;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::LetterFilter;
use rusqlite::{Connection, Row, named_params, params};

use super::columns::{bound, count, int, uint, uint32, unreadable};
use super::failure::SqlResult;
use super::padding::{Padding, RowLen};

/// Letters that one step of a scan looks at, and the payload bytes after which it stops.
const STEP_LETTERS: usize = 256;
const STEP_BYTES: usize = 32 << 20;

const META: &str = "id, topic, partition, offset, reason, detail, project_id, session_id, received_at, \
    dead_at, attempts, payload_size";

const THIS_LETTER: &str = "topic = ?1 AND partition = ?2 AND offset = ?3";

/// Writes a letter in place of one of the same position.
pub(super) fn put(conn: &Connection, letter: &DeadLetter) -> SqlResult<()> {
    let session_id = letter.session_id.map(|id| id.to_string());
    let offset = int(letter.id.offset, "offset")?;
    let received_at = int(letter.received_at_ms, "received_at")?;
    let dead_at = int(letter.dead_at_ms, "dead_at")?;
    let payload_size = int(letter.payload_size, "payload_size")?;
    let project_id = letter.project_id.as_ref().map(ProjectId::as_str);
    let padding = letter.payload.as_ref().map(|payload| {
        let length = [
            &letter.id.topic,
            letter.reason.as_str(),
            &letter.detail,
            project_id.unwrap_or_default(),
            session_id.as_deref().unwrap_or_default(),
        ]
        .into_iter()
        .fold(RowLen::new(15), RowLen::text);
        let length = [offset, received_at, dead_at, payload_size]
            .into_iter()
            .chain([letter.id.partition, letter.attempts].map(i64::from))
            .fold(length, RowLen::int);
        Padding::of(length, payload.len())
    });
    close(conn, &letter.id)?;
    conn.prepare_cached(
        "INSERT INTO dead_letters (topic, partition, offset, reason, detail, project_id, session_id,
             received_at, dead_at, attempts, payload_size, lead, payload, tail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, zeroblob(?12), ?13, zeroblob(?14))",
    )?
    .execute(params![
        letter.id.topic,
        letter.id.partition,
        offset,
        letter.reason.as_str(),
        letter.detail,
        project_id,
        session_id,
        received_at,
        dead_at,
        letter.attempts,
        payload_size,
        padding.map_or(0, |padding| count(padding.lead)),
        letter.payload.as_deref(),
        padding.map_or(0, |padding| count(padding.tail)),
    ])?;
    Ok(())
}

/// A page of letters without payloads.
pub(super) fn list(
    conn: &Connection,
    filter: &LetterFilter,
    after: Option<&LetterId>,
    limit: usize,
) -> SqlResult<Vec<DeadLetter>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {META} FROM dead_letters
         WHERE (topic, partition, offset) > (:topic, :partition, :offset)
           AND (:reason IS NULL OR reason = :reason)
           AND (:project IS NULL OR project_id = :project)
           AND dead_at >= :since
         ORDER BY topic, partition, offset LIMIT :limit"
    ))?;
    let mut rows = statement.query(named_params! {
        ":topic": after.map_or("", |id| &id.topic),
        ":partition": after.map_or(-1, |id| i64::from(id.partition)),
        ":offset": after.map_or(-1, |id| bound(id.offset)),
        ":reason": filter.reason.map(Reason::as_str),
        ":project": filter.project_id.as_ref().map(ProjectId::as_str),
        ":since": filter.since_ms.map_or(0, bound),
        ":limit": count(limit),
    })?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(letter(row)?);
    }
    Ok(page)
}

/// One letter with its payload.
pub(super) fn get(conn: &Connection, id: &LetterId) -> SqlResult<Option<DeadLetter>> {
    let Ok(offset) = i64::try_from(id.offset) else { return Ok(None) };
    let mut statement =
        conn.prepare_cached(&format!("SELECT {META}, payload FROM dead_letters WHERE {THIS_LETTER}"))?;
    let mut rows = statement.query(params![id.topic, id.partition, offset])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let payload: Option<Vec<u8>> = row.get("payload")?;
    Ok(Some(DeadLetter { payload: payload.map(Bytes::from), ..letter(row)? }))
}

/// Removes a letter, if it is there.
pub(super) fn close(conn: &Connection, id: &LetterId) -> SqlResult<()> {
    let Ok(offset) = i64::try_from(id.offset) else { return Ok(()) };
    conn.prepare_cached(&format!("DELETE FROM dead_letters WHERE {THIS_LETTER}"))?.execute(params![
        id.topic,
        id.partition,
        offset
    ])?;
    Ok(())
}

/// What one step of a scan found.
#[derive(Debug, Default)]
pub(super) struct CoveredStep {
    /// Rows that the tombstone covers.
    pub(super) covered: Vec<i64>,
    /// Bytes of their payloads.
    pub(super) payload_bytes: u64,
    /// The row to go on after, or `None` at the end.
    pub(super) after: Option<i64>,
}

/// Looks at a bounded number of letters, one payload in memory at a time.
pub(super) fn covered_step(conn: &Connection, tombstone: &Tombstone, after: i64) -> SqlResult<CoveredStep> {
    // What `DeadLetter::erased_by` could ever say yes to. Each names the same three parameters.
    let candidates = match &tombstone.scope {
        EraseScope::Session(_) => {
            "(session_id IS NULL OR session_id = :session AND ifnull(project_id, :project) = :project)
             AND :erased_at IS NOT NULL"
        }
        EraseScope::Project(_) => {
            "received_at <= :erased_at AND ifnull(project_id, :project) = :project AND :session IS NULL"
        }
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {META}, length(payload) AS payload_bytes FROM dead_letters
         WHERE id > :after AND {candidates} ORDER BY id LIMIT {STEP_LETTERS}"
    ))?;
    let mut payload_of = conn.prepare_cached("SELECT payload FROM dead_letters WHERE id = ?1")?;
    let mut rows = statement.query(named_params! {
        ":after": after,
        ":project": tombstone.scope.project_id().as_str(),
        ":session": tombstone.scope.session_id().map(|id| id.to_string()),
        ":erased_at": bound(tombstone.erased_at_ms),
    })?;
    let mut step = CoveredStep::default();
    let (mut seen, mut looked_at) = (0, 0);
    while let Some(row) = rows.next()? {
        let id: i64 = row.get("id")?;
        let payload_bytes = row.get::<_, Option<i64>>("payload_bytes")?.unwrap_or(0).cast_unsigned();
        let mut candidate = letter(row)?;
        let mut covered = candidate.erased_by(tombstone);
        let may_name_it = candidate.project_id.is_none() || candidate.session_id.is_none();
        if !covered && may_name_it && payload_bytes > 0 {
            let payload: Vec<u8> = payload_of.query_row([id], |row| row.get(0))?;
            looked_at += payload.len();
            candidate.payload = Some(Bytes::from(payload));
            covered = candidate.erased_by(tombstone);
        }
        if covered {
            step.covered.push(id);
            step.payload_bytes += payload_bytes;
        }
        seen += 1;
        if seen == STEP_LETTERS || looked_at >= STEP_BYTES {
            step.after = Some(id);
            break;
        }
    }
    Ok(step)
}

/// Deletes rows.
pub(super) fn delete(conn: &Connection, ids: &[i64]) -> SqlResult<()> {
    let mut statement = conn.prepare_cached("DELETE FROM dead_letters WHERE id = ?1")?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}

/// Deletes some of the letters that died before `before_ms`, and returns how many.
pub(super) fn purge_step(conn: &Connection, before_ms: u64) -> SqlResult<u64> {
    let mut statement = conn.prepare_cached(&format!(
        "DELETE FROM dead_letters
         WHERE id IN (SELECT id FROM dead_letters WHERE dead_at < ?1 LIMIT {STEP_LETTERS})"
    ))?;
    Ok(statement.execute([bound(before_ms)])? as u64)
}

fn letter(row: &Row<'_>) -> SqlResult<DeadLetter> {
    let reason: String = row.get("reason")?;
    let project_id = row
        .get::<_, Option<String>>("project_id")?
        .map(|text| ProjectId::new(&text).ok_or_else(|| unreadable("project_id", text)))
        .transpose()?;
    let session_id = row
        .get::<_, Option<String>>("session_id")?
        .map(|text| SessionId::parse(&text).ok_or_else(|| unreadable("session_id", text)))
        .transpose()?;
    Ok(DeadLetter {
        id: LetterId {
            topic: row.get("topic")?,
            partition: uint32(row, "partition")?,
            offset: uint(row, "offset")?,
        },
        reason: Reason::from_name(&reason).ok_or_else(|| unreadable("reason", reason))?,
        detail: row.get("detail")?,
        project_id,
        session_id,
        received_at_ms: uint(row, "received_at")?,
        dead_at_ms: uint(row, "dead_at")?,
        attempts: uint32(row, "attempts")?,
        payload_size: uint(row, "payload_size")?,
        payload: None,
    })
}
