//! The directory store as files: what lies where, what a crash leaves, what a person may do to it.

#![expect(clippy::unwrap_used, reason = "this is test code")]

mod common;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use common::files;
use replay_embedded::dir::DirCold;
use replay_ports::{ColdStore, Disposition, Precondition, PutOutcome};

const KEY: &str = "shop/2026/01/0191f0c4-7e1a-7c3b-9d55-0123456789ab.gz";

async fn put(store: &DirCold, key: &str, text: &'static str) -> PutOutcome {
    let metadata = [("generation", "1".to_owned())];
    store.put(key, &[Bytes::from(text)], &metadata, Precondition::Absent).await.unwrap()
}

/// The files of the root but its lock, as paths relative to it.
fn listing(root: &Path) -> Vec<String> {
    let relative = |path: std::path::PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    files(root).into_iter().map(relative).filter(|path| path != ".lock").collect()
}

#[tokio::test]
async fn an_object_is_a_file_with_its_description_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let store = DirCold::open(root.path()).unwrap();
    put(&store, KEY, "bytes").await;
    assert_eq!(listing(root.path()), [KEY.to_owned(), format!("{KEY}.meta.json")]);
    assert_eq!(std::fs::read(root.path().join(KEY)).unwrap(), b"bytes");
    let description = std::fs::read_to_string(root.path().join(format!("{KEY}.meta.json"))).unwrap();
    assert_eq!(description, "{\n  \"generation\": \"1\"\n}\n");
    // With the object go its description and the folders that it leaves empty.
    store.delete(KEY).await.unwrap();
    assert!(listing(root.path()).is_empty());
    assert!(!root.path().join("shop").exists() && root.path().exists());
    // A description without its object, as a crash between the two leaves it, goes as well.
    put(&store, KEY, "bytes").await;
    std::fs::remove_file(root.path().join(KEY)).unwrap();
    store.delete(KEY).await.unwrap();
    assert!(listing(root.path()).is_empty());
}

#[tokio::test]
async fn what_a_crash_leaves_is_invisible_and_cleared() {
    let root = tempfile::tempdir().unwrap();
    let store = DirCold::open(root.path()).unwrap();
    put(&store, KEY, "bytes").await;
    // Two crashed writers, one of our key; and files that a person left.
    let crashed = root.path().join(".tmp/00ff-1-1");
    std::fs::write(&crashed, "half").unwrap();
    std::fs::write(root.path().join("shop/.DS_Store"), "x").unwrap();
    std::fs::write(root.path().join("shop/a note.txt"), "x").unwrap();
    std::fs::create_dir(root.path().join("shop/2026/02")).unwrap();
    let keys: Vec<_> = store.list("", None, 10).await.unwrap().into_iter().map(|head| head.key).collect();
    assert_eq!(keys, [KEY]);
    drop(store);
    DirCold::open(root.path()).unwrap();
    assert!(!crashed.exists());
    assert!(root.path().join("shop/a note.txt").exists(), "a person's file is not ours to delete");
}

#[tokio::test]
async fn a_living_writers_file_is_not_cleared() {
    let root = tempfile::tempdir().unwrap();
    DirCold::open(root.path()).unwrap();
    let living = root.path().join(".tmp/00ff-1-1");
    let file = std::fs::File::create(&living).unwrap();
    file.lock().unwrap();
    DirCold::open(root.path()).unwrap();
    assert!(living.exists());
    drop(file);
    DirCold::open(root.path()).unwrap();
    assert!(!living.exists());
}

#[tokio::test]
async fn a_refused_write_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = DirCold::open(root.path()).unwrap();
    put(&store, KEY, "bytes").await;
    assert_eq!(put(&store, KEY, "other").await, PutOutcome::PreconditionFailed);
    // A key below an object, and one that is a folder of others: not here.
    let below = format!("{KEY}/x");
    for key in [below.as_str(), "shop/2026"] {
        let error = store.put(key, &[], &[], Precondition::Absent).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::DeadLetter, "{error}");
    }
    for key in ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".lock", ".tmp/x", "a\0b", "a.meta.json"] {
        let error = store.put(key, &[], &[], Precondition::Absent).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::DeadLetter, "{key:?}: {error}");
        assert!(store.get(key).await.is_err() && store.delete(key).await.is_err());
    }
    assert_eq!(listing(root.path()), [KEY.to_owned(), format!("{KEY}.meta.json")]);
}

#[tokio::test]
async fn an_object_that_a_person_changed_has_another_tag() {
    let root = tempfile::tempdir().unwrap();
    let store = DirCold::open(root.path()).unwrap();
    let PutOutcome::Written(tag) = put(&store, KEY, "bytes").await else { panic!("not written") };
    std::fs::write(root.path().join(KEY), "BYTES").unwrap();
    assert_eq!(store.get_range(KEY, &tag, 0..1).await.unwrap(), None);
    let stale = store.put(KEY, &[], &[], Precondition::Matches(tag)).await.unwrap();
    assert_eq!(stale, PutOutcome::PreconditionFailed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_on_one_root_exclude_each_other() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let key = format!("shop/2026/01/{round}.gz");
        let writers: Vec<_> = (0..4)
            .map(|_| {
                // Each as another process would have it.
                let (store, key) = (Arc::new(DirCold::open(root.path()).unwrap()), key.clone());
                tokio::spawn(async move { put(&store, &key, "bytes").await })
            })
            .collect();
        let mut won = 0;
        for writer in writers {
            won += u32::from(writer.await.unwrap() != PutOutcome::PreconditionFailed);
        }
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn a_visitor_makes_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cold");
    let error = DirCold::open_read_only(&root).unwrap_err();
    assert!(error.to_string().contains("there is no cold store in"), "{error}");
    assert!(!root.exists());
    let store = DirCold::open(&root).unwrap();
    let visitor = DirCold::open_read_only(&root).unwrap();
    assert_eq!(visitor.get(KEY).await.unwrap(), None);
    put(&store, KEY, "bytes").await;
    assert_eq!(visitor.get(KEY).await.unwrap().unwrap().1, "bytes");
    let refused = visitor.put("x", &[], &[], Precondition::Absent).await.unwrap_err();
    assert_eq!(refused.disposition(), Disposition::Stop);
    assert_eq!(visitor.delete(KEY).await.unwrap_err().disposition(), Disposition::Stop);
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_no_empty_store() {
    let folder = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (folder.path().join("cold"), folder.path().join("unmounted"));
    let store = DirCold::open(&root).unwrap();
    let PutOutcome::Written(tag) = put(&store, KEY, "bytes").await else { panic!("not written") };
    std::fs::rename(&root, &elsewhere).unwrap();
    std::fs::create_dir(&root).unwrap();
    for error in [
        store.get(KEY).await.unwrap_err(),
        store.head(KEY).await.unwrap_err(),
        store.get_range(KEY, &tag, 0..1).await.unwrap_err(),
        store.list("", None, 10).await.unwrap_err(),
        store.delete(KEY).await.unwrap_err(),
        store.put(KEY, &[], &[], Precondition::Absent).await.unwrap_err(),
    ] {
        assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    }
    assert!(files(&root).is_empty());
    std::fs::remove_dir(&root).unwrap();
    std::fs::rename(&elsewhere, &root).unwrap();
    assert_eq!(store.get(KEY).await.unwrap(), Some((tag, Bytes::from("bytes"))));
}
