//! Storing, reading and deleting physical copies.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::sync::Arc;

use replay_core::identity::{MAX_TIMESTAMP_MS, SessionKey};
use replay_core::row::{ChunkRow, Codec};
use replay_core::time::DAY_MS;
use replay_core::tombstone::EraseScope;
use replay_core::winner::{ContentHash, Version};
use replay_ports::{HotStore, InsertReport, SessionFilter};

use super::{Dice, NEXT_DAY, Spec, T0, new_session, sorted};

type Store = Arc<dyn HotStore>;

/// Reads every copy of a session with its bytes.
async fn read_all(store: &Store, session: &SessionKey) -> Vec<ChunkRow> {
    let copies: Vec<_> = store.copies(session).await.unwrap().iter().map(|meta| meta.copy_id()).collect();
    sorted(store.read(session, &copies).await.unwrap())
}

/// Bytes and description come back as they were stored; other sessions see nothing of it.
pub async fn what_is_stored_reads_back(store: Store) {
    let (session, other) = (new_session(), new_session());
    let every_byte: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let rows = vec![
        Spec { data: &every_byte, ..Spec::default() }.row(&session),
        Spec { index: 1, data: b"x", ..Spec::default() }.row(&session),
        Spec { index: 2, data: b"", ..Spec::default() }.row(&session),
    ];
    assert_eq!(store.insert(&rows).await.unwrap(), InsertReport::default());
    assert_eq!(read_all(&store, &session).await, sorted(rows.clone()));
    assert!(store.copies(&other).await.unwrap().is_empty());
    let copy = rows[0].meta.copy_id();
    assert!(store.read(&other, &[copy]).await.unwrap().is_empty());
    let absent = Spec { index: 99, ..Spec::default() }.row(&session).meta.copy_id();
    assert_eq!(store.read(&session, &[absent, copy]).await.unwrap(), rows[..1]);
}

/// Hashes use all 64 bits and browsers' clocks lie by a century.
pub async fn extreme_numbers_read_back(store: Store) {
    let session = new_session();
    let starts = [0, 1, 915_148_800_000, T0, 5_680_281_600_000, MAX_TIMESTAMP_MS];
    let hashes = [0, 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX];
    let receipts = [0, 1, T0, 4_102_444_800_000];
    let mut rows = Vec::new();
    for (number, (&start, &hash)) in
        starts.iter().flat_map(|s| hashes.iter().map(move |h| (s, h))).enumerate()
    {
        let received = receipts[number % receipts.len()];
        let mut row = Spec { start, index: u32::MAX, received, ..Spec::default() }.row(&session);
        row.meta.content_hash = ContentHash(hash);
        row.meta.version = Version::from_u64(hash);
        row.meta.timestamp_end_ms = MAX_TIMESTAMP_MS;
        row.meta.event_count = u32::MAX;
        row.meta.data_size = 1 << 40;
        row.meta.codec = if number % 2 == 0 { Codec::Gzip } else { Codec::Zstd };
        rows.push(row);
    }
    store.insert(&rows).await.unwrap();
    assert_eq!(read_all(&store, &session).await, sorted(rows));
}

/// A redelivery is no second copy; it may only look younger than the first.
pub async fn storing_again_changes_nothing_but_the_receipt(store: Store) {
    let session = new_session();
    let first = Spec { received: T0 + 5, ..Spec::default() }.row(&session);
    let later = Spec { received: T0 + 9, ..Spec::default() }.row(&session);
    store.insert(std::slice::from_ref(&first)).await.unwrap();
    store.insert(&[first.clone(), first.clone()]).await.unwrap();
    assert_eq!(read_all(&store, &session).await, std::slice::from_ref(&first));
    store.insert(std::slice::from_ref(&later)).await.unwrap();
    store.insert(std::slice::from_ref(&first)).await.unwrap();
    let stored = read_all(&store, &session).await;
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert!((T0 + 5..=T0 + 9).contains(&stored[0].meta.received_at_ms));
    let mut same = stored[0].clone();
    same.meta.received_at_ms = first.meta.received_at_ms;
    assert_eq!(same, first);
}

/// The same bytes made by a later revision of the chain: whichever came first, the later counts.
pub async fn the_greater_version_of_one_copy_stays(store: Store) {
    for revisions in [[1, 2], [2, 1]] {
        let session = new_session();
        for revision in revisions {
            store.insert(&[Spec { revision, ..Spec::default() }.row(&session)]).await.unwrap();
        }
        let greatest = store.copies(&session).await.unwrap().iter().map(|meta| meta.version).max();
        let expected = Spec { revision: 2, ..Spec::default() }.row(&session).meta.version;
        assert_eq!(greatest, Some(expected));
    }
}

/// Different bytes, or the same on another day, are further copies of the chunk.
pub async fn copies_of_a_chunk_lie_side_by_side(store: Store) {
    let session = new_session();
    let rows = vec![
        Spec::default().row(&session),
        Spec { data: b"[2]", revision: 2, ..Spec::default() }.row(&session),
        Spec { received: NEXT_DAY, ..Spec::default() }.row(&session),
        Spec { received: NEXT_DAY, data: b"[2]", revision: 2, ..Spec::default() }.row(&session),
    ];
    store.insert(&rows).await.unwrap();
    assert_eq!(read_all(&store, &session).await, sorted(rows));
}

/// By start, then by index; indexes restart on every page of a visit.
pub async fn copies_come_in_order_of_play(store: Store) {
    let session = new_session();
    let mut dice = Dice(7);
    let mut rows = Vec::new();
    for page in 0..3 {
        for index in 0..20 {
            // Equal starts now and then, so that the index decides.
            let start = T0 + page * 100_000 + u64::from(index / 2) * 1_000;
            let data = format!("[{page},{index}]");
            rows.push(Spec { start, index, data: data.as_bytes(), ..Spec::default() }.row(&session));
        }
    }
    rows.sort_by_key(|_| dice.roll(1 << 40));
    store.insert(&rows).await.unwrap();
    let keys: Vec<_> = store.copies(&session).await.unwrap().iter().map(|meta| meta.key).collect();
    assert_eq!(keys.len(), 60);
    assert!(keys.is_sorted(), "{keys:?}");
}

/// The same identity with another hash survives, and so does the same hash on another day.
pub async fn exactly_the_named_copies_are_deleted(store: Store) {
    let (session, other) = (new_session(), new_session());
    let doomed = Spec::default().row(&session);
    let survivors = vec![
        Spec { data: b"[2]", ..Spec::default() }.row(&session),
        Spec { received: NEXT_DAY, ..Spec::default() }.row(&session),
        Spec { index: 1, ..Spec::default() }.row(&session),
        Spec { start: T0 + 1, ..Spec::default() }.row(&session),
    ];
    let elsewhere = Spec::default().row(&other);
    let all: Vec<_> = survivors.iter().chain([&doomed, &elsewhere]).cloned().collect();
    store.insert(&all).await.unwrap();
    let absent = Spec { index: 77, ..Spec::default() }.row(&session).meta.copy_id();
    let named = [doomed.meta.copy_id(), absent];
    assert_eq!(store.delete_copies(&session, &named).await.unwrap(), 1);
    assert_eq!(store.delete_copies(&session, &named).await.unwrap(), 0);
    assert_eq!(store.delete_copies(&session, &[]).await.unwrap(), 0);
    assert_eq!(read_all(&store, &session).await, sorted(survivors));
    assert_eq!(read_all(&store, &other).await, [elsewhere]);
    // What was deleted may come again.
    store.insert(std::slice::from_ref(&doomed)).await.unwrap();
    assert_eq!(store.read(&session, &named).await.unwrap(), [doomed]);
}

/// Nothing that reads knows of a deleted copy, before it is wiped and after; what comes again is new.
pub async fn a_deleted_copy_is_seen_nowhere(store: Store) {
    let session = new_session();
    let gone = Spec { received: T0 + 5, revision: 7, ..Spec::default() }.row(&session);
    let left = Spec { index: 1, received: T0 + 9, ..Spec::default() }.row(&session);
    store.insert(&[gone.clone(), left.clone()]).await.unwrap();
    assert_eq!(store.delete_copies(&session, &[gone.meta.copy_id()]).await.unwrap(), 1);
    for wiped in [false, true] {
        if wiped {
            store.wipe(&EraseScope::Session(session.clone())).await.unwrap();
            store.wipe(&EraseScope::Project(session.project_id.clone())).await.unwrap();
        }
        assert_eq!(read_all(&store, &session).await, std::slice::from_ref(&left), "wiped: {wiped}");
        let filter =
            SessionFilter { project_id: Some(session.project_id.clone()), ..SessionFilter::default() };
        let listed = store.list_sessions(&filter, None, 10).await.unwrap();
        let counts: Vec<_> = listed.iter().map(|summary| (summary.chunk_count, summary.data_size)).collect();
        assert_eq!(counts, [(1, left.meta.data_size)], "wiped: {wiped}");
        let ages = store.session_ages(T0 + 100, None, 1000).await.unwrap();
        let age = ages.iter().find(|age| age.session == session).unwrap();
        assert_eq!(age.oldest_received_at_ms, T0 + 9, "wiped: {wiped}");
    }
    // Deleted, and stored again by an older replica: nothing of the first time is left.
    assert_eq!(store.delete_copies(&session, &[left.meta.copy_id()]).await.unwrap(), 1);
    let again = Spec { index: 1, received: T0 + 2, ..Spec::default() }.row(&session);
    store.insert(std::slice::from_ref(&again)).await.unwrap();
    store.wipe(&EraseScope::Session(session.clone())).await.unwrap();
    assert_eq!(read_all(&store, &session).await, [again]);
}

/// The largest chunk, and as many rows as a busy minute brings.
pub async fn large_rows_and_large_batches_fit(store: Store) {
    let session = new_session();
    let mut dice = Dice(99);
    let large: Vec<u8> = (0..8 << 20).map(|_| dice.roll(256) as u8).collect();
    let large = Spec { data: &large, ..Spec::default() }.row(&session);
    store.insert(std::slice::from_ref(&large)).await.unwrap();
    assert_eq!(read_all(&store, &session).await, [large]);

    let sessions: Vec<_> = (0..10).map(|_| new_session()).collect();
    let rows: Vec<_> = (0..10_000u32)
        .map(|number| {
            let data = format!("[{number}]");
            let received = T0 + u64::from(number % 3) * DAY_MS;
            let spec = Spec { index: number, received, data: data.as_bytes(), ..Spec::default() };
            spec.row(&sessions[number as usize % 10])
        })
        .collect();
    assert_eq!(store.insert(&rows).await.unwrap(), InsertReport::default());
    for (number, session) in sessions.iter().enumerate() {
        let expected = rows.iter().skip(number).step_by(10).cloned().collect();
        assert_eq!(read_all(&store, session).await, sorted(expected));
    }
}

/// Nothing to do is no error.
pub async fn an_empty_batch_is_fine(store: Store) {
    assert_eq!(store.insert(&[]).await.unwrap(), InsertReport::default());
    assert!(store.read(&new_session(), &[]).await.unwrap().is_empty());
}

/// A reader beside writers sees whole rows, and once an insert was answered, that row.
pub async fn inserts_and_reads_run_side_by_side(store: Store) {
    let session = new_session();
    let writers: Vec<_> = (0..8u32)
        .map(|writer| {
            let (store, session) = (Arc::clone(&store), session.clone());
            tokio::spawn(async move {
                for number in 0..10 {
                    let data = vec![writer as u8; 1_000 + number as usize];
                    let row =
                        Spec { index: writer * 100 + number, data: &data, ..Spec::default() }.row(&session);
                    store.insert(std::slice::from_ref(&row)).await.unwrap();
                    assert_eq!(store.read(&session, &[row.meta.copy_id()]).await.unwrap(), [row]);
                }
            })
        })
        .collect();
    let reader = {
        let (store, session) = (Arc::clone(&store), session.clone());
        tokio::spawn(async move {
            let mut seen = 0;
            while seen < 80 {
                let rows = read_all(&store, &session).await;
                assert!(rows.len() >= seen, "a row vanished");
                assert!(rows.iter().all(|row| ContentHash::of(&row.data) == row.meta.content_hash));
                seen = rows.len();
            }
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    reader.await.unwrap();
}
