//! Rows that wait for their merge are read, counted and deleted as if they had been merged.

use replay_core::identity::SessionKey;
use replay_core::row::ChunkRow;
use replay_core::time::DAY_MS;
use replay_ports::{HotStore, SessionFilter};
use replay_servers::clickhouse::ClickHouseHot;

use super::{Database, T0, names, read_all, row, session};

/// Each copy three times, in parts of their own: the same again, a later receipt, a greater version.
async fn store_thrice(hot: &ClickHouseHot, rows: &[ChunkRow]) {
    for row in rows {
        let mut raised = row.clone();
        raised.meta.received_at_ms += 5;
        for copy in [&raised, row, row] {
            hot.insert(std::slice::from_ref(copy)).await.unwrap();
        }
    }
}

/// What readers see of a session.
async fn said(hot: &ClickHouseHot, session: &SessionKey) -> String {
    let rows = read_all(hot, session).await;
    let listed = hot.list_sessions(&SessionFilter::default(), None, 10).await.unwrap();
    format!("{rows:?} {listed:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_await_their_merge_unseen_within_a_day_and_across_days() {
    let Some(database) = Database::with_tables().await else { return };
    database.ask("SYSTEM STOP MERGES {db}.replay_chunks");
    let (hot, session) = (database.hot().await, session(7));
    let mut rows = Vec::new();
    for index in 0..3 {
        for day in [0, DAY_MS] {
            for (revision, data) in [(1, "[\"older\"]"), (2, "[\"newer\"]")] {
                rows.push(row(&session, index, revision, T0 + day, data.as_bytes()));
            }
        }
    }
    store_thrice(&hot, &rows).await;
    assert_eq!(database.ask("SELECT count() FROM {db}.replay_chunks"), "36", "every insert lies there");
    let mut expected = rows.clone();
    expected.iter_mut().for_each(|row| row.meta.received_at_ms += 5);
    expected.sort_by_key(|row| row.meta.copy_id());
    assert_eq!(read_all(&hot, &session).await, expected);
    let before = said(&hot, &session).await;

    database.ask("SYSTEM START MERGES {db}.replay_chunks");
    database.ask("OPTIMIZE TABLE {db}.replay_chunks FINAL");
    assert_eq!(database.ask("SELECT count() FROM {db}.replay_chunks"), "12", "one row a copy");
    assert_eq!(said(&hot, &session).await, before, "the merge keeps what readers saw");
}

/// Also one that no reader sees, whose greater twin lies in another part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_stays_deleted_through_later_merges() {
    let Some(database) = Database::with_tables().await else { return };
    database.ask("SYSTEM STOP MERGES {db}.replay_chunks");
    let (hot, session) = (database.hot().await, session(7));
    let doomed = row(&session, 0, 2, T0, b"[\"newer\"]");
    let loser = row(&session, 0, 1, T0, b"[\"older\"]");
    let other = row(&session, 1, 1, T0, b"[1]");
    store_thrice(&hot, std::slice::from_ref(&doomed)).await;
    hot.insert(&[loser.clone(), other.clone()]).await.unwrap();
    assert_eq!(hot.delete_copies(&session, &names(std::slice::from_ref(&doomed))).await.unwrap(), 1);
    assert_eq!(read_all(&hot, &session).await, [loser.clone(), other.clone()]);
    database.ask("SYSTEM START MERGES {db}.replay_chunks");
    database.ask("OPTIMIZE TABLE {db}.replay_chunks FINAL");
    assert_eq!(read_all(&hot, &session).await, [loser.clone(), other.clone()]);
    // By name, the loser with it: nothing comes back from anywhere.
    assert_eq!(hot.delete_copies(&session, &names(&[doomed, loser, other])).await.unwrap(), 2);
    assert_eq!(database.ask("SELECT count() FROM {db}.replay_chunks"), "0");
}

/// What a foreign client reads with plain SQL: the contract's columns, with their values.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_plain_to_foreign_clients() {
    let Some(database) = Database::with_tables().await else { return };
    let (hot, session) = (database.hot().await, session(7));
    let first = row(&session, 0, 3, T0 + 1, b"[1]");
    hot.insert(&[first.clone(), row(&session, 1, 3, T0 + 1, b"[2]")]).await.unwrap();
    let answer = database.ask(
        "SELECT session_id, project_id, chunk_index, toUnixTimestamp64Milli(timestamp_start), \
             toUnixTimestamp64Milli(timestamp_end), data, data_size, compressed_size, event_count, \
             has_full_snapshot, chunk_date, toUnixTimestamp64Milli(received_at), codec, version, content_hash, \
             xxh3(data) = content_hash, toTypeName(has_full_snapshot) \
         FROM {db}.replay_chunks WHERE session_id = '00000000-0000-0000-0000-000000000007' \
         ORDER BY timestamp_start, chunk_index LIMIT 1",
    );
    let meta = &first.meta;
    assert_eq!(
        answer,
        format!(
            "00000000-0000-0000-0000-000000000007\tshop\t0\t{T0}\t{}\t[1]\t21\t3\t3\t1\t2026-01-05\t{}\tgzip\t{}\t{}\t1\tUInt8",
            T0 + 10,
            T0 + 1,
            meta.version.as_u64(),
            meta.content_hash.0
        )
    );
    // By the key, although the table is sorted by a function of the session.
    let plan = database.ask(
        "EXPLAIN indexes = 1 SELECT sum(event_count) FROM {db}.replay_chunks \
         WHERE project_id = 'shop' AND session_id = '00000000-0000-0000-0000-000000000007'",
    );
    assert!(plan.contains("UUIDToNum(session_id) in"), "{plan}");
}
