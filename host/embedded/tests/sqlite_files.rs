//! SQLite as a file among files: crashes, other programs, other versions, other processes, a full disk.

#![expect(clippy::unwrap_used, reason = "this is test code")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{T0, copy_folder, files, row, session};
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_embedded::sqlite::{SqliteDeadLetters, SqliteHot, SqliteSettings};
use replay_ports::{DeadLetters, Disposition, HotStore, LetterFilter, SessionFilter};
use rusqlite::Connection;

fn open(folder: &Path) -> SqliteHot {
    SqliteHot::open(&folder.join("replays.sqlite"), &SqliteSettings::default()).unwrap()
}

async fn count(store: &SqliteHot) -> u64 {
    let sessions = store.list_sessions(&SessionFilter::default(), None, 1_000).await.unwrap();
    sessions.iter().map(|session| session.chunk_count).sum()
}

#[tokio::test]
async fn what_was_answered_for_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let owner = session("shop", 1);
    for index in 0..50 {
        store.insert(&[row(&owner, index, vec![index as u8; 5_000])]).await.unwrap();
    }
    copy_folder(folder.path(), crashed.path());
    // Half a commit at the end of the log is as if it had never begun.
    let wal = crashed.path().join("replays.sqlite-wal");
    let mut bytes = std::fs::read(&wal).unwrap();
    let torn: Vec<u8> = bytes[bytes.len() - 4_000..].iter().map(|byte| !byte).collect();
    bytes.extend(torn);
    std::fs::write(&wal, bytes).unwrap();
    std::fs::remove_file(crashed.path().join("replays.sqlite-shm")).unwrap();

    let again = open(crashed.path());
    assert_eq!(count(&again).await, 50);
    again.insert(&[row(&owner, 50, "x")]).await.unwrap();
    drop(again);
    assert_eq!(count(&open(crashed.path())).await, 51);
}

#[tokio::test]
async fn a_store_that_was_never_closed_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.insert(&[row(&session("shop", 1), 0, "x")]).await.unwrap();
    store.offsets("local", 0).save(7).unwrap();
    std::mem::forget(store);
    let again = open(folder.path());
    assert_eq!(count(&again).await, 1);
    assert_eq!(again.offsets("local", 0).load().unwrap(), 7);
}

#[tokio::test]
async fn a_closed_store_is_one_file_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/replays.sqlite");
    let store = SqliteHot::open(&path, &SqliteSettings::default()).unwrap();
    store.insert(&[row(&session("shop", 1), 0, "x")]).await.unwrap();
    store.copies(&session("shop", 1)).await.unwrap();
    #[cfg(unix)]
    for file in files(folder.path()) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{}", file.display());
    }
    drop(store);
    assert_eq!(files(folder.path()), [path]);
}

#[tokio::test]
async fn offsets_are_saved_in_order_and_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let offsets = store.offsets("local", 0);
    assert_eq!(offsets.load().unwrap(), 0);
    store.insert(&[row(&session("shop", 1), 0, "x")]).await.unwrap();
    // Blocking, but not a panic, inside async code; and on a thread of one's own.
    offsets.save(41).unwrap();
    let elsewhere = offsets.clone();
    std::thread::spawn(move || elsewhere.save(42).unwrap()).join().unwrap();
    assert_eq!(offsets.load().unwrap(), 42);
    assert_eq!(store.offsets("local", 1).load().unwrap(), 0);
    assert_eq!(store.offsets("other", 0).load().unwrap(), 0);
    assert_eq!(offsets.save(u64::MAX).unwrap_err().disposition(), Disposition::DeadLetter);
    // The handle alone keeps the file open.
    drop(store);
    offsets.save(43).unwrap();
    drop(offsets);
    assert_eq!(open(folder.path()).offsets("local", 0).load().unwrap(), 43);
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_by_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let owner = session("shop", 1);
    let stored = row(&owner, 0, "x");
    open(folder.path()).insert(std::slice::from_ref(&stored)).await.unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("DROP VIEW replay_live; DROP TABLE replay_doomed; PRAGMA user_version = 1").unwrap();
    drop(conn);
    let error = SqliteHot::open_read_only(&path).unwrap_err();
    assert!(error.to_string().contains("has schema 1, this build reads 2; `run` brings it up"), "{error}");
    let store = open(folder.path());
    assert_eq!(store.read(&owner, &[stored.meta.copy_id()]).await.unwrap(), [stored]);
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    drop(open(folder.path()));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    for error in [
        SqliteHot::open(&path, &SqliteSettings::default()).unwrap_err(),
        SqliteHot::open_read_only(&path).unwrap_err(),
    ] {
        assert_eq!(error.disposition(), Disposition::Stop);
        assert!(error.to_string().contains("schema 3 is newer than this build's 2"), "{error}");
    }
}

#[tokio::test]
async fn other_programs_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.sqlite");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    let garbage = folder.path().join("garbage.sqlite");
    std::fs::write(&garbage, "not a database at all ".repeat(1_000)).unwrap();
    // A dead-letter database is no replay database.
    let dead = folder.path().join("dead.sqlite");
    drop(SqliteDeadLetters::open(&dead, &SqliteSettings::default()).unwrap());
    for path in [foreign, garbage, dead] {
        let before = std::fs::read(&path).unwrap();
        for error in [
            SqliteHot::open(&path, &SqliteSettings::default()).unwrap_err(),
            SqliteHot::open_read_only(&path).unwrap_err(),
        ] {
            assert_eq!(error.disposition(), Disposition::Stop, "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        assert!(std::fs::read(&path).unwrap() == before, "{} was changed", path.display());
    }
    assert_eq!(files(folder.path()).len(), 3, "files were made: {:?}", files(folder.path()));
}

#[tokio::test]
async fn a_visitor_reads_beside_the_service_and_without_it() {
    // The name of a folder is no part of a URI.
    let folder = tempfile::Builder::new().prefix("odd %41?#&").tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let error = SqliteHot::open_read_only(&path).unwrap_err();
    assert!(error.to_string().contains("there is no replay database at"), "{error}");
    assert!(files(folder.path()).is_empty());

    let owner = session("shop", 1);
    let store = open(folder.path());
    let visitor = SqliteHot::open_read_only(&path).unwrap();
    for index in 0..5 {
        let row = row(&owner, index, "x");
        store.insert(std::slice::from_ref(&row)).await.unwrap();
        assert_eq!(visitor.read(&owner, &[row.meta.copy_id()]).await.unwrap(), [row]);
    }
    let tombstone = Tombstone { scope: EraseScope::Session(owner.clone()), erased_at_ms: T0 };
    for error in [
        visitor.insert(&[row(&owner, 9, "x")]).await.unwrap_err(),
        visitor.put_tombstone(&tombstone).await.unwrap_err(),
        visitor.erase(&tombstone).await.unwrap_err(),
        visitor.offsets("local", 0).save(1).unwrap_err(),
    ] {
        assert_eq!(error.disposition(), Disposition::Stop);
        assert!(error.to_string().contains("open for reading only"), "{error}");
    }
    store.offsets("local", 0).save(8).unwrap();
    assert_eq!(visitor.offsets("local", 0).load().unwrap(), 8);
    // The service goes, and the visitor reads on without making a file; it comes back, likewise.
    drop(store);
    assert_eq!(count(&visitor).await, 5);
    assert_eq!(count(&SqliteHot::open_read_only(&path).unwrap()).await, 5);
    assert_eq!(files(folder.path()), std::slice::from_ref(&path));
    let store = open(folder.path());
    store.insert(&[row(&owner, 5, "x")]).await.unwrap();
    assert_eq!(count(&visitor).await, 6);
    // A visitor does not stand in the way of an erasure.
    store.erase(&tombstone).await.unwrap();
    assert_eq!(count(&visitor).await, 0);
}

#[tokio::test]
async fn a_visitor_reads_the_letters_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.sqlite");
    let error = SqliteDeadLetters::open_read_only(&path).unwrap_err();
    assert!(error.to_string().contains("there is no dead-letter database at"), "{error}");
    drop(SqliteDeadLetters::open(&path, &SqliteSettings::default()).unwrap());
    let visitor = SqliteDeadLetters::open_read_only(&path).unwrap();
    assert!(visitor.list(&LetterFilter::default(), None, 10).await.unwrap().is_empty());
    assert_eq!(visitor.purge(1).await.unwrap_err().disposition(), Disposition::Stop);
}

#[tokio::test]
async fn a_full_disk_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let settings = SqliteSettings { max_bytes: Some(4 << 20), ..SqliteSettings::default() };
    let store = SqliteHot::open(&path, &settings).unwrap();
    let owner = session("shop", 1);
    let mut stored = 0;
    let error = loop {
        match store.insert(&[row(&owner, stored, vec![stored as u8; 300_000])]).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 100, "it never fills");
    };
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    assert!(error.to_string().contains("full") && error.to_string().contains("replays.sqlite"), "{error}");
    // Nothing is lost, what is small still fits, and what was erased makes room.
    assert_eq!(count(&store).await, u64::from(stored));
    store.insert(&[row(&session("other", 1), 0, "small")]).await.unwrap();
    let tombstone = Tombstone { scope: EraseScope::Session(owner), erased_at_ms: T0 };
    store.erase(&tombstone).await.unwrap();
    store.insert(&[row(&session("other", 2), 0, vec![7; 300_000])]).await.unwrap();
    assert_eq!(count(&store).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_share_a_commit_fail_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    // While another process holds the lock the writes queue up.
    let other = Connection::open(folder.path().join("replays.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writes: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let good = row(&session("shop", number + 1), 0, "x");
                let mut bad = row(&session("shop", number + 1), 1, "y");
                bad.meta.received_at_ms = u64::MAX;
                let rows = if number % 2 == 0 { vec![good] } else { vec![good, bad] };
                (number, store.insert(&rows).await)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    other.execute_batch("COMMIT").unwrap();
    for write in writes {
        let (number, result) = write.await.unwrap();
        let stored = store.copies(&session("shop", number + 1)).await.unwrap().len();
        if number % 2 == 0 {
            assert_eq!((result.is_ok(), stored), (true, 1));
        } else {
            assert_eq!(result.unwrap_err().disposition(), Disposition::DeadLetter);
            assert_eq!(stored, 0, "half a batch was stored");
        }
    }
}

#[tokio::test]
async fn another_process_that_holds_the_lock_is_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replays.sqlite");
    let settings = SqliteSettings { busy_timeout: Duration::from_millis(100), ..SqliteSettings::default() };
    let store = SqliteHot::open(&path, &settings).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let rows = [row(&session("shop", 1), 0, "x")];
    let error = store.insert(&rows).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    assert!(error.to_string().contains("locked by another process"), "{error}");
    other.execute_batch("COMMIT").unwrap();
    store.insert(&rows).await.unwrap();
}

#[tokio::test]
async fn a_dropped_call_is_carried_out_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let other = Connection::open(folder.path().join("replays.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let rows = [row(&session("shop", 1), 0, "x")];
    let dropped = tokio::time::timeout(Duration::from_millis(50), store.insert(&rows)).await;
    assert!(dropped.is_err());
    other.execute_batch("COMMIT").unwrap();
    // The next write is behind it.
    store.insert(&[]).await.unwrap();
    assert_eq!(count(&store).await, 1);
}
