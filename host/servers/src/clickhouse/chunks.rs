//! `replay_chunks`: writing, reading and deleting physical copies.
//!
//! A copy is named by its chunk, its hash and its day, which is exactly what makes rows equal to a
//! merge: so a merge never takes one copy for another, and what waits for it is folded here as it
//! would be there.

use std::collections::BTreeMap;

use replay_core::identity::SessionKey;
use replay_core::row::{ChunkMeta, ChunkRow, CopyId};
use replay_core::time::Day;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{InsertReport, Result};

use super::marks::Marks;
use super::parts;
use super::rows::{META, NewChunk, StoredChunk, StoredMeta};
use super::server::{Server, Wait};
use super::sql;

const TABLE: &str = "replay_chunks";

/// What a row costs in an `INSERT` beside its bytes.
const ROW_BYTES: usize = 300;

/// Rows that are the same copy, to be counted or read once.
const ONE_EACH: &str =
    "LIMIT 1 BY project_id, session_id, timestamp_start, chunk_index, content_hash, chunk_date";

/// Inserts the rows that no tombstone covers.
///
/// The server cannot check and write in one step, so tombstones are read again behind the write, and
/// what they cover by then is deleted before the answer. An eraser writes its tombstone first and
/// deletes then: whichever comes first, one of the two sees the other. Only a process that dies in
/// between leaves rows to the eraser's next round.
pub(super) async fn insert(server: &Server, rows: &[ChunkRow]) -> Result<InsertReport> {
    let mut report = InsertReport::default();
    if rows.is_empty() {
        return Ok(report);
    }
    let before = Marks::of_rows(server, rows).await?;
    let mut alive: Vec<&ChunkRow> = Vec::with_capacity(rows.len());
    for (position, row) in rows.iter().enumerate() {
        if before.covering(&row.meta).is_some() {
            report.tombstoned.push(position);
        } else {
            alive.push(row);
        }
    }
    if alive.is_empty() {
        return Ok(report);
    }
    write(server, &mut alive).await?;

    let after = Marks::of_rows(server, rows).await?;
    let mut late = BTreeMap::new();
    for (position, row) in rows.iter().enumerate() {
        if before.covering(&row.meta).is_none()
            && let Some(mark) = after.covering(&row.meta)
        {
            report.tombstoned.push(position);
            late.insert(mark.scope.clone(), mark);
        }
    }
    for mark in late.into_values() {
        erase(server, &mark).await?;
    }
    report.tombstoned.sort_unstable();
    Ok(report)
}

/// Writes rows, whatever the tombstones say: sorted, a day at a time, within the bounds of an insert.
pub(super) async fn write(server: &Server, rows: &mut [&ChunkRow]) -> Result<()> {
    rows.sort_by(|a, b| place(&a.meta).cmp(&place(&b.meta)));
    let mut rest = &*rows;
    while let Some(first) = rest.first() {
        let (mut bytes, mut batch) = (0, Vec::new());
        for row in rest {
            let row_bytes = row.data.len() + ROW_BYTES;
            let full = batch.len() == server.settings.insert_max_rows
                || !batch.is_empty() && bytes + row_bytes > server.settings.insert_max_bytes;
            if full || row.meta.chunk_date() != first.meta.chunk_date() {
                break;
            }
            bytes += row_bytes;
            batch.push(NewChunk::of(row)?);
        }
        rest = rest.get(batch.len()..).unwrap_or_default();
        server.insert::<NewChunk<'_>>(TABLE, batch, Wait::Batch).await?;
    }
    Ok(())
}

/// By day, then as the table is sorted.
fn place(meta: &ChunkMeta) -> impl Ord + '_ {
    (meta.chunk_date(), &meta.project_id, meta.session_id, meta.key, meta.content_hash)
}

/// Every copy of a session, in order of play.
pub(super) async fn copies(server: &Server, session: &SessionKey) -> Result<Vec<ChunkMeta>> {
    let sql = format!(
        "SELECT {META} FROM {} WHERE {} \
         ORDER BY timestamp_start, chunk_index, content_hash, chunk_date, merge_rank DESC {ONE_EACH}",
        server.names.table(TABLE),
        sql::of_session(session)
    );
    let stored: Vec<StoredMeta> = server.rows("list copies", &sql).await?;
    stored.into_iter().map(|row| row.read(server)).collect()
}

/// Those of the named copies that are there.
pub(super) async fn read(server: &Server, session: &SessionKey, copies: &[CopyId]) -> Result<Vec<ChunkRow>> {
    let mut found: BTreeMap<CopyId, ChunkRow> = BTreeMap::new();
    for (day, copies) in by_day(copies) {
        for step in copies.chunks(server.settings.read_max_copies) {
            let sql = format!(
                "SELECT {META}, data FROM {} WHERE {} AND {}",
                server.names.table(TABLE),
                sql::of_session(session),
                sql::among_copies(day, step)
            );
            let stored: Vec<StoredChunk> = server.rows("read copies", &sql).await?;
            for row in stored {
                let row = row.read(server)?;
                // Rows that wait for their merge are folded as it will fold them.
                let rank = |row: &ChunkRow| (row.meta.version, row.meta.received_at_ms);
                let better = |known: &ChunkRow| rank(&row) > rank(known);
                if found.get(&row.meta.copy_id()).is_none_or(better) {
                    found.insert(row.meta.copy_id(), row);
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Deletes exactly the named copies, whatever is written meanwhile, and waits until they are gone.
///
/// The rows are masked, which reads the sorting key alone: a mutation that rewrites a part of 1 GB takes
/// 10 s (measured), and a day holds thousands of sessions. The disk gets its bytes back a day at a time.
pub(super) async fn delete(server: &Server, session: &SessionKey, copies: &[CopyId]) -> Result<u64> {
    let mut deleted = 0;
    for (day, copies) in by_day(copies) {
        let mut masked = false;
        for step in copies.chunks(server.settings.delete_max_copies) {
            let named = format!("{} AND {}", sql::of_session(session), sql::among_copies(day, step));
            let (there, _) = measure(server, &named).await?;
            if !is_needed(server, there) {
                continue;
            }
            if !parts::drop_whole(server, day, &named).await? {
                let everywhere = server.names.everywhere(TABLE);
                server.alter("delete copies", &format!("DELETE FROM {everywhere} WHERE {named}")).await?;
                masked = true;
            }
            deleted += there;
        }
        // The copies are gone for every reader: what the disk still holds is no reason to fail.
        if masked && let Err(error) = parts::reclaim(server, day).await {
            tracing::info!(%day, %error, "the disk space of deleted chunks is given back later");
        }
    }
    Ok(deleted)
}

/// Deletes what a tombstone covers, from the disk, masked rows too, and returns the stored bytes that
/// could still be seen.
pub(super) async fn erase(server: &Server, tombstone: &Tombstone) -> Result<u64> {
    let condition = covered(tombstone);
    let (there, bytes) = measure(server, &condition).await?;
    if is_needed(server, there) {
        let sql = format!("ALTER TABLE {} DELETE WHERE {condition}", server.names.everywhere(TABLE));
        server.alter("erase", &sql).await?;
    }
    // A part without a visible row of it is not rewritten by that.
    wipe(server, &condition).await?;
    Ok(bytes)
}

/// Rewrites the days that hold rows of the condition which only a mask hides.
pub(super) async fn wipe(server: &Server, condition: &str) -> Result<()> {
    for day in masked_days(server, condition).await? {
        parts::unmask(server, day).await?;
    }
    Ok(())
}

/// The days that hold rows of the condition which only a mask hides.
async fn masked_days(server: &Server, condition: &str) -> Result<Vec<Day>> {
    let sql = format!(
        "SELECT DISTINCT toUInt16(chunk_date) FROM {} WHERE {condition} AND _row_exists = 0 \
         SETTINGS apply_deleted_mask = 0",
        server.names.table(TABLE)
    );
    let days: Vec<u16> = server.rows("look for masked rows", &sql).await?;
    Ok(days.into_iter().map(|day| Day(u32::from(day))).collect())
}

/// How many copies a tombstone covers; those that only a mask hides count as one each day.
pub(super) async fn count_erasable(server: &Server, tombstone: &Tombstone) -> Result<u64> {
    let condition = covered(tombstone);
    let (there, _) = measure(server, &condition).await?;
    Ok(there + masked_days(server, &condition).await?.len() as u64)
}

/// Whether a mutation has something to do. A replica that lags behind may not know what it is asked
/// about, and its mutation reaches the others' rows all the same.
fn is_needed(server: &Server, there: u64) -> bool {
    there > 0 || server.settings.replicated
}

/// Copies, and their stored bytes.
async fn measure(server: &Server, condition: &str) -> Result<(u64, u64)> {
    let sql = format!(
        "SELECT count(), sum(compressed_size) FROM \
         (SELECT compressed_size FROM {} WHERE {condition} {ONE_EACH})",
        server.names.table(TABLE)
    );
    server.row("count copies", &sql).await
}

/// `Tombstone::covers` as a condition.
fn covered(tombstone: &Tombstone) -> String {
    let all = sql::of_scope(&tombstone.scope);
    match tombstone.scope {
        EraseScope::Session(_) => all,
        EraseScope::Project(_) => format!("{all} AND received_at <= {}", sql::moment(tombstone.erased_at_ms)),
    }
}

fn by_day(copies: &[CopyId]) -> BTreeMap<Day, Vec<CopyId>> {
    let mut days: BTreeMap<Day, Vec<CopyId>> = BTreeMap::new();
    // A day that no row can lie in would wrap around to one that some do.
    for copy in copies.iter().filter(|copy| copy.chunk_date <= sql::LAST_DAY) {
        days.entry(copy.chunk_date).or_default().push(*copy);
    }
    days
}
