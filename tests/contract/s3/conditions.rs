//! Stores that do not hold the conditions of writes are found out, whatever they do about the headers.

use replay_ports::{ColdStore, Precondition, PutOutcome};
use replay_servers::s3::S3Cold;
use replay_tests::s3::{Fate, Proxy, Said};

use super::{KEY, buckets, open, put, read, settings, text};

fn strip(said: &mut Said) {
    said.strip("if-match");
    said.strip("if-none-match");
}

/// A store that looks at no condition of a write.
pub(super) fn ignore_conditions(said: &mut Said) -> Fate {
    if said.method != "GET" {
        strip(said);
    }
    Fate::Pass
}

fn is_conditional(said: &Said) -> bool {
    said.header("if-match").is_some() || said.header("if-none-match").is_some()
}

/// Ways of not holding a condition.
const WAYS: [fn(&mut Said) -> Fate; 4] = [
    ignore_conditions,
    // Only replacements are not held.
    |said| {
        if said.method == "PUT" {
            said.strip("if-match");
        }
        Fate::Pass
    },
    // Only at the end of an upload in parts.
    |said| {
        if said.method == "POST" {
            strip(said);
        }
        Fate::Pass
    },
    |said| match is_conditional(said) && said.method != "GET" {
        true => Fate::error(501, "NotImplemented"),
        false => Fate::Pass,
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_conditions_is_found_out() {
    for bucket in buckets() {
        for (number, way) in WAYS.into_iter().enumerate() {
            let proxy = Proxy::start(&bucket.raw.url, way);
            let store = open(&proxy.url, &bucket).await;
            assert!(!store.conditional_writes(), "way {number}");
        }
        assert!(open(&bucket.raw.url, &bucket).await.conditional_writes());
        // The probe cleans up after itself.
        let reader = S3Cold::open_read_only(&settings(&bucket.raw.url, &bucket.name)).await.unwrap();
        assert_eq!(reader.list("", None, 10).await.unwrap(), []);
        assert_eq!(bucket.uploads(""), []);
    }
}

/// Its writes look beforehand; that is all they can do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_there_look_beforehand() {
    for bucket in buckets() {
        for way in WAYS {
            let proxy = Proxy::start(&bucket.raw.url, way);
            let store = open(&proxy.url, &bucket).await;
            let first = put(&store, KEY, &text("first"), Precondition::Absent).await;
            let second = put(&store, KEY, &text("second"), Precondition::Matches(first.clone())).await;
            for stale in [Precondition::Absent, Precondition::Matches(first)] {
                let outcome = store.put(KEY, &text("third"), &[], stale).await.unwrap();
                assert_eq!(outcome, PutOutcome::PreconditionFailed);
            }
            assert_eq!(read(&store, KEY).await.unwrap(), (second, "second".into()));
            store.delete(KEY).await.unwrap();
        }
    }
}

/// A store that ignores the condition of a ranged read gives no bytes of another object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_checked_here_too() {
    for bucket in buckets() {
        let proxy = Proxy::start(&bucket.raw.url, |said| {
            strip(said);
            Fate::Pass
        });
        let store = open(&proxy.url, &bucket).await;
        let first = put(&store, KEY, &text("first"), Precondition::Absent).await;
        assert_eq!(store.get_range(KEY, &first, 0..2).await.unwrap().unwrap(), "fi");
        put(&store, KEY, &text("other"), Precondition::Matches(first.clone())).await;
        assert_eq!(store.get_range(KEY, &first, 0..2).await.unwrap(), None);
    }
}
