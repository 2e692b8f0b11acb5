//! What was deleted stays nowhere: not as a version, not in an unfinished upload.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use replay_ports::{ColdStore, Disposition, Precondition};
use replay_servers::s3::S3Cold;
use replay_tests::s3::{Fate, Proxy, TestBucket};

use super::{KEY, buckets, first_bucket, open, put, read, settings, text};

const NEIGHBOUR: &str = "shop/2026/01/0191f0c4-7e1a-7c3b-9d55-0123456789ab.gz.more";

/// Three versions of one object, and one of another whose key goes on where the first one's ends.
async fn versioned(bucket: &TestBucket) -> S3Cold {
    bucket.keep_versions();
    let store = open(&bucket.raw.url, bucket).await;
    let first = put(&store, KEY, &text("first"), Precondition::Absent).await;
    let second = put(&store, KEY, &text("second"), Precondition::Matches(first)).await;
    put(&store, KEY, &text("third"), Precondition::Matches(second)).await;
    put(&store, NEIGHBOUR, &text("x"), Precondition::Absent).await;
    assert_eq!(versions_of(bucket, KEY), 3);
    store
}

fn versions_of(bucket: &TestBucket, key: &str) -> usize {
    bucket.versions().iter().filter(|(found, _)| found == key).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_leaves_no_version() {
    let Some(bucket) = first_bucket() else { return };
    let store = versioned(&bucket).await;
    store.delete(KEY).await.unwrap();
    assert_eq!(versions_of(&bucket, KEY), 0);
    assert_eq!(read(&store, KEY).await, None);
    assert_eq!(versions_of(&bucket, NEIGHBOUR), 1);
    store.delete(KEY).await.unwrap();
}

/// Someone deleted the object as one does: a marker hides what is still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_finds_what_a_marker_hides() {
    let Some(bucket) = first_bucket() else { return };
    let store = versioned(&bucket).await;
    assert_eq!(bucket.send("DELETE", &format!("/{KEY}"), &[], b"").status, 204);
    assert_eq!(read(&store, KEY).await, None);
    assert_eq!(versions_of(&bucket, KEY), 4);
    store.delete(KEY).await.unwrap();
    assert_eq!(versions_of(&bucket, KEY), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_leaves_the_current_version() {
    let Some(bucket) = first_bucket() else { return };
    let store = versioned(&bucket).await;
    bucket.abandon_upload(KEY);
    let before = read(&store, KEY).await;
    store.prune(KEY).await.unwrap();
    assert_eq!(versions_of(&bucket, KEY), 1);
    assert_eq!(read(&store, KEY).await, before);
    assert_eq!(before.unwrap().1, "third");
    assert_eq!(bucket.uploads(KEY), []);
    assert_eq!(versions_of(&bucket, NEIGHBOUR), 1);
}

/// More versions than a listing gives at once, and the connection breaks in the middle: what is read
/// then is the newest version, never an older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_old_version_comes_to_light_when_a_deletion_is_cut_short() {
    let Some(bucket) = first_bucket() else { return };
    let direct = versioned(&bucket).await;
    let deletions = AtomicUsize::new(0);
    let proxy = Proxy::start(&bucket.raw.url, move |said| {
        // Pages of one version each.
        if said.target.contains("versions") {
            said.target = format!("{}&max-keys=1", said.target);
        }
        let is_deletion = said.method == "DELETE" && said.target.contains("shop");
        match is_deletion && deletions.fetch_add(1, SeqCst) >= 1 {
            true => Fate::error(403, "AccessDenied"),
            false => Fate::Pass,
        }
    });
    let error = open(&proxy.url, &bucket).await.delete(KEY).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Stop);
    assert!(error.to_string().contains("s3:DeleteObjectVersion"), "{error}");
    assert_eq!(versions_of(&bucket, KEY), 2);
    assert_eq!(read(&direct, KEY).await.unwrap().1, "third");
    direct.delete(KEY).await.unwrap();
    assert_eq!(versions_of(&bucket, KEY), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_aborts_the_uploads_of_its_key() {
    for bucket in buckets() {
        let store = open(&bucket.raw.url, &bucket).await;
        put(&store, KEY, &text("x"), Precondition::Absent).await;
        bucket.abandon_upload(KEY);
        bucket.abandon_upload(KEY);
        bucket.abandon_upload(NEIGHBOUR);
        store.delete(KEY).await.unwrap();
        assert_eq!(bucket.uploads(KEY).iter().filter(|(key, _)| key == KEY).count(), 0);
        assert_eq!(bucket.uploads(NEIGHBOUR).len(), 1);
        assert_eq!(read(&store, KEY).await, None);
    }
}

/// A store that knows nothing of versions says so, and has only what is current.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_versions_deletes_what_there_is() {
    for bucket in buckets() {
        let proxy = Proxy::start(&bucket.raw.url, |said| match said.target.contains("versions") {
            true => Fate::error(501, "NotImplemented"),
            false => Fate::Pass,
        });
        let store = open(&proxy.url, &bucket).await;
        put(&store, KEY, &text("x"), Precondition::Absent).await;
        store.prune(KEY).await.unwrap();
        assert_eq!(read(&store, KEY).await.unwrap().1, "x");
        store.delete(KEY).await.unwrap();
        assert_eq!(read(&store, KEY).await, None);
        store.delete(KEY).await.unwrap();
    }
}

/// A bucket may hold what others put there, and uploads that are still under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_uploads_of_our_keys_are_swept() {
    for bucket in buckets() {
        let store = open(&bucket.raw.url, &bucket).await;
        let other = "shop/2026/02/0191f0c4-7e1a-7c3b-9d55-0123456789ab.0123456789abcdef.zst";
        for key in [KEY, KEY, other, "backups/2026/01/dump.gz"] {
            bucket.abandon_upload(key);
        }
        let none = store.sweep_uploads(Duration::from_secs(3600)).await.unwrap();
        assert_eq!((none, bucket.uploads(KEY).len()), (0, 2));
        // Servers keep whole seconds, and clocks of their own.
        while store.sweep_uploads(Duration::ZERO).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((bucket.uploads(KEY).len(), bucket.uploads(other).len()), (0, 0));
        assert_eq!(bucket.uploads("backups/2026/01/dump.gz").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_for_reading_changes_nothing() {
    for bucket in buckets() {
        let store = open(&bucket.raw.url, &bucket).await;
        put(&store, KEY, &text("x"), Precondition::Absent).await;
        let proxy = Proxy::start(&bucket.raw.url, |said| match said.method.as_str() {
            "GET" | "HEAD" => Fate::Pass,
            _ => panic!("{} {}", said.method, said.target),
        });
        let reader = S3Cold::open_read_only(&settings(&proxy.url, &bucket.name)).await.unwrap();
        assert_eq!(read(&reader, KEY).await.unwrap().1, "x");
        assert_eq!(reader.list("", None, 10).await.unwrap().len(), 1);
        let written = reader.put(KEY, &text("y"), &[], Precondition::Absent).await.map(drop);
        for refused in [
            written,
            reader.delete(KEY).await,
            reader.prune(KEY).await,
            reader.sweep_uploads(Duration::ZERO).await.map(drop),
        ] {
            assert_eq!(refused.unwrap_err().disposition(), Disposition::Stop);
        }
        assert_eq!(read(&store, KEY).await.unwrap().1, "x");
    }
}
