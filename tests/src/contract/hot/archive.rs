//! What was moved to the cold store.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::sync::Arc;

use replay_core::archive::{ArchiveRow, IndexEntry, ObjectHeader, separator};
use replay_core::identity::{ChunkKey, MAX_TIMESTAMP_MS, SessionKey};
use replay_core::row::Codec;
use replay_core::winner::{ContentHash, Version};
use replay_ports::{ArchiveFilter, HotStore};

use super::{T0, new_session, session_of};

type Store = Arc<dyn HotStore>;

/// An entry whose numbers differ from those of every other.
fn entry(number: u64) -> IndexEntry {
    IndexEntry {
        key: ChunkKey { timestamp_start_ms: T0 + number, chunk_index: number as u32 },
        timestamp_end_ms: T0 + number + 1,
        received_at_ms: T0 + number + 2,
        offset: 0,
        length: 99 + number % 7,
        data_size: 990,
        event_count: 9,
        has_full_snapshot: number == 0,
        version: Version::new(3, number, ContentHash(u64::MAX - number)),
        content_hash: ContentHash(u64::MAX - number),
        member_hash: ContentHash(u64::MAX / 2 + number),
    }
}

/// The entries as they lie in an object: one behind the other, with what is between them.
fn laid_out(codec: Codec, entries: impl IntoIterator<Item = IndexEntry>) -> Vec<IndexEntry> {
    let mut offset = 0;
    let place = |mut entry: IndexEntry| {
        entry.offset = offset;
        offset = entry.end() + separator(codec).len() as u64;
        entry
    };
    entries.into_iter().map(place).collect()
}

fn row(session: &SessionKey, object_key: &str, generation: u64, expires_at_ms: u64) -> ArchiveRow {
    ArchiveRow {
        header: ObjectHeader {
            session: session.clone(),
            codec: Codec::Gzip,
            generation,
            first_moved_at_ms: T0,
            expires_at_ms,
        },
        object_key: object_key.to_owned(),
        object_size: 300,
        sha256: std::array::from_fn(|at| at as u8 ^ generation as u8),
        index: laid_out(Codec::Gzip, (0..3).map(entry)),
    }
}

/// With its index, however long, and every number in it.
pub async fn an_archive_row_reads_back(store: Store) {
    let session = new_session();
    let mut long = row(&session, "p/2026/01/long.gz", 1, T0);
    let extreme = |number| IndexEntry {
        key: ChunkKey { timestamp_start_ms: T0 + number, chunk_index: u32::MAX },
        timestamp_end_ms: MAX_TIMESTAMP_MS,
        length: 1 << 30,
        ..entry(number)
    };
    long.index = laid_out(Codec::Gzip, (0..5_000).map(extreme));
    let mut zstd = row(&session, "p/2026/01/short.zst", 7, MAX_TIMESTAMP_MS);
    zstd.header.codec = Codec::Zstd;
    zstd.index = laid_out(Codec::Zstd, (0..3).map(entry));
    store.put_archive(&zstd).await.unwrap();
    store.put_archive(&long).await.unwrap();
    let mut rows = store.archive_rows(&session).await.unwrap();
    rows.sort_by(|a, b| a.object_key.cmp(&b.object_key));
    assert_eq!(rows, [long, zstd]);
    assert!(store.archive_rows(&new_session()).await.unwrap().is_empty());
}

/// In whatever order they are written.
pub async fn the_greatest_generation_counts(store: Store) {
    let session = new_session();
    for generation in [2, 9, 3] {
        store.put_archive(&row(&session, "k", generation, T0 + generation)).await.unwrap();
        // Writing a row again changes nothing.
        store.put_archive(&row(&session, "k", generation, T0 + generation)).await.unwrap();
    }
    let expected = [row(&session, "k", 9, T0 + 9)];
    assert_eq!(store.archive_rows(&session).await.unwrap(), expected);
    // A row that expired earlier in a lesser generation does not expire now.
    let filter =
        ArchiveFilter { project_id: Some(session.project_id.clone()), expires_until_ms: Some(T0 + 8) };
    assert!(store.list_archive(&filter, None, 10).await.unwrap().is_empty());
}

/// A sweeper that saw generation 4 does not take 5 away.
pub async fn a_generation_is_deleted_but_no_later_one(store: Store) {
    let session = new_session();
    store.put_archive(&row(&session, "k", 5, T0)).await.unwrap();
    store.put_archive(&row(&session, "other", 1, T0)).await.unwrap();
    store.delete_archive(&session, "k", 4).await.unwrap();
    assert_eq!(store.archive_rows(&session).await.unwrap().len(), 2);
    store.delete_archive(&session, "k", 5).await.unwrap();
    store.delete_archive(&session, "k", 5).await.unwrap();
    store.delete_archive(&new_session(), "other", 9).await.unwrap();
    assert_eq!(store.archive_rows(&session).await.unwrap(), [row(&session, "other", 1, T0)]);
}

/// Ascending by session and key, each row once.
pub async fn archive_rows_are_filtered_and_paged(store: Store) {
    let project_id = new_session().project_id;
    let mut expected = Vec::new();
    for number in [1, 2] {
        let session = session_of(&project_id, number);
        for (key, expires) in [("a", T0), ("a/b", T0 + 1), ("b", T0 + 2)] {
            expected.push(row(&session, key, 1, expires));
        }
    }
    for row in expected.iter().rev() {
        store.put_archive(row).await.unwrap();
    }
    store.put_archive(&row(&new_session(), "a", 1, T0)).await.unwrap();
    let mut filter = ArchiveFilter { project_id: Some(project_id), expires_until_ms: None };
    for limit in [1, 4, 100] {
        let mut seen: Vec<ArchiveRow> = Vec::new();
        loop {
            let after = seen.last().map(|row| (row.header.session.clone(), row.object_key.clone()));
            let after = after.as_ref().map(|(session, key)| (session, key.as_str()));
            let page = store.list_archive(&filter, after, limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, expected);
    }
    filter.expires_until_ms = Some(T0 + 1);
    let page = store.list_archive(&filter, None, 100).await.unwrap();
    let keys: Vec<_> = page.iter().map(|row| row.object_key.as_str()).collect();
    assert_eq!(keys, ["a", "a/b", "a", "a/b"]);
}
