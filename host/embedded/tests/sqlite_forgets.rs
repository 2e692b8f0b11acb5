//! What is erased from SQLite is in none of its files any more, and its space is given back.

#![expect(clippy::unwrap_used, reason = "this is test code")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Dice, T0, occurrences, row, session};
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::reject::Reason;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_embedded::sqlite::{SqliteDeadLetters, SqliteHot, SqliteSettings};
use replay_ports::{DeadLetters, Disposition, HotStore};

/// A payload of about this length, all of it telling whose it is.
fn canary(owner: u64, length: u64) -> Vec<u8> {
    format!("CANARY{owner:02}.").bytes().cycle().take(length as usize).collect()
}

/// Small rows share pages with others, large ones overflow: both kinds, mixed.
fn some_length(dice: &mut Dice) -> u64 {
    match dice.roll(3) {
        0 => 20 + dice.roll(200),
        1 => 200 + dice.roll(3_900),
        _ => 3_000 + dice.roll(30_000),
    }
}

/// Fills a store in random order, deleting here and there, so that pages split and merge.
async fn churn(store: &SqliteHot, dice: &mut Dice) {
    for round in 0..150 {
        let rows: Vec<_> = (0..10)
            .map(|number| {
                let owner = dice.roll(20);
                let data = canary(owner, some_length(dice));
                row(&session("shop", u128::from(owner) + 1), round * 10 + number, data)
            })
            .collect();
        store.insert(&rows).await.unwrap();
        if round % 10 == 9 {
            let owner = session("shop", u128::from(dice.roll(20)) + 1);
            let copies: Vec<_> =
                store.copies(&owner).await.unwrap().iter().map(|meta| meta.copy_id()).step_by(2).collect();
            store.delete_copies(&owner, &copies).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_erased_session_leaves_no_byte_in_any_file() {
    for seed in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replays.sqlite");
        let store = SqliteHot::open(&path, &SqliteSettings::default()).unwrap();
        churn(&store, &mut Dice(seed)).await;
        for owner in (0..20).step_by(2) {
            let scope = EraseScope::Session(session("shop", owner + 1));
            let tombstone = Tombstone { scope, erased_at_ms: T0 };
            store.put_tombstone(&tombstone).await.unwrap();
            store.erase(&tombstone).await.unwrap();
            let left = occurrences(folder.path(), &format!("CANARY{owner:02}."));
            assert_eq!(left, 0, "seed {seed}, session {owner}");
        }
        // The control: the same search finds what was not erased.
        for owner in (1..20).step_by(2) {
            assert!(occurrences(folder.path(), &format!("CANARY{owner:02}.")) > 0);
        }
    }
}

#[tokio::test]
async fn an_erased_project_leaves_no_byte_and_no_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let store = SqliteHot::open(&path, &SqliteSettings::default()).unwrap();
    store.insert(&[row(&session("other", 1), 0, canary(99, 10_000))]).await.unwrap();
    churn(&store, &mut Dice(77)).await;
    let size = || std::fs::metadata(&path).unwrap().len();
    let project_id = session("shop", 1).project_id;
    let tombstone = Tombstone { scope: EraseScope::Project(project_id), erased_at_ms: T0 + 100_000 };
    store.put_tombstone(&tombstone).await.unwrap();
    assert!(store.erase(&tombstone).await.unwrap() > 1 << 20);
    for owner in 0..20 {
        assert_eq!(occurrences(folder.path(), &format!("CANARY{owner:02}.")), 0);
    }
    assert!(occurrences(folder.path(), "CANARY99.") > 0);
    assert!(size() < 1 << 20, "{} bytes are kept", size());
}

/// The reason why nothing is left: no payload is ever in a page that holds several rows.
#[tokio::test]
async fn payload_lies_in_pages_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let store = SqliteHot::open(&path, &SqliteSettings::default()).unwrap();
    churn(&store, &mut Dice(5)).await;
    drop(store);
    assert_no_row_page_holds(&path, "CANARY");
}

/// Looks at every page of a closed database that is not of one row alone.
fn assert_no_row_page_holds(path: &Path, text: &str) {
    let bytes = std::fs::read(path).unwrap();
    let conn = rusqlite::Connection::open(path).unwrap();
    let mut pages = conn.prepare("SELECT pageno FROM dbstat WHERE pagetype IN ('leaf', 'internal')").unwrap();
    let pages: Vec<usize> =
        pages.query_map([], |row| row.get::<_, i64>(0)).unwrap().map(|page| page.unwrap() as usize).collect();
    assert!(pages.len() > 20);
    for page in pages {
        let page = &bytes[(page - 1) * 4096..page * 4096];
        assert!(memchr::memmem::find(page, text.as_bytes()).is_none());
    }
}

#[tokio::test]
async fn a_reader_in_the_way_makes_the_erasure_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let settings = SqliteSettings { erase_wait: Duration::from_millis(300), ..SqliteSettings::default() };
    let store = SqliteHot::open(&path, &settings).unwrap();
    let erased = session("shop", 1);
    store.insert(&[row(&erased, 0, canary(1, 500))]).await.unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM replay_chunks").unwrap();

    let tombstone = Tombstone { scope: EraseScope::Session(erased), erased_at_ms: T0 };
    let error = store.erase(&tombstone).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 0);
    assert!(occurrences(folder.path(), "CANARY01.") > 0, "the reader still needs the old page");
    // Writing goes on all the while.
    store.insert(&[row(&session("shop", 2), 0, canary(2, 500))]).await.unwrap();

    reader.execute_batch("COMMIT").unwrap();
    store.erase(&tombstone).await.unwrap();
    assert_eq!(occurrences(folder.path(), "CANARY01."), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_gets_through_a_crowd_of_readers_and_writers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let store = Arc::new(SqliteHot::open(&path, &SqliteSettings::default()).unwrap());
    let busy = session("shop", 50);
    let rows: Vec<_> = (0..20).map(|index| row(&busy, index, canary(50, 50_000))).collect();
    store.insert(&rows).await.unwrap();
    let copies: Vec<_> = rows.iter().map(|row| row.meta.copy_id()).collect();
    let crowd: Vec<_> = (0..8u32)
        .map(|number| {
            let (store, busy, copies) = (Arc::clone(&store), busy.clone(), copies.clone());
            tokio::spawn(async move {
                for turn in 0.. {
                    assert_eq!(store.read(&busy, &copies).await.unwrap().len(), 20);
                    let index = number * 100_000 + turn;
                    store.insert(&[row(&session("shop", 51), index, "x")]).await.unwrap();
                }
            })
        })
        .collect();
    for owner in 1..=10 {
        let erased = session("shop", owner);
        store.insert(&[row(&erased, 0, canary(1, 40_000))]).await.unwrap();
        let tombstone = Tombstone { scope: EraseScope::Session(erased), erased_at_ms: T0 };
        store.erase(&tombstone).await.unwrap();
        assert_eq!(occurrences(folder.path(), "CANARY01."), 0);
    }
    for member in crowd {
        assert!(!member.is_finished(), "a reader or writer failed");
        member.abort();
    }
}

fn letter(offset: u64, payload: Vec<u8>) -> DeadLetter {
    DeadLetter {
        id: LetterId { topic: "local".into(), partition: 0, offset },
        reason: Reason::InvalidJson,
        detail: "x".repeat(offset as usize % 900),
        project_id: None,
        session_id: None,
        received_at_ms: T0,
        dead_at_ms: T0,
        attempts: 1,
        payload_size: payload.len() as u64,
        payload: Some(payload.into()),
    }
}

#[tokio::test]
async fn an_erased_letter_leaves_no_byte_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.sqlite");
    let store = SqliteDeadLetters::open(&path, &SqliteSettings::default()).unwrap();
    let mut dice = Dice(3);
    for offset in 0..600 {
        let owner = dice.roll(6);
        let mut payload = session("shop", u128::from(owner) + 1).session_id.to_string().into_bytes();
        payload.extend(canary(owner, some_length(&mut dice)));
        store.put(&letter(offset, payload)).await.unwrap();
        if offset % 7 == 6 {
            let id = LetterId { topic: "local".into(), partition: 0, offset: dice.roll(offset) };
            store.close(&id).await.unwrap();
        }
    }
    for owner in 0..3 {
        let scope = EraseScope::Session(session("shop", owner + 1));
        assert!(store.erase(&Tombstone { scope, erased_at_ms: T0 }).await.unwrap() > 0);
        assert_eq!(occurrences(folder.path(), &format!("CANARY{owner:02}.")), 0);
    }
    assert!(occurrences(folder.path(), "CANARY03.") > 0);
    drop(store);
    assert_no_row_page_holds(&path, "CANARY");
}

/// A store with a copy, and forty that were deleted while `deleted_bytes` of such may wait.
async fn deleted(path: &Path, deleted_bytes: u64) -> SqliteHot {
    let settings = SqliteSettings { deleted_bytes, ..SqliteSettings::default() };
    let store = SqliteHot::open(path, &settings).unwrap();
    let (owner, other) = (session("shop", 1), session("shop", 2));
    let rows: Vec<_> = (0..40).map(|index| row(&owner, index, canary(1, 100_000))).collect();
    store.insert(&rows).await.unwrap();
    store.insert(&[row(&other, 0, canary(2, 100_000))]).await.unwrap();
    let copies: Vec<_> = rows.iter().map(|row| row.meta.copy_id()).collect();
    assert_eq!(store.delete_copies(&owner, &copies).await.unwrap(), 40);
    assert_eq!(store.delete_copies(&owner, &copies).await.unwrap(), 0);
    assert!(store.copies(&owner).await.unwrap().is_empty());
    assert!(store.read(&owner, &copies).await.unwrap().is_empty());
    store
}

#[tokio::test]
async fn deleted_copies_leave_the_files_when_asked_for() {
    let owner = session("shop", 1);
    for scope in [EraseScope::Project(owner.project_id.clone()), EraseScope::Session(owner)] {
        let folder = tempfile::tempdir().unwrap();
        let store = deleted(&folder.path().join("replays.sqlite"), 1 << 30).await;
        store.wipe(&EraseScope::Project(session("elsewhere", 1).project_id)).await.unwrap();
        store.wipe(&EraseScope::Session(session("shop", 2))).await.unwrap();
        assert!(occurrences(folder.path(), "CANARY01.") > 0);
        store.wipe(&scope).await.unwrap();
        assert_eq!(occurrences(folder.path(), "CANARY01."), 0);
        assert!(occurrences(folder.path(), "CANARY02.") > 0);
    }
}

#[tokio::test]
async fn deleted_copies_leave_the_files_with_an_erasure() {
    let folder = tempfile::tempdir().unwrap();
    let store = deleted(&folder.path().join("replays.sqlite"), 1 << 30).await;
    let tombstone = Tombstone { scope: EraseScope::Session(session("shop", 1)), erased_at_ms: T0 };
    store.put_tombstone(&tombstone).await.unwrap();
    store.erase(&tombstone).await.unwrap();
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 0);
    assert_eq!(occurrences(folder.path(), "CANARY01."), 0);
}

/// Rows that lie in the table, hidden or not.
fn rows_on_disk(path: &Path) -> i64 {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.query_row("SELECT count(*) FROM replay_chunks", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn who_deletes_more_than_may_wait_overwrites_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let _store = deleted(&path, 1 << 20).await;
    assert!(rows_on_disk(&path) <= 1 + 10, "{} rows wait", rows_on_disk(&path));
}

/// Deleted rows stay hidden over a restart, after which they go.
#[tokio::test]
async fn deleted_copies_leave_the_files_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let owner = session("shop", 1);
    let store = SqliteHot::open(&path, &SqliteSettings::default()).unwrap();
    store.insert(&[row(&owner, 0, canary(1, 100)), row(&session("shop", 2), 0, "x")]).await.unwrap();
    drop(store);
    // As a process leaves it that ends right behind the deletion.
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("INSERT INTO replay_doomed SELECT id, 100 FROM replay_chunks ORDER BY id LIMIT 1", [])
        .unwrap();
    drop(conn);
    let store = SqliteHot::open(&path, &SqliteSettings::default()).unwrap();
    assert!(store.copies(&owner).await.unwrap().is_empty());
    for _ in 0..200 {
        if rows_on_disk(&path) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} rows are kept", rows_on_disk(&path));
}

#[tokio::test]
async fn space_is_given_back_when_nothing_else_is_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let store = SqliteHot::open(&path, &SqliteSettings::default()).unwrap();
    let owner = session("shop", 1);
    let rows: Vec<_> = (0..40).map(|index| row(&owner, index, canary(1, 1 << 20))).collect();
    store.insert(&rows).await.unwrap();
    let copies: Vec<_> = rows.iter().map(|row| row.meta.copy_id()).collect();
    assert_eq!(store.delete_copies(&owner, &copies).await.unwrap(), 40);
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    for _ in 0..200 {
        if size(&path) < 1 << 20 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} bytes are kept", size(&path));
}
