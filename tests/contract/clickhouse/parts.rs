//! Parts are dropped by name, and only when every row of them may go.

use replay_core::archive::{ArchiveRow, IndexEntry, ObjectHeader};
use replay_core::identity::SessionKey;
use replay_core::row::{ChunkRow, Codec};
use replay_core::time::{DAY_MS, Day};
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::HotStore;
use replay_servers::clickhouse::DroppedDay;

use super::{Database, T0, names, read_all, row, session};

/// An archive row that holds these copies.
fn archived(session: &SessionKey, rows: &[ChunkRow]) -> ArchiveRow {
    let mut offset = 0;
    let entry = |row: &ChunkRow| {
        let meta = &row.meta;
        let entry = IndexEntry {
            key: meta.key,
            timestamp_end_ms: meta.timestamp_end_ms,
            received_at_ms: meta.received_at_ms,
            offset,
            length: meta.compressed_size,
            data_size: meta.data_size,
            event_count: meta.event_count,
            has_full_snapshot: meta.has_full_snapshot,
            version: meta.version,
            content_hash: meta.content_hash,
            member_hash: meta.content_hash,
        };
        offset = entry.end() + replay_core::archive::separator(Codec::Gzip).len() as u64;
        entry
    };
    let index: Vec<_> = rows.iter().map(entry).collect();
    ArchiveRow {
        header: ObjectHeader {
            session: session.clone(),
            codec: Codec::Gzip,
            generation: 1,
            first_moved_at_ms: T0,
            expires_at_ms: T0 + DAY_MS,
        },
        object_key: format!("{session}.gz"),
        object_size: 1_000,
        sha256: [7; 32],
        index,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_comes_between_the_proof_and_the_drop_stays() {
    let Some(database) = Database::with_tables().await else { return };
    let hot = database.hot().await;
    let (one, two) = (session(1), session(2));
    let moved: Vec<_> = (0..5).map(|index| row(&one, index, 1, T0, b"[1]")).collect();
    hot.insert(&moved).await.unwrap();
    hot.put_archive(&archived(&one, &moved)).await.unwrap();

    let proven = hot.prove_day(Day::of(T0), 0).await.unwrap();
    let late = [row(&one, 9, 1, T0, b"[9]"), row(&two, 0, 1, T0, b"[2]")];
    hot.insert(&late).await.unwrap();
    let dropped = hot.drop_proven(&proven).await.unwrap();
    assert_eq!(dropped, DroppedDay { parts: 1, rows: 5, kept_parts: 0 });
    assert_eq!(read_all(&hot, &one).await, late[..1]);
    assert_eq!(read_all(&hot, &two).await, late[1..]);
    // Neither is archived: nothing more goes.
    assert_eq!(
        hot.drop_day(Day::of(T0), 0).await.unwrap(),
        DroppedDay { kept_parts: 1, ..DroppedDay::default() }
    );
}

/// The server merges what was proven with what came: the name is gone, and so nothing is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_was_merged_meanwhile_stays() {
    let Some(database) = Database::with_tables().await else { return };
    let (hot, one) = (database.hot().await, session(1));
    let moved = [row(&one, 0, 1, T0, b"[1]")];
    hot.insert(&moved).await.unwrap();
    hot.put_archive(&archived(&one, &moved)).await.unwrap();
    let proven = hot.prove_day(Day::of(T0), 0).await.unwrap();
    let late = row(&one, 1, 1, T0, b"[2]");
    hot.insert(std::slice::from_ref(&late)).await.unwrap();
    database.ask("OPTIMIZE TABLE {db}.replay_chunks FINAL");
    let dropped = hot.drop_proven(&proven).await.unwrap();
    assert_eq!(dropped, DroppedDay { kept_parts: 1, ..DroppedDay::default() });
    assert_eq!(read_all(&hot, &one).await, [moved[0].clone(), late]);
}

/// Archived at a lesser rank is not archived; expired needs no archive; other days are not looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_archived_or_expired_goes() {
    let Some(database) = Database::with_tables().await else { return };
    let (hot, one) = (database.hot().await, session(1));
    let older = row(&one, 0, 1, T0 + 9, b"[\"older\"]");
    let newer = row(&one, 0, 2, T0 + 9, b"[\"newer\"]");
    let elsewhere = row(&one, 0, 1, T0 + DAY_MS, b"[\"older\"]");
    let kept = DroppedDay { kept_parts: 1, ..DroppedDay::default() };
    hot.insert(std::slice::from_ref(&newer)).await.unwrap();
    hot.insert(std::slice::from_ref(&elsewhere)).await.unwrap();
    assert_eq!(hot.drop_day(Day::of(T0), 0).await.unwrap(), kept);
    hot.put_archive(&archived(&one, std::slice::from_ref(&older))).await.unwrap();
    assert_eq!(hot.drop_day(Day::of(T0), 0).await.unwrap(), kept);
    assert_eq!(hot.drop_day(Day::of(T0), T0 + 9).await.unwrap(), kept);
    assert_eq!(hot.drop_day(Day::of(T0), T0 + 10).await.unwrap().parts, 1);
    assert_eq!(read_all(&hot, &one).await, std::slice::from_ref(&elsewhere));
    // The loser of what is archived goes too.
    hot.insert(&[older]).await.unwrap();
    hot.put_archive(&archived(&one, &[newer])).await.unwrap();
    assert_eq!(hot.drop_day(Day::of(T0), 0).await.unwrap().rows, 1);
    assert_eq!(read_all(&hot, &one).await, [elsewhere]);
}

/// No mutation where a part consists of what is deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_all_of_a_part_rewrites_nothing() {
    let Some(database) = Database::with_tables().await else { return };
    database.ask("SYSTEM STOP MERGES {db}.replay_chunks");
    let hot = database.hot().await;
    let (one, two) = (session(1), session(2));
    let rows: Vec<_> = (0..3).map(|index| row(&one, index, 1, T0, b"[1]")).collect();
    hot.insert(&rows).await.unwrap();
    hot.insert(&[row(&two, 0, 1, T0, b"[2]")]).await.unwrap();
    assert_eq!(hot.delete_copies(&one, &names(&rows)).await.unwrap(), 3);
    assert_eq!(database.ask("SELECT count() FROM system.mutations WHERE database = '{db}'"), "0");
    assert!(read_all(&hot, &one).await.is_empty());
    assert_eq!(read_all(&hot, &two).await.len(), 1);
}

/// Rows that lie in active parts, masked ones too.
const ON_DISK: &str =
    "SELECT sum(rows) FROM system.parts WHERE database = '{db}' AND table = 'replay_chunks' AND active";

/// Ten sessions in one part go one by one, as a migrator moves them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_gets_its_bytes_back_while_a_day_empties() {
    let Some(database) = Database::with_tables().await else { return };
    let hot = database.hot().await;
    let of = |number| {
        let session = session(number);
        (0..10).map(|index| row(&session, index, 1, T0, b"[1]")).collect::<Vec<_>>()
    };
    hot.insert(&(1..=10).flat_map(of).collect::<Vec<_>>()).await.unwrap();
    let mut on_disk = Vec::new();
    for number in 1..=10 {
        assert_eq!(hot.delete_copies(&session(number), &names(&of(number))).await.unwrap(), 10);
        assert!(read_all(&hot, &session(number)).await.is_empty());
        if number < 10 {
            assert_eq!(read_all(&hot, &session(number + 1)).await, of(number + 1));
        }
        on_disk.push(database.ask(ON_DISK).parse::<u64>().unwrap());
    }
    // Rewritten once more than half is masked, each time; the last one takes the part with it.
    assert_eq!(on_disk, [100, 100, 100, 100, 100, 40, 40, 40, 10, 0]);
    // What was deleted may come again.
    hot.insert(&of(3)).await.unwrap();
    assert_eq!(read_all(&hot, &session(3)).await, of(3));
}

/// What only a mask hides leaves the disk when that is asked for, and nothing else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masked_copies_are_wiped() {
    let Some(database) = Database::with_tables().await else { return };
    let hot = database.hot().await;
    let rows: Vec<_> = (0..9).map(|index| row(&session(1), index, 1, T0, b"[\"kept\"]")).collect();
    let leaked = row(&session(1), 9, 1, T0, b"[\"leaked\"]");
    hot.insert(&[&rows[..], std::slice::from_ref(&leaked)].concat()).await.unwrap();
    hot.delete_copies(&session(1), &names(&[leaked])).await.unwrap();
    let there = "SELECT count() FROM {db}.replay_chunks WHERE data LIKE '%leaked%' \
        SETTINGS apply_deleted_mask = 0";
    assert_eq!(database.ask(there), "1");
    hot.wipe(&EraseScope::Session(session(2))).await.unwrap();
    assert_eq!(database.ask(there), "1", "another session's");
    hot.wipe(&EraseScope::Session(session(1))).await.unwrap();
    assert_eq!(database.ask(there), "0");
    assert_eq!(read_all(&hot, &session(1)).await, rows);
}

/// A session that was moved, and so is masked, is erased from the disk all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_leaves_nothing_behind_a_mask() {
    let Some(database) = Database::with_tables().await else { return };
    let hot = database.hot().await;
    let doomed = session(1);
    let moved = row(&doomed, 0, 1, T0, b"[\"moved\"]");
    let elsewhere = row(&doomed, 0, 1, T0 + DAY_MS, b"[\"moved\"]");
    let others: Vec<_> = (0..9).map(|index| row(&session(2), index, 1, T0, b"[\"another\"]")).collect();
    hot.insert(&[&others[..], std::slice::from_ref(&moved)].concat()).await.unwrap();
    hot.insert(std::slice::from_ref(&elsewhere)).await.unwrap();
    hot.delete_copies(&doomed, &names(&[moved])).await.unwrap();
    let there = "SELECT count() FROM {db}.replay_chunks WHERE project_id = 'shop' AND data LIKE '%moved%' \
        SETTINGS apply_deleted_mask = 0";
    assert_eq!(database.ask(there), "2", "one masked, one seen");

    let tombstone = Tombstone { scope: EraseScope::Session(doomed.clone()), erased_at_ms: T0 };
    hot.put_tombstone(&tombstone).await.unwrap();
    assert_eq!(hot.count_erasable(&tombstone).await.unwrap(), 2);
    assert_eq!(hot.erase(&tombstone).await.unwrap(), elsewhere.meta.compressed_size);
    assert_eq!(database.ask(there), "0");
    assert_eq!(hot.count_erasable(&tombstone).await.unwrap(), 0);
    assert_eq!(read_all(&hot, &session(2)).await, others);
}
