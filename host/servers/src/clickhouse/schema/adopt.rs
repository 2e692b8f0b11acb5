//! Moving the rows of a table of the first design into ours.
//!
//! The old table is renamed and kept; its writers must be stopped before, and fail loudly if they are
//! not. Its rows are copied a day at a time. A row copied twice is one copy, so a day that was cut off
//! is copied again; a day is done when every row of it that can be ours is found in ours, and the
//! version is noted when all days are. Until then the store refuses to open.
//!
//! What cannot be known of such a row: when it was received (the first design has no such column; it is
//! taken from the row's end where that is on its `chunk_date`, else that day's first moment, so that the
//! day stays), how many events it holds where the old 16 bits overflowed, and which of two different
//! copies of one chunk was meant (both are kept; the greater hash wins). `data_size` is what the gzip
//! trailer says. Payloads that the old writer stored unpacked are packed now, by the rules of records.
//! What could not be read by anyone (no payload, a project id or time that is none) stays where it is.

use bytes::Bytes;
use clickhouse::Row;
use replay_core::codec::{Codec, Encoding, Recompress, Scratch};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::row::{ChunkMeta, ChunkRow};
use replay_core::winner::Version;
use replay_ports::{PortError, Result};
use serde::Deserialize;
use uuid::Uuid;

use super::super::chunks;
use super::super::rows::{blob, unmillis};
use super::super::server::Server;
use super::super::sql::{self, session_key};
use super::seed::{self, SET_ASIDE};
use super::{Report, State};

/// Rows that are packed at once.
const PACK_ROWS: usize = 100;

/// A row that can be ours: ids and times that we can read.
const VALID: &str = "match(toString(project_id), '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$') \
    AND session_id != toUUID('00000000-0000-0000-0000-000000000000') \
    AND toUnixTimestamp64Milli(toDateTime64(timestamp_start, 3)) BETWEEN 0 AND 7258118400000 \
    AND toUnixTimestamp64Milli(toDateTime64(timestamp_end, 3)) BETWEEN 0 AND 7258118400000";

/// A row whose payload is stored as we store it: a gzip member is at least its head and its trailer.
const PACKED: &str = "startsWith(data, unhex('1F8B08')) AND length(data) >= 18";

/// The columns of ours that a row is copied to, and what each is made from.
const COPIED: [(&str, &str); 14] = [
    ("session_id", "session_id"),
    ("project_id", "toString(project_id)"),
    ("chunk_index", "toUInt32(chunk_index)"),
    ("timestamp_start", "toDateTime64(timestamp_start, 3, 'UTC')"),
    ("timestamp_end", "toDateTime64(greatest(timestamp_start, timestamp_end), 3, 'UTC')"),
    ("data", "data"),
    ("data_size", "toUInt64(reinterpretAsUInt32(substring(data, -4)))"),
    ("compressed_size", "toUInt64(length(data))"),
    ("event_count", "toUInt32(event_count)"),
    ("has_full_snapshot", "toUInt8(has_full_snapshot)"),
    (
        "received_at",
        "if(toDate(timestamp_end, 'UTC') = chunk_date, toDateTime64(timestamp_end, 3, 'UTC'), \
         toDateTime64(chunk_date, 3, 'UTC'))",
    ),
    ("codec", "'gzip'"),
    // Revision 0, no redactions, the top of the hash: below whatever a chain makes of it later.
    ("version", "bitShiftRight(xxh3(data), 40)"),
    ("content_hash", "xxh3(data)"),
];

/// Gives the old table its other name, unless a cut-off run did.
pub(super) async fn set_aside(server: &Server, report: &mut Report) -> Result<()> {
    let aside = seed::columns(server, SET_ASIDE).await?;
    let current = seed::columns(server, "replay_chunks").await?;
    let current_is_seed = !current.is_empty() && seed::recognise(server).await? == State::Seed;
    match (aside.is_empty(), current_is_seed) {
        (true, true) => {
            let (from, to) = (server.names.table("replay_chunks"), server.names.table(SET_ASIDE));
            server.alter("set the old table aside", &format!("RENAME TABLE {from} TO {to}")).await?;
            report.applied.push(format!("renamed the old replay_chunks to {SET_ASIDE}"));
            Ok(())
        }
        (false, true) => Err(PortError::refused(format!(
            "{}: both replay_chunks and {SET_ASIDE} are tables of the first design; stop the old writers, copy \
             the rows of one into the other, drop it, and run this again",
            server.place
        ))),
        _ => Ok(()),
    }
}

/// Copies what can be ours, a day at a time, and proves it.
pub(super) async fn move_rows(server: &Server, report: &mut Report) -> Result<()> {
    let old = server.names.table(SET_ASIDE);
    let days: Vec<String> = server
        .rows(
            "list the old days",
            &format!("SELECT DISTINCT toString(chunk_date) AS day FROM {old} ORDER BY day"),
        )
        .await?;
    let mut refused = 0;
    for day in &days {
        if missing(server, day).await? > 0 {
            copy_packed(server, day).await?;
            let missing = missing(server, day).await?;
            if missing > 0 {
                return Err(PortError::unavailable(format!(
                    "{}: {missing} rows of {day} were not copied; is the old table still written? run this again",
                    server.place
                )));
            }
        }
        refused += pack_others(server, day, report).await?;
    }
    let packed = count(server, &format!("{VALID} AND {PACKED}")).await?;
    let left = count(server, &format!("NOT ({VALID}) OR empty(data)")).await?;
    report.adopted_rows += packed;
    report.applied.push(format!("moved {} rows over {} days", report.adopted_rows, days.len()));
    report.notes.push(format!(
        "the old table is kept as {SET_ASIDE}; drop it when you have seen that nothing is missed"
    ));
    report.notes.push(
        "not known of the old rows, and so assumed: the receipt (the row's end where that is on its chunk_date, \
         else the start of that day); of different copies of one chunk the one with the greater hash is shown"
            .into(),
    );
    if left + refused > 0 {
        report.notes.push(format!(
            "{} rows stay in {SET_ASIDE} alone: {left} without a payload or with ids or times that are none, \
             {refused} whose payload is no array of events",
            left + refused
        ));
    }
    Ok(())
}

async fn count(server: &Server, condition: &str) -> Result<u64> {
    let old = server.names.table(SET_ASIDE);
    server.row("count old rows", &format!("SELECT count() FROM {old} WHERE {condition}")).await
}

/// How many rows of a day are not yet in ours.
async fn missing(server: &Server, day: &str) -> Result<u64> {
    let (old, new) = (server.names.table(SET_ASIDE), server.names.table("replay_chunks"));
    let sql = format!(
        "SELECT count() FROM {old} WHERE chunk_date = '{day}' AND {VALID} AND {PACKED} \
         AND (toString(project_id), session_id, toUnixTimestamp64Milli(toDateTime64(timestamp_start, 3)), \
              toUInt32(chunk_index), xxh3(data)) \
         NOT IN (SELECT project_id, session_id, toUnixTimestamp64Milli(timestamp_start), chunk_index, content_hash \
                 FROM {new} WHERE chunk_date = '{day}')"
    );
    server.row("compare the tables", &sql).await
}

async fn copy_packed(server: &Server, day: &str) -> Result<()> {
    let (old, new) = (server.names.table(SET_ASIDE), server.names.table("replay_chunks"));
    let columns: Vec<_> = COPIED.iter().map(|(column, _)| *column).collect();
    let sources: Vec<_> = COPIED.iter().map(|(_, source)| *source).collect();
    let sql = format!(
        "INSERT INTO {new} ({}) SELECT {} FROM {old} WHERE chunk_date = '{day}' AND {VALID} AND {PACKED}",
        columns.join(", "),
        sources.join(", ")
    );
    server.alter("copy old rows", &sql).await
}

#[derive(Row, Deserialize)]
struct Unpacked {
    #[serde(with = "clickhouse::serde::uuid")]
    session: Uuid,
    project: String,
    index: u32,
    start: i64,
    end: i64,
    received: i64,
    hash: u64,
    #[serde(deserialize_with = "blob::deserialize")]
    data: Vec<u8>,
}

/// Packs what the old writer stored unpacked, and returns how many rows hold no events.
async fn pack_others(server: &Server, day: &str, report: &mut Report) -> Result<u64> {
    let old = server.names.table(SET_ASIDE);
    let received =
        COPIED.iter().find(|(column, _)| *column == "received_at").map_or("", |(_, source)| source);
    let mut scratch = Scratch::new();
    let mut refused = 0;
    let mut behind = "1".to_owned();
    loop {
        let sql = format!(
            "SELECT session_id AS session, toString(project_id) AS project, toUInt32(chunk_index) AS index, \
                 toUnixTimestamp64Milli(toDateTime64(timestamp_start, 3)) AS start, \
                 toUnixTimestamp64Milli(toDateTime64(timestamp_end, 3)) AS end, \
                 toUnixTimestamp64Milli({received}) AS received, xxh3(data) AS hash, data \
             FROM {old} WHERE chunk_date = '{day}' AND {VALID} AND NOT ({PACKED}) AND notEmpty(data) AND {behind} \
             ORDER BY session_id, timestamp_start, chunk_index, hash LIMIT {PACK_ROWS}"
        );
        let rows: Vec<Unpacked> = server.rows("read old rows", &sql).await?;
        let Some(last) = rows.last() else { return Ok(refused) };
        behind = format!(
            "(session_id, toUnixTimestamp64Milli(toDateTime64(timestamp_start, 3)), toUInt32(chunk_index), xxh3(data)) \
             > ({}, {}, {}, {})",
            sql::uuid(last.session),
            last.start,
            last.index,
            last.hash
        );
        let mut packed = Vec::new();
        for row in rows {
            match pack(server, row, &mut scratch)? {
                Some(row) => packed.push(row),
                None => refused += 1,
            }
        }
        report.adopted_rows += packed.len() as u64;
        chunks::write(server, &mut packed.iter().collect::<Vec<_>>()).await?;
    }
}

/// The row as a record with its events inline, read as any record is.
fn pack(server: &Server, row: Unpacked, scratch: &mut Scratch) -> Result<Option<ChunkRow>> {
    let Some(session) = session_key(&row.project, row.session) else { return Ok(None) };
    let received_at_ms = unmillis(row.received, "received_at", server)?;
    let mut record = format!(
        "{{\"project_id\":\"{}\",\"session_id\":\"{}\",\"chunk_index\":{},\"timestamp_start\":{},\
         \"timestamp_end\":{},\"events\":",
        session.project_id, session.session_id, row.index, row.start, row.end
    )
    .into_bytes();
    record.extend_from_slice(&row.data);
    record.push(b'}');
    let encoding = Encoding { codec: Codec::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let Ok(decoded) = decode(&record, &DecodeLimits::default(), &encoding, scratch) else { return Ok(None) };
    let data: Bytes = decoded.data;
    let meta = ChunkMeta {
        project_id: decoded.project_id,
        session_id: decoded.session_id,
        key: decoded.key,
        timestamp_end_ms: decoded.timestamp_end_ms,
        received_at_ms,
        codec: decoded.codec,
        data_size: decoded.data_size,
        compressed_size: data.len() as u64,
        event_count: decoded.event_count,
        has_full_snapshot: decoded.has_full_snapshot,
        version: Version::new(0, 0, decoded.content_hash),
        content_hash: decoded.content_hash,
    };
    Ok(Some(ChunkRow { meta, data }))
}
