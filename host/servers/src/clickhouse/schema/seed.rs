//! The table of the first design: how it is recognised.

use std::collections::BTreeMap;

use clickhouse::Row;
use replay_ports::Result;
use serde::Deserialize;

use super::super::server::Server;
use super::super::sql::text;
use super::State;

/// What the seed's table is called once its rows are being moved, and afterwards.
pub(super) const SET_ASIDE: &str = "replay_chunks_seed";

/// The columns that its reader and its writer name.
const COLUMNS: [&str; 10] = [
    "session_id",
    "project_id",
    "chunk_index",
    "timestamp_start",
    "timestamp_end",
    "data",
    "data_size",
    "event_count",
    "has_full_snapshot",
    "chunk_date",
];

#[derive(Row, Deserialize)]
struct Column {
    name: String,
    r#type: String,
}

/// What a `replay_chunks` is that no version was noted for.
pub(super) async fn recognise(server: &Server) -> Result<State> {
    let columns = columns(server, "replay_chunks").await?;
    let has = |name: &str| columns.contains_key(name);
    if ["received_at", "content_hash", "merge_rank"].into_iter().all(has) {
        // Ours, from an apply that was cut off before it noted the version.
        return Ok(State::Missing);
    }
    if let Some(missing) = COLUMNS.into_iter().find(|name| !has(name)) {
        return Ok(State::Foreign(format!("it has no column {missing}")));
    }
    let type_of = |name: &str| columns.get(name).map_or("", String::as_str);
    for (name, expected) in [
        ("data", "String"),
        ("session_id", "UUID"),
        ("timestamp_start", "DateTime64"),
        ("chunk_date", "Date"),
    ] {
        if !type_of(name).starts_with(expected) {
            return Ok(State::Foreign(format!("its column {name} is {}", type_of(name))));
        }
    }
    Ok(State::Seed)
}

/// Columns of a table, with their types.
pub(super) async fn columns(server: &Server, table: &str) -> Result<BTreeMap<String, String>> {
    let sql = format!(
        "SELECT name, type FROM system.columns WHERE database = {} AND table = {}",
        text(server.names.database()),
        text(table)
    );
    let columns: Vec<Column> = server.rows("look at the columns", &sql).await?;
    Ok(columns.into_iter().map(|column| (column.name, column.r#type)).collect())
}
