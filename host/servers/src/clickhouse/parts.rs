//! Whole parts: where every row of one may go, it is dropped by name instead of being rewritten.
//!
//! A part never gains rows: what is written meanwhile is a new part under a new name, and a merge
//! makes a new name too. So what was proven of a name stays true, or the name is gone (which the
//! server says, and is fine). On a cluster one name stands for another part on each shard: there
//! rows are deleted by what names them alone.

use std::collections::BTreeMap;

use replay_core::identity::{ChunkKey, SessionKey};
use replay_core::time::Day;
use replay_core::winner::Rank;
use replay_ports::Result;

use super::archive_rows;
use super::failure::{self, Doing};
use super::rows::{META, StoredMeta};
use super::server::Server;
use super::sql;

const TABLE: &str = "replay_chunks";

/// Sessions that are proven at once.
const PROVE_SESSIONS: usize = 200;

/// Parts of a day of which every visible row may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenDay {
    day: Day,
    /// Names, and their rows.
    parts: Vec<(String, u64)>,
    kept_parts: u64,
}

/// What became of the parts of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedDay {
    /// Parts that are gone.
    pub parts: u64,
    /// Rows that they held.
    pub rows: u64,
    /// Parts that hold a row which is neither archived nor expired, or that were merged meanwhile.
    pub kept_parts: u64,
}

/// Drops the parts that consist of the named rows alone; whether no other part holds such rows.
pub(super) async fn drop_whole(server: &Server, day: Day, named: &str) -> Result<bool> {
    if server.names.cluster().is_some() {
        return Ok(false);
    }
    let table = server.names.table(TABLE);
    let sql = format!("SELECT _part, count() FROM {table} WHERE {named} GROUP BY _part");
    let named: Vec<(String, u64)> = server.rows("look at parts", &sql).await?;
    let rows = rows_of_day(server, day).await?;
    let mut all = true;
    for (part, named) in named {
        let whole = rows.get(&part) == Some(&named);
        all &= whole && drop_part(server, &part).await?;
    }
    Ok(all)
}

/// Finds the parts of a day whose every visible row was received before `expired_before_ms`, or is in
/// the archive with an equal or greater rank.
pub(super) async fn prove(server: &Server, day: Day, expired_before_ms: u64) -> Result<ProvenDay> {
    let mut proven = ProvenDay { day, parts: Vec::new(), kept_parts: 0 };
    for (part, rows) in rows_of_day(server, day).await? {
        let may_go =
            server.names.cluster().is_none() && is_archived(server, day, &part, expired_before_ms).await?;
        if may_go {
            proven.parts.push((part, rows));
        } else {
            proven.kept_parts += 1;
        }
    }
    Ok(proven)
}

/// Drops what was proven, by name.
pub(super) async fn drop_proven(server: &Server, proven: &ProvenDay) -> Result<DroppedDay> {
    let mut dropped = DroppedDay { kept_parts: proven.kept_parts, ..DroppedDay::default() };
    for (part, rows) in &proven.parts {
        if drop_part(server, part).await? {
            dropped.parts += 1;
            dropped.rows += rows;
        } else {
            dropped.kept_parts += 1;
        }
    }
    Ok(dropped)
}

/// Gives the disk back what deletes have masked in a day: parts without a visible row go by name, and
/// once more than half of the other bytes are masked, the day is rewritten. So every byte that stays
/// is rewritten about once while a day empties, and not once a session.
pub(super) async fn reclaim(server: &Server, day: Day) -> Result<()> {
    // Of one snapshot: a part that came later must not look empty.
    let sql = format!(
        "SELECT _part, sum(_row_exists), sum(compressed_size * _row_exists), sum(compressed_size) FROM {} \
         WHERE chunk_date = '{day}' GROUP BY _part SETTINGS apply_deleted_mask = 0",
        server.names.table(TABLE)
    );
    let parts: Vec<(String, u64, u64, u64)> = server.rows("look at parts", &sql).await?;
    let (mut visible_bytes, mut masked_bytes) = (0, 0);
    for (part, visible_rows, visible, all) in parts {
        if visible_rows == 0 && server.names.cluster().is_none() && drop_part(server, &part).await? {
            continue;
        }
        visible_bytes += visible;
        masked_bytes += all - visible;
    }
    if masked_bytes > visible_bytes {
        return unmask(server, day).await;
    }
    Ok(())
}

/// Rewrites the parts of a day without what is masked.
pub(super) async fn unmask(server: &Server, day: Day) -> Result<()> {
    let everywhere = server.names.everywhere(TABLE);
    let sql = format!("ALTER TABLE {everywhere} APPLY DELETED MASK IN PARTITION '{day}'");
    server.alter("rewrite a day", &sql).await
}

/// The active parts of a day with their visible rows.
async fn rows_of_day(server: &Server, day: Day) -> Result<BTreeMap<String, u64>> {
    if day > sql::LAST_DAY {
        return Ok(BTreeMap::new());
    }
    let table = server.names.table(TABLE);
    let sql = format!("SELECT _part, count() FROM {table} WHERE chunk_date = '{day}' GROUP BY _part");
    let rows: Vec<(String, u64)> = server.rows("look at parts", &sql).await?;
    Ok(rows.into_iter().collect())
}

/// Whether no row of the part would be missed.
async fn is_archived(server: &Server, day: Day, part: &str, expired_before_ms: u64) -> Result<bool> {
    let unexpired = format!(
        "chunk_date = '{day}' AND _part = {} AND received_at >= {}",
        sql::text(part),
        sql::moment(expired_before_ms)
    );
    let mut after: Option<SessionKey> = None;
    loop {
        let condition = format!("{unexpired} AND {}", sql::after_session(None, after.as_ref()));
        let sessions = super::sessions::page(server, &condition, PROVE_SESSIONS).await?;
        let Some(last) = sessions.last() else { return Ok(true) };
        after = Some(last.clone());

        let mut archived: BTreeMap<(SessionKey, ChunkKey), Rank> = BTreeMap::new();
        for row in archive_rows::of_sessions(server, &sessions).await? {
            for entry in &row.index {
                let known = archived.entry((row.header.session.clone(), entry.key));
                let rank = known.or_insert(entry.rank());
                *rank = (*rank).max(entry.rank());
            }
        }
        let sql = format!(
            "SELECT {META} FROM {} WHERE {unexpired} AND {}",
            server.names.table(TABLE),
            sql::among_sessions(sessions.iter())
        );
        let rows: Vec<StoredMeta> = server.rows("read a part", &sql).await?;
        for row in rows {
            let meta = row.read(server)?;
            if archived.get(&(meta.session(), meta.key)).is_none_or(|&rank| rank < meta.rank()) {
                return Ok(false);
            }
        }
    }
}

/// Whether the part was there to be dropped.
async fn drop_part(server: &Server, part: &str) -> Result<bool> {
    let sql = format!("ALTER TABLE {} DROP PART {}", server.names.local(TABLE), sql::text(part));
    match server.try_alter(&sql, "drop a part").await? {
        Ok(()) => Ok(true),
        Err(error) if failure::code(&error) == Some(failure::NO_SUCH_DATA_PART) => Ok(false),
        Err(error) => Err(server.classify(&error, Doing::Asking, "drop a part")),
    }
}
